#!/bin/bash
# SimpleITK 2.5.7: the unit of length of a NIfTI is read, that of an NRRD or MetaImage is not: volumes in cm are a thousand times too small.
#
# Guess: all three formats can say in which unit voxel size and origin are (xyzt_units, "space units", DistanceUnits), and a reader that turns one of them
# into mm turns all into mm.
# Real: the same image of 1 x 1 x 3 mm comes as 1 x 1 x 3 from a NIfTI that states metres, and as 0.1 x 0.1 x 0.3 from an NRRD with the space units "cm"
# and from a MetaImage with DistanceUnits = cm. The unit is not among the metadata of the image that was read either. A lesion of 3 mL has
# 0.003 mL. No warning. vtk 9.7.2 reads both of them in the same way.
# Who meets it: dose maps and phantoms of Monte Carlo programs, whose unit is the cm, and images of small animals and microscopes in micrometres.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 nibabel==5.4.2 pynrrd==1.1.3 vtk==9.7.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk
import vtk

values = np.ones((10, 10, 10), np.uint8)
in_metres = nibabel.Nifti1Image(values, np.diag([0.001, 0.001, 0.003, 1]))
in_metres.header.set_xyzt_units("meter")
nibabel.save(in_metres, "metres.nii")
header = {"space": "left-posterior-superior", "space directions": np.diag([0.1, 0.1, 0.3]), "space units": ["cm"] * 3}
nrrd.write("cm.nrrd", values, header)
values.tofile("cm.raw")
Path("cm.mhd").write_text(
    "ObjectType = Image\nNDims = 3\nDimSize = 10 10 10\nElementSpacing = 0.1 0.1 0.3\nDistanceUnits = cm\n"
    "ElementType = MET_UCHAR\nElementDataFile = cm.raw\n"
)


def by_vtk(reader, name):
    reader.SetFileName(name)
    reader.Update()
    return reader.GetOutput().GetSpacing()


spacings = {name: sitk.ReadImage(name).GetSpacing() for name in ("metres.nii", "cm.nrrd", "cm.mhd")}
vtks = {"cm.nrrd": by_vtk(vtk.vtkNrrdReader(), "cm.nrrd"), "cm.mhd": by_vtk(vtk.vtkMetaImageReader(), "cm.mhd")}
unit_kept = any("unit" in key.lower() for key in sitk.ReadImage("cm.nrrd").GetMetaDataKeys())
print("SimpleITK:", {name: [round(s, 4) for s in spacing] for name, spacing in spacings.items()}, "unit kept:", unit_kept)
print("vtk:", {name: [round(s, 4) for s in spacing] for name, spacing in vtks.items()})
ignored = all(np.allclose(s, (0.1, 0.1, 0.3)) for s in (spacings["cm.nrrd"], spacings["cm.mhd"], *vtks.values()))
if not ignored or unit_kept or not np.allclose(spacings["metres.nii"], (1, 1, 3), rtol=1e-5):
    raise SystemExit("changed: the unit of length of NIfTI, NRRD or MetaImage is treated in another way")
PYTHON
