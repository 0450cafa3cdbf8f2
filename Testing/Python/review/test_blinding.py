"""A blinded reader sees nothing from which arm, route, date or person can be known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.small_study import small_study
from PRRTUptakeLib.review.blinding import HIDDEN, blinded, blinding_of
from PRRTUptakeLib.study.run import run


def study(visits=("IA day 0", "IV day 3")):
    found = small_study(visits=visits, notes={"operator": "Dr Who"})
    series = SimpleNamespace(patient_id="4711", patient_name="Doe^Jane", description="SPECT after IA", modality="NM")
    emissions = [replace(one.emission, series=series) for one in found.visits]
    made = [replace(one, emission=emission) for one, emission in zip(found.visits, emissions, strict=True)]
    return replace(found, visits=tuple(made), source=Path("cohort/UTR-07/case.json"))


@pytest.mark.parametrize(
    "said",
    [
        "Patient P01, cycle 1",
        "of DOE^JANE",
        "Jane was moved",
        "id 4711",
        "taken 2024-04-18",
        "at 2024-04-18T10:58:00+01:00",
        "series of 20240418",
        "on 18.04.2024 or 4/18/24",
        "IA day 0: no injection",
        "IV day 3",
        "after intra-arterial infusion",
        "Intravenous",
        "route IA",
        "the treated lobe",
        "Ratio treated/control",
        "UTR-07",
        "1.2.840.10008.5.1.4",
        "SPECT after IA",
    ],
)
def test_what_identifies_does_not_reach_the_screen(said):
    blinding = blinding_of(study(), "Reading 3", "seed")
    shown = blinding.text(said)
    assert blinding.leaks(said)
    assert HIDDEN in shown or "image" in shown
    assert not blinding.leaks(shown)


@pytest.mark.parametrize(
    "said",
    [
        "Lesion L1 straddles (70 % left lobe, 30 % right lobe): it counts where most of it is, confirm.",
        "T/N 12.34, mean 1234.5 Bq/mL, 20 of 28 voxels, 3.5 mm",
        "variance of the image",
    ],
)
def test_what_the_reader_needs_is_left_as_it_is(said):
    assert blinding_of(study(), "Reading 3", "seed").text(said) == said


def test_the_order_of_letters_does_not_follow_the_order_of_visits():
    firsts = {blinding_of(study(), "x", f"seed {n}").visits[1, "IA day 0"] for n in range(20)}
    assert firsts == {"image A", "image B"}
    assert blinding_of(study(), "x", "s").visits == blinding_of(study(), "x", "s").visits


def test_a_blinded_study_measures_the_same_and_forms_no_treated_ratio():
    open_one = run(small_study())
    blind = run(blinded(small_study(notes={"a": "b"})))
    assert blind.input.notes == {}
    assert not any("treated" in row.metric for row in blind.rows)
    values = {(row.region, row.metric): row.value for row in open_one.rows}
    same = {(row.region, row.metric): row.value for row in blind.rows if row.metric == "tn_ratio"}
    assert len(same) == 3
    assert all(values[key] == value for key, value in same.items())
