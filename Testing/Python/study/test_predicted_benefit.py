"""Doses of a cycle from its table, and predicted against delivered for the patient with both therapy cycles."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import Measurement, read_csv, to_csv
from PRRTUptakeLib.study.predicted_benefit import (
    WHOLE_LIVER,
    IntravenousCycle,
    cycle_doses,
    cycle_masses,
    cycle_uncertainties,
    lesion_doubts,
    predicted_doses,
)


def row(region, metric, value, cycle=1, uncertainty=math.nan):
    unit = "g" if metric == "mass" else "Gy"
    return Measurement("P", cycle, "dosimetry", "SPECT", region, "", "none", "", metric, value, unit, uncertainty)


ROWS = [
    row("L1", "dose", 30.0, uncertainty=3.0),
    row("L1", "mass", 21.0),
    row("reference left lobe", "dose", 1.0),
    row("reference left lobe", "mass", 100.0),
    row("reference right lobe", "dose", 2.0),
    row("reference right lobe", "mass", 300.0),
    row("L1", "dose", 99.0, cycle=2),
]


def result(**regions):
    """What of a comparison is read: region, lesion id, ratio of the means, volume."""
    made = [
        SimpleNamespace(region=name, lesion_id=name, ratio={"suv_mean": ratio}, volume_mL=volume)
        for name, (ratio, volume) in regions.items()
    ]
    return SimpleNamespace(regions=made, ratio_sd=0.1)


def test_doses_of_one_cycle_with_the_whole_healthy_liver():
    assert cycle_doses(ROWS, 1) == {
        "L1": 30.0,
        "reference left lobe": 1.0,
        "reference right lobe": 2.0,
        WHOLE_LIVER: pytest.approx(1.75),
    }
    assert cycle_doses(ROWS, 2) == {"L1": 99.0}


def test_the_interval_of_a_prediction():
    """10 % of the IV dose and 0.1 of the log ratio: the 2.5 and 97.5 percentile of their log-normal product."""
    rng = np.random.default_rng(0)
    cycle = IntravenousCycle(
        activity_MBq=7400.0, dose_Gy={"L1": 30.0}, planned_ia_MBq=7400.0, uncertainty_Gy={"L1": 3.0}
    )
    (found,) = predicted_doses(result(L1=(3.0, 20.0)), cycle)
    drawn = 30.0 * np.exp(rng.normal(0.0, 0.1, 400_000)) * 3.0 * np.exp(rng.normal(0.0, 0.1, 400_000))
    assert found.interval_Gy == pytest.approx(np.percentile(drawn, [2.5, 97.5]), rel=0.005)


def test_uncertainties_of_a_cycle():
    found = cycle_uncertainties(ROWS, 1)
    assert found["L1"] == 3.0
    assert math.isnan(found[WHOLE_LIVER])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([replace(ROWS[0], unit="mGy"), *ROWS[1:]], "dose is in 'mGy', but must be in Gy"),
        ([replace(one, unit="kg") if one.metric == "mass" else one for one in ROWS], "mass is in 'kg'"),
        ([*ROWS, row("L1", "dose", 31.0)], "several doses of L1 in cycle 1"),
    ],
)
def test_doses_in_another_unit_or_twice_are_refused(change, words):
    with pytest.raises(PRRTError, match=words):
        cycle_doses(change, 1)


def test_no_doses_are_reported():
    with pytest.raises(InputFileError, match="no absorbed dose of cycle 3"):
        cycle_doses(ROWS, 3)


def test_a_cycle_from_its_table(tmp_path):
    """Regions that the PET does not show are left out; the planned activity scales."""
    (tmp_path / "table.csv").write_text(to_csv(ROWS), encoding="utf-8")
    content = {"activity_MBq": 7400, "planned_ia_MBq": 3700, "measurements": "table.csv", "cycle": 1}
    cycle = IntravenousCycle.from_case(content, tmp_path, "P")
    (found,) = predicted_doses(result(L1=(3.0, 20.0)), cycle)
    assert found.spread == pytest.approx(math.hypot(0.1, 0.1))
    assert (found.region, found.iv_Gy, found.ia_Gy) == ("L1", 30.0, pytest.approx(30.0 * 3.0 / 2.0))


@pytest.mark.parametrize(
    "content",
    [
        {"activity_MBq": 7400},
        {"activity_MBq": 7400, "measurements": "table.csv"},
        {"activity_MBq": 7400, "measurements": "table.csv", "cycle": 1, "dose_Gy": {"L1": 1}},
        {"activity_MBq": 7400, "dose_Gy": [1]},
        {"activity_MBq": 7400, "dose_Gy": {"L1": 0}},
    ],
)
def test_impossible_cycles_are_named(content, tmp_path):
    with pytest.raises(InputFileError, match="'iv_cycle"):
        IntravenousCycle.from_case(content, tmp_path, "P")


def test_another_activity_than_the_table_has_is_refused(tmp_path):
    given = replace(ROWS[0], region="patient", metric="administered_activity", value=7350.0, unit="MBq")
    (tmp_path / "table.csv").write_text(to_csv([*ROWS, given]))
    content = {"activity_MBq": 7400, "measurements": "table.csv", "cycle": 1}
    assert IntravenousCycle.from_case(content, tmp_path, "P").activity_MBq == 7400
    with pytest.raises(InputFileError, match=r"'iv_cycle.activity_MBq' is 200, but table.csv has 7350 MBq"):
        IntravenousCycle.from_case({**content, "activity_MBq": 200}, tmp_path, "P")


def test_a_table_of_somebody_else_is_refused(tmp_path):
    """A cohort's table gives this patient's rows alone; another patient's none, unless the case says it is the same."""
    table = tmp_path / "table.csv"
    content = {"activity_MBq": 7400, "measurements": "table.csv", "cycle": 1}
    others = [replace(one, patient="Q", value=3 * one.value) for one in ROWS]
    table.write_text(to_csv([*ROWS, *others]), encoding="utf-8")
    assert IntravenousCycle.from_case(content, tmp_path, "P").dose_Gy["L1"] == 30.0
    table.write_text(to_csv(others), encoding="utf-8")
    with pytest.raises(InputFileError, match=r"table.csv has measurements of Q, but the case is of P.*'same_patient'"):
        IntravenousCycle.from_case(content, tmp_path, "P")
    assert IntravenousCycle.from_case(content, tmp_path, "P", same_person=True).dose_Gy["L1"] == 90.0


def test_a_lesion_of_another_size_is_doubted():
    masses = cycle_masses(ROWS, 1)
    assert lesion_doubts(result(L1=(1.0, 19.0)), masses, "table.csv") == []
    (doubt,) = lesion_doubts(result(L1=(1.0, 6.0)), masses, "table.csv")
    assert "L1 has 21 g in table.csv but 6 mL here" in doubt


@pytest.mark.slow
def test_the_demo_of_both_therapy_cycles(tmp_path):
    """The same gains for both nuclides: delivered over predicted is 1 but for blur, which differs between cameras."""
    assert main(["demo", "--kind", "therapy", "-o", str(tmp_path)]) == 0
    rows = read_csv(tmp_path / "results" / "pet" / "measurements.csv")
    ratios = {one.region: one.value for one in rows if one.metric == "delivered_over_predicted"}
    targets = {one.region for one in rows if one.role == "target"}
    assert len(targets) >= 4
    for name in (*targets, "kidney_left", "kidney_right", "spleen"):
        assert ratios[name] == pytest.approx(1.0, abs=0.1), name
    page = (tmp_path / "results" / "pet" / "report.html").read_text(encoding="utf-8")
    assert "Predicted benefit, and what was delivered" in page
