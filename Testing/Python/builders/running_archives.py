"""Archives of others on the loopback: Orthanc with DICOMweb and DIMSE, and dcmtk's dcmqrscp; ended with the test."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest

from builders.other_programs import asked, program

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Running:
    """Addresses of an archive, and the process that serves it."""

    web: str
    dimse: str
    rest: str
    process: object

    def stop(self):
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait(timeout=20)


def needs_packages():
    """Skip aloud without the packages of the extra ``pacs``."""
    pytest.importorskip("pynetdicom", reason="pynetdicom (extra pacs) is not installed")
    pytest.importorskip("dicomweb_client", reason="dicomweb-client (extra pacs) is not installed")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def orthanc(place, users=None, own_port=0, ports=None):
    """An Orthanc that keeps its files in ``place``; ``users`` are names with passwords, asked for if there are any."""
    import shutil

    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if not found:
        pytest.skip("Orthanc (Debian package orthanc) is not installed")
    if not PLUGIN.exists():
        pytest.skip("Orthanc's DICOMweb plugin (Debian package orthanc-dicomweb) is not installed")
    http, dicom = ports or (free_port(), free_port())
    place.mkdir(exist_ok=True)
    settings = {
        "Name": "test",
        "StorageDirectory": str(place / "storage"),
        "IndexDirectory": str(place / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": bool(users),
        "RegisteredUsers": users or {},
        "DicomModalities": {"prrt": ["PRRT", "127.0.0.1", own_port]} if own_port else {},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (place / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    process = subprocess.Popen([found, place / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rest = f"http://127.0.0.1:{http}"
    try:
        wait_for(http)
        yield Running(f"{rest}/dicom-web", f"ORTHANC@127.0.0.1:{dicom}", rest, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)


@contextlib.contextmanager
def dcmqrscp(place):
    """dcmtk's archive with the title ARCHIVE, which knows the callers PRRT and FILLER only."""
    found, port = program("dcmqrscp"), free_port()
    storage = place / "qr"
    storage.mkdir(parents=True)
    (place / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nours = (PRRT, 127.0.0.1, 11112)\nfiller = (FILLER, 127.0.0.1, 11113)\n"
        "all = ours, filler\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {storage} RW (500, 1024mb) ANY\nAETable END\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [found, "--config", place / "dcmqrscp.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield Running("", f"ARCHIVE@127.0.0.1:{port}", "", process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(port):
    """Until something listens on a port of this machine."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def fill_orthanc(running, folder):
    """Store every file of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            asked(f"{running.rest}/instances", path.read_bytes())


def fill_by_dimse(address, folder):
    """Store every file of a folder by C-STORE, as a modality does."""
    from pynetdicom import AE

    title, where = address.split("@")
    host, port = where.split(":")
    files = [pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    ours = AE(ae_title="FILLER")
    for kind in {one.SOPClassUID for one in files}:
        ours.add_requested_context(kind)
    association = ours.associate(host, int(port), ae_title=title)
    assert association.is_established
    for one in files:
        assert association.send_c_store(one).Status == 0
    association.release()
