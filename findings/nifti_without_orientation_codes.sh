#!/bin/bash
# NIfTI with sform_code 0 and qform_code 0: nibabel 5.4.2 and SimpleITK 2.5.7 place it differently, mirrored front to back.
#
# Guess: without a stated orientation readers refuse, or agree on one.
# Real: nibabel takes the first axis as running to the left and the origin at the middle of the image; SimpleITK takes its own identity:
# first axis to the left, second to the back, origin at the first voxel. The same voxel is at another place, and the second axis runs
# the other way. Neither warns.
# Who meets it: masks written by programs that save arrays without a header; a region that is right in one program is mirrored in another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import nibabel as nib
import numpy as np
import SimpleITK as sitk

image = nib.Nifti1Image(np.zeros((10, 20, 30), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
image.set_sform(image.affine, 0)
image.set_qform(image.affine, 0)
nib.save(image, "a.nii")
by_nibabel = nib.load("a.nii").affine @ [1, 1, 1, 1]
read = sitk.ReadImage("a.nii")
left_back_up = np.array(read.TransformIndexToPhysicalPoint((1, 1, 1)))
by_simpleitk = left_back_up * [-1, -1, 1]
print("voxel (1, 1, 1) in RAS millimetres: nibabel", by_nibabel[:3], "SimpleITK", by_simpleitk)
assert np.allclose(by_nibabel[:3], [7.0, -17.0, -27.0]), by_nibabel
assert np.allclose(by_simpleitk, [-2.0, -2.0, 2.0]), by_simpleitk
assert np.sign(nib.load("a.nii").affine[1, 1]) == 1 and read.GetDirection()[4] == 1.0
PYTHON
