"""CAMERA.json written: what `PRRTUptakeLib.study.camera` reads again, checked by the same declaration first."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.study.schema.camera_keys import CAMERA
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.versions import VERSION

from PRRTDosimetryLib.camera.commission import Commissioning, is_counts
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.images import CONCENTRATION, COUNTS

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 8


def camera_content(made: Commissioning) -> dict[str, Any]:
    """CAMERA.json as plain values."""
    file, first = made.file, made.scans[0]
    found: dict[str, Any] = {
        "camera": file.camera or first.acquisition.camera[:64],
        "site": file.site or first.acquisition.institution,
        "physicist": file.physicist,
        "date": made.date.isoformat(),
        "nuclide": file.nuclide,
        "acquisition": first.acquisition.facts(),
        "calibration": _calibration(made),
        "resolution": _resolution(made),
        "recovery": _recovery(made),
        "dead_time": _dead_time(made),
        "warnings": list(made.warnings),
        "decisions": [f"{scan.file.name}: {text}" for scan in made.scans for text in scan.decisions],
        "sha256": _hashes(made),
        "made_by": f"SlicerPRRT {VERSION}",
    }
    return {key: _rounded(value) for key, value in found.items() if value not in ("", None)}


def write_camera(made: Commissioning, path: Path) -> dict[str, Any]:
    """Write CAMERA.json, and return what it holds.

    Raises
    ------
    CameraError
        If it cannot be written; nothing is left then.
    """
    content = camera_content(made)
    CAMERA.read(json.loads(json.dumps(content)), Place(file=path.name, error=CameraError))
    with atomic_file(path, CameraError) as target:
        target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def _rounded(value: Any) -> Any:
    """Floats to eight digits; keys that are not known are left out."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items() if not _unknown(one)}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _calibration(made: Commissioning) -> dict[str, Any] | None:
    if made.calibration is None:
        return None
    one = made.calibration
    return {
        "kind": COUNTS if is_counts(made) else CONCENTRATION,
        "factor": one.factor,
        "u_relative": one.u_relative,
        "u_shared": one.u_shared,
        "Bq_per_mL_per_unit": made.Bq_per_mL_per_unit,
        "ways": [{"name": way.name, "factor": way.factor, "u_own": way.u_own} for way in one.ways],
        "birge": one.birge,
        "p": one.p,
    }


def _resolution(made: Commissioning) -> dict[str, Any] | None:
    if made.resolution is None:
        return None
    one = made.resolution
    axes = one.axes_mm
    known = axes is not None and all(math.isfinite(width) for width in axes)
    return {"fwhm_mm": one.fwhm_mm, "u_mm": one.u_mm, "axes_mm": axes if known else None, "method": one.method}


def _recovery(made: Commissioning) -> dict[str, Any] | None:
    if not made.all_spheres:
        return None
    spheres = [
        {
            "scan": scan,
            "name": one.name,
            "volume_mL": one.volume_mL,
            "recovery": one.recovery if math.isfinite(one.recovery) else 0.0,
            "u_own": one.u_own,
            "centre_ras_mm": one.centre_mm,
            "mean_MBq_per_mL": one.mean,
            "true_MBq_per_mL": one.true,
            "without_background": one.without_background,
            "contrast_percent": one.contrast_percent,
            "variability_percent": one.variability_percent,
            "in_curve": one.in_curve,
            "note": one.note or None,
        }
        for scan, some in made.spheres
        for one in some
    ]
    curve = made.curve
    fitted = None
    if curve is not None:
        fitted = {
            "a_mL": curve.a_mL,
            "b": curve.b,
            "covariance": curve.covariance,
            "volume_range_mL": curve.volume_range_mL,
        }
    return {
        "spheres": spheres,
        "curve": fitted,
        "covariance": made.covariance.tolist()
        if all(math.isfinite(one.recovery) for one in made.all_spheres)
        else None,
        "u_shared": made.u_shared,
    }


def _dead_time(made: Commissioning) -> dict[str, Any] | None:
    if made.dead_time is None:
        return None
    best, other = made.dead_time.models
    return {
        "model": best.model,
        "tau_us": best.tau_us,
        "u_tau_us": best.u_tau_us,
        "highest_cps": made.dead_time.highest_cps,
        "decided": made.dead_time.decided,
        "other_tau_us": max(other.tau_us, 0.0),
        "cps_per_MBq": best.cps_per_MBq,
    }


def _hashes(made: Commissioning) -> dict[str, str]:
    """SHA-256 of PHANTOM.json and of every image, by path relative to it where that is possible."""
    base = made.file.path.parent
    paths = [made.file.path]
    for scan in made.scans:
        paths += [*scan.series.files, *(scan.ct_series.files if scan.ct_series is not None else ())]
    found = {}
    for path in paths:
        try:
            name = path.resolve().relative_to(base.resolve()).as_posix()
        except ValueError:
            name = path.name
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
