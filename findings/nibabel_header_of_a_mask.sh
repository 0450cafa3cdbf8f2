#!/bin/bash
# nibabel 5.4.2: an image that is saved with the header of a mask has 256 values.
#
# Guess: Nifti1Image(array, affine, header) keeps the numbers of the array when it is saved; the header is given for orientation and units.
# Real: the number type of the header is used. With that of a mask (uint8) an SUV or dose map is scaled to 256 levels over its whole range: with a
# bladder of 500 in the image, SUV comes back in steps of 1.96, and a liver of 2.0 to 3.8 has two values; NaN becomes 0. With the header of
# a CT (int16) steps are 0.0076. No warning, since rounding is what the format's slope is for.
# Who meets it: maps that are computed within a segmentation and saved "on its grid" by taking affine and header from the mask.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import nibabel
import numpy as np

suv = np.zeros((20, 20, 20))
suv[2:10] = np.linspace(2.0, 3.8, 8 * 400).reshape(8, 20, 20)  # liver
suv[15, 15, 15] = 500.0  # bladder
liver = suv[2:10].copy()


def saved(number_type, values):
    header_of = nibabel.Nifti1Image(np.zeros(values.shape, number_type), np.eye(4))
    nibabel.save(nibabel.Nifti1Image(values, header_of.affine, header_of.header), "saved.nii.gz")
    return nibabel.load("saved.nii.gz").get_fdata()


for number_type, step in ((np.uint8, 500 / 255), (np.int16, 500 / 65535), (np.float32, 0.0)):
    read = saved(number_type, suv)[2:10]
    levels = np.unique(read)
    print(f"header of {np.dtype(number_type)}: {len(levels)} values in the liver, largest error {np.abs(read - liver).max():.4f}")
    assert np.abs(read - liver).max() < 0.51 * step + 1e-6
    assert number_type is np.float32 or np.allclose(np.diff(levels), step, rtol=1e-3)
assert len(np.unique(saved(np.uint8, suv)[2:10])) == 2
suv[3] = np.nan
print("NaN comes back as", np.unique(saved(np.uint8, suv)[3]))
assert (saved(np.uint8, suv)[3] == 0).all()
PYTHON
