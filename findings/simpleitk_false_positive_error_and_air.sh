#!/bin/bash
# SimpleITK 2.5.7: the false positive error of two masks falls when there is more air around the patient.
#
# Guess: LabelOverlapMeasuresImageFilter describes two masks by numbers between which one can change freely: the false negative error is the missed
# part of the one, the false positive error the superfluous part of the other, and for masks of equal volume they are the same.
# Real: the false negative error is divided by the mask, the false positive error by everything that is not mask, to the edge of the image. For a
# ball of 40 mm that is moved by 8 mm they are 0.297 and 0.0049; with 30 empty voxels more on each side 0.297 and 0.0004. The superfluous part
# is GetFalseDiscoveryRate(), 0.297 in both. ANTsPy hands on the same two numbers (label_overlap_measures).
# Who meets it: reports on automatic contours of lesions and organs, which compare the two errors, or studies with fields of view that differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

z, y, x = np.mgrid[:32, :64, :64].astype(float)
z, y, x = (z - 15.5) * 4, (y - 31.5) * 2, (x - 31.5) * 2
ball = x**2 + y**2 + z**2 <= 20**2
moved = (x - 8) ** 2 + y**2 + z**2 <= 20**2
assert ball.sum() == moved.sum()
missed = (ball & ~moved).sum() / ball.sum()


def errors(margin):
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(np.pad(mask, margin).astype(np.uint8)) for mask in (ball, moved)))
    return overlap.GetFalseNegativeError(1), overlap.GetFalsePositiveError(1), overlap.GetFalseDiscoveryRate(1)


for margin in (0, 30):
    negative, positive, discovery = errors(margin)
    print(f"margin of {margin} voxels: false negative {negative:.4f}, false positive {positive:.5f}, false discovery {discovery:.4f}")
    outside = np.prod([n + 2 * margin for n in ball.shape]) - ball.sum()
    assert abs(negative - missed) < 1e-9 and abs(discovery - missed) < 1e-9
    assert abs(positive - (moved & ~ball).sum() / outside) < 1e-9
assert errors(0)[1] > 10 * errors(30)[1]
PYTHON
