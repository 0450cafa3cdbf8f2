"""A light stand-in for the run of one patient; worker processes import it, so it must not import much.

The case file says what happens: {"patient", "protocol", "left", "right", "cycle", "seconds", "fails"}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.measurements import Measurement, to_csv


def run_case(case_path: Path, folder: Path) -> None:
    case = json.loads(case_path.read_text())
    # One line per start, beside the cohort and outside of all input folders, counts who was run and how often.
    with (case_path.parents[2] / "started.txt").open("a") as stream:
        stream.write(f"{case['patient']}\n")
    folder.mkdir()
    print("measuring", case["patient"])
    print("process", os.getpid(), "threads", os.environ.get("OMP_NUM_THREADS"))
    (folder / "report.html").write_text("half")
    time.sleep(case.get("seconds", 0))
    if case.get("fails") == "error":
        raise PRRTError("The liver is missing: draw it.")
    if case.get("fails") == "crash":
        raise RuntimeError("an unforeseen\nfailure")
    if case.get("fails") == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if case.get("fails") == "nothing":
        return
    rows = []
    for side in ("left",) if case.get("fails") == "one lobe" else ("left", "right"):
        for n in (0, 1):
            visit = (case["patient"], case.get("cycle", 1), "24h", "SPECT")
            words = (*visit, f"{side}{n}", "target", side, f"{side}{n}", "tn_ratio")
            rows.append(Measurement(*words, case[side] * (1 + n / 10), "1"))
    (folder / "measurements.csv").write_text(to_csv(rows))
    (folder / "report.html").write_text(f"<p>{case['patient']}</p>")


if __name__ == "__main__":  # one run of a cohort; imported here, since each worker imports this file anew
    from builders.stub_cohort import make

    make(Path(sys.argv[1]), Path(sys.argv[2]))
