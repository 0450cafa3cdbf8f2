#!/bin/bash
# rt-utils 1.2.7: where rows and columns have different spacing, contours are written to the wrong place in millimetres.
#
# Guess: Contour Data hold the patient coordinates of the drawn pixels.
# Real: the two values of Pixel Spacing are exchanged (DICOM gives the spacing between rows first). Columns 8 to 19 of 2 mm, which start at
# -30 mm, are at -14 to 8 mm; written are -22 to -11 mm. rt-utils reads its own file back exactly, since it makes the same exchange again;
# every other program places the contours elsewhere, at half the width.
# Who meets it: masks on resampled, cropped or coronal images with pixels that are not square.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rt-utils==1.2.7 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_ct(folder, rows, columns, row_mm, column_mm, slices=12):
    """An axial CT, 3 mm slices, first pixel at (-30, -40, 10) mm."""
    os.makedirs(folder)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(slices):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250101", "100000", "1", ""
        ds.ReferringPhysicianName, ds.Modality, ds.Manufacturer, ds.SeriesNumber = "", "CT", "none", 1
        ds.InstanceNumber, ds.PatientPosition, ds.SeriesDescription = k + 1, "HFS", "CT"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-30.0, -40.0, 10.0 + 3.0 * k], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [row_mm, column_mm], 3.0
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        ds.PixelData = np.zeros((rows, columns), np.int16).tobytes()
        ds.save_as(f"{folder}/{k:03d}.dcm", enforce_file_format=True)


from rt_utils import RTStructBuilder

write_ct("ct", 64, 64, row_mm=1.0, column_mm=2.0)
mask = np.zeros((64, 64, 12), bool)
mask[10:30, 8:20, 3:9] = True
made = RTStructBuilder.create_new(dicom_series_path="ct")
made.add_roi(mask=mask, name="a")
made.save("a.dcm")
contour = pydicom.dcmread("a.dcm").ROIContourSequence[0].ContourSequence[0]
x, y, _ = np.reshape([float(v) for v in contour.ContourData], (-1, 3)).T
print("columns 8 to 19 are at x =", -30 + 2.0 * 8, "to", -30 + 2.0 * 19, "mm; written:", x.min(), "to", x.max())
print("rows 10 to 29 are at y =", -40 + 1.0 * 10, "to", -40 + 1.0 * 29, "mm; written:", y.min(), "to", y.max())
assert (x.min(), x.max()) == (-22.0, -11.0)
assert (y.min(), y.max()) == (-20.0, 18.0)
assert (RTStructBuilder.create_from("ct", "a.dcm").get_roi_mask_by_name("a") == mask).all()
PYTHON
