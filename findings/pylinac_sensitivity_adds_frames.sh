#!/bin/bash
# pylinac 3.49.0: the sensitivity of a gamma camera doubles when the file has two frames, and the background does not.
#
# Guess: SimpleSensitivity gives counts per second and MBq of one detector, or of both together, in the same way for source and background;
# and a file of two frames of 100 s each has been counted for 200 s.
# Real: counts of all frames of the source are added and divided by the duration of one frame, the background is averaged over its frames. A
# source of 4.00 cps/MBq reads 8.00 from a file of two frames, be they the two heads or two frames in time; of the background of both
# heads only one half is subtracted. No warning.
# Who meets it: calibration of quantitative 177Lu SPECT from planar images of a camera with two heads, which come in one file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pylinac==3.49.0 pydicom==2.4.5 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0
cd "$folder"
MPLBACKEND=Agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pylinac.nuclear import Nuclide, SimpleSensitivity


def planar(path, frame, frames):
    """A static NM image whose frames, of 100 s each, are all the same."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID = "NM", "Phantom", "1"
    ds.ImageType, ds.ActualFrameDuration = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], 100_000
    ds.NumberOfFrames, ds.Rows, ds.Columns, ds.PixelSpacing = frames, 64, 64, [4.0, 4.0]
    ds.FrameIncrementPointer, ds.NumberOfDetectors, ds.DetectorVector = 0x00540020, frames, list(range(1, frames + 1))
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelData = np.stack([frame] * frames).astype("<u2").tobytes()
    ds.save_as(path, write_like_original=False)


source, background = np.zeros((64, 64)), np.ones((64, 64))
source[22:42, 22:42] = 100  # 40,000 counts in 100 s from 100 MBq: 4 cps/MBq
for frames in (1, 2):
    planar(f"source{frames}.dcm", source, frames)
    planar(f"background{frames}.dcm", background, frames)


def measured(frames):
    test = SimpleSensitivity(f"source{frames}.dcm", f"background{frames}.dcm")
    test.analyze(activity_mbq=100, nuclide=Nuclide.Lu177)
    result = test.results_data()
    return result.phantom_cps, result.background_cps, result.sensitivity_mbq


one, two = measured(1), measured(2)
for frames, (cps, background_cps, sensitivity) in ((1, one), (2, two)):
    print(f"frames {frames}: source {cps:g} cps, background {background_cps:g} cps, sensitivity {sensitivity:.3f} cps/MBq")
assert one[:2] == (400.0, 40.96) and two[:2] == (800.0, 40.96)
assert abs(one[2] - 3.591) < 1e-3 and abs(two[2] - 7.591) < 1e-3
PYTHON
