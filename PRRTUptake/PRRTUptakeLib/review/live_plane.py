"""Lobes, targets and ratios while the plane between the lobes is dragged.

All that does not depend on the plane is computed once: single lesions with their sizes and uptake, healthy liver of the
whole liver, and for each of its voxels what it adds to the sums over the emission image. A plane then asks on which
side voxels are, by the very functions of the study (`split_by_plane`, `placed_lesions`, `choose_targets`), and adds up.

The numbers are those of `study.run` on the same plane as measured, not corrected for partial volume, up to the rounding
of sums, where the axes of contours and image are parallel; through a turned or bent registration they are close. When
the plane is let go, the study itself is run, and its numbers replace these.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.segmentation.bounding_box import mask_in
from PRRTUptakeLib.segmentation.diameters import measure_size
from PRRTUptakeLib.segmentation.lesion_tracking import EarlierLesions
from PRRTUptakeLib.segmentation.lesions import lesion_pieces, placed_lesions
from PRRTUptakeLib.segmentation.lobes import Plane, find_liver, lobe_volumes, split_by_plane
from PRRTUptakeLib.segmentation.reference import OTHER_LOBE, SAME_LOBE, SPHERE, WHOLE_LIVER
from PRRTUptakeLib.study.placement import manual_shift_of, place
from PRRTUptakeLib.study.preparation import decided_lesions, protocol_references, recognised
from PRRTUptakeLib.uptake.aggregation import aggregate_lesions
from PRRTUptakeLib.uptake.alignment import alignment, image_in_mask_voxels
from PRRTUptakeLib.uptake.errors import OccupancyError
from PRRTUptakeLib.uptake.mapping import as_matrix, push_map
from PRRTUptakeLib.uptake.ratios import treated_control_ratio
from PRRTUptakeLib.vocabulary import OPPOSITE_LOBE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.lobes import LobeVolume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.segmentation.targets import TargetOverride
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.preparation import Prepared, SizedLesion
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.mapping import RasTransform


@dataclass(frozen=True, kw_only=True)
class LiveLesion:
    """One lesion on a plane; T and T/N in the image's unit and 1, None where they cannot be formed.

    ``measured_id`` is what the same piece was called when the study was run, "" for one that the plane cuts anew.
    """

    lesion_id: str
    lobe: str
    diameter_mm: float
    volume_mL: float
    is_target: bool
    reason: str
    tumour: float | None
    tn_ratio: float | None
    measured_id: str = ""


@dataclass(frozen=True, kw_only=True)
class LiveNumbers:
    """What a plane gives.

    Attributes
    ----------
    lobes : volume of each lobe and its share of the liver; empty if the plane misses the liver.
    lesions : every lesion, in the order of the ids.
    aggregated : T/N of each lobe from its targets, None without.
    ratio : of the upper lobe (treated, or left while blinded) over the other; None if it cannot be formed.
    problem : why there are no numbers, in one sentence; "" if there are.
    """

    plane: Plane
    lobes: tuple[LobeVolume, ...] = ()
    lesions: tuple[LiveLesion, ...] = ()
    aggregated: Mapping[str, float | None] = field(default_factory=dict)
    ratio: float | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class LiveInput:
    """What a visit is measured from, beside the plane; see `study.preparation.prepare` and `study.visit.measure_visit`.

    ``transform`` takes points of the segments to the image (None for the same space); ``upper`` is the lobe whose T/N
    is above the line of the ratio. ``measured`` are lesions of an earlier run, whose sizes need not be measured again.
    """

    segmentation: Segmentation
    image: Volume
    protocol: Protocol
    transform: RasTransform | None = None
    target_overrides: tuple[TargetOverride, ...] = ()
    manual_shifts: tuple[ManualShift, ...] = ()
    baseline: Prepared | None = None
    vanished: tuple[str, ...] = ()
    upper: str = "left"
    measured: tuple[SizedLesion, ...] = ()


class LivePlane:
    """A visit made ready for dragging its plane.

    Raises
    ------
    PRRTError
        If there is no liver or lesion, or the design has no lobes.
    """

    def __init__(self, given: LiveInput) -> None:
        if not given.protocol.rules.by_lobe:
            raise ReviewError(f"The protocol '{given.protocol.name}' has no lobes, so there is no plane to drag.")
        self._given = given
        named, *_ = recognised(given.segmentation, ids=given.baseline is None)
        self.grid: Grid = named.grid
        self.liver: Segment = find_liver(named).cropped()
        self._pieces = tuple(piece.cropped() for piece in lesion_pieces(named)[0])
        self._sizes = {_key(one.segment): one.size for one in given.measured}
        self._measured_ids = {_key(one.segment): one.lesion.lesion_id for one in given.measured}
        for piece in self._pieces:
            if _key(piece) not in self._sizes:
                self._sizes[_key(piece)] = measure_size(self.grid, piece)
        self._uptake = {(*_key(piece), None): self._mean_of(piece) for piece in self._pieces if not piece.lesion_id}
        references = protocol_references(named, (), self._pieces, given.protocol, _under_segments(given))
        self._refusals = dict(references.refusals)
        fixed = {WHOLE_LIVER: references.whole, SPHERE: references.sphere}
        self._fixed = {kind: None if region is None else self._mean_of(region) for kind, region in fixed.items()}
        self._healthy, self._amount, self._weight = self._per_voxel(references.whole)
        self._earlier = _earlier(given)

    def at(self, plane: Plane) -> LiveNumbers:
        """The numbers on a plane; where there are none, `LiveNumbers.problem` says why."""
        given = self._given
        try:
            lobes = split_by_plane(self.grid, self.liver, plane)
            found = placed_lesions(self.grid, self._pieces, lobes, self._earlier).lesions
            sizes = [self._sizes[_key(lesion.segment)] for lesion in found]
            sized = decided_lesions(found, sizes, given.protocol, given.target_overrides, given.baseline)
        except PRRTError as error:
            return LiveNumbers(plane=plane, problem=str(error))
        means = self._lobe_means(lobes)
        lesions = tuple(self._lesion(one, means) for one in sized)
        aggregated = {lobe: self._aggregated(lobe, lesions) for lobe in OPPOSITE_LOBE}
        upper, lower = aggregated[given.upper], aggregated[OPPOSITE_LOBE[given.upper]]
        ratio = None
        if upper is not None and lower is not None:
            ratio = treated_control_ratio(upper, lower, "the patient").value
        volumes = lobe_volumes(self.grid, lobes)
        return LiveNumbers(plane=plane, lobes=volumes, lesions=lesions, aggregated=aggregated, ratio=ratio)

    def _lesion(self, one: SizedLesion, means: Mapping[str, float | None]) -> LiveLesion:
        tumour = self._tumour(one.segment)
        healthy = self._reference(one.segment.lobe, means)
        return LiveLesion(
            lesion_id=one.lesion.lesion_id,
            lobe=one.segment.lobe,
            diameter_mm=one.size.longest_axial_mm,
            volume_mL=one.size.volume_mL,
            is_target=one.decision.is_target,
            reason=one.decision.reason,
            tumour=tumour,
            tn_ratio=tumour / healthy if tumour is not None and healthy is not None and healthy > 0 else None,
            measured_id=self._measured_ids.get(_key(one.segment), ""),
        )

    def _tumour(self, lesion: Segment) -> float | None:
        """Mean uptake of a lesion, where it was shifted by hand if it was."""
        shift = manual_shift_of(lesion, self._given.manual_shifts)
        key = (*_key(lesion), shift)
        if key not in self._uptake:
            self._uptake[key] = self._mean_of(lesion)
        return self._uptake[key]

    def _reference(self, lobe: str, means: Mapping[str, float | None]) -> float | None:
        kind = self._given.protocol.reference.kind
        if kind in self._fixed:
            return self._fixed[kind]
        return means.get({SAME_LOBE: lobe, OTHER_LOBE: OPPOSITE_LOBE.get(lobe, "")}[kind])

    def _aggregated(self, lobe: str, lesions: Sequence[LiveLesion]) -> float | None:
        targets = [one for one in lesions if one.is_target and one.lobe == lobe]
        values = {one.lesion_id: one.tn_ratio for one in targets}
        known = {name: value for name, value in values.items() if value is not None and value > 0}
        if not known or len(known) < len(values):
            return None
        volumes = {one.lesion_id: one.volume_mL for one in targets}
        return aggregate_lesions(known, self._given.protocol.endpoint.aggregation, volumes).value

    def _lobe_means(self, lobes: Sequence[Segment]) -> dict[str, float | None]:
        """Mean of the image in the healthy liver of each lobe, None for one that is too small."""
        if self._healthy is None:
            return {}
        found: dict[str, float | None] = {}
        least = self._given.protocol.reference.minimum_volume_mL
        for lobe in lobes:
            part = mask_in(lobe, self._healthy.box)[self._healthy.mask]
            counted = part.astype(np.float64)
            weight = float(self._weight @ counted)
            large = np.count_nonzero(part) * self.grid.voxel_volume_mL >= least
            found[lobe.lobe] = float(self._amount @ counted) / weight if large and weight > 0 else None
        return found

    def _mean_of(self, region: Segment) -> float | None:
        given = self._given
        try:
            image = given.image
            placed = place(region, self.grid, image.grid, given.transform, given.manual_shifts, image.outside_field)
        except OccupancyError:
            return None
        return float(placed.fraction @ placed.values(given.image) / placed.fraction.sum())

    def _per_voxel(self, healthy: Segment | None) -> tuple[Segment | None, np.ndarray, np.ndarray]:
        """What each voxel of healthy liver, in C order, adds to the sums over the image: value, and fraction."""
        nothing = np.zeros(0)
        if healthy is None:
            return None, nothing, nothing
        given, healthy = self._given, healthy.cropped()
        matrix = as_matrix(given.transform)
        shape = (healthy.mask.shape[0], healthy.mask.shape[1], healthy.mask.shape[2])
        aligned = None
        if matrix is not None:
            to_image = given.image.grid.ras_to_ijk @ matrix @ self.grid.ijk_to_ras
            aligned = alignment(shape, healthy.origin, to_image)
        if aligned is not None:
            amount, weight = image_in_mask_voxels(given.image.array, aligned, shape)
            weights: np.ndarray = np.broadcast_to(weight, shape)[healthy.mask]
            return healthy, amount[healthy.mask], weights
        points = (np.argwhere(healthy.mask) + healthy.origin)[:, ::-1].astype(np.float64)
        nearest = np.rint(push_map(self.grid, given.image.grid, given.transform)(points))[:, ::-1].astype(np.intp)
        inside = np.all((nearest >= 0) & (nearest < given.image.array.shape), axis=1)
        nearest_values: np.ndarray = np.zeros(len(points))
        nearest_values[inside] = given.image.array[tuple(nearest[inside].T)]
        return healthy, nearest_values, inside.astype(np.float64)


def _key(piece: Segment) -> tuple[object, ...]:
    """Distinguishes pieces whose ids change with the plane; two that are alike have one size and one uptake."""
    return piece.origin, piece.mask.shape, piece.voxel_count


def _under_segments(given: LiveInput) -> Volume | None:
    """The image under the segments, for the sphere reference, where that is what the protocol takes."""
    if given.protocol.reference.kind != SPHERE:
        return None
    matrix = as_matrix(given.transform)
    if matrix is None:
        return None
    return replace(given.image, ijk_to_ras=np.linalg.inv(matrix) @ given.image.ijk_to_ras)


def _earlier(given: LiveInput) -> EarlierLesions | None:
    if given.baseline is None:
        return None
    before = tuple(lesion.segment for lesion in given.baseline.lesions)
    return EarlierLesions(given.baseline.segmentation.grid, before, confirmed_gone=given.vanished)
