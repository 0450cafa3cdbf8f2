"""Mutual information of two images as a function of a rigid pose, with its slope, and the climb to its summit.

Histogram as of Mattes et al. (IEEE Trans Med Imaging 2003;22:120, doi:10.1109/TMI.2003.809072): each sample counts in
one class of the fixed image and, by a cubic B-spline, in four of the moving one, which is interpolated linearly. Values
are those of ITK's metric, which takes ten times as long.

The slope belongs to the interpolation, so that a climb ends where the value is highest. Noise of the moving image is in
its values and in that slope alike, which draws the summit aside: differences over a whole voxel share less of it. Where
their slope is none, as `settled` finds, the liver is 5 % nearer to its place (27 pairs of the synthetic patients).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import grid_of
from PRRTUptakeLib.progress import Progress, no_progress

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_EDGE = 2  # empty classes at both ends, into which the B-spline reaches
_SPLINE = np.array([[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]]) / 6.0  # [class, power of the place]
_SPLINE_SLOPE = _SPLINE[:, 1:] * np.array([1.0, 2.0, 3.0])
_RISE = 1e-4  # of what the slope promises: less is no step forward
_FLAT = 1e-12  # nats per mm
_SHORTER = 0.6  # of the step before


class Slope(NamedTuple):
    """Mutual information (nats), and how it changes by a shift (nats per mm) and a turn about the origin (per rad)."""

    value: float
    shift: np.ndarray
    turn: np.ndarray


class Summit(NamedTuple):
    """A pose after a climb, its mutual information in nats, whether the climb came to rest, and how the slope bends.

    ``inverse`` is that of the curvature (6, 6) by turns and shifts in mm, nats per mm2; None where it was not seen.
    """

    pose: np.ndarray
    value: float
    ended: bool
    inverse: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class MutualInformation:
    """Of samples of a fixed image with a moving image, for poses that are 4x4 RAS, fixed to moving.

    Attributes
    ----------
    points : RAS mm (3, n) of the samples.
    rows : class of each in the fixed image, as the first cell of its row in the flat histogram.
    moving : values [k, j, i].
    to_index : 4x4, from RAS to indices i, j, k of ``moving``.
    lowest, width : first value and width of the classes of the moving image.
    bins : number of classes of either.
    """

    points: np.ndarray
    rows: np.ndarray
    moving: np.ndarray
    to_index: np.ndarray
    lowest: float
    width: float
    bins: int

    @classmethod
    def of(
        cls, images: tuple[sitk.Image, sitk.Image], mask: sitk.Image, bins: int, at_most: int = 0, seed: int = 1
    ) -> MutualInformation:
        """Sample the first image within a mask: at every voxel, or at ``at_most`` places next to voxels if these are
        more (0: no limit). Places between voxels of both images smooth these alike, so that no pose is favoured.
        """
        fixed, moving = images
        on_fixed = sitk.Resample(mask, fixed, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
        inside, values = sitk.GetArrayViewFromImage(on_fixed), sitk.GetArrayFromImage(fixed)
        where = np.flatnonzero(inside)
        if 0 < at_most < where.size:
            random = np.random.default_rng(seed)
            where = np.sort(random.choice(where, at_most, replace=False))
            ijk = np.stack(np.unravel_index(where, inside.shape)[::-1]) + random.normal(0.0, 1.0 / 3.0, (3, where.size))
            samples = _at(values, np.clip(ijk, 0.0, np.array(inside.shape[::-1])[:, None] - 1.0))
        else:
            ijk, samples = np.stack(np.unravel_index(where, inside.shape)[::-1]), values.reshape(-1)[where]
        array = np.ascontiguousarray(sitk.GetArrayFromImage(moving), dtype=np.float32)
        low, width = _scale(array, bins)
        points = np.ascontiguousarray(grid_of(fixed).to_ras(ijk.T).T)
        return cls(points, _classes(samples, bins) * bins, array, grid_of(moving).ras_to_ijk, low, width, bins)

    def thinned(self, at_most: int) -> MutualInformation:
        """With every second, third ... sample only, so that there are not more than ``at_most``."""
        step = max(1, math.ceil(self.rows.size / at_most))
        return replace(self, points=np.ascontiguousarray(self.points[:, ::step]), rows=self.rows[::step])

    def value(self, pose: np.ndarray) -> float:
        """Mutual information in nats; -inf where no sample is within the moving image."""
        seen, ijk = self._places(pose)
        if ijk.size == 0:
            return -math.inf
        return self._information(*self._cells(_at(self.moving, ijk), seen))[0]

    def by_chance(self, pose: np.ndarray) -> float:
        """The value under a pose if each sample were that of another place: what images of nothing in common have."""
        return replace(self, rows=np.random.default_rng(1).permutation(self.rows)).value(pose)

    def slope(self, pose: np.ndarray, across: bool = False) -> Slope:
        """Mutual information with its slope; the turn is about the origin of the moving image's frame.

        ``across``: slopes of the moving image are differences over a whole voxel around each sample.
        """
        seen, ijk = self._places(pose)
        if ijk.size == 0:
            return Slope(-math.inf, np.zeros(3), np.zeros(3))
        values, gradients = (_at(self.moving, ijk), self._across(ijk)) if across else _with_slopes(self.moving, ijk)
        cells, place = self._cells(values, seen)
        value, logs = self._information(cells, place)
        steeper = np.tensordot(_SPLINE_SLOPE.T, _in_reach(logs), 1).reshape(3, -1)
        constant, linear, square = (one.take(cells) for one in steeper)
        weights = ((square * place + linear) * place + constant) / (self.width * cells.size)
        pulls = self.to_index[:3, :3].T @ (np.stack(gradients) * weights)
        shift = pulls.sum(axis=1)
        points = self.points if seen is None else self.points[:, seen]
        both = pulls @ points.T @ pose[:3, :3].T + np.outer(shift, pose[:3, 3])  # [pull, place], summed over samples
        turn = np.array([both[2, 1] - both[1, 2], both[0, 2] - both[2, 0], both[1, 0] - both[0, 1]])
        return Slope(value, shift, turn)

    def _places(self, pose: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Samples within the moving image (None: all), and their indices i, j, k in it, (3, n)."""
        matrix = self.to_index @ pose
        ijk = matrix[:3, :3] @ self.points + matrix[:3, 3:]
        top = np.array(self.moving.shape[::-1])[:, None] - 1.0
        within = ((ijk >= -0.5) & (ijk < top + 0.5)).all(axis=0)
        if within.all():
            return None, np.clip(ijk, 0.0, top)
        return within, np.clip(ijk[:, within], 0.0, top)

    @functools.cached_property
    def _differences(self) -> list[np.ndarray]:
        """Of neighbours along i, j and k; each is at the middle between the two."""
        return [np.diff(self.moving, axis=axis) for axis in (2, 1, 0)]

    def _across(self, ijk: np.ndarray) -> list[np.ndarray]:
        """Slopes along i, j and k from half a voxel before to half a voxel behind each place."""
        found = []
        for axis, differences in enumerate(self._differences):
            middle = ijk.copy()
            middle[axis] = np.clip(middle[axis] - 0.5, 0.0, differences.shape[2 - axis] - 1.0)
            found.append(_at(differences, middle))
        return found

    def _cells(self, values: np.ndarray, seen: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Cell of the flat histogram in which each sample is, and its place in it along the moving image's classes."""
        term = (values - self.lowest) / self.width + _EDGE
        column = np.clip(term.astype(np.intp), _EDGE, self.bins - _EDGE - 1)
        rows = self.rows if seen is None else self.rows[seen]
        return rows + column, term - column

    def _information(self, cells: np.ndarray, place: np.ndarray) -> tuple[float, np.ndarray]:
        """Mutual information, and the logarithm of each cell of the histogram over its column's sum."""
        sums, powers = [np.bincount(cells, minlength=self.bins**2)], place
        for _ in range(3):  # of the places to the power of 0 to 3
            sums.append(np.bincount(cells, powers, self.bins**2))
            powers = powers * place
        spread = (_SPLINE @ np.stack(sums)).reshape(4, self.bins, self.bins) / cells.size
        joint = spread[1]  # the class of the value; one before, two behind it
        joint[:, :-1] += spread[0][:, 1:]
        joint[:, 1:] += spread[2][:, :-1]
        joint[:, 2:] += spread[3][:, :-2]
        np.maximum(joint, 0.0, out=joint)
        filled = joint > 0
        logs = np.zeros_like(joint)
        np.log(joint / np.maximum(joint.sum(axis=0), 1e-300), out=logs, where=filled)
        of_fixed = joint.sum(axis=1)
        value = (joint * logs).sum() - (of_fixed * np.log(np.maximum(of_fixed, 1e-300))).sum()
        return float(value), logs


def _in_reach(logs: np.ndarray) -> np.ndarray:
    """Of each cell, those of the four classes into which the B-spline of a value in it reaches, (4, rows, columns)."""
    found = np.zeros((4, *logs.shape))
    found[0][:, 1:] = logs[:, :-1]
    found[1] = logs
    found[2][:, :-1] = logs[:, 1:]
    found[3][:, :-2] = logs[:, 2:]
    return found


def _scale(values: np.ndarray, bins: int) -> tuple[float, float]:
    """First value and width of the classes between which values are parted."""
    low, high = float(values.min()), float(values.max())
    return low, max(high - low, 1e-12) / (bins - 2 * _EDGE)


def _classes(values: np.ndarray, bins: int) -> np.ndarray:
    low, width = _scale(values, bins)
    return np.clip(((values - low) / width + _EDGE).astype(np.intp), _EDGE, bins - _EDGE - 1)


def _at(array: np.ndarray, ijk: np.ndarray) -> np.ndarray:
    """Values of an array [k, j, i] at indices i, j, k (3, n) within it, interpolated linearly."""
    corners, (i, j, k) = _corners(array, ijk)
    on_i = [lower + i * (upper - lower) for lower, upper in zip(corners[::2], corners[1::2], strict=True)]
    on_j = [lower + j * (upper - lower) for lower, upper in zip(on_i[::2], on_i[1::2], strict=True)]
    return np.asarray(on_j[0] + k * (on_j[1] - on_j[0]))


def _with_slopes(array: np.ndarray, ijk: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `_at`, with the slopes of the interpolation along i, j and k, per voxel."""
    corners, (i, j, k) = _corners(array, ijk)
    along_i = [upper - lower for lower, upper in zip(corners[::2], corners[1::2], strict=True)]
    on_i = [lower + i * step for lower, step in zip(corners[::2], along_i, strict=True)]
    along_j = [on_i[1] - on_i[0], on_i[3] - on_i[2]]
    on_j = [on_i[0] + j * along_j[0], on_i[2] + j * along_j[1]]
    along_k = on_j[1] - on_j[0]
    slopes_i = [along_i[0] + j * (along_i[1] - along_i[0]), along_i[2] + j * (along_i[3] - along_i[2])]
    return on_j[0] + k * along_k, [
        slopes_i[0] + k * (slopes_i[1] - slopes_i[0]),
        along_j[0] + k * (along_j[1] - along_j[0]),
        along_k,
    ]


def _corners(array: np.ndarray, ijk: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Values at the eight corners of the cell around each place, i first, and how far it is on from the first."""
    slices, rows, columns = array.shape
    last = np.array([[columns], [rows], [slices]]) - 2
    below = np.minimum(ijk.astype(np.intp), np.maximum(last, 0))
    flat, first = array.reshape(-1), below[0] + columns * (below[1] + rows * below[2])
    steps = [i + columns * (j + rows * k) for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    return [flat.take(first + step, mode="clip") for step in steps], ijk - below


def climb(
    information: MutualInformation,
    pose: np.ndarray,
    first_mm: float,
    last_mm: float,
    iterations: int,
    progress: Progress = no_progress,
) -> Summit:
    """From a pose to the highest mutual information near it (BFGS; Nocedal and Wright, Numerical Optimization, 2006).

    Turns are about the middle of the samples and counted in mm of their root mean square distance from it.

    Parameters
    ----------
    pose : 4x4 RAS, fixed to moving, from which the climb starts.
    first_mm : the longest step.
    last_mm : a step shorter than this is the last.
    iterations : at most.
    progress : called at every step with the share done; what it raises ends the climb.
    """
    centre, radius = _extent(information)
    value, slope = _slope_mm(information, pose, centre, radius)
    inverse: np.ndarray | None = None
    for number in range(iterations):
        progress(number / iterations, "Registering")
        steepness = float(np.linalg.norm(slope))
        if not steepness > _FLAT:
            return Summit(pose, value, True, inverse)
        scale = first_mm / steepness
        step = scale * slope if inverse is None else inverse @ slope
        step *= min(1.0, first_mm / float(np.linalg.norm(step)))
        moved, found, following = pose, -math.inf, slope
        while True:
            moved = _moved(pose, step, centre, radius)
            found, following = _slope_mm(information, moved, centre, radius)
            if found >= value + _RISE * float(step @ slope) or np.linalg.norm(step) < last_mm:
                break
            step = step / 2.0
        length = float(np.linalg.norm(step))
        if found > value:
            inverse = _updated(inverse, step, slope - following)
            pose, value, slope = moved, found, following
        if length < last_mm:
            return Summit(pose, value, True, inverse)
    return Summit(pose, value, False, inverse)


def settled(information: MutualInformation, summit: Summit, first_mm: float, last_mm: float) -> np.ndarray:
    """The pose (4, 4) next to a summit where the slope over whole voxels is none; see the first lines of the module.

    Newton's steps with the curvature of the climb (Broyden's family), each shorter than the one before, of ``first_mm``
    at most, until one is shorter than ``last_mm``.
    """
    pose, inverse = summit.pose, summit.inverse
    if inverse is None:
        return pose
    centre, radius = _extent(information)
    _, slope = _slope_mm(information, pose, centre, radius, across=True)
    while first_mm >= last_mm:
        step = inverse @ slope
        step *= min(1.0, first_mm / max(float(np.linalg.norm(step)), _FLAT))
        pose = _moved(pose, step, centre, radius)
        _, following = _slope_mm(information, pose, centre, radius, across=True)
        inverse = _updated(inverse, step, slope - following)
        slope, first_mm = following, _SHORTER * float(np.linalg.norm(step))
    return pose


def _extent(information: MutualInformation) -> tuple[np.ndarray, float]:
    """Middle of the samples (RAS mm), and their root mean square distance from it."""
    centre = information.points.mean(axis=1)
    return centre, math.sqrt(float(np.square(information.points - centre[:, None]).sum(axis=0).mean()))


def _slope_mm(
    information: MutualInformation, pose: np.ndarray, centre: np.ndarray, radius: float, across: bool = False
) -> tuple[float, np.ndarray]:
    """Mutual information, and its slope by turns (mm of the radius, about where the centre is) and shifts."""
    found = information.slope(pose, across)
    turn = found.turn - np.cross(pose[:3, :3] @ centre + pose[:3, 3], found.shift)
    return found.value, np.concatenate([turn / radius, found.shift])


def _moved(pose: np.ndarray, step: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The pose turned about where it puts the centre, and shifted."""
    turn = _rotation(step[:3] / radius)
    place = pose[:3, :3] @ centre + pose[:3, 3]
    found = np.eye(4)
    found[:3, :3] = turn @ pose[:3, :3]
    found[:3, 3] = place + step[3:] - found[:3, :3] @ centre
    return found


def _rotation(vector: np.ndarray) -> np.ndarray:
    """Matrix of a turn by a vector's length in radians about its direction (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine = float(np.sinc(angle / math.pi))  # sin(angle) / angle
    half = float(np.sinc(angle / (2.0 * math.pi)))
    return np.asarray(np.eye(3) + sine * across + 0.5 * half**2 * (across @ across))


def _updated(inverse: np.ndarray | None, step: np.ndarray, change: np.ndarray) -> Any:
    """The inverse of the curvature after a step, by how much less steep it is there; as it was where it is steeper."""
    along = float(step @ change)
    if not along > 0:
        return inverse
    if inverse is None:
        inverse = np.eye(step.size) * along / float(change @ change)
    left = np.eye(step.size) - np.outer(step, change) / along
    return np.asarray(left @ inverse @ left.T + np.outer(step, step) / along)


def nearest_rigid(pose: ArrayLike) -> np.ndarray:
    """The pose with the rotation nearest to its 3x3."""
    found = np.array(pose, dtype=np.float64)
    u, _, vt = np.linalg.svd(found[:3, :3])
    found[:3, :3] = u @ vt
    return found
