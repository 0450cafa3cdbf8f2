#!/bin/bash
# med-imagetools 2.16.0: PET read as SUV is the activity concentration in Bq/mL, unless the scanner is a Philips.
#
# Guess: PET.from_dicom, whose default is PETImageType.SUV, gives SUV from weight, administered activity and times in the header (its
# docstring has the formula), or an error if they are missing.
# Real: the only factor that it knows is Philips' private one (7053,1000); for all other files it is 1, with a logged warning that it
# would be "calculated based on metadata". A voxel of SUV 2.5 reads 11,594. Negative values lose their sign.
# Who meets it: pipelines of radiomics on SSTR and FDG PET of GE, Siemens or United Imaging scanners: thresholds and features in SUV.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check med-imagetools==2.16.0 pydicom==3.0.2 SimpleITK==2.5.7
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

WEIGHT_kg, GIVEN_Bq, HALF_LIFE_s, ELAPSED_s = 70.0, 600e6, 4062.6, 3600.0
SUV = 2.5
study, series, frame = generate_uid(), generate_uid(), generate_uid()
at_scan_Bq = GIVEN_Bq * 2 ** (-ELAPSED_s / HALF_LIFE_s)
stored = round(SUV * at_scan_Bq / (1000 * WEIGHT_kg))  # Bq/mL, decay corrected to the start of the series
Path("pet").mkdir()
for k in range(4):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.PatientWeight, ds.Modality, ds.Manufacturer = WEIGHT_kg, "PT", "none"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20250101"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "110000.0"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "1", "", "", ""
    ds.SeriesNumber, ds.InstanceNumber, ds.ImageIndex, ds.ImageType = 1, k + 1, k + 1, ["ORIGINAL", "PRIMARY"]
    ds.SeriesType, ds.NumberOfSlices, ds.Units, ds.CountsSource = ["STATIC", "IMAGE"], 4, "BQML", "EMISSION"
    ds.CorrectedImage, ds.DecayCorrection, ds.CollimatorType = ["DECY", "ATTN", "SCAT"], "START", "NONE"
    ds.FrameReferenceTime, ds.ActualFrameDuration = 0.0, 120000
    drug, nuclide = Dataset(), Dataset()
    nuclide.CodeValue, nuclide.CodingSchemeDesignator, nuclide.CodeMeaning = "C-131A3", "SRT", "68Ga"
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = GIVEN_Bq, HALF_LIFE_s
    drug.RadiopharmaceuticalStartTime, drug.RadionuclideCodeSequence = "100000.0", [nuclide]
    ds.RadiopharmaceuticalInformationSequence = [drug]
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 8, 8, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelSpacing, ds.SliceThickness, ds.ImageOrientationPatient = [4.0, 4.0], 3.0, [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient, ds.RescaleSlope, ds.RescaleIntercept = [0.0, 0.0, 3.0 * k], 1, 0
    values = np.full((8, 8), stored, "<i2")
    values[0, 0] = -40
    ds.PixelData = values.tobytes()
    ds.save_as(Path("pet") / f"{k}.dcm", enforce_file_format=True)

logging.disable(logging.CRITICAL)
import SimpleITK as sitk
from imgtools.coretypes.imagetypes.pet import PET

image = sitk.GetArrayFromImage(PET.from_dicom("pet"))
print(f"true SUV {SUV}; read as SUV: {image[1, 4, 4]:g}; stored Bq/mL: {stored}; a voxel of -40 Bq/mL reads {image[1, 0, 0]:g}")
assert stored == 11594
assert image[1, 4, 4] == stored
assert image[1, 0, 0] == 40
PYTHON
