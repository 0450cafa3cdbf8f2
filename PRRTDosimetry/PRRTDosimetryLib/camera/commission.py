"""A camera commissioned: all scans of PHANTOM.json measured, and what they say together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.dicom.acquisition import differences
from PRRTUptakeLib.dicom.planar_counts import planar_counts
from PRRTUptakeLib.dicom.times import Clock
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.progress import Progress, no_progress

from PRRTDosimetryLib.camera.axis_widths import axis_widths_mm
from PRRTDosimetryLib.camera.blur_match import SphereImage, background_part
from PRRTDosimetryLib.camera.calibration import CalibrationFactor
from PRRTDosimetryLib.camera.clocks import clock_warnings, decay_warning
from PRRTDosimetryLib.camera.dead_time_fit import DeadTimeFit, Rate, fit_dead_time
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.images import COUNTS, ReadScan, filled_at, phantom_scan, read_scan
from PRRTDosimetryLib.camera.measure import ScanResult, factor_of, measure_scan, with_recovery
from PRRTDosimetryLib.camera.plausible import factor_warnings, filling_warnings
from PRRTDosimetryLib.camera.recovery import SphereRecovery, recovery_covariance, recovery_curve
from PRRTDosimetryLib.camera.source_resolution import SourceWidth, source_width

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    from PRRTDosimetryLib.camera.phantom_file import DeadTimeFile, PhantomFile

_RATE_COUNTS = 1e6  # behind a rate where the file states none
_RATE_U = 0.002  # of a rate beyond its counts: positioning, electronics


@dataclass(frozen=True)
class Resolution:
    """Width at half maximum and standard uncertainty in mm, how it was had, and along i, j, k where asked."""

    fwhm_mm: float
    u_mm: float
    method: str
    axes_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Commissioning:
    """All that came out.

    Attributes
    ----------
    file : PHANTOM.json.
    date : of the images.
    scans, results : as read and as measured, in the same order; a source has None among the results.
    calibration, resolution, curve, dead_time : None where nothing gives them.
    spheres : recovery by scan.
    u_shared : relative standard uncertainty that all recoveries share.
    warnings : sentences.
    """

    file: PhantomFile
    date: date
    scans: tuple[ReadScan, ...]
    results: tuple[ScanResult | None, ...]
    calibration: CalibrationFactor | None
    resolution: Resolution | None
    spheres: tuple[tuple[str, tuple[SphereRecovery, ...]], ...]
    curve: RecoveryCurve | None
    u_shared: float
    dead_time: DeadTimeFit | None
    warnings: tuple[str, ...]

    @property
    def all_spheres(self) -> tuple[SphereRecovery, ...]:
        """Of all scans."""
        return tuple(one for _, some in self.spheres for one in some)

    @property
    def covariance(self) -> np.ndarray:
        """Of the recoveries of all spheres, in their order."""
        return recovery_covariance(self.all_spheres, self.u_shared)

    @property
    def Bq_per_mL_per_unit(self) -> float:
        """What one stored count is, for the first scan's duration and voxels; nan for images in Bq/mL."""
        first = next((one for one in self.scans if not math.isnan(one.unit)), None)
        if first is None or self.calibration is None:
            return math.nan
        return first.unit * 1e6 / self.calibration.factor


def commission(file: PhantomFile, progress: Progress = no_progress) -> Commissioning:
    """Measure all scans of a PHANTOM.json.

    Parameters
    ----------
    file : from `phantom_file.load_phantom_file`.
    progress : called with how far it is; may raise `Cancelled`.

    Raises
    ------
    PRRTError
        If the images do not give the camera's numbers; the message says which, and what to do.
    """
    warnings: list[str] = []
    dead_time = _dead_time(file.dead_time, file.nuclide) if file.dead_time is not None else None
    scans: list[ReadScan] = []
    results: list[ScanResult | None] = []
    widths: list[tuple[str, SourceWidth]] = []
    for n, one in enumerate(file.scans):
        progress(n / len(file.scans), one.name)
        scan = read_scan(one, file.nuclide, dead_time)
        scans.append(scan)
        warnings += [*scan.warnings, *filling_warnings(scan, file.nuclide), *clock_warnings(scan)]
        if one.phantom is None:
            widths.append((one.name, _source(scan)))
            results.append(None)
            continue
        result = measure_scan(phantom_scan(scan, filled_at(scan, file.nuclide, file.volume_u)))
        warnings += result.warnings
        results.append(result)
    warnings += _alike(scans)
    progress(0.9, "all scans together")
    measured = [one for one in results if one is not None]
    calibration = _calibration(file, measured)
    if calibration is not None:
        warnings += factor_warnings(scans[0], calibration)
        warnings += [calibration.agreement] if calibration.doubtful else []
        warnings += decay_warning(scans, calibration, file.nuclide)
    spheres = tuple(
        (one.scan.name, with_recovery(one, calibration)) for one in measured if calibration is not None and one.match
    )
    u_shared = math.hypot(calibration.u_relative, file.volume_u) if calibration is not None else 0.0
    flat = [sphere for _, some in spheres for sphere in some]
    day = file.date or min(scan.moment for scan in scans).date()
    curve = recovery_curve(flat, u_shared, f"{file.path.name} of {day.isoformat()}")
    resolution = _resolution(file, measured, widths)
    progress(1.0, "done")
    return Commissioning(
        file, day, tuple(scans), tuple(results), calibration, resolution, spheres, curve, u_shared, dead_time,
        tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _source(scan: ReadScan) -> SourceWidth:
    try:
        return source_width(scan.image, scan.file.kind)
    except CameraError as error:
        raise CameraError(f"{scan.file.name}: {error}") from error


def _alike(scans: Sequence[ReadScan]) -> list[str]:
    """Refuse scans of different cameras or units; warn of other differences."""
    first = scans[0]
    notes = []
    for other in scans[1:]:
        if first.file.phantom is not None and other.file.phantom is not None and other.kind != first.kind:
            raise CameraError(
                f"{first.file.name} holds {first.kind}, but {other.file.name} holds {other.kind}: give scans of one "
                "kind."
            )
        for name, (one, two) in differences(first.acquisition, other.acquisition).items():
            if name == "matrix":
                continue
            sentence = (
                f"{other.file.name}: its {name} is '{two or 'not stated'}', that of {first.file.name} "
                f"'{one or 'not stated'}'"
            )
            if name in ("manufacturer", "model", "serial number", "collimator"):
                raise CameraError(
                    f"{sentence}: one PHANTOM.json is for one camera and collimator; make a file of each."
                )
            notes.append(f"{sentence}; the numbers are a mixture of both.")
    return notes


def _calibration(file: PhantomFile, results: Sequence[ScanResult]) -> CalibrationFactor | None:
    if not results:
        return None
    rate_per_h = math.log(2.0) / nuclide(file.nuclide).half_life_h
    return factor_of(results, file.activity_u, rate_per_h * file.clock_u_min / 60.0)


def _resolution(
    file: PhantomFile, results: Sequence[ScanResult], widths: Sequence[tuple[str, SourceWidth]]
) -> Resolution | None:
    """By matched spheres, weighted where several scans have them; else by point or line sources."""
    found = [(one, one.blur) for one in results if one.blur is not None]
    if not found:
        if not widths:
            return None
        name, width = widths[0]
        return Resolution(width.fwhm_mm, width.u_fwhm_mm, f"source of {name}", width.axes_mm if file.scans else None)
    weights = np.array([1.0 / max(blur.u_fwhm_mm, 0.02) ** 2 for _, blur in found])
    mean = float(sum(w * blur.fwhm_mm for w, (_, blur) in zip(weights, found, strict=True)) / weights.sum())
    spread = [blur.fwhm_mm for _, blur in found]
    scatter = float(np.std(spread, ddof=1)) / math.sqrt(len(spread)) if len(spread) > 1 else 0.0
    own = math.hypot(1.0 / math.sqrt(float(weights.sum())), scatter)
    asked = {one.name for one in file.scans if one.axes}
    axes = next((_axes(one) for one, _ in found if one.scan.name in asked), None)
    return Resolution(mean, own, "spheres by matching blur", axes)


def _axes(result: ScanResult) -> tuple[float, float, float]:
    assert result.match is not None
    assert result.blur is not None
    scan = result.scan
    background = None
    if scan.filled.background > 0 and result.body is not None:
        background = background_part(result.body, scan.image.grid, scan.phantom.body_wall_mm, result.match.spheres)
    used = tuple(one for one in result.match.spheres if result.notes.get(one.name, (1.0, True, ""))[1])
    return axis_widths_mm(SphereImage(scan.image, used, scan.phantom.wall_mm, background), result.blur)


def _dead_time(stated: DeadTimeFile, nuclide_name: str) -> DeadTimeFit:
    try:
        return fit_dead_time(_rates(stated, nuclide_name))
    except PRRTError as error:
        raise CameraError(f"'dead_time' of PHANTOM.json: {error}") from error


def _rates(stated: DeadTimeFile, nuclide_name: str) -> list[Rate]:
    if stated.folder is None or stated.fill is None:
        return [
            _rate(one["activity_MBq"], one["observed_cps"], one.get("counts", _RATE_COUNTS)) for one in stated.rates
        ]
    half_life_h = nuclide(nuclide_name).half_life_h
    found = []
    for image in planar_counts(stated.folder):
        zone = image.started.tzinfo
        assert zone is not None
        activity = stated.fill.at(image.started, half_life_h, Clock(zone, "", ""))
        half = math.log(2.0) * image.duration_s / 2 / 3600.0 / half_life_h
        found.append(_rate(activity * math.exp(-half), image.counts / image.duration_s, image.counts))
    return found


def _rate(activity_MBq: float, observed_cps: float, counts: float) -> Rate:
    return Rate(activity_MBq, observed_cps, observed_cps * math.hypot(1.0 / math.sqrt(counts), _RATE_U))


def is_counts(made: Commissioning) -> bool:
    """Whether the camera's images are counts."""
    return any(scan.kind == COUNTS for scan, one in zip(made.scans, made.results, strict=True) if one is not None)
