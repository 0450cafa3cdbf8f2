"""How well two images agree once registered: overlap of bodies and livers, offset of the liver, a checkerboard."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import grid_of, itk_image
from PRRTUptakeLib.imaging.volume import Grid, Volume

if TYPE_CHECKING:
    from PRRTUptakeLib.registration.result import Registration

LIVER_OFFSET_WARNING_mm = 5.0
_BODY_OVERLAP_WARNING = 0.85
_WHOLE_LIVER = 0.95  # share of the liver within the moving image below which it is reported
_LIVER_METRIC_WARNING = 0.22  # nats; a noisy CT without contrast agent reaches 0.3 at the liver, a mirrored one 0.13
_SURE_OVERLAP = 0.9  # Dice of livers drawn on both images, which chance or another anatomy does not give


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two masks of equal shape: 2 |A and B| / (|A| + |B|) (Dice, Ecology 1945;26:297, doi:10.2307/1932409).

    Examples
    --------
    >>> dice(np.array([1, 1, 0, 0]), np.array([0, 1, 0, 0]))
    0.6666666666666666
    """
    both = np.count_nonzero(np.logical_and(one, other))
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2.0 * both / total) if total else math.nan


def sphere_overlap(shift_mm: float, diameter_mm: float) -> float:
    """Share of a sphere that still overlaps its copy after a shift: 1 - (3/2) s/d + (1/2) (s/d)^3, 0 from s = d on.

    What a shift costs a lesion (the lens of two equal spheres; Kendall and Moran, Geometrical Probability, 1963).

    Examples
    --------
    >>> round(sphere_overlap(10.0, 30.0), 2)
    0.52
    """
    ratio = min(abs(shift_mm) / diameter_mm, 1.0)
    return 1.0 - 1.5 * ratio + 0.5 * ratio**3


def mask_overlap(fixed: sitk.Image, moving: sitk.Image, fixed_to_moving: sitk.Transform) -> float:
    """Dice coefficient of two masks under a transform, on the fixed grid, where the moving image reaches."""
    shown = sitk.Cast(moving > 0, sitk.sitkUInt8) + 1  # 2 in the mask, 1 in the rest of the image, 0 beyond
    mapped = sitk.Resample(shown, fixed, fixed_to_moving, sitk.sitkNearestNeighbor, 0.0)
    found = sitk.GetArrayViewFromImage(mapped)
    return dice((sitk.GetArrayViewFromImage(fixed) > 0) & (found > 0), found == 2)


def centroid_distance_mm(fixed: sitk.Image, moving: sitk.Image, registration: Registration) -> float:
    """Distance of a structure's centroids after registration; the images hold the occupied fraction of each voxel."""
    centres = []
    for image, place in ((fixed, registration.map_points), (moving, np.asarray)):
        fraction = sitk.GetArrayViewFromImage(image)
        where = np.nonzero(fraction)
        points = grid_of(image).to_ras(np.stack(where[::-1], axis=-1))
        centres.append(np.average(place(points), axis=0, weights=fraction[where]))
    return float(np.linalg.norm(centres[0] - centres[1]))


def resampled(moving: Volume, fixed: Grid, registration: Registration, outside: float = 0.0) -> Volume:
    """The moving image on the fixed grid, linear interpolation; for looking at, never for measuring."""
    image = itk_image(np.asarray(moving.array, dtype=np.float32), moving.grid)
    empty = _empty(fixed)
    on_fixed = sitk.Resample(image, empty, registration.to_itk(), sitk.sitkLinear, float(outside))
    return Volume(
        sitk.GetArrayFromImage(on_fixed),
        fixed.ijk_to_ras,
        moving.quantity,
        moving.units,
        moving.reference_time,
        {**moving.provenance, "resampled": registration.kind},
    )


def quality_warnings(body_overlap: float, liver_offset_mm: float, liver_overlap: float) -> tuple[str, ...]:
    """Sentences on what is doubtful."""
    found = []
    if liver_offset_mm > LIVER_OFFSET_WARNING_mm:
        loss = 1.0 - sphere_overlap(liver_offset_mm, 30.0)
        found.append(
            f"After registration the livers are still {liver_offset_mm:.1f} mm apart (overlap {liver_overlap:.2f}); a "
            f"30 mm lesion would miss {loss:.0%} of itself: register again on the liver, or move the lesions by hand."
        )
    if body_overlap < _BODY_OVERLAP_WARNING:
        found.append(
            f"After registration the bodies overlap by only {body_overlap:.2f} (Dice): look at the checkerboard."
        )
    return tuple(found)


def cut_off_warnings(shown: float) -> tuple[str, ...]:
    """A sentence if the moving image shows only a share (0-1) of the liver."""
    if shown >= _WHOLE_LIVER:
        return ()
    return (
        f"The moving image shows only {shown:.0%} of the liver: lesions beyond its edge cannot be measured, and the "
        "rest is registered less surely.",
    )


def metric_warnings(metric_after: float, on_liver: bool, liver_overlap: float = math.nan) -> tuple[str, ...]:
    """Sentences on what the mutual information (nats) after registration leaves in doubt.

    Noise lowers it too, so that it is not asked where livers drawn on both images lie on each other.
    """
    if not on_liver:
        return ("No liver was given: the body was registered, and the liver may lie elsewhere in it by breathing.",)
    if metric_after >= _LIVER_METRIC_WARNING or liver_overlap >= _SURE_OVERLAP:
        return ()
    return (
        f"The images hardly agree at the liver (mutual information {metric_after:.2f}): look at the checkerboard, they "
        "may not show the same anatomy.",
    )


def _empty(grid: Grid) -> sitk.Image:
    image = itk_image(np.zeros((1, 1, 1), np.uint8), grid)
    reference = sitk.Image([grid.shape[2], grid.shape[1], grid.shape[0]], sitk.sitkUInt8)
    for name in ("Spacing", "Origin", "Direction"):
        getattr(reference, f"Set{name}")(getattr(image, f"Get{name}")())
    return reference
