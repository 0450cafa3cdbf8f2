"""Panels against what Slicer really offers: widget members, import times, and the stand-in itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from shared_data import shared_file

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("PRRTUptake", "PRRTDosimetry")

_IMPORT = """
import sys, time
sys.path[:0] = {paths!r}
from slicer_standin.application import running_slicer, load_module
with running_slicer():
    start = time.perf_counter()
    load_module({path!r})
    seconds = time.perf_counter() - start
    roots = {{name.split(".")[0] for name in sys.modules}}
    heavy = sorted(roots & {{"scipy", "SimpleITK", "pydicom", "highdicom", "matplotlib"}})
    print(seconds, *heavy)
"""


@pytest.mark.parametrize("module", MODULES)
def test_module_import_is_light(module, slicer_application):
    paths = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]
    code = _IMPORT.format(paths=paths, path=str(ROOT / module / f"{module}.py"))
    for _ in range(3):  # on a busy machine one run says little
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, *heavy = done.stdout.split()
        if float(seconds) < 0.2:
            break
    assert not heavy
    assert float(seconds) < 0.2


@pytest.mark.parametrize("module", MODULES)
def test_contract(module):
    checker = shared_file("panel_contract", "check_panel.py")
    done = subprocess.run(
        [sys.executable, str(checker), str(ROOT / module)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
