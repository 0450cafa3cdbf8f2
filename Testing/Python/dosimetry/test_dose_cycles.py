"""Doses over several cycles: full curve in cycle 1, one image in cycle 2, sums of dose and effect, follow-up."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import pytest
from builders.two_cycles import TIMES_h, changed, values
from PRRTDosimetryLib.dosimetry.cumulative import organ_totals
from PRRTDosimetryLib.dosimetry.cycle import add_doses
from PRRTDosimetryLib.dosimetry.dose_maps import add_dose_maps
from PRRTDosimetryLib.dosimetry.engine import dosimetry
from PRRTDosimetryLib.dosimetry.regions import Patient, Region
from PRRTDosimetryLib.dosimetry.summed_map import add_summed_map
from PRRTDosimetryLib.dosimetry.wanted import doses_wanted
from PRRTDosimetryLib.effect.bed import KIDNEY, Tissue
from PRRTDosimetryLib.effect.cycles import CycleDose, cumulative_effect, joined_cycles
from PRRTDosimetryLib.effect.errors import EffectError
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTUptakeLib.export.dicom_results import rows_of
from PRRTUptakeLib.report.study_report import study_text

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_cycles")]  # whole patients; one worker keeps them


def weaker(factor):
    def change(visit):
        metrics = {name: replace(one, mean=one.mean * factor) for name, one in visit.metrics.items()}
        return replace(visit, metrics=metrics)

    return change


def test_one_image_of_a_later_cycle_scales_the_full_curve(made, measured):
    """The images of cycle 2 are those of cycle 1, and the curve passes through its two points."""
    full, later = values(made, "tia", 1), values(made, "tia", 2)
    assert set(later) == set(full)
    assert len(later) >= 16
    assert later == pytest.approx(full, rel=1e-5)
    half = values(changed(measured, weaker(0.5), cycles=(2,)), "tia", 2)
    assert half == pytest.approx({name: tia_MBq_h / 2 for name, tia_MBq_h in later.items()}, rel=1e-9)
    assert values(made, "effective_half_life", 2) == pytest.approx(values(made, "effective_half_life", 1))


def test_scaling_is_stated(made, folder):
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    for shown in (page, "\n".join(study_text(made))):
        assert "of the earlier cycle scaled by" in shown
        assert "on the assumption that uptake and clearance are unchanged: " in shown
        assert "hours count from the start of the infusion" in shown
    assert "All cycles: dose and effect" in page
    assert "Shown for reference, not a verdict" in page


def test_uncertainty_of_a_scaled_curve_is_not_below_that_of_its_count(made):
    rows = [row for row in made.rows if row.metric == "tia" and row.cycle == 2]
    assert all(row.uncertainty >= 0.02 * row.value * (1 - 1e-9) for row in rows)  # counts_u


def test_a_stated_half_life_goes_before_the_scaled_curve(measured):
    outcome = changed(measured, lambda visit: visit, teff_h={"kidney_left": 50.0})
    models = {row.region: row.value for row in outcome.rows if row.metric == "effective_half_life" and row.cycle == 2}
    assert models["kidney_left"] == pytest.approx(50.0)
    assert models["kidney_right"] != pytest.approx(50.0)


def test_a_region_without_full_curve_is_left_out_and_named(measured):
    def without(visit):
        return replace(visit, metrics={name: one for name, one in visit.metrics.items() if name != "spleen"})

    outcome = changed(measured, without, cycles=(1,))
    assert "spleen" not in values(outcome, "tia", 2)
    assert any("nor a stated half-life: spleen" in text for text in study_text(outcome))


def test_one_image_before_the_full_curve_is_refused(measured):
    def swapped(visit):
        return replace(visit, labels=replace(visit.labels, cycle=3 - visit.labels.cycle))

    outcome = changed(measured, swapped)
    assert values(outcome, "tia", 1) == {}
    assert len(values(outcome, "tia", 2)) >= 16
    assert any("Cycle 1: no doses" in text and "no earlier cycle has a full curve" in text for text in outcome.warnings)
    assert not any(row.metric == "cumulative_dose" for row in outcome.rows)


def test_sums_over_cycles_are_the_cycles_sums(made, folder):
    with (folder / "out" / "measurements.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"].startswith("cumulative_")]
    assert {(row["visit"], row["cycle"], row["role"]) for row in rows} == {("all cycles", "2", "organ")}
    found = {(row["region"], row["metric"]): float(row["value"]) for row in rows}
    one, two = values(made, "organ_dose", 1), values(made, "organ_dose", 2)
    for organ in ("red marrow", "spleen", "liver", "lungs"):
        assert found[organ, "cumulative_dose"] == pytest.approx(one[organ] + two[organ])
    # Both kidneys, by mass, each cycle of them with its own BED.
    by_mass = []
    for cycle in (1, 2):
        dose, mass = values(made, "dose", cycle), values(made, "mass", cycle)
        kidneys = ("kidney_left", "kidney_right")
        by_mass.append(sum(dose[name] * mass[name] for name in kidneys) / sum(mass[name] for name in kidneys))
    assert found["kidneys", "cumulative_dose"] == pytest.approx(sum(by_mass))
    bed, eqd2 = found["kidneys", "cumulative_bed"], found["kidneys", "cumulative_eqd2"]
    # 177Lu in kidneys, effective half-lives of 30 to 90 h and T_rep 2.8 h: G between 0.03 and 0.09.
    squares = sum(dose**2 for dose in by_mass) / 2.6
    assert sum(by_mass) + 0.03 * squares < bed < sum(by_mass) + 0.09 * squares
    assert eqd2 == pytest.approx(bed / (1 + 2 / 2.6))
    assert ("spleen", "cumulative_bed") not in found


def test_bed_of_each_cycle_and_not_of_the_sum():
    """T_eff 50 h and T_rep 2.8 h: G = 2.8/52.8."""
    times = (1.0, 24.0, 72.0, 168.0)
    curve = Curve("Kidneys", times, tuple(100.0 * 2 ** (-t / 50) for t in times), volume_mL=300.0)
    results = [
        dosimetry([curve], {"Kidneys": Region("organ", "kidneys")}, Patient("male", 7400.0, cycle=n), "mono")
        for n in (1, 2, 3, 4)
    ]
    total = next(one for one in organ_totals(results) if one.organ == "kidneys")
    each = results[0].regions["Kidneys"].dose_Gy
    bed = 4 * each * (1 + 2.8 / 52.8 * each / 2.6)
    assert total.cycles == (1, 2, 3, 4)
    assert total.dose_Gy == pytest.approx(4 * each)
    assert total.effect.bed_Gy == pytest.approx(bed, rel=1e-6)
    assert total.effect.eqd2_Gy == pytest.approx(bed / (1 + 2 / 2.6), rel=1e-6)
    assert {(limit.quantity, limit.value_Gy) for limit in total.limits} >= {("dose", 23.0), ("BED", 40.0)}


def test_only_cycles_of_one_organ_and_tissue_are_joined():
    def effect(cycle, tissue=KIDNEY, organ="kidneys"):
        return cumulative_effect(organ, [CycleDose(cycle, 5.0, Shape(((1.0, math.log(2) / 50),)))], tissue)

    assert joined_cycles([effect(n) for n in (1, 2, 3, 4)]).bed_Gy == pytest.approx(22.04, abs=0.005)
    other = Tissue(5.0, 2.8, "another")
    for parts in ([effect(1), effect(1)], [effect(1), effect(2, other)], [effect(1), effect(2, organ="liver")], []):
        with pytest.raises(EffectError):
            joined_cycles(parts)


def test_response_is_next_to_the_doses(made, folder):
    """The same lesions in both cycles do not change."""
    found = {(row.region, row.metric): row.value for row in made.rows if row.visit == "24h" and row.cycle == 2}
    for region in ("patient", "left lobe", "right lobe"):
        assert found[region, "recist_change"] == 0
        assert found[region, "volume_change"] == 0
    assert "<h2>Response</h2>" in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_follow_up_by_ct_alone_has_sizes_and_response_but_no_uptake(made, folder):
    rows = [row for row in made.rows if row.visit == "follow-up CT"]
    assert {"longest_axial_diameter", "volume", "recist_sum", "recist_change", "volume_change"} <= {
        row.metric for row in rows
    }
    assert not {"mean", "tn_ratio", "dose"} & {row.metric for row in rows}
    sizes = {row.region: row.value for row in rows if row.metric == "longest_axial_diameter"}
    before = {
        row.region: row.value
        for row in made.rows
        if row.metric == "longest_axial_diameter" and row.cycle == 1 and row.visit == "24h"
    }
    assert sizes == before
    assert {row.value for row in rows if row.metric == "recist_change"} == {0.0}
    assert [one.study for one in made.contents][-1] == "cycle 2 follow-up CT"
    for images in made.images:
        assert not any(row.visit == "follow-up CT" for row in rows_of(made, images))


def test_follow_up_is_no_point_of_a_curve(measured):
    def later(visit):
        return replace(visit, labels=replace(visit.labels, visit="follow-up 3 months"))

    outcome = changed(measured, later, cycles=(2,))
    assert values(outcome, "tia", 2) == {}
    assert len(values(outcome, "tia", 1)) >= 16


def test_a_population_takes_the_place_of_unchanged_kinetics(measured):
    """Cycle 2 from its one image and the curves of cycle 1 as far as the spread between cycles lets them count."""
    from PRRTDosimetryLib.population.model import shipped_population

    outcome = changed(measured, lambda visit: visit, kinetics={"population": str(shipped_population())})
    scaled, later = values(measured_doses(measured), "tia", 2), values(outcome, "tia", 2)
    assert set(later) == set(scaled)
    text = "\n".join(study_text(outcome))
    assert "kinetics by the population synthetic_population.json SYNTHETIC, made from no patients, of: " in text
    hours = {row.visit: row.value for row in outcome.rows if row.metric == "time_after_injection" and row.cycle == 1}
    assert list(hours.values()) == pytest.approx(TIMES_h, abs=0.5)
    points = [row for row in outcome.rows if row.metric == "activity" and row.region == "kidney_left"]
    assert len(points) == 3
    assert {row.value for row in outcome.rows if row.metric == "administered_activity"} == {7400.0}


def measured_doses(measured):
    return changed(measured, lambda visit: visit)


@pytest.mark.parametrize("cycles", [{1}, {1, 2}])
def test_where_no_doses_are_asked_for_none_are_added(measured, cycles):
    """The decision that is made before dosimetry is imported agrees with dosimetry itself."""
    first = {visit.labels.cycle: visit for visit in reversed(measured.visits) if visit.labels.cycle in cycles}
    single = replace(measured, visits=tuple(first.values()), input=replace(measured.input, dosimetry={}))
    assert not doses_wanted(single)
    for added in (add_doses, add_dose_maps, add_summed_map):
        assert added(single).parts == ()
    assert doses_wanted(replace(single, visits=(*single.visits, single.visits[0])))
    assert doses_wanted(replace(single, input=replace(single.input, dosimetry={"no such key": 1})))
