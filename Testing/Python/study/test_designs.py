"""Designs are found by name, old names included, and a new one needs no change outside its own file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders.full_files import shipped_protocol
from builders.trial_tables import unblinded_rows
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.study import designs
from PRRTUptakeLib.study.designs.base import NO_COMPARISON, PAIRED_LOBES, DesignRules, EndpointTraits
from PRRTUptakeLib.study.model import StudyInput, StudyResult
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.run import run


def test_names_of_protocols_keep_working():
    assert designs.design_of(load_protocol("lutia")).name == "lobe-comparison"
    assert designs.design_of(load_protocol("ia-versus-iv")).name == "route-comparison"
    names = designs.design_names()
    assert len(names) == len(set(names))
    with pytest.raises(PRRTError, match="no design 'crossover': use one of lobe-against-lobe"):
        designs.design_named("crossover")


class Counting:
    """A design that measures nothing and counts its visits."""

    name, aliases, title, single_visits = "counting", (), "Counting", True
    rules = DesignRules(
        metrics=(), uptake=(), aggregations=(), references=("whole-liver",), by_lobe=False, endpoint=False
    )
    endpoint = EndpointTraits(kind=NO_COMPARISON)

    def measure(self, study, progress):
        return StudyResult(input=study, measured_warnings=(f"{len(study.visits)} visits",))


def test_a_new_design_is_one_object(monkeypatch):
    monkeypatch.setattr(designs, "DESIGNS", (*designs.DESIGNS, Counting()))
    protocol = replace(load_protocol("lutia"), design="counting")
    assert run(StudyInput(patient="P1", protocol=protocol, visits=())).warnings == ("0 visits",)


def test_the_loader_takes_its_words_from_the_registry(monkeypatch, tmp_path):
    content = shipped_protocol("single-arm") | {"design": "counting"}
    (tmp_path / "own.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PRRTError, match=r"'design' is 'counting'.*route-comparison, single-arm"):
        load_protocol(tmp_path / "own.json")
    monkeypatch.setattr(designs, "DESIGNS", (*designs.DESIGNS, Counting()))
    assert load_protocol(tmp_path / "own.json").rules is Counting.rules


def test_a_design_without_comparison_has_no_endpoint(monkeypatch):
    monkeypatch.setattr(designs, "DESIGNS", (*designs.DESIGNS, Counting()))
    protocol = replace(load_protocol("lutia"), design="counting")
    with pytest.raises(PRRTError, match="it has no endpoint"):
        evaluate(unblinded_rows(), protocol)


def test_traits_say_who_responds():
    lobes, routes = (designs.design_named(name).endpoint for name in ("lobe-comparison", "route-comparison"))
    assert (lobes.kind, lobes.responder_sign, lobes.allocated) == (PAIRED_LOBES, ">", True)
    assert (routes.responder_sign, routes.allocated) == ("≥", False)
