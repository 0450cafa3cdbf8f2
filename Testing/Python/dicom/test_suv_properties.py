"""Properties of SUV that hold whatever the numbers: shifts of time, scalings, linearity (hypothesis)."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, series_in_memory, slices, write_slices
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv

DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.zeros((2, 2, 2), np.int16)
INJECTED, SCANNED = datetime(2025, 3, 1, 10, 0, 0), datetime(2025, 3, 1, 11, 2, 30)
CORRECTIONS = st.sampled_from(["START", "ADMIN", "NONE"])
COUNT = settings(max_examples=60, deadline=None)


def factor(changes):
    found = PetSeries(arrange(series_in_memory(slices(STORED, "PT", changes=changes))), OperatorOverrides()).as_suv(
        "bw"
    )
    return found.factors[0]


def times(shift: timedelta, correction: str, bare: bool, post_processed: bool = False):
    """Header times, all moved by ``shift``; the injection as a time of day only if ``bare``."""
    scanned, injected = SCANNED + shift, INJECTED + shift
    series = scanned + timedelta(hours=2) if post_processed else scanned
    return {
        "SeriesDate": f"{series:%Y%m%d}",
        "SeriesTime": f"{series:%H%M%S.%f}",
        "AcquisitionDate": f"{scanned:%Y%m%d}",
        "AcquisitionTime": f"{scanned:%H%M%S.%f}",
        f"{DRUG}.RadiopharmaceuticalStartTime": f"{injected:%H%M%S.%f}",
        f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT if bare else f"{injected:%Y%m%d%H%M%S.%f}",
        "DecayCorrection": correction,
    }


@COUNT
@given(
    st.timedeltas(timedelta(days=-9000), timedelta(days=9000)), CORRECTIONS, st.booleans(), st.booleans()
)  # through midnights, ends of years and leap days
def test_moving_all_times_changes_nothing(shift, correction, bare, post_processed):
    still = factor(times(timedelta(0), correction, bare, post_processed))
    assert factor(times(shift, correction, bare, post_processed)) == pytest.approx(still, rel=1e-9)


@COUNT
@given(st.integers(-12 * 60, 14 * 60), CORRECTIONS, st.booleans())
def test_the_zone_changes_nothing(minutes, correction, bare):
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    offset = f"{sign}{size // 60:02d}{size % 60:02d}"
    header = times(timedelta(0), correction, bare)
    assert factor(header | {"TimezoneOffsetFromUTC": offset}) == pytest.approx(factor(header), rel=1e-12)


@COUNT
@given(st.integers(-12 * 60, 14 * 60), CORRECTIONS)
def test_the_same_injection_stated_in_another_zone(minutes, correction):
    """Object in one zone; the injection's own offset says another, with its clock moved accordingly."""
    header = times(timedelta(0), correction, False) | {"TimezoneOffsetFromUTC": "+0000"}
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    elsewhere = INJECTED + timedelta(minutes=minutes)
    note = f"{elsewhere:%Y%m%d%H%M%S}{sign}{size // 60:02d}{size % 60:02d}"
    assert factor(header | {f"{DRUG}.RadiopharmaceuticalStartDateTime": note}) == pytest.approx(
        factor(header), rel=1e-12
    )


@COUNT
@given(st.floats(20, 150), st.floats(20, 150), CORRECTIONS)
def test_suv_is_linear_in_weight(first, second, correction):
    header = {"DecayCorrection": correction}
    ratio = factor(header | {"PatientWeight": f"{first:.6f}"}) / factor(header | {"PatientWeight": f"{second:.6f}"})
    assert ratio == pytest.approx(float(f"{first:.6f}") / float(f"{second:.6f}"), rel=1e-9)


@COUNT
@given(st.floats(1e6, 5e10), st.floats(1e6, 5e10), CORRECTIONS)
def test_suv_is_inverse_in_dose(first, second, correction):
    doses = [float(f"{dose:.8g}") for dose in (first, second)]
    one, two = (
        factor({"DecayCorrection": correction, f"{DRUG}.RadionuclideTotalDose": f"{dose:.8g}"}) for dose in doses
    )
    assert one / two == pytest.approx(doses[1] / doses[0], rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 64), min_size=2, max_size=2), st.sampled_from(["START", "NONE"]))
def test_slopes_and_stored_values_scaled_inversely(tmp_path_factory, scales, correction):
    values = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    base = tmp_path_factory.mktemp("base")
    write_slices(base, values, "PT", changes={"RescaleSlope": 64.0, "DecayCorrection": correction})
    scaled = tmp_path_factory.mktemp("scaled")
    stored = values * np.array(scales, dtype=np.int16)[:, None, None]
    slopes = [64.0 / scale for scale in scales]
    write_slices(scaled, stored, "PT", changes={"DecayCorrection": correction}, per_slice={"RescaleSlope": slopes})
    (first,), (second,) = find_series(base), find_series(scaled)
    np.testing.assert_allclose(suv(second).volume.array, suv(first).volume.array, rtol=1e-6)


@pytest.mark.parametrize(
    ("kg", "metres", "doubted"), [(75, 1.8, 0), (120, 1.7, 0), (17, 1.1, 0), (165.3, 1.8, 1), (30, 1.8, 1)]
)
def test_a_weight_in_pounds_is_doubted(kg, metres, doubted):
    changes = {"PatientWeight": kg, "PatientSize": metres}
    found = PetSeries(arrange(series_in_memory(slices(STORED, "PT", changes=changes))), OperatorOverrides()).as_suv(
        "bw"
    )
    assert sum("body mass index" in text for text in found.decisions) == doubted
