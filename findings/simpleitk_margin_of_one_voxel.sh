#!/bin/bash
# SimpleITK 2.5.7: of a margin that is a whole number of voxels, the distance map keeps only a part.
#
# Guess: SignedMaurerDistanceMap is exact (it is a distance transform of true Euclidean distances), so "distance <= 4.8" on
# voxels of 4.8 mm takes in every voxel that touches the mask by a face.
# Real: the same distance of one voxel comes out as 4.79999 to 4.80000, and above, by where in the image it is: of the face neighbours
# of a ball a good part is beyond "<= 4.8", in a pattern that is not symmetric about the ball's middle. The errors are some
# forty times the last digit of a float. scipy.ndimage.distance_transform_edt gives 4.8 everywhere.
# Who meets it: whoever grows a lesion, or cuts the rim of an organ, by 4.8 or 9.6 mm on SPECT voxels: a margin as wide as
# whole voxels is taken in at one side and not at the other. A margin that is a thousandth wider has all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

edge_mm = 4.8
k, j, i = np.indices((41, 61, 61))
ball = (k - 20) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 <= 12**2
image = sitk.GetImageFromArray(ball.astype(np.uint8))
image.SetSpacing([edge_mm] * 3)
distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True))
touching = ndimage.binary_dilation(ball) & ~ball  # by a face: exactly one voxel away
by_scipy = ndimage.distance_transform_edt(~ball, sampling=edge_mm)[touching]
within = touching & (distance <= np.float32(edge_mm))
wider = touching & (distance <= 1.001 * edge_mm)

print("SimpleITK", sitk.Version_VersionString())
print("voxels that touch the ball by a face:", touching.sum())
print("at a distance of at most 4.8 mm: SimpleITK", within.sum(), "scipy", (by_scipy <= edge_mm).sum())
print("distances by SimpleITK: from", distance[touching].min(), "to", distance[touching].max())
print("mirrored about the ball's middle the same voxels:", bool((within == within[::-1, ::-1, ::-1]).all()))
print("at most 4.8048 mm: SimpleITK", wider.sum())
assert (by_scipy == edge_mm).all()
assert within.sum() < 0.8 * touching.sum()
assert not (within == within[::-1, ::-1, ::-1]).all()
assert wider.sum() == touching.sum()
PYTHON
