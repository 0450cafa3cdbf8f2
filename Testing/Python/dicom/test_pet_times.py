"""To which moment PET values hold, and when the injection was; expected numbers are worked out here by hand."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, radionuclide
from builders.pet_factors import DRUG, RATE, SUV_START, UTC, factor, factors
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.errors import PRRTError


class TestDecayCorrection:
    def test_admin_takes_the_dose_as_it_is(self):
        assert factor({"DecayCorrection": "ADMIN"}) == pytest.approx(70_000 / 370e6, rel=1e-12)

    def test_none_corrects_each_frame_for_itself(self):
        starts = [datetime(2025, 3, 1, 11, minute, tzinfo=UTC) for minute in (0, 5, 10)]
        durations = [300, 180, 240]
        found = factors(
            {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "DecayFactor": ABSENT},
            {
                "AcquisitionTime": [start.strftime("%H%M%S") for start in starts],
                "ActualFrameDuration": [1000 * duration for duration in durations],
            },
        ).factors
        injected = datetime(2025, 3, 1, 10, tzinfo=UTC)
        for start, duration, one in zip(starts, durations, found, strict=True):
            during = RATE * duration
            expected = during / (1 - math.exp(-during)) * math.exp(RATE * (start - injected).total_seconds())
            assert one == pytest.approx(expected * 70_000 / 370e6, rel=1e-10)

    def test_mean_over_a_frame_is_what_none_undoes(self):
        """Counting a decaying source numerically over the frame and correcting it gives the true SUV."""
        seconds = np.linspace(0, 600, 100_001)
        mean = np.exp(-RATE * (3600 + seconds)).mean() * 370e6  # Bq in 1 mL
        one = factor({"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "ActualFrameDuration": 600_000})
        assert mean * one == pytest.approx(70_000, rel=1e-5)

    def test_none_although_decay_was_corrected_is_refused(self):
        with pytest.raises(PRRTError, match="Decay Factor"):
            factor({"DecayCorrection": "NONE", "DecayFactor": 1.05})

    def test_series_time_later_than_acquisition_is_back_computed(self):
        duration, offset = 600.0, 450.0
        mean_count = math.log(RATE * duration / (1 - math.exp(-RATE * duration))) / RATE
        changes = {"SeriesTime": "140000", "ActualFrameDuration": 600_000, "FrameReferenceTime": 450_000}
        elapsed = 3600 + mean_count - offset
        assert factor(changes) == pytest.approx(70_000 / (370e6 * math.exp(-RATE * elapsed)), rel=1e-9)

    def test_beds_of_one_series_share_the_reference(self):
        found = factors(
            {"SeriesTime": "140000", "ActualFrameDuration": 300_000},
            {"AcquisitionTime": ["110000", "110500", "111000"], "FrameReferenceTime": [150e3, 450e3, 750e3]},
        ).factors
        np.testing.assert_allclose(found, SUV_START, rtol=1e-4)

    def test_beds_that_contradict_each_other(self):
        with pytest.raises(PRRTError, match="Frame Reference Time"):
            factors(
                {"SeriesTime": "140000"},
                {"AcquisitionTime": ["110000", "110500", "111000"], "FrameReferenceTime": [150e3] * 3},
            )

    @pytest.mark.parametrize("missing", ["FrameReferenceTime", "ActualFrameDuration"])
    def test_post_processed_without_what_states_the_reference(self, missing):
        with pytest.raises(PRRTError, match="Frame Reference Time"):
            factor({"SeriesTime": "140000", missing: ABSENT})
        stated = OperatorOverrides(decay_reference_time=datetime(2025, 3, 1, 11, tzinfo=UTC))
        assert factor({"SeriesTime": "140000", missing: ABSENT}, inputs=stated) == pytest.approx(SUV_START)

    def test_series_time_far_from_what_frame_reference_says(self):
        with pytest.raises(PRRTError, match=r"Series Time.*Frame Reference Time"):
            factor({"SeriesTime": "104500"})
        found = factors({"SeriesTime": "105600"})
        assert any("differ by" in sentence for sentence in found.decisions)

    def test_a_scan_decay_corrected_to_long_before(self):
        """A late frame of a dynamic series: corrected to the series' start, an hour before; all statements agree."""
        changes = {"SeriesTime": "110000", "AcquisitionTime": "120000", "FrameReferenceTime": 3_750_000}
        assert factor(changes) == pytest.approx(SUV_START, rel=1e-12)

    @pytest.mark.parametrize("value", ["", "YES", "ADMIN2"])
    def test_unknown_decay_correction(self, value):
        with pytest.raises(PRRTError, match="Decay Correction"):
            factor({"DecayCorrection": value})


class TestInjectionTime:
    def test_time_of_day_before_midnight(self):
        changes = {
            f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT,
            f"{DRUG}.RadiopharmaceuticalStartTime": "233000",
            **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "003000"),
        }
        assert factor(changes) == pytest.approx(SUV_START, rel=1e-12)

    @pytest.mark.parametrize("missing", ["RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"])
    def test_either_attribute_is_enough(self, missing):
        assert factor({f"{DRUG}.{missing}": ABSENT}) == pytest.approx(SUV_START, rel=1e-12)

    def test_neither(self):
        changes = {f"{DRUG}.RadiopharmaceuticalStart{kind}": ABSENT for kind in ("DateTime", "Time")}
        with pytest.raises(PRRTError, match=r"0018,1078.*give the injection time"):
            factor(changes)
        stated = OperatorOverrides(injection_time=datetime(2025, 3, 1, 10, tzinfo=UTC))
        found = factors(changes, inputs=stated)
        assert found.factors[0] == pytest.approx(SUV_START, rel=1e-12)
        assert any("operator" in sentence for sentence in found.decisions)

    def test_attributes_that_contradict_each_other(self):
        with pytest.raises(PRRTError, match=r"0018,1078.*0018,1072"):
            factor({f"{DRUG}.RadiopharmaceuticalStartTime": "103000"})

    def test_after_the_scan(self):
        changes = {f"{DRUG}.RadiopharmaceuticalStart{kind}": value for kind, value in
                   (("DateTime", "20250301113000"), ("Time", "113000"))}  # fmt: skip
        with pytest.raises(PRRTError, match="after the image's time"):
            factor(changes)

    def test_a_day_too_early(self):
        with pytest.raises(PRRTError, match="half-lives before"):
            factor({f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228100000"})

    def test_its_own_offset_from_utc(self):
        """08:00 at -0200 is 10:00 UTC is 11:00 at +0100; the scan at 12:00 +0100 is an hour later."""
        changes = {
            "TimezoneOffsetFromUTC": "+0100",
            **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "120000"),
            f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250301080000-0200",
            f"{DRUG}.RadiopharmaceuticalStartTime": "110000",
        }
        assert factor(changes) == pytest.approx(SUV_START, rel=1e-12)

    def test_offset_in_one_time_only_is_that_of_all(self):
        found = factors({f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250301100000+0200"})
        assert found.factors[0] == pytest.approx(SUV_START, rel=1e-12)

    @pytest.mark.parametrize(("zone", "hours"), [("Europe/Amsterdam", 3.0), ("UTC", 2.0), (None, 2.0)])
    def test_the_night_in_october_that_has_25_hours(self, zone, hours):
        """Injected at 01:30 summer time, scanned at 03:30 winter time."""
        changes = {
            **dict.fromkeys(("SeriesDate", "AcquisitionDate"), "20251026"),
            **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "033000"),
            f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT,
            f"{DRUG}.RadiopharmaceuticalStartTime": "013000",
        }
        expected = 70_000 / (370e6 * math.exp(-RATE * 3600 * hours))
        assert factor(changes, inputs=OperatorOverrides(time_zone=zone)) == pytest.approx(expected, rel=1e-12)

    def test_an_hour_that_occurs_twice_is_not_guessed(self):
        changes = {
            **dict.fromkeys(("SeriesDate", "AcquisitionDate"), "20251026"),
            **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "023000"),
        }
        with pytest.raises(PRRTError, match="occurs twice"):
            factor(changes, inputs=OperatorOverrides(time_zone="Europe/Amsterdam"))

    def test_a_bare_time_of_day_of_a_long_lived_nuclide(self):
        changes = {
            f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT,
            f"{DRUG}.RadionuclideCodeSequence": [radionuclide("63360001", "^89^Zirconium", "SCT")],
            f"{DRUG}.RadionuclideHalfLife": 282_276,
        }
        with pytest.raises(PRRTError, match="without its date"):
            factor(changes)
