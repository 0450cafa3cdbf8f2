#!/bin/bash
# rosamllib 0.6.3: extract_largest_structure keeps the smallest piece of a mask.
#
# Guess: of a mask in several pieces the largest is kept, as the name and its documentation say.
# Real: pieces are numbered from the largest to the smallest, and the one with the highest number is kept. Of a liver of 192 mL with specks of 0.512 and
# 0.008 mL beside it one voxel is left. Of a mask in one piece that piece is returned, so that it is not seen there. With min_volume it is right.
# Who meets it: automatic segmentations of organs, whose specks are cleaned away before volumes and doses are taken.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosamllib==0.6.3 SimpleITK==2.5.7 numpy==1.26.4 opencv-python==4.11.0.86 ipython==8.39.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from rosamllib.mask_processing import extract_largest_structure

voxel_ml = 0.008  # 2 x 2 x 2 mm
mask = np.zeros((40, 60, 60), np.uint8)
mask[5:25, 5:45, 5:35] = 1  # the organ
mask[30:34, 50:54, 50:54] = 1
mask[37, 57, 57] = 1
alone = mask.copy()
alone[25:] = 0
for name, given in (("three pieces", mask), ("one piece", alone)):
    kept = extract_largest_structure(given, spacing=(2.0, 2.0, 2.0))
    print(f"{name}: {given.sum() * voxel_ml:.3f} mL given, {kept.sum() * voxel_ml:.3f} mL kept")
    assert kept.sum() == (1 if given is mask else alone.sum())
limited = extract_largest_structure(mask, spacing=(2.0, 2.0, 2.0), min_volume=1000.0)
print(f"with min_volume of 1 mL: {limited.sum() * voxel_ml:.3f} mL kept")
assert (limited == alone).all()
PYTHON
