#!/bin/bash
# SimpleITK 2.5.7: the median of a label is the middle of a bin whose width is set by the brightest voxel of the whole image.
#
# Guess: LabelStatisticsImageFilter and LabelIntensityStatisticsImageFilter give the median of the voxels of a label, as they give mean,
# minimum and maximum exactly.
# Real: both take it from a histogram over the range of the image (256 and 128 bins). In a lesion with values of 2 to 3 (median 2.50) beside
# one voxel of 500, as in a full bladder, they say 1.97, which is below the lesion's minimum, and 2.95. Without that voxel both are right
# to 0.01. No warning, and nothing in the name says so.
# Who meets it: medians of uptake in healthy liver or lesions on SSTR PET and post-treatment SPECT, where bladder and kidneys are brightest.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk

values = np.full((20, 20, 20), 1.0, np.float32)
mask = np.zeros(values.shape, np.uint8)
mask[4:9, 4:9, 4:9] = 1
values[mask == 1] = np.linspace(2.0, 3.0, 125)
truth = float(np.median(values[mask == 1]))
lowest = float(values[mask == 1].min())


def medians(array):
    """Median of the lesion by both filters; the mean of the first one for comparison."""
    image, label = sitk.GetImageFromArray(array), sitk.GetImageFromArray(mask)
    first, second = sitk.LabelStatisticsImageFilter(), sitk.LabelIntensityStatisticsImageFilter()
    first.Execute(image, label)
    second.Execute(label, image)
    return first.GetMedian(1), second.GetMedian(1), first.GetMean(1)


plain = medians(values)
values[15, 15, 15] = 500.0  # one voxel of the bladder, outside of the lesion
bright = medians(values)
print(f"true median {truth:.3f}, minimum {lowest:.3f}; by the filters {plain[0]:.3f} and {plain[1]:.3f}")
print(f"with one voxel of 500 elsewhere: {bright[0]:.3f} and {bright[1]:.3f}; mean {bright[2]:.3f} (before: {plain[2]:.3f})")
assert abs(plain[0] - truth) < 0.02 and abs(plain[1] - truth) < 0.02
assert bright[0] < lowest and bright[1] > truth + 0.3
assert abs(bright[2] - plain[2]) < 1e-9
PYTHON
