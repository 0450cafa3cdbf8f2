#!/bin/bash
# TotalSegmentator 2.18.0: the mean intensity of an organ is the mean of whole 16-bit numbers, whatever the image holds.
#
# Guess: get_basic_statistics, which writes the file statistics.json, averages the voxels of the image, and its five decimals mean something.
# Real: the image is first turned into 16-bit integers. SUV of 0.9 everywhere is a mean of 0, 5.9 is 5.0, negative numbers move towards 0, and
# 40,000 Bq/mL cannot be held (it came out as -25,536). No warning; volumes are right.
# Who meets it: PET in SUV, SPECT in Bq/mL, and MRI maps (ADC in mm2/s is 0 everywhere) that are given in place of a CT after segmentation on it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6 tqdm==4.70.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps TotalSegmentator==2.18.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import nibabel
import numpy as np
from totalsegmentator.map_to_binary import class_map
from totalsegmentator.statistics import get_basic_statistics

liver = next(number for number, name in class_map["total"].items() if name == "liver")
mask = np.zeros((24, 24, 24), np.uint8)
mask[8:16, 8:16, 8:16] = liver


def mean(value):
    """What is reported for a liver that has this value in every voxel (voxels of 8 mm3)."""
    image = nibabel.Nifti1Image(np.where(mask == liver, value, 0.0).astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    result = get_basic_statistics(mask, image, quiet=True, roi_subset=["liver"])["liver"]
    assert result["volume"] == 512 * 8
    return float(result["intensity"])


found = {value: mean(value) for value in (0.9, 5.9, -0.9, 0.0012, 40000.0)}
for value, reported in found.items():
    print(f"true mean {value:g}: reported {reported:g}")
assert found.pop(40000.0) <= 32767
assert found == {0.9: 0.0, 5.9: 5.0, -0.9: 0.0, 0.0012: 0.0}
PYTHON
