"""A camera's own numbers in a study: CAMERA.json read, checked against the patient's series, and put into the chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.dicom.acquisition import Acquisition, acquisition_from_facts, differences
from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
from PRRTUptakeLib.dicom.series_facts import has_units
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.schema.camera_keys import CAMERA
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.dicom.series_facts import SeriesFacts
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.protocol import Protocol

OLD_AFTER_DAYS = 366
_BEYOND = 1.05  # of the highest rate of the dead time's series
_SAME_FWHM = 0.005  # relative: a field of the panel rounds
COUNTS = "counts"


@dataclass(frozen=True, kw_only=True)
class CameraFile:
    """A camera's numbers.

    Attributes
    ----------
    path : the file.
    camera, site, date, nuclide : what it is, where, when its phantoms were scanned, and with what.
    acquisition : for which its numbers hold.
    kind : "counts" if ``factor`` is cps/MBq, "concentration" if it is image over truth, "" without a calibration.
    factor, factor_u : calibration and its relative standard uncertainty.
    fwhm_mm, fwhm_u : resolution and its relative standard uncertainty; 0 where not measured.
    recovery : curve; None where there is none.
    dead_time : (model, tau in us, highest observed rate); None where not measured.
    content : everything, plain.
    """

    path: Path
    camera: str
    site: str
    date: date
    nuclide: str
    acquisition: Acquisition
    kind: str = ""
    factor: float = 1.0
    factor_u: float = 0.0
    fwhm_mm: float = 0.0
    fwhm_u: float = 0.0
    recovery: RecoveryCurve | None = None
    dead_time: tuple[str, float, float] | None = None
    content: Mapping[str, Any] | None = None

    @property
    def sentence(self) -> str:
        """What it is, for reports."""
        parts = []
        if self.kind == COUNTS:
            parts.append(f"calibration {self.factor:.4g} cps/MBq ± {100 * self.factor_u:.1f} %")
        elif self.kind:
            parts.append(f"image over truth {self.factor:.4g} ± {100 * self.factor_u:.1f} %")
        if self.fwhm_mm:
            parts.append(f"resolution {self.fwhm_mm:.3g} mm ± {100 * self.fwhm_u:.1f} %")
        if self.recovery is not None:
            parts.append("recovery curve")
        if self.dead_time is not None:
            parts.append(f"dead time {self.dead_time[1]:.3g} us, {self.dead_time[0]}")
        return f"Camera file {self.path.name} of {self.date.isoformat()}, {self.camera}: {', '.join(parts)}."


def load_camera(path: Path) -> CameraFile:
    """Read CAMERA.json.

    Raises
    ------
    InputFileError
        If it cannot be read, or a key is unknown, missing or impossible.
    """
    place = Place(file=path.name, base=path.parent)
    values = CAMERA.read(read_json_file(path, place), place)
    calibration, resolution = values.get("calibration", {}), values.get("resolution", {})
    curve = values.get("recovery", {}).get("curve")
    dead = values.get("dead_time")
    fwhm = resolution.get("fwhm_mm", 0.0)
    return CameraFile(
        path=path,
        camera=values["camera"],
        site=values.get("site", ""),
        date=values["date"],
        nuclide=values["nuclide"],
        acquisition=acquisition_from_facts(values["acquisition"]),
        kind=calibration.get("kind", ""),
        factor=calibration.get("factor", 1.0),
        factor_u=calibration.get("u_relative", 0.0),
        fwhm_mm=fwhm,
        fwhm_u=resolution["u_mm"] / fwhm if fwhm else 0.0,
        recovery=_curve(curve, f"camera file {path.name}") if curve else None,
        dead_time=(dead["model"], dead["tau_us"], dead["highest_cps"]) if dead else None,
        content=values,
    )


def _curve(values: Mapping[str, Any], source: str) -> RecoveryCurve:
    (aa, ab), (ba, bb) = values["covariance"]
    low, high = values["volume_range_mL"]
    return RecoveryCurve(values["a_mL"], values["b"], ((aa, ab), (ba, bb)), (low, high), source)


def camera_warnings(camera: CameraFile, facts: SeriesFacts, visit: str) -> tuple[str, ...]:
    """How a visit's series differs from what the camera's numbers hold for, one sentence each.

    Parameters
    ----------
    camera : the numbers.
    facts : of the patient's series, from its headers or as its node remembers them.
    visit : names it in messages.
    """
    found = [_other_kind(camera, visit)] if camera.kind and facts.has_units == (camera.kind == COUNTS) else []
    found += [
        _difference(camera, visit, name, *values)
        for name, values in differences(camera.acquisition, facts.acquisition).items()
    ]
    if facts.nuclide and facts.nuclide != camera.nuclide:
        found.append(_difference(camera, visit, "radionuclide", camera.nuclide, facts.nuclide))
    if facts.date is not None:
        days = (facts.date - camera.date).days
        if abs(days) > OLD_AFTER_DAYS:
            when = "before" if days > 0 else "after"
            found.append(
                f"Visit '{visit}': the phantom images of the camera file {camera.path.name} were made {abs(days)} days "
                f"{when} it, more than a year; scan the phantoms again."
            )
    return tuple(found)


def _other_kind(camera: CameraFile, visit: str) -> str:
    """Counts on one side, activity on the other."""
    if camera.kind == COUNTS:
        return (
            f"Visit '{visit}': the image has units already, so that the calibration of {camera.path.name}, in cps/MBq, "
            "is not used for it."
        )
    return (
        f"Visit '{visit}': the image holds counts, but {camera.path.name} was made from images in Bq/ml: its "
        "calibration does not fit."
    )


def _difference(camera: CameraFile, visit: str, name: str, phantom: str, patient: str) -> str:
    here, there = (f"'{value}'" if value else "not stated" for value in (patient, phantom))
    return (
        f"Visit '{visit}' differs from the phantom of {camera.path.name} in {name}: {here}, but {there} for the "
        "phantom; the camera's numbers may not hold for it."
    )


def with_camera(protocol: Protocol, camera: CameraFile | None, stated_mm: float = 0.0) -> Protocol:
    """The protocol's rules with the camera's resolution and its uncertainty, where the file has them.

    All that corrects for partial volume, or expects a loss by it, takes the resolution from there. Another resolution
    that the settings state (``stated_mm``, 0 for none) goes first; the camera's small uncertainty is not that one's.
    """
    if camera is None or not camera.fwhm_mm:
        return protocol
    if stated_mm and abs(stated_mm - camera.fwhm_mm) > _SAME_FWHM * camera.fwhm_mm:
        return protocol
    imaging = replace(protocol.imaging, fwhm_mm=camera.fwhm_mm, fwhm_u_percent=100.0 * camera.fwhm_u)
    return replace(protocol, imaging=imaging)


def with_calibration_u(dosimetry: dict[str, Any], camera: CameraFile | None) -> dict[str, Any]:
    """Settings of doses with the uncertainty of the camera's calibration, unless they state one themselves."""
    return {"calibration_u": camera.factor_u, **dosimetry} if camera is not None and camera.kind else dosimetry


def camera_overrides(
    camera: CameraFile | None,
    stated: OperatorOverrides | None,
    series: Series,
    observed_cps: float | None = None,
) -> OperatorOverrides | None:
    """What is stated for a visit, with the camera's calibration and dead time where the visit states none itself.

    Raises
    ------
    InputFileError
        If the observed rate is beyond what the dead time was measured for.
    """
    if camera is None:
        return stated
    found = stated
    if camera.kind == COUNTS and (stated is None or stated.calibration is None) and not has_units(series):
        found = replace(found or OperatorOverrides(), calibration=Calibration(camera.factor, "total"))
    loss = camera_dead_time(camera, observed_cps)
    return found if loss is None else replace(found or OperatorOverrides(), dead_time=loss)


def camera_dead_time(camera: CameraFile, observed_cps: float | None) -> DeadTime | None:
    """The camera's dead time at a visit's count rate; None where either is not known.

    Raises
    ------
    InputFileError
        If the rate is beyond what the dead time was measured for.
    """
    if observed_cps is None or camera.dead_time is None:
        return None
    model, tau_us, highest = camera.dead_time
    if observed_cps > _BEYOND * highest:
        raise InputFileError(
            f"'observed_cps' is {observed_cps:g}, but the dead time of {camera.path.name} was measured up to "
            f"{highest:.0f} counts per second only: measure it further, or check the rate."
        )
    return DeadTime(model, tau_us, observed_cps)


def cross_calibrated(
    camera: CameraFile | None, volume: Volume, decisions: tuple[str, ...], had_units: bool = True
) -> tuple[Volume, tuple[str, ...]]:
    """An image in Bq/ml or SUV divided by the camera's factor of image over truth.

    ``had_units`` is whether the series stated its units itself: counts are calibrated by what the user stated, of which
    a factor of images in Bq/ml says nothing (`camera_warnings` has the sentence).
    """
    if camera is None:
        return volume, decisions
    used = [camera.sentence]
    if camera.kind and camera.kind != COUNTS and had_units:
        used.append(f"Values were divided by {camera.factor:.6g}, image over truth by the camera's phantoms.")
        volume = volume.with_values(volume.array / np.float32(camera.factor))
    return volume, (*decisions, *used)
