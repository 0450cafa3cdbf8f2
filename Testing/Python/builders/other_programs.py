"""Programs of others, for the tests that ask them; a test is skipped aloud without its program."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


def program(name):
    """Path of a program beside this Python or on the path; skips the test if there is none."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def asked(url, data=None):
    """What the archive answers."""
    with urllib.request.urlopen(url, data=data, timeout=20) as answer:
        return answer.read()


@contextlib.contextmanager
def running_archive(place):
    """The address of an Orthanc on the loopback that keeps its files in ``place``."""
    orthanc = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if not orthanc:
        pytest.skip("Orthanc (Debian package orthanc) is not installed")
    http, dicom = _free_port(), _free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(place / "storage"),
        "IndexDirectory": str(place / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (place / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    running = subprocess.Popen([orthanc, place / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{http}"
    try:
        for _ in range(150):
            with contextlib.suppress(OSError):
                asked(f"{address}/system")
                break
            time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait(timeout=20)


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
