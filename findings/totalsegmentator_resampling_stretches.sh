#!/bin/bash
# TotalSegmentator 2.18.0: change_spacing moves what is in the image by up to two thirds of the coarser voxel, more and more along each axis.
#
# Guess: a resampled image shows the same thing at the same place in mm; only voxels are smaller or larger.
# Real: values are taken so that the first and the last voxel centres fall together, while the affine says that voxels have exactly the new
# size; both cannot be. From SPECT voxels of 4.8 mm to 1.5 mm a source 269 mm from the first voxel is shown 3.2 mm further away, one at
# 38 mm 0.5 mm. From 1 mm to 3 mm it is 1.8 mm nearer. Going back with the old shape undoes it, which is why segmentations fit.
# Who meets it: whoever uses this function for PET, SPECT or dose maps beside a CT that is left as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps TotalSegmentator==2.18.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import nibabel
import numpy as np
from totalsegmentator.resampling import change_spacing


def place_mm(image):
    """Centre of what is in the image along the first axis, in mm."""
    profile = np.asarray(image.dataobj).sum(axis=(1, 2))
    return float(image.affine[0, 0] * (profile * np.arange(len(profile))).sum() / profile.sum() + image.affine[0, 3])


def shift_mm(spacing_mm, new_mm, voxels, at):
    """Where a source of 19 mm FWHM at voxel ``at`` is, and by how much resampling moves it."""
    profile = np.exp(-0.5 * ((np.arange(voxels) - at) * spacing_mm / 8) ** 2)
    values = np.broadcast_to(profile[:, None, None], (voxels, 12, 12)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0]))
    resampled = change_spacing(image, new_mm, order=1)
    assert np.allclose(resampled.header.get_zooms(), new_mm) and resampled.affine[0, 3] == image.affine[0, 3]
    return place_mm(image), place_mm(resampled) - place_mm(image)


found = [shift_mm(*case) for case in ((4.8, 1.5, 64, 8), (4.8, 1.5, 64, 56), (1.0, 3.0, 300, 263))]
for (place, shift), what in zip(found, ("4.8 mm to 1.5 mm", "4.8 mm to 1.5 mm", "1 mm to 3 mm")):
    print(f"{what}: source at {place:.1f} mm moved by {shift:+.2f} mm")
assert np.allclose([shift for _, shift in found], [0.46, 3.19, -1.76], atol=0.02)
PYTHON
