"""Regions without a curve, or with one that is in doubt: what is left out of a cycle's doses, and how it is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.two_cycles import changed, values
from PRRTUptakeLib.report.study_report import study_text
from PRRTUptakeLib.study.errors import InputFileError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_cycles")]  # whole patients; one worker keeps them


def of_region(name, visit_name, change):
    """The visits with another mean of one region at one of them."""

    def changed_visit(visit):
        if visit.labels.visit != visit_name:
            return visit
        metrics = {**visit.metrics, name: replace(visit.metrics[name], mean=change(visit.metrics[name].mean))}
        return replace(visit, metrics=metrics)

    return changed_visit


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


def test_radiosensitivity_of_nothing_that_is_there_is_refused(measured):
    stated = {"alpha_beta_Gy": 5.0, "repair_half_time_h": 2.8, "source": "somebody"}
    with pytest.raises(InputFileError, match="'kidny' is no organ or region; there are kidneys, liver"):
        changed(measured, lambda visit: visit, tissues={"kidny": stated})


def test_half_lives_taken_as_exact_are_named(measured):
    stated = changed(measured, lambda visit: visit, teff_h={"": 60.0})
    assert any("stated without uncertainty: their error is in no interval" in text for text in stated.warnings)
    known = changed(measured, lambda visit: visit, teff_h={"": 60.0}, u_teff_h={"": 10.0})
    assert not any("stated without uncertainty" in text for text in known.warnings)
