#!/bin/bash
# dicompyler-core 0.5.6: a region that was drawn in one plane has a volume of 0 mL and a dose of 0 Gy.
#
# Guess: its height is the slice thickness, or the spacing of the dose planes; else there is an error or a note.
# Real: the height is taken from the distance between contour planes only; of one plane the histogram is empty: volume 0, minimum, mean and
# maximum dose 0 Gy, in a dose of 10 Gy everywhere. The field for notes stays empty.
# Who meets it: small lesions on thick slices, whose dose reads as none at all in a table of many regions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dicompyler-core==0.5.6 pydicom==2.4.5 numpy==1.26.4 scikit-image==0.26.0 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

logging.disable(logging.CRITICAL)
FRAME, STUDY, SERIES = generate_uid(), generate_uid(), generate_uid()


def new(sop_class, modality):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, generate_uid(), FRAME
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250101", "100000", "1", ""
    ds.ReferringPhysicianName, ds.Manufacturer, ds.Modality, ds.SeriesNumber = "", "none", modality, 1
    return ds


def structure_set(contours, images):
    """One region; ``contours`` are pairs of the number of an image and the corners (x, y) in mm."""
    ds = new("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = "region", "20250101", "100000"
    region, observation, outline = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = 1, "L1", FRAME
    region.ROIGenerationAlgorithm = "MANUAL"
    observation.ObservationNumber, observation.ReferencedROINumber = 1, 1
    observation.RTROIInterpretedType, observation.ROIInterpreter = "GTV", ""
    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, series.ContourImageSequence = SERIES, [reference(image) for image in images]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = FRAME, [study]
    outline.ReferencedROINumber, outline.ROIDisplayColor, outline.ContourSequence = 1, [255, 0, 0], []
    for number, corners in contours:
        item = Dataset()
        item.ContourImageSequence = [reference(images[number])]
        item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
        z = float(images[number].ImagePositionPatient[2])
        item.ContourData = [float(value) for x, y in corners for value in (x, y, z)]
        outline.ContourSequence.append(item)
    ds.ReferencedFrameOfReferenceSequence, ds.StructureSetROISequence = [frame], [region]
    ds.ROIContourSequence, ds.RTROIObservationsSequence = [outline], [observation]
    return ds


def reference(image):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def ct(planes, spacing_mm, thickness_mm):
    images = []
    for k in range(planes):
        ds = new("1.2.840.10008.5.1.4.1.1.2", "CT")
        ds.SeriesInstanceUID, ds.InstanceNumber, ds.ImageType = SERIES, k + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 40, 40, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PixelSpacing, ds.SliceThickness = [spacing_mm, spacing_mm], thickness_mm
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0.0, 0.0, k * thickness_mm]
        ds.RescaleSlope, ds.RescaleIntercept, ds.PixelData = 1, 0, np.zeros((40, 40), "<i2").tobytes()
        images.append(ds)
    return images


def dose(planes, spacing_mm, thickness_mm):
    """10 Gy everywhere, on the grid of the CT."""
    ds = new("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE")
    ds.Rows, ds.Columns, ds.NumberOfFrames, ds.SamplesPerPixel = 40, 40, planes, 1
    ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = "MONOCHROME2", 32, 32, 31
    ds.PixelRepresentation, ds.PixelSpacing = 0, [spacing_mm, spacing_mm]
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0.0, 0.0, 0.0]
    ds.GridFrameOffsetVector, ds.DoseGridScaling = [k * thickness_mm for k in range(planes)], 0.001
    ds.FrameIncrementPointer = 0x3004000C
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    ds.PixelData = np.full((planes, 40, 40), 10_000, "<u4").tobytes()
    return ds


def square(low, high):
    return [(low, low), (high, low), (high, high), (low, high)]


from dicompylercore import dvhcalc

images = ct(8, 2.0, 4.0)
found = {}
for planes in (1, 2):
    contours = [(k, square(19.0, 39.0)) for k in range(3, 3 + planes)]
    histogram = dvhcalc.get_dvh(structure_set(contours, images), dose(8, 2.0, 4.0), 1)
    found[planes] = (round(float(histogram.volume), 2), round(float(histogram.mean), 1), histogram.notes)
    print(f"{planes} plane(s), true volume {1.6 * planes} mL, 10 Gy: {found[planes][0]} mL, mean {found[planes][1]} Gy, notes {found[planes][2]}")
assert found == {1: (0.0, 0.0, None), 2: (3.2, 10.0, None)}, found
PYTHON
