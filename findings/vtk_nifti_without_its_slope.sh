#!/bin/bash
# vtk 9.3.1, pyvista 0.49.1 and vedo 2026.6.3: a NIfTI is read without its slope and without its place: 1000.5 Bq/mL is 2001.
#
# Guess: pyvista.read and vedo.Volume give the values of the image, as nibabel and SimpleITK do; integers with a slope are what PET and SPECT are saved
# as to save space.
# Real: the stored integers come back, 2001 for a slope of 0.5. The origin is (0, 0, 0) and the directions are those of the array, whatever sform or
# qform say. The reader keeps slope and matrices aside (GetRescaleSlope, GetSFormMatrix);
# pyvista and vedo hand on the image only. No warning.
# Who meets it: pictures and measurements of PET, SPECT or dose maps by PyVista or vedo: a threshold at SUV 4 cuts elsewhere, and a fused CT is shifted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvista==0.49.1 vtk==9.3.1 vedo==2026.6.3 nibabel==5.4.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import nibabel
import numpy as np
import pyvista
import SimpleITK as sitk
import vedo

stored = np.zeros((8, 8, 8), np.int16)
stored[4, 4, 4] = 2001
image = nibabel.Nifti1Image(stored, np.array([[-2.0, 0, 0, 50], [0, -2.0, 0, 60], [0, 0, 3.0, -70], [0, 0, 0, 1]]))
image.header.set_slope_inter(0.5, 0)
nibabel.save(image, "pet.nii")
grid = pyvista.read("pet.nii")
highest = {
    "nibabel": float(nibabel.load("pet.nii").get_fdata().max()),
    "SimpleITK": float(sitk.GetArrayFromImage(sitk.ReadImage("pet.nii")).max()),
    "pyvista": float(grid.active_scalars.max()),
    "vedo": float(vedo.Volume("pet.nii").pointdata[0].max()),
}
print("maximum:", highest, "; origin by pyvista", tuple(grid.origin), "by SimpleITK", sitk.ReadImage("pet.nii").GetOrigin())
right = highest["nibabel"] == highest["SimpleITK"] == 1000.5
if not right or highest["pyvista"] != 2001 or highest["vedo"] != 2001 or any(grid.origin):
    raise SystemExit("changed: pyvista or vedo use the slope or the place of a NIfTI")
PYTHON
