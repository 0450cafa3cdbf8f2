"""What a dose map takes from the scene: images of one cycle brought together, and the density of CTs where they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session_alignment import ct_of_session
from PRRTUptakeLib.mrml.transforms import bends, node_to_node
from PRRTUptakeLib.mrml.volumes import volume_from_node
from PRRTUptakeLib.registration.result import given_registration

from PRRTDosimetryLib.dosimetry.dose_maps import placed_in
from PRRTDosimetryLib.dosimetry.one_injection import counted_injection
from PRRTDosimetryLib.dosimetry.patient_density import PatientDensity, patient_density, soft_tissue_mask
from PRRTDosimetryLib.dosimetry.voxel_dose import VoxelDose, dose_by_rates, voxel_dose
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.mapping import RasTransform

    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTDosimetryLib.mrml.time_points import TimePoint


@dataclass(frozen=True, eq=False)
class TimedImages:
    """The images of a cycle, the earliest first, hours counted from one injection, and how the first comes to each."""

    points: tuple[TimePoint, ...]
    visits: tuple[VisitResult, ...]
    images: tuple[Volume, ...]
    injection: Injection
    transforms: tuple[RasTransform | None, ...]

    def series(self) -> VoxelSeries:
        """The images on the grid of the first."""
        return VoxelSeries.from_volumes(self.images, self.injection.time, self.injection.nuclide, list(self.transforms))

    def dose(
        self, tia: Volume, settings: DoseSettings, ctNode: Any, progress: Progress
    ) -> tuple[VoxelDose, PatientDensity | None]:
        """Dose of the cycle by the settings, and the density of the first image's tissues (None without a CT).

        Dose rates take the tissues where each image shows them: of the CT of its own visit, or else of ``ctNode``.
        """
        by_rates = settings.integration == "dose-rate"
        shown = list(zip(self.points, self.visits, strict=True))[: None if by_rates else 1]
        densities = [
            None if ctNode is None else density_at(_ct(ctNode, point, n), point, visit, settings)
            for n, (point, visit) in enumerate(shown)
        ]
        regions = [{name: one for name, (_, one) in placed_in(visit, visit.image).items()} for _, visit in shown]
        if not by_rates:
            made = voxel_dose(tia, self.injection.nuclide, settings, densities[0], regions[0], progress)
        else:
            made = dose_by_rates(self.images, self.injection, self.transforms, settings, densities, progress, regions)
        return made, densities[0]


def timed_images(points: Sequence[TimePoint], visits: Sequence[VisitResult]) -> TimedImages:
    """The images as the transforms of the scene bring them together.

    Raises
    ------
    NodeError
        If there is but one image, one does not state injection or time, or they are not registered.
    """
    if len(visits) < 2:
        raise NodeError("A dose map needs images at two times or more: take the doses by S-values.")
    _require_one_space(points)
    first = points[0]
    if bends(first.node):
        raise NodeError(
            f"'{first.row.name}' is under a transform that bends space, but all others are brought to "
            "this first image: take it out of the transform, and register the others to it."
        )
    injection = _counted(visits[0])
    images = []
    for visit in visits:  # counted from one injection time, also where images do not have their own
        own, (_, reference_time) = _counted(visit), injected(visit)
        moment = injection.time + timedelta(hours=own.hours_to(reference_time))
        images.append(visit.image.with_values(visit.image.array, reference_time=moment))
    brought = tuple(node_to_node(first.node, point.node) for point in points)
    return TimedImages(tuple(points), tuple(visits), tuple(images), injection, brought)


def _counted(visit: VisitResult) -> Injection:
    """The injection as the curves count it; hours that were stated for an image are counted as they are."""
    known, _ = injected(visit)
    return known if known.end is None else counted_injection(visit)


def _ct(ctNode: Any, point: TimePoint, n: int) -> Any:
    """The chosen CT for the first image; for the others that of their visit, where it is there."""
    return (ct_of_session(point.node) if n else None) or ctNode


def density_at(ctNode: Any, point: TimePoint, visit: VisitResult, settings: DoseSettings) -> PatientDensity:
    """Density of a CT on the grid of an image.

    Raises
    ------
    PRRTError
        If the image is under a transform that bends space, or the CT is not in Hounsfield units.
    """
    ct = volume_from_node(ctNode)
    matrix = node_to_node(point.node, None)
    if callable(matrix):
        raise NodeError(f"'{point.row.name}' is under a transform that bends space: take it out of the transform.")
    to_ct = given_registration(matrix, "transforms of the scene")
    mask = soft_tissue_mask(visit.prepared.segmentation, visit.regions)
    divided = settings.divided(visit.image.spacing_mm)
    return patient_density(ct, visit.image, to_ct, settings.ct_curve, mask, divided)


def injected(visit: VisitResult) -> tuple[Injection, datetime]:
    """What was given, and the time of the image.

    Raises
    ------
    NodeError
        If the visit does not state both.
    """
    if visit.injection is None or visit.image.reference_time is None:
        raise NodeError(f"Visit '{visit.labels.visit}' does not state injection or scan time: set its hours.")
    return visit.injection, visit.image.reference_time


def _require_one_space(points: Sequence[TimePoint]) -> None:
    """Voxels are followed through time only where the patient lies in one place in all images."""
    if len({point.segmentation.GetID() for point in points}) == 1:
        return
    still = [point.row.name for point in points[1:] if point.node.GetParentTransformNode() is None]
    if still:
        raise NodeError(
            f"'{still[0]}' has segments of its own and is not registered to '{points[0].row.name}', so no voxel can "
            "be followed through time: register it in PRRT Uptake, section 3, or take the doses by S-values."
        )
