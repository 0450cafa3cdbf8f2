"""A synthetic patient of two cycles, made and measured once per process.

Cycle 1 at two times; cycle 2 at 24 h, the same images as cycle 1 at 24 h; follow-up by CT alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PRRTDosimetryLib.dosimetry.cycle import add_doses
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.mrml.run import run_case
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial

from builders.another_scan import another_scan

SEED = 2
TIMES_h = (24.0, 96.0)
_KEPT: list[TemporaryDirectory] = []


@cache
def made():
    """Its folder and the result with doses; the files live as long as the process."""
    _KEPT.append(TemporaryDirectory(prefix="prrt-cycles-"))
    folder = Path(_KEPT[-1].name)
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
    return folder, run_case(folder / "patient" / "case.json", folder / "out", extensions=[add_doses]).result


def measured():
    """The case before doses were added, its rows left out."""
    return replace(made()[1], parts=(), measured_rows=(), measured_warnings=())


def values(outcome, metric, cycle):
    return {row.region: row.value for row in outcome.rows if row.metric == metric and row.cycle == cycle}


def changed(outcome, change, cycles=(1, 2), **dosimetry_settings):
    visits = tuple(change(one) if one.labels.cycle in cycles else one for one in outcome.visits)
    case = replace(outcome.input, dosimetry=dosimetry_settings)
    return add_doses(replace(outcome, visits=visits, input=case))
