#!/bin/bash
# NIfTI whose header states metres or micrometres: nibabel 5.4.2 and SimpleITK 2.5.7 differ by a factor of 1000.
#
# Guess: both readers give the voxel size in millimetres, or both as stored.
# Real: SimpleITK reads xyzt_units and converts to millimetres; nibabel's affine and zooms stay in the units of the file, and nothing in
# the affine says which. A volume in mL computed by nibabel from a file in metres is 10^9 times too small, from one in micrometres as
# much too large.
# Who meets it: masks and images exported from small-animal and autoradiography programs, which state micrometres.
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

stored = {"metre": (1, 0.004), "millimetre": (2, 4.0), "micrometre": (3, 4000.0)}
found = {}
for name, (code, size) in stored.items():
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.float32), np.diag([size, size, size, 1.0]))
    image.header["xyzt_units"] = code
    nib.save(image, "a.nii")
    found[name] = float(nib.load("a.nii").header.get_zooms()[0]), sitk.ReadImage("a.nii").GetSpacing()[0]
    print(f"4 mm stored in {name}s: nibabel {found[name][0]:g}, SimpleITK {found[name][1]:g}")
for name, (_, size) in stored.items():
    assert abs(found[name][0] - size) < 1e-6 * size
    assert abs(found[name][1] - 4.0) < 1e-5
PYTHON
