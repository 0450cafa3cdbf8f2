"""The one way in which a region is placed in an image: through a registration, bent or not, and a manual shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import OccupancyError
from PRRTUptakeLib.uptake.mapping import affine
from PRRTUptakeLib.uptake.occupancy import occupancy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.uptake.mapping import PointMap, RasTransform
    from PRRTUptakeLib.uptake.occupancy import Occupancy


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """From the space of segments to that of an image: ``matrix`` (4x4, RAS mm), and where it bends ``points``.

    ``points`` is the whole map of RAS points (n, 3), of which the matrix is the linear part; None if nothing bends.
    """

    matrix: np.ndarray
    points: PointMap | None = None

    @classmethod
    def of(cls, registration: Registration) -> Placement:
        """That of a registration, whose fixed image is that of the segments."""
        bends = registration.displacement is not None
        return cls(matrix=registration.fixed_to_moving, points=registration.map_points if bends else None)

    @property
    def ras_transform(self) -> RasTransform:
        """What `uptake.occupancy` takes: the function of points where it bends, else the 4x4."""
        return self.matrix if self.points is None else self.points

    @property
    def bending(self) -> PointMap | None:
        """What remains of it after its matrix: points where the matrix puts them, to where they belong."""
        if self.points is None:
            return None
        points, back = self.points, affine(np.linalg.inv(self.matrix))
        return lambda places: points(back(places))


def manual_shift_of(segment: Segment, manual_shifts: Sequence[ManualShift]) -> ManualShift | None:
    """The manual shift that moves a segment: that of its lesion, None if there is none."""
    return next((one for one in manual_shifts if segment.lesion_id and one.lesion == segment.lesion_id), None)


def transform_of(
    segment: Segment, transform: RasTransform | None, manual_shifts: Sequence[ManualShift] = ()
) -> RasTransform | None:
    """From where a segment is to where the image shows it: the transform, then its shift; None for the same place."""
    shift = manual_shift_of(segment, manual_shifts)
    return transform if shift is None else shift.after(transform)


def place(
    segment: Segment,
    source: Grid,
    target: Grid,
    transform: RasTransform | None = None,
    manual_shifts: Sequence[ManualShift] = (),
    outside_field: np.ndarray | None = None,
) -> Occupancy:
    """The fraction of each voxel of ``target`` that a segment on ``source`` occupies, where the image shows it.

    ``outside_field`` is bool [k, j, i]: voxels in which the image measured nothing.

    Raises
    ------
    OccupancyError
        If the segment is empty, or not within the image.
    """
    moved = transform_of(segment, transform, manual_shifts)
    return occupancy(segment, source, target, moved, outside_field=outside_field)


def placed_regions(
    segments: Iterable[Segment],
    source: Grid,
    target: Grid,
    transform: RasTransform | None = None,
    manual_shifts: Sequence[ManualShift] = (),
    outside_field: np.ndarray | None = None,
) -> tuple[dict[str, Occupancy], dict[str, OccupancyError]]:
    """All segments with voxels as they are placed in an image, and why others cannot be, both by name.

    ``outside_field`` [k, j, i] as in `place`.
    """
    placed: dict[str, Occupancy] = {}
    refused: dict[str, OccupancyError] = {}
    for segment in segments:
        if not segment.voxel_count:
            continue
        try:
            placed[segment.name] = place(segment, source, target, transform, manual_shifts, outside_field)
        except OccupancyError as error:
            refused[segment.name] = error
    return placed, refused


def nothing_in(region: Occupancy) -> OccupancyError:
    """Why a target of which the image shows nothing is not measured: in a body no voxel is exactly 0."""
    return OccupancyError(
        f"every voxel of '{region.name}' is 0, so the image seems not to reach there: correct its contours "
        "('segments') or its place ('registration'), or decide under 'targets' that it is none"
    )


_CUT = 0.005  # of a region outside the image, from which its volume and activity are said to be of the rest
_ENDLESS = ("aorta", "inferior_vena_cava", "blood_pool", "marrow")  # samples, of which no total is taken


def cut_off(segments: Segmentation, placed: Mapping[str, Occupancy]) -> list[str]:
    """A warning on regions of which an image does not hold a small part; nothing for those that it holds wholly."""
    parts = parts_cut_off(segments, placed)
    return [f"Outside the image, and missing in volumes and activities: {', '.join(parts)}."] if parts else []


def parts_cut_off(segments: Segmentation, placed: Mapping[str, Occupancy]) -> list[str]:
    """The share of each region that an image does not hold, as words; see `cut_off`."""
    return [
        f"{one.outside_fraction:.1%} of {name}"
        for name, one in placed.items()
        if one.outside_fraction >= _CUT and segments[name].structure not in _ENDLESS
    ]
