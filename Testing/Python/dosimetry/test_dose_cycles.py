"""Doses over several cycles: full curve in cycle 1, one image in cycle 2, sums of dose and effect, time zero."""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from builders.another_scan import another_scan
from PRRTDosimetryLib.dosimetry.cumulative import organ_totals
from PRRTDosimetryLib.dosimetry.cycle import add_doses
from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap, add_dose_maps
from PRRTDosimetryLib.dosimetry.engine import dosimetry
from PRRTDosimetryLib.dosimetry.one_injection import contradiction
from PRRTDosimetryLib.dosimetry.regions import Patient, Region
from PRRTDosimetryLib.dosimetry.summed_map import add_summed_map
from PRRTDosimetryLib.dosimetry.wanted import doses_wanted
from PRRTDosimetryLib.effect.bed import KIDNEY, Tissue
from PRRTDosimetryLib.effect.cycles import CycleDose, cumulative_effect, joined_cycles
from PRRTDosimetryLib.effect.errors import EffectError
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTUptakeLib.dicom.injection import Injection, injection_of
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.export.dicom_results import rows_of
from PRRTUptakeLib.mrml.run import run_case
from PRRTUptakeLib.report.study_report import study_text
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SEED = 2
TIMES_h = (24.0, 96.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cycle 1 at two times; cycle 2 at 24 h, the same images as cycle 1 at 24 h; follow-up by CT alone."""
    folder = tmp_path_factory.mktemp("cycles")
    case = write_synthetic_serial(folder / "patient", seed=SEED, times_h=TIMES_h, moving=False, blur=False, noise=False)
    content = json.loads(case.read_text(encoding="utf-8"))
    again = next(visit for visit in content["visits"] if visit["visit"] == "24h")
    another_scan(folder / "patient" / again["dicom"], folder / "patient" / "cycle-2")
    content["visits"].append({**again, "cycle": 2, "dicom": "cycle-2"})
    ct = next(one for one in find_series(folder / "patient" / again["dicom"]) if one.modality == "CT")
    (folder / "patient" / "CT").mkdir()
    for n, file in enumerate(ct.files):
        os.link(file, folder / "patient" / "CT" / f"{n}.dcm")
    content["visits"].append({**again, "visit": "follow-up CT", "cycle": 2, "dicom": "CT"})
    case.write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(folder):
    return run_case(folder / "patient" / "case.json", folder / "out", extensions=[add_doses]).result


@pytest.fixture(scope="module")
def measured(made):
    """The case before doses were added, its rows left out."""
    return replace(made, parts=(), measured_rows=(), measured_warnings=())


def values(outcome, metric, cycle):
    return {row.region: row.value for row in outcome.rows if row.metric == metric and row.cycle == cycle}


def changed(outcome, change, cycles=(1, 2), **dosimetry_settings):
    visits = tuple(change(one) if one.labels.cycle in cycles else one for one in outcome.visits)
    case = replace(outcome.input, dosimetry=dosimetry_settings)
    return add_doses(replace(outcome, visits=visits, input=case))


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


def infused(zero, hours):
    """The visit with an infusion of so many hours (None: not stated), hours counted from ``zero``."""

    def change(visit):
        imaging = replace(visit.protocol.imaging, time_zero=zero)
        end = None if hours is None else visit.injection.time + timedelta(hours=hours)
        injection = replace(visit.injection, end=end)
        return replace(visit, protocol=replace(visit.protocol, imaging=imaging), injection=injection)

    return change


@pytest.mark.parametrize(("zero", "shift_h"), [("start", 0.0), ("mid", 1.0), ("end", 2.0)])
def test_time_zero_shifts_every_curve(measured, zero, shift_h):
    """A mono-exponential that starts later by s holds 2^(-s/T) of the integral."""
    before = changed(measured, lambda visit: visit, cycles=(1,), model="mono")
    after = changed(measured, infused(zero, 2.0), cycles=(1,), model="mono")
    full, half_lives = values(before, "tia", 1), values(before, "effective_half_life", 1)
    for name, tia_MBq_h in values(after, "tia", 1).items():
        assert tia_MBq_h == pytest.approx(full[name] * 2 ** (-shift_h / half_lives[name]), rel=1e-5), name


def test_time_zero_shifts_the_dose_map_as_it_does_the_curves(measured):
    """Images at 24 and 96 h, infused for 2 h: a mono-exponential that starts later by s holds 2^(-s/T) of it."""
    maps = {}
    for zero in ("start", "end"):
        outcome = changed(measured, infused(zero, 2.0), cycles=(1,), dose_map="local")
        maps[zero] = add_dose_maps(outcome).part(CycleDoseMap).made
    full, later = maps["start"].tia.tia.array, maps["end"].tia.tia.array
    half_life_h = maps["start"].tia.half_life.array
    active = full > 0.05 * full.max()
    assert active.sum() > 1000
    np.testing.assert_allclose(later[active], full[active] * 2 ** (-2.0 / half_life_h[active]), rtol=1e-3)


def test_a_region_that_an_image_does_not_show_is_named(measured):
    def without(visit):
        if visit.labels.visit != "96h":
            return visit
        return replace(visit, metrics={name: one for name, one in visit.metrics.items() if name != "spleen"})

    outcome = changed(measured, without, cycles=(1,))
    assert "spleen" not in values(outcome, "dose", 1)
    assert "Cycle 1: 'spleen' has no dose, as it is not measured at visit '96h'" in "\n".join(outcome.warnings)
    assert not any("has no dose" in text for text in changed(measured, lambda visit: visit).warnings)


def test_a_region_of_nothing_but_zeros_is_named_with_the_keys_that_mend_it(measured):
    def empty(visit):
        if visit.labels.visit != "96h":
            return visit
        nothing = replace(visit.metrics["spleen"], mean=0.0, sd=0.0, total=0.0, maximum=0.0)
        return replace(visit, metrics={**visit.metrics, "spleen": nothing})

    outcome = changed(measured, empty, cycles=(1,))
    assert "spleen" not in values(outcome, "dose", 1)
    (warning,) = [text for text in outcome.warnings if "spleen" in text]
    assert "'spleen' has no dose: every voxel of it is 0 at visit '96h'" in warning
    assert all(f"'{key}'" in warning for key in ("segments", "registration", "visits"))


@pytest.mark.parametrize(
    ("zero", "hours", "words"),
    [
        ("mid", None, "the middle of the infusion, but visit '24h' does not state its end"),
        ("end", -1.0, "before its start"),
        ("end", 30.0, "before the injection"),
    ],
)
def test_time_zero_without_a_usable_end_is_one_sentence(measured, zero, hours, words):
    outcome = changed(measured, infused(zero, hours), cycles=(1,))
    assert [text for text in outcome.warnings if text.startswith("Cycle 1: no doses.") and words in text]
    assert values(outcome, "tia", 1) == {}


@pytest.mark.parametrize(
    ("key", "other", "words"),
    [
        ("nuclide", "I-131", "different radionuclides (I-131, Lu-177)"),
        ("activity_MBq", 7300.0, "different administered activities"),
        ("time", timedelta(days=1), "different times of injection"),
        ("time", timedelta(minutes=-11), "different times of injection"),
    ],
)
def test_images_that_contradict_each_other_on_the_injection_have_no_doses(measured, key, other, words):
    def change(visit):
        if visit.labels.visit != "96h":
            return visit
        value = getattr(visit.injection, key) + other if key == "time" else other
        return replace(visit, injection=replace(visit.injection, **{key: value}))

    outcome = changed(measured, change, cycles=(1,))
    assert [text for text in outcome.warnings if text.startswith("Cycle 1: no doses.") and words in text]
    assert values(outcome, "dose", 1) == {}


def of_region(name, visit_name, change):
    """The visits with another mean of one region at one of them."""

    def changed_visit(visit):
        if visit.labels.visit != visit_name:
            return visit
        metrics = {**visit.metrics, name: replace(visit.metrics[name], mean=change(visit.metrics[name].mean))}
        return replace(visit, metrics=metrics)

    return changed_visit


def test_one_odd_curve_does_not_take_the_doses_of_the_others(measured):
    """A mean below 0, as noise and subtracted scatter make it, is no activity; the other doses stay what they are."""
    before = changed(measured, lambda visit: visit, cycles=(1,))
    after = changed(measured, of_region("spleen", "96h", lambda mean: -0.1 * mean), cycles=(1,))
    assert any("'spleen' has no dose: spleen: the activity" in text for text in after.warnings)
    doses, others = values(before, "dose", 1), values(after, "dose", 1)
    assert set(doses) - set(others) == {"spleen"}
    assert others["L1"] == pytest.approx(doses["L1"], rel=1e-9)
    assert others["kidney_left"] == pytest.approx(doses["kidney_left"], rel=5e-3)  # less cross dose of the spleen


def test_kidneys_drawn_as_one_have_their_dose(measured):
    """One mask of both: the dose is the mean of both by mass, not the cross dose of what is in none of them."""

    def joined(visit):
        segments = visit.prepared.segmentation
        kept = tuple(one for one in segments if one.structure not in ("kidney_left", "kidney_right"))
        prepared = replace(visit.prepared, segmentation=replace(segments, segments=kept))
        return replace(visit, prepared=prepared, uptakes=None)

    def apart(visit):
        return replace(visit, uptakes=None)

    each = changed(measured, apart, cycles=(1,))
    doses, masses = values(each, "dose", 1), values(each, "mass", 1)
    mean = sum(doses[name] * masses[name] for name in ("kidney_left", "kidney_right"))
    mean /= masses["kidney_left"] + masses["kidney_right"]
    together = changed(measured, joined, cycles=(1,))
    found = values(together, "dose", 1)
    assert found["kidneys"] == pytest.approx(mean, rel=0.01)
    assert values(together, "organ_dose", 1)["kidneys"] == pytest.approx(found["kidneys"], rel=1e-6)
    assert values(together, "bed", 1)["kidneys"] > found["kidneys"]


def test_a_sum_over_cycles_has_no_cross_dose_for_a_cycle_without_curve(measured):
    def without(visit):
        left = {name: one for name, one in visit.metrics.items() if not name.startswith("kidney")}
        return replace(visit, metrics=left)

    whole = changed(measured, lambda visit: visit)
    after = changed(measured, without, cycles=(2,))
    total = {row.region: row for row in after.rows if row.metric == "cumulative_dose"}["kidneys"]
    (first,) = [row for row in whole.rows if row.metric == "organ_dose" and row.region == "kidneys" and row.cycle == 1]
    assert total.value == pytest.approx(first.value, rel=1e-9)
    assert total.cycle == 1
    text = "The sum over cycles of kidneys is without cycle 2, where it has no curve"
    assert any(text in one for one in after.warnings)
    assert not any("The sum over cycles" in one for one in whole.warnings)


def test_organs_without_a_curve_are_named_as_lower_bounds(measured):
    def without(visit):
        left = {name: one for name, one in visit.metrics.items() if not name.startswith("kidney")}
        return replace(visit, metrics=left)

    text = "\n".join(study_text(changed(measured, without, cycles=(1,))))
    assert "no curve of kidneys, " in text
    assert "their doses are cross dose alone, lower bounds" in text


def test_activities_that_outlive_their_nuclide_are_named(measured):
    def of_copper(visit):
        return replace(visit, injection=replace(visit.injection, nuclide="Cu-64"))

    words = "regions fall slower than Cu-64 decays: it is another nuclide"
    assert any(words in text for text in changed(measured, of_copper, cycles=(1,)).warnings)
    assert not any("fall slower" in text for text in changed(measured, lambda visit: visit, cycles=(1,)).warnings)


def test_two_images_of_one_time_give_no_doses_with_the_reason(measured):
    times = [one.image.reference_time for one in measured.visits if one.labels.cycle == 1 and one.image is not None]

    def change(visit):
        return replace(visit, image=replace(visit.image, reference_time=times[0])) if visit.image else visit

    after = changed(measured, change, cycles=(1,))
    assert any("Cycle 1: no doses." in text and "two points have one time" in text for text in after.warnings)
    assert values(after, "dose", 1) == {}


def test_a_lobe_without_healthy_liver_has_doses_and_no_index(measured):
    name = "reference left lobe"
    after = changed(measured, of_region(name, "96h", lambda mean: -mean), cycles=(1,))
    assert any(f"'{name}' has no dose" in text for text in after.warnings)
    index = values(after, "therapeutic_index", 1)
    assert "R1" in index
    assert "L1" not in index
    assert values(after, "dose", 1)["L1"] > 0
    assert not values(after, "therapeutic_index_ratio", 1)
    assert any("so no therapeutic index: L1" in text for text in study_text(after))


def test_a_region_that_held_more_than_was_given_is_named(measured):
    def given(visit):
        return replace(visit, injection=replace(visit.injection, activity_MBq=7.4))

    after = changed(measured, given, cycles=(1,))
    assert any("administered activity is 7.4 MBq, but" in text and "GBq or mCi" in text for text in after.warnings)
    assert not any("GBq" in text for text in changed(measured, lambda visit: visit, cycles=(1,)).warnings)


def test_a_curve_that_no_fit_converges_for_is_left_out(measured):
    after = changed(measured, of_region("spleen", "96h", lambda mean: 0.0), cycles=(1,), model="trapezoid")
    assert any("'spleen' has no dose: spleen: one of the last two points is 0 MBq" in text for text in after.warnings)
    assert "kidney_left" in values(after, "dose", 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "tri"}, "'dosimetry.model' is 'tri', by which no curve can be integrated .*too few"),
        ({"teff_h": {"kidney_left": 500}}, "'dosimetry.teff_h.kidney_left' is 500, but must be at most 159.53 h"),
        ({"teff_h": {"": 500}}, "'dosimetry.teff_h' is 500, but must be at most 159.53 h"),
    ],
)
def test_settings_that_no_curve_allows_are_refused_by_their_key(measured, settings, words):
    with pytest.raises(InputFileError, match=words):
        changed(measured, lambda visit: visit, cycles=(1,), **settings)


def test_cycles_of_one_injection_are_warned_of_and_cycles_weeks_apart_are_not(measured):
    def weeks_later(visit):
        later = visit.injection.time + timedelta(weeks=8) if visit.injection else None
        return replace(visit, injection=replace(visit.injection, time=later)) if later else visit

    text = "Cycles 1 and 2 name one injection"
    assert any(text in one for one in changed(measured, lambda visit: visit).warnings)
    apart = [weeks_later(one) if one.labels.cycle == 2 else one for one in measured.visits]
    assert not any(text in one for one in add_doses(replace(measured, visits=tuple(apart))).warnings)


def test_radiosensitivity_of_nothing_that_is_there_is_refused(measured):
    stated = {"alpha_beta_Gy": 5.0, "repair_half_time_h": 2.8, "source": "somebody"}
    with pytest.raises(InputFileError, match="'kidny' is no organ or region; there are kidneys, liver"):
        changed(measured, lambda visit: visit, tissues={"kidny": stated})


def test_half_lives_taken_as_exact_are_named(measured):
    stated = changed(measured, lambda visit: visit, teff_h={"": 60.0})
    assert any("stated without uncertainty: their error is in no interval" in text for text in stated.warnings)
    known = changed(measured, lambda visit: visit, teff_h={"": 60.0}, u_teff_h={"": 10.0})
    assert not any("stated without uncertainty" in text for text in known.warnings)


def test_summer_time_that_ends_between_images_is_named():
    """Injected at 10:00 by the clock; the image after the night of the change states winter time."""
    zones = {"24h": timezone(timedelta(hours=2)), "96h": timezone(timedelta(hours=1))}
    given = {
        name: Injection(7400.0, datetime(2025, 10, 24, 10, 0, tzinfo=zone), "Lu-177", "M")
        for name, zone in zones.items()
    }
    text = contradiction(given)
    assert "2025-10-24T10:00:00+02:00 by visit '24h', 2025-10-24T10:00:00+01:00 by visit '96h'" in text
    assert "summer time began or ended" in text
    assert "'injection_time' with its offset from UTC under 'quantification'" in text
    given["96h"] = replace(given["96h"], time=given["24h"].time.astimezone(zones["96h"]))
    assert contradiction(given) == ""


def test_injection_times_that_differ_by_minutes_do_no_harm(measured):
    def change(visit):
        later = visit.injection.time + timedelta(minutes=5 if visit.labels.visit == "96h" else 0)
        return replace(visit, injection=replace(visit.injection, time=later))

    assert values(changed(measured, change, cycles=(1,)), "dose", 1)


def test_protocol_states_time_zero(tmp_path, folder):
    lutia = load_protocol("lutia")
    assert lutia.imaging.time_zero == "start"
    content = json.loads(json.dumps(_as_file("lutia")))
    content["imaging"]["time_zero"] = "mid"
    (tmp_path / "mid.json").write_text(json.dumps(content), encoding="utf-8")
    assert load_protocol(tmp_path / "mid.json").imaging.time_zero == "mid"
    content["imaging"]["time_zero"] = "middle"
    (tmp_path / "wrong.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputFileError, match=r"imaging.time_zero.*start, mid, end"):
        load_protocol(tmp_path / "wrong.json")


def _as_file(name):
    from PRRTUptakeLib.resources import resource_path
    from PRRTUptakeLib.study import protocol

    return json.loads(resource_path(protocol.__file__, "Protocols", f"{name}.json").read_text(encoding="utf-8"))


def test_header_states_the_end_of_the_infusion(folder, tmp_path, made):
    scan_time = made.visits[0].image.reference_time
    emission = next(one for one in find_series(folder / "patient" / "24h" / "DICOM") if one.modality == "NM")
    before = injection_of(emission, scan_time)
    assert before.end is None
    dataset = pydicom.dcmread(emission.files[0])
    item = dataset.RadiopharmaceuticalInformationSequence[0]
    item.RadiopharmaceuticalStopDateTime = (before.time + timedelta(minutes=90)).strftime("%Y%m%d%H%M%S.%f%z")
    dataset.save_as(tmp_path / "spect.dcm")
    (again,) = find_series(tmp_path)
    assert injection_of(again, scan_time).end - before.time == timedelta(minutes=90)


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
