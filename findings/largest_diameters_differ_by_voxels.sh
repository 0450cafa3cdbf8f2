#!/bin/bash
# SimpleITK 2.5.7 and scikit-image 0.26.0: the largest diameter of one mask differs by one to two voxels; a row of five voxels of 4 mm has 16 mm.
#
# Guess: the Feret diameter of a mask reaches over its voxels, so that a row of five voxels of 4 mm is 20 mm long, and the two libraries agree.
# Real: SimpleITK measures from voxel centre to voxel centre: 16 mm for the row and 0 mm for a lesion of one voxel. scikit-image measures
# about the convex hull of the voxel corners: a ball of 12 mm on voxels of 4 mm has 6.9 mm in one and 9.8 mm in the other, a ball of
# 40 mm has 39.8 and 44.9 mm. Both state mm.
# Who meets it: diameters of lesions after RECIST (1 cm to be measurable, 20 % for progression) that are taken from masks, and from masks on
# PET or SPECT grids above all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 scikit-image==0.26.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from skimage.measure import regionprops

SPACING_mm = 4.0


def by_simpleitk(mask):
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing((SPACING_mm,) * 3)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputeFeretDiameterOn()
    shape.Execute(image)
    return shape.GetFeretDiameter(1)


def by_skimage(mask):
    return float(regionprops(mask, spacing=(SPACING_mm,) * 3)[0].feret_diameter_max)


def ball(diameter_mm):
    offsets = (np.mgrid[:20, :20, :20] - 9.5) * SPACING_mm
    return ((offsets**2).sum(0) <= (diameter_mm / 2) ** 2).astype(np.uint8)


row = np.zeros((9, 9, 9), np.uint8)
row[4, 4, 2:7] = 1
voxel = np.zeros((9, 9, 9), np.uint8)
voxel[4, 4, 4] = 1
print(f"SimpleITK: row of five voxels {by_simpleitk(row):g} mm, one voxel {by_simpleitk(voxel):g} mm")
balls = {diameter: (by_simpleitk(ball(diameter)), by_skimage(ball(diameter))) for diameter in (12, 40)}
for diameter, (first, second) in balls.items():
    print(f"ball of {diameter} mm: {first:.1f} mm by SimpleITK, {second:.1f} mm by scikit-image")
assert by_simpleitk(row) == 16.0 and by_simpleitk(voxel) == 0.0
assert np.allclose(balls[12], (6.93, 9.80), atol=0.01) and np.allclose(balls[40], (39.80, 44.90), atol=0.01)
PYTHON
