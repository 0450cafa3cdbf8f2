#!/bin/bash
# pylinac 3.49.0: a gamma camera whose centre of rotation is 20 mm off has a deviation of 0.00 mm.
#
# Guess: CenterOfRotation gives "the deviation of the center of rotation from the center of the matrix in mm", as its documentation says: where the
# axis about which the point source goes round is in the image, against the middle of the matrix.
# Real: a sinusoid with a free offset is fitted to the places of the source, and what is given is the largest residual of that fit. The offset, which
# is the error looked for, is in the fit and is not used: projections that are shifted by 0, 4, 10 or 20 mm all read below 0.01 mm. No warning.
# What the number does see is a source that leaves the sinusoid in some views.
# Who meets it: quality control of SPECT cameras: an offset of one pixel (4 mm) blurs a tomogram or makes rings of it, and bounds are 2 mm or less.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pylinac==3.49.0 pydicom==2.4.5
cd "$folder"
MPLBACKEND=Agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pylinac.nuclear import CenterOfRotation

PIXEL_mm, SIZE, VIEWS = 4.0, 128, 60


def projections(path, offset_mm):
    """Views of a point source 80 mm from the axis; the axis is seen offset_mm from the middle of the matrix."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID = "NM", "Phantom", "1"
    ds.ImageType, ds.ActualFrameDuration = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"], 10_000
    ds.NumberOfFrames, ds.Rows, ds.Columns, ds.PixelSpacing = VIEWS, SIZE, SIZE, [PIXEL_mm, PIXEL_mm]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    rotation = Dataset()
    rotation.RotationDirection, rotation.StartAngle, rotation.AngularStep = "CC", 0, 360 / VIEWS
    rotation.ScanArc, rotation.NumberOfFramesInRotation = 360, VIEWS
    ds.RotationInformationSequence = [rotation]
    row, column = np.mgrid[:SIZE, :SIZE]
    middle = (SIZE - 1) / 2
    places = middle + (offset_mm + 80 * np.cos(2 * np.pi * np.arange(VIEWS) / VIEWS)) / PIXEL_mm
    frames = [1000 * np.exp(-((column - place) ** 2 + (row - middle) ** 2) / 8) for place in places]
    ds.PixelData = np.stack(frames).astype("<u2").tobytes()
    ds.save_as(path, write_like_original=False)


found = {}
for offset_mm in (0, 4, 10, 20):
    projections("views.dcm", offset_mm)
    test = CenterOfRotation("views.dcm")
    test.analyze()
    found[offset_mm] = (test.x_cor_deviation_mm, test.cor_x["a"] - SIZE * PIXEL_mm / 2)
for offset_mm, (deviation_mm, fitted_mm) in found.items():
    print(f"offset {offset_mm} mm: deviation {deviation_mm:.3f} mm; offset in its own fit, which it leaves out, {fitted_mm:.2f} mm")
if any(deviation_mm > 0.02 or abs(fitted_mm - offset_mm) > 0.05 for offset_mm, (deviation_mm, fitted_mm) in found.items()):
    raise SystemExit("changed: an offset of the centre of rotation is no longer a deviation of zero")
PYTHON
