#!/bin/bash
# dosemetrics 0.4.1: distances of structures and gamma indices are measured with the spacing of the axes exchanged.
#
# Guess: a structure or dose that the package itself read from NIfTI or DICOM, with its spacing, is measured in mm.
# Real: arrays are in the order z, y, x, the spacing is x, y, z, and they are multiplied as they are. On voxels of 1 x 1 x 5 mm two blocks that are
# 10 mm apart along z have a Hausdorff distance of 2 mm, 10 mm apart along x one of 50 mm; a dose that is 5 mm off along z passes gamma at
# 3 % and 3 mm as if it were 1 mm off. Volumes are right, and on cubes all is. No warning.
# Who meets it: comparisons of contours and dose maps on CT grids, whose slices are thicker than their pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dosemetrics==0.4.1 SimpleITK==2.5.7
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from dosemetrics.dose import Dose
from dosemetrics.io.nifti_io import read_nifti_mask
from dosemetrics.metrics.gamma import compare_gamma_index
from dosemetrics.metrics.geometric import compute_hausdorff_distance, compute_mean_surface_distance
from dosemetrics.structures import OAR


def written(values, name):
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 5.0))
    sitk.WriteImage(image, name)
    return name


def block(z=5, x=10):
    mask = np.zeros((20, 40, 80), np.uint8)
    mask[z : z + 5, 10:20, x : x + 10] = 1
    values, spacing, origin = read_nifti_mask(written(mask, "mask.nii.gz"))
    return OAR("block", values, spacing, origin)


for axis, moved in (("z", block(z=7)), ("x", block(x=20))):
    found = compute_hausdorff_distance(block(), moved)
    mean = compute_mean_surface_distance(block(), moved)
    print(f"10 mm apart along {axis}: Hausdorff {found:.1f} mm, mean of surfaces {mean:.1f} mm; volume {moved.volume_cc():.2f} mL")
    assert found == {"z": 2.0, "x": 50.0}[axis] and abs(moved.volume_cc() - 2.5) < 1e-6


def dose(moved_mm):
    z_mm = 5.0 * np.arange(20)[:, None, None] * np.ones((1, 40, 80)) - moved_mm
    return Dose.from_nifti(written((60 - np.abs(z_mm - 50)).astype(np.float32), "dose.nii.gz"))


# A dose that falls by 1 Gy/mm: 5 mm are 8 % of its maximum.
gamma = compare_gamma_index(dose(0.0), dose(5.0), dose_criterion_percent=3.0, distance_criterion_mm=3.0)[4:16]
print(f"dose moved by 5 mm: median gamma {np.nanmedian(gamma):.2f}, at least {5 / np.hypot(3, 1.8):.2f} without exchange")
assert abs(np.nanmedian(gamma) - 1 / 3) < 0.01
PYTHON
