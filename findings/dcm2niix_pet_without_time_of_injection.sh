#!/bin/bash
# dcm2niix 1.0.20260724: the JSON file beside a PET has the injected activity, but not when it was injected.
#
# Guess: all that SUV needs is in the BIDS file: InjectedRadioactivity with TimeZero and InjectionStart, or the DICOM start time of the injection.
# Real: injection at 9:00, scan at 10:00: InjectedRadioactivity is 150 MBq as at 9:00, ScanStart and ImageDecayCorrectionTime are 0, and there is
# no TimeZero, InjectionStart or Radiopharmaceutical Start Time, whether the scan began 10 or 90 minutes later; "-ba n" (not anonymised) brings
# the weight, but not the time. Read as BIDS defines it (scan at time 0, activity at the injection), SUV of 68Ga is wrong by 1.85 after an hour.
# Who meets it: SSTR PET that is archived as NIfTI with its JSON and without the DICOM files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 dcm2niix==1.0.20260724 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import subprocess
from pathlib import Path

import dcm2niix
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def write_pet(folder, scan):
    """Six planes of a 68Ga PET that began at ``scan``, as hours and minutes; injection at 9:00."""
    Path(folder).mkdir()
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(6):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex, ds.PatientWeight = "Phantom", "1", "", "O", 80
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20250101"
        ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = f"{scan}00"
        ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "1", "", "", ""
        ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber, ds.PatientPosition = "PT", "SIEMENS", 1, k + 1, "HFS"
        ds.SeriesDescription = ds.ProtocolName = "PET"
        ds.ImageType, ds.SeriesType, ds.Units = ["ORIGINAL", "PRIMARY", "AXIAL"], ["WHOLE BODY", "IMAGE"], "BQML"
        ds.DecayCorrection, ds.CorrectedImage, ds.DecayFactor = "START", ["DECY", "ATTN"], 1
        ds.ActualFrameDuration, ds.FrameReferenceTime = 180_000, 0
        injection = Dataset()
        injection.Radiopharmaceutical, injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = "DOTATATE", 150e6, 4062.6
        injection.RadiopharmaceuticalStartTime, injection.RadiopharmaceuticalStartDateTime = "090000", "20250101090000"
        ds.RadiopharmaceuticalInformationSequence = [injection]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-30.0, -40.0, 3.0 * k], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.Rows, ds.Columns = [4.0, 4.0], 3.0, 16, 16
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.RescaleSlope, ds.RescaleIntercept = 16, 16, 15, 0.5, 0
        ds.PixelData = np.full((16, 16), 1000, "<i2").tobytes()
        ds.save_as(f"{folder}/{k}.dcm", enforce_file_format=True)


def sidecar(scan, *options):
    name = f"pet{scan}{''.join(options)}"
    write_pet(name, scan)
    subprocess.run([dcm2niix.bin, *options, "-o", ".", "-f", f"{name}_out", name], check=True, capture_output=True)
    return json.loads(Path(f"{name}_out.json").read_text())


early, late, named = sidecar("0910"), sidecar("1030"), sidecar("1030", "-ba", "n")
kept = ("InjectedRadioactivity", "InjectedRadioactivityUnits", "ScanStart", "ImageDecayCorrectionTime", "FrameTimesStart")
print("10 minutes after the injection:", {key: early[key] for key in kept})
print("90 minutes after the injection:", {key: late[key] for key in kept})
differing = sorted(key for key in late if late[key] != early.get(key))
print("what differs:", differing, "- keys with a time:", sorted(key for key in named if "Time" in key or "Start" in key))
assert all(early[key] == late[key] for key in kept) and late["InjectedRadioactivity"] == 150 and late["ScanStart"] == 0
assert differing == ["AcquisitionTime", "SeriesTime"]
assert not {"TimeZero", "InjectionStart", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"} & set(named)
assert named["PatientWeight"] == 80 and "090000" not in json.dumps(named) and "09:00" not in json.dumps(named)
PYTHON
