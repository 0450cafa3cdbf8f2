"""A patient's therapy as tiny DICOM: per visit SPECT with and without attenuation correction, scatter, projections,
CT, localiser, dose report and screen shots. The right answers are known; pixels are few, so that archives are quick.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

import numpy as np
from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
from PRRTUptakeLib.dicom.writing import Series, Subject, date_time, item_of, save, set_pixels, start_dataset, uid
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
)

DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"
ZONE = timezone(timedelta(hours=1))
FIRST = datetime(2024, 3, 4, 9, 0, tzinfo=ZONE)
SIZE, SLICES = 4, 6


@dataclass(frozen=True)
class VisitTruth:
    """What a case has to say of one visit."""

    cycle: int
    hours: float
    image: str
    ct: str
    frame: str


def subject(number=1, name="Doe^Jane"):
    return Subject(f"PAT{number:03d}", name, "F", date(1960, 5, 17), 70.0, 1.7)


def injection(cycle):
    return Radiopharmaceutical("Lu-177", 7400.0, FIRST + timedelta(weeks=8 * (cycle - 1)))


def write_therapy(folder, who=None, cycles=(1,), hours=(24.0,), distractors=True):
    """Write visits of one patient into ``folder``; returns the truth of each visit, in their order."""
    who = who or subject()
    return [write_visit(folder, who, cycle, time_h, distractors) for cycle in cycles for time_h in hours]


def write_visit(folder, who, cycle, time_h, distractors=True):
    drug = injection(cycle)
    start = drug.injection_time + timedelta(hours=time_h)
    words = (who.patient_id, str(cycle), f"{time_h:g}")

    def series(number, description, minutes=0.0):
        return Series(who, words, number, description, start + timedelta(minutes=minutes), start, words)

    right, ct = series(4, "SPECT abdomen AC"), series(3, "CT low dose", -5)
    place = folder / "-".join(words)
    _ct(place, ct)
    _nm(place, right, drug, seed=1)
    if distractors:
        _nm(place, series(5, "SPECT abdomen NAC"), drug, corrected=("DECY", "SCAT"), seed=2)
        _nm(place, series(6, "SPECT scatter window"), drug, window=(160.0, 180.0), seed=3)
        _nm(place, series(7, "SPECT projections"), drug, kind="TOMO", seed=4)
        _nm(place, series(8, "Whole body"), drug, kind="WHOLE BODY", seed=5)
        _ct(place, series(2, "Topogram", -10), count=1, kind="LOCALIZER")
        _simple(place, series(9, "Screen"), SecondaryCaptureImageStorage, "OT")
        _simple(place, series(10, "Dose report"), DOSE_REPORT, "SR")
        _simple(place, series(11, "Letter"), EncapsulatedPDFStorage, "DOC")
    return VisitTruth(cycle, time_h, str(right.series_uid), str(ct.series_uid), str(right.frame_of_reference_uid))


def _path(place, series, n):
    return place / f"S{series.number:02d}" / f"I{n:03d}"


def _ct(place, series, count=SLICES, kind="AXIAL"):
    for n in range(count):
        ds = start_dataset(series, CTImageStorage, "CT", n + 1)
        ds.ImageType = ["ORIGINAL", "PRIMARY", kind]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [-20.0, -20.0, 5.0 * n]
        ds.PixelSpacing, ds.SliceThickness, ds.KVP = [10.0, 10.0], 5.0, "120"
        ds.RescaleSlope, ds.RescaleIntercept = "1", "-1024"
        set_pixels(ds, np.full((SIZE, SIZE), 1024 + n), signed=False)
        save(ds, _path(place, series, n))


def _nm(place, series, drug, kind="RECON TOMO", corrected=("DECY", "ATTN", "SCAT"), window=(187.2, 228.8), seed=1):
    ds = start_dataset(series, NuclearMedicineImageStorage, "NM", 1)
    ds.ImageType = ["DERIVED" if kind == "RECON TOMO" else "ORIGINAL", "PRIMARY", kind, "EMISSION"]
    ds.NumberOfFrames = SLICES
    tomogram = kind == "RECON TOMO"
    ds.FrameIncrementPointer = 0x00540080 if tomogram else 0x00540050
    setattr(ds, "SliceVector" if tomogram else "RotationVector", list(range(1, SLICES + 1)))
    ds.NumberOfSlices = SLICES
    ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = [10.0, 10.0], 5.0, 5.0
    ds.DetectorInformationSequence = [
        item_of(ImagePositionPatient=[-20.0, -20.0, 0.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    ]
    low, high = window
    ranges = [item_of(EnergyWindowLowerLimit=low, EnergyWindowUpperLimit=high)]
    ds.EnergyWindowInformationSequence = [item_of(EnergyWindowRangeSequence=ranges)]
    ds.RadiopharmaceuticalInformationSequence = [drug.item(for_pet=False)]
    ds.AcquisitionDateTime = date_time(series.time)
    ds.CorrectedImage, ds.DecayCorrection = list(corrected), "START"
    random = np.random.default_rng([seed, int(str(series.series_uid)[-9:])])
    set_pixels(ds, random.integers(0, 1000, (SLICES, SIZE, SIZE)), signed=False)
    save(ds, _path(place, series, 1))


def _simple(place, series, sop_class, modality):
    ds: Dataset = start_dataset(series, sop_class, modality, 1)
    save(ds, _path(place, series, 1))


def another_person(who, number):
    """Somebody of the same name with another id and birth date."""
    return replace(who, patient_id=f"PAT{number:03d}", birth_date=date(1971, 1, 2))


__all__ = ["VisitTruth", "another_person", "injection", "subject", "uid", "write_therapy", "write_visit"]
