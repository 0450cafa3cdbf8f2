"""Spheres on the emission image itself, where there is no CT: hot places, named by how far apart they are and how hot.

Without a wall to measure, a sphere's size shows only in how much of its activity the resolution leaves. The naming is
refused where two fit alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.blurred_sphere import blurred_sphere
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from scipy import ndimage

from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.sphere_match import FoundSphere, Match, Pose, kabsch, pose_fits

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom
    from PRRTUptakeLib.imaging.volume import Volume

_MOST = 14  # hot places that are looked at
_WIDTHS_mm = (5.0, 7.0, 9.0, 12.0, 15.0, 19.0)
_ROUNDS = 6  # of the pose by centres of activity
_AROUND_mm, _SHELL_mm = 5.0, 5.0  # beyond a sphere's border: what counts as its own, and as its surroundings
_CLEAR = 4.0  # standard deviations of the surroundings, from which a sphere's centre counts
_LEAST_SHARE = 0.25  # of a sphere's maximum: less may be a neighbour's
_LEAST_RATIO = 3.0  # residual of the next best naming over that of the best


def match_on_image(image: Volume, phantom: CameraPhantom) -> Match:
    """Name the hot spheres of an image.

    Raises
    ------
    CameraError
        If fewer than four hot places are where the phantom has spheres, or two ways to name them fit alike.
    """
    points = hot_places(image)
    places = phantom.centres_mm
    found: list[tuple[float, Pose, int]] = []
    for pose in pose_fits(phantom, points):
        here = pose.place(places)
        apart = np.linalg.norm(here[:, None] - points[None], axis=-1)
        seen = apart.min(axis=1) < 0.75 * max(image.grid.spacing_mm) + 2.0
        if seen.sum() < min(4, len(places)):
            continue
        better = kabsch(places[seen], points[apart[seen].argmin(axis=1)], not phantom.ring_known)
        found.append((_misfit(image, phantom, better.place(places)), better, int(seen.sum())))
    found.sort(key=lambda one: one[0])
    if not found:
        raise CameraError(
            f"There is no CT, and the image does not show four spheres of the {phantom.title}: add the CT of the scan."
        )
    best, pose, _ = found[0]
    here = pose.place(places)
    pose = refined_on_image(image, phantom, pose)
    others = [one[0] for one in found if (np.linalg.norm(one[1].place(places) - here, axis=1) > 10.0).any()]
    ratio = others[0] / best if others else math.inf
    if ratio < _LEAST_RATIO:
        raise CameraError(
            f"There is no CT, and by the image alone two ways to name the spheres of the {phantom.title} fit alike: "
            "add the CT of the scan."
        )
    here = pose.place(places)
    spheres = tuple(
        FoundSphere(sphere.name, sphere.diameter_mm, (float(x), float(y), float(z)), True)
        for sphere, (x, y, z) in zip(phantom.spheres, here, strict=True)
    )
    return Match(spheres, pose, math.nan, math.log(ratio) if math.isfinite(ratio) else 99.0, math.sqrt(best))


def refined_on_image(image: Volume, phantom: CameraPhantom, pose: Pose) -> Pose:
    """The pose by each sphere's centre of activity above what is around it, which a blur leaves in its place.

    The maximum of a large sphere is flat, and a pose by maxima may be turned by several millimetres at its small ones.
    """
    for _ in range(_ROUNDS):
        here = pose.place(phantom.centres_mm)
        centres = [_centre(image, one, ball.diameter_mm / 2.0) for one, ball in zip(here, phantom.spheres, strict=True)]
        seen = [n for n, one in enumerate(centres) if one is not None]
        if len(seen) < 3:
            return pose
        points = np.array([one for one in centres if one is not None])
        pose = kabsch(phantom.centres_mm[seen], points, not phantom.ring_known)
    return pose


def _centre(image: Volume, place: np.ndarray, radius_mm: float) -> np.ndarray | None:
    """Centre of what a ball around ``place`` (3,) has above what surrounds it, RAS mm (3,); None for little."""
    reach = radius_mm + _AROUND_mm
    middle = image.grid.to_ijk(place)[::-1]
    span = (reach + _SHELL_mm) / np.array(image.grid.spacing_mm[::-1])
    low = np.maximum(np.floor(middle - span).astype(int), 0)
    high = np.minimum(np.ceil(middle + span).astype(int) + 1, image.array.shape)
    if (high <= low).any():
        return None
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    k, j, i = np.mgrid[cut]
    points = image.grid.to_ras(np.stack([i, j, k], axis=-1).astype(np.float64)).reshape(-1, 3)
    away, values = np.linalg.norm(points - place, axis=1), image.array[cut].reshape(-1).astype(np.float64)
    inside, shell = away <= reach, (away > reach) & (away <= reach + _SHELL_mm)
    if not inside.any() or not shell.any():
        return None
    around, scatter = float(np.median(values[shell])), float(values[shell].std())
    above = values[inside] - around
    if above.max() < _CLEAR * scatter or above.max() <= 0:
        return None
    weight = np.clip(above - _LEAST_SHARE * above.max(), 0.0, None)
    return np.asarray(weight @ points[inside] / weight.sum())


def hot_places(image: Volume) -> np.ndarray:
    """Local maxima of the image less its surroundings (difference of Gaussians), RAS mm (n, 3), the hottest first."""
    spacing = np.array(image.grid.spacing_mm[::-1])
    array = image.array.astype(np.float32)
    narrow = ndimage.gaussian_filter(array, 3.0 / spacing)
    bumps = narrow - ndimage.gaussian_filter(array, 12.0 / spacing)
    size = tuple(2 * round(4.0 / edge) + 3 for edge in spacing)
    peaks = np.argwhere((ndimage.maximum_filter(bumps, size=size) == bumps) & (bumps > 0.02 * bumps.max()))
    order = np.argsort([-bumps[tuple(one)] for one in peaks])[:_MOST]
    found = []
    for place in peaks[order]:
        low, high = np.maximum(place - 2, 0), np.minimum(place + 3, array.shape)
        cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        weights = np.clip(bumps[cut], 0.0, None) ** 2
        index = np.array(np.mgrid[cut]).reshape(3, -1)
        found.append((index * weights.ravel()).sum(axis=1) / weights.sum())
    return np.array([image.grid.to_ras(one[::-1]) for one in found]).reshape(-1, 3)


def _misfit(image: Volume, phantom: CameraPhantom, here: np.ndarray) -> float:
    """Mean square of what the centres show less what one concentration and resolution explain, over their variance."""
    ijk = image.grid.to_ijk(here)
    shown = ndimage.map_coordinates(image.array, ijk.T[::-1], order=1, mode="constant").astype(np.float64)
    if not shown.std() > 0:
        return math.inf
    best = math.inf
    for width in _WIDTHS_mm:
        sigma = math.hypot(width / FWHM_PER_SIGMA, float(np.mean(image.grid.spacing_mm)) / math.sqrt(12.0))
        kept = [float(blurred_sphere(np.zeros(1), one.diameter_mm / 2.0, sigma)[0]) for one in phantom.spheres]
        design = np.column_stack([kept, np.ones(len(kept))])
        solved, *_ = np.linalg.lstsq(design, shown, rcond=None)
        if solved[0] > 0:
            best = min(best, float(np.mean((shown - design @ solved) ** 2)))
    return best / float(shown.var()) + 1e-4
