#!/bin/bash
# vtk 9.7.2: an image whose axes are turned is turned the other way when it is read from MetaImage, and not at all when it is read from NRRD.
#
# Guess: both formats hold the directions of the axes ("TransformMatrix", "space directions"), vtkImageData has a matrix for them, and a reader that
# fills it fills it with the image's own.
# Real: vtkMetaImageReader writes the matrix transposed, which for a rotation is the opposite one; vtkNrrdReader gives spacing and origin with the
# identity. In an image that is turned by 20 degrees about z, a voxel 180 mm from the first one is 123 mm off by MetaImage and 63 mm off by NRRD;
# SimpleITK 2.5.7 and others read both files alike. No warning. Axial images in the usual order are not touched.
# Who meets it: segmentations and volumes of 3D Slicer (NRRD) or elastix (MetaImage) of tilted, coronal or sagittal images in programs that are made
# with VTK, beside images and contours that were read otherwise.
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

turn = np.radians(20)
matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
made = sitk.GetImageFromArray(np.zeros((12, 100, 100), np.int16))
made.SetSpacing((2.0, 2.0, 4.0))
made.SetOrigin((-30.0, -40.0, -50.0))
made.SetDirection(matrix.ravel())
voxel = (90, 0, 0)
true = np.array(made.TransformIndexToPhysicalPoint(voxel))
found = {}
for reader, name in ((vtk.vtkMetaImageReader(), "image.mha"), (vtk.vtkNrrdReader(), "image.nrrd")):
    sitk.WriteImage(made, name)
    assert np.allclose(sitk.ReadImage(name).TransformIndexToPhysicalPoint(voxel), true, atol=1e-4)
    reader.SetFileName(name)
    reader.Update()
    point = [0.0, 0.0, 0.0]
    reader.GetOutput().TransformIndexToPhysicalPoint(voxel, point)
    found[name] = np.array(point)
    print(f"{name}: voxel {voxel} at {found[name].round(1)} mm, true {true.round(1)}: {np.linalg.norm(found[name] - true):.1f} mm off")
assert np.allclose(found["image.mha"], made.GetOrigin() + matrix.T @ (180, 0, 0), atol=1e-3)
assert np.allclose(found["image.nrrd"], made.GetOrigin() + np.array((180, 0, 0)), atol=1e-3)
PYTHON
