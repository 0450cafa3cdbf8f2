"""A label map as segments of a case: the names of its numbers are stated in the case, a table's name does as well."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from builders.patient_fixture import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.segmentations import read_segmentation_file
from PRRTUptakeLib.segmentation.totalsegmentator import TABLES
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.check import check_case
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.inputs import study_input

NAMES = {"1": "liver", "2": "liver_lesions", "3": "spleen"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The synthetic LUTIA patient with liver, lesions and spleen in one file without a table."""
    source, _ = measured_patient()
    patient = tmp_path_factory.mktemp("labels") / "patient"
    shutil.copytree(source.parent, patient)
    folder = patient / "segments"
    arrays = {}
    for number, name in NAMES.items():
        image = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        arrays[int(number)] = sitk.GetArrayFromImage(image) > 0
    labels = np.zeros(arrays[1].shape, np.uint8)
    for number in (1, 3, 2):
        labels[arrays[number]] = number
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(image)
    shutil.rmtree(folder)
    sitk.WriteImage(made, str(patient / "labels.nii.gz"))
    return stated(patient / "case.json", segments="labels.nii.gz", labels=NAMES), arrays


@pytest.fixture
def case(original, tmp_path):
    """A copy of it that a test may change."""
    path, arrays = original
    shutil.copytree(path.parent, tmp_path / "patient")
    return tmp_path / "patient" / "case.json", arrays


def stated(path, **keys):
    content = json.loads(path.read_text(encoding="utf-8"))
    content["visits"][0].update(keys)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_segments_have_the_stated_names_and_voxels(case):
    path, arrays = case
    found = study_input(load_case(path), read_segmentation_file).visits[0].load_segments()
    assert {segment.name for segment in found} == set(NAMES.values())
    assert found["spleen"].voxel_count == arrays[3].sum()
    assert found["liver_lesions"].voxel_count == arrays[2].sum()


def test_the_check_lists_them(case):
    listed = check_case(case[0]).visits[0]
    assert [name for name, _ in listed.segments] == list(NAMES.values())


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("everything", "total or total_v3, or an object with a number as each key"),
        ({}, r"visits\[0\]\.labels' is "),
        ({"0": "air"}, r"'0' is no number of a label map"),
        ({"one": "liver"}, r"'one' is no number of a label map"),
        ({"1": 5}, r"visits\[0\]\.labels"),
    ],
)
def test_labels_that_are_none_are_refused(case, labels, words):
    with pytest.raises(InputFileError, match=words):
        load_case(stated(case[0], labels=labels))


def test_a_number_without_a_name_is_refused(case, capsys):
    path = stated(case[0], labels={"1": "liver", "2": "liver_lesions"})
    assert main(["run", str(path), "-o", str(path.parent / "out")]) == 1
    assert "holds the label 3 without a name" in capsys.readouterr().err
    assert not (path.parent / "out").exists()


def test_labels_of_what_is_no_label_map_are_refused(case):
    path = stated(case[0], segments="DICOM")
    with pytest.raises(PRRTError, match="'labels' are the names of a label map's numbers, but"):
        study_input(load_case(path), read_segmentation_file).visits[0].load_segments()


def test_the_tables_of_the_two_tasks_differ_where_it_matters():
    assert TABLES["total"][26] != TABLES["total_v3"][26]
