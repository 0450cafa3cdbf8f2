#!/bin/bash
# SimpleITK 2.5.7: the average Hausdorff distance of two masks is an average over all their voxels, not over their surfaces.
#
# Guess: GetAverageHausdorffDistance() is the mean distance of the two surfaces in mm, as MedPy, surface-distance and papers on contouring mean
# by it, since GetHausdorffDistance() of the same filter is the largest distance of the two surfaces.
# Real: every voxel that the masks share counts with 0. For two balls of 40 mm, one moved by 4 mm, it is 0.27 mm, where the surfaces are 1.92 mm
# apart on average; for a ball and a shell of 5 mm with the same outer surface it is 0.86 mm. The larger the organ, the smaller the number.
# Who meets it: checks of propagated or automatic contours of liver and kidneys against manual ones with a bound in mm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_erosion, distance_transform_edt

offsets = np.mgrid[:64, :64, :64] - 31.5  # voxels of 1 mm


def ball(radius_mm, moved_mm=0.0):
    return offsets[0] ** 2 + offsets[1] ** 2 + (offsets[2] - moved_mm) ** 2 <= radius_mm**2


def by_simpleitk(first, second):
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (first, second)))
    return distance.GetHausdorffDistance(), distance.GetAverageHausdorffDistance()


def by_surfaces(first, second):
    """Largest and mean distance of the surface voxels of each from the other's."""
    surfaces = [mask & ~binary_erosion(mask) for mask in (first, second)]
    apart = np.concatenate([distance_transform_edt(~surfaces[1 - n])[surfaces[n]] for n in (0, 1)])
    return apart.max(), apart.mean()


moved = ball(20), ball(20, 4)
found, true = by_simpleitk(*moved), by_surfaces(*moved)
shell = by_simpleitk(ball(20), ball(20) & ~ball(15))
print(f"ball moved by 4 mm: largest {found[0]:.2f} mm (surfaces {true[0]:.2f}), average {found[1]:.2f} mm (surfaces {true[1]:.2f})")
print(f"ball and shell: average {shell[1]:.2f} mm")
assert found[0] == true[0] == 4.0
assert abs(found[1] - 0.27) < 0.01 and abs(true[1] - 1.92) < 0.01
assert abs(shell[1] - 0.86) < 0.01
PYTHON
