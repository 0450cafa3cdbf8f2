#!/bin/bash
# SimpleITK 2.5.7: an RTDOSE is read without its Dose Grid Scaling, and planes at unequal distances as if they were equal.
#
# Guess: voxels in gray, since the object says how (stored value times Dose Grid Scaling); planes where Grid Frame Offset Vector puts them.
# Real: the stored integers come back (1000 to 4000 for 1 to 4 Gy), and offsets of 0, 3, 6, 12 mm become slices of 3 mm; no warning for
# either. Rescale slopes of CT and PET are applied by the same reader, which is why one would not look.
# Who meets it: whoever loads dose maps for a comparison or a dose-volume histogram by SimpleITK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
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


import SimpleITK as sitk


def read_dose(offsets_mm):
    ds = empty_object("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE")
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10.0, -20.0, 30.0], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.NumberOfFrames = [2.0, 2.0], None, len(offsets_mm)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 32, 32, 31
    ds.FrameIncrementPointer, ds.GridFrameOffsetVector = 0x3004000C, list(offsets_mm)
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.DoseGridScaling = "GY", "PHYSICAL", "PLAN", 0.001
    planes = 1000 * (1 + np.arange(len(offsets_mm), dtype=np.uint32))
    ds.PixelData = np.broadcast_to(planes[:, None, None], (len(planes), 8, 6)).copy().tobytes()
    ds.save_as("dose.dcm", enforce_file_format=True)
    image = sitk.ReadImage("dose.dcm")
    return image.GetSpacing()[2], sitk.GetArrayFromImage(image)[:, 0, 0].tolist()


equal, unequal = read_dose((0, 3, 6, 9)), read_dose((0, 3, 6, 12))
print("1, 2, 3, 4 Gy at 0, 3, 6, 9 mm: slice distance and values", equal)
print("the same at 0, 3, 6, 12 mm:", unequal)
assert equal == (3.0, [1000, 2000, 3000, 4000])
assert unequal == (3.0, [1000, 2000, 3000, 4000])
PYTHON
