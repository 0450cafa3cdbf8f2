"""Dose, nuclide, body size and required corrections of PET; expected numbers are worked out here by hand."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from builders.dicom_builders import ABSENT, radionuclide, series_in_memory, slices
from builders.pet_factors import DRUG, RATE, STORED, SUV_START, UTC, factor, factors
from PRRTUptakeLib.dicom.body import Body, body_surface_area_m2, ideal_body_weight_kg, lean_body_mass_kg
from PRRTUptakeLib.dicom.errors import DicomError, OverrideError
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.errors import PRRTError


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
        stated = OperatorOverrides(residual_MBq=10, residual_time=datetime(2025, 3, 1, 10, 30, tzinfo=UTC))
        net = 370e6 - 10e6 * math.exp(RATE * 1800)
        assert factor(inputs=stated) == pytest.approx(SUV_START * 370e6 / net, rel=1e-12)
        assert factor({"Units": "GML"}, inputs=stated) == pytest.approx(370e6 / net, rel=1e-12)

    def test_residual_above_the_dose(self):
        with pytest.raises(PRRTError, match="residual"):
            factor(inputs=OperatorOverrides(residual_MBq=400, residual_time=datetime(2025, 3, 1, 10, tzinfo=UTC)))
        with pytest.raises(OverrideError, match="time"):
            OperatorOverrides(residual_MBq=10)

    def test_operators_dose_is_recorded(self):
        found = factors(inputs=OperatorOverrides(activity_MBq=185))
        assert found.factors[0] == pytest.approx(2 * SUV_START, rel=1e-12)
        assert any("185 MBq, as the operator stated" in sentence for sentence in found.decisions)

    def test_operator_cannot_change_what_made_a_stored_suv(self):
        for stated in (OperatorOverrides(activity_MBq=185), OperatorOverrides(weight_kg=80)):
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
            PetSeries(arrange(series_in_memory(images)), OperatorOverrides()).as_suv("bw")


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
            inputs=OperatorOverrides(weight_kg=70, height_cm=175, sex="M"),
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
        with pytest.raises(DicomError, match=r"Patient's Size \(0010,1020\)"):
            factor({"PatientSize": ABSENT}, kind=kind)


def test_body_formulas_for_a_woman_and_for_other():
    woman, man, other = (Body(60, 160, sex) for sex in "FMO")
    assert lean_body_mass_kg(woman, "lbm") == pytest.approx(1.07 * 60 - 148 * (60 / 160) ** 2)
    assert lean_body_mass_kg(woman, "lbm-janma") == pytest.approx(9270 * 60 / (8780 + 244 * 60 / 1.6**2))
    assert ideal_body_weight_kg(woman) == pytest.approx(45.5 + 0.91 * 8)
    for formula in ("lbm", "lbm-james", "lbm-janma"):
        both = (lean_body_mass_kg(woman, formula) + lean_body_mass_kg(man, formula)) / 2
        assert lean_body_mass_kg(other, formula) == pytest.approx(both)
    with pytest.raises(DicomError, match="lbm-janma"):
        lean_body_mass_kg(Body(250, 140, "F"), "lbm")
    with pytest.raises(DicomError, match="Patient's Sex"):
        lean_body_mass_kg(Body(70, 175))
