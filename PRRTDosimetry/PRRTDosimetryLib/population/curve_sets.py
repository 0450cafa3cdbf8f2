"""Curves of many patients as arrays: what a population is made from, and what one patient brings to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.segmentation.label_matching import recognise_one

from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.hierarchy import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.population.kind_model import Covariate

_STRUCTURES = {"kidney_left": "kidney", "kidney_right": "kidney", "kidneys": "kidney", "kidney": "kidney"}
_PLAIN = {"kidney": "kidney", "kidneys": "kidney", "tumour": "lesion", "tumor": "lesion", "lesion": "lesion"}


@dataclass(frozen=True)
class PatientCurve:
    """One region in one cycle of one patient.

    Attributes
    ----------
    patient, region, cycle : whose.
    kind : one of `courses.KINDS`.
    curve : decayed activities.
    administered_MBq : by which amplitudes are divided; 1 where the population is in MBq.
    covariates : such as egfr, by name.
    """

    patient: str
    region: str
    cycle: int
    kind: str
    curve: Curve
    administered_MBq: float = 1.0
    covariates: Mapping[str, float] = field(default_factory=dict)

    @property
    def usable(self) -> np.ndarray:
        """Which points have a logarithm: activities above 0, after the injection."""
        return (np.array(self.curve.activity_MBq) > 0) & (np.array(self.curve.time_h) > 0)


def kind_of(region: str) -> str:
    """The kind of a region by its name, "" if it is none with a population.

    Examples
    --------
    >>> [kind_of(name) for name in ("Kidney_Left", "Milz", "Liver", "L1", "vertebrae_L2", "Blood", "kidney")]
    ['kidney', 'spleen', 'liver', 'lesion', 'marrow', '', 'kidney']
    """
    plain = _PLAIN.get(region.strip().lower().rstrip("0123456789 _-"), "")
    structure = recognise_one(region).structure
    if not structure:
        return plain
    if structure in _STRUCTURES:
        return _STRUCTURES[structure]
    if "lesion" in structure:
        return "lesion"
    if structure in ("spleen", "liver"):
        return structure
    return "marrow" if structure.startswith(("vertebra", "marrow", "bone_marrow")) else plain


def grouped(curves: Sequence[PatientCurve], covariates: Sequence[Covariate] = ()) -> list[Group]:
    """Patients with the same number of curves together, as arrays.

    Parameters
    ----------
    curves : of one kind; a patient's curves may be anywhere in the list.
    covariates : which of the curves' covariates count; a missing one counts as its mean.
    """
    patients: dict[str, list[PatientCurve]] = {}
    for one in curves:
        patients.setdefault(one.patient, []).append(one)
    names = list(patients)
    sizes = sorted({len(own) for own in patients.values()})
    points = max((len(one.curve.time_h) for one in curves), default=1)
    groups = []
    for size in sizes:
        chosen = [name for name in names if len(patients[name]) == size]
        groups.append(_group([patients[name] for name in chosen], points, covariates, [names.index(n) for n in chosen]))
    return groups


def _group(
    patients: Sequence[Sequence[PatientCurve]], points: int, covariates: Sequence[Covariate], numbers: Sequence[int]
) -> Group:
    shape = (len(patients), len(patients[0]), points)
    time, log_activity, u_log = np.ones(shape), np.zeros(shape), np.zeros(shape)
    used = np.zeros(shape, dtype=bool)
    values = np.zeros((*shape[:2], len(covariates)))
    same = np.zeros((*shape[:2], shape[1]))
    for p, own in enumerate(patients):
        regions = np.array([one.region for one in own])
        same[p] = regions[:, None] == regions[None, :]
        for c, one in enumerate(own):
            n = len(one.curve.time_h)
            there = one.usable
            activity = np.where(there, one.curve.activity_MBq, 1.0)
            time[p, c, :n] = np.where(there, one.curve.time_h, 1.0)
            log_activity[p, c, :n] = np.log(activity / one.administered_MBq)
            if one.curve.u_activity_MBq:
                u_log[p, c, :n] = np.array(one.curve.u_activity_MBq) / activity
            used[p, c, :n] = there
            values[p, c] = [(one.covariates.get(x.name, x.mean) - x.mean) / x.sd for x in covariates]
    return Group(time, log_activity, u_log, used, same, values, tuple(numbers))


def check_covariate(name: str, value: float) -> None:
    """Refuse a covariate that is no number.

    Raises
    ------
    PopulationError
        Naming it.
    """
    if not math.isfinite(value):
        raise PopulationError(f"The covariate {name} is {value:g}, but must be a finite number.")
