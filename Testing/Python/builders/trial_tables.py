"""Tables of measurements for the tests of endpoints: a fixture whose figures are known, and simulated trials."""

from __future__ import annotations

import numpy as np
from PRRTUptakeLib.study.measurements import Measurement, to_csv

# Six patients whose endpoint was computed by hand and by other software.
TREATED = (20, 12, 30, 9, 25, 14)
CONTROL = (16, 13, 22, 9.5, 20, 12)
SIDES = ("left", "right", "right", "left", "left", "right")


def row(patient, lobe, lesion, value, metric="tn_ratio", **other) -> Measurement:
    words = {"cycle": 1, "visit": "24h", "image": "SPECT", "role": "target", "unit": "1", "region": lesion, **other}
    return Measurement(patient=patient, lobe=lobe, lesion=lesion, metric=metric, value=float(value), **words)


def unblinded_rows(treated=TREATED, control=CONTROL) -> list[Measurement]:
    rows = []
    for n, (first, second) in enumerate(zip(treated, control, strict=True), start=1):
        rows += [row(f"P{n}", "treated", f"L{n}a", first), row(f"P{n}", "control", f"L{n}b", second)]
    return rows


def left_right_rows() -> list[Measurement]:
    """The same patients with the treated lobe named by SIDES."""
    rows = []
    for n, (first, second, side) in enumerate(zip(TREATED, CONTROL, SIDES, strict=True), start=1):
        other = "right" if side == "left" else "left"
        rows += [row(f"P{n}", side, f"L{n}a", first), row(f"P{n}", other, f"L{n}b", second)]
    return rows


def allocation_csv(sides=SIDES) -> str:
    return "patient,treated_lobe\n" + "".join(f"P{n},{side}\n" for n, side in enumerate(sides, start=1))


def write_table(path, rows):
    path.write_text(to_csv(rows), encoding="utf-8")
    return path


def simulate_trial(seed, patients=27, gmr=1.17, sd_log=0.398, lesions=3, cycles=1) -> list[Measurement]:
    """A LUTIA trial on the level of measurements.

    The patients' log ratios (of geometric means over lesions) are normal with mean log(gmr) and ``sd_log``: lesions
    scatter around their lobe with zero mean in each lobe, so that they add nothing to the patient's ratio.
    """
    random = np.random.default_rng(seed)
    rows = []
    for n in range(patients):
        level = np.log(16) + random.normal(0, 0.4)
        ratio = random.normal(np.log(gmr), sd_log)
        for lobe, shift in (("treated", ratio / 2), ("control", -ratio / 2)):
            for cycle in range(1, cycles + 1):
                scatter = random.normal(0, 0.3, lesions)
                values = np.exp(level + shift + scatter - scatter.mean())
                names = [f"{lobe[0].upper()}{k}" for k in range(1, lesions + 1)]
                for name, value in zip(names, values.tolist(), strict=True):
                    rows.append(row(f"P{n:04d}", lobe, name, value, cycle=cycle))
    return rows
