"""What regions show of each other when one of them is in truth drawn otherwise than its mask.

The blur is its own adjoint (but for a shift, which is reversed): the sum over a region of the blur of a change is the
sum over the change of the blurred region. So every region is blurred once for an image, and each change, which is a few
voxels at a surface, costs sums over those voxels only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from PRRTUptakeLib.uptake.region_model import Box, spread_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.uptake.transfer_matrix import SpreadRegions


class MaskChanges:
    """Products of all pairs of regions (``SpreadRegions.products``) when one mask is another."""

    def __init__(self, spread: SpreadRegions) -> None:
        model = spread.model
        back = model.kernels(spread.fwhm_mm, [-one for one in spread.shift_mm])  # the adjoint shifts the other way
        same = not any(spread.shift_mm)
        self._spread = spread
        self._seen = [
            known if same and measured is filled else spread_box(measured, back, model.grid.shape)
            for measured, filled, known in zip(model.sampled, model.filled, spread.spread, strict=True)
        ]
        self._seen.append(spread_box(spread.background, back, model.grid.shape))

    def products(self, number: int, variants: Sequence[Box]) -> np.ndarray:
        """With region ``number`` drawn as each of ``variants``, its neighbours taking or giving up the voxels.

        Returns
        -------
        (variants, n + 1, n + 1), background last; the means are still of the masks at hand.
        """
        spread = self._spread
        model = spread.model
        low, high, new = _stacked([model.drawn[number], *variants], model.grid.shape)
        where = np.flatnonzero((new[1:] != new[0]).any(axis=0))
        drawn, before, seen = (
            np.stack([_at(box, low, high, where) for box in boxes]) for boxes in (model.drawn, model.filled, self._seen)
        )
        near = [region for region in range(len(model.names)) if region == number or drawn[region].any()]
        drawn_otherwise = np.repeat(drawn[near][:, None], len(variants), axis=1)
        drawn_otherwise[near.index(number)] = new[1:].reshape(len(variants), -1)[:, where]
        inside = [tuple(near.index(one) for one in model.inside[region] if one in near) for region in near]
        change = allotted_voxels(drawn_otherwise, inside) - before[near][:, None]
        # Few voxels change in a variant, and in them few regions: sparse.
        moved = sparse.csr_array(change.reshape(-1, where.size)) @ seen.T
        moved = moved.reshape(len(near), len(variants), len(self._seen)).transpose(1, 2, 0)
        found = np.repeat(spread.products[None], len(variants), axis=0)
        found[:, :, near] += moved
        found[:, :, -1] -= moved.sum(axis=2)
        return found


def allotted_voxels(drawn: np.ndarray, inside: Sequence[tuple[int, ...]]) -> np.ndarray:
    """What every region has for itself of some voxels, as ``region_model.allotted``; (regions, ...) in and out."""
    found = np.zeros_like(drawn)
    used = np.zeros_like(drawn[0])
    for number, values in enumerate(drawn):
        own = values - found[list(inside[number])].sum(axis=0) if inside[number] else values
        found[number] = np.clip(np.minimum(own, 1.0 - used), 0.0, 1.0)
        used += found[number]
    return found


def _stacked(boxes: Sequence[Box], shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray]:
    """Boxes in one that holds them all as far as the image reaches: its corners, and (boxes, k, j, i)."""
    low = tuple(max(0, min(starts)) for starts in zip(*(box.low for box in boxes), strict=True))
    high = tuple(min(size, max(stops)) for size, *stops in zip(shape, *(box.high for box in boxes), strict=True))
    return low, high, np.stack([_within(box, low, high) for box in boxes])


def _within(box: Box, low: tuple[int, ...], high: tuple[int, ...]) -> np.ndarray:
    found = box.crop(low, high)
    return np.zeros(tuple(b - a for a, b in zip(low, high, strict=True))) if found is None else found


def _at(box: Box, low: tuple[int, ...], high: tuple[int, ...], where: np.ndarray) -> np.ndarray:
    """Values of a box at voxels of flat index ``where`` in ``low`` to ``high``; 0 where it does not reach."""
    found = box.crop(low, high)
    return np.zeros(where.size) if found is None else found.reshape(-1)[where]
