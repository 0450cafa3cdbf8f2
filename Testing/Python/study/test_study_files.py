"""The one list of files that a case depends on: wherever they are, a change of one makes the patient anew."""

from __future__ import annotations

import json

import pytest
from builders.stub_cohort import change_case, make, write_cases
from PRRTUptakeLib.study.case_files import case_files

IDENTITY = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]


def keys_that_name(name: str) -> dict[str, dict]:
    """Every place at which a case file may name a file outside its folder."""
    visit = {"visit": "24h", "cycle": 1, "dicom": ".", "segments": "."}
    return {
        "transform": {"visits": [{**visit, "registration": {"transform": name, "inverse": True}}]},
        "transform by its name alone": {"visits": [{**visit, "registration": name}]},
        "delivered doses": {"delivered": {"measurements": name, "cycle": 2}},
        "intravenous cycle": {"iv_cycle": {"activity_MBq": 7400, "measurements": name, "cycle": 1}},
        "transform of the dose map": {"dosimetry": {"transforms": {"1/24h": name, "1/72h": IDENTITY}}},
        "phantom": {"recovery_phantom": name},
    }


@pytest.mark.parametrize("key", list(keys_that_name("")))
def test_a_file_outside_the_folder_makes_the_patient_anew(tmp_path, key):
    cases = write_cases(tmp_path, 2)
    place = tmp_path / "elsewhere" / "input.bin"
    place.parent.mkdir()
    place.write_text("one")
    change_case(cases, "P00", **keys_that_name("../../elsewhere/input.bin")[key])
    make(cases, tmp_path / "out")
    assert [one.reused for one in make(cases, tmp_path / "out").outcomes] == [True, True]
    place.write_text("two")
    assert [one.reused for one in make(cases, tmp_path / "out").outcomes] == [False, True]


def test_files_of_folders_and_named_files_are_listed_once(tmp_path):
    (tmp_path / "case" / "images" / "deep").mkdir(parents=True)
    (tmp_path / "case" / "images" / "deep" / "1.dcm").write_text("x")
    (tmp_path / "case" / "unrelated.txt").write_text("x")
    (tmp_path / "rules.json").write_text("{}")
    path = tmp_path / "case" / "case.json"
    path.write_text(
        json.dumps(
            {
                "patient": "P1",
                "protocol": "../rules.json",
                "visits": [{"dicom": "images", "segments": "images"}, {"dicom": "images", "image": "1.2.3"}],
                "notes": {"operator": "/", "word": "\u0000", "folder": "images"},
            }
        )
    )
    names = [one.relative_to(tmp_path).as_posix() for one in case_files(path)]
    assert names == ["case/case.json", "case/images/deep/1.dcm", "rules.json"]


@pytest.mark.parametrize("text", ["{ no JSON", "[1, 2]", '"word"', ""])
def test_a_case_file_that_cannot_be_used_is_alone(tmp_path, text):
    path = tmp_path / "case.json"
    path.write_text(text)
    assert case_files(path) == (path.resolve(),)
