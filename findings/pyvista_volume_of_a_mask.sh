#!/bin/bash
# pyvista 0.49.1: a lesion of 0.5 mL has 1.7 mL when its mask is thresholded, and 0.06 mL with the other setting.
#
# Guess: a mask as ImageData, grid.threshold(0.5).volume, is the number of voxels times their volume; the two settings of all_scalars matter at
# most for a voxel here and there.
# Real: voxels are points, and volumes are made of the cells between them. By default a cell counts if any of its eight points is inside, which adds half
# a voxel all round; with all_scalars=True only if all are, which takes half a voxel away. On voxels of 4 mm a ball of 12 mm has 1.73 and 0.06 mL in place of
# 0.51 mL by its voxels, one of 20 mm 7.5 and 1.2 mL in place of 3.6, one of 40 mm 53 and 22 in place of 35. No warning. grid.points_to_cells() before
# the threshold gives the voxels' volume.
# Who meets it: volumes of lesions on PET and SPECT from masks that are shown and measured by PyVista.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvista==0.49.1 vtk==9.3.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pyvista

OFFSETS_mm = (np.mgrid[:32, :32, :32] - 15.5) * 4.0


def volumes_mL(diameter_mm):
    """By number of voxels, by the default threshold, with all_scalars, and after points_to_cells."""
    mask = ((OFFSETS_mm**2).sum(0) <= (diameter_mm / 2) ** 2).astype(np.uint8)
    grid = pyvista.ImageData(dimensions=mask.shape, spacing=(4.0, 4.0, 4.0))
    grid.point_data["mask"] = mask.ravel(order="F")
    measured = (grid.threshold(0.5), grid.threshold(0.5, all_scalars=True), grid.points_to_cells().threshold(0.5))
    return (float(mask.sum()) * 0.064, *(float(part.volume) / 1000 for part in measured))


found = {diameter_mm: volumes_mL(diameter_mm) for diameter_mm in (12, 20, 40)}
for diameter_mm, (voxels, default, every, cells) in found.items():
    print(f"ball of {diameter_mm} mm: voxels {voxels:.2f} mL; threshold {default:.2f}, all_scalars {every:.2f}, as cells {cells:.2f} mL")
expected = {12: (0.512, 1.728, 0.064), 20: (3.584, 7.488, 1.216), 40: (35.328, 52.672, 21.824)}
if any(not np.allclose(found[d][:3], expected[d], rtol=1e-3) or abs(found[d][3] - found[d][0]) > 1e-6 for d in expected):
    raise SystemExit("changed: pyvista's threshold of a mask has another volume")
PYTHON
