#!/bin/bash
# highdicom 0.28.2: a reconstructed NM tomogram (SPECT) has pixels for it, but no place in the patient.
#
# Guess: highdicom.imread reads the volume of any multi-frame image with a frame of reference, so get_volume() gives SPECT with its affine,
# as it does for Enhanced PET and CT.
# Real: NM objects keep position and orientation in the Detector Information Sequence and the step in Spacing Between Slices, which it does
# not look at: get_volume() ends with "Image does not exist within a frame-of-reference coordinate system", although a Frame of Reference
# UID is in the file; get_frame() gives the right pixels. SimpleITK 2.5.7 gives the place.
# Who meets it: whoever writes SEG or parametric maps for SPECT by highdicom and wants the source's geometry from the same library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check highdicom==0.28.2 SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def coded(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def tomogram(path, spacing_mm):
    """A reconstructed NM tomogram of five planes; plane n of the file holds the value 100 (n + 1)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20250101"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "100000"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "1", "", "", ""
    ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber, ds.PatientPosition = "NM", "none", 1, 1, "HFS"
    ds.ImageType, ds.CountsAccumulated = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], None
    planes = 5
    ds.NumberOfFrames, ds.FrameIncrementPointer, ds.NumberOfSlices = planes, 0x00540080, planes
    ds.SliceVector = list(range(1, planes + 1))
    ds.Rows, ds.Columns, ds.PixelSpacing = 32, 24, [4.0, 4.0]
    ds.SliceThickness, ds.SpacingBetweenSlices = abs(spacing_mm), spacing_mm
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    detector, window = Dataset(), Dataset()
    detector.CollimatorType, detector.ImageOrientationPatient = "PARA", [1, 0, 0, 0, 1, 0]
    detector.ImagePositionPatient = [-48.0, -64.0, 30.0]
    ds.DetectorInformationSequence, ds.NumberOfDetectors = [detector], 1
    ds.EnergyWindowInformationSequence, ds.NumberOfEnergyWindows = [window], 1
    ds.RadiopharmaceuticalInformationSequence = []
    ds.PatientOrientationCodeSequence = [coded("102538003", "recumbent")]
    ds.PatientGantryRelationshipCodeSequence = [coded("102540001", "headfirst")]
    values = np.broadcast_to(100 * np.arange(1, planes + 1, dtype=np.uint16)[:, None, None], (planes, 32, 24))
    ds.PixelData = values.astype("<u2").tobytes()
    ds.save_as(path, enforce_file_format=True)


import highdicom
import SimpleITK as sitk

tomogram("spect.dcm", 5.0)
image = highdicom.imread("spect.dcm")
assert (image.get_frame(3) == 300).all()
try:
    refused = f"a volume with affine {image.get_volume().affine.tolist()}"
except RuntimeError as error:
    refused = str(error)
print("highdicom:", refused)
print("Frame of Reference UID in the file:", bool(image.FrameOfReferenceUID))
other = sitk.ReadImage("spect.dcm")
print("SimpleITK: origin", other.GetOrigin(), "spacing", other.GetSpacing())
assert refused == "Image does not exist within a frame-of-reference coordinate system.", refused
assert other.GetOrigin() == (-48.0, -64.0, 30.0)
assert other.GetSpacing() == (4.0, 4.0, 5.0)
PYTHON
