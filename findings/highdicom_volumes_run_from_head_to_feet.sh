#!/bin/bash
# highdicom 0.28.2: volumes of axial images begin with the plane nearest to the head, against the order of planes elsewhere.
#
# Guess: get_volume_from_series() and Segmentation.get_volume() give [k, j, i] along the normal of rows and columns (z rising), as SimpleITK
# does, or in the order in which the images were given.
# Real: the axes of a volume are made right-handed in the order plane, row, column, which makes the plane axis run against that normal:
# element 0 is the plane with the largest z. The affine is right. A mask from highdicom that is used by index on an array from SimpleITK is
# mirrored from head to feet.
# Who meets it: scripts that read masks by highdicom and the image by SimpleITK, nibabel or their own stacking, without the affines.
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

mask = np.zeros((4, 8, 6, 1), np.uint8)
mask[0, 1:3, 1:3, 0] = 1  # in the plane at z = 30 mm
mask[3, 1, 1, 0] = 1  # one voxel at z = 39 mm
series = highdicom.get_volume_from_series(planes)
segment = segmentation(mask).get_volume(combine_segments=True)
names = []
for k, plane in enumerate(planes):
    plane.save_as(f"{k}.dcm", enforce_file_format=True)
    names.append(f"{k}.dcm")
by_itk = sitk.GetArrayFromImage(sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(".")))
first = {
    "highdicom, series": series.array[:, 0, 0].tolist(),
    "highdicom, voxels of the mask": segment.array.sum(axis=(1, 2)).tolist(),
    "SimpleITK, series": by_itk[:, 0, 0].tolist(),
}
print(first, "first plane of highdicom at z =", series.position[2])
assert first["highdicom, series"] == [3, 2, 1, 0]
assert first["highdicom, voxels of the mask"] == [1, 0, 0, 4]
assert first["SimpleITK, series"] == [0, 1, 2, 3]
assert series.position[2] == 39.0
PYTHON
