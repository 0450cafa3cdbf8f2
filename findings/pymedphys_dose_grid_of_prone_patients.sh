#!/bin/bash
# pymedphys 0.41.0: the axes of a dose grid whose rows run from left to right are shifted, unless the grid is centred on zero.
#
# Guess: zyx_and_dose_from_dataset gives the DICOM coordinates of an RTDOSE in mm for the eight orientations that its documentation lists, among them
# Head First Prone (-1, 0, 0, 0, -1, 0) and Feet First Supine (-1, 0, 0, 0, 1, 0).
# Real: an axis that runs downwards is made as one that runs upwards from minus its start, and turned over, but keeps its sign. A prone grid of 8
# columns of 3 mm that starts at x = 90 mm ends at 69 mm; its axis is -69 to -90 mm. Where the grid runs from a to -a it is right, so that
# it is not seen on symmetric tests. Head First Supine is right. No error, no warning.
# Who meets it: gamma indices, profiles and dose in structures (get_dose_grid_structure_mask) of patients that lie prone or feet first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pymedphys==0.41.0 pydicom==3.0.2 numpy==1.26.4 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pymedphys
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

rows, columns, planes, row_mm, column_mm = 6, 8, 4, 2.0, 3.0


def dose(orientation, position):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality, ds.DoseUnits, ds.DoseGridScaling = "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "GY", 0.01
    ds.ImageOrientationPatient, ds.ImagePositionPatient, ds.PixelSpacing = orientation, position, [row_mm, column_mm]
    ds.Rows, ds.Columns, ds.NumberOfFrames, ds.GridFrameOffsetVector = rows, columns, planes, [4.0 * k for k in range(planes)]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelData = np.arange(rows * columns * planes, dtype=np.uint16).tobytes()
    return ds


def errors(orientation, position):
    """Largest error of x and y in mm; the dose array is that of the file."""
    (_, y, x), values = pymedphys.dicom.zyx_and_dose_from_dataset(dose(orientation, position))
    assert np.allclose(values.ravel(), 0.01 * np.arange(values.size))
    true_x = position[0] + orientation[0] * column_mm * np.arange(columns)
    true_y = position[1] + orientation[4] * row_mm * np.arange(rows)
    print(f"{orientation}: x {x[0]:g} to {x[-1]:g} mm (true {true_x[0]:g} to {true_x[-1]:g}), y {y[0]:g} to {y[-1]:g} (true {true_y[0]:g} to {true_y[-1]:g})")
    return float(np.abs(x - true_x).max()), float(np.abs(y - true_y).max())


supine, prone, feet_first = [1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, -1, 0], [-1, 0, 0, 0, 1, 0]
assert errors(supine, [69.0, 40.0, 10.0]) == (0.0, 0.0)
assert errors(prone, [90.0, 50.0, 10.0]) == (159.0, 90.0)
assert errors(feet_first, [90.0, 40.0, 10.0]) == (159.0, 0.0)
assert errors(prone, [10.5, 5.0, 10.0]) == (0.0, 0.0)
PYTHON
