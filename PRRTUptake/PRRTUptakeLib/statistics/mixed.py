"""Mixed model of all lesions and cycles at once: every value counts, and patients with a missing cycle stay in."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.errors import ModelFitError, StatisticsError
from PRRTUptakeLib.statistics.paired_values import endpoint_rows, lesion_name, lobe_words, one_visit
from PRRTUptakeLib.statistics.reml import (
    NestedData,
    NestedFit,
    calibrated_rise,
    fit_nested,
    profile_interval,
    satterthwaite,
)
from PRRTUptakeLib.statistics.ties import log_ratios

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol


@dataclass(frozen=True)
class MixedModel:
    """Fit of log(value) ~ lobe + cycle with random effects of patient and of lobe within patient, by REML.

    ``gmr`` is the treated/control ratio. ``gmr_ci`` and ``p`` come from the t distribution with ``degrees``:
    Satterthwaite's, but no more than patients - 1, since few patients cannot show that lobes do not scatter. On
    balanced data they are those of the paired t-test of the patients' geometric means (``inference`` "paired t").
    ``gmr_ci_profile`` has the values that the likelihood, fitted anew in all else, does not exclude, with the rise of
    the deviance that gives Student's interval where data are balanced. ``cycle_ratios`` are against the first cycle.
    Standard deviations are those of logarithms: between patients, between lobes within a patient (0 where each lobe has
    one row), residual. ``reml_deviance`` is lme4's REML criterion of the natural logarithms; ``at_zero`` names the
    scatters whose best value is 0; ``converged`` says that the optimum was verified.
    """

    rows: int
    patients: int
    gmr: float
    gmr_ci: tuple[float, float]
    p: float
    degrees: float
    cycle_ratios: dict[str, float]
    sd_patient_log: float
    sd_lobe_log: float
    sd_residual_log: float
    converged: bool
    satterthwaite_degrees: float = math.nan
    gmr_ci_profile: tuple[float, float] = (math.nan, math.nan)
    reml_deviance: float = math.nan
    at_zero: tuple[str, ...] = ()
    inference: str = "Satterthwaite"


def fit_mixed_model(
    rows: Sequence[Measurement], protocol: Protocol, treated: Mapping[str, str] | None = None
) -> MixedModel:
    """Fit the model by restricted maximum likelihood to every target lesion in every cycle.

    On balanced data it reproduces the paired t-test of the geometric means, whether lobes scatter or not.

    Parameters
    ----------
    treated : treated lobe of each patient in the table's words; None for a table of treated and control, or blinded.

    Raises
    ------
    StatisticsError
        If fewer than two patients have both lobes, a value is not positive, or the values leave no residual.
    """
    everything, _ = endpoint_rows(rows, protocol)
    words = lobe_words(everything)
    chosen = _complete([row for row in everything if treated is None or row.patient in treated], words, protocol)
    patients = sorted({row.patient for row in chosen})
    if len(patients) < 2:
        raise StatisticsError(f"{len(patients)} patient(s) have both lobes, but the mixed model needs two or more.")
    for row in chosen:
        if row.value <= 0:
            raise StatisticsError(f"Patient {row.patient}, lesion {lesion_name(row)}: {row.value:g} is not positive.")
    chosen.sort(key=lambda row: (row.patient, row.lobe, row.cycle, lesion_name(row), row.visit, row.image))
    first = [row.lobe == (words[0] if treated is None else treated[row.patient]) for row in chosen]
    cycles = sorted({row.cycle for row in chosen})
    design = np.column_stack(
        [np.ones(len(chosen)), first, *([row.cycle == cycle for row in chosen] for cycle in cycles[1:])]
    ).astype(np.float64)
    groups, lobes = np.array([row.patient for row in chosen]), np.array([row.lobe for row in chosen])
    repeated = max(Counter(zip(groups.tolist(), lobes.tolist(), strict=True)).values()) > 1
    values = np.log([row.value for row in chosen])
    try:
        data = NestedData(values, design, groups, lobes, repeated)
        fitted = fit_nested(data)
    except ModelFitError as error:
        raise StatisticsError(f"The mixed model cannot be fitted to these data. {error}") from error
    paired = _paired_when_balanced(chosen, values, design[:, 1] > 0)
    return _result(data, fitted, (len(chosen), len(patients)), cycles, paired, protocol.endpoint.confidence)


def _paired_when_balanced(
    rows: Sequence[Measurement], values: np.ndarray, first: np.ndarray
) -> tuple[float, float] | None:
    """Effect and standard error of the paired test, if every patient has the same rows in each lobe and cycle.

    Then lobes within patients are a stratum of their own, and its test is exact whatever the variances are.
    """
    cells = Counter((row.patient, row.lobe, row.cycle) for row in rows)
    cycles, patients = {row.cycle for row in rows}, sorted({row.patient for row in rows})
    if len(set(cells.values())) > 1 or len(cells) != 2 * len(patients) * len(cycles):
        return None
    groups = np.array([row.patient for row in rows])
    means = [[math.exp(values[(groups == patient) & side].mean()) for side in (first, ~first)] for patient in patients]
    logs, _ = log_ratios(*np.array(means).T)
    return float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(logs.size)


def _complete(rows: Sequence[Measurement], words: tuple[str, str], protocol: Protocol) -> list[Measurement]:
    """Keep the protocol's visit of each cycle, and patients with both lobes."""
    visits: dict[tuple[str, int], list[Measurement]] = defaultdict(list)
    for row in rows:
        if row.lobe in words:
            visits[row.patient, row.cycle].append(row)
    kept = [row for visit in visits.values() for row in one_visit(visit, protocol)]
    sides = {(row.patient, row.lobe) for row in kept}
    return [row for row in kept if all((row.patient, word) in sides for word in words)]


def _result(
    data: NestedData,
    fitted: NestedFit,
    sizes: tuple[int, int],
    cycles: Sequence[int],
    paired: tuple[float, float] | None,
    confidence: float,
) -> MixedModel:
    rows, patients = sizes
    effect, error = float(fitted.coefficients[1]), math.sqrt(float(fitted.covariance[1, 1]))
    free = satterthwaite(data, fitted, 1)
    degrees = min(free, patients - 1.0)
    if paired is not None:
        (effect, error), degrees = paired, patients - 1.0
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * error
    low, high = profile_interval(data, 1, calibrated_rise(confidence, degrees))
    scatters = {"between patients": fitted.sd_outer}
    if data.with_inner:
        scatters["between lobes"] = fitted.sd_inner
    return MixedModel(
        rows=rows,
        patients=patients,
        gmr=math.exp(effect),
        gmr_ci=(math.exp(effect - reach), math.exp(effect + reach)) if error > 0 else (math.nan, math.nan),
        p=float(2 * stats.t.sf(abs(effect) / error, degrees)) if error > 0 else math.nan,
        degrees=degrees,
        cycle_ratios={str(cycle): math.exp(fitted.coefficients[2 + n]) for n, cycle in enumerate(cycles[1:])},
        sd_patient_log=fitted.sd_outer,
        sd_lobe_log=fitted.sd_inner,
        sd_residual_log=fitted.sd_residual,
        converged=fitted.converged,
        satterthwaite_degrees=free,
        gmr_ci_profile=(math.exp(low), math.exp(high)),
        reml_deviance=fitted.deviance,
        at_zero=tuple(name for name, sd in scatters.items() if sd == 0),
        inference="Satterthwaite" if paired is None else "paired t",
    )
