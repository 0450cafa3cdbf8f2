"""A folder of results with tiny DICOM objects, as `prrt send` takes it."""

from __future__ import annotations

from PRRTUptakeLib.dicom.writing import Series, save, start_dataset
from pydicom.uid import SecondaryCaptureImageStorage

from builders.small_archive import FIRST, subject

PDF = b"%PDF-1.4\n%%EOF\n"


def write_results(place, who=None, anonymous=False, count=3, study="results"):
    """A folder of results whose objects are small."""
    who = who or subject()
    series = Series(who, (study,), 7, "result", FIRST, FIRST, (study,))
    for n in range(count):
        ds = start_dataset(series, SecondaryCaptureImageStorage, "OT", n + 1)
        ds.Rows = ds.Columns = 2
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        ds.PixelData = bytes(4)
        if anonymous:
            ds.PatientIdentityRemoved = "YES"
        save(ds, place / "dicom" / "24h" / f"object{n}.dcm")
    (place / "report.html").write_text("<html><body>report</body></html>", encoding="utf-8")
    (place.parent / "report.pdf").write_bytes(PDF)
    return place
