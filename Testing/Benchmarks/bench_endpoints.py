"""Speed of the endpoint: 1,000 patients' measurements to endpoints with 10,000 bootstrap samples, below 10 s.

``python -m pytest Testing/Benchmarks/bench_endpoints.py``
"""

from __future__ import annotations

import json

import pytest
from builders.trial_tables import simulate_trial, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.study.protocol import load_protocol

PATIENTS, LIMIT_S = 1000, 10.0


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rows = simulate_trial(1, PATIENTS, lesions=3, cycles=4)
    return write_table(tmp_path_factory.mktemp("bench") / "measurements.csv", rows)


@pytest.mark.parametrize("mixed", [(), ("--mixed",)], ids=["endpoints", "with the mixed model"])
def test_a_thousand_patients(benchmark, capsys, table, mixed):
    assert load_protocol("lutia").endpoint.bootstrap_samples == 10_000
    command = ["endpoints", str(table), "--protocol", "lutia", "--json", *mixed]
    status = benchmark.pedantic(main, args=(command,), rounds=1, iterations=1)
    answer = json.loads(capsys.readouterr().out)
    assert status == 0
    assert answer["n"] == PATIENTS
    assert answer["bootstrap"]["samples"] == 10_000
    if not mixed:
        assert benchmark.stats.stats.max < LIMIT_S
