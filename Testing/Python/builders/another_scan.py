"""A scan of another day that looks like one that is there: its emission image has its own UIDs and one other count."""

from __future__ import annotations

import shutil

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import generate_uid

EMISSION = ("NM", "PT")


def another_scan(folder, target):
    """Copy a visit's DICOM to ``target``; a corner voxel of every emission image counts one more."""
    shutil.copytree(folder, target)
    series = {}
    for path in sorted(one for one in target.rglob("*") if one.is_file()):
        try:
            ds = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        if ds.get("Modality") not in EMISSION:
            continue
        ds.SeriesInstanceUID = series.setdefault(ds.SeriesInstanceUID, generate_uid())
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        pixels = bytearray(ds.PixelData)
        pixels[0] ^= 1
        ds.PixelData = bytes(pixels)
        ds.save_as(path)
    return target
