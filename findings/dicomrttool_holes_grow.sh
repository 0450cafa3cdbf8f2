#!/bin/bash
# DicomRTTool 6.2.0: a hole in a structure grows by a rim of one pixel when the RTSTRUCT was written by rt-utils 1.2.7.
#
# Guess: a mask that rt-utils wrote, and that rt-utils reads back voxel by voxel, is the same mask in another reader.
# Real: outer and inner outline both run through pixel centres; DicomRTTool fills each including its border and takes the second from the
# first, so the border of the hole is taken away too: 1200 voxels go in, 1072 come out. The block without a hole is exact.
# Who meets it: training sets and dose studies of "liver without tumours" that pass from one of these libraries to the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check DicomRTTool==6.2.0 rt-utils==1.2.7 pydicom==3.0.2 numpy==2.4.6
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


import shutil

from DicomRTTool.ReaderWriter import DicomReaderWriter
from rt_utils import RTStructBuilder

write_ct("ct", 64, 64, 2.0, 2.0)
block = np.zeros((64, 64, 12), bool)
block[10:30, 8:20, 3:9] = True
hollow = block.copy()
hollow[15:25, 11:17, 4:8] = False
made = RTStructBuilder.create_new(dicom_series_path="ct")
made.add_roi(mask=block, name="block")
made.add_roi(mask=hollow, name="hollow")
made.save("rt.dcm")
own = RTStructBuilder.create_from("ct", "rt.dcm").get_roi_mask_by_name("hollow")
shutil.copy("rt.dcm", "ct/rt.dcm")
reader = DicomReaderWriter(description="masks", Contour_Names=["block", "hollow"], arg_max=False)
reader.walk_through_folders("ct")
reader.get_images_and_mask()
other = np.asarray(reader.mask)
print("block:", block.sum(), "in,", other[..., 1].sum(), "out")
print("hollow:", hollow.sum(), "in, rt-utils", own.sum(), ", DicomRTTool", other[..., 2].sum())
assert (own == hollow).all()
assert (int(other[..., 1].sum()), int(other[..., 2].sum())) == (1440, 1072)
PYTHON
