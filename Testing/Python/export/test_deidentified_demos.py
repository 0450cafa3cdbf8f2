"""Nobody's name, id, date or UID in any byte of any file that a run of any demo writes with ``--deidentify``."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pydicom
import pytest
from builders.identity_search import everything, identifying
from builders.small_grids import use_small_grids
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.synthetic.cases import (
    write_synthetic_ia_versus_iv,
    write_synthetic_serial,
    write_synthetic_single_arm,
    write_synthetic_therapy,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

KEY, OPERATOR = bytes(range(32)).hex(), "Dr J. Roe"
PLAIN = {"blur": False, "noise": False}


def serial(folder):
    return [write_synthetic_serial(folder, times_h=(24.0, 96.0), **PLAIN)]


def single_arm(folder):
    return [write_synthetic_single_arm(folder, times_h=(24.0,), **PLAIN)]


def routes(folder):
    return [write_synthetic_ia_versus_iv(folder, moving=False, **PLAIN)]


def therapy(folder):
    """The case of both routes, which reads the tables of both cycles; they are as they were measured, with names."""
    *cycles, pet = write_synthetic_therapy(folder, times_h=(24.0, 96.0), **PLAIN)
    for case in cycles:
        assert main(["run", str(case), "-o", str(folder.parent / "results" / case.parent.name)]) == 0
    return [pet]


def headers(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.open("rb").read(132).endswith(b"DICM"):
            yield pydicom.dcmread(path, stop_before_pixels=True)


def run(case, out, *options):
    """``prrt run`` with all that it can write; the site calls the patient otherwise than the DICOM does."""
    content = json.loads(case.read_text(encoding="utf-8"))
    content["notes"] = {"operator": OPERATOR}
    case.write_text(json.dumps(content), encoding="utf-8")
    excel = ["--excel"] if find_spec("openpyxl") else []
    masks = ["--masks"] if find_spec("nibabel") else []
    words = ["--dicom", "--rtstruct", "--operator", OPERATOR, *excel, *masks, *options]
    assert main(["run", str(case), "-o", str(out), *words]) == 0


@pytest.mark.parametrize("write", [serial, single_arm, routes, therapy])
def test_no_byte_of_any_file_states_whose_results_they_are(tmp_path, write, monkeypatch):
    use_small_grids(monkeypatch)
    (case,) = write(tmp_path / "case")
    words = identifying(headers(tmp_path / "case"), {OPERATOR, json.loads(case.read_text(encoding="utf-8"))["patient"]})
    assert len(words) > 50
    (tmp_path / "key").write_text(KEY, encoding="ascii")
    run(case, tmp_path / "out", "--deidentify", "--key", str(tmp_path / "key"))
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".csv", ".html", ".json", ".mrb", ".dcm"}
    for path in files:
        assert not [word for word in words if word in str(path.relative_to(tmp_path / "out"))]
        content = list(everything(path.read_bytes()))
        assert not [word for word in words if any(word.encode() in data for data in content)], path.name
