#!/bin/bash
# vtk 9.7.2: vtkImageShrink3D makes means of blocks of voxels and puts each at the place of its first voxel.
#
# Guess: an image that is made coarser by averaging shows the same thing at the same place in mm, since it has an origin to say where it is.
# Real: the origin stays on the first fine voxel, though the mean belongs to the middle of the block. With a factor of 4 from 2 mm everything moves by
# 3 mm towards the first voxel along each axis, 5.2 mm in space; from 1 to 8 mm by 3.5 mm. SimpleITK's BinShrink sets the origin. No warning.
# Who meets it: CT or dose maps that are brought near the voxels of PET or SPECT by VTK, beside the image itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vtk==9.7.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy


def centre(values, spacing, origin):
    """Centre of mass along x in mm."""
    profile = values.sum((0, 1))
    return float((profile * (origin + spacing * np.arange(len(profile)))).sum() / profile.sum())


for voxel_mm, factor in ((2.0, 4), (1.0, 8)):
    values = np.zeros((64, 64, 64))
    values[20:36, 16:40, 24:48] = 1.0
    image = vtk.vtkImageData()
    image.SetDimensions(64, 64, 64)
    image.SetSpacing(voxel_mm, voxel_mm, voxel_mm)
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True))
    shrink = vtk.vtkImageShrink3D()
    shrink.SetInputData(image)
    shrink.SetShrinkFactors(factor, factor, factor)
    shrink.Update()
    made = shrink.GetOutput()
    small = vtk_to_numpy(made.GetPointData().GetScalars()).reshape(made.GetDimensions()[::-1])
    fine = sitk.GetImageFromArray(values)
    fine.SetSpacing([voxel_mm] * 3)
    binned = sitk.BinShrink(fine, [factor] * 3)
    true = centre(values, voxel_mm, 0.0)
    by_vtk = centre(small, made.GetSpacing()[0], made.GetOrigin()[0])
    by_itk = centre(sitk.GetArrayFromImage(binned), binned.GetSpacing()[0], binned.GetOrigin()[0])
    print(f"{voxel_mm} mm, factor {factor}: block at x = {true:.2f} mm, after vtkImageShrink3D {by_vtk:.2f}, after BinShrink {by_itk:.2f}")
    assert np.allclose(small, sitk.GetArrayFromImage(binned))
    assert abs(by_itk - true) < 1e-9 and abs(true - by_vtk - voxel_mm * (factor - 1) / 2) < 1e-9
PYTHON
