"""Slices whose common elements are encoded once are the files that pydicom writes."""

from datetime import date, datetime, timezone

import numpy as np
from PRRTUptakeLib.dicom.slice_files import SliceFiles
from PRRTUptakeLib.dicom.writing import Series, Subject, item_of, save, set_pixels, start_dataset
from pydicom.uid import CTImageStorage


def test_files_are_byte_by_byte_those_of_pydicom(tmp_path):
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
    subject = Subject("A", "Name^Ä", "F", date(1960, 1, 2), 70.0, 1.7)
    ds = start_dataset(Series(subject, ("study",), 3, "CT", moment, moment, ("frame",)), CTImageStorage, "CT", 1)
    ds.ReferencedImageSequence = [item_of(InstanceNumber=0)]
    files = SliceFiles()
    for number in range(4):
        ds.InstanceNumber, ds.ImagePositionPatient = number, [0, 0, number]
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        ds.SeriesDescription = "CT" if number < 2 else "odd"
        ds.ReferencedImageSequence[0].InstanceNumber = number  # changed from within
        if number == 3:
            del ds.PatientAge
        set_pixels(ds, np.full((3, 5), number), signed=True)
        one, other = files.save(ds, tmp_path / "a" / f"{number}"), save(ds, tmp_path / "b" / f"{number}")
        assert one.read_bytes() == other.read_bytes()
