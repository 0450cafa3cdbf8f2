"""Volumes as SimpleITK images (LPS) and back, at the coarser resolutions at which images are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PLANES_VOXELS = 200_000  # of the planes that are shrunk at once: they stay in a core's cache


def itk_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """A SimpleITK image of ``array`` [k, j, i] on ``grid``; bool becomes uint8."""
    matrix = LPS_TO_RAS @ grid.ijk_to_ras
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    spacing = np.array(grid.spacing_mm)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    return image


def grid_of(image: sitk.Image) -> Grid:
    """The grid of a SimpleITK image."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    i, j, k = image.GetSize()
    return Grid((k, j, i), LPS_TO_RAS @ matrix)


def shrunk(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Means over whole voxels so that the spacing comes near ``spacing_mm`` (never finer than the image)."""
    factors = _factors(image.GetSpacing(), image.GetSize(), spacing_mm)
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


def shrunk_array(array: np.ndarray, grid: Grid, spacing_mm: float) -> sitk.Image:
    """``shrunk`` of an array [k, j, i] on ``grid`` as float32, some planes at a time: none of it is copied whole."""
    factors = _factors(grid.spacing_mm, grid.shape[::-1], spacing_mm)
    if max(factors) == 1:
        return itk_image(array.astype(np.float32, copy=False), grid)
    step = factors[2] * max(1, _PLANES_VOXELS // (factors[2] * array[0].size))
    whole = array.shape[0] // factors[2] * factors[2]
    means = np.zeros([n // m for n, m in zip(array.shape, factors[::-1], strict=True)], dtype=np.float32)
    for start in range(0, whole, step):
        part = array[start : min(start + step, whole)]
        if part.dtype == bool and not part.any():  # most of a mask
            continue
        first = start // factors[2]
        coarse = _block_sums(part, factors[::-1])
        np.divide(coarse, np.prod(factors), out=means[first : first + len(coarse)], casting="same_kind")
    found = sitk.GetImageFromArray(means)
    voxel = sitk.BinShrink(itk_image(np.zeros(factors[::-1], dtype=np.uint8), grid), factors)
    for name in ("Spacing", "Origin", "Direction"):
        getattr(found, f"Set{name}")(getattr(voxel, f"Get{name}")())
    return found


def _block_sums(array: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Sums over blocks of ``factors`` voxels [k, j, i], exact to float64; an incomplete last block is left out."""
    sums = array.astype(np.float64) if array.dtype != bool else array.astype(np.uint16)
    for axis, factor in enumerate(factors):
        end = sums.shape[axis] // factor * factor
        first, *others = (sums[(slice(None),) * axis + (slice(n, end, factor),)] for n in range(factor))
        sums = sum(others, first)
    return sums


def _factors(spacing: Sequence[float], size: Sequence[int], wanted_mm: float) -> list[int]:
    """How many voxels become one along each axis."""
    return [max(1, min(round(wanted_mm / own), n)) for own, n in zip(spacing, size, strict=True)]


def affine_to_itk(matrix: np.ndarray) -> sitk.AffineTransform:
    """A 4x4 between RAS frames as a SimpleITK transform between LPS frames."""
    lps = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    return sitk.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())


def affine_from_itk(transform: sitk.Transform) -> np.ndarray:
    """The RAS 4x4 of a linear SimpleITK transform (which maps LPS points)."""
    lps = np.eye(4)
    lps[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        lps[:3, axis] = np.array(transform.TransformPoint(unit)) - lps[:3, 3]
    return LPS_TO_RAS @ lps @ LPS_TO_RAS


def write_mask(mask: np.ndarray, grid: Grid, path: Path) -> None:
    """Write a mask [k, j, i] as NIfTI."""
    sitk.WriteImage(itk_image(mask.astype(np.uint8), grid), str(path), useCompression=True, compressionLevel=1)
