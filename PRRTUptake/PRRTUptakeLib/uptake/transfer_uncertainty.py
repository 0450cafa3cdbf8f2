"""How well concentrations after the geometric transfer matrix are known: resolution, position, contour, noise.

Each cause is applied to the model itself, and the question is always: which concentrations would then explain the means
that were measured? Resolution: the matrix is formed again for a wider and a narrower blur. Position and contour: one
region at a time is in truth moved by whole voxels along each axis, or its surface by the contour's uncertainty, its
neighbours taking or giving up the voxels, while the means are of the masks at hand. The answers of all regions are kept
as quadratics of their logarithms, from which a seeded Monte Carlo draws. A region off its place has always lost, so
that position widens the interval upwards only.

What is shared stays shared: the resolution is one for all regions and images of a camera, a contour one for all images
it is placed on; place and noise are each image's own. Random numbers belong to cause, region and image by name, so that
draws of two images can be divided draw by draw, and what they share cancels.

How far a region is off its place is drawn from what the image says of it where it says more than the statement
(``image_shift.region_places``): the loss of a displacement that the image excludes would lift the interval off the
value.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.mask_changes import MaskChanges
from PRRTUptakeLib.uptake.region_model import Box, RegionModel
from PRRTUptakeLib.uptake.transfer_matrix import CorrectedRegions, spread_regions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CAUSES = ("resolution", "registration", "contour", "noise")
OWN = ("registration", "noise")
DRAWS = 4000
_NODE = 2.0  # standard uncertainties of the resolution at which the matrix is formed again: the ends of an interval
_ONE_THREAD = 2**18  # products of a matrix product up to which BLAS (OpenBLAS) uses one thread
_STEP = 1.0  # voxels, at least, by which a region is moved
_SURFACE_STEP = 0.125  # voxels, at most, by which a surface is moved
_CROSSED = 1e-3  # mean of share (1 - share) around a voxel, from which the surface is in voxels occupied in part


@dataclass(frozen=True, kw_only=True)
class TransferUncertainties:
    """Standard uncertainties of what the correction assumes.

    Attributes
    ----------
    fwhm_relative : of the resolution, relative. The default of 15 % is for a resolution that was not measured with the
        reconstruction in use; a phantom gives less.
    registration_mm : of a region's place on the image, on each axis.
    contour_mm : of the position of a region's surface, all of it inwards or outwards; see
        ``partial_volume.contour_uncertainty_mm``. One value, or one for each region by name.
    noise : relative standard uncertainty of a region's measured mean by counting noise, by name; see
        ``uptake.uncertainty``. Regions that are not named have none.
    places : by region what the image says of its place, see ``image_shift.region_places``; where a region is not named,
        it is off by ``registration_mm`` in any direction.
    """

    fwhm_relative: float = 0.15
    registration_mm: float = 2.0
    contour_mm: float | Mapping[str, float] = 0.5
    noise: Mapping[str, float] = field(default_factory=dict)
    places: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        contours = [self.contour_mm] if isinstance(self.contour_mm, (int, float)) else list(self.contour_mm.values())
        numbers = [self.registration_mm, *contours, *self.noise.values()]
        if not 0 <= self.fwhm_relative <= 0.4 or not all(0 <= number < math.inf for number in numbers):
            raise RecoveryError(
                "Uncertainties of the partial volume correction must not be negative, and that of the resolution at "
                f"most 0.4 (40 %): found {self}."
            )

    def contour_of(self, name: str) -> float:
        """The contour's uncertainty of one region in mm."""
        if isinstance(self.contour_mm, (int, float)):
            return float(self.contour_mm)
        if name not in self.contour_mm:
            raise RecoveryError(f"The contour of region '{name}' has no uncertainty: give it in mm.")
        return float(self.contour_mm[name])


@dataclass(frozen=True)
class Normals:
    """Standard normal numbers by cause, region and, for the image's ``own`` causes, image: the same wherever asked."""

    draws: int
    seed: int
    image: str
    own: tuple[str, ...] = OWN

    def of(self, cause: str, region: str = "", columns: int = 1) -> np.ndarray:
        """(draws, columns)."""
        words = (cause, region, self.image if cause in self.own else "")
        key = tuple(zlib.crc32(word.encode()) for word in words)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key)).standard_normal(
            (self.draws, columns)
        )


@dataclass(frozen=True, eq=False)
class RegionDraws:
    """Concentrations that agree with the image, drawn by the causes' uncertainties.

    Attributes
    ----------
    corrected : what the draws are about.
    log_factors : (draws, n), logarithm of the drawn over the corrected concentration; without the background.
    by_cause : the same with one cause at work, by the words of CAUSES.
    noise : (draws, n), logarithm of the measured mean by its noise, the same draws before correction.
    """

    corrected: CorrectedRegions
    log_factors: np.ndarray
    by_cause: Mapping[str, np.ndarray]
    noise: np.ndarray

    def factors(self, name: str) -> np.ndarray:
        """Drawn over corrected concentration of a region, (draws,)."""
        return np.asarray(np.exp(self.log_factors[:, self._number(name)]))

    def log_factors_of(self, name: str) -> np.ndarray:
        """Log of drawn over corrected concentration of a region, (draws,)."""
        return np.asarray(self.log_factors[:, self._number(name)])

    def of_cause(self, name: str, cause: str) -> np.ndarray:
        """The same with one cause at work."""
        return np.asarray(self.by_cause[cause][:, self._number(name)])

    def measured_noise(self, name: str) -> np.ndarray:
        """Log of drawn over measured mean of a region, by noise alone and without correction, (draws,)."""
        return np.asarray(self.noise[:, self._number(name)])

    def relative_u(self, name: str, cause: str = "") -> float:
        """Standard uncertainty of the logarithm of a region's concentration: by one cause, or all together."""
        table = self.by_cause[cause] if cause else self.log_factors
        return float(table[:, self._number(name)].std(ddof=1))

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """Where the region's concentration is, in the image's unit."""
        tail = (1.0 - confidence) / 2.0
        low, high = np.quantile(self.factors(name), [tail, 1.0 - tail])
        value = self.corrected.value(name)
        return value * float(low), value * float(high)

    def _number(self, name: str) -> int:
        value = self.corrected.value(name)
        if not value > 0:
            raise RecoveryError(
                f"Region '{name}' has the corrected concentration {value:.3g}: it is colder than what its neighbours "
                "spill into it. Check its contour and the resolution, or leave it out of the correction."
            )
        return self.corrected.spread.model.names.index(name)


def region_draws(
    corrected: CorrectedRegions,
    uncertainties: TransferUncertainties,
    *,
    draws: int = DRAWS,
    seed: int = 1,
    image: str = "",
    own: Sequence[str] = OWN,
) -> RegionDraws:
    """Draw concentrations of all regions together.

    A region whose corrected concentration is not positive has no draws of its own (there is no logarithm of it), and
    asking for them says why; the others have theirs.

    Parameters
    ----------
    corrected : the regions of one image.
    uncertainties : of what the correction assumes.
    draws, seed : of the Monte Carlo; equal ones for images that are compared.
    image : name of the image among those of the patient; images of different names err independently in ``own``.
    own : causes (words of CAUSES) that are each image's own. Add "contour" where regions were drawn on every image.

    Raises
    ------
    RecoveryError
        For fewer than 100 draws.
    """
    if draws < 100:
        raise RecoveryError(f"{draws} draws give no distribution; take 100 or more.")
    normals = Normals(draws, seed, image, tuple(own))
    measured, after = _by_noise(corrected, uncertainties, normals)
    found = {
        "resolution": _by_resolution(corrected, uncertainties, normals.of("resolution")[:, 0]),
        **_by_masks(corrected, uncertainties, normals),
        "noise": after,
    }
    return RegionDraws(corrected, np.sum(list(found.values()), axis=0), found, measured)


def _by_resolution(corrected: CorrectedRegions, u: TransferUncertainties, z: np.ndarray) -> np.ndarray:
    """Concentrations if the camera blurs more or less than was assumed, from the same measured means."""
    if u.fwhm_relative == 0:
        return np.zeros((z.size, corrected.corrected.size - 1))
    sums = corrected.measured * np.array([box.values.sum() for box in corrected.spread.parts])
    here = np.linalg.solve(corrected.spread.products, sums)
    products = [
        spread_regions(
            corrected.spread.model,
            corrected.spread.fwhm_mm * math.exp(sign * _NODE * u.fwhm_relative),
            corrected.spread.background,
            corrected.spread.shift_mm,
        ).products
        for sign in (-1.0, 1.0)
    ]
    ends = _logarithm(_solved(np.stack(products), sums)[:, :-1], here[:-1])
    return _quadratic(ends[:1], ends[1:], z[:, None] / _NODE)


def _logarithm(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Log of the ratio; a value that falls to nothing is held at a hundredth."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(reference > 0, values / reference, 1.0)
    return np.asarray(np.log(np.clip(ratio, 0.01, 100.0)))


def _quadratic(below: np.ndarray, above: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Sum of quadratics through (-1, below), (0, 0), (1, above), each (terms, n), at z (draws, terms): (draws, n)."""
    slope, bend = (above - below) / 2.0, (above + below) / 2.0
    # In blocks that BLAS computes on one thread: its threads wait actively after each call, which costs more.
    rows = max(1, _ONE_THREAD // slope.size)
    blocks = [z[start : start + rows] for start in range(0, len(z), rows)]
    return np.concatenate([block @ slope + block**2 @ bend for block in blocks])


def _by_masks(corrected: CorrectedRegions, u: TransferUncertainties, normals: Normals) -> dict[str, np.ndarray]:
    """What the truth would be if the regions were in truth beside their masks, all of them independently, by cause."""
    model = corrected.spread.model
    changes = MaskChanges(corrected.spread)
    products = [np.empty((0, *corrected.spread.products.shape))]
    steps: dict[str, list[np.ndarray]] = {"registration": [], "contour": []}
    order: list[str] = []
    for number, name in enumerate(model.names):
        pairs = {"registration": _moves(model, number, u), "contour": _surfaces(model, number, u.contour_of(name))}
        boxes = [box for of_cause in pairs.values() for below, above, _ in of_cause for box in (below, above)]
        if boxes:
            products.append(changes.products(number, boxes))
        for cause, of_cause in pairs.items():
            z = normals.of(cause, name, 3) if of_cause else np.empty((normals.draws, 0))
            if of_cause and cause == "registration" and name in u.places:
                off, known = u.places[name]
                z = (off + known * z) / u.registration_mm
            steps[cause] += [scale * z[:, axis] for axis, (_, _, scale) in enumerate(of_cause)]
            order += [cause] * len(of_cause)
    found = _solved(np.concatenate(products), corrected.spread.products @ corrected.corrected)
    ends = _logarithm(found[:, :-1], corrected.corrected[:-1]).reshape(len(order), 2, len(model.names))
    drawn = {cause: np.zeros((normals.draws, len(model.names))) for cause in steps}
    for cause, z_of_cause in steps.items():
        if z_of_cause:
            below, above = ends[[one == cause for one in order]].transpose(1, 0, 2)
            drawn[cause] = _quadratic(below, above, np.stack(z_of_cause, axis=1))
    return drawn


def _moves(model: RegionModel, number: int, u: TransferUncertainties) -> list[tuple[Box, Box, float]]:
    """The region moved by whole voxels back and forth on every axis, and the uncertainty in such steps."""
    found: list[tuple[Box, Box, float]] = []
    box = model.drawn[number]
    for axis, spacing in enumerate(model.grid.spacing_mm[::-1]):
        voxels = max(1, round(_STEP * u.registration_mm / spacing))
        moved = []
        for sign in (-1, 1):
            low = tuple(start + sign * voxels * (n == axis) for n, start in enumerate(box.low))
            moved.append(Box(low, box.values))
        found.append((moved[0], moved[1], u.registration_mm / (voxels * spacing)))
    return found if u.registration_mm > 0 else []


def _surfaces(model: RegionModel, number: int, contour_mm: float) -> list[tuple[Box, Box, float]]:
    """The region with its surface moved in and out, by at most an eighth of a voxel.

    A surface of area a in a voxel of volume V that moves by h changes what the region takes of the voxel by h a/V. The
    area is the integral of the occupancy's gradient (coarea formula), which differences between neighbours spread over
    three voxels; it is put back into the voxels that the surface crosses, those that are occupied in part. Where there
    are none, since the contour follows the voxels' faces, the surface passes into the next voxel (one step of the
    level-set equation with upwind differences, Osher and Sethian 1988, doi:10.1016/0021-9991(88)90002-2).
    """
    if contour_mm == 0:
        return []
    step_mm = min(contour_mm, min(model.grid.spacing_mm) * _SURFACE_STEP)
    box = model.drawn[number]
    wide = np.pad(box.values, 2)
    area, outward, inward = (np.zeros_like(wide) for _ in range(3))  # per volume of a voxel, squared
    for axis, spacing in enumerate(model.grid.spacing_mm[::-1]):
        ahead, behind = np.roll(wide, -1, axis) - wide, np.roll(wide, 1, axis) - wide
        area += (ahead - behind) ** 2 / (2.0 * spacing) ** 2
        outward += np.maximum(np.maximum(ahead, behind), 0.0) ** 2 / spacing**2
        inward += np.minimum(np.minimum(ahead, behind), 0.0) ** 2 / spacing**2
    crossed = np.clip(wide * (1.0 - wide), 0.0, None)
    around = ndimage.uniform_filter(crossed, 3, mode="constant")
    there = around > _CROSSED
    per_crossed = np.divide(np.sqrt(area), around, out=np.zeros_like(wide), where=there)
    moved = crossed * ndimage.uniform_filter(per_crossed, 3, mode="constant")
    low = tuple(start - 2 for start in box.low)
    outwards = Box(low, np.clip(wide + step_mm * np.where(there, moved, np.sqrt(outward)), 0.0, 1.0))
    inwards = Box(low, np.clip(wide - step_mm * np.where(there, moved, np.sqrt(inward)), 0.0, 1.0))
    return [(inwards, outwards, contour_mm / step_mm)]


def _solved(products: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """(cases, n) from products (cases, n, n), without a check of the condition.

    A region that is lost in one of the cases gets a wide interval by that.
    """
    try:
        return np.asarray(np.linalg.solve(products, np.broadcast_to(sums, products.shape[:2])[..., None])[..., 0])
    except np.linalg.LinAlgError:
        if len(products) == 1:
            return np.full((1, sums.size), np.inf)
        return np.concatenate([_solved(one[None], sums) for one in products])


def _by_noise(corrected: CorrectedRegions, u: TransferUncertainties, normals: Normals) -> tuple[np.ndarray, np.ndarray]:
    """Noise of the measured means, independent between regions, and through the inverse of the matrix; (draws, n)."""
    names = corrected.spread.names
    relative = np.array([u.noise.get(name, 0.0) for name in names])
    if not relative.any():
        nothing = np.zeros((normals.draws, len(names) - 1))
        return nothing, nothing
    errors = relative * np.concatenate([normals.of("noise", name) for name in names], axis=1)
    found = (errors * np.abs(corrected.measured)) @ np.linalg.inv(corrected.spread.matrix).T
    values = corrected.corrected[:-1]
    # Taken as a logarithm of the same standard deviation, so that draws stay positive.
    after = np.where(values > 0, found[:, :-1] / np.where(values > 0, values, 1.0), 0.0)
    return errors[:, :-1], after
