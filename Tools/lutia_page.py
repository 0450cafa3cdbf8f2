# ruff: noqa: E501 (lines of the page)
"""Make Docs/lutia.md and its figure: 27 pairs that give all figures published of LUTIA at once.

The pairs are no patients'. Control values and ratios are log-normal, and three numbers (level, scatter of the control,
correlation of log control with log ratio) are solved for so that the published means and p-values come out. Of the seeds
for which 18 of 27 ratios exceed 1, the one with the median correlation is shown. Run it from the repository: ``python Tools/lutia_page.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PRRTUptakeLib.report.plots import level_plot
from PRRTUptakeLib.statistics.paired import PairedComparison, compare_pairs
from PRRTUptakeLib.statistics.scales import ScaleConflict, scale_conflict
from scipy import optimize, stats

DOCS = Path(__file__).resolve().parents[1] / "Docs"
SEEDS = 400
PATIENTS, RESPONDERS, GMR, P_LOG, P_RAW = 27, 18, 1.17, 0.050, 0.299
MEANS = (17.4, 16.2)  # treated, control


@dataclass(frozen=True, eq=False)
class Pairs:
    """T/N of both lobes, shape (27,), and the seed that they come from."""

    treated: np.ndarray
    control: np.ndarray
    seed: int


def reconstructed() -> tuple[Pairs, tuple[float, float, float]]:
    """The pairs whose correlation is the median of all that fit, and the least, median and greatest of these.

    Values are rounded to two decimals, as a table would print them.
    """
    found = []
    for seed in range(SEEDS):
        treated, control = _solved(seed)
        if int(np.sum(treated > control)) == RESPONDERS and _fits(treated, control):
            correlation = float(np.corrcoef(np.log(control), np.log(treated / control))[0, 1])
            found.append((correlation, Pairs(treated, control, seed)))
    found.sort(key=lambda one: one[0])
    middle = found[len(found) // 2]
    return middle[1], (found[0][0], middle[0], found[-1][0])


def _solved(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = np.linalg.qr(np.column_stack([np.ones(PATIENTS), rng.normal(size=(PATIENTS, 2))]))[0][:, 1:]
    z *= math.sqrt(PATIENTS - 1) * np.sign(rng.normal(size=2))
    t_log, t_raw = (float(stats.t.isf(p / 2, PATIENTS - 1)) for p in (P_LOG, P_RAW))
    sd_log = math.log(GMR) * math.sqrt(PATIENTS) / t_log

    def lobes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        correlation = math.tanh(x[2])
        ratio = math.log(GMR) + sd_log * (correlation * z[:, 0] + math.sqrt(1 - correlation**2) * z[:, 1])
        control = np.exp(x[0] + math.exp(x[1]) * z[:, 0])
        return control * np.exp(ratio), control

    def misses(x: np.ndarray) -> list[float]:
        treated, control = lobes(x)
        difference = treated - control
        t = difference.mean() / difference.std(ddof=1) * math.sqrt(PATIENTS)
        return [treated.mean() - MEANS[0], control.mean() - MEANS[1], t - t_raw]

    found = optimize.least_squares(
        misses, [math.log(15.0), math.log(0.45), -0.8], bounds=([1, -2, -2.5], [4, 0.3, 2.5])
    )
    treated, control = lobes(found.x)
    return treated.round(2), control.round(2)


def _fits(treated: np.ndarray, control: np.ndarray) -> bool:
    one = compare_pairs(treated, control)
    shown = [round(one.means[0], 1), round(one.means[1], 1), round(one.p_raw, 3), round(one.p_log, 3)]
    interval = [round(one.gmr, 2), round(one.gmr_ci[0], 2), round(one.gmr_ci[1], 2)]
    return shown == [*MEANS, P_RAW, P_LOG] and interval == [GMR, 1.0, 1.37]


def figure(pairs: Pairs) -> str:
    """SVG: ratio against control T/N."""
    names = [f"pair {n}" for n in range(1, PATIENTS + 1)]
    return level_plot(
        "LUTIA, reconstructed", pairs.control.tolist(), (pairs.treated / pairs.control).tolist(),
        ("T/N of the control lobe", "ratio treated/control"), names,
    )  # fmt: skip


def page(pairs: Pairs, correlations: tuple[float, float, float]) -> str:
    """The page as Markdown."""
    one = compare_pairs(pairs.treated, pairs.control)
    conflict = scale_conflict(pairs.treated, pairs.control, one)
    assert conflict is not None
    rows = "\n".join(
        f"| {n} | {a:.2f} | {b:.2f} | {a / b:.2f} |"
        for n, (a, b) in enumerate(zip(pairs.treated.tolist(), pairs.control.tolist(), strict=True), start=1)
    )
    least, _, most = correlations
    # Of log-normal values E(treated)/E(control) = GMR exp(sd_log^2 / 2 + correlation sd_control sd_log).
    product = (math.log(MEANS[0] / MEANS[1] / GMR) - one.sd_log**2 / 2) / one.sd_log
    span = f"{least:.2f} to {most:.2f}"
    return TEXT.format(
        seed=pairs.seed,
        seeds=SEEDS,
        span=span,
        product=f"{product:.2f}",
        spread=f"{product / -0.67:.2f}",
        rows=rows,
        **_figures(one, conflict),
        **_halves(pairs),
    )


def _figures(one: PairedComparison, conflict: ScaleConflict) -> dict[str, str]:
    low, high = conflict.correlation_ci
    return {
        "treated": f"{one.means[0]:.1f}",
        "control": f"{one.means[1]:.1f}",
        "difference": f"{one.raw_difference:.2f} [{one.raw_ci[0]:.2f}; {one.raw_ci[1]:.2f}]",
        "p_raw": f"{one.p_raw:.3f}",
        "gmr": f"{one.gmr:.2f} [{one.gmr_ci[0]:.2f}; {one.gmr_ci[1]:.2f}]",
        "p_log": f"{one.p_log:.3f}",
        "responders": f"{one.responders} of {one.n}",
        "sd_log": f"{one.sd_log:.3f}",
        "correlation": f"{conflict.correlation:.2f} [{low:.2f}; {high:.2f}]",
        "level": f"{conflict.correlation_level:.2f}",
        "p_level": f"{conflict.p_level:.3f}",
    }


def _halves(pairs: Pairs) -> dict[str, str]:
    """Geometric mean ratio of the patients below and above the median control value."""
    high = pairs.control > np.median(pairs.control)
    ratio = np.log(pairs.treated / pairs.control)
    return {"below": f"{math.exp(ratio[~high].mean()):.2f}", "above": f"{math.exp(ratio[high].mean()):.2f}"}


TEXT = """# LUTIA, explained

LUTIA (EJNMMI 2024;51:1121) compared the tumour-to-non-tumour (T/N) ratio of the lobe that was infused through its artery
with that of the other lobe of the same 27 patients. It published means of 17.4 and 16.2 with p = 0.299, a mean increase
of 1.17 [1.00; 1.37], and an increase in 18 of 27 patients. The first says "no difference", the second "17 % more", and the
interval touches 1. Can all of this be true of one set of patients? Yes: here is one.

**These 27 pairs are no patients'.** `Tools/lutia_page.py` makes them (seed {seed}): log-normal values with the published
figures put in. They show what the figures imply, not who took part.

| figure | published | these pairs |
| --- | --- | --- |
| mean T/N treated, control | 17.4, 16.2 | {treated}, {control} |
| difference (paired t-test) | p = 0.299 | {difference}, p = {p_raw} |
| geometric mean ratio (paired t-test of logarithms) | 1.17 [1.00; 1.37] | {gmr}, p = {p_log} |
| patients with an increase | 18 of 27 | {responders} |

An interval that is symmetric about 1.17 as a factor (1.17/1.00 = 1.37/1.17) is one of logarithms, and one that just touches 1 has
p = 0.050: the ratio and the p = 0.299 come from two scales.

## What follows

- The logarithms of the ratios have a standard deviation of {sd_log}: single patients differ by factors of 1.5 either way.
- Means of 17.4 and 16.2 have the ratio 1.07, while the mean ratio is 1.17. With log-normal values that is only possible if
  **patients with a high T/N gain least**: the correlation of log control T/N with log ratio is {correlation}
  here, and {span} in all sets that fit among {seeds} seeds. In a log-normal population the means alone fix the product of
  this correlation and the standard deviation of log control: {product}, which is a correlation of -0.67 for {spread}.
- The lower half of the patients by control T/N has a geometric mean ratio of {below}, the upper half one of {above}.
- Some of such a correlation arises by itself, since an error of the control value is in the ratio too. Against the level of
  both lobes, where that cancels, it is {level} (p = {p_level}). With repeated measurements or a stated uncertainty of each T/N,
  `prrt endpoints` gives the slope corrected for it.
- So neither "17 % more" nor "1.2 more" describes all patients. Which scale is the endpoint has to be in the protocol before
  anybody looks.

![Ratio against T/N of the control lobe](lutia.svg)

`prrt endpoints` and `prrt cohort` compute both scales, give a note where they disagree in this way, and draw this plot.

## The pairs

| pair | T/N treated | T/N control | ratio |
| --- | --- | --- | --- |
{rows}
"""


def main() -> None:
    """Write the page and its figure."""
    pairs, correlations = reconstructed()
    (DOCS / "lutia.md").write_text(page(pairs, correlations), encoding="utf-8", newline="\n")
    (DOCS / "lutia.svg").write_text(figure(pairs), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
