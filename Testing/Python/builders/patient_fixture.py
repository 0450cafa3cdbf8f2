"""One synthetic patient measured once per process, for the tests of what is made from its result."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PRRTUptakeLib.mrml.run import run_case
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient

PLANS = [LesionPlan(40.0, "left", 1.1), LesionPlan(36.0, "right", 1.0), LesionPlan(22.0, "none", 1.0)]
_KEPT: list[TemporaryDirectory] = []


@cache
def measured_patient():
    """Case file and outcome; the files live as long as the process."""
    _KEPT.append(TemporaryDirectory(prefix="prrt-patient-"))
    folder = Path(_KEPT[-1].name)
    patient = synthetic_patient(7, lesions=PLANS, treated_lobe="left", gain=1.5)
    case = write_synthetic_lutia(folder / "patient", seed=7, patient=patient, noise=False)
    return case, run_case(case, folder / "results", dicom=True).result
