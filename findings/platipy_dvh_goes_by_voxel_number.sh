#!/bin/bash
# platipy 0.7.2: a dose-volume histogram matches dose and mask by voxel number if both have the same number of voxels.
#
# Guess: dose and mask are SimpleITK images with origin and spacing; where their grids differ, the dose is resampled (the code says so).
# Real: only the size is compared. A dose grid of the same size, 40 mm off, is used as if it lay on the mask: 20 Gy for a region whose
# true dose is 10 Gy, without a word. calculate_dvh_for_labels resamples to the first mask only; further masks on grids of their own and
# the same size are read by voxel number too.
# Who meets it: dose maps on the grid of SPECT and masks of another session's SPECT, both 128 x 128 x 128.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check platipy==0.7.2 pydicom==2.4.5 SimpleITK==2.5.7
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from platipy.imaging.dose.dvh import calculate_dvh, calculate_dvh_for_labels


def image(values, origin_mm):
    made = sitk.GetImageFromArray(values)
    made.SetSpacing((4.0, 4.0, 4.0))
    made.SetOrigin((origin_mm, 0.0, 0.0))
    return made


x = np.arange(32)
ramp = np.broadcast_to(x.astype(np.float32), (32, 32, 32))  # voxel number i: i Gy, at 4 i mm in the dose's own grid
dose = image(ramp.copy(), 0.0)
inside = np.zeros((32, 32, 32), np.uint8)
inside[10:14, 10:14, 20] = 1  # at 80 mm in a grid that begins at 0 mm, at 40 mm in one that begins at -40 mm
moved = image(inside, -40.0)
true_Gy = 10.0
bins, _ = calculate_dvh(dose, moved, bins=np.arange(-0.5, 40.0))
counts = calculate_dvh(dose, moved, bins=np.arange(-0.5, 40.0))[1]
single_Gy = float(bins[np.flatnonzero(counts > 0)[-1]])
several = calculate_dvh_for_labels(dose, {"own grid": image(inside, 0.0), "moved": moved}, bin_width=1.0)
of_several_Gy = float(several[several.label == "moved"]["mean"].iloc[0])
alone_Gy = float(calculate_dvh_for_labels(dose, {"moved": moved}, bin_width=1.0)["mean"].iloc[0])
print(f"true {true_Gy} Gy; calculate_dvh {single_Gy} Gy; for labels: second {of_several_Gy} Gy, alone {alone_Gy} Gy")
assert (single_Gy, of_several_Gy, alone_Gy) == (20.0, 20.0, 10.0)
PYTHON
