"""Recovery of each sphere by its true volume and activity, the curve through them, and image quality by NEMA NU 2.

The recovery coefficient of a warm phantom is the part of the contrast that the mean over the sphere keeps,
(mean - background)/(true - true background); in a cold phantom mean over true. All spheres share the errors of
calibration and stock solution, which the covariance holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve, contrast_recovery, fit_recovery_curve
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume

    from PRRTDosimetryLib.camera.sphere_match import FoundSphere, Match

_FINE = 6  # samples per voxel edge
_ROI_GAP_mm = 15.0  # of background regions to walls and spheres, NEMA NU 2
_PLANES_mm = (-20.0, -10.0, 0.0, 10.0, 20.0)
_REGIONS = 12


@dataclass(frozen=True)
class SphereRecovery:
    """One sphere.

    Attributes
    ----------
    name, volume_mL, centre_mm : which, how large, where it was measured (RAS).
    mean, true : MBq/mL, by the image with the calibration, and as filled.
    recovery, u_own : of the contrast, and its standard uncertainty without what the spheres share.
    without_background : mean over true, the background not taken off.
    in_curve : whether it counts for the curve; ``note`` says why not.
    contrast_percent, variability_percent : by NEMA NU 2; nan in a cold phantom.
    """

    name: str
    volume_mL: float
    centre_mm: tuple[float, float, float]
    mean: float
    true: float
    recovery: float
    u_own: float
    without_background: float
    in_curve: bool = True
    note: str = ""
    contrast_percent: float = math.nan
    variability_percent: float = math.nan


def occupancy(grid: Grid, centre_mm: Sequence[float], radius_mm: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """Box [k, j, i] around a sphere, and the part of each of its voxels that is inside.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> grid = Grid((20, 20, 20), np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> _, part = occupancy(grid, (19.0, 19.0, 19.0), 10.0)
    >>> round(float(part.sum()) * 8.0 / (4 / 3 * math.pi * 1000), 3)
    1.0
    """
    middle = grid.to_ijk(np.array(centre_mm))[::-1]
    reach = radius_mm / np.array(grid.spacing_mm[::-1]) + 1.0
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, grid.shape)
    box = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    axes = [
        (np.arange(int((b - a) * _FINE)) + 0.5) / _FINE - 0.5 + a - m for a, b, m in zip(low, high, middle, strict=True)
    ]
    matrix = grid.ijk_to_ras[:3, 2::-1]  # columns k, j, i
    squared = np.zeros(tuple(axis.size for axis in axes))
    for row in matrix:
        part = row[0] * axes[0][:, None, None] + row[1] * axes[1][None, :, None] + row[2] * axes[2][None, None, :]
        squared += part**2
    shape = [n for a, b in zip(low, high, strict=True) for n in (int(b - a), _FINE)]
    inside = (squared <= radius_mm**2).reshape(shape)
    return box, np.asarray(inside.mean(axis=(1, 3, 5)))


def sphere_mean(image: Volume, centre_mm: Sequence[float], radius_mm: float) -> tuple[float, float]:
    """Mean of an image over a sphere, each voxel by the part that is inside, and the number of voxels it is of."""
    box, part = occupancy(image.grid, centre_mm, radius_mm)
    total = float(part.sum())
    return float((part * image.array[box]).sum() / total), total**2 / float((part**2).sum())


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What is known of the activity, at the moment of the image.

    ``sphere`` and ``background`` in MBq/mL, 0 for none; ``factor`` takes the image to MBq/mL: image / factor.
    ``noise`` is the standard deviation of a voxel in MBq/mL, ``shared_voxels`` how many share it.
    """

    sphere: float
    background: float
    factor: float
    image_background: float
    noise: float
    shared_voxels: float


def recoveries(
    image: Volume,
    spheres: Sequence[FoundSphere],
    shift_mm: Sequence[float],
    filling: Filling,
    notes: dict[str, tuple[float, bool, str]],
) -> tuple[SphereRecovery, ...]:
    """Recovery of every sphere.

    Parameters
    ----------
    image : in its own unit.
    spheres : of the CT.
    shift_mm : of the image against the CT.
    filling : what is known.
    notes : by sphere, the part of its volume that is filled, whether it counts for the curve, and why not.
    """
    found = []
    for sphere in spheres:
        centre = np.array(sphere.centre_mm) + np.array(shift_mm)
        mean, voxels = sphere_mean(image, centre, sphere.radius_mm)
        mean /= filling.factor
        filled, counts, note = notes.get(sphere.name, (1.0, True, ""))
        true = filling.sphere * filled
        if true <= 0 or math.isclose(true, filling.background):
            recovery = math.nan
        else:
            recovery = contrast_recovery(mean, true, filling.background)
        noise = filling.noise * math.sqrt(filling.shared_voxels / voxels)
        place = (float(centre[0]), float(centre[1]), float(centre[2]))
        found.append(
            SphereRecovery(
                name=sphere.name,
                volume_mL=sphere.volume_mL,
                centre_mm=place,
                mean=mean,
                true=true,
                recovery=recovery,
                u_own=math.hypot(noise / max(filling.sphere - filling.background, 1e-12), 0.005),
                without_background=mean / true if true > 0 else math.nan,
                in_curve=counts,
                note=note,
            )
        )
    return tuple(found)


def recovery_covariance(spheres: Sequence[SphereRecovery], u_shared: float) -> np.ndarray:
    """Covariance (n, n) of the recoveries: their own variances, and the shared relative error of all."""
    values = np.array([one.recovery for one in spheres])
    return np.diag([one.u_own**2 for one in spheres]) + u_shared**2 * np.outer(values, values)


def recovery_curve(spheres: Sequence[SphereRecovery], u_shared: float, source: str) -> RecoveryCurve | None:
    """Curve through the spheres that count; None for fewer than three, or where no curve fits.

    The covariance of its parameters has the part that the shared error adds, from a fit with all recoveries raised by
    it, in addition to that of the spheres' own.
    """
    used = [one for one in spheres if one.in_curve and math.isfinite(one.recovery) and one.recovery > 0.01]
    if len(used) < 3:
        return None
    volumes = [one.volume_mL for one in used]
    values = np.array([one.recovery for one in used])
    own = [one.u_own for one in used]
    try:
        curve = fit_recovery_curve(volumes, values, own, source)
        raised = fit_recovery_curve(volumes, values * (1.0 + u_shared), own, source)
    except UptakeError:
        return None
    misfit = [(one.recovery - curve.recovery(one.volume_mL)[0]) / one.u_own for one in used]
    widened = max(1.0, float(np.sum(np.square(misfit))) / max(1, len(used) - 2))
    step = np.array([raised.a_mL - curve.a_mL, raised.b - curve.b])
    covariance = np.array(curve.covariance) * widened + np.outer(step, step)
    (aa, ab), (ba, bb) = covariance.tolist()
    return replace(curve, covariance=((aa, ab), (ba, bb)))


def image_quality(
    image: Volume,
    match: Match,
    shift_mm: Sequence[float],
    wet_mm: np.ndarray,
    wet_grid: Grid,
    spheres: Sequence[SphereRecovery],
    ratio: float,
) -> tuple[SphereRecovery, ...]:
    """The spheres with contrast and background variability by NEMA NU 2-2018, section 7.4.

    Contrast is (sphere/background - 1)/(true ratio - 1) in the plane of the centres; variability the standard deviation
    of background discs of the sphere's size over their mean, 12 in each of 5 planes 10 mm apart, along the phantom.

    Parameters
    ----------
    wet_mm, wet_grid : distance [k, j, i] of places from walls, spheres and air, by the CT, and its grid.
    ratio : true sphere over background concentration.
    """
    shift = np.array(shift_mm)
    discs = _background_places(match, wet_mm, wet_grid)
    if not discs.size or not ratio > 1:
        return tuple(spheres)
    across = np.array([match.pose.rotation[:, 0], match.pose.rotation[:, 1]])
    found = []
    for one, sphere in zip(spheres, match.spheres, strict=True):
        disc = _disc(sphere.radius_mm) @ across
        hot = _sampled(image, np.array(one.centre_mm) + disc).mean()
        cold = np.array([_sampled(image, place + shift + disc).mean() for place in discs])
        level = float(cold.mean())
        found.append(
            replace(
                one,
                contrast_percent=100.0 * (float(hot) / level - 1.0) / (ratio - 1.0) if level > 0 else math.nan,
                variability_percent=100.0 * float(cold.std(ddof=1)) / level if level > 0 else math.nan,
            )
        )
    return tuple(found)


def _disc(radius_mm: float) -> np.ndarray:
    """Points (n, 2) of a disc, evenly spread."""
    step = max(1.0, radius_mm / 6.0)
    axis = np.arange(-radius_mm, radius_mm + step / 2, step)
    x, y = np.meshgrid(axis, axis)
    inside = x**2 + y**2 <= radius_mm**2
    return np.column_stack([x[inside], y[inside]])


def _sampled(image: Volume, points: np.ndarray) -> np.ndarray:
    ijk = image.grid.to_ijk(points)
    return np.asarray(ndimage.map_coordinates(image.array, ijk.T[::-1], order=1, mode="nearest"))


def _background_places(match: Match, wet_mm: np.ndarray, grid: Grid) -> np.ndarray:
    """Centres (n, 3) of background discs for the largest sphere, far from walls and from each other."""
    largest = max(one.radius_mm for one in match.spheres)
    axis = np.arange(-160.0, 161.0, 8.0)
    x, y = np.meshgrid(axis, axis)
    flat = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    places = match.pose.place(flat)
    free = _depth(places, wet_mm, grid)
    wanted = largest + _ROI_GAP_mm
    fitting = np.flatnonzero(free >= wanted)
    if fitting.size < _REGIONS:  # a phantom as full as the NEMA's: as far from walls as there is room
        fitting = np.argsort(-free)[: 6 * _REGIONS]
        fitting = fitting[free[fitting] > 0.6 * largest]
    if fitting.size < _REGIONS:
        return np.zeros((0, 3))
    chosen = [int(fitting[np.argmax(free[fitting])])]
    while len(chosen) < _REGIONS:
        apart = np.linalg.norm(places[fitting][:, None] - places[chosen][None], axis=-1).min(axis=1)
        chosen.append(int(fitting[np.argmax(apart)]))
    return np.concatenate([places[chosen] + plane * match.pose.axis for plane in _PLANES_mm])


def _depth(points: np.ndarray, wet_mm: np.ndarray, grid: Grid) -> np.ndarray:
    ijk = grid.to_ijk(points)
    return np.asarray(ndimage.map_coordinates(wet_mm, ijk.T[::-1], order=1, mode="constant"))
