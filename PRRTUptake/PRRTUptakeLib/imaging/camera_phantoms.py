"""Phantoms for commissioning a camera: their spheres, and where these are; one table, ``Resources/Phantoms``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.resources import resource_path


@dataclass(frozen=True)
class PhantomSphere:
    """A fillable sphere: name, inner diameter, and its centre in the phantom's frame (mm), None where not known."""

    name: str
    diameter_mm: float
    centre_mm: tuple[float, float, float] | None = None

    @property
    def volume_mL(self) -> float:
        """Inner volume.

        Examples
        --------
        >>> round(PhantomSphere("37 mm", 37.0).volume_mL, 2)
        26.52
        """
        return math.pi / 6.0 * self.diameter_mm**3 / 1000.0


@dataclass(frozen=True)
class CameraPhantom:
    """A phantom.

    Attributes
    ----------
    name, title, source : its word in files, what it is called, and where its sizes are from.
    spheres : by size.
    shape : "nema-body" or "cylinder", the cross-section of the inner space, whose half width is ``radius_mm``.
    length_mm, spheres_to_end_mm : inner length, and how far the spheres' plane is from the end at negative z.
    wall_mm, body_wall_mm : of a sphere and of the phantom.
    insert_radius_mm : of a cylinder without activity along the middle, walls included; 0 for none.
    ring_known : whether distances between spheres are known, or only their directions and order.
    """

    name: str
    title: str
    source: str
    spheres: tuple[PhantomSphere, ...]
    shape: str = "cylinder"
    radius_mm: float = 0.0
    length_mm: float = 0.0
    spheres_to_end_mm: float = 0.0
    wall_mm: float = 1.0
    body_wall_mm: float = 3.0
    insert_radius_mm: float = 0.0
    ring_known: bool = True

    @property
    def centres_mm(self) -> np.ndarray:
        """Centres of the spheres, (n, 3).

        Raises
        ------
        ImagingError
            If one of them is not known.
        """
        if any(sphere.centre_mm is None for sphere in self.spheres):
            raise ImagingError(f"The places of the spheres of '{self.name}' are not known: give their centres.")
        return np.array([sphere.centre_mm for sphere in self.spheres], dtype=np.float64).reshape(-1, 3)

    def inside_mm(self, points: np.ndarray) -> np.ndarray:
        """How deep points (..., 3) of the phantom's frame are in the inner space (mm; negative outside), without walls.

        Exact near the border, where it matters; the insert and the spheres count as inside.
        """
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        across = self.radius_mm - np.hypot(x, y)
        if self.shape == "nema-body":
            corner = 77.0  # radius of the lower corners, NEMA NU 2
            below = corner - np.hypot(np.maximum(np.abs(x) - (self.radius_mm - corner), 0.0), y)
            across = np.where(y < 0, below, across)
        low = z + self.spheres_to_end_mm
        return np.asarray(np.minimum(across, np.minimum(low, self.length_mm - low)))


@cache
def _table() -> dict[str, CameraPhantom]:
    path = resource_path(__file__, "Phantoms", "camera_phantoms.json")
    return {entry["name"]: _phantom(dict(entry)) for entry in json.loads(path.read_text(encoding="utf-8"))["phantoms"]}


def _phantom(entry: dict[str, object]) -> CameraPhantom:
    ring = float(entry.pop("ring_mm"))  # type: ignore[arg-type]
    pairs = entry.pop("spheres")
    spheres = tuple(
        PhantomSphere(
            f"{diameter:g} mm",
            diameter,
            (ring * math.cos(math.radians(angle)), ring * math.sin(math.radians(angle)), 0.0),
        )
        for diameter, angle in pairs  # type: ignore[attr-defined]
    )
    return CameraPhantom(spheres=spheres, **entry)  # type: ignore[arg-type]


def phantom_names() -> tuple[str, ...]:
    """The phantoms that are known.

    Examples
    --------
    >>> phantom_names()
    ('nema-iec', 'jaszczak', 'cylinder')
    """
    return tuple(_table())


def camera_phantom(name: str) -> CameraPhantom:
    """A phantom by its word.

    Raises
    ------
    ImagingError
        If there is none of that name.

    Examples
    --------
    >>> [sphere.name for sphere in camera_phantom("nema-iec").spheres][-1]
    '37 mm'
    """
    found = _table().get(name)
    if found is None:
        raise ImagingError(f"The phantom '{name}' is not known: choose one of {', '.join(_table())}.")
    return found
