"""Resolution by matching blur: the spheres of the CT, filled evenly and blurred, are fitted to the emission image.

Free are the width of the Gaussian, one concentration for all filled spheres, that of the background, and a shift of the
image against the CT; concentrations are solved for at each width and shift (variable projection, Golub and Pereyra,
SIAM J Numer Anal 1973;10:413-432, doi:10.1137/0710036). Averaging over a voxel of edge h adds h^2/12 to the variance of
the blur. Walls are cold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.blurred_sphere import blurred_sphere
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from scipy import ndimage
from scipy.optimize import least_squares

from PRRTDosimetryLib.camera.body import BODY_HU
from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume

    from PRRTDosimetryLib.camera.body import Body
    from PRRTDosimetryLib.camera.sphere_match import FoundSphere

NARROWEST_mm, WIDEST_mm = 2.0, 40.0
START_mm = 10.0
_AROUND_mm = 14.0  # beyond a sphere's border
_MOST_SHIFT_mm = 25.0
_FAR_mm = 26.0  # from where the background's blur reaches in
UNFILLED = 0.35  # part of the others' contrast below which a sphere is not filled like them
_SINGLE_FROM_mm = 16.0  # diameter from which one sphere alone gives a width


@dataclass(frozen=True, eq=False)
class SphereImage:
    """What the fit works on.

    Attributes
    ----------
    image : Bq/mL, or whatever its calibration makes Bq/mL.
    spheres : of the CT.
    wall_mm : of the spheres.
    background : part of each voxel that holds the background's solution, spheres taken as solution, [k, j, i]; None
        for spheres in water without activity.
    """

    image: Volume
    spheres: tuple[FoundSphere, ...]
    wall_mm: float
    background: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class BlurMatch:
    """Result of a fit.

    Attributes
    ----------
    fwhm_mm, u_fwhm_mm : width at half maximum of the Gaussian, without the voxel, and its standard uncertainty.
    shift_mm : of the emission image against the CT, RAS.
    level, u_level : concentration of the filled spheres in the image's unit.
    background : of the background, 0 where there is none.
    contrasts : by sphere, its own concentration at that width, over the background, as part of that of all.
    single_mm : width by single spheres, by name.
    residual : root mean square of image less model, as part of ``level``.
    axes_mm : widths along i, j and k, where asked.
    """

    fwhm_mm: float
    u_fwhm_mm: float
    shift_mm: tuple[float, float, float]
    level: float
    u_level: float
    background: float
    contrasts: dict[str, float]
    single_mm: dict[str, float]
    residual: float
    axes_mm: tuple[float, float, float] | None = None


def background_part(body: Body, grid: Grid, wall_mm: float, spheres: Sequence[FoundSphere]) -> np.ndarray:
    """Part of each voxel that is solution by the CT, spheres taken as solution: float32 [k, j, i].

    Parameters
    ----------
    body : the phantom on its CT.
    grid : of the emission image.
    wall_mm : thickness of the phantom's wall, which holds none.
    spheres : only their neighbourhood is looked at; elsewhere the part is 0.
    """
    wet = wet_mask(body, wall_mm).astype(np.float32)
    found = np.zeros(grid.shape, dtype=np.float32)
    low, high = _box(grid, spheres, _FAR_mm)
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    to_body = body.grid.ras_to_ijk @ grid.ijk_to_ras
    k, j, i = np.mgrid[cut].astype(np.float32)
    nodes = (-0.25, 0.25)
    for a in nodes:
        for b in nodes:
            for c in nodes:
                places = [
                    (row[0] * (i + a) + row[1] * (j + b) + row[2] * (k + c) + row[3]).astype(np.float32)
                    for row in to_body[2::-1]
                ]
                found[cut] += ndimage.map_coordinates(wet, places, order=1, mode="constant") / 8.0
    return found


def wet_mask(body: Body, wall_mm: float) -> np.ndarray:
    """Where the phantom holds solution or spheres, by the CT: within its walls and as dense as water, [k, j, i]."""
    inner = ndimage.binary_erosion(body.mask, iterations=max(1, round(wall_mm / body.grid.spacing_mm[0])))
    return np.asarray(inner & (body.values > BODY_HU))


class _Model:
    """Voxels around the spheres, and the blurred parts of the model there."""

    def __init__(self, scene: SphereImage, spheres: Sequence[FoundSphere]) -> None:
        grid = scene.image.grid
        self.spheres, self.wall_mm, self.spacing = tuple(spheres), scene.wall_mm, grid.spacing_mm
        chosen = np.zeros(grid.shape, dtype=bool)
        self.low, high = _box(grid, spheres)
        cut = tuple(slice(int(a), int(b)) for a, b in zip(self.low, high, strict=True))
        k, j, i = (one.astype(np.float64) for one in np.mgrid[cut])
        points = grid.to_ras(np.stack([i, j, k], axis=-1))
        for sphere in spheres:
            near = np.linalg.norm(points - np.array(sphere.centre_mm), axis=-1) < sphere.radius_mm + _AROUND_mm
            chosen[cut] |= near
        self.inside = chosen[cut]
        self.points = points[self.inside]
        self.values = scene.image.array[cut][self.inside].astype(np.float64)
        self.voxel_variance = float(np.mean(np.square(self.spacing))) / 12.0
        self.wet = self._padded(scene.background, cut) if scene.background is not None else None
        self._blurred: tuple[float, np.ndarray] = (-1.0, np.zeros(0))

    def _padded(self, background: np.ndarray, cut: tuple[slice, ...]) -> tuple[np.ndarray, tuple[slice, ...]]:
        """A wider box of the background, so that the blur reaches in from outside, and the box within it."""
        pad = [math.ceil(_FAR_mm / edge) for edge in self.spacing[::-1]]
        wide = tuple(
            slice(max(0, one.start - p), min(n, one.stop + p))
            for one, p, n in zip(cut, pad, background.shape, strict=True)
        )
        within = tuple(
            slice(one.start - outer.start, one.stop - outer.start) for one, outer in zip(cut, wide, strict=True)
        )
        return background[wide], within

    def columns(self, fwhm_mm: float, shift_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Blurred spheres of 1, (voxels, spheres), and the blurred background of 1 without them, (voxels,)."""
        sigma = fwhm_mm / FWHM_PER_SIGMA
        wide = math.sqrt(sigma**2 + self.voxel_variance)
        balls = np.empty((len(self.points), len(self.spheres)))
        walls = np.zeros(len(self.points))
        for n, sphere in enumerate(self.spheres):
            distance = np.linalg.norm(self.points - (np.array(sphere.centre_mm) + shift_mm), axis=1)
            balls[:, n] = blurred_sphere(distance, sphere.radius_mm, wide)
            if self.wet is not None:
                walls += blurred_sphere(distance, sphere.radius_mm + self.wall_mm, wide)
        if self.wet is None:
            return balls, None
        return balls, self._background(sigma) - walls

    def _background(self, sigma_mm: float) -> np.ndarray:
        """The blurred inner space; kept while the width does not change."""
        assert self.wet is not None
        if self._blurred[0] != sigma_mm:
            box, within = self.wet
            blurred = ndimage.gaussian_filter(box, sigma_mm / np.array(self.spacing[::-1]), mode="nearest", truncate=3)
            self._blurred = (sigma_mm, blurred[within][self.inside].astype(np.float64))
        return self._blurred[1]


def _box(grid: Grid, spheres: Sequence[FoundSphere], more_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    lows, highs = [], []
    for sphere in spheres:
        middle = grid.to_ijk(np.array(sphere.centre_mm))[::-1]
        reach = (sphere.radius_mm + _AROUND_mm + 2.0 + more_mm) / np.array(grid.spacing_mm[::-1])
        lows.append(middle - reach)
        highs.append(middle + reach)
    low = np.maximum(np.floor(np.min(lows, axis=0)).astype(int), 0)
    return low, np.minimum(np.ceil(np.max(highs, axis=0)).astype(int) + 1, grid.shape)


def match_blur(scene: SphereImage, leave_out: Sequence[str] = (), start_mm: float = START_mm) -> BlurMatch:
    """Fit width, shift and concentrations.

    Parameters
    ----------
    scene : image and spheres.
    leave_out : spheres that are not filled as the others (a bubble); those without activity are found here.
    start_mm : where the search of the width begins.

    Raises
    ------
    CameraError
        If no sphere shows activity, or no width fits.
    """
    model = _Model(scene, scene.spheres)
    first = _fitted(model, None, start_mm)
    contrasts = _contrasts(model, first)
    filled = [n for n, sphere in enumerate(scene.spheres) if contrasts[n] > UNFILLED and sphere.name not in leave_out]
    if not filled:
        raise CameraError("No sphere of the phantom shows activity: check which image was given, and what was filled.")
    common = _fitted(model, filled, first[0])
    contrasts = _contrasts(model, common, filled)
    match = _result(model, common, filled)
    singles = {
        scene.spheres[n].name: _single_mm(model, n, match)
        for n in filled
        if scene.spheres[n].diameter_mm >= _SINGLE_FROM_mm
    }
    own = [width for width in singles.values() if math.isfinite(width)]
    scatter = float(np.std(own, ddof=1)) / math.sqrt(len(own)) if len(own) > 1 else 0.0
    named = {sphere.name: float(contrasts[n]) for n, sphere in enumerate(scene.spheres)}
    return replace(match, u_fwhm_mm=math.hypot(match.u_fwhm_mm, scatter), single_mm=singles, contrasts=named)


_Fit = tuple[float, np.ndarray, np.ndarray, np.ndarray]  # width, shift, linear coefficients, residuals


def _design(model: _Model, filled: Sequence[int] | None, fwhm_mm: float, shift: np.ndarray) -> np.ndarray:
    """Columns of the linear part: all filled spheres as one and each of the others, or each sphere; background last."""
    balls, background = model.columns(fwhm_mm, shift)
    if filled is not None:
        others = [n for n in range(balls.shape[1]) if n not in filled]
        balls = np.column_stack([balls[:, list(filled)].sum(axis=1), balls[:, others]])
    return balls if background is None else np.column_stack([balls, background])


def _fitted(model: _Model, filled: Sequence[int] | None, start_mm: float) -> _Fit:
    scale = float(np.abs(model.values).max()) or 1.0

    def residuals(parameters: np.ndarray) -> np.ndarray:
        design = _design(model, filled, math.exp(parameters[0]), parameters[1:])
        return np.asarray((model.values - design @ _solved(design, model.values)) / scale)

    low = [math.log(NARROWEST_mm), *[-_MOST_SHIFT_mm] * 3]
    high = [math.log(WIDEST_mm), *[_MOST_SHIFT_mm] * 3]
    found = least_squares(
        residuals,
        [math.log(start_mm), 0.0, 0.0, 0.0],
        bounds=(low, high),
        x_scale=[0.1, 1, 1, 1],
        diff_step=1e-4,
        xtol=1e-5,
        ftol=1e-7,
        max_nfev=30,
    )
    width, shift = math.exp(found.x[0]), found.x[1:]
    if not NARROWEST_mm * 1.01 < width < WIDEST_mm * 0.99:
        raise CameraError(
            f"No blur between {NARROWEST_mm:g} and {WIDEST_mm:g} mm makes the CT's spheres look like the image: check "
            "that both are of one phantom."
        )
    design = _design(model, filled, width, shift)
    solved = _solved(design, model.values)
    return width, shift, solved, model.values - design @ solved


def _solved(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear least squares by the normal equations: few columns, none nearly the sum of others."""
    return np.asarray(np.linalg.pinv(design.T @ design, rcond=1e-10) @ (design.T @ values))


def _contrasts(model: _Model, fit: _Fit, filled: Sequence[int] | None = None) -> np.ndarray:
    """Each sphere's own concentration over the background, as part of the filled ones' (or of the largest three's)."""
    width, shift, _, _ = fit
    balls, background = model.columns(width, shift)
    design = balls if background is None else np.column_stack([balls, background])
    solved = _solved(design, model.values)
    level = solved[-1] if background is not None else 0.0
    own = solved[: balls.shape[1]] - level
    if filled is not None:
        reference = float(np.median(own[list(filled)]))
    else:
        large = np.argsort([-sphere.diameter_mm for sphere in model.spheres])[:3]
        reference = float(np.median(own[large]))
    return np.asarray(own / reference) if reference > 0 else np.zeros_like(own)


def _result(model: _Model, fit: _Fit, filled: Sequence[int]) -> BlurMatch:
    width, shift, solved, residuals = fit
    steps = []
    for n, step in enumerate((0.01 * width, 0.1, 0.1, 0.1)):
        ends = []
        for sign in (-1, 1):
            moved = shift.copy()
            if n:
                moved[n - 1] += sign * step
            design = _design(model, filled, width + sign * step * (n == 0), moved)
            ends.append(design @ solved)
        steps.append((ends[1] - ends[0]) / (2 * step))
    jacobian = np.column_stack([*steps, _design(model, filled, width, shift)])
    variance = float(residuals @ residuals) / max(1, residuals.size - jacobian.shape[1])
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * variance * shared_voxels(model.spacing, width)
    level = float(solved[0])
    return BlurMatch(
        fwhm_mm=width,
        u_fwhm_mm=math.sqrt(max(0.0, covariance[0, 0])),
        shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
        level=level,
        u_level=math.sqrt(max(0.0, covariance[4, 4])),
        background=float(solved[-1]) if model.wet is not None else 0.0,
        contrasts={},
        single_mm={},
        residual=math.sqrt(variance) / level if level > 0 else math.nan,
    )


def shared_voxels(spacing_mm: Sequence[float], fwhm_mm: float = START_mm) -> float:
    """Voxels of a reconstructed image share their noise within about half the resolution: how many count as one."""
    sigma = fwhm_mm / FWHM_PER_SIGMA / 2.0
    return max(1.0, (math.sqrt(4.0 * math.pi) * sigma) ** 3 / math.prod(spacing_mm))


def _single_mm(model: _Model, number: int, match: BlurMatch) -> float:
    """Width by one sphere, of the common concentration and background."""
    sphere = model.spheres[number]
    near = np.linalg.norm(model.points - np.array(sphere.centre_mm), axis=1) < sphere.radius_mm + _AROUND_mm
    shift = np.array(match.shift_mm)
    others = dict.fromkeys((one.name for one in model.spheres), match.level)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        balls, background = model.columns(math.exp(parameters[0]), shift)
        shown = balls @ np.array([others[one.name] for one in model.spheres])
        if background is not None:
            shown = shown + match.background * background
        return np.asarray((model.values - shown)[near] / match.level)

    start = math.log(match.fwhm_mm)
    found = least_squares(residuals, [start], bounds=(start - 0.7, start + 0.7), diff_step=1e-3, xtol=1e-4, max_nfev=8)
    return math.exp(float(found.x[0]))
