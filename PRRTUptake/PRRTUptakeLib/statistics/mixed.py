"""Mixed model of all lesions and cycles at once; statsmodels fits it (optional)."""

from __future__ import annotations

import math
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.paired_values import endpoint_rows, lesion_name, lobe_words, one_visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol


class MixedModelError(PRRTError):
    """The mixed model cannot be fitted."""


@dataclass(frozen=True)
class MixedModel:
    """Fit of log(value) ~ lobe + cycle with random effects of patient and of lobe within patient.

    ``gmr`` is the treated/control ratio with ``gmr_ci`` and ``p``, by the t distribution with ``degrees`` = patients
    - 1 (the stratum of lobes within patients); ``cycle_ratios`` are against the first cycle. Standard deviations are
    those of logarithms: between patients, between lobes within a patient (0 where each lobe has one row), residual.
    """

    rows: int
    patients: int
    gmr: float
    gmr_ci: tuple[float, float]
    p: float
    degrees: int
    cycle_ratios: dict[str, float]
    sd_patient_log: float
    sd_lobe_log: float
    sd_residual_log: float
    converged: bool


def fit_mixed_model(
    rows: Sequence[Measurement], protocol: Protocol, treated: Mapping[str, str] | None = None
) -> MixedModel:
    """Fit the model by restricted maximum likelihood to every target lesion in every cycle.

    On balanced data, with scatter between lobes, it reproduces the paired t-test of the geometric means.

    Parameters
    ----------
    treated : treated lobe of each patient in the table's words; None for a table of treated and control, or blinded.

    Raises
    ------
    MixedModelError
        If statsmodels is missing, fewer than two patients have both lobes, a value is not positive, or nothing fits.
    """
    everything, _ = endpoint_rows(rows, protocol)
    words = lobe_words(everything)
    chosen = _complete([row for row in everything if treated is None or row.patient in treated], words, protocol)
    patients = sorted({row.patient for row in chosen})
    if len(patients) < 2:
        raise MixedModelError(f"{len(patients)} patient(s) have both lobes, but the mixed model needs two or more.")
    for row in chosen:
        if row.value <= 0:
            raise MixedModelError(f"Patient {row.patient}, lesion {lesion_name(row)}: {row.value:g} is not positive.")
    chosen.sort(key=lambda row: (row.patient, row.lobe, row.cycle, lesion_name(row), row.visit, row.image))
    first = [row.lobe == (words[0] if treated is None else treated[row.patient]) for row in chosen]
    cycles = sorted({row.cycle for row in chosen})
    design = np.column_stack(
        [np.ones(len(chosen)), first, *([row.cycle == cycle for row in chosen] for cycle in cycles[1:])]
    ).astype(np.float64)
    groups = np.array([row.patient for row in chosen])
    lobes = np.array([row.lobe for row in chosen])
    repeated = max(Counter(zip(groups.tolist(), lobes.tolist(), strict=True)).values()) > 1
    fitted = _fit(np.log([row.value for row in chosen]), design, groups, lobes, repeated)
    return _result(fitted, len(chosen), len(patients), cycles, repeated, protocol.endpoint.confidence)


def _complete(rows: Sequence[Measurement], words: tuple[str, str], protocol: Protocol) -> list[Measurement]:
    """Keep the protocol's visit of each cycle, and patients with both lobes."""
    visits: dict[tuple[str, int], list[Measurement]] = defaultdict(list)
    for row in rows:
        if row.lobe in words:
            visits[row.patient, row.cycle].append(row)
    kept = [row for visit in visits.values() for row in one_visit(visit, protocol)]
    sides = {(row.patient, row.lobe) for row in kept}
    return [row for row in kept if all((row.patient, word) in sides for word in words)]


def _fit(values: np.ndarray, design: np.ndarray, groups: np.ndarray, lobes: np.ndarray, repeated: bool) -> Any:
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError as error:
        raise MixedModelError(
            "The mixed model needs the package statsmodels: install slicerprrt[statistics]."
        ) from error
    components = None
    if repeated:  # with one row per lobe, scatter between lobes is the residual
        members = [groups == patient for patient in sorted(set(groups.tolist()))]
        kinds = sorted(set(lobes.tolist()))
        matrices = [np.column_stack([lobes[mine] == kind for kind in kinds]).astype(float) for mine in members]
        components = VCSpec(["lobe"], [[list(kinds)] * len(members)], [matrices])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is reported in the result
        try:
            model = MixedLM(values, design, groups, exog_re=np.ones((values.size, 1)), exog_vc=components)
            return model.fit(reml=True, method=["bfgs", "lbfgs", "powell"])
        except (np.linalg.LinAlgError, ValueError) as error:
            raise MixedModelError(f"The mixed model cannot be fitted to these data ({error}).") from error


def _result(
    fitted: Any, rows: int, patients: int, cycles: Sequence[int], repeated: bool, confidence: float
) -> MixedModel:
    effect, error = float(fitted.fe_params[1]), float(fitted.bse_fe[1])
    degrees = patients - 1
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * error
    return MixedModel(
        rows=rows,
        patients=patients,
        gmr=math.exp(effect),
        gmr_ci=(math.exp(effect - reach), math.exp(effect + reach)),
        p=float(2 * stats.t.sf(abs(effect) / error, degrees)) if error > 0 else math.nan,
        degrees=degrees,
        cycle_ratios={str(cycle): math.exp(float(fitted.fe_params[2 + n])) for n, cycle in enumerate(cycles[1:])},
        sd_patient_log=math.sqrt(max(0.0, float(fitted.cov_re[0, 0]))),
        sd_lobe_log=math.sqrt(max(0.0, float(fitted.vcomp[0]))) if repeated else 0.0,
        sd_residual_log=math.sqrt(float(fitted.scale)),
        converged=bool(fitted.converged),
    )
