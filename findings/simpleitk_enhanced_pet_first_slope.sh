#!/bin/bash
# SimpleITK 2.5.7: of an Enhanced PET whose frames have rescale slopes of their own, the first frame's slope is used for all.
#
# Guess: each frame is scaled by its own Pixel Value Transformation, as highdicom and dcm2niix do.
# Real: with slopes 0.5, 1.5, 2, 0.25 and the same stored value 1000, SimpleITK gives 500 four times; highdicom 0.28.2 and dcm2niix
# 1.0.20260724 give 500, 1500, 2000, 250. No warning.
# Who meets it: sites whose scanners or archives send Enhanced PET (1.2.840.10008.5.1.4.1.1.130) instead of one file per slice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 highdicom==0.28.2 dcm2niix==1.0.20260724 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def empty_object(sop_class, modality):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250101", "100000", "1", ""
    ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "", ""
    ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber = modality, "none", 1, 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 8, 6, 1, "MONOCHROME2"
    ds.PixelRepresentation = 0
    return ds


import subprocess
from pathlib import Path

import dcm2niix
import highdicom
import nibabel
import SimpleITK as sitk

slopes = (0.5, 1.5, 2.0, 0.25)
ds = empty_object("1.2.840.10008.5.1.4.1.1.130", "PT")
ds.ImageType, ds.ContentDate, ds.ContentTime = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "20250101", "100000"
ds.NumberOfFrames, ds.BitsAllocated, ds.BitsStored, ds.HighBit = len(slopes), 16, 16, 15
measures, orientation, shared = Dataset(), Dataset(), Dataset()
measures.PixelSpacing, measures.SliceThickness = [2.0, 2.0], 3.0
orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
ds.SharedFunctionalGroupsSequence = [shared]
frames = []
for k, slope in enumerate(slopes):
    position, values, content, frame = Dataset(), Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [-10.0, -20.0, 30.0 + 3 * k]
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = 0, slope, "US"
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", k + 1, [1, k + 1]
    frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [values]
    frame.FrameContentSequence = [content]
    frames.append(frame)
ds.PerFrameFunctionalGroupsSequence = frames
organization, indices = generate_uid(), []
for pointer in (0x00209056, 0x00209057):
    index = Dataset()
    index.DimensionOrganizationUID, index.DimensionIndexPointer = organization, pointer
    index.FunctionalGroupPointer = 0x00209111
    indices.append(index)
named = Dataset()
named.DimensionOrganizationUID = organization
ds.DimensionOrganizationSequence, ds.DimensionIndexSequence = [named], indices
ds.PixelData = np.full((len(slopes), 8, 6), 1000, np.uint16).tobytes()
Path("pet").mkdir()
ds.save_as("pet/a.dcm", enforce_file_format=True)
by_simpleitk = sitk.GetArrayFromImage(sitk.ReadImage("pet/a.dcm"))[:, 0, 0].tolist()
by_highdicom = highdicom.imread("pet/a.dcm").get_frames(apply_modality_transform=True)[:, 0, 0].tolist()
subprocess.run([dcm2niix.bin, "-o", "pet", "-f", "a", "pet"], check=True, capture_output=True)
by_dcm2niix = nibabel.load("pet/a.nii").get_fdata()[0, 0, :].tolist()
print("stored 1000 times", slopes, ": SimpleITK", by_simpleitk, "highdicom", by_highdicom, "dcm2niix", by_dcm2niix)
assert by_highdicom == by_dcm2niix == [500.0, 1500.0, 2000.0, 250.0]
assert by_simpleitk == [500.0] * 4
PYTHON
