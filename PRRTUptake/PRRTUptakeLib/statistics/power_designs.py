"""Power beyond one pair per patient: lesions in lobes, the gate of a trial, the mixed model, and tables of sizes."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.errors import ModelFitError, StatisticsError
from PRRTUptakeLib.statistics.power import sample_size
from PRRTUptakeLib.statistics.reml import NestedData, fit_nested, satterthwaite
from PRRTUptakeLib.statistics.ties import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.protocol import RepeatabilityRules


def clustered_sd_log(sd_patient_log: float, sd_lesion_log: float, lesions: Sequence[int] | int) -> float:
    """Standard deviation of a patient's log ratio of lobes, each the geometric mean of its lesions.

    sqrt(sd_patient^2 + 2 sd_lesion^2 / m), with the harmonic mean of the numbers where they differ: what more lesions
    can gain ends at the scatter between patients.

    Parameters
    ----------
    sd_patient_log : of the patients' true log ratios.
    sd_lesion_log : of single lesions about their lobe.
    lesions : per lobe, one number or those expected.

    Raises
    ------
    StatisticsError
        If a value is impossible.

    Examples
    --------
    >>> [round(clustered_sd_log(0.3, 0.4, m), 3) for m in (1, 3, 100)]
    [0.64, 0.443, 0.305]
    """
    numbers = np.atleast_1d(np.asarray(lesions, dtype=np.float64))
    if not (numbers >= 1).all() or not min(sd_patient_log, sd_lesion_log) >= 0:
        raise StatisticsError("Lesions per lobe must be 1 or more, and standard deviations 0 or more.")
    return math.hypot(sd_patient_log, math.sqrt(2.0 * float(np.mean(1.0 / numbers))) * sd_lesion_log)


@dataclass(frozen=True)
class GatePower:
    """What a gate does with a patient whose true ratio is ``ratio``.

    ``passes`` is the probability that the measured value reaches the threshold; ``certain`` that it does by more than
    its 95 % interval, and ``refused`` that it stays below by more than that.
    """

    ratio: float
    threshold: float
    passes: float
    certain: float
    refused: float


def gate_power(
    ratio: float,
    threshold: float,
    repeatability: RepeatabilityRules,
    lesions: int = 5,
    aggregation: str = "arithmetic-mean",
    samples: int = 100_000,
    seed: int = 0,
) -> GatePower:
    """Probability that a patient passes a gate such as "enhancement ratio of 3 or more".

    Each SUV repeats with the coefficient of variation of the protocol, so the log of a lesion's ratio errs by
    sqrt(2 ln(1 + w^2)), of which lesions of one scan share a part.

    Parameters
    ----------
    ratio : true ratio of every lesion.
    lesions : per patient.
    aggregation : arithmetic-mean, geometric-mean or median.

    Raises
    ------
    StatisticsError
        For an impossible value.

    Examples
    --------
    >>> from PRRTUptakeLib.study.protocol import RepeatabilityRules
    >>> rules = RepeatabilityRules(within_subject_cv=0.1, correlation_between_lesions=0.5)
    >>> gate_power(3.0, 3.0, rules, aggregation="geometric-mean").passes
    0.5
    """
    if not (ratio > 0 and threshold > 0 and lesions >= 1):
        raise StatisticsError("Ratio, threshold and number of lesions of a gate must be above 0.")
    sd, shared = (
        math.sqrt(2.0 * math.log1p(repeatability.within_subject_cv**2)),
        (repeatability.correlation_between_lesions),
    )
    whole = sd * math.sqrt(shared + (1.0 - shared) / lesions)
    if aggregation == "geometric-mean":
        return _gate_on_logs(ratio, threshold, whole)
    if aggregation not in ("arithmetic-mean", "median"):
        raise StatisticsError(f"The aggregation '{aggregation}' of a gate is unknown.")
    rng = np.random.default_rng(seed)
    noise = math.sqrt(shared) * rng.standard_normal((samples, 1))
    noise = noise + math.sqrt(1.0 - shared) * rng.standard_normal((samples, lesions))
    centre = np.mean if aggregation == "arithmetic-mean" else np.median
    values = ratio * centre(np.exp(sd * noise), axis=1)
    low, high = np.quantile(values / ratio, [0.025, 0.975])
    return GatePower(
        ratio,
        threshold,
        float(np.mean(at_least(values, threshold))),
        float(np.mean(at_least(values / high, threshold))),
        float(np.mean(~at_least(values / low, threshold))),
    )


def _gate_on_logs(ratio: float, threshold: float, sd: float) -> GatePower:
    if sd == 0:
        passes = float(at_least(ratio, threshold))
        return GatePower(ratio, threshold, passes, passes, 1.0 - passes)
    z, reach = math.log(ratio / threshold) / sd, float(stats.norm.ppf(0.975))
    return GatePower(
        ratio, threshold, float(stats.norm.cdf(z)), float(stats.norm.cdf(z - reach)), float(stats.norm.cdf(-z - reach))
    )


@dataclass(frozen=True, kw_only=True)
class MixedDesign:
    """A trial to simulate; ``missing`` is the share of values without a measurement, scatter is that of logarithms."""

    patients: int
    lesions: int
    ratio: float
    sd_patient_log: float
    sd_lobe_log: float
    sd_residual_log: float
    cycles: int = 1
    missing: float = 0.0

    @classmethod
    def of_log_ratios(cls, sd_log: float, *, sd_lesion_log: float, **design: Any) -> MixedDesign:
        """From the standard deviation of the patients' log ratios, each the difference of two lobes.

        What patients differ by cancels within them, so that one standard deviation of it does for all: 0.5.
        """
        return cls(sd_patient_log=0.5, sd_lobe_log=sd_log / math.sqrt(2.0), sd_residual_log=sd_lesion_log, **design)


@dataclass(frozen=True)
class SimulatedPower:
    """Share of simulated trials with p below the level, its standard error, and how many could be analysed."""

    power: float
    standard_error: float
    trials: int


def mixed_power(design: MixedDesign, trials: int = 500, seed: int = 0, alpha: float = 0.05) -> SimulatedPower:
    """Power of the mixed model (`mixed.fit_mixed_model`) by simulation.

    Raises
    ------
    StatisticsError
        For an impossible design, or if no simulated trial can be analysed.
    """
    if min(design.patients - 1, design.lesions, design.cycles, trials) < 1 or not 0 <= design.missing < 1:
        raise StatisticsError("A design needs two patients, one lesion, one cycle and one trial or more, and data.")
    rng, found = np.random.default_rng(seed), []
    for _ in range(trials):
        p = _simulated_p(design, rng)
        if math.isfinite(p):
            found.append(p < alpha)
    if not found:
        raise StatisticsError("No simulated trial can be analysed: lower the share of missing values.")
    power = float(np.mean(found))
    return SimulatedPower(power, math.sqrt(power * (1 - power) / len(found)), len(found))


def _simulated_p(design: MixedDesign, rng: np.random.Generator) -> float:
    shape = (design.patients, 2, design.lesions, design.cycles)
    treated = np.broadcast_to(np.array([1.0, 0.0])[None, :, None, None], shape)
    values = design.sd_patient_log * rng.standard_normal((shape[0], 1, 1, 1))
    values = values + design.sd_lobe_log * rng.standard_normal((*shape[:2], 1, 1)) + treated * math.log(design.ratio)
    values = values + design.sd_residual_log * rng.standard_normal(shape)
    kept = np.asarray(rng.random(shape) >= design.missing)
    counts = kept.sum(axis=(2, 3))
    kept &= (counts.min(axis=1) > 0)[:, None, None, None]  # both lobes of a patient
    patient, lobe, _, cycle = np.nonzero(kept)
    patients = int(np.unique(patient).size)
    if patients < 2:
        return math.nan
    cycles = [(cycle == n).astype(float) for n in np.unique(cycle)[1:]]
    columns = np.column_stack([np.ones(patient.size), treated[kept], *cycles])
    repeated = patient.size > 2 * patients
    try:
        data = NestedData(values[kept], columns, patient, lobe, repeated)
        fit = fit_nested(data)
    except ModelFitError:
        return math.nan
    error = math.sqrt(float(fit.covariance[1, 1]))
    degrees = min(satterthwaite(data, fit, 1), patients - 1.0)
    return float(2.0 * stats.t.sf(abs(float(fit.coefficients[1])) / error, degrees))


def sample_size_table(
    sd_logs: Sequence[float], ratios: Sequence[float], powers: Sequence[float] = (0.8, 0.9), alpha: float = 0.05
) -> str:
    """Patients needed, as CSV: one row per standard deviation and power, one column per ratio.

    Examples
    --------
    >>> print(sample_size_table([0.398], [1.17, 1.3], [0.8]), end="")
    sd_log,power,ratio 1.17,ratio 1.3
    0.398,0.8,53,21
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["sd_log", "power", *(f"ratio {ratio:g}" for ratio in ratios)])
    for sd_log in sd_logs:
        for power in powers:
            writer.writerow([f"{sd_log:g}", f"{power:g}", *(sample_size(sd_log, one, power, alpha) for one in ratios)])
    return out.getvalue()
