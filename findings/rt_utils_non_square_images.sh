#!/bin/bash
# rt-utils 1.2.7: masks of images that are not square come back with rows and columns exchanged, and are cut off.
#
# Guess: get_roi_mask_by_name gives the array that add_roi was given, in the shape (rows, columns, slices).
# Real: its shape is (columns, rows, slices). With more rows than columns everything below row number "columns" is cut off without a
# word: 1908 voxels go in, 1548 come out. On square images it is exact, so tests on 512 x 512 CT do not see it.
# Who meets it: users of masks on PET, SPECT, cropped CT or MRI, which are often not square.
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


def round_trip(rows, columns):
    folder = f"ct_{rows}_{columns}"
    write_ct(folder, rows, columns, 2.0, 2.0)
    mask = np.zeros((rows, columns, 12), bool)
    mask[5 : rows - 6, 8:20, 3:6] = True
    made = RTStructBuilder.create_new(dicom_series_path=folder)
    made.add_roi(mask=mask, name="a")
    made.save(f"{folder}.dcm")
    return mask, RTStructBuilder.create_from(folder, f"{folder}.dcm").get_roi_mask_by_name("a")


square, square_back = round_trip(64, 64)
tall, tall_back = round_trip(64, 48)
print("64 x 64:", square.sum(), "voxels in,", square_back.sum(), "out, shape", square_back.shape)
print("64 rows x 48 columns:", tall.sum(), "voxels in,", tall_back.sum(), "out, shape", tall_back.shape)
assert (square == square_back).all()
assert tall.shape == (64, 48, 12) and tall_back.shape == (48, 64, 12)
assert (tall.sum(), tall_back.sum()) == (1908, 1548)
PYTHON
