#!/bin/bash
# pydicom 3.0.2: apply_rescale gives the pixels of an Enhanced PET or CT back as they are stored.
#
# Guess: pydicom.pixels.apply_rescale(array, dataset) gives Bq/mL or Hounsfield units of any image that has slopes and intercepts, or says that it found none.
# Real: of an enhanced object the slopes are in the functional groups, one a frame, and apply_rescale and apply_modality_lut look at the top of the
# dataset only. Frames of 1000 with the slopes 0.5, 1.5 and 2 stay 1000, 1000, 1000 in place of 500, 1500, 2000. No warning and no error. The same
# pixels as slices of their own are right.
# Who meets it: scripts that were made for single slices, on scanners or archives that send Enhanced PET, CT or MR: uptake without its unit, and ratios
# between slices that are wrong too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_rescale
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SLOPES = (0.5, 1.5, 2.0)


def image(sop_class, frames):
    """A PET object with pixels of 1000, whose slopes are still to be added."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID, ds.InstanceNumber = "PT", "Phantom", "1", 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 4, 4, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = np.full((frames, 4, 4), 1000, np.uint16).tobytes()
    return ds


def read(ds, path):
    """First pixel of each frame by both functions."""
    ds.save_as(path, enforce_file_format=True)
    back = pydicom.dcmread(path)
    return tuple(f(back.pixel_array, back).reshape(-1, 4, 4)[:, 0, 0].tolist() for f in (apply_rescale, apply_modality_lut))


enhanced = image("1.2.840.10008.5.1.4.1.1.130", len(SLOPES))
enhanced.NumberOfFrames, enhanced.PerFrameFunctionalGroupsSequence = len(SLOPES), []
for slope in SLOPES:
    transformation, frame = Dataset(), Dataset()
    transformation.RescaleIntercept, transformation.RescaleSlope, transformation.RescaleType = 0, slope, "US"
    frame.PixelValueTransformationSequence = [transformation]
    enhanced.PerFrameFunctionalGroupsSequence.append(frame)
single = image("1.2.840.10008.5.1.4.1.1.128", 1)
single.RescaleIntercept, single.RescaleSlope = 0, SLOPES[1]
of_enhanced, of_single = read(enhanced, "enhanced.dcm"), read(single, "single.dcm")
print("slopes", SLOPES, ": frames of an enhanced image", of_enhanced[0], "; a single slice of slope 1.5", of_single[0])
if of_single != ([1500.0], [1500.0]):
    raise SystemExit("changed: the slope of a single slice is applied in another way")
if any(set(values) != {1000} for values in of_enhanced):
    raise SystemExit("changed: slopes in functional groups are used")
PYTHON
