"""The phantom's outline on its CT: one body, where it is, and whether the image holds all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid
from scipy import ndimage

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

COARSE_mm = 3.0  # of the grid on which bodies and spheres are looked for
BODY_HU = -400.0  # between air and water or plastic
_SECOND = 0.3  # a second body of this part of the first one's volume is a second phantom
_LEAST_mL = 200.0
_BORDER = 4  # voxels around the body that are kept


@dataclass(frozen=True, eq=False)
class Body:
    """A phantom's CT on cubes of ``COARSE_mm`` and its outline there.

    Attributes
    ----------
    values : HU, float32 [k, j, i], averaged from the CT.
    grid : of the values, its axes along those of the CT.
    mask : the phantom with all that it encloses.
    volume_mL : of the mask.
    """

    values: np.ndarray
    grid: Grid
    mask: np.ndarray
    volume_mL: float

    @property
    def middle_ras_mm(self) -> np.ndarray:
        """Centre of the outline."""
        return self.grid.to_ras(np.array(ndimage.center_of_mass(self.mask))[::-1])


def find_body(ct: Volume) -> Body:
    """The phantom on its CT.

    Raises
    ------
    CameraError
        If nothing is as dense as water, or there are two phantoms.
    """
    values, grid = _coarse(ct)
    dense = ndimage.binary_opening(values > BODY_HU)
    labels, count = ndimage.label(dense)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * grid.voxel_volume_mL
    if count == 0 or sizes.max() < _LEAST_mL:
        raise CameraError("The CT shows no phantom: nothing in it is as dense as water; check which CT was given.")
    order = np.argsort(-sizes)
    if count > 1 and sizes[order[1]] > max(_SECOND * sizes[order[0]], _LEAST_mL):
        raise CameraError(
            f"The CT shows two phantoms, of {sizes[order[0]] / 1000:.1f} and {sizes[order[1]] / 1000:.1f} L: scan them "
            "one by one, or crop the images to one of them."
        )
    chosen = labels == int(order[0]) + 1
    low = [max(0, part.start - _BORDER) for part in ndimage.find_objects(chosen.astype(np.int8))[0]]
    high = [part.stop + _BORDER for part in ndimage.find_objects(chosen.astype(np.int8))[0]]
    cut = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    mask = ndimage.binary_fill_holes(chosen[cut])
    offset = np.eye(4)
    offset[:3, 3] = low[::-1]
    around = Grid(mask.shape, grid.ijk_to_ras @ offset)
    return Body(values[cut], around, mask, float(mask.sum()) * grid.voxel_volume_mL)


def _coarse(ct: Volume) -> tuple[np.ndarray, Grid]:
    """The CT averaged to cubes of about ``COARSE_mm``, by blocks where its voxels are small, then interpolated."""
    steps = [max(1, int(COARSE_mm / edge + 0.25)) for edge in ct.grid.spacing_mm[::-1]]
    array = ct.array
    cut = tuple(slice(0, n // step * step) for n, step in zip(array.shape, steps, strict=True))
    shape = [part for n, step in zip(array.shape, steps, strict=True) for part in (n // step, step)]
    blocks = array[cut].reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
    block_mm = np.array(ct.grid.spacing_mm[::-1]) * steps
    factor = COARSE_mm / block_mm
    number = np.maximum(np.floor((np.array(blocks.shape) - 1) / factor).astype(int) + 1, 1)
    values = blocks
    if np.abs(factor - 1.0).max() > 1e-3:
        values = ndimage.affine_transform(blocks, factor, output_shape=tuple(number), order=1, mode="nearest")
    to_ct = np.eye(4)
    per_voxel = (factor * steps)[::-1]
    to_ct[:3, :3] = np.diag(per_voxel)
    to_ct[:3, 3] = (np.array(steps[::-1]) - 1) / 2.0
    return values, Grid(values.shape, ct.ijk_to_ras @ to_ct)


def beyond(grid: Grid, point_ras_mm: np.ndarray, radius_mm: float) -> bool:
    """Whether a ball reaches beyond the voxels of a grid.

    Examples
    --------
    >>> beyond(Grid((10, 10, 10), np.eye(4)), np.array([5.0, 5.0, 5.0]), 4.0)
    False
    >>> beyond(Grid((10, 10, 10), np.eye(4)), np.array([5.0, 5.0, 8.0]), 4.0)
    True
    """
    ijk = grid.to_ijk(point_ras_mm)
    reach = radius_mm / np.array(grid.spacing_mm)
    high = np.array(grid.shape[::-1]) - 0.5
    return bool((ijk - reach < -0.5).any() or (ijk + reach > high).any())
