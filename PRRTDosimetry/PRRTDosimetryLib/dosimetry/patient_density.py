"""The density of a patient's tissues on the grid of an emission image, from the CT of its session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.registration.quality import resampled
from PRRTUptakeLib.registration.result import Registration, given_registration, identity_registration
from scipy import ndimage

from PRRTDosimetryLib.dose.density import (
    HOUNSFIELD_UNITS,
    ENHANCED_MOST_g_per_mL,
    density_from_ct,
    metal_mL,
)
from PRRTDosimetryLib.dosimetry.errors import DosimetryError
from PRRTDosimetryLib.transport.materials import AIR_g_per_mL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import StudyInput, VisitImages
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.occupancy import Occupancy

    from PRRTDosimetryLib.dose.density_curves import DensityCurve

SOFT_STRUCTURES = ("liver", "spleen", "kidney_left", "kidney_right")
_LEAST_METAL_mL = 0.05
_LEAST_SEEN = 0.98  # of the activity
_FAINT = 0.01  # of the maximum; less is noise


@dataclass(frozen=True, eq=False)
class PatientDensity:
    """Density in g/mL on the grid of an emission image, and sentences on doubts about it.

    ``fine`` is that of the parts of its voxels, where these are divided, of which ``volume`` is the mean.
    """

    volume: Volume
    warnings: tuple[str, ...] = ()
    fine: Volume | None = None


def patient_density(
    ct: Volume,
    image: Volume,
    to_ct: Registration,
    curve: DensityCurve,
    soft_tissue: np.ndarray | None = None,
    divided: tuple[int, int, int] = (1, 1, 1),
) -> PatientDensity:
    """Mean density of each voxel of an emission image from a CT with finer voxels.

    Parameters
    ----------
    ct : in Hounsfield units.
    image : activity, whose grid is taken; activity beyond the CT gives a warning.
    to_ct : from points of the image to the CT.
    soft_tissue : bool [k, j, i] on the image's grid, voxels of organs that are soft tissue however bright they are,
        see `soft_tissue_mask`.
    divided : into how many parts the image's voxels are divided along k, j, i, for a transport on a finer grid.

    Raises
    ------
    DoseError
        If the CT is not in Hounsfield units or not finite.
    """
    grid = _divided(image.grid, divided)
    fine = density_from_ct(ct, curve)
    # The mean over a voxel of the grid, not the value at its centre: mass is what dose divides by.
    size = [2 * int(max(wide / edge, 1.0) // 2) + 1 for wide, edge in zip(grid.spacing_mm, ct.spacing_mm, strict=True)]
    mean = ndimage.uniform_filter(fine.array, size=size[::-1], mode="nearest")
    found = resampled(fine.with_values(mean), grid, to_ct, AIR_g_per_mL)
    density = np.maximum(found.array, np.float32(AIR_g_per_mL))
    if soft_tissue is not None:
        soft = soft_tissue
        for axis, parts in enumerate(divided):
            soft = np.repeat(soft, parts, axis=axis)
        density[soft] = np.minimum(density[soft], np.float32(ENHANCED_MOST_g_per_mL))
    if divided == (1, 1, 1):
        return PatientDensity(found.with_values(density), _doubts(ct, image, to_ct))
    k, j, i = image.grid.shape
    mean = density.reshape(k, divided[0], j, divided[1], i, divided[2]).mean(axis=(1, 3, 5), dtype=np.float64)
    whole = replace(found, array=mean.astype(np.float32), ijk_to_ras=image.ijk_to_ras)
    return PatientDensity(whole, _doubts(ct, image, to_ct), found.with_values(density))


def _divided(grid: Grid, parts: tuple[int, int, int]) -> Grid:
    """The grid of the parts of a grid's voxels, divided along k, j, i."""
    count = np.array(parts[::-1], dtype=np.float64)
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.to_ras((1.0 / count - 1.0) / 2.0)
    matrix[:3, :3] = matrix[:3, :3] / count
    k, j, i = (size * n for size, n in zip(grid.shape, parts, strict=True))
    return Grid((k, j, i), matrix)


def _doubts(ct: Volume, image: Volume, to_ct: Registration) -> tuple[str, ...]:
    found = []
    metal = metal_mL(ct)
    if metal > _LEAST_METAL_mL:
        found.append(
            f"{metal:.2g} mL of the CT are metal: densities within some centimetres of it may be streaks, and the "
            "metal itself counts as soft tissue."
        )
    k, j, i = np.nonzero(image.array > _FAINT * image.array.max())
    weight = image.array[k, j, i].astype(np.float64)
    place = ct.grid.to_ijk(to_ct.map_points(image.grid.to_ras(np.stack([i, j, k], axis=1))))
    shown = ((place > -0.5) & (place < np.array(ct.array.shape[::-1]) - 0.5)).all(axis=1)
    share = float(weight @ shown / weight.sum()) if weight.size else 1.0
    if share < _LEAST_SEEN:
        found.append(
            f"{1.0 - share:.0%} of the activity is outside the CT, where everything counts as air: its dose is wrong."
        )
    return tuple(found)


def soft_tissue_mask(segmentation: Segmentation, placed: Mapping[str, Occupancy]) -> np.ndarray | None:
    """Voxels [k, j, i] of liver, spleen, kidneys and lesions in the liver, of which contrast medium makes no bone."""
    mask: np.ndarray | None = None
    for segment in segmentation:
        in_liver = segment.role in ("target", "lesion") and segment.lobe in ("left", "right", "caudate")
        if segment.name in placed and (segment.structure in SOFT_STRUCTURES or in_liver):
            one = placed[segment.name]
            mask = np.zeros(one.grid.shape, dtype=bool) if mask is None else mask
            mask.reshape(-1)[one.indices[one.fraction >= 0.5]] = True
    return mask


def visit_density(
    study: StudyInput,
    visit: VisitResult,
    images: VisitImages,
    curve: DensityCurve,
    divided: tuple[int, int, int] = (1, 1, 1),
) -> PatientDensity:
    """Density on the grid of a visit's emission image, from the CT of its session or that of its contours.

    Raises
    ------
    DosimetryError
        If the visit has no CT, or one whose place in the emission image is not known.
    """
    ct, to_ct, series = _ct_of(study, visit, images)
    mask = soft_tissue_mask(visit.prepared.segmentation, visit.regions)
    made = patient_density(ct, visit.image, to_ct, curve, mask, divided)
    agent = contrast_agent(series)
    if agent:
        words = (
            f"The CT has contrast medium ({agent}): liver, spleen, kidneys and lesions in the liver count as soft "
            "tissue; vessels and bowel elsewhere may come out some per cent too dense."
        )
        return replace(made, warnings=(*made.warnings, words))
    return made


def contrast_agent(series: Series | None) -> str:
    """The contrast medium that a CT's header names; "" for none, or if there is no header."""
    if series is None or not series.headers:
        return ""
    return str(series.headers[0].dataset.get("ContrastBolusAgent", "") or "").strip()


def _ct_of(study: StudyInput, visit: VisitResult, images: VisitImages) -> tuple[Volume, Registration, Series | None]:
    session = study.visit((visit.labels.cycle, visit.labels.visit)).anatomy
    if session is not None:
        volume = session.load()
        if volume.units == HOUNSFIELD_UNITS:
            return volume, identity_registration("the CT of the emission image's session"), session.series
    drawn = images.anatomy
    matrix = np.eye(4) if images.ras_transform is None else images.ras_transform
    if drawn is not None and not callable(matrix):
        volume = drawn.load()
        if volume.units == HOUNSFIELD_UNITS:
            back = given_registration(np.linalg.inv(matrix), "registration of the contours, turned round")
            return volume, back, drawn.series
    raise DosimetryError(
        f"Visit '{visit.labels.visit}' has no CT in the space of its emission image, which density 'ct' and transport "
        "need: add it to the visit's folder, or take 'density' 'uniform'."
    )
