#!/bin/bash
# pylinac 3.49.0: the regions on a quadrant bar phantom are as many pixels large and far from the middle as they should be millimetres.
#
# Guess: QuadrantResolution takes "the diameter of the ROI in mm" and "the distance from the center of the image to the center of the ROI in mm" and
# the pixel spacing of the file, as the four-bar test of the same module does.
# Real: both are used as pixels, and the diameter as a radius. With roi_diameter_mm=70 and distance_from_center_mm=130 the regions are 140 mm wide, 130 mm
# from the middle, on pixels of 1 mm, and 70 mm wide, 65 mm from the middle, on pixels of 0.5 mm. Where bars of 1000 counts are in discs of 70 mm at
# 130 mm, and 500 elsewhere, the regions have means of 625 and 512: most of what they measure is not in the discs. No warning.
# Who meets it: resolution of gamma cameras by bar phantoms: FWHM and modulation of another place than asked for, and of two matrices not of the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pylinac==3.49.0 pydicom==2.4.5
cd "$folder"
MPLBACKEND=Agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pylinac.nuclear import QuadrantResolution

BARS_mm = (4.2, 3.2, 2.5, 2.1)


def phantom(path, pixel_mm, size):
    """Bars of 1000 counts on average in four discs 70 mm wide, 130 mm from the middle of the image; 500 elsewhere."""
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * pixel_mm
    at = 130 / np.sqrt(2)
    inside = np.hypot(np.abs(x) - at, np.abs(y) - at) <= 35
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID, ds.ActualFrameDuration = "NM", "Phantom", "1", 100_000
    ds.NumberOfFrames, ds.Rows, ds.Columns, ds.PixelSpacing = 1, size, size, [pixel_mm, pixel_mm]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelData = (np.where(inside, 1000, 500) * (1 + 0.3 * np.sin(x * np.pi / 4.2))).astype("<u2").tobytes()
    ds.save_as(path, write_like_original=False)


found = {}
for pixel_mm, size in ((1.0, 512), (0.5, 1024)):
    phantom("bars.dcm", pixel_mm, size)
    test = QuadrantResolution("bars.dcm")
    test.analyze(bar_widths=BARS_mm, roi_diameter_mm=70, distance_from_center_mm=130)
    roi = test.rois[BARS_mm[0]]
    from_middle_mm = np.hypot(roi.center.x - size / 2, roi.center.y - size / 2) * pixel_mm
    found[pixel_mm] = (2 * roi.radius * pixel_mm, from_middle_mm, float(roi.mean))
for pixel_mm, (wide_mm, from_middle_mm, mean) in found.items():
    print(f"pixels of {pixel_mm} mm: region {wide_mm:.0f} mm wide, {from_middle_mm:.0f} mm from the middle; mean {mean:.0f} (true 1000)")
right = np.allclose(found[1.0][:2], (140, 130), atol=1) and np.allclose(found[0.5][:2], (70, 65), atol=1)
if not right or max(found[1.0][2], found[0.5][2]) > 700:
    raise SystemExit("changed: the regions of QuadrantResolution are no longer laid out in pixels")
PYTHON
