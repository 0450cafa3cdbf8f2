#!/bin/bash
# pysuv 0.1.0: SUV of an image of the day after the injection is decayed by one hour instead of 25.
#
# Guess: the time from injection to scan is the difference of two dates and times; the image has them (Radiopharmaceutical Start DateTime (0018,1078),
# Series Date), and a library that checks times for midnight knows of days.
# Real: only the times of day are read. 64Cu injected at 9:00 and imaged at 10:00 of the next day has the elapsed time of 60 minutes and SUV of 27 %
# of the true ones, 89Zr after six days 28 %. No warning. On the day of the injection it is right.
# Who meets it: late images of 64Cu-DOTATATE or SARTATE, on which dosimetry before PRRT is based, and of antibodies with 89Zr.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pysuv==0.1.0 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import pysuv
from pydicom.dataset import Dataset


def pet(half_life_s, day):
    ds, agent = Dataset(), Dataset()
    ds.Modality, ds.Manufacturer, ds.Units, ds.DecayCorrection = "PT", "none", "BQML", "START"
    ds.CorrectedImage, ds.PatientWeight, ds.PatientSex, ds.PatientSize = ["ATTN", "DECY"], 80, "M", 1.8
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 2, 2, 16, 16, 15, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.RescaleSlope, ds.RescaleIntercept = 1, "MONOCHROME2", 1, 0
    ds.PixelData = np.full((2, 2), 1000, np.uint16).tobytes()
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = day
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "100000"
    agent.RadionuclideTotalDose, agent.RadionuclideHalfLife = 200e6, half_life_s
    agent.RadiopharmaceuticalStartTime, agent.RadiopharmaceuticalStartDateTime = "090000", "20250101090000"
    ds.RadiopharmaceuticalInformationSequence = [agent]
    return ds


for name, half_life_s, day, hours, ratio in (
    ("64Cu", 45720.0, "20250101", 1, 1.0),
    ("64Cu", 45720.0, "20250102", 25, 0.270),
    ("89Zr", 282240.0, "20250107", 145, 0.280),
):
    found = pysuv.get_suv_factor(pet(half_life_s, day)).suv_factor
    true = 80e3 / (200e6 * 2 ** (-hours * 3600 / half_life_s))
    minutes = pysuv.get_suv_parameters(pet(half_life_s, day)).elapsed_time_min
    print(f"{name} after {hours} h: elapsed {minutes:.0f} min, SUV {found / true:.3f} of the true one")
    assert minutes == 60.0 and abs(found / true - ratio) < 1e-3, (minutes, found / true)
PYTHON
