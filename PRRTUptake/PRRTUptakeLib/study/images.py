"""Which series of a visit's DICOM folder are the measured image and the image on which the contours were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.bed_positions import continue_each_other
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.regrid import same_lattice
from PRRTUptakeLib.study.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series

EMISSION = {"SPECT": ("NM", "PT"), "PET": ("PT",)}  # some vendors store SPECT as PT
ANATOMICAL = ("CT", "MR")
_COVERED = 0.5  # of the masks' grid, which may reach beyond the image


def emission_series(series: Sequence[Series], modality: str, visit: str, uid: str = "") -> tuple[Series, ...]:
    """The series to be measured: one, or the bed positions of one SPECT.

    Parameters
    ----------
    series : all series of the visit.
    modality : "SPECT" or "PET", as the protocol says.
    visit : names the visit in messages.
    uid : Series Instance UID, where the case file names it; "" to take the only one there is.

    Raises
    ------
    ImageError
        If there is none, or more than one and none was named.
    """
    found = [one for one in series if one.modality in EMISSION[modality] and (not uid or one.uid == uid)]
    if not found:
        modalities = ", ".join(sorted({one.modality for one in series}))
        wanted = f"{modality} series {uid}" if uid else f"{modality} series"
        raise ImageError(f"Visit '{visit}' has no {wanted} (only {modalities}): add it to the visit's DICOM folder.")
    if len(found) > 1:
        if continue_each_other(found):
            return tuple(sorted(found, key=lambda one: one.started.timestamp() if one.started else 0.0))
        names = "; ".join(f"{one.description or 'no description'} ({one.uid})" for one in found)
        raise ImageError(f"Visit '{visit}' has several {modality} series: name one as 'image' in the case: {names}.")
    return (found[0],)


def has_emission(series: Sequence[Series], modality: str) -> bool:
    """Whether a visit has any series that could be measured; follow-up by CT or MRI alone has none."""
    return any(one.modality in EMISSION[modality] for one in series)


def contour_series(series: Sequence[Series], grid: Grid) -> Series | None:
    """The CT or MR series that the segments were drawn on, None if there is none.

    It is the one whose voxels are those of the segments, or hold them: masks may have been cropped. They may have been
    resampled, too: then it is the only one of the folder, if it covers them.
    """
    anatomical = [one for one in series if one.modality in ANATOMICAL]
    grids = [Grid(arranged.shape, arranged.ijk_to_ras) for arranged in map(arrange, anatomical)]
    for one, own in zip(anatomical, grids, strict=True):
        if same_voxels(own, grid):
            return one
    holding = [
        one for one, own in zip(anatomical, grids, strict=True) if same_lattice(own, grid) and _covers(own, grid)
    ]
    if len(holding) == 1:
        return holding[0]
    return anatomical[0] if len(anatomical) == 1 and _covers(grids[0], grid) else None


def _covers(image: Grid, grid: Grid) -> bool:
    """Whether the middle of ``grid`` and most of it lie in the image."""
    points = np.stack(np.meshgrid(*[np.linspace(0.0, n - 1.0, 7) for n in grid.shape[::-1]]), axis=-1).reshape(-1, 3)
    inside = image.to_ijk(grid.to_ras(points))
    return bool(((inside > -1.0) & (inside < np.array(image.shape[::-1]))).all(axis=1).mean() >= _COVERED)


def same_voxels(one: Grid, other: Grid, tolerance_mm: float = 0.05) -> bool:
    """Whether two grids have the same voxels, whatever the order and direction of their axes.

    Masks come back from converters with rows or slices turned round, while the voxels stay where they were.

    Examples
    --------
    >>> flipped = np.diag([-1.0, 1.0, 1.0, 1.0]); flipped[0, 3] = 3.0
    >>> same_voxels(Grid((2, 3, 4), np.eye(4)), Grid((2, 3, 4), flipped))
    True
    """
    if sorted(one.shape) != sorted(other.shape):
        return False
    ours, theirs = _corners(one), _corners(other)
    apart = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    return bool((apart.min(axis=1) <= tolerance_mm).all())


def _corners(grid: Grid) -> np.ndarray:
    top = np.array(grid.shape[::-1]) - 1.0
    return grid.to_ras(np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T)
