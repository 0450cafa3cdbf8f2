"""Label maps whose names are in a table beside them or in their header, as open programs write them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.study.case_files import case_files
from PRRTUptakeLib.study.segment_names import segment_names

LABELS = np.zeros((6, 8, 8), dtype=np.uint8)
LABELS[1:5, 1:7, 1:7] = 1
LABELS[2:4, 2:4, 2:4] = 4
SNAP = """################################################
# ITK-SnAP Label Description File
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "liver"
    4     0  255    0     0.50  1  1    "liver lesion 1"
"""
TABLES = {
    "seg.txt": SNAP,
    "seg.label": SNAP,
    "seg.tsv": "index\tname\tabbreviation\n0\tbackground\tBG\n1\tliver\tL\n4\tliver lesion 1\tT\n",
    "seg.ctbl": "# Color table file\n0 background 0 0 0 0\n1 liver 221 130 101 255\n4 liver_lesion_1 144 238 144 255\n",
    "seg.json": json.dumps({"1": "liver", "4": "liver lesion 1"}),
    "dataset.json": json.dumps({"labels": {"background": 0, "liver": 1, "liver lesion 1": 4}, "numTraining": 3}),
}


def written(folder, name="seg.nii.gz", values=LABELS, header=None):
    image = sitk.GetImageFromArray(values)
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetSpacing((2.0, 2.0, 3.0))
    for key, value in (header or {}).items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(folder / name))
    return folder


def voxels(found):
    return {segment.name.replace("_", " "): segment.voxel_count for segment in found}


EXPECTED = {"liver": int((LABELS == 1).sum()), "liver lesion 1": int((LABELS == 4).sum())}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_beside_it(tmp_path, table):
    (written(tmp_path) / table).write_text(TABLES[table], encoding="utf-8")
    assert voxels(read_segment_folder(tmp_path)) == EXPECTED
    assert segment_names(tmp_path).structures == ("liver", "liver_lesion")


@pytest.mark.parametrize(
    "header",
    [
        {
            **{"Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0"},
            **{"Segment1_Name": "liver lesion 1", "Segment1_LabelValue": "4", "Segment1_Layer": "0"},
        },
        {
            "org.mitk.multilabel.segmentation.labelgroups": json.dumps(
                [{"labels": [{"value": 1, "name": "liver"}, {"value": 4, "name": "liver lesion 1"}]}]
            )
        },
    ],
    ids=["Slicer", "MITK"],
)
def test_keys_of_its_header(tmp_path, header):
    written(tmp_path, "seg.nrrd", header=header)
    assert voxels(read_segment_folder(tmp_path)) == EXPECTED


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("seg.txt", "drawn by A. B. on 3 May"),
        ("seg.tsv", "name\tvolume\nliver\t1500\n"),
        ("seg.ctbl", "liver 1"),
        ("dataset.json", json.dumps({"labels": {"whole": [1, 4], "lesion": [4]}})),
        ("dataset.json", "not json"),
        ("dataset.json", json.dumps({"Name": "BIDS"})),
    ],
)
def test_other_texts_have_no_names(tmp_path, table, text):
    (written(tmp_path) / table).write_text(text, encoding="utf-8")
    with pytest.raises(SegmentationError, match="names of its labels \\('labels' in the case file\\)"):
        read_segment_folder(tmp_path)


def test_masks_of_one_structure_need_no_table(tmp_path):
    written(tmp_path, "liver.nii.gz", (LABELS > 0).astype(np.uint8))
    (tmp_path / "dataset.json").write_text(TABLES["dataset.json"], encoding="utf-8")
    assert voxels(read_segment_folder(tmp_path)) == {"liver": int((LABELS > 0).sum())}


def test_a_number_without_a_name_is_refused(tmp_path):
    (written(tmp_path) / "seg.tsv").write_text("index\tname\n1\tliver\n", encoding="utf-8")
    with pytest.raises(SegmentationError, match="label 4 without a name"):
        read_segment_folder(tmp_path)


@pytest.mark.parametrize("table", TABLES)
def test_a_case_depends_on_the_table(tmp_path, table):
    (written(tmp_path) / table).write_text(TABLES[table], encoding="utf-8")
    (tmp_path / "case.json").write_text(json.dumps({"visits": [{"segments": "seg.nii.gz"}]}), encoding="utf-8")
    assert {path.name for path in case_files(tmp_path / "case.json")} == {"case.json", "seg.nii.gz", table}
