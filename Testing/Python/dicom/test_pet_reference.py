"""Decay Factor against the times of a PET series, bed by bed; spellings of units; minutes after injection of ADMIN."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, slices, write
from builders.pet_factors import DRUG, RATE, STORED, factor, factors
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError

DURATION_S = 120.0
MEAN_S = math.log(RATE * DURATION_S / (1 - math.exp(-RATE * DURATION_S))) / RATE
STARTS_S = (0.0, 180.0, 360.0)


def at_reference(seconds_after_injection):
    return 70_000 / (370e6 * math.exp(-RATE * seconds_after_injection))


def beds(factor_from, **changes):
    """Three beds from 11:00, injection at 10:00; ``factor_from`` gives the Decay Factor of each."""
    return (
        {"ActualFrameDuration": 1000 * DURATION_S, "FrameReferenceTime": ABSENT, **changes},
        {
            "AcquisitionTime": ["110000", "110300", "110600"],
            "DecayFactor": [f"{factor_from(start):.7g}" for start in STARTS_S],
        },
    )


def since_first_bed(start, reference_s=0.0):
    return math.exp(RATE * (start - reference_s + MEAN_S))


@pytest.mark.parametrize("series_time", ["100500", "103000", "105000"])
def test_series_opened_long_before_the_first_bed(series_time):
    with pytest.raises(
        PRRTError, match=rf"Series Time.*T{series_time[:2]}:{series_time[2:4]}.*Decay Factor.*T11:00:00"
    ):
        factors(*beds(since_first_bed, SeriesTime=series_time))


def test_series_opened_a_little_before_is_taken_by_the_factor():
    found = factors(*beds(since_first_bed, SeriesTime="105500"))
    np.testing.assert_allclose(found.factors, at_reference(3600), rtol=1e-4)
    assert any("Doubtful" in one and "Decay Factor" in one for one in found.decisions)


@pytest.mark.parametrize("reference", ["110000", "105500", "104000"])
def test_factors_that_agree_with_the_series_time(reference):
    seconds = (int(reference[:2]) - 11) * 3600 + int(reference[2:4]) * 60
    found = factors(*beds(lambda start: since_first_bed(start, seconds), SeriesTime=reference))
    np.testing.assert_allclose(found.factors, at_reference(3600 + seconds), rtol=1e-6)
    assert not any("Doubtful" in one for one in found.decisions)


def test_a_factor_without_the_decay_within_the_frame():
    """Some scanners put only the decay until the frame's start into the attribute."""
    found = factors(*beds(lambda start: math.exp(RATE * start), SeriesTime="110000"))
    np.testing.assert_allclose(found.factors, at_reference(3600), rtol=1e-6)


def test_beds_that_are_corrected_to_their_own_start():
    changes, per_slice = beds(lambda start: since_first_bed(0.0), SeriesTime="110000")
    assert any("Doubtful" in one and "beds" in one for one in factors(changes, per_slice).decisions)
    per_slice["AcquisitionTime"] = ["110000", "111500", "113000"]
    with pytest.raises(PRRTError, match=r"Decay Factor.*beds.*reference times that differ"):
        factors(changes, per_slice)


def test_private_scan_time_against_the_factor():
    images = slices(STORED, "PT", changes=beds(since_first_bed)[0], per_slice=beds(since_first_bed)[1])
    from builders.dicom_builders import series_in_memory
    from builders.pet_factors import with_private
    from PRRTUptakeLib.dicom.pet import PetSeries
    from PRRTUptakeLib.dicom.reading import arrange

    for scan, right in (("20250301110000", True), ("20250301104000", False)):
        series = series_in_memory(with_private(images, 0x0009, "GEMS_PETD_01", {(0x0D, "DT"): scan}))
        if right:
            made = PetSeries(arrange(series), OperatorOverrides()).as_suv("bw")
            np.testing.assert_allclose(made.factors, at_reference(3600), rtol=1e-6)
        else:
            with pytest.raises(PRRTError, match=r"scan date and time.*Decay Factor"):
                PetSeries(arrange(series), OperatorOverrides()).as_suv("bw")


def test_frame_reference_time_of_zero_is_a_time():
    """A series time after the scan: values hold at the mean count time of the frame."""
    duration_s = 600.0
    mean_s = math.log(RATE * duration_s / (1 - math.exp(-RATE * duration_s))) / RATE
    changes = {"SeriesTime": "140000", "ActualFrameDuration": 1000 * duration_s, "FrameReferenceTime": 0}
    assert factor(changes) == pytest.approx(at_reference(3600 + mean_s), rel=1e-9)


@pytest.mark.parametrize(("units", "scale"), [("kBq/cc", 1e3), ("Bq/ml", 1), ("KBQML", 1e3), ("BQCC", 1)])
def test_spellings_of_units(units, scale):
    assert factor({"Units": units}) == pytest.approx(scale * at_reference(3600), rel=1e-9)


def test_minutes_after_injection_are_those_of_the_scan(tmp_path):
    changes = {"DecayCorrection": "ADMIN", f"{DRUG}.RadiopharmaceuticalStartTime": "100000"}
    write(tmp_path, slices(STORED, "PT", changes=changes))
    volume = suv(find_series(tmp_path)[0]).volume
    assert volume.reference_time == datetime(2025, 3, 1, 10, tzinfo=timezone.utc)  # what its values hold for
    assert volume.provenance["scanned_at"] == "2025-03-01T11:00:00+00:00"
