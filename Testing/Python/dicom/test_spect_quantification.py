"""SPECT: calibration factors, Real World Value Mapping, dead time, decay, SPECT-SUV and %IA."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, mapping, radionuclide, write_nm, write_slices
from PRRTUptakeLib.dicom.dead_time import dead_time_factor
from PRRTUptakeLib.dicom.errors import DicomError, OverrideError
from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import concentration_at_suv_1, percent_injected, percent_injected_per_g, suv
from PRRTUptakeLib.errors import PRRTError

COUNTS = np.arange(1, 3 * 2 * 2 + 1, dtype=np.uint16).reshape(3, 2, 2)
HALF_LIFE_S = 6.647 * 86400
UTC = timezone.utc
DRUG = "RadiopharmaceuticalInformationSequence"


def nm(tmp_path, **settings):
    write_nm(tmp_path / "nm", settings.pop("values", COUNTS), **settings)
    (series,) = find_series(tmp_path)
    return series


class TestCalibrationFactor:
    """Voxels of 4 x 4 x 5 mm = 0.08 mL; 60 views of 20 s."""

    @pytest.mark.parametrize(
        ("basis", "stated_s", "time_s"), [("total", None, 1200), ("per-view", None, 20), ("total", 600.0, 600)]
    )
    def test_counts(self, tmp_path, basis, stated_s, time_s):
        found = quantify(nm(tmp_path), OperatorOverrides(calibration=Calibration(9.5, basis, stated_s)))
        np.testing.assert_allclose(found.volume.array, COUNTS / time_s / 9.5 * 1e6 / 0.08, rtol=1e-6)
        notes = next(s for s in found.decisions if "cps/MBq" in s)
        assert f"time {basis}" in notes

    def test_they_hold_at_the_middle_of_the_acquisition(self, tmp_path):
        found = quantify(nm(tmp_path), OperatorOverrides(calibration=Calibration(9.5, "total")))
        assert found.volume.reference_time == datetime(2025, 3, 1, 11, 10, tzinfo=UTC)

    def test_decay_corrected_counts_hold_at_its_start(self, tmp_path):
        series = nm(tmp_path, changes={"CorrectedImage": ["ATTN", "DECY"]})
        found = quantify(series, OperatorOverrides(calibration=Calibration(9.5, "total")))
        assert found.volume.reference_time == datetime(2025, 3, 1, 11, tzinfo=UTC)

    def test_rescale_slope_of_counts_is_applied(self, tmp_path):
        series = nm(tmp_path, changes={"RescaleSlope": 0.5, "RescaleIntercept": 1})
        found = quantify(series, OperatorOverrides(calibration=Calibration(10, "total")))
        np.testing.assert_allclose(found.volume.array, (COUNTS * 0.5 + 1) / 1200 / 10 * 1e6 / 0.08, rtol=1e-6)

    def test_time_that_is_missing(self, tmp_path):
        series = nm(tmp_path, changes={"RotationInformationSequence": ABSENT})
        with pytest.raises(PRRTError, match="acquisition time"):
            quantify(series, OperatorOverrides(calibration=Calibration(9.5, "total")))

    def test_inputs(self):
        for wrong in ((0, "total"), (9, "views"), (-1, "total"), (math.nan, "total")):
            with pytest.raises(OverrideError):
                Calibration(*wrong)


class TestMapping:
    @pytest.mark.parametrize(("unit", "factor"), [("Bq/ml", 1), ("Bq/mL", 1), ("kBq/ml", 1e3), ("MBq/ml", 1e6)])
    def test_units(self, tmp_path, unit, factor):
        found = quantify(nm(tmp_path, mappings=[mapping(2.0, 3.0, unit)])).volume
        np.testing.assert_allclose(found.array, (2.0 * COUNTS + 3.0) * factor, rtol=1e-6)

    def test_activity_among_other_mappings(self, tmp_path):
        found = quantify(nm(tmp_path, mappings=[mapping(7.0, 0, "g/ml{SUVbw}"), mapping(2.0)]))
        np.testing.assert_allclose(found.volume.array, 2.0 * COUNTS)

    def test_only_other_mappings(self, tmp_path):
        with pytest.raises(PRRTError, match=r"no calibration.*counts"):
            quantify(nm(tmp_path, mappings=[mapping(7.0, 0, "{counts}")]))

    def test_table(self, tmp_path):
        item = mapping(1.0)
        del item.RealWorldValueSlope, item.RealWorldValueIntercept
        item.RealWorldValueLUTData = [float(n) ** 2 for n in range(13)]
        item["RealWorldValueLastValueMapped"].value = 12
        found = quantify(nm(tmp_path, mappings=[item])).volume
        np.testing.assert_allclose(found.array, COUNTS.astype(float) ** 2)

    def test_table_too_short(self, tmp_path):
        item = mapping(1.0)
        item.RealWorldValueLUTData = [0.0, 1.0]
        with pytest.raises(PRRTError, match="table"):
            quantify(nm(tmp_path, mappings=[item]))

    def test_two_mappings_to_activity(self, tmp_path):
        with pytest.raises(PRRTError, match="2 Real World Value Mappings"):
            quantify(nm(tmp_path, mappings=[mapping(1.0), mapping(2.0)]))

    def test_signed_stored_values(self, tmp_path):
        values = np.array([[[-5, 7], [0, 1]]] * 2, dtype=np.int16)
        found = quantify(nm(tmp_path, values=values, mappings=[mapping(2.0)])).volume
        np.testing.assert_allclose(found.array, 2.0 * values)


def test_decay_to_a_chosen_time(tmp_path):
    series = nm(tmp_path, mappings=[mapping(2.0)])
    found = quantify(series, reference_time=datetime(2025, 3, 1, 11, tzinfo=UTC) - timedelta(seconds=HALF_LIFE_S))
    np.testing.assert_allclose(found.volume.array, 4.0 * COUNTS, rtol=1e-6)
    with pytest.raises(PRRTError, match="time zone"):
        quantify(series, reference_time=datetime(2025, 3, 1))


def test_unknown_nuclide_cannot_be_decayed_but_the_operator_can_state_it(tmp_path):
    series = nm(tmp_path, mappings=[mapping(2.0)], changes={DRUG: ABSENT})
    later = datetime(2025, 3, 1, 11, tzinfo=UTC) + timedelta(seconds=HALF_LIFE_S)
    with pytest.raises(PRRTError, match="radionuclide"):
        quantify(series, reference_time=later)
    found = quantify(series, OperatorOverrides(nuclide="177Lu"), later)
    np.testing.assert_allclose(found.volume.array, COUNTS, rtol=1e-6)


@pytest.mark.parametrize("true_cps", [1e3, 1e5, 5e5])
def test_dead_time_models_are_undone(true_cps):
    tau_us = 1.5
    lost = true_cps * tau_us * 1e-6
    paralysed = DeadTime("paralysable", tau_us, true_cps * math.exp(-lost))
    assert dead_time_factor(paralysed) * paralysed.observed_cps == pytest.approx(true_cps, rel=1e-9)
    other = DeadTime("non-paralysable", tau_us, true_cps / (1 + lost))
    assert dead_time_factor(other) * other.observed_cps == pytest.approx(true_cps, rel=1e-9)


def test_dead_time_beyond_the_cameras_limit():
    with pytest.raises(DicomError, match="367879"):
        dead_time_factor(DeadTime("paralysable", 1.0, 400_000))
    with pytest.raises(DicomError, match="at most"):
        dead_time_factor(DeadTime("non-paralysable", 1.0, 1e6))


def test_dead_time_is_applied_and_recorded(tmp_path):
    loss = DeadTime("non-paralysable", 1.0, 200_000)
    found = quantify(nm(tmp_path, mappings=[mapping(2.0)]), OperatorOverrides(dead_time=loss))
    np.testing.assert_allclose(found.volume.array, 2.5 * COUNTS, rtol=1e-6)
    assert any("Dead-time factor 1.25" in s for s in found.decisions)


ADMINISTERED = {
    f"{DRUG}.RadionuclideTotalDose": 7400,
    f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228110000",
    "PatientWeight": 80,
}


def test_spect_suv_of_the_design(tmp_path):
    """7.4 GBq, 80 kg, 24 h after injection: SPECT-SUV 1 is 83,340 Bq/mL."""
    assert concentration_at_suv_1(7400, 24, 6.647 * 24, 80) == pytest.approx(83_340, rel=1e-4)
    found = suv(nm(tmp_path, mappings=[mapping(83_340.0)], changes=ADMINISTERED))
    np.testing.assert_allclose(found.volume.array, COUNTS, rtol=1e-4)
    assert found.volume.units == "g/ml{SUVbw}"


def test_spect_suv_does_not_depend_on_the_time_to_which_it_is_decayed():
    for hours in (0, 24, 96):
        concentration = 1234.5 * math.exp(-math.log(2) * hours / 159.528)
        assert concentration / concentration_at_suv_1(7400, hours, 159.528, 80) == pytest.approx(
            1234.5 * 80_000 / 7.4e9
        )


def test_spect_suv_from_operators_inputs(tmp_path):
    stated = OperatorOverrides(activity_MBq=7400, weight_kg=80, injection_time=datetime(2025, 2, 28, 11, tzinfo=UTC))
    found = suv(nm(tmp_path, mappings=[mapping(83_340.0)]), inputs=stated)
    np.testing.assert_allclose(found.volume.array, COUNTS, rtol=1e-4)
    assert sum("operator" in s for s in found.decisions) == 3


def test_spect_suv_without_injection_time(tmp_path):
    with pytest.raises(PRRTError, match="Radiopharmaceutical Start DateTime"):
        suv(
            nm(
                tmp_path,
                mappings=[mapping(1.0)],
                changes={**ADMINISTERED, f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT},
            )
        )


def test_share_of_injected_activity():
    """An SUV of 1 is one 80,000th of the activity per gram; the whole body of that holds 100 %."""
    per_g = percent_injected_per_g(83_340.0, 7400, 24, 159.528)
    assert per_g * 80_000 == pytest.approx(100, rel=1e-4)
    assert percent_injected(7400 * 0.5, 7400, 159.528, 159.528) == pytest.approx(100)


def test_spect_stored_as_pet(tmp_path):
    """Siemens stores quantitative SPECT with the PET class: 177Lu in Bq/ml, slices in files, decay corrected."""
    changes = {
        f"{DRUG}.RadionuclideCodeSequence": [radionuclide("447553000", "^177^Lutetium", "SCT")],
        f"{DRUG}.RadionuclideHalfLife": HALF_LIFE_S,
        f"{DRUG}.RadionuclideTotalDose": 7.4e9,
        f"{DRUG}.RadiopharmaceuticalStartTime": "110000",
        f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228110000",
        "PatientWeight": 80,
        "Modality": "NM",
    }
    write_slices(tmp_path, COUNTS, "PT", per_slice={"RescaleSlope": [83_340.0, 41_670.0, 83_340.0]}, changes=changes)
    (series,) = find_series(tmp_path)
    found = quantify(series)
    assert found.nuclide == "Lu-177"
    slopes = np.array([83_340.0, 41_670.0, 83_340.0])[:, None, None]
    np.testing.assert_allclose(found.volume.array, COUNTS * slopes, rtol=1e-6)
    np.testing.assert_allclose(suv(series).volume.array, COUNTS * slopes / 83_340, rtol=1e-4)


@pytest.mark.parametrize("keyword", ["AcquisitionDate", "AcquisitionTime"])
def test_time_of_acquisition_missing(tmp_path, keyword):
    series = nm(tmp_path, mappings=[mapping(1.0)], changes={keyword: ABSENT})
    with pytest.raises(PRRTError, match="Acquisition Time"):
        quantify(series)
    stated = OperatorOverrides(acquisition_time=datetime(2025, 3, 1, 12, tzinfo=UTC))
    assert quantify(series, stated).volume.reference_time.hour == 12
