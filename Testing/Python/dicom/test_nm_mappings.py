"""Real World Value Mappings of NM act before calibration, dead time and decay; what an image holds fits the dose."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, mapping, write_nm
from PRRTUptakeLib.dicom.errors import DicomError, OverrideError
from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.real_world import unit_of
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError

DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.arange(1, 13, dtype=np.uint16).reshape(3, 2, 2)
VOXEL_mL = 0.08  # 4 x 4 x 5 mm
TOTAL = Calibration(10.0, "total")
PATIENT = {
    f"{DRUG}.RadionuclideTotalDose": 7400,
    f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228110000",
    "PatientWeight": 80,
    "PatientSize": 1.8,
    "PatientSex": "M",
    "CorrectedImage": ["ATTN", "SCAT"],
}
HALF_LIFE_S = 6.647 * 86400


def left_MBq(seconds=86400.0):
    return 7400 * 2 ** (-seconds / HALF_LIFE_S)


def nm(tmp_path, values=STORED, mappings=None, changes=None, **settings):
    write_nm(tmp_path / "nm", values, mappings=mappings, changes={**PATIENT, **(changes or {})}, **settings)
    (series,) = find_series(tmp_path)
    return series


class TestUnits:
    @pytest.mark.parametrize(("code", "factor"), [("{counts}", 0.02), ("Counts", 0.02), ("k{counts}", 20.0)])
    def test_counts_are_mapped_before_the_calibration(self, tmp_path, code, factor):
        found = quantify(nm(tmp_path, mappings=[mapping(0.02, 0, code)]), OperatorOverrides(calibration=TOTAL))
        np.testing.assert_allclose(found.volume.array, STORED * factor / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)

    def test_the_intercept_too(self, tmp_path):
        found = quantify(nm(tmp_path, mappings=[mapping(0.02, 5.0, "{counts}")]), OperatorOverrides(calibration=TOTAL))
        expected = (STORED * 0.02 + 5.0) / 1200 / 10 * 1e6 / VOXEL_mL
        np.testing.assert_allclose(found.volume.array, expected, rtol=1e-5)

    def test_count_rates_need_no_time(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(0.02, 0, "{counts}/s")])
        found = quantify(series, OperatorOverrides(calibration=TOTAL)).volume
        np.testing.assert_allclose(found.array, STORED * 0.02 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)
        assert found.reference_time == datetime(2025, 3, 1, 11, 10, tzinfo=timezone.utc)

    def test_a_table_of_counts(self, tmp_path):
        item = mapping(1.0, 0, "{counts}")
        del item.RealWorldValueSlope, item.RealWorldValueIntercept
        item.RealWorldValueLUTData = [float(n) ** 2 for n in range(13)]
        item["RealWorldValueLastValueMapped"].value = 12
        found = quantify(nm(tmp_path, mappings=[item]), OperatorOverrides(calibration=TOTAL)).volume.array
        np.testing.assert_allclose(found, STORED.astype(float) ** 2 / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)

    def test_dead_time_follows(self, tmp_path):
        from PRRTUptakeLib.dicom.operator_overrides import DeadTime

        stated = OperatorOverrides(calibration=TOTAL, dead_time=DeadTime("non-paralysable", 1.0, 200_000))
        found = quantify(nm(tmp_path, mappings=[mapping(0.02, 0, "{counts}")]), stated).volume.array
        np.testing.assert_allclose(found, 1.25 * STORED * 0.02 / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)

    @pytest.mark.parametrize("code", ["g/ml{SUVbw}", "{SUVbw}g/ml"])
    def test_suv_is_suv_and_activity_by_dose_and_weight(self, tmp_path, code):
        series = nm(tmp_path, mappings=[mapping(0.5, 0, code)])
        np.testing.assert_allclose(suv(series).volume.array, STORED * 0.5, rtol=1e-6)
        expected = STORED * 0.5 * left_MBq() * 1e6 / 80_000
        np.testing.assert_allclose(quantify(series).volume.array, expected, rtol=1e-5)

    def test_lean_suv_becomes_suv_of_weight(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(0.5, 0, "g/ml{SUVlbm}")])
        lean_kg = 1.10 * 80 - 120 * (80 / 180) ** 2
        np.testing.assert_allclose(suv(series).volume.array, STORED * 0.5 * 80 / lean_kg, rtol=1e-6)
        np.testing.assert_allclose(suv(series, "lbm").volume.array, STORED * 0.5, rtol=1e-6)

    def test_suv_without_weight(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(0.5, 0, "g/ml{SUVbw}")], changes={"PatientWeight": ABSENT})
        np.testing.assert_allclose(suv(series).volume.array, STORED * 0.5, rtol=1e-6)

    @pytest.mark.parametrize("code", ["{propcounts}", "mm2/s", "mbq/ml"])
    def test_units_without_a_meaning_here(self, tmp_path, code):
        with pytest.raises(DicomError, match="no calibration"):
            quantify(nm(tmp_path, mappings=[mapping(1.0, 0, code)]), OperatorOverrides(calibration=TOTAL))

    def test_rescale_slope_next_to_a_mapping_is_not_applied(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(2.0)], changes={"RescaleSlope": 0.5, "RescaleIntercept": 1})
        found = quantify(series)
        np.testing.assert_allclose(found.volume.array, 2.0 * STORED)
        assert any("replaces them" in sentence for sentence in found.decisions)

    @pytest.mark.parametrize(
        ("code", "factor"),
        [
            ("Bq/ml", 1),
            ("kBq/cc", 1e3),
            ("KBQML", 1e3),
            ("MBq/l", 1e3),
            ("Bq/cm^3", 1),
            ("GBq/l", 1e6),
            ("mBq/ml", 1e-3),
        ],
    )
    def test_spellings(self, code, factor):
        assert unit_of(code).factor == pytest.approx(factor)


class TestSeveral:
    def test_counts_for_a_calibration_activity_without(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(2.0), mapping(0.02, 0, "{counts}")])
        np.testing.assert_allclose(quantify(series).volume.array, 2.0 * STORED)
        found = quantify(series, OperatorOverrides(calibration=TOTAL))
        np.testing.assert_allclose(found.volume.array, STORED * 0.02 / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)
        assert any("is taken, not that to Bq/ml" in sentence for sentence in found.decisions)

    def test_two_that_say_the_same(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(2.0), mapping(0.002, 0, "kBq/ml")])
        np.testing.assert_allclose(quantify(series).volume.array, 2.0 * STORED, rtol=1e-6)

    def test_each_for_its_range(self, tmp_path):
        low, high = mapping(2.0), mapping(3.0, 10.0)
        low["RealWorldValueLastValueMapped"].value = 6
        high["RealWorldValueFirstValueMapped"].value = 7
        found = quantify(nm(tmp_path, mappings=[high, low])).volume.array
        np.testing.assert_allclose(found, np.where(STORED <= 6, 2.0 * STORED, 3.0 * STORED + 10.0), rtol=1e-6)

    def test_a_calibration_of_what_is_activity_already(self, tmp_path):
        with pytest.raises(PRRTError, match="no counts"):
            quantify(nm(tmp_path, mappings=[mapping(2.0)]), OperatorOverrides(calibration=TOTAL))


class TestPlausibility:
    SHAPE = (20, 40, 40)

    def held(self, tmp_path, share, **changes):
        """A tomogram of 4.8 mm that holds ``share`` of 7400 MBq a day after the injection."""
        voxel_mL = 4.8**3 / 1000
        values = np.full(self.SHAPE, 20_000, np.uint16)
        slope = share * left_MBq() * 1e6 / (20_000 * values.size * voxel_mL)
        return nm(tmp_path, values, [mapping(slope)], changes, spacing=(4.8, 4.8, 4.8))

    def test_a_fitting_image(self, tmp_path):
        found = quantify(self.held(tmp_path, 0.4))
        assert found.doubts == ()

    @pytest.mark.parametrize("dose", ["7.4", "200"])
    @pytest.mark.parametrize("measure", [quantify, suv])
    def test_dose_in_another_unit(self, tmp_path, dose, measure):
        with pytest.raises(PRRTError, match=r"times the administered activity.*Radionuclide Total Dose"):
            measure(self.held(tmp_path, 0.25, **{f"{DRUG}.RadionuclideTotalDose": dose}))

    def test_a_little_too_much_is_a_doubt(self, tmp_path):
        assert "150 %" in quantify(self.held(tmp_path, 1.5)).doubts[0]

    def test_without_a_dose_nothing_can_be_compared(self, tmp_path):
        series = self.held(tmp_path, 40.0, **{f"{DRUG}.RadionuclideTotalDose": ABSENT})
        assert any("not compared" in sentence for sentence in quantify(series).decisions)

    def test_far_too_little_in_a_trunk(self, tmp_path):
        values = np.full((60, 80, 80), 1, np.uint16)  # 42 L
        series = nm(tmp_path, values, [mapping(1e-3 * left_MBq() * 1e6 / 42_467)], spacing=(4.8, 4.8, 4.8))
        assert "holds only 0.1 %" in quantify(series).doubts[0]

    @pytest.mark.parametrize(
        ("corrected", "word"), [(["SCAT"], "attenuation is not corrected"), (ABSENT, "is missing")]
    )
    def test_attenuation(self, tmp_path, corrected, word):
        (doubt,) = quantify(self.held(tmp_path, 0.4, CorrectedImage=corrected)).doubts
        assert word in doubt

    def test_absurd_maximum(self, tmp_path):
        values = np.ones((3, 20, 20), np.uint16)
        values[1, 3, 3] = 60_000
        series = nm(tmp_path, values, [mapping(left_MBq() * 1e6 / 80_000 / 50)])
        assert "the highest SUV is 1200" in next(one for one in suv(series).decisions if "Doubtful" in one)


class TestStatedAgainstHeader:
    @pytest.mark.parametrize(("stated", "factor"), [(7.4, "1000"), (200.0, "37"), (273_800.0 / 37 * 37 / 100, "")])
    def test_activity(self, tmp_path, stated, factor):
        series = nm(tmp_path, mappings=[mapping(2.0)])
        inputs = OperatorOverrides(activity_MBq=stated)
        if not factor:
            assert any("Doubtful" in one and "7400" in one for one in suv(series, inputs=inputs).decisions)
            return
        with pytest.raises(OverrideError, match=rf"{stated:g} MBq.*7400 MBq.*about {factor}"):
            suv(series, inputs=inputs)
        confirmed = OperatorOverrides(activity_MBq=stated, confirmed=("activity_MBq",))
        expected = STORED * 2.0 * 80_000 / (left_MBq() * 1e6) * 7400 / stated
        np.testing.assert_allclose(suv(series, inputs=confirmed).volume.array, expected, rtol=1e-5)

    def test_header_in_another_unit(self, tmp_path):
        """7.4e9 in an NM header can only be Bq."""
        series = nm(tmp_path, mappings=[mapping(2.0)], changes={f"{DRUG}.RadionuclideTotalDose": 7.4e9})
        np.testing.assert_allclose(
            suv(series, inputs=OperatorOverrides(activity_MBq=7400)).volume.array,
            STORED * 2.0 * 80_000 / (left_MBq() * 1e6),
            rtol=1e-5,
        )

    def test_injection_time(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(2.0)])
        stated = OperatorOverrides(injection_time=datetime(2025, 2, 27, 11, tzinfo=timezone.utc))
        assert any("Doubtful" in one and "2025-02-28" in one for one in suv(series, inputs=stated).decisions)

    def test_an_unreadable_header_does_not_stop_what_the_operator_states(self, tmp_path):
        series = nm(tmp_path, mappings=[mapping(2.0)], changes={"PatientWeight": ABSENT})
        found = suv(series, inputs=OperatorOverrides(weight_kg=40)).volume.array
        np.testing.assert_allclose(found, STORED * 2.0 * 40_000 / (left_MBq() * 1e6), rtol=1e-5)


OPEN_SOFTWARE = {
    "DetectorInformationSequence": ABSENT,
    "SliceVector": ABSENT,
    "NumberOfSlices": ABSENT,
    "FrameIncrementPointer": ABSENT,
    "CorrectedImage": ABSENT,
    "ImageType": "['ORIGINAL', 'PRIMARY']",
    "ImagePositionPatient": [-10.0, -20.0, 30.0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "RescaleSlope": 0.5,
}


class TestOpenSoftware:
    """A file as reconstruction software writes it: position at top level, no vectors, no detector, one Image Type."""

    def test_frames_in_the_order_of_storage(self, tmp_path):
        found = quantify(nm(tmp_path, changes=OPEN_SOFTWARE), OperatorOverrides(calibration=TOTAL))
        np.testing.assert_allclose(found.volume.array, STORED * 0.5 / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)
        np.testing.assert_allclose(found.volume.ijk_to_ras[:3, 3], [10, 20, 30])
        assert any("order of storage" in sentence for sentence in found.decisions)

    def test_downwards(self, tmp_path):
        changes = {**OPEN_SOFTWARE, "SpacingBetweenSlices": -5.0}
        found = quantify(nm(tmp_path, changes=changes), OperatorOverrides(calibration=TOTAL)).volume
        np.testing.assert_allclose(found.array, STORED[::-1] * 0.5 / 1200 / 10 * 1e6 / VOXEL_mL, rtol=1e-5)

    @pytest.mark.parametrize(
        "more", [{"TimeSliceVector": [1, 1, 2]}, {"RotationVector": [1, 2, 3]}, {"NumberOfSlices": 6}]
    )
    def test_what_may_be_another_dimension(self, tmp_path, more):
        with pytest.raises(PRRTError, match="Slice Vector"):
            quantify(nm(tmp_path, changes={**OPEN_SOFTWARE, **more}), OperatorOverrides(calibration=TOTAL))

    def test_units_that_the_operator_states(self, tmp_path):
        found = quantify(nm(tmp_path, changes=OPEN_SOFTWARE), OperatorOverrides(units="kBq/ml"))
        np.testing.assert_allclose(found.volume.array, STORED * 0.5 * 1e3, rtol=1e-6)
        series = find_series(tmp_path)[0]
        with pytest.raises(PRRTError, match="no calibration"):
            quantify(series)
        with pytest.raises(OverrideError, match="unit 'furlong'"):
            OperatorOverrides(units="furlong")


def test_spect_stored_as_pet_without_units(tmp_path):
    from builders.dicom_builders import write_slices

    changes = {"Units": ABSENT, "CorrectedImage": ABSENT, "DecayCorrection": ABSENT, "RescaleSlope": 0.5}
    write_slices(tmp_path, STORED.astype(np.int16), "PT", changes=changes)
    (series,) = find_series(tmp_path)
    with pytest.raises(PRRTError, match="Corrected Image"):
        quantify(series)
    stated = OperatorOverrides(calibration=Calibration(10.0, "total", 1200.0))
    found = quantify(series, stated)
    voxel_mL = 2 * 3 * 4 / 1000
    np.testing.assert_allclose(found.volume.array, STORED * 0.5 / 1200 / 10 * 1e6 / voxel_mL, rtol=1e-5)
    assert math.isclose(quantify(series, OperatorOverrides(units="Bq/ml")).volume.array[0, 0, 0], 0.5)


def test_values_corrected_to_the_injection_are_decayed_to_the_scan(tmp_path):
    plain = quantify(nm(tmp_path / "plain", mappings=[mapping(500.0, 0, "Bq/ml")])).volume
    stated = nm(tmp_path / "admin", mappings=[mapping(500.0, 0, "Bq/ml")], changes={"DecayCorrection": "ADMIN"})
    found = quantify(stated)
    assert found.volume.reference_time == plain.reference_time
    np.testing.assert_allclose(found.volume.array, plain.array * left_MBq() / 7400, rtol=1e-5)
    assert any("Decay Correction is ADMIN" in decision for decision in found.decisions)


def test_values_corrected_to_an_unknown_injection_are_refused(tmp_path):
    changes = {"DecayCorrection": "ADMIN", f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT}
    with pytest.raises(DicomError, match=r"ADMIN.*give the injection time"):
        quantify(nm(tmp_path, mappings=[mapping(500.0, 0, "Bq/ml")], changes=changes))


def test_a_name_that_contradicts_the_code_is_refused_unless_the_nuclide_is_stated(tmp_path):
    series = nm(tmp_path, mappings=[mapping(500.0, 0, "Bq/ml")], changes={f"{DRUG}.Radiopharmaceutical": "I-131 MIBG"})
    with pytest.raises(DicomError, match="names Lu-177 and I-131"):
        quantify(series)
    assert quantify(series, OperatorOverrides(nuclide="Lu-177")).nuclide == "Lu-177"
