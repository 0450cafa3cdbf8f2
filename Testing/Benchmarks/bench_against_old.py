"""This build against the one that the targets were stated for, as whole processes, in turns, in one run.

``python Testing/Benchmarks/bench_against_old.py [--rounds 5] [--peers FILE] [-o bench.json]``: CPU seconds (of all
threads, children too), not time by the clock, so that a shared machine counts little. Each build measures the patient
that it makes itself from the same seed; the first run of every row is not counted. Without the old build the rows are
skipped. Then the cohorts of ``cohort.py`` (this build alone, by the clock, 10 minutes: ``--patients 0`` and
``--simulated 0`` leave them out) and, with ``--peers``, what the comparisons with other programs found.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohort import PATIENTS, SIMULATED, cohort_rows
from processes import OLD, Build, Cost, old_build, this_build

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Row:
    """One work: what it may take of the old build's CPU (and memory), and how it is measured."""

    name: str
    target: float
    measure: Callable[[Build, Path], Cost]
    memory_target: float | None = None
    most_rounds: int | None = None  # of what takes minutes; its first run is counted, since others came before it


OLD_CURVES, NEW_CURVES = 100, 2000
WHOLE_BODY = "whole_body"


def _case(kind: str, place: Path) -> Path:
    return place / kind / "patient" / "case.json"


def _run(kind: str) -> Callable[[Build, Path], Cost]:
    return lambda build, place: build.cost("run", _case(kind, place), "-o", place / f"{kind}_results")


def _first_line(build: Build, place: Path) -> Cost:
    return build.cpu_to_first_line("run", _case("lutia", place), "-o", place / "first_line")


def _demo(build: Build, place: Path) -> Cost:
    return build.cost("demo", "-o", place / "demo")


def _curves_of(build: Build) -> int:
    return NEW_CURVES if build.name == "this build" else OLD_CURVES


def _tiac(build: Build, place: Path) -> Cost:
    """Seconds a curve, with what starting takes in it; the old build is given fewer, since it takes minutes."""
    cost = build.cost("tiac", place / "curves.csv", "--nuclide", "Lu-177", "--model", "auto", "--json")
    return Cost(cost.cpu_s / _curves_of(build), cost.peak_MB)


def _whole_body(build: Build, place: Path) -> Cost:
    """Both builds read the same files, and write DICOM too."""
    case = place.parent / WHOLE_BODY / "case.json"
    return build.cost("run", case, "-o", place / "whole_body_results", "--dicom")


ROWS: tuple[Row, ...] = (
    Row("prrt tiac, seconds a curve", 1 / 40, _tiac),
    Row("prrt run, LUTIA case", 0.5, _run("lutia")),
    Row("prrt run, serial case with doses", 0.35, _run("serial")),
    Row("prrt run, IA/IV case", 0.5, _run("ia-versus-iv")),
    Row("prrt run, to the first line of progress", 1.0 / 3.3, _first_line),
    Row("prrt demo", 0.5, _demo),
    Row("prrt run --dicom, two whole-body PET/CT", 0.4, _whole_body, memory_target=0.35, most_rounds=1),
)


def write_curves(path: Path, count: int) -> None:
    """Curves of four times with 5 % noise, of effective half-lives of 30 to 100 h."""
    import numpy as np

    random = np.random.default_rng(24)
    lines = ["region,time_h,activity_MBq,u_MBq"]
    for number in range(count):
        amplitude, half_life = random.uniform(5, 100), random.uniform(30, 100)
        for time_h in (4.0, 24.0, 72.0, 168.0):
            value = amplitude * 2.0 ** (-time_h / half_life)
            lines.append(f"r{number},{time_h},{value * (1 + 0.05 * random.standard_normal()):.6g},{0.05 * value:.6g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def prepare(build: Build, place: Path) -> None:
    """The patients and curves that the rows need."""
    place.mkdir(parents=True, exist_ok=True)
    for kind in ("lutia", "serial", "ia-versus-iv"):
        build.cost("demo", "-o", place / kind, "--kind", kind)
    write_curves(place / "curves.csv", _curves_of(build))


def write_whole_body(build: Build, folder: Path, size: float) -> None:
    """The patient of the whole-body row, by this build, in a process of its own."""
    maker = Path(__file__).with_name("whole_body.py")
    subprocess.run(
        [sys.executable, maker, folder, "--size", str(size)],
        env=build.environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def compared(builds: list[Build], work: Path, rounds: int, size: float) -> list[dict[str, Any]]:
    """Every row: medians of both builds, their ratio, the target and whether it is met."""
    places = {build.name: work / f"place_{n}" for n, build in enumerate(builds)}
    for build in builds:
        prepare(build, places[build.name])
    if size > 0:
        write_whole_body(builds[0], work / WHOLE_BODY, size)
    found = []
    for row in ROWS:
        if row.measure is _whole_body and size <= 0:
            continue
        costs: dict[str, list[Cost]] = {build.name: [] for build in builds}
        for turn in range(rounds + 1 if row.most_rounds is None else min(rounds, row.most_rounds)):
            for build in builds:
                cost = row.measure(build, places[build.name])
                if turn or row.most_rounds is not None:
                    costs[build.name].append(cost)
        found.append(_figures(row, costs, [build.name for build in builds]))
        print(_line(found[-1]), flush=True)
    return found


def _figures(row: Row, costs: dict[str, list[Cost]], names: list[str]) -> dict[str, Any]:
    new, *old = (
        {
            "cpu_s": statistics.median(one.cpu_s for one in costs[build]),
            "peak_MB": statistics.median(one.peak_MB for one in costs[build]),
            "all_cpu_s": [one.cpu_s for one in costs[build]],
        }
        for build in names
    )
    ratio, memory = (new[what] / old[0][what] if old else math.nan for what in ("cpu_s", "peak_MB"))
    within = row.memory_target is None or memory <= row.memory_target
    met = bool(ratio <= row.target and within) if old else None
    return {
        "row": row.name,
        "new": new,
        "old": old[0] if old else None,
        "ratio": ratio,
        "target": row.target,
        "memory_ratio": memory,
        "memory_target": row.memory_target,
        "met": met,
    }


def _line(row: dict[str, Any]) -> str:
    old = f"{row['old']['cpu_s']:9.4g}" if row["old"] else "        -"
    met = {True: "met", False: "not met", None: "old build not there"}[row["met"]]
    memory = f" (memory {row['memory_ratio']:.3f} of {row['memory_target']})" if row["memory_target"] else ""
    return (
        f"{row['row']:<42}{old}{row['new']['cpu_s']:9.4g}{row['ratio']:8.3f}{row['target']:8.3f}"
        f"{row['new']['peak_MB']:8.0f} MB  {met}{memory}"
    )


def peers(path: Path | None) -> list[dict[str, Any]]:
    """What the benchmarks against other programs found, from the JSON of pytest-benchmark."""
    if path is None or not path.exists():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        {"name": one["name"], "median_s": one["stats"]["median"], **one["extra_info"]} for one in content["benchmarks"]
    ]


def _peer_lines(found: list[dict[str, Any]]) -> list[str]:
    """The table of the comparisons that have a target."""
    lines = [
        f"{one['peer']:<58}{one['ratio']:10.1f}{one['target']:10.1f}  {'met' if one['met'] else 'not met'}"
        for one in found
        if "target" in one
    ]
    return [f"{'times as fast as':<58}{'ratio':>10}{'target':>10}", *lines] if lines else []


def conditions() -> dict[str, Any]:
    """Versions, and the machine in general words."""
    packages = ("numpy", "scipy", "SimpleITK", "pydicom", "highdicom", "slicer-core")
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "cores": os.cpu_count(),
        "load_average_at_start": os.getloadavg()[0],
        "old_build": OLD,
    }


def main() -> int:
    """The table on the screen and in ``bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each row whose median is taken (default: 5)")
    parser.add_argument("--peers", type=Path, help="JSON of pytest-benchmark, to be gathered in the same file")
    parser.add_argument(
        "--whole-body", type=float, default=1.0, help="size of the whole-body patient, 0 for none (default: 1)"
    )
    parser.add_argument("--patients", type=int, default=PATIENTS, help=f"of the cohort (default: {PATIENTS})")
    parser.add_argument("--simulated", type=int, default=SIMULATED, help=f"through Dask (default: {SIMULATED})")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench.json"))
    chosen = parser.parse_args()
    facts = conditions()
    with tempfile.TemporaryDirectory(prefix="prrt_bench_") as folder:
        work = Path(folder)
        old = old_build(work)
        builds = [this_build(work)]
        if isinstance(old, str):
            print(f"SKIPPED, only this build is timed. {old}", file=sys.stderr)
        else:
            builds.append(old)
        print(f"{'CPU seconds, median of ' + str(chosen.rounds):<42}{'old':>9}{'new':>9}{'ratio':>8}{'target':>8}")
        rows = compared(builds, work, chosen.rounds, chosen.whole_body)
        print(f"{'cohorts, by the clock':<58}{'ratio':>10}{'target':>10}")
        cohorts = cohort_rows(builds[0], work / "cohort", chosen.patients, chosen.simulated)
    found = peers(chosen.peers)
    print("\n".join(_peer_lines(found)))
    content = {**facts, "rounds": chosen.rounds, "rows": rows, "cohorts": cohorts}
    content["peers"] = found
    part = chosen.output.with_name(chosen.output.name + ".part")
    part.write_text(json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(chosen.output)
    return 0


def _without_nan(content: Any) -> Any:
    """The same with null for what was not measured: JSON has no NaN."""
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


if __name__ == "__main__":
    sys.exit(main())
