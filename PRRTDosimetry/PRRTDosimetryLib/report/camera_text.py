"""A commissioned camera and trends as text for a terminal, and the comparison of a synthetic one with its truth."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import number, plain_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTDosimetryLib.camera.commission import Commissioning
    from PRRTDosimetryLib.camera.drift import Trend

TREND_COLUMNS = ("camera", "site", "quantity", "unit", "date", "value", "uncertainty", "lower_limit", "upper_limit")


def camera_text(made: Commissioning, content: dict[str, Any]) -> str:
    """Results, spheres and warnings."""
    lines = [f"Camera {content['camera']}, phantoms of {made.date.isoformat()}"]
    if made.calibration is not None:
        one = made.calibration
        unit = "cps/MBq" if math.isfinite(made.Bq_per_mL_per_unit) else "image over truth"
        lines.append(f"Calibration  {number(one.factor, 4)} {unit} ± {100 * one.u_relative:.2g} %. {one.agreement}")
        if math.isfinite(made.Bq_per_mL_per_unit):
            lines.append(f"             {number(made.Bq_per_mL_per_unit, 4)} Bq/mL for one count of the first scan")
    if made.resolution is not None:
        width = made.resolution
        axes = f"; along i, j, k {', '.join(number(w, 3) for w in width.axes_mm)} mm" if width.axes_mm else ""
        lines.append(f"Resolution   {number(width.fwhm_mm)} ± {number(width.u_mm, 2)} mm FWHM, {width.method}{axes}")
    if made.curve is not None:
        lines.append(f"Recovery     RC = 1/(1 + ({number(made.curve.a_mL)} mL/V)^{number(made.curve.b)})")
    if made.dead_time is not None:
        lines.append(f"Dead time    {made.dead_time.sentence}")
    if made.all_spheres:
        rows = [
            [one.name, one.volume_mL, one.recovery, math.hypot(one.u_own, made.u_shared * one.recovery), one.note]
            for one in made.all_spheres
        ]
        lines += ["", plain_table(["sphere", "mL", "recovery", "u", "note"], rows)]
    return "\n".join([*lines, *(f"Warning: {text}" for text in made.warnings)])


def trend_text(found: Sequence[Trend]) -> str:
    """A sentence for each number of each camera."""
    return "\n".join(one.sentence for one in found)


def trend_rows(found: Sequence[Trend]) -> list[list[object]]:
    """Rows of the table of trends, columns `TREND_COLUMNS`."""
    return [
        [
            one.camera,
            one.site,
            one.quantity,
            one.unit,
            point.date.isoformat(),
            point.value,
            point.u,
            one.low,
            one.high,
        ]
        for one in found
        for point in one.points
    ]


def truth_text(made: Commissioning, truth_file: Path) -> str:
    """A synthetic camera's numbers next to what they are in truth."""
    truth = json.loads(truth_file.read_text(encoding="utf-8"))
    nema = truth["nema"]
    rows: list[list[object]] = []
    if made.calibration is not None:
        rows.append(["calibration factor", made.calibration.factor, nema["factor"]])
    if made.resolution is not None:
        rows.append(["resolution, mm", made.resolution.fwhm_mm, nema["fwhm_mm"]])
    if made.dead_time is not None:
        rows.append(["dead time, us", made.dead_time.best.tau_us, truth["dead_time"]["tau_us"]])
    return "Against the truth\n" + plain_table(["", "measured", "truth"], rows)
