"""Where the metastases of a synthetic patient lie: drawn at random, fully inside their lobe, apart from one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.synthetic.errors import LesionPlacementError
from PRRTUptakeLib.synthetic.phantom_anatomy import LIVER_LOBES
from PRRTUptakeLib.synthetic.phantom_shapes import Point, Shape, inside

# At least this far from the lobe's rim, from vessels and from the next lesion: further than neighbouring voxels of the
# contrast CT are apart corner to corner (3.7 mm), so that lesions do not grow together in their mask.
GAP_mm = 4.0
_STEP_mm = 2.5
_LAYOUTS = 60
_DRAWS = 10
# Mesenteric fat and soft tissue below the liver, clear of every organ also when the diaphragm moves.
_EXTRAHEPATIC_CENTRES: tuple[Point, ...] = (
    (-18.0, 40.0, -92.0),
    (52.0, 45.0, -104.0),
    (-70.0, 50.0, -70.0),
    (15.0, 60.0, -128.0),
)
_EXTRAHEPATIC_DIAMETER_mm = 40.0


@dataclass(frozen=True)
class LesionPlan:
    """A lesion before it has a place: diameter, lobe (left, right, none), uptake as a multiple of the table's row."""

    diameter_mm: float
    lobe: str
    relative_uptake: float = 1.0

    def __post_init__(self) -> None:
        if self.lobe not in ("left", "right", "none"):
            raise LesionPlacementError(f"A lesion's lobe is left, right or none, not '{self.lobe}'.")
        if not 2.0 <= self.diameter_mm <= 120.0 or self.relative_uptake <= 0:
            raise LesionPlacementError(
                f"A lesion needs a diameter of 2 to 120 mm and an uptake above 0, not {self.diameter_mm} mm "
                f"and {self.relative_uptake}."
            )


LesionDraw = Callable[[np.random.Generator], Sequence[LesionPlan]]


def default_lesions(random: np.random.Generator) -> tuple[LesionPlan, ...]:
    """Three targets of 33-50 mm and two small lesions of 12-26 mm per lobe, and one of 18-30 mm outside the liver.

    Uptakes scatter log-normally by 15 % from lesion to lesion.
    """
    plan = []
    for lobe in ("left", "right"):
        large, small = np.sort(random.uniform(33, 50, 3))[::-1], np.sort(random.uniform(12, 26, 2))[::-1]
        plan += [(float(size), lobe) for size in (*large, *small)]
    plan.append((float(random.uniform(18, 30)), "none"))
    uptakes = np.exp(random.normal(0.0, 0.15, len(plan)))
    return tuple(LesionPlan(size, lobe, float(u)) for (size, lobe), u in zip(plan, uptakes, strict=True))


def pet_lesions(random: np.random.Generator) -> tuple[LesionPlan, ...]:
    """Lesions of 20-42 mm (three per lobe), 10-16 mm (one per lobe) and 20-30 mm (one outside the liver).

    Uptakes scatter log-normally by 20 % from lesion to lesion.
    """
    plan = []
    for lobe in ("left", "right"):
        plan += [(float(size), lobe) for size in (*np.sort(random.uniform(20, 42, 3))[::-1], random.uniform(10, 16))]
    plan.append((float(random.uniform(20, 30)), "none"))
    uptakes = np.exp(random.normal(0.0, 0.20, len(plan)))
    return tuple(LesionPlan(size, lobe, float(u)) for (size, lobe), u in zip(plan, uptakes, strict=True))


def single_arm_lesions(random: np.random.Generator) -> tuple[LesionPlan, ...]:
    """Lesions of 32-46, 24-32, 22-30 and 12-18 mm in the liver, and two lymph nodes of 26-36 and 18-26 mm outside it.

    Uptakes scatter log-normally by 20 % from lesion to lesion.
    """
    liver = ((32, 46, "right"), (24, 32, "right"), (22, 30, "left"), (12, 18, "right"))
    sizes = (*liver, (26, 36, "none"), (18, 26, "none"))
    plan = [(float(random.uniform(low, high)), lobe) for low, high, lobe in sizes]
    uptakes = np.exp(random.normal(0.0, 0.20, len(plan)))
    return tuple(LesionPlan(size, lobe, float(u)) for (size, lobe), u in zip(plan, uptakes, strict=True))


def draw_lesions(
    draw: LesionDraw, sizes: np.random.Generator, places: np.random.Generator
) -> tuple[tuple[LesionPlan, ...], tuple[Point, ...]]:
    """Draw lesions and their places; a draw that does not fit into the liver (about one in fifty) is drawn again.

    Raises
    ------
    LesionPlacementError
        If ten draws in a row do not fit.
    """
    for _ in range(_DRAWS - 1):
        plan = tuple(draw(sizes))
        try:
            return plan, place_lesions(plan, places)
        except LesionPlacementError:
            continue
    plan = tuple(draw(sizes))
    return plan, place_lesions(plan, places)


def place_lesions(plan: Sequence[LesionPlan], random: np.random.Generator) -> tuple[Point, ...]:
    """Draw a centre (RAS mm) for each planned lesion.

    Raises
    ------
    LesionPlacementError
        If they do not fit within 60 layouts drawn at random.
    """
    centres: dict[int, Point] = dict(_place_outside(plan))
    for lobe in ("left", "right"):
        members = sorted((n for n, item in enumerate(plan) if item.lobe == lobe), key=lambda n: -plan[n].diameter_mm)
        if members:
            places = _place_in_lobe([plan[n].diameter_mm / 2 for n in members], lobe, random)
            centres.update(zip(members, places, strict=True))
    return tuple(centres[n] for n in range(len(plan)))


def _place_outside(plan: Sequence[LesionPlan]) -> list[tuple[int, Point]]:
    members = [n for n, item in enumerate(plan) if item.lobe == "none"]
    if len(members) > len(_EXTRAHEPATIC_CENTRES):
        raise LesionPlacementError(
            f"{len(members)} extrahepatic lesions were asked for, but there is room for {len(_EXTRAHEPATIC_CENTRES)}."
        )
    for n in members:
        if plan[n].diameter_mm > _EXTRAHEPATIC_DIAMETER_mm:
            raise LesionPlacementError(
                f"An extrahepatic lesion of {plan[n].diameter_mm} mm does not fit: "
                f"use at most {_EXTRAHEPATIC_DIAMETER_mm} mm."
            )
    return list(zip(members, _EXTRAHEPATIC_CENTRES, strict=False))


def _place_in_lobe(radii: Sequence[float], lobe: str, random: np.random.Generator) -> list[Point]:
    """Largest first; each centre drawn among the points that leave room, on a lattice of the lobe."""
    shape = LIVER_LOBES[lobe]
    low, high = shape.bounds()
    axes = [np.arange(a - 2 * _STEP_mm, b + 2 * _STEP_mm, _STEP_mm) for a, b in zip(low, high, strict=True)]
    within = shape.contains(axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
    clearance = ndimage.distance_transform_edt(within, sampling=_STEP_mm).ravel()
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points, clearance = points[clearance > 0], clearance[clearance > 0]
    for _ in range(_LAYOUTS):
        layout = _draw_layout(radii, points, clearance, shape, random)
        if layout is not None:
            return layout
    sizes = ", ".join(f"{2 * radius:g}" for radius in radii)
    raise LesionPlacementError(f"Lesions of {sizes} mm do not fit into the {lobe} lobe: ask for fewer or smaller ones.")


def _draw_layout(
    radii: Sequence[float], points: np.ndarray, clearance: np.ndarray, lobe: Shape, random: np.random.Generator
) -> list[Point] | None:
    layout: list[Point] = []
    room = clearance.copy()
    for radius in radii:
        candidates = np.flatnonzero(room >= radius + GAP_mm)
        if candidates.size == 0:
            return None
        centre = points[random.choice(candidates)]
        if not inside(lobe, centre + (radius + 0.5) * _DIRECTIONS).all():  # the lattice is coarse: make sure
            return None
        layout.append((float(centre[0]), float(centre[1]), float(centre[2])))
        room = np.minimum(room, np.linalg.norm(points - centre, axis=1) - radius)
    return layout


def _directions(count: int) -> np.ndarray:
    """Unit vectors spread evenly over the sphere (Fibonacci lattice), (count, 3)."""
    n = np.arange(count) + 0.5
    z, azimuth = 1.0 - 2.0 * n / count, np.pi * (1.0 + 5.0**0.5) * n
    ring = np.sqrt(1.0 - z**2)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)


_DIRECTIONS = _directions(600)
