"""The page of a commissioned camera that a physicist signs, and that of trends over dates and sites."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.dicom.acquisition import shown
from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.report.axes import Axis
from PRRTUptakeLib.report.page import html_page, paragraph, section, signature_table, table
from PRRTUptakeLib.report.pictures import PicturePlane, Window, plane_picture
from PRRTUptakeLib.report.svg import PALETTE, Chart
from PRRTUptakeLib.versions import VERSION

from PRRTDosimetryLib.camera.clocks import moment_words
from PRRTDosimetryLib.camera.dead_time_fit import observed_rate
from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTDosimetryLib.camera.commission import Commissioning
    from PRRTDosimetryLib.camera.dead_time_fit import DeadTimeFit
    from PRRTDosimetryLib.camera.drift import Trend
    from PRRTDosimetryLib.camera.measure import ScanResult

_WINDOW_CT = Window(-80.0, 150.0)
_AROUND_mm = 30.0
_DECLARATION = (
    "The numbers above hold for this camera with this collimator, energy window, voxel size and reconstruction. The "
    "signatories have seen the spheres in the pictures at their places, and the activities and times as filled."
)
_ROLES = ("Performed by", "Medical physicist")
_COMPACT = """<style>
.camera .pair { display: grid; grid-template-columns: 3fr 2fr; gap: 1rem; }
.camera .pictures { grid-template-columns: repeat(COLUMNS, 1fr); gap: .5rem; }
.camera figure > svg { background: none; } .camera h2 { margin-top: .8rem; } .camera table { margin: .2rem 0; }
@page { size: A4; margin: 10mm 11mm; }
@media print { body { font-size: 8pt; line-height: 1.25; } .small { font-size: 8pt; } h1 { font-size: 1.1rem; }
  .camera .pictures { grid-template-columns: repeat(COLUMNS, 1fr); } .camera figcaption { font-size: .75rem; }
  .camera h2 { font-size: 1rem; margin: .4rem 0 .1rem; } .camera th, .camera td { padding: .05rem .4rem; }
  .identity th, .identity td { padding: .02rem .4rem; } .signatures td { height: 1.7rem !important; }
  p { margin: .15rem 0; } table { margin: .1rem 0; } }
</style>"""


def write_page(html: str, path: Path) -> None:
    """Write a page whole or not at all.

    Raises
    ------
    CameraError
        If it cannot be written.
    """
    with atomic_file(path, CameraError) as target:
        target.write_text(html, encoding="utf-8")


def camera_html(made: Commissioning, content: dict[str, Any]) -> str:
    """The page to print and sign.

    Parameters
    ----------
    made : the commissioning.
    content : CAMERA.json, as written.
    """
    first = made.scans[0].acquisition
    recon = " ".join(filter(None, (first.reconstruction, _iterations(first.iterations, first.subsets), first.filter)))
    identity = {
        "Camera": f"{content['camera']} ({first.camera})",
        "Site": content.get("site", "not stated"),
        "Phantoms": "; ".join(f"{scan.file.name}, {moment_words(scan.moment)}" for scan in made.scans),
        "Collimator, windows": ", ".join(filter(None, (first.collimator, shown("windows_keV", first.windows_keV))))
        or "not stated",
        "Image": f"{shown('matrix', first.matrix)}, voxels of {shown('voxel_mm', first.voxel_mm)}",
        "Reconstruction": f"{recon or 'not stated'}; corrections {', '.join(first.corrections) or 'not stated'}",
        "Made": f"SlicerPRRT {VERSION} from {made.file.path.name}, {made.date.isoformat()}",
    }
    pictures = _pictures(made)
    results = section("Result", table(["", "value", "u", "95 %"], _results(made)))
    ways = section("Ways to the calibration factor", *_ways(made)) if made.calibration is not None else ""
    body = [
        f'<div class="pair">{results}{ways}</div>',
        section("Pictures", f'<div class="pictures">{"".join(pictures)}</div>'),
        section("Spheres", table(_SPHERE_HEADER, _sphere_rows(made))) if made.all_spheres else "",
        section("Signatures", paragraph(_DECLARATION), signature_table(_ROLES)),
    ]
    style = _COMPACT.replace("COLUMNS", str(max(2, len(pictures))))
    wrapped = f'{style}<div class="camera">{"".join(body)}</div>'
    return html_page("Commissioning of a camera", identity, made.warnings, [wrapped])


def _iterations(iterations: int, subsets: int) -> str:
    return f"{iterations} iterations, {subsets} subsets" if iterations else ""


def _results(made: Commissioning) -> list[list[object]]:
    rows: list[list[object]] = []
    if made.calibration is not None:
        one = made.calibration
        low, high = one.interval
        counts = math.isfinite(made.Bq_per_mL_per_unit)
        name = "calibration factor, cps/MBq" if counts else "image over truth"
        rows.append(
            [name, number(one.factor, 4), f"{100 * one.u_relative:.2g} %", f"{number(low, 4)} to {number(high, 4)}"]
        )
        if counts:
            rows.append(["Bq/mL for one count of the first scan", number(made.Bq_per_mL_per_unit, 4), "", ""])
    if made.resolution is not None:
        width = made.resolution
        low, high = width.fwhm_mm - 1.96 * width.u_mm, width.fwhm_mm + 1.96 * width.u_mm
        rows.append(
            [
                f"resolution, FWHM in mm ({width.method})",
                number(width.fwhm_mm, 3),
                f"{number(width.u_mm, 2)} mm",
                f"{number(low, 3)} to {number(high, 3)}",
            ]
        )
        if width.axes_mm is not None:
            rows.append(["along i, j, k", ", ".join(number(one, 3) for one in width.axes_mm), "", ""])
    if made.curve is not None:
        curve = made.curve
        u_a, u_b = (math.sqrt(curve.covariance[n][n]) for n in (0, 1))
        rows.append(["recovery RC = 1/(1 + (a/V)^b), a in mL", number(curve.a_mL), number(u_a, 2), ""])
        rows.append(["b", number(curve.b), number(u_b, 2), ""])
    if made.dead_time is not None:
        best = made.dead_time.best
        rows.append([f"dead time in us, {best.model}", number(best.tau_us), number(best.u_tau_us, 2), ""])
    return rows


_SPHERE_HEADER = (
    *("scan", "sphere", "mL", "recovery", "u", "mean MBq/mL", "filled MBq/mL", "without background"),
    *("contrast %", "variability %", "note"),
)


def _sphere_rows(made: Commissioning) -> list[list[object]]:
    return [
        [
            scan,
            one.name,
            number(one.volume_mL),
            number(one.recovery),
            number(math.hypot(one.u_own, made.u_shared * one.recovery), 2),
            number(one.mean),
            number(one.true),
            number(one.without_background),
            number(one.contrast_percent),
            number(one.variability_percent, 2),
            "" if one.in_curve else "not in the curve",
        ]
        for scan, some in made.spheres
        for one in some
    ]


def _ways(made: Commissioning) -> tuple[str, str]:
    assert made.calibration is not None
    rows = [[way.name, number(way.factor, 4), f"{100 * way.u_own:.2g} %"] for way in made.calibration.ways]
    return table(["way", "factor", "own u"], rows), paragraph(made.calibration.agreement)


def _pictures(made: Commissioning) -> list[str]:
    found = []
    for result in made.results:
        if result is not None and result.match is not None:
            found += _planes(result)
            break
    if made.curve is not None:
        found.append(f"<figure>{_recovery_chart(made)}</figure>")
    if made.dead_time is not None:
        found.append(f"<figure>{dead_time_chart(made.dead_time)}</figure>")
    return found


def _planes(result: ScanResult) -> list[str]:
    """CT and emission image in the plane of the spheres."""
    match, blur, scan = result.match, result.blur, result.scan
    assert match is not None
    assert blur is not None
    centres = np.array([one.centre_mm for one in match.spheres])
    normal = match.pose.axis
    left = np.array([-1.0, 0.0, 0.0])
    right = left - (left @ normal) * normal
    if np.linalg.norm(right) < 0.3:
        right = match.pose.rotation[:, 0]
    right = right / np.linalg.norm(right)
    down = np.cross(normal, right)
    down = -down if down[1] > 0 else down
    half = float(np.abs((centres - centres.mean(axis=0)) @ np.column_stack([right, down])).max()) + _AROUND_mm
    plane = PicturePlane(centres.mean(axis=0), right, down, round(half))
    shift = np.array(blur.shift_mm)
    here = [(np.array(one.centre_mm), one.radius_mm, one.name) for one in match.spheres]
    there = [(centre + shift, radius, name) for centre, radius, name in here]
    found = []
    if scan.ct is not None:
        found.append(plane_picture(scan.ct, plane, here, _WINDOW_CT, f"{scan.name}: CT, spheres as found and named"))
    top = float(np.quantile(scan.image.array, 0.9999))
    caption = f"{scan.name}: emission image, spheres where they were measured"
    found.append(plane_picture(scan.image, plane, there, Window(0.0, top, hot=True), caption))
    return found


def _recovery_chart(made: Commissioning) -> str:
    curve = made.curve
    assert curve is not None
    low, high = curve.volume_range_mL
    volumes = np.geomspace(low / 1.5, high * 1.5, 60)
    values = [curve.recovery(float(v)) for v in volumes]
    mean, u = np.array([one[0] for one in values]), np.array([one[1] for one in values])
    chart = Chart(
        "Recovery", Axis("Volume (mL)", low / 1.5, high * 1.5, log=True), Axis("Recovery coefficient", 0, 1.1), 380, 300
    )
    chart.line(volumes, mean, label="curve")
    chart.line(volumes, mean - 1.96 * u, color=PALETTE[4], label="95 %", dashed=True)
    chart.line(volumes, mean + 1.96 * u, color=PALETTE[4], dashed=True)
    for used, color, label in ((True, PALETTE[1], "spheres"), (False, PALETTE[6], "left out")):
        some = [one for one in made.all_spheres if one.in_curve is used and math.isfinite(one.recovery)]
        if not some:
            continue
        x, y = [one.volume_mL for one in some], [one.recovery for one in some]
        error = [1.96 * math.hypot(one.u_own, made.u_shared * one.recovery) for one in some]
        chart.error_bars(x, np.array(y) - error, np.array(y) + error, color)
        chart.points(x, y, color, label, "circle" if used else "square", [one.name for one in some])
    return chart.svg()


def dead_time_chart(found: DeadTimeFit) -> str:
    """Observed count rates against activity, with both models."""
    activity = np.array([one.activity_MBq for one in found.rates])
    observed = np.array([one.observed_cps for one in found.rates]) / 1000.0
    top = float(activity.max()) * 1.1
    across = np.linspace(0.0, top, 80)
    chart = Chart(
        "Dead time", Axis("Activity (MBq)", 0, top), Axis("Observed (kcps)", 0, float(observed.max()) * 1.3), 380, 300
    )
    for model, color, dashed in zip(found.models, (PALETTE[0], PALETTE[3]), (False, True), strict=True):
        rates = observed_rate(model.model, model.cps_per_MBq * across, model.tau_us * 1e-6) / 1000.0
        chart.line(across, rates, color, model.model, dashed)
    chart.line(across, found.best.cps_per_MBq * across / 1000.0, "#999999", "without loss", dashed=True)
    chart.points(activity, observed, PALETTE[1], "measured")
    return chart.svg()


def trend_html(found: Sequence[Trend]) -> str:
    """The page of trends: a plot of every number with its limits, and a table of all cameras."""
    rows = [
        [
            one.camera,
            one.site,
            one.quantity,
            one.unit,
            point.date.isoformat(),
            number(point.value, 4),
            number(point.u, 2),
            "outside" if point.outside else "",
        ]
        for one in found
        for point in one.points
    ]
    header = ("camera", "site", "number", "unit", "date", "value", "u", "control limits")
    plots = "".join(f"<figure>{svg}</figure>" for svg in _trend_charts(found))
    warnings = [one.sentence for one in found if one.drifts or any(point.outside for point in one.points)]
    identity = {"Cameras": ", ".join(dict.fromkeys(one.camera for one in found)), "Made": f"SlicerPRRT {VERSION}"}
    body = [
        section("Trends", *(paragraph(one.sentence) for one in found)),
        section("Plots", f'<div class="pictures">{plots}</div>'),
        section("All values", table(header, rows)),
    ]
    return html_page("Cameras over time and sites", identity, warnings, body)


def _trend_charts(found: Sequence[Trend]) -> list[str]:
    charts = []
    for one in found:
        if len(one.points) < 2:
            continue
        days = [(point.date - one.points[0].date).days for point in one.points]
        values = np.array([point.value for point in one.points])
        errors = np.array([1.96 * point.u for point in one.points])
        low = min(one.low, float((values - errors).min()))
        high = max(one.high, float((values + errors).max()))
        pad = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
        span = max(days) or 1
        title = f"{one.quantity}, {one.camera}" + (f", {one.site}" if one.site else "")
        axis = Axis(f"Days since {one.points[0].date.isoformat()}", -0.05 * span, 1.05 * span)
        chart = Chart(title[:60], axis, Axis(one.unit or "ratio", low - pad, high + pad), 420, 280)
        chart.band(one.low, one.high, label="control limits")
        chart.horizontal(one.mean, label="mean")
        chart.error_bars(days, values - errors, values + errors)
        chart.points(days, values, label="measured, 95 %")
        charts.append(chart.svg())
    sites = list(dict.fromkeys((one.camera, one.site) for one in found))
    if len(sites) > 1:
        charts += [_site_chart(found, quantity) for quantity in dict.fromkeys(one.quantity for one in found)]
    return charts


def _site_chart(found: Sequence[Trend], quantity: str) -> str:
    """The last value of every camera next to each other."""
    some = [one for one in found if one.quantity == quantity]
    last = [one.points[-1] for one in some]
    values, errors = np.array([one.value for one in last]), np.array([1.96 * one.u for one in last])
    low, high = float((values - errors).min()), float((values + errors).max())
    pad = 0.1 * (high - low) or 1.0
    names = [(float(n), f"{one.site or one.camera}"[:18]) for n, one in enumerate(some)]
    axis = Axis("", -0.6, len(some) - 0.4, ticks=tuple(names))
    chart = Chart(f"{quantity}, all cameras", axis, Axis(some[0].unit or "ratio", low - pad, high + pad), 420, 300)
    chart.error_bars(range(len(some)), values - errors, values + errors)
    chart.points(range(len(some)), values, label="last, 95 %", names=[one.camera for one in some])
    return chart.svg()
