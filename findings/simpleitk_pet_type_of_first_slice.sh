#!/bin/bash
# SimpleITK 2.5.7: a PET series is read in the number type that its first slice needs, and later slices are forced into it.
#
# Guess: PET slices with rescale slopes of their own (as most scanners write them) come out as floating point numbers in Bq/mL.
# Real: if the first slice's slope is a whole number (1), ImageSeriesReader gives 16-bit integers for all slices: 50.5 Bq/mL becomes
# 50, and 40000 Bq/mL becomes -25536. No warning. With a fractional first slope the same series is read correctly.
# Who meets it: whoever reads PET by SimpleITK (or programs that use it) and whose first, nearly empty slice has the slope 1.
# Way out: read each slice by pydicom and scale it, or SetOutputPixelType(sitk.sitkFloat64) on the reader (checked below).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
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


import SimpleITK as sitk


def read(slopes, pixel_type=None):
    folder = "pet_" + "_".join(map(str, slopes)) + str(pixel_type)
    write_ct(folder, 16, 16, 2.0, 2.0, len(slopes))
    for k, slope in enumerate(slopes):
        path = f"{folder}/{k:03d}.dcm"
        ds = pydicom.dcmread(path)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        ds.Modality, ds.Units, ds.RescaleSlope, ds.DecayCorrection = "PT", "BQML", slope, "START"
        ds.CorrectedImage = ["DECY", "ATTN"]
        ds.PixelData = np.full((16, 16), 1000, np.int16).tobytes()
        ds.save_as(path, enforce_file_format=True)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    if pixel_type is not None:
        reader.SetOutputPixelType(pixel_type)
    image = reader.Execute()
    return image.GetPixelIDTypeAsString(), [float(v) for v in sitk.GetArrayFromImage(image)[:, 0, 0]]


whole_first = read([1.0, 0.0505, 40.0, 0.25])
fraction_first = read([0.5, 0.0505, 40.0, 0.25])
asked = read([1.0, 0.0505, 40.0, 0.25], sitk.sitkFloat64)
print("stored 1000 times the slopes 1, 0.0505, 40, 0.25:", whole_first)
print("the same after a first slope of 0.5:", fraction_first)
print("with the output type asked for:", asked)
assert whole_first == ("16-bit signed integer", [1000.0, 50.0, -25536.0, 250.0])
assert fraction_first[1][1:] == [50.5, 40000.0, 250.0]
assert asked == ("64-bit float", [1000.0, 50.5, 40000.0, 250.0])
PYTHON
