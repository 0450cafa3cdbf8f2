"""An installed TotalSegmentator is run, checked and adopted; a stand-in writes what version 2.18 writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.small_archive import write_therapy
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.check import check_case

STANDIN = Path(__file__).with_name("totalsegmentator_standin.py")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "bin" / "TotalSegmentator"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(STANDIN)!r}, run_name='__main__')\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def case(tmp_path):
    write_therapy(tmp_path / "source", hours=(24.0, 96.0), distractors=False)
    path = tmp_path / "case.json"
    assert main(["case", str(tmp_path / "source"), "-o", str(path), "--protocol", "single-arm"]) == 0
    return path


@pytest.mark.parametrize("more", [[], ["--ml"]], ids=["single files", "multi-label"])
def test_its_output_becomes_the_segments_of_the_case(case, program, more, capsys):
    assert main(["segment", str(case), "--program", program, *more]) == 0
    loaded = load_case(case)
    assert loaded.questions == ()
    folder = loaded.visits[0].segments
    segmentation = read_segment_folder(folder)
    names = {one.name: one for one in segmentation}
    assert {"liver", "liver_lesions"} <= set(names)
    assert "skull" not in names  # of no use here
    lesion = names["liver_lesions"].full_mask(segmentation.grid.shape)
    middle = segmentation.grid.to_ras(np.argwhere(lesion)[:, ::-1].mean(axis=0))
    assert middle == pytest.approx([5.0, 5.0, 12.5])  # rows are turned as dcm2niix turns them, and back in place
    facts = json.loads((folder / "segmentation.json").read_text(encoding="utf-8"))
    assert (facts["version"], facts["tasks"]) == ("2.18.0", ["total", "liver_lesions"])
    assert loaded.notes["segmentation"]["version"] == "2.18.0"
    assert not [text for text in check_case(case).all_problems if "segment" in text.lower()]
    assert "by TotalSegmentator 2.18.0" in capsys.readouterr().out


@pytest.mark.slow
def test_segments_are_not_made_twice_unless_wished(case, program, capsys):
    assert main(["segment", str(case), "--program", program]) == 0
    assert main(["segment", str(case), "--program", program]) == 1
    assert "Every visit of case.json has segments" in capsys.readouterr().err
    assert main(["segment", str(case), "--program", program, "--replace", "--task", "total"]) == 0
    assert not (load_case(case).visits[0].segments / "liver_lesions.nii.gz").exists()


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("fails", "failed in its task total (RuntimeError: no model weights were found)"),
        ("other grid", "wrote masks on another grid"),
        ("no liver", "found no liver on the CT of visit '24h'"),
    ],
)
def test_what_went_wrong_is_one_sentence_and_the_case_is_as_it_was(case, program, capsys, monkeypatch, mode, sentence):
    monkeypatch.setenv("STANDIN", mode)
    before = case.read_bytes()
    assert main(["segment", str(case), "--program", program]) == 1
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert case.read_bytes() == before


def test_a_liver_without_lesions_is_said(case, program, capsys, monkeypatch):
    monkeypatch.setenv("STANDIN", "no lesion")
    assert main(["segment", str(case), "--program", program]) == 0
    assert "no liver lesion was found; draw those that there are" in capsys.readouterr().out


def test_its_absence_is_one_sentence(case, capsys):
    assert main(["segment", str(case), "--program", "/nowhere/TotalSegmentator"]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is not installed: 'pip install TotalSegmentator'" in said
