"""PET units and vendors' factors; expected numbers are worked out here by hand."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, series_in_memory, slices, write_slices
from builders.pet_factors import RATE, STORED, SUV_START, UTC, factor, factors, with_private
from builders.shared_data import shared_file
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError


class TestDigitalReferenceObjects:
    @pytest.mark.parametrize("name", ["0_0", "1_0", "2_1", "2_5", "3_2", "4_2"])
    def test_command_gives_the_published_values(self, name, capsys):
        folder = shared_file("reference", "suv_dro", f"DRO_{name}")
        assert main(["suv", str(folder / "PT"), "--mask", str(folder / "mask" / "DRO_mask.nii.gz"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [round(found[key], 2) for key in ("min", "median", "max")] == [0.20, 1.00, 4.00]
        assert found["units"] == "g/ml{SUVbw}"
        assert len(found["decisions"]) >= 5


class TestUnits:
    def test_bqml(self):
        assert factor() == pytest.approx(SUV_START, rel=1e-12)

    @pytest.mark.parametrize(
        ("suv_type", "divisor"),
        [
            (ABSENT, 1.0),
            ("BW", 1.0),
            ("LBM", 57.80 / 70),
            ("LBMJAMES128", 56.52 / 70),
            ("LBMJANMA", 9270 / (6680 + 216 * 70 / 1.75**2)),
            ("IBW", 72.38 / 70),
        ],
    )
    def test_gml_by_its_type(self, suv_type, divisor):
        assert factor({"Units": "GML", "SUVType": suv_type}) == pytest.approx(1 / divisor, rel=1e-5)

    @pytest.mark.parametrize("suv_type", [ABSENT, "BSA"])
    def test_cm2ml(self, suv_type):
        bsa = 0.007184 * 175**0.725 * 70**0.425
        assert factor({"Units": "CM2ML", "SUVType": suv_type}) == pytest.approx(1000 * 70 / (bsa * 1e4), rel=1e-12)

    @pytest.mark.parametrize(("units", "suv_type"), [("GML", "BSA"), ("GML", "LBW"), ("CM2ML", "BW")])
    def test_type_that_does_not_go_with_the_units(self, units, suv_type):
        with pytest.raises(PRRTError, match="SUV Type"):
            factor({"Units": units, "SUVType": suv_type})

    def test_sex_other_takes_the_mean_of_both(self):
        changes = {"Units": "GML", "SUVType": "IBW", "PatientSex": "O"}
        assert factor(changes) == pytest.approx(70 / ((72.38 + 45.5 + 0.91 * 23) / 2), rel=1e-12)

    @pytest.mark.parametrize("units", ["PROPCNTS", "PROPCPS", "1CM", "UMOLML", ""])
    def test_units_that_are_no_activity(self, units):
        with pytest.raises(PRRTError, match=r"Units \(0054,1001\)"):
            factor({"Units": units})

    def test_cps_needs_its_dose_calibration(self):
        changes = {"Units": "CPS", "DoseCalibrationFactor": 25.0}
        assert factor(changes) == pytest.approx(25 * SUV_START, rel=1e-12)
        for missing in (ABSENT, 1.0, 0.0):
            with pytest.raises(PRRTError, match="Dose Calibration Factor"):
                factor({"Units": "CPS", "DoseCalibrationFactor": missing})

    def test_values_already_scaled_or_not_at_all_refuse_contradiction(self):
        with pytest.raises(PRRTError, match="DCAL"):
            factor({"Units": "CPS", "DoseCalibrationFactor": 25.0, "CorrectedImage": ["ATTN", "DECY", "DCAL"]})

    def test_slope_of_each_plane(self):
        found = factors(per_slice={"RescaleSlope": [1.0, 2.5, 0.25]}).factors
        np.testing.assert_allclose(found, np.array([1, 2.5, 0.25]) * SUV_START, rtol=1e-12)


class TestPrivateAttributes:
    SUV, ACTIVITY = (0x00, "DS"), (0x09, "DS")

    def counts(self, tmp_path, elements, creator="Philips PET Private Group", box=0x10, syntax="1.2.840.10008.1.2.1"):
        images = slices(STORED, "PT", changes={"Units": "CNTS"}, syntax=syntax)
        with_private(images, 0x7053, creator, elements, box)
        for k, ds in enumerate(images):
            ds.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
        (series,) = find_series(tmp_path)
        return suv(series).volume.array / STORED

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
    @pytest.mark.parametrize("creator", ["Philips PET Private Group", None])
    @pytest.mark.parametrize("vr", ["DS", "UN", "LO"])
    def test_suv_factor_goes_first(self, tmp_path, syntax, creator, vr):
        value = b"0.002 " if vr == "UN" else "0.002"
        found = self.counts(tmp_path, {(0x00, vr): value, self.ACTIVITY: "17"}, creator, syntax=syntax)
        np.testing.assert_allclose(found, 0.002, rtol=1e-6)

    @pytest.mark.parametrize("zero", [True, False])
    def test_activity_factor_if_the_suv_factor_is_zero_or_absent(self, tmp_path, zero):
        elements = {self.ACTIVITY: "0.5"} | ({self.SUV: "0.0"} if zero else {})
        np.testing.assert_allclose(self.counts(tmp_path, elements), 0.5 * SUV_START, rtol=1e-6)

    def test_block_that_was_moved(self, tmp_path):
        found = self.counts(tmp_path, {self.SUV: "0.003"}, box=0x11)
        np.testing.assert_allclose(found, 0.003, rtol=1e-6)

    def test_block_of_another_vendor_is_not_read(self, tmp_path):
        with pytest.raises(PRRTError, match="CNTS"):
            self.counts(tmp_path, {self.SUV: "0.003"}, creator="SOMEBODY ELSE")

    @pytest.mark.parametrize("elements", [{}, {(0x00, "DS"): "0", (0x09, "DS"): "0"}, {(0x00, "LO"): "abc"}])
    def test_no_factor(self, tmp_path, elements):
        with pytest.raises(PRRTError, match=r"7053,10"):
            self.counts(tmp_path, elements)

    @pytest.mark.parametrize(("creator", "vr"), [("GEMS_PETD_01", "DT"), ("GEMS_PETD_01", "UN"), (None, "LO")])
    def test_ge_scan_time_goes_before_a_later_series_time(self, creator, vr):
        value = "20250301105000.00"
        images = slices(STORED, "PT", changes={"SeriesTime": "130000", "FrameReferenceTime": ABSENT})
        with_private(images, 0x0009, creator, {(0x0D, vr): value.encode() if vr == "UN" else value})
        found = PetSeries(arrange(series_in_memory(images)), OperatorOverrides()).as_suv("bw")
        expected = 70_000 / (370e6 * math.exp(-RATE * 50 * 60))
        assert found.factors[0] == pytest.approx(expected, rel=1e-12)
        assert any("0009,100D" in sentence for sentence in found.decisions)

    def test_ge_scan_time_after_the_acquisition_is_refused(self):
        images = with_private(slices(STORED, "PT"), 0x0009, "GEMS_PETD_01", {(0x0D, "DT"): "20250301110500"})
        with pytest.raises(PRRTError, match="0009,100D"):
            PetSeries(arrange(series_in_memory(images)), OperatorOverrides()).as_suv("bw")


class TestConcentration:
    def test_units_time_and_decay_to_a_chosen_time(self, tmp_path):
        write_slices(tmp_path, STORED, "PT", changes={"RescaleSlope": 3.0, "TimezoneOffsetFromUTC": "+0100"})
        (series,) = find_series(tmp_path)
        found = quantify(series)
        np.testing.assert_allclose(found.volume.array, 3.0 * STORED, rtol=1e-6)
        assert (found.volume.units, found.volume.quantity) == ("Bq/ml", "activity concentration")
        assert found.volume.reference_time.isoformat() == "2025-03-01T11:00:00+01:00"
        assert found.nuclide == "F-18"
        later = found.volume.reference_time + timedelta(seconds=6586.2)
        np.testing.assert_allclose(quantify(series, reference_time=later).volume.array, 1.5 * STORED, rtol=1e-6)

    def test_stored_suv_turned_back_into_activity(self, tmp_path):
        write_slices(tmp_path, STORED, "PT", changes={"Units": "GML"})
        (series,) = find_series(tmp_path)
        np.testing.assert_allclose(quantify(series).volume.array, STORED / SUV_START, rtol=1e-6)

    def test_values_corrected_to_the_injection_hold_at_the_injection(self, tmp_path):
        write_slices(tmp_path, STORED, "PT", changes={"DecayCorrection": "ADMIN"})
        (series,) = find_series(tmp_path)
        found = quantify(series)
        assert found.volume.reference_time.hour == 10
        at_scan = quantify(series, reference_time=datetime(2025, 3, 1, 11, tzinfo=UTC)).volume.array
        np.testing.assert_allclose(at_scan, STORED * math.exp(-RATE * 3600), rtol=1e-6)

    def test_more_activity_than_was_given(self, tmp_path):
        write_slices(tmp_path, STORED, "PT", changes={"RescaleSlope": 1e6})
        (series,) = find_series(tmp_path)
        assert any("Doubtful" in s for s in suv(series, inputs=OperatorOverrides(activity_MBq=1)).decisions)
        write_slices(tmp_path / "more", 100 * STORED, "PT", changes={"RescaleSlope": 1e6})
        (series,) = find_series(tmp_path / "more")
        with pytest.raises(PRRTError, match="times the administered activity"):
            suv(series, inputs=OperatorOverrides(activity_MBq=1))
