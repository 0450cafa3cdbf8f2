#!/bin/bash
# SimpleITK 2.5.7: a DICOM segmentation (SEG) is read without a warning, with voxels of 1 mm and planes pushed together.
#
# Guess: sitk.ReadImage gives a mask on the grid that is in the file, or an error.
# Real: pixels of 2 mm every 3 mm read as 1 x 1 x 1 mm: a lesion of 144 mm3 has 12 mm3. Planes without a segment are not in the file
# (the usual way to write SEG), so that what was in planes 1 and 4 is in neighbouring ones, and the planes of a second segment follow as if
# they were further planes of the same mask. Values are 0 and 255.
# Who meets it: scripts that measure volumes of lesions from SEG of highdicom, 3D Slicer or dcmqi with the reader that serves for CT.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 highdicom==0.28.2 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

STUDY, SERIES, FRAME = generate_uid(), generate_uid(), generate_uid()


def ct_plane(k):
    """Plane k of a CT with pixels of 2 mm every 3 mm, from z = 30 mm on; its value is k."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, SERIES, FRAME
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom", "1", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250101", "100000", "1", ""
    ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "", ""
    ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber = "CT", "none", 1, k + 1
    ds.ImageType, ds.Rows, ds.Columns, ds.SamplesPerPixel = ["ORIGINAL", "PRIMARY", "AXIAL"], 8, 6, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelSpacing, ds.SliceThickness = [2.0, 2.0], 3.0
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-10.0, -20.0, 30.0 + 3 * k]
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = np.full((8, 6), k, "<u2").tobytes()
    return ds


planes = [ct_plane(k) for k in range(4)]

import highdicom
from highdicom.sr import CodedConcept


def segmentation(mask):
    """SEG of the masks [k, j, i, segment] drawn on the CT."""
    kind = CodedConcept("4147007", "SCT", "Mass")
    category = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
    described = [
        highdicom.seg.SegmentDescription(n, f"lesion {n}", category, kind, "MANUAL") for n in range(1, mask.shape[-1] + 1)
    ]
    return highdicom.seg.Segmentation(
        planes, mask, "BINARY", described, generate_uid(), 2, generate_uid(), 1, "none", "none", "1", "1"
    )


import SimpleITK as sitk

mask = np.zeros((4, 8, 6, 2), np.uint8)
mask[0, 1:4, 1:3, 0] = mask[3, 1:4, 1:3, 0] = 1  # lesion 1: 12 voxels in planes 1 and 4
mask[1, 4:6, 2:4, 1] = 1  # lesion 2: 4 voxels
segmentation(mask).save_as("seg.dcm")
image = sitk.ReadImage("seg.dcm")
values = sitk.GetArrayFromImage(image)
true_mm3 = 12 * 2 * 2 * 3
first_mm3 = float((values[:2] > 0).sum() * np.prod(image.GetSpacing()))
print("size", image.GetSize(), "spacing", image.GetSpacing(), f"mm; lesion 1 in the first two planes: {first_mm3:g} mm3, true {true_mm3}")
assert image.GetSpacing() == (1.0, 1.0, 1.0)
assert image.GetSize() == (6, 8, 3)
assert set(np.unique(values)) == {0, 255}
found = sorted(int((plane > 0).sum()) for plane in values)
assert found == [4, 6, 6], found
read = highdicom.seg.segread("seg.dcm").get_volume()
assert read.spacing == (3.0, 2.0, 2.0)
assert read.array.shape[0] == 4
PYTHON
