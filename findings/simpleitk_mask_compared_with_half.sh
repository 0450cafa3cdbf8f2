#!/bin/bash
# SimpleITK 2.5.7: a mask of unsigned integers compared with 0.5 is compared with 0.
#
# Guess: "mask >= 0.5" gives the voxels of the mask, as in numpy, and as a resampled mask is usually cut.
# Real: the constant is cut to the pixel type of the image: "mask >= 0.5" is 1 everywhere and "mask < 0.5" is 0 everywhere.
# "mask > 0.5" looks right, but by 1 > 0. As float32 all three are right. No warning.
# Who meets it: whoever thresholds a resampled, dilated or averaged mask that was read or cast as unsigned integers: a body
# or liver mask becomes the whole image, and nothing is ever outside of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

mask = sitk.GetImageFromArray(np.array([[0, 1, 0]], np.uint8))
real = sitk.Cast(mask, sitk.sitkFloat32)


def values(image):
    return sitk.GetArrayFromImage(image)[0].tolist()


print("mask 0 1 0 as unsigned: >= 0.5", values(mask >= 0.5), "< 0.5", values(mask < 0.5), "> 0.5", values(mask > 0.5))
print("as float32: >= 0.5", values(real >= 0.5), "< 0.5", values(real < 0.5))
assert values(mask >= 0.5) == [1, 1, 1] and values(mask < 0.5) == [0, 0, 0] and values(mask > 0.5) == [0, 1, 0]
assert values(real >= 0.5) == [0, 1, 0] and values(real < 0.5) == [1, 0, 1]
PYTHON
