#!/bin/bash
# dcm2niix 1.0.20260724: the sign of Spacing Between Slices of an NM tomogram is not used; SimpleITK 2.5.7 uses it.
#
# Guess: planes are stacked as DICOM says (PS3.3 C.8.4.15, NM Reconstruction: a negative spacing stacks them in front of the first one,
# against the normal of rows and columns), and programs that read one file agree where its planes are.
# Real: first plane at z = 30 mm, spacing -5 mm: SimpleITK puts the second plane at 25 mm, dcm2niix at 35 mm, the place that it has with
# +5 mm; head and feet are exchanged. dcm2niix warns of it for both signs alike ("please check whether slices are flipped").
# Who meets it: sites that turn SPECT of cameras that write a negative spacing into NIfTI, beside a CT or masks that were read rightly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 dcm2niix==1.0.20260724 nibabel==5.4.2 numpy==2.4.6
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


import subprocess
from pathlib import Path

import dcm2niix
import nibabel
import SimpleITK as sitk


def by_simpleitk(path, plane):
    """z in mm (LPS and RAS agree) of a plane of the file."""
    image = sitk.ReadImage(str(path))
    k = int(np.argwhere(sitk.GetArrayFromImage(image)[:, 0, 0] == 100 * (plane + 1))[0, 0])
    return image.TransformIndexToPhysicalPoint((0, 0, k))[2]


def by_dcm2niix(folder, plane):
    done = subprocess.run([dcm2niix.bin, "-o", ".", "-f", folder, folder], capture_output=True, text=True, check=True)
    image = nibabel.load(next(Path().glob(f"{folder}*.nii*")))
    k = int(np.argwhere(np.asarray(image.dataobj)[0, 0] == 100 * (plane + 1))[0, 0])
    return float((image.affine @ [0, 0, k, 1])[2]), "flipped" in done.stdout


found = {}
for name, spacing in (("plus", 5.0), ("minus", -5.0)):
    Path(name).mkdir()
    tomogram(Path(name) / "spect.dcm", spacing)
    found[name] = [by_simpleitk(Path(name) / "spect.dcm", 1), *by_dcm2niix(name, 1)]
    print(f"spacing {spacing:+g} mm: second plane at z = {found[name][0]:g} mm by SimpleITK, {found[name][1]:g} mm by dcm2niix")
assert found == {"plus": [35.0, 35.0, True], "minus": [25.0, 35.0, True]}, found
PYTHON
