"""Cohorts: real patients by one worker and by two, and 2,000 simulated patients through Dask, killed and resumed.

On an idle machine with two cores::

    python Testing/Benchmarks/cohort.py                        # 27 patients with four SPECT/CT each, 2,000 through Dask
    python Testing/Benchmarks/cohort.py --patients 4           # the short form
    python Testing/Benchmarks/cohort.py --only dask --simulated 400

``bench_against_old.py`` (``make bench``) runs it whole and puts its rows into ``bench.json``. The patients are copies
of one synthetic patient under other names and UIDs. The speed-up is by the clock, so that others on the machine spoil
it; beside it is what CPU seconds alone would allow. A simulated patient sleeps for 50 ms, so that 8 workers ideally
need patients x 50 ms / 8; the run is timed from the first patient given out to the last result, and then the whole
command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import ROOT, Build, this_build

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENTS, SIMULATED, STUB_S, DASK_WORKERS = 27, 2000, 0.05, 8
SPEED_UP, MOST_MB, MOST_OVERHEAD, MOST_GROWTH = 1.85, 800.0, 0.10, 1.10
_UID_PART = b".3680043."  # in every UID of the synthetic patients; each copy has digits of its own instead
_PATHS = [str(ROOT / part) for part in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]


def _row(name: str, value: float, target: float, met: bool, **more: Any) -> dict[str, Any]:
    """One line of the table, which is printed at once."""
    print(f"{name:<58}{value:10.3f}{target:10.3f}  {'met' if met else 'not met'}", flush=True)
    return {"row": name, "ratio": value, "target": target, "met": met, **more}


def copies(case: Path, place: Path, count: int) -> Path:
    """``count`` patients made from one: its files with other UIDs, its case file with another name."""
    content = json.loads(case.read_text(encoding="utf-8"))
    for number in range(count):
        folder = place / f"P{number:03d}"
        own = f".368{number:04d}.".encode()
        for path in sorted(case.parent.rglob("*")):
            target = folder / path.relative_to(case.parent)
            if path.is_dir() or path.name in (case.name, "truth.json"):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if "DICOM" in path.parts:
                target.write_bytes(path.read_bytes().replace(_UID_PART, own))
            else:
                shutil.copyfile(path, target)
        named = {**content, "patient": folder.name}
        (folder / case.name).write_text(json.dumps(named), encoding="utf-8")
    return place


def real_rows(build: Build, work: Path, patients: int) -> list[dict[str, Any]]:
    """The same patients by one worker and by two: seconds by the clock, CPU seconds, peak memory of a worker."""
    build.cost("demo", "-o", work / "serial", "--kind", "serial")
    cases = copies(work / "serial" / "patient" / "case.json", work / "cases", patients)
    found = {}
    for workers in (1, 2):
        start = time.monotonic()
        cost = build.cost("cohort", cases, "-o", work / f"by_{workers}", "--workers", workers)
        found[workers] = (time.monotonic() - start, cost)
    tables = [(work / f"by_{workers}" / "measurements.csv").read_bytes() for workers in (1, 2)]
    (one_s, one), (two_s, two) = found[1], found[2]
    name, by_cpu = f"cohort of {patients} x 4 SPECT/CT, 2 workers", 2.0 * one.cpu_s / two.cpu_s
    facts = {
        "one_worker_s": one_s,
        "two_workers_s": two_s,
        "one_worker_cpu_s": one.cpu_s,
        "two_workers_cpu_s": two.cpu_s,
    }
    print(f"  one worker {one_s:.1f} s ({one.cpu_s:.1f} CPU s), two {two_s:.1f} s ({two.cpu_s:.1f} CPU s)")
    alike = tables[0] == tables[1]
    print(f"  CPU seconds alone would allow {by_cpu:.3f}; tables are {'the same' if alike else 'NOT the same'}")
    speed_up = one_s / two_s
    return [
        _row(f"{name}: times as fast as one", speed_up, SPEED_UP, speed_up >= SPEED_UP, allowed_by_cpu=by_cpu, **facts),
        _row(f"{name}: peak memory, MB", two.peak_MB, MOST_MB, two.peak_MB < MOST_MB, same_tables=alike),
    ]


@contextmanager
def cluster(work: Path, workers: int) -> Iterator[tuple[str, list[int]]]:
    """A Dask scheduler and workers as processes; its address and the processes' numbers, the scheduler's first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS), "OMP_NUM_THREADS": "1"}
    # Dask keeps its last 100,000 events; kept short, so that what grows would be of the patients held. Its workers look
    # at themselves a hundred times a second, which is most of the CPU time of eight on two cores.
    environment["DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH"] = "1000"
    environment["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"
    file, log = work / "scheduler.json", (work / "cluster.log").open("w", encoding="utf-8")
    how: dict[str, Any] = {"env": environment, "stdout": log, "stderr": log, "cwd": work}
    python = [sys.executable, "-m"]
    settings = ["--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    started = [subprocess.Popen([*python, "distributed.cli.dask_scheduler", *settings], **how)]
    try:
        _wait_until(file.exists, 60)
        settings = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        settings += ["--local-directory", str(work), "--scheduler-file", str(file)]
        for _ in range(workers):
            started.append(subprocess.Popen([*python, "distributed.cli.dask_worker", *settings], **how))
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        _wait_for_workers(address, workers)
        yield address, [process.pid for process in started]
    finally:
        for process in reversed(started):  # at once: a worker that is asked to end looks for its scheduler first
            process.kill()
            process.wait()
        log.close()


def _wait_for_workers(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)
        client.run(__import__, "builders.stub_runner")  # what a worker that runs already has imported


def _wait_until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited without success")
        time.sleep(0.02)


def memory_MB(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024.0


def cpu_s(pids: list[int]) -> float:
    """User and system seconds of processes that run (Linux)."""
    found = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _start_simulated(cases: Path, output: Path, address: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*_PATHS, str(Path(__file__).parent)])}
    command = [sys.executable, __file__, "--simulate", str(cases), str(output), address]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def simulate(cases: Path, output: Path, address: str) -> int:
    """In a process of its own: the command over simulated patients; seconds of the work on the cluster, and in all."""
    from builders.stub_runner import run_case
    from PRRTUptakeLib.export import cohort_output
    from PRRTUptakeLib.study.cohort import workers
    from PRRTUptakeLib.study.cohort.analysis import Options

    on_cluster, function = [], f"{run_case.__module__}:{run_case.__name__}"
    in_batches = workers._in_batches

    def timed(*arguments: Any) -> Any:
        start, cpu = time.monotonic(), time.process_time()
        yield from in_batches(*arguments)
        on_cluster.extend((time.monotonic() - start, time.process_time() - cpu))

    workers._in_batches = timed
    start = time.monotonic()
    made = cohort_output.make_cohort(cases, output, function, Options(""), cohort_output.Machines(1, address))
    failed = sum(bool(one.reason) for one in made.outcomes)
    facts = {
        "cluster_s": on_cluster[0],
        "client_cpu_s": on_cluster[1],
        "whole_s": time.monotonic() - start,
        "failed": failed,
    }
    print(json.dumps({**facts, "reused": sum(one.reused for one in made.outcomes)}))
    return 0


def _watched(
    process: subprocess.Popen[str], cases: Path, scheduler: int, count: int
) -> tuple[dict[str, Any], list[float]]:
    """What a run reports, and the scheduler's memory with a tenth, a half and nine tenths of the patients begun."""
    memory: list[float] = []
    while process.poll() is None:
        if len(memory) < 3 and _begun(cases) >= (0.1, 0.5, 0.9)[len(memory)] * count:
            memory.append(memory_MB(scheduler))
        time.sleep(0.1)
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"The cohort of simulated patients ended with status {process.returncode}.")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found, memory


def _started(cases: Path) -> list[str]:
    log = cases.parent / "started.txt"
    return log.read_text(encoding="utf-8").split() if log.exists() else []


def _begun(cases: Path) -> int:
    return len(_started(cases))


def simulated_rows(work: Path, count: int) -> list[dict[str, Any]]:
    """Simulated patients through Dask: overhead, the scheduler's memory, and a kill at half with a resumption."""
    from builders.stub_cohort import write_cases

    work.mkdir(parents=True, exist_ok=True)
    cases = write_cases(work, count, seconds=STUB_S)
    ideal_s = count * STUB_S / DASK_WORKERS
    with cluster(work, DASK_WORKERS) as (address, pids):
        before = cpu_s(pids)
        found, memory = _watched(_start_simulated(cases, work / "out", address), cases, pids[0], count)
        cluster_ms = 1e3 * (cpu_s(pids) - before) / count
        resumed, counted, at_kill = _killed_and_resumed(cases, work / "again", address, count)
    overhead = found["cluster_s"] / ideal_s - 1.0
    growth = memory[-1] / memory[0]
    print(
        f"  ideally {ideal_s:.2f} s, on the cluster {found['cluster_s']:.2f} s, whole command {found['whole_s']:.2f} s"
    )
    client_ms = 1e3 * found["client_cpu_s"] / count
    print(f"  CPU time of a patient: {cluster_ms:.1f} ms on the cluster, {client_ms:.1f} ms of the command's share")
    print(f"  memory of the scheduler at 10, 50 and 90 %: {', '.join(f'{one:.0f}' for one in memory)} MB")
    twice, missing = sum(n > 1 for n in counted.values()), count - len(counted)
    print(f"  killed with {at_kill} begun; then {resumed['reused']} reused, {twice} begun twice, {missing} missing")
    name = f"{count} simulated patients through Dask"
    right = not (twice or missing or found["failed"] or resumed["failed"])
    return [
        _row(
            f"{name}: overhead",
            overhead,
            MOST_OVERHEAD,
            overhead < MOST_OVERHEAD,
            ideal_s=ideal_s,
            cpu_ms=cluster_ms,
            **found,
        ),
        _row(f"{name}: scheduler, 90 % over 10 %", growth, MOST_GROWTH, growth < MOST_GROWTH, memory_MB=memory),
        _row(f"{name}: resumed, twice or missing", float(twice + missing), 0.0, right, at_kill=at_kill, **resumed),
    ]


def _killed_and_resumed(
    cases: Path, output: Path, address: str, count: int
) -> tuple[dict[str, Any], Counter[str], int]:
    """A run killed when half of the patients were begun, and the same command again."""
    (cases.parent / "started.txt").unlink()
    process = _start_simulated(cases, output, address)
    _wait_until(lambda: _begun(cases) >= count / 2, 60 + 4 * count * STUB_S)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    at_kill = _begun(cases)
    resumed, _ = _watched(_start_simulated(cases, output, address), cases, os.getpid(), count)
    return resumed, Counter(_started(cases)), at_kill


def cohort_rows(build: Build, work: Path, patients: int, simulated: int) -> list[dict[str, Any]]:
    """All rows, 0 patients leave a part out."""
    sys.path[:0] = [path for path in _PATHS if path not in sys.path]
    rows = real_rows(build, work / "real", patients) if patients else []
    if not simulated:
        return rows
    try:
        import distributed  # noqa: F401
    except ImportError:
        print("SKIPPED, the package distributed is missing: pip install '.[distributed]'", file=sys.stderr)
        return rows
    return rows + simulated_rows(work / "simulated", simulated)


def main() -> int:
    """The rows on the screen, and in a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=PATIENTS, help="real ones (default: 27)")
    parser.add_argument("--simulated", type=int, default=SIMULATED, help="through Dask (default: 2000)")
    parser.add_argument("--only", choices=("real", "dask"), help="one part")
    parser.add_argument("--simulate", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, help="JSON file of the rows")
    chosen = parser.parse_args()
    if chosen.simulate:
        cases, output, address = chosen.simulate
        return simulate(Path(cases), Path(output), address)
    with tempfile.TemporaryDirectory(prefix="prrt_cohort_") as folder:
        work = Path(folder)
        counts = (chosen.patients * (chosen.only != "dask"), chosen.simulated * (chosen.only != "real"))
        rows = cohort_rows(this_build(work), work, *counts)
    if chosen.output:
        chosen.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
