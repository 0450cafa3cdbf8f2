#!/bin/bash
# scikit-rt 0.8.2: the mean dose of a region is the mean of the voxels that have a dose.
#
# Guess: get_mean_dose and get_dose_quantile are those of all voxels of the region, and a voxel of 0 Gy is one of them.
# Real: voxels with 0 are taken for voxels outside of the region. A kidney of 24 mL of which one half has 10 Gy and the other 0 has a mean dose of
# 10 Gy and a dose of 10 Gy in its coldest quarter; true are 5 and 0 Gy. No warning; the volume is right.
# Who meets it: dose maps of SPECT with zeros outside of a body mask or of the field of view, or where negative values were cut: a liver that is
# half seen has the mean of the part that is seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# The package pins a hundred others, some of which are for one operating system only; these are the ones that it imports.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps scikit-rt==0.8.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.13.1 pandas==2.2.3 matplotlib==3.11.2 nibabel==5.4.2 \
  pydicom==2.4.5 shapely==2.0.7 scikit-image==0.24.0 ipywidgets==8.1.9 tomli==2.5.0 2> /dev/null
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from skrt import Dose
from skrt.structures import ROI

gray = np.zeros((40, 40, 20))
gray[:, :20] = 10.0
mask = np.zeros(gray.shape, bool)
mask[10:20, 10:30, 5:15] = True


def measured(gray):
    dose = Dose(gray, voxel_size=(2, 2, 3), origin=(-40, -40, 0))
    kidney = ROI(mask, image=dose, name="kidney")
    assert abs(kidney.get_volume("ml", method="mask") - mask.sum() * 0.012) < 1e-9
    return dose.get_mean_dose(kidney), dose.get_dose_quantile(kidney, 0.25)


for name, values, said in (("half of it 0 Gy", gray, (10.0, 10.0)), ("half of it 0.1 Gy", np.maximum(gray, 0.1), (5.05, 0.1))):
    found = measured(values)
    true = values[mask].mean(), np.quantile(values[mask], 0.25)
    print(f"{name}: mean {found[0]:.2f} Gy (true {true[0]:.2f}), lowest quarter {found[1]:.2f} Gy (true {true[1]:.2f})")
    assert np.allclose(found, said), found
PYTHON
