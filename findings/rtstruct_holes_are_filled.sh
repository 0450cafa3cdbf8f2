#!/bin/bash
# med-imagetools 2.16.0 and rosamllib 0.6.3: a hole that was drawn in a region of an RTSTRUCT is filled.
#
# Guess: of two contours of one region in one plane, one inside the other, the inner one is a hole, as planning systems write it and as
# dicompyler-core, dcmrtstruct2nii, DicomRTTool, pydicomRT and platipy read it.
# Real: these two unite all contours of a plane. A liver of 99 pixels with a lesion of 15 cut out has 84 pixels in pydicomRT 0.9.1 and 99
# in them; nothing is said.
# Who meets it: "liver without lesions" and other references for T/N ratios, whose mean then holds the tumours that were cut out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv "$folder/imagetools"
python3 -m venv "$folder/others"
"$folder/imagetools/bin/pip" install --quiet --disable-pip-version-check med-imagetools==2.16.0
"$folder/others/bin/pip" install --quiet --disable-pip-version-check rosamllib==0.6.3 pydicomRT==0.9.1 ipython==8.39.0 \
  numpy==1.26.4 opencv-python==4.11.0.86
cat > write.py <<'PYTHON'
import os

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

FRAME, STUDY, SERIES = generate_uid(), generate_uid(), generate_uid()


def new(sop_class, modality, series):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, series, FRAME
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250101", "100000", "1", ""
    ds.ReferringPhysicianName, ds.Manufacturer, ds.Modality, ds.SeriesNumber = "", "none", modality, 1
    return ds


def reference(image):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def write_ct(folder):
    """Ten planes of 3 mm with 20 x 16 pixels of 2 mm; the first pixel is at (-30, -40, 10) mm."""
    os.makedirs(folder)
    images = []
    for k in range(10):
        ds = new("1.2.840.10008.5.1.4.1.1.2", "CT", SERIES)
        ds.InstanceNumber, ds.ImageType, ds.PatientPosition = k + 1, ["ORIGINAL", "PRIMARY", "AXIAL"], "HFS"
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 20, 16, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PixelSpacing, ds.SliceThickness = [2.0, 2.0], 3.0
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-30.0, -40.0, 10.0 + 3.0 * k]
        ds.RescaleSlope, ds.RescaleIntercept, ds.PixelData = 1, 0, np.zeros((20, 16), "<i2").tobytes()
        ds.save_as(f"{folder}/{k:03d}.dcm", enforce_file_format=True)
        images.append(ds)
    return images


def rectangle(left, right, front, back):
    """Corners in mm that hold the centres of columns left to right and rows front to back."""
    x, y = (-31.0 + 2 * left, -29.0 + 2 * right), (-41.0 + 2 * front, -39.0 + 2 * back)
    return [(x[0] + 0.1, y[0] + 0.1), (x[1] - 0.1, y[0] + 0.1), (x[1] - 0.1, y[1] - 0.1), (x[0] + 0.1, y[1] - 0.1)]


def structure_set(regions, images):
    """``regions``: contours by name, each the number of a plane and its corners."""
    ds = new("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", generate_uid())
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = "regions", "20250101", "100000"
    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, series.ContourImageSequence = SERIES, [reference(image) for image in images]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = FRAME, [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(regions.items(), 1):
        region, observation, outline = Dataset(), Dataset(), Dataset()
        region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = number, name, FRAME
        region.ROIGenerationAlgorithm = "MANUAL"
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType, observation.ROIInterpreter = "ORGAN", ""
        outline.ReferencedROINumber, outline.ROIDisplayColor, outline.ContourSequence = number, [255, 0, 0], []
        for plane, corners in contours:
            item = Dataset()
            item.ContourImageSequence, item.ContourGeometricType = [reference(images[plane])], "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(corners)
            item.ContourData = [value for x, y in corners for value in (x, y, 10.0 + 3.0 * plane)]
            outline.ContourSequence.append(item)
        ds.StructureSetROISequence.append(region)
        ds.RTROIObservationsSequence.append(observation)
        ds.ROIContourSequence.append(outline)
    return ds


images = write_ct("ct")
regions = {"liver": [(4, rectangle(3, 11, 3, 13)), (4, rectangle(6, 8, 6, 10))]}
structure_set(regions, images).save_as("regions.dcm", enforce_file_format=True)
PYTHON
cat > read.py <<'PYTHON'
import glob
import logging
import sys

import pydicom
import SimpleITK as sitk

logging.disable(logging.CRITICAL)
image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames("ct"))


def by_imagetools():
    from imgtools.coretypes import MedImage, ROIMatcher, RTStructureSet

    structures = RTStructureSet.from_dicom("regions.dcm")
    mask = structures.get_vector_mask(MedImage(image), ROIMatcher(match_map={"liver": ["liver"]}))
    return int(sitk.GetArrayFromImage(mask).sum())


def by_rosamllib():
    from rosamllib.dicoms.dicom_image import DICOMImage
    from rosamllib.readers.rtstruct_reader import RTStructReader

    structures = RTStructReader("regions.dcm").read()
    structures.set_referenced_image(DICOMImage(image))
    return int(sitk.GetArrayFromImage(structures.get_structure_mask("liver", use_vtk=False)).sum())


def by_pydicomrt():
    from pydicomrt.rs.rs_to_volume import calc_image_series_affine_mapping, rtstruct_to_masks

    slices = [pydicom.dcmread(path) for path in sorted(glob.glob("ct/*.dcm"))]
    masks = rtstruct_to_masks(pydicom.dcmread("regions.dcm"), *calc_image_series_affine_mapping(slices))
    return int(masks["liver"]["mask_volume"].sum())


for name, read, expected in (
    ("imagetools", by_imagetools, 99),
    ("rosamllib", by_rosamllib, 99),
    ("pydicomrt", by_pydicomrt, 84),
):
    if (name == "imagetools") == (sys.argv[1] == "imagetools"):
        found = read()
        print(f"{name}: {found} pixels, true 84")
        assert found == expected
PYTHON
"$folder/imagetools/bin/python" -W ignore write.py
for name in imagetools others; do "$folder/$name/bin/python" -W ignore read.py "$name" 2> errors.txt || { cat errors.txt; exit 1; }; done
