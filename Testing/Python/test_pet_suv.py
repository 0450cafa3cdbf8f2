"""PET in every way it is stored: units, decay correction, times, doses; expected numbers are worked out here."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from dicom_builders import ABSENT, radionuclide, series_in_memory, slices, write_slices
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.body import Body, BodyError, body_surface_area_m2, ideal_body_weight_kg, lean_body_mass_kg
from PRRTUptakeLib.dicom.inputs import InputError, OperatorInputs
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError
from shared_data import shared_file

RATE = math.log(2) / 6586.2  # 18F, per second, as the builder's header states
DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.arange(1, 3 * 2 * 2 + 1, dtype=np.int16).reshape(3, 2, 2)
UTC = timezone.utc


def pet(changes=None, per_slice=None):
    return series_in_memory(slices(STORED, "PT", changes=changes, per_slice=per_slice))


def factors(changes=None, per_slice=None, kind="bw", inputs=None):
    """SUV per stored unit of each plane."""
    return PetSeries(arrange(pet(changes, per_slice)), inputs or OperatorInputs()).as_suv(kind)


def factor(changes=None, kind="bw", inputs=None):
    found = factors(changes, None, kind, inputs).factors
    assert np.ptp(found) == 0
    return found[0]


# Bq/ml to SUVbw for 370 MBq, 70 kg, injected an hour before the reference time
SUV_START = 70_000 / (370e6 * math.exp(-RATE * 3600))


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


def with_private(images, group, creator, elements, block=0x10):
    for ds in images:
        if creator:
            ds.add_new((group, block), "LO", creator)
        for (number, vr), value in elements.items():
            ds.add_new((group, (block << 8) | number), vr, value)
    return images


class TestPrivateAttributes:
    SUV, ACTIVITY = (0x00, "DS"), (0x09, "DS")

    def counts(self, tmp_path, elements, creator="Philips PET Private Group", block=0x10, syntax="1.2.840.10008.1.2.1"):
        images = slices(STORED, "PT", changes={"Units": "CNTS"}, syntax=syntax)
        with_private(images, 0x7053, creator, elements, block)
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
        found = self.counts(tmp_path, {self.SUV: "0.003"}, block=0x11)
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
        found = PetSeries(arrange(series_in_memory(images)), OperatorInputs()).as_suv("bw")
        expected = 70_000 / (370e6 * math.exp(-RATE * 50 * 60))
        assert found.factors[0] == pytest.approx(expected, rel=1e-12)
        assert any("0009,100D" in sentence for sentence in found.decisions)

    def test_ge_scan_time_after_the_acquisition_is_refused(self):
        images = with_private(slices(STORED, "PT"), 0x0009, "GEMS_PETD_01", {(0x0D, "DT"): "20250301110500"})
        with pytest.raises(PRRTError, match="0009,100D"):
            PetSeries(arrange(series_in_memory(images)), OperatorInputs()).as_suv("bw")


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
    def test_post_processed_without_what_tells_the_reference(self, missing):
        with pytest.raises(PRRTError, match="Frame Reference Time"):
            factor({"SeriesTime": "140000", missing: ABSENT})
        stated = OperatorInputs(decay_reference_time=datetime(2025, 3, 1, 11, tzinfo=UTC))
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
        stated = OperatorInputs(injection_time=datetime(2025, 3, 1, 10, tzinfo=UTC))
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
        assert factor(changes, inputs=OperatorInputs(time_zone=zone)) == pytest.approx(expected, rel=1e-12)

    def test_an_hour_that_occurs_twice_is_not_guessed(self):
        changes = {
            **dict.fromkeys(("SeriesDate", "AcquisitionDate"), "20251026"),
            **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "023000"),
        }
        with pytest.raises(PRRTError, match="occurs twice"):
            factor(changes, inputs=OperatorInputs(time_zone="Europe/Amsterdam"))

    def test_a_bare_time_of_day_of_a_long_lived_nuclide(self):
        changes = {
            f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT,
            f"{DRUG}.RadionuclideCodeSequence": [radionuclide("63360001", "^89^Zirconium", "SCT")],
            f"{DRUG}.RadionuclideHalfLife": 282_276,
        }
        with pytest.raises(PRRTError, match="without its date"):
            factor(changes)


class TestDose:
    @pytest.mark.parametrize(("dose", "expected_Bq"), [(370, 370e6), (370e6, 370e6), (99_999, 99_999e6), (5e6, 5e6)])
    def test_unit(self, dose, expected_Bq):
        found = factors({f"{DRUG}.RadionuclideTotalDose": dose})
        assert found.factors[0] == pytest.approx(SUV_START * 370e6 / expected_Bq, rel=1e-9)
        assert any("only be MBq" in sentence for sentence in found.decisions) == (dose < 1e5)

    @pytest.mark.parametrize("dose", [ABSENT, 0, -370e6, 1e-3, 1e5, 1e30])
    def test_impossible(self, dose):
        with pytest.raises(PRRTError, match=r"Radionuclide Total Dose \(0018,1074\)"):
            factor({f"{DRUG}.RadionuclideTotalDose": dose})

    def test_residual_is_decayed_to_the_injection(self):
        stated = OperatorInputs(residual_MBq=10, residual_time=datetime(2025, 3, 1, 10, 30, tzinfo=UTC))
        net = 370e6 - 10e6 * math.exp(RATE * 1800)
        assert factor(inputs=stated) == pytest.approx(SUV_START * 370e6 / net, rel=1e-12)
        assert factor({"Units": "GML"}, inputs=stated) == pytest.approx(370e6 / net, rel=1e-12)

    def test_residual_above_the_dose(self):
        with pytest.raises(PRRTError, match="residual"):
            factor(inputs=OperatorInputs(residual_MBq=400, residual_time=datetime(2025, 3, 1, 10, tzinfo=UTC)))
        with pytest.raises(InputError, match="time"):
            OperatorInputs(residual_MBq=10)

    def test_operators_dose_is_recorded(self):
        found = factors(inputs=OperatorInputs(activity_MBq=185))
        assert found.factors[0] == pytest.approx(2 * SUV_START, rel=1e-12)
        assert any("185 MBq, as the operator stated" in sentence for sentence in found.decisions)

    def test_operator_cannot_change_what_made_a_stored_suv(self):
        for stated in (OperatorInputs(activity_MBq=185), OperatorInputs(weight_kg=80)):
            with pytest.raises(PRRTError, match="scanner made"):
                factor({"Units": "GML"}, inputs=stated)


class TestNuclide:
    HALF_LIFE = f"{DRUG}.RadionuclideHalfLife"
    CODE = f"{DRUG}.RadionuclideCodeSequence"

    def test_contradiction_names_both(self):
        with pytest.raises(PRRTError, match=r"4062.6 s.*F-18"):
            factor({self.HALF_LIFE: 4062.6})

    def test_within_one_percent(self):
        assert factor({self.HALF_LIFE: 6588}) == pytest.approx(
            70_000 / (370e6 * math.exp(-math.log(2) / 6588 * 3600)), rel=1e-12
        )

    def test_missing_half_life_comes_from_the_nuclide(self):
        found = factors({self.HALF_LIFE: ABSENT})
        assert found.factors[0] == pytest.approx(SUV_START, rel=1e-6)
        assert any("ICRP 107" in sentence for sentence in found.decisions)

    def test_gallium(self):
        changes = {self.HALF_LIFE: 4057, self.CODE: [radionuclide("C-131A3", "^68^Gallium")]}
        expected = 70_000 / (370e6 * math.exp(-math.log(2) / 4057 * 3600))
        assert factor(changes) == pytest.approx(expected, rel=1e-12)

    def test_code_and_its_meaning_contradict_but_the_half_life_decides(self):
        found = factors({self.CODE: [radionuclide("C-111A1", "^68^Gallium")]})
        assert found.factors[0] == pytest.approx(SUV_START, rel=1e-12)
        with pytest.raises(PRRTError, match="contradicts itself"):
            factor({self.CODE: [radionuclide("C-111A1", "^68^Gallium")], self.HALF_LIFE: ABSENT})

    def test_neither_half_life_nor_nuclide(self):
        with pytest.raises(PRRTError, match="Radionuclide Half Life"):
            factor({self.CODE: ABSENT, self.HALF_LIFE: ABSENT})

    def test_half_life_of_no_nuclide(self):
        with pytest.raises(PRRTError, match="no known nuclide"):
            factor({self.CODE: ABSENT, self.HALF_LIFE: 7000})

    def test_several_radiopharmaceuticals(self):
        images = slices(STORED, "PT")
        for ds in images:
            ds[DRUG].value.append(ds[DRUG].value[0])
        with pytest.raises(PRRTError, match="2 administrations"):
            PetSeries(arrange(series_in_memory(images)), OperatorInputs()).as_suv("bw")


class TestRequirements:
    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"CorrectedImage": ["DECY"]}, "ATTN"),
            ({"CorrectedImage": ["ATTN"]}, "DECY"),
            ({"CorrectedImage": ABSENT}, "Corrected Image"),
            ({"RescaleIntercept": -10}, "Rescale Intercept"),
            ({"RescaleSlope": ABSENT}, "Rescale Slope"),
            ({"RescaleSlope": 0}, "Rescale Slope"),
            ({"PatientWeight": ABSENT}, r"Patient's Weight \(0010,1030\)"),
            ({"PatientWeight": 0.5}, "Patient's Weight"),
            ({"PatientWeight": 301}, "Patient's Weight"),
            ({"PatientWeight": 1.75, "PatientSize": 70}, "Patient's Size"),
            ({"AcquisitionTime": ABSENT}, "Acquisition Time"),
            ({"AcquisitionDate": "20251301"}, "Acquisition Date"),
            ({"TimezoneOffsetFromUTC": "0200"}, "Timezone Offset"),
            ({DRUG: ABSENT}, "Radionuclide"),
        ],
    )
    def test_each_is_named(self, changes, name):
        with pytest.raises(PRRTError, match=name):
            factor(changes)

    def test_decay_is_also_called_decay(self):
        assert factor({"CorrectedImage": ["ATTN", "DECAY"]}) == pytest.approx(SUV_START)

    def test_images_that_differ(self):
        with pytest.raises(PRRTError, match=r"Patient's Weight.*differs between slice000 and slice002"):
            factors(per_slice={"PatientWeight": [70, 70, 71]})

    def test_the_same_value_written_otherwise_does_not_differ(self):
        assert factors(per_slice={"PatientWeight": ["70", "70.0", "7E1"]}).factors[0] == pytest.approx(SUV_START)

    def test_missing_weight_and_height_from_the_operator(self):
        found = factors(
            {"PatientWeight": ABSENT, "PatientSize": ABSENT, "PatientSex": ""},
            kind="lbm",
            inputs=OperatorInputs(weight_kg=70, height_cm=175, sex="M"),
        )
        assert found.factors[0] == pytest.approx(SUV_START * 57.8 / 70, rel=1e-12)
        assert sum("as the operator stated" in sentence for sentence in found.decisions) == 3

    @pytest.mark.parametrize(
        ("kind", "ratio"), [("bw", 1), ("lbm", 57.80 / 70), ("lbm-james", 56.52 / 70), ("ibw", 72.38 / 70)]
    )
    def test_kinds_that_are_asked_for(self, kind, ratio):
        assert factor(kind=kind) == pytest.approx(SUV_START * ratio, rel=1e-9)

    def test_bsa_in_its_own_unit(self):
        expected = body_surface_area_m2(Body(70, 175)) * 1e4 / (370e6 * math.exp(-RATE * 3600))
        assert factor(kind="bsa") == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("kind", ["lbm", "bsa", "ibw"])
    def test_height_is_asked_for_only_where_needed(self, kind):
        assert factor({"PatientSize": ABSENT}) == pytest.approx(SUV_START)
        with pytest.raises(BodyError, match=r"Patient's Size \(0010,1020\)"):
            factor({"PatientSize": ABSENT}, kind=kind)


def test_body_formulas_for_a_woman_and_for_other():
    woman, man, other = (Body(60, 160, sex) for sex in "FMO")
    assert lean_body_mass_kg(woman, "lbm") == pytest.approx(1.07 * 60 - 148 * (60 / 160) ** 2)
    assert lean_body_mass_kg(woman, "lbm-janma") == pytest.approx(9270 * 60 / (8780 + 244 * 60 / 1.6**2))
    assert ideal_body_weight_kg(woman) == pytest.approx(45.5 + 0.91 * 8)
    for formula in ("lbm", "lbm-james", "lbm-janma"):
        both = (lean_body_mass_kg(woman, formula) + lean_body_mass_kg(man, formula)) / 2
        assert lean_body_mass_kg(other, formula) == pytest.approx(both)
    with pytest.raises(BodyError, match="lbm-janma"):
        lean_body_mass_kg(Body(250, 140, "F"), "lbm")
    with pytest.raises(BodyError, match="Patient's Sex"):
        lean_body_mass_kg(Body(70, 175))


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
        assert any("Doubtful" in s for s in suv(series, inputs=OperatorInputs(activity_MBq=1)).decisions)
        write_slices(tmp_path / "more", 100 * STORED, "PT", changes={"RescaleSlope": 1e6})
        (series,) = find_series(tmp_path / "more")
        with pytest.raises(PRRTError, match="times the administered activity"):
            suv(series, inputs=OperatorInputs(activity_MBq=1))
