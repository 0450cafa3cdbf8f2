"""PHANTOM.json as it is used: scans with what was filled, and how much of it was there at a moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom, PhantomSphere, camera_phantom
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.schema.camera_keys import OWN, PHANTOM, SOURCES
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from pathlib import Path

    from PRRTUptakeLib.dicom.times import Clock

VOLUME_U, CLOCK_U_min = 0.005, 1.0
"""Standard uncertainties where the file states none: of volumes (relative), and of all clocks together."""


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One filling, as the file states it; times may be without a zone."""

    activity_MBq: float
    time: datetime
    volume_mL: float = math.nan
    residual_MBq: float = 0.0
    residual_time: datetime | None = None

    def at(self, moment: datetime, half_life_h: float, clock: Clock) -> float:
        """Activity in MBq left of it at a moment; times without a zone are in that of ``clock``."""
        left = self.activity_MBq * _decayed(in_zone(self.time, clock), moment, half_life_h)
        if self.residual_time is not None:
            left -= self.residual_MBq * _decayed(in_zone(self.residual_time, clock), moment, half_life_h)
        return left


def in_zone(moment: datetime, clock: Clock) -> datetime:
    """A moment with its zone, that of the images where it was written without."""
    return moment if moment.tzinfo is not None else clock.at(moment, "a time of PHANTOM.json")


def _decayed(start: datetime, end: datetime, half_life_h: float) -> float:
    return float(2.0 ** (-(end - start).total_seconds() / 3600.0 / half_life_h))


@dataclass(frozen=True, kw_only=True)
class ScanFile:
    """One scan of the file.

    Attributes
    ----------
    name, kind : what it is called; a phantom's word, "own", "point-source" or "line-source".
    phantom : its geometry; None for a source.
    folder, image : of the DICOM, and the series where several.
    background, spheres : what was filled; None for nothing.
    acquisition_time, acquisition_s, observed_cps : see the schema.
    axes : whether widths along the axes are asked for.
    """

    name: str
    kind: str
    phantom: CameraPhantom | None
    folder: Path
    image: str = ""
    background: Fill | None = None
    spheres: Fill | None = None
    acquisition_time: datetime | None = None
    acquisition_s: float | None = None
    observed_cps: float | None = None
    axes: bool = False

    @property
    def fills(self) -> dict[str, Fill]:
        """Those that there are, by key."""
        found = {"background": self.background, "spheres": self.spheres}
        return {name: fill for name, fill in found.items() if fill is not None}


@dataclass(frozen=True, kw_only=True)
class DeadTimeFile:
    """The series for the dead time: rates as rows, or a folder of planar images and what the source was."""

    rates: tuple[Mapping[str, float], ...] = ()
    folder: Path | None = None
    fill: Fill | None = None


@dataclass(frozen=True, kw_only=True)
class PhantomFile:
    """All of PHANTOM.json."""

    path: Path
    nuclide: str
    activity_u: float
    scans: tuple[ScanFile, ...]
    camera: str = ""
    site: str = ""
    physicist: str = ""
    date: date | None = None
    volume_u: float = VOLUME_U
    clock_u_min: float = CLOCK_U_min
    dead_time: DeadTimeFile | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def load_phantom_file(path: Path) -> PhantomFile:
    """Read PHANTOM.json.

    Raises
    ------
    InputFileError
        If it cannot be read, or a key is unknown, missing or impossible.
    """
    place = Place(file=path.name, base=path.parent)
    values = PHANTOM.read(read_json_file(path, place), place)
    values.pop("$schema", None)
    scans = tuple(_scan(n, one) for n, one in enumerate(values.pop("scans")))
    for n, scan in enumerate(scans):
        if scan.name in [one.name for one in scans[:n]]:
            place.stop(f"{place.key('scans').item(n).key('name').name} is {scan.name!r} once more: rename one.")
    dead = values.pop("dead_time", None)
    values["nuclide"] = nuclide(values["nuclide"]).name
    return PhantomFile(path=path, scans=scans, dead_time=_dead_time(dead) if dead else None, **values)


def _fill(values: Mapping[str, Any] | None) -> Fill | None:
    return Fill(**values) if values else None


def _dead_time(values: Mapping[str, Any]) -> DeadTimeFile:
    return DeadTimeFile(rates=values.get("rates", ()), folder=values.get("dicom"), fill=_fill(values.get("fill")))


def _scan(number: int, values: Mapping[str, Any]) -> ScanFile:
    kind, fills = values["phantom"], values.get("fills", {})
    return ScanFile(
        name=values.get("name", f"scan {number + 1}"),
        kind=kind,
        phantom=_phantom(kind, values),
        folder=values["dicom"],
        image=values.get("image", ""),
        background=_fill(fills.get("background")),
        spheres=_fill(fills.get("spheres")),
        acquisition_time=values.get("acquisition_time"),
        acquisition_s=values.get("acquisition_s"),
        observed_cps=values.get("observed_cps"),
        axes=values.get("axes", False),
    )


def _phantom(kind: str, values: Mapping[str, Any]) -> CameraPhantom | None:
    if kind in SOURCES:
        return None
    if kind != OWN:
        known = camera_phantom(kind)
        return replace(known, wall_mm=values["wall_mm"]) if "wall_mm" in values else known
    middle = [sum(one["centre_mm"][n] for one in values["spheres"]) / len(values["spheres"]) for n in range(3)]
    spheres = tuple(
        PhantomSphere(
            one["name"],
            one["diameter_mm"],
            (
                one["centre_mm"][0] - middle[0],
                one["centre_mm"][1] - middle[1],
                one["centre_mm"][2] - middle[2],
            ),
        )
        for one in values["spheres"]
    )
    return CameraPhantom(OWN, "phantom of your own", "PHANTOM.json", spheres, wall_mm=values.get("wall_mm", 1.0))
