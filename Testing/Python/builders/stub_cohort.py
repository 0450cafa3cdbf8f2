"""Cohorts of patients that ``fake_run`` runs, for the tests."""

from __future__ import annotations

import json
from pathlib import Path

from PRRTUptakeLib.export.cohort_output import Machines, make_cohort
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.study import protocol as protocol_module
from PRRTUptakeLib.study.cohort.analysis import Options

FUNCTION = "builders.stub_runner:run_case"


def write_cases(place: Path, count: int = 6, **more: object) -> Path:
    """Cases in ``place/cases/P*``; returns that folder."""
    content = json.loads(resource_path(protocol_module.__file__, "Protocols", "lutia.json").read_text())
    content["endpoint"]["bootstrap_samples"] = 0  # it would take most of a test's time
    (place / "cases").mkdir(exist_ok=True)
    (place / "cases" / "quick.json").write_text(json.dumps(content))
    for n in range(count):
        folder = place / "cases" / f"P{n:02d}"
        folder.mkdir()
        case = {
            "patient": f"P{n:02d}",
            "protocol": "../quick.json",
            "image": "image.dcm",
            "left": 10.0 + n,
            "right": 12.0 + n**2 / 7,
        }
        case["treated_lobe"] = "left" if n % 2 else "right"
        (folder / "case.json").write_text(json.dumps({**case, **more}))
        (folder / "image.dcm").write_bytes(bytes([n % 256]) * 1000)
    return place / "cases"


def change_case(cases: Path, name: str, /, **more: object) -> None:
    path = cases / name / "case.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def started(cases: Path) -> list[str]:
    """Patients in the order in which they were started, over all runs."""
    log = cases.parent / "started.txt"
    return log.read_text().split() if log.exists() else []


def tables(output: Path) -> dict[str, bytes]:
    """The cohort's tables and report, and the patients' tables."""
    names = ("measurements.csv", "patients.csv", "flow.csv", "endpoints.csv", "report.html")
    found = {name: (output / name).read_bytes() for name in names}
    patients = sorted((output / "patients").glob("*/measurements.csv"))
    return {**found, **{path.parent.name: path.read_bytes() for path in patients}}


def make(cases: Path, output: Path, **options: object):
    machines = Machines(int(str(options.pop("workers", 2))), str(options.pop("scheduler", "")))
    return make_cohort(cases, output, FUNCTION, Options("", **options), machines)
