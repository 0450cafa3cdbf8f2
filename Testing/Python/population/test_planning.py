"""Hours at which few images say most of the dose: working hours, costs, and the search against trying all sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTDosimetryLib.population import planning
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.from_text import planned
from PRRTDosimetryLib.population.planning import WorkingHours, plan
from PRRTDosimetryLib.population.synthetic import synthetic_population
from PRRTDosimetryLib.population.tables import plan_json, plan_rows, plan_text
from PRRTDosimetryLib.report.population_figures import plan_figure
from PRRTUptakeLib.errors import Cancelled
from PRRTUptakeLib.nuclides.radionuclides import nuclide

LU = nuclide("Lu-177")
KIDNEY = synthetic_population(("kidney", "lesion"))
COARSE = WorkingHours(step_h=3.0)


@pytest.fixture(scope="module")
def two():
    return plan(KIDNEY, ["kidney", "lesion"], 2, LU.decay_constant_per_h, COARSE)


def test_images_are_within_working_hours_on_weekdays():
    hours = WorkingHours(injected_at=10, opens=8, closes=17, injected_on="thu").possible_h()
    clock = (10 + hours) % 24
    assert ((clock >= 8) & (clock <= 17)).all()
    day = np.floor((10 + hours) / 24)
    assert not ((day == 2) | (day == 3)).any()  # Saturday and Sunday
    assert (day == 1).any()


def test_two_images_are_an_early_and_a_late_one(two):
    early, late = two.best.hours
    assert early < 50 < 120 < late
    assert two.best.width < two.fewer[0].width / 1.5
    assert all(one.width > 2 * two.best.width for one in two.without.values())


def test_one_image_is_at_one_to_two_half_lives():
    """As Haenscheid 2018 found for a single image: where its integral hardly depends on the half-life."""
    found = plan(KIDNEY, ["kidney"], 1, LU.decay_constant_per_h, WorkingHours(step_h=2.0))
    half_life = KIDNEY.kinds["kidney"].typical_half_life_h(LU.decay_constant_per_h)
    assert 1.0 < found.best.hours[0] / half_life < 2.2
    assert found.without == {}


def test_expected_widths_are_those_of_simulated_patients(two):
    for kind, (width, coverage) in two.simulated.items():
        assert two.best.widths[kind] == pytest.approx(width, rel=0.15)
        assert 0.91 <= coverage <= 0.99


def test_exchange_finds_what_trying_all_sets_finds(two, monkeypatch):
    monkeypatch.setattr(planning, "_MOST_SETS", 100)
    found = plan(KIDNEY, ["kidney", "lesion"], 2, LU.decay_constant_per_h, COARSE)
    assert found.best.width == pytest.approx(two.best.width, rel=0.01)


def test_images_are_apart(two):
    for one in (two.best, *two.others):
        assert one.hours[1] - one.hours[0] >= COARSE.apart_h


def test_a_plan_is_shown_as_text_table_and_figure(two):
    text = plan_text(two)
    assert "Images at" in text
    assert "holds the truth" in text
    header, rows = plan_rows(two)
    assert [row[1] for row in rows].count("best") == 1
    assert all(len(row) == len(header) for row in rows)
    assert plan_json(two)["hours"] == list(two.best.hours)
    assert plan_figure(two).startswith("<svg")


def test_progress_names_every_kind_and_number_of_images_and_can_stop_there():
    seen = []

    def until_the_second_kind(fraction, words):
        seen.append((round(fraction, 3), words))
        if len(seen) == 6:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        plan(KIDNEY, ["kidney", "lesion"], 2, LU.decay_constant_per_h, COARSE, progress=until_the_second_kind)
    assert [words for _, words in seen] == [
        "Possible patients: kidney",
        "Possible patients: lesion",
        "Sets of 1 image",
        "Sets of 2 images",
        "Simulated patients: kidney",
        "Simulated patients: lesion",
    ]
    assert [fraction for fraction, _ in seen] == pytest.approx(np.arange(6) / 6, abs=1e-3)


def test_impossible_plans_are_refused():
    with pytest.raises(PopulationError, match="6 images"):
        plan(KIDNEY, ["kidney"], 6, LU.decay_constant_per_h)
    with pytest.raises(PopulationError, match="no kinetics of 'spleen'"):
        plan(KIDNEY, ["spleen"], 1, LU.decay_constant_per_h)
    with pytest.raises(PopulationError, match="'kidny' is no kind"):
        planned(None, "Lu-177", "kidny", 1)
    with pytest.raises(PopulationError, match="Working hours"):
        WorkingHours(opens=18, closes=9)
    with pytest.raises(PopulationError, match="Working hours"):
        plan(KIDNEY, ["kidney"], 2, LU.decay_constant_per_h, WorkingHours(last_h=10, step_h=1))


def test_without_a_population_assumptions_are_wide():
    by_assumption = planned(None, "Lu-177", "kidney", 2, COARSE)
    assert "assumptions" in by_assumption.source
    assert by_assumption.best.width > plan(KIDNEY, ["kidney"], 2, LU.decay_constant_per_h, COARSE).best.width


@pytest.mark.parametrize(("name", "last_h"), [("Ga-68", 5.7), ("Ho-166", 135.0)])
def test_no_image_is_planned_where_nothing_is_left_to_be_seen(name, last_h):
    found = plan(KIDNEY, ["kidney"], 2, nuclide(name).decay_constant_per_h, WorkingHours(step_h=1.0))
    assert all(hour <= last_h for one in (found.best, *found.others) for hour in one.hours)


def test_a_nuclide_of_minutes_is_not_planned():
    with pytest.raises(PopulationError, match=r"half-life of 0\.1 h"):
        plan(KIDNEY, ["kidney"], 1, math.log(2) / 0.1)
