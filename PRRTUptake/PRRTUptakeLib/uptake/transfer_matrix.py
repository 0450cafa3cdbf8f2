"""Partial volume correction of all regions of an image at once: the geometric transfer matrix.

Each region is taken as uniform. The mean that the image shows of region i is a sum over all regions,
m_i = sum_j W_ij T_j, where W_ij is what region j of concentration 1, blurred, gives in region i: spill-out on the
diagonal, spill-in beside it. W follows from the placed contours and the resolution alone; solving for T corrects all
regions for the loss of their own activity and for what their neighbours give (Rousset, Ma and Evans, J Nucl Med
1998;39:904-911). The symmetric form takes the blurred regions themselves as weights of the means, which is the least
squares fit of the image (Sattarivand et al. 2012, doi:10.1088/0031-9155/57/21/7101).

What the camera blurs is taken as a Gaussian of one width everywhere. The uncertainty of the result is in
``uptake.transfer_uncertainty``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.region_model import BACKGROUND, Box, RegionModel, blurred, box_of, overlap, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy

FORMS = ("rousset", "symmetric")
_MARGIN = 1.5  # FWHM around the regions in which the body background is averaged: nearer is nothing but spill-out
_LARGEST_CONDITION = 1e4  # beyond, errors of a mean grow so much that regions cannot be distinguished


@dataclass(frozen=True, eq=False)
class SpreadRegions:
    """A region model at one resolution.

    Attributes
    ----------
    model, fwhm_mm : which regions, which resolution.
    shift_mm : along the grid's axes k, j, i: where the image shows the regions, as against their contours.
    spread : each region of concentration 1 as the image shows it.
    background : the part of each voxel near the regions that is body background.
    everything : the blurred body, in the background's box (1 where no body is given).
    products : (n + 1, n + 1), sums over the voxels where region i is measured of region j's spread; background last.
    """

    model: RegionModel
    fwhm_mm: float
    spread: tuple[Box, ...]
    background: Box
    everything: Box
    products: np.ndarray
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def parts(self) -> tuple[Box, ...]:
        """What of every voxel counts for each region's mean, background last."""
        return (*self.model.sampled, self.background)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the regions, background last."""
        return (*self.model.names, BACKGROUND)

    @property
    def matrix(self) -> np.ndarray:
        """W, (n + 1, n + 1): mean that region j of concentration 1 gives in region i."""
        sizes = np.array([box.values.sum() for box in self.parts])
        return np.asarray(self.products / sizes[:, None])

    def image(self, concentrations: np.ndarray, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
        """What the image should show at ``low`` to ``high``, from the concentrations (n + 1,) of the regions."""
        everything = self.everything.crop(low, high)
        if everything is None:
            raise RecoveryError("The voxels asked for are not near the regions that were corrected.")
        background = concentrations[-1]
        out = background * everything
        for box, value in zip(self.spread, concentrations[:-1], strict=True):
            both = overlap(box.low, box.high, low, high)
            if both is not None:
                out[part(both, low)] += (value - background) * box.values[part(both, box.low)]
        return np.asarray(out)

    def true_image(self, concentrations: np.ndarray, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
        """What an image without blur would show at ``low`` to ``high``: every voxel by what fills it."""
        left = np.ones(tuple(b - a for a, b in zip(low, high, strict=True)))
        if self.model.extent is not None:
            left = self.model.extent[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].copy()
        out = np.zeros_like(left)
        for box, value in zip(self.model.filled, concentrations[:-1], strict=True):
            both = overlap(box.low, box.high, low, high)
            if both is not None:
                share = box.values[part(both, box.low)]
                out[part(both, low)] += value * share
                left[part(both, low)] -= share
        out += concentrations[-1] * np.clip(left, 0.0, 1.0)
        if any(self.shift_mm):
            voxels = np.array(self.shift_mm) / self.model.grid.spacing_mm[::-1]
            out = ndimage.shift(out, voxels, order=1, mode="nearest")
        return np.asarray(out)

    def near(self) -> np.ndarray:
        """Where the regions and the background around them are, bool in the background's box."""
        found = self.background.values > 0
        for box in self.model.filled:
            both = overlap(box.low, box.high, self.background.low, self.background.high)
            if both is not None:
                found[part(both, self.background.low)] |= box.values[part(both, box.low)] > 0
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class CorrectedRegions:
    """The regions of one image before and after correction, in the image's unit, always side by side.

    Attributes
    ----------
    spread : regions and matrix.
    measured, corrected : mean of each region as the image shows it and after correction, background last, (n + 1,).
    form : one of FORMS.
    """

    spread: SpreadRegions
    measured: np.ndarray
    corrected: np.ndarray
    form: str

    def value(self, name: str) -> float:
        """The corrected concentration of a region."""
        return float(self.corrected[self._number(name)])

    def uncorrected(self, name: str) -> float:
        """The mean of a region (without those cut out of it) as the image shows it."""
        return float(self.measured[self._number(name)])

    def recovery(self, name: str) -> float:
        """Share of a region's own concentration that its mean keeps, the diagonal of W."""
        number = self._number(name)
        return float(self.spread.matrix[number, number])

    def mean_of(self, region: Occupancy, image: Volume) -> float:
        """Corrected mean of any part of the image near the regions (a reference, a lobe with its lesions).

        Its measured mean minus what the model says spilled in, plus what spilled out: the difference of the model's
        mean before and after blur. For one of the regions of the matrix this is its corrected value (by the form
        "rousset"; by the other form nearly so).
        """
        box = box_of(region)
        spread = self.spread
        shown = float(np.vdot(box.values, spread.image(self.corrected, box.low, box.high)))
        true = float(spread.model.shares(box) @ self.corrected)
        return float(region.fraction @ region.values(image) + true - shown) / float(region.fraction.sum())

    def _number(self, name: str) -> int:
        if name not in self.spread.names:
            known = ", ".join(self.spread.names)
            raise RecoveryError(f"The region '{name}' was not corrected for partial volume; there are {known}.")
        return self.spread.names.index(name)


def spread_regions(
    model: RegionModel,
    fwhm_mm: float,
    background: Box | None = None,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> SpreadRegions:
    """Blur every region and form the products of all pairs.

    Parameters
    ----------
    model : the regions.
    fwhm_mm : resolution, full width at half maximum, isotropic.
    background : where the body background is averaged; by default within 1.5 FWHM of the regions.
    shift_mm : along the grid's axes k, j, i: where the image shows the regions, as against their contours.

    Raises
    ------
    RecoveryError
        If the resolution is not positive, or no body background is left near the regions.
    """
    spread = model.spread(fwhm_mm, shift_mm)
    if background is None:
        background = model.background(_MARGIN * fwhm_mm)
    if not background.values.sum() > 0:
        raise RecoveryError("No body is left around the regions, so that its background is unknown: widen the body.")
    everything = _blurred_body(model, background, model.kernels(fwhm_mm, shift_mm))
    parts = (*model.sampled, background)
    products = np.empty((len(parts), len(parts)))
    for row, own in enumerate(parts):
        products[row, :-1] = [own.dot(box) for box in spread]
        products[row, -1] = own.dot(everything) - products[row, :-1].sum()
    return SpreadRegions(model, fwhm_mm, spread, background, everything, products, shift_mm)


def correct_regions(image: Volume, spread: SpreadRegions, form: str = "rousset") -> CorrectedRegions:
    """Concentrations of all regions after correction for partial volume.

    Raises
    ------
    RecoveryError
        If the image is on another grid or not finite, the form is unknown, or regions are so alike or so small for the
        resolution that they cannot be distinguished.
    """
    if form not in FORMS:
        raise RecoveryError(f"The form '{form}' of the transfer matrix is not one of {', '.join(FORMS)}.")
    if not spread.model.grid.matches(image.grid):
        raise RecoveryError("The regions were placed on another grid than this image: place them again.")
    sums = np.array([_sum_in(box, image.array) for box in spread.parts])
    if not np.isfinite(sums).all():
        bad = spread.names[int(np.argmin(np.isfinite(sums)))]
        raise RecoveryError(f"The image is not finite in region '{bad}': correct the image.")
    sizes = np.array([box.values.sum() for box in spread.parts])
    if form == "rousset":
        corrected = solve(spread.products, sums, spread.names)
    else:
        corrected = solve(*_normal_equations(spread, image.array), spread.names)
    return CorrectedRegions(spread, sums / sizes, corrected, form)


def solve(products: np.ndarray, sums: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Concentrations (n,) from the products (n, n) of the regions and the image's sums (n,); see `correct_regions`."""
    rows = products / products.sum(axis=1, keepdims=True)
    condition = float(np.linalg.cond(rows))
    if not condition < _LARGEST_CONDITION:  # true for nan too
        weakest = names[int(np.argmin(np.diag(rows)))]
        raise RecoveryError(
            f"Region '{weakest}' cannot be separated from its neighbours at this resolution (condition "
            f"{condition:.1e}): "
            "join it with one of them, or leave it out."
        )
    return np.asarray(np.linalg.solve(rows, sums / products.sum(axis=1)))


def _blurred_body(model: RegionModel, background: Box, kernels: Sequence[np.ndarray]) -> Box:
    if model.extent is None:
        return Box(background.low, np.ones_like(background.values))
    reach = [kernel.size // 2 for kernel in kernels]
    # Beyond the image the body goes on as it is at its edge: it is the field of view that ends there, not the patient.
    padded = np.pad(model.extent, [(n, n) for n in reach], mode="edge")
    low = tuple(background.low)
    cut = tuple(slice(a, b + 2 * n) for a, b, n in zip(low, background.high, reach, strict=True))
    wide = blurred(padded[cut], kernels)
    return Box(low, wide[tuple(slice(n, size - n) for n, size in zip(reach, wide.shape, strict=True))])


def _sum_in(box: Box, array: np.ndarray) -> float:
    here = array[tuple(slice(a, b) for a, b in zip(box.low, box.high, strict=True))]
    weighted = np.where(box.values > 0, box.values * here, 0.0)
    return float(weighted.sum(dtype=np.float64))


def _normal_equations(spread: SpreadRegions, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of the spreads of all pairs, and of each with the image, within the background's box."""
    low, high = spread.background.low, spread.background.high
    near = Box(low, np.asarray(array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float64))
    rest = spread.everything.values.copy()
    for box in spread.spread:
        both = overlap(box.low, box.high, low, high)
        if both is not None:
            rest[part(both, low)] -= box.values[part(both, box.low)]
    cropped = [_within(box, low, high) for box in spread.spread]
    all_spreads = [*cropped, Box(low, rest)]
    n = len(all_spreads)
    products = np.empty((n, n))
    for row in range(n):
        for column in range(row, n):
            products[row, column] = products[column, row] = all_spreads[row].dot(all_spreads[column])
    return products, np.array([box.dot(near) for box in all_spreads])


def _within(box: Box, low: Sequence[int], high: Sequence[int]) -> Box:
    both = overlap(box.low, box.high, low, high)
    if both is None:
        raise RecoveryError("A region is outside the voxels around it; this should be impossible.")
    return Box(tuple(a for a, _ in both), box.values[part(both, box.low)])
