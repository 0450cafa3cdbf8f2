#!/bin/bash
# vtk 9.7.2: vtkContourFilter and vtkPolyDataToImageStencil leave the directions of an image out, other filters of VTK use them.
#
# Guess: an image has a direction matrix, and each filter that makes a surface of it, or a mask of a surface, puts it where the image is.
# Real: vtkMarchingCubes and vtkFlyingEdges3D do; vtkContourFilter and vtkSynchronizedTemplates3D take rows and columns for x and y. For one mask whose
# rows run along y the surface of the first is at x 11 to 23 and y -29 to -5 mm, that of the second at x 5 to 29 and y 11 to 23 mm. A stencil of
# the right surface on the image's own grid is empty: 0 of 216 voxels. No warning.
# Who meets it: surfaces and masks on SPECT, PET or MRI whose axes are turned, for instance coronal or oblique ones, in programs that read by
# readers of VTK which give a direction matrix.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vtk==9.7.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

turned = (0, 1, 0, -1, 0, 0, 0, 0, 1)


def grid(values, directions):
    image = vtk.vtkImageData()
    image.SetDimensions(values.shape[::-1])
    image.SetSpacing(2.0, 2.0, 2.0)
    image.SetDirectionMatrix(directions)
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True))
    return image


def surface(kind, image):
    contour = kind()
    contour.SetInputData(image)
    contour.SetValue(0, 0.5)
    contour.Update()
    return contour.GetOutput()


def voxels_inside(image):
    """Voxels of the image that a stencil of its own surface keeps."""
    stencil, cut = vtk.vtkPolyDataToImageStencil(), vtk.vtkImageStencil()
    stencil.SetInputData(surface(vtk.vtkMarchingCubes, image))
    stencil.SetInformationInput(image)
    stencil.Update()
    cut.SetInputData(image)
    cut.SetStencilData(stencil.GetOutput())
    cut.SetBackgroundValue(0)
    cut.Update()
    return int(vtk_to_numpy(cut.GetOutput().GetPointData().GetScalars()).sum())


mask = np.zeros((20, 20, 20), np.uint8)
mask[5:8, 6:12, 3:15] = 1
image, straight = grid(mask, turned), grid(mask, (1, 0, 0, 0, 1, 0, 0, 0, 1))
corners = [[0.0] * 3, [0.0] * 3]
image.TransformContinuousIndexToPhysicalPoint(2.5, 5.5, 4.5, corners[0])
image.TransformContinuousIndexToPhysicalPoint(14.5, 11.5, 7.5, corners[1])
true = [value for pair in zip(*corners) for value in sorted(pair)]
print("true bounds in mm:", true)
for kind in (vtk.vtkMarchingCubes, vtk.vtkFlyingEdges3D, vtk.vtkContourFilter, vtk.vtkSynchronizedTemplates3D):
    bounds = surface(kind, image).GetBounds()
    print(f"{kind.__name__}: {bounds}")
    expected = true if kind in (vtk.vtkMarchingCubes, vtk.vtkFlyingEdges3D) else surface(vtk.vtkMarchingCubes, straight).GetBounds()
    assert np.allclose(bounds, expected), (bounds, expected)
print(f"voxels in a stencil of the right surface: {voxels_inside(image)} of {mask.sum()}; without a turn {voxels_inside(straight)}")
assert true == [11.0, 23.0, -29.0, -5.0, 9.0, 15.0]
assert voxels_inside(image) == 0 and voxels_inside(straight) == mask.sum()
PYTHON
