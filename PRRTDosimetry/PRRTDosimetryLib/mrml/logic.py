"""The logic of PRRT Dosimetry: from the scene's images at several times to doses; panels and console come here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.dicom.injection import Injection
from PRRTUptakeLib.dicom.operator_overrides import Calibration
from PRRTUptakeLib.mrml.manual_shifts import manual_shifts_of
from PRRTUptakeLib.mrml.scene_dicom import SceneImage
from PRRTUptakeLib.mrml.segment_logic import keep_segments, target_overrides_of, territory_overrides_of
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.volumes import NodeError, node_from_volume, require_in_scene, volume_from_node
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.registration.quality import resampled
from PRRTUptakeLib.registration.result import identity_registration
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.preparation import Prepared, prepare
from PRRTUptakeLib.study.protocol import Protocol, load_protocol
from PRRTUptakeLib.study.visit import VisitLabels, VisitResult, measure_visit
from PRRTUptakeLib.uptake.calibration import concentration_from_counts

from PRRTDosimetryLib.dose.density import density_from_ct, scaled_to_density
from PRRTDosimetryLib.dose.dose_map import kernel_dose, local_dose
from PRRTDosimetryLib.dosimetry.dose_rows import Labels, dose_rows, recovered_rows
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.mrml.curve_nodes import table_from_integrals
from PRRTDosimetryLib.mrml.dose_display import show_dose
from PRRTDosimetryLib.mrml.dose_maps_run import CycleMap, RegionMap, dose_map_rows, region_map, voxel_tia
from PRRTDosimetryLib.mrml.dose_nodes import Histogram, table_of_doses
from PRRTDosimetryLib.mrml.doses_run import cycle_dosimetry, cycle_recovery, kept_contrast
from PRRTDosimetryLib.mrml.time_points import TimePoint, check_time_points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry
    from PRRTDosimetryLib.dosimetry.recovery_doses import RecoveredDoses

KERNEL, LOCAL = "kernel", "local"
# Times of images that do not tell theirs are counted from here; only differences of times matter.
_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)
_HISTOGRAM_POINTS = 80


@dataclass(frozen=True)
class Treatment:
    """Whom and what: patient, cycle, treated lobe ("" while blinded), nuclide, administered activity, sex (M or F)."""

    patient: str
    cycle: int
    treated_lobe: str
    nuclide: str
    activity_MBq: float
    sex: str


class DosimetryLogic:
    """Doses of one cycle by a protocol.

    Attributes
    ----------
    protocol : says how lobes, lesions and healthy liver are found.
    visits, dosimetry, treatment, settings : what `fitCurves` measured and calculated, and how; None before.
    phantom : recovery curve of the camera, by which lesion doses are corrected beside the others; None for none.
    rows, map, method : of the last doses: rows with every digit, the dose map (None without one), how it was made.
    recovered : corrected doses among the last ones; None without a phantom.
    """

    def __init__(self, protocol: str | Path = "lutia") -> None:
        self.protocol: Protocol = load_protocol(protocol)
        self.visits: tuple[VisitResult, ...] = ()
        self.dosimetry: Dosimetry | None = None
        self.treatment: Treatment | None = None
        self.settings = DoseSettings()
        self.phantom: RecoveryCurve | None = None
        self.recovered: RecoveredDoses | None = None
        self.rows: tuple[Measurement, ...] = ()
        self.map: CycleMap | None = None
        self.method = ""
        self._points: tuple[TimePoint, ...] = ()

    def setProtocol(self, protocol: str | Path) -> None:
        """Take the rules of another protocol; earlier results are dropped if the rules are others."""
        taken = load_protocol(protocol)
        if taken.sha256 != self.protocol.sha256:
            self.protocol, self.visits, self.dosimetry, self.treatment, self.rows = taken, (), None, None, ()

    def calibrate(self, imageNode: Any, sensitivity_cps_per_MBq: float, time_s: float) -> None:
        """Turn an image of counts into Bq/ml, in place.

        Raises
        ------
        PRRTError
            If it has units already, or a value is not positive.
        """
        volume_from_node(imageNode)  # refuses what is no image
        parent = imageNode.GetParentTransformNode()
        imageNode.SetAndObserveTransformNodeID(None)
        try:
            calibration = Calibration(sensitivity_cps_per_MBq, "total", time_s)
            image = concentration_from_counts(volume_from_node(imageNode), calibration)
            node_from_volume(image, imageNode.GetName(), imageNode)
        finally:
            imageNode.SetAndObserveTransformNodeID(parent.GetID() if parent is not None else None)

    def fitCurves(
        self,
        points: Sequence[TimePoint],
        treatment: Treatment,
        settings: DoseSettings,
        tableNode: Any = None,
        progress: Progress = no_progress,
    ) -> Any:
        """Measure every region at every time, fit and integrate its curve.

        Parameters
        ----------
        points : from `time_points`.
        treatment : whom and what.
        settings : model and uncertainties.
        tableNode : vtkMRMLTableNode to overwrite; a new one is made if None.
        progress : told how far it is; may raise `Cancelled`, then nothing was changed.

        Returns
        -------
        The vtkMRMLTableNode of the curves. Segments are labelled, as in PRRT Uptake. ``self.dosimetry`` holds all.

        Raises
        ------
        PRRTError
            If the data do not allow it.
        """
        points = tuple(points)
        check_time_points(points)
        self._check(treatment)
        visits, prepared = self._measure(points, treatment, sub_progress(progress, 0.0, 0.7))
        progress(0.75, "Fitting the curves")
        dosimetry = cycle_dosimetry(visits, settings)
        progress(0.95, "Writing the table")
        require_in_scene(tableNode, *prepared, *(point.node for point in points))
        for node, found in prepared.items():
            keep_segments(found.segmentation, node)
        self.visits, self.dosimetry, self.treatment, self.rows = visits, dosimetry, treatment, ()
        self.settings = settings
        self._points = points
        return table_from_integrals(dosimetry.integrals, f"Curves cycle {treatment.cycle}", tableNode)

    def regionDoses(self, tableNode: Any = None) -> Any:
        """Doses by S-values and spheres with their uncertainties, as a vtkMRMLTableNode.

        Raises
        ------
        NodeError
            If no curves were fitted yet.
        """
        cycle = self._fitted().cycle
        self.map = None
        self.rows = tuple(self._region_rows())
        return table_of_doses(self.rows, cycle, f"Doses cycle {cycle}", {}, tableNode)

    def doseMap(
        self,
        method: str,
        density_g_per_mL: float,
        ctNode: Any = None,
        tableNode: Any = None,
        progress: Progress = no_progress,
    ) -> tuple[Any, Any]:
        """Dose in every voxel, and the doses of the regions with those of the map beside them.

        Parameters
        ----------
        method : KERNEL for voxel S-values, LOCAL for local deposition of electrons.
        density_g_per_mL : of the tissue.
        ctNode : unenhanced CT whose density scales the dose in soft tissue; None for one density everywhere.
        tableNode : vtkMRMLTableNode to overwrite; a new one is made if None.
        progress : told how far it is.

        Returns
        -------
        The vtkMRMLScalarVolumeNode of the dose in Gy, and the vtkMRMLTableNode.

        Raises
        ------
        PRRTError
            If no curves were fitted yet, there is but one image, or the map cannot be made.
        """
        treatment = self._fitted()
        progress(0.0, "Integrating voxel by voxel")
        series = self._series()
        tia = voxel_tia(series)
        progress(0.5, "Dose in every voxel")
        dose_of = kernel_dose if method == KERNEL else local_dose
        dose = dose_of(tia.tia, treatment.nuclide, density_g_per_mL)
        if ctNode is not None:
            ct = resampled(volume_from_node(ctNode), dose.grid, identity_registration("same space"), -1000.0)
            dose = scaled_to_density(dose, density_from_ct(ct), density_g_per_mL)
        progress(0.8, "Histograms of the regions")
        regions = self._regions(series, tia.tia, dose)
        one_density = density_g_per_mL if ctNode is None else math.nan
        self.map, self.method = CycleMap(tia, dose, {}, regions, one_density), method
        image = self.visits[0].labels.image
        self.rows = (*self._region_rows(), *dose_map_rows(self.map, treatment.patient, treatment.cycle, image))
        shown = {name: _points(region.histogram) for name, region in regions.items()}
        name = f"Doses cycle {treatment.cycle}"
        table = table_of_doses(self.rows, treatment.cycle, name, shown, tableNode)
        return show_dose(dose, f"Dose cycle {treatment.cycle}"), table

    def sceneImages(self) -> list[SceneImage]:
        """The measured images with their segments, and the dose map with the first of them, for DICOM."""
        maps = () if self.map is None else ((f"Absorbed dose cycle {self._fitted().cycle}", self.map.dose),)
        found = []
        for point, visit in zip(self._points, self.visits, strict=True):
            labels, segments = visit.labels, visit.prepared.segmentation
            found.append(SceneImage(point.node, labels.visit, labels.cycle, segments, () if found else maps))
        return found

    def _check(self, treatment: Treatment) -> None:
        if not treatment.activity_MBq > 0:
            raise NodeError("The administered activity is not told: give it in section 1.")
        if treatment.sex not in ("M", "F"):
            raise NodeError("The patient's sex is not told, which chooses the phantom: give it in section 1.")

    def _fitted(self) -> Treatment:
        if self.treatment is None or self.dosimetry is None:
            raise NodeError("There are no curves yet: fit them in section 2.")
        return self.treatment

    def _measure(
        self, points: tuple[TimePoint, ...], treatment: Treatment, progress: Progress
    ) -> tuple[tuple[VisitResult, ...], dict[Any, Prepared]]:
        """Every image measured in its segments; lesions keep the ids of the first image's."""
        prepared: dict[Any, Prepared] = {}
        visits = []
        for number, point in enumerate(points):
            progress(number / len(points), f"Measuring {point.row.name}")
            placed, bending = placed_volume(point.node)
            image = _timed(placed, point.row.hours)
            segments = point.segmentation
            if segments not in prepared:
                first = next(iter(prepared.values()), None)
                prepared[segments] = prepare(
                    segmentation_from_node(segments),
                    self.protocol,
                    image,
                    target_overrides=target_overrides_of(segments) if first is None else (),
                    baseline=first,
                    territory_overrides=territory_overrides_of(segments),
                )
            name = point.row.visit or f"{point.row.hours:g}h"
            labels = VisitLabels(treatment.patient, treatment.cycle, name, point.row.name, treatment.treated_lobe)
            injected = image.reference_time - timedelta(hours=point.row.hours)
            injection = Injection(treatment.activity_MBq, injected, treatment.nuclide, treatment.sex)
            drawn = replace(prepared[segments], bending=bending)
            manual_shifts = manual_shifts_of(point.node)
            visits.append(measure_visit(drawn, image, self.protocol, labels, injection, manual_shifts=manual_shifts))
        return tuple(visits), prepared

    def _region_rows(self) -> list[Measurement]:
        treatment = self._fitted()
        labels = Labels(treatment.patient, "dosimetry", "SPECT")
        rows = list(dose_rows(self.dosimetry, labels))
        self.recovered = None
        if self.phantom is not None:
            self.recovered = cycle_recovery(self.visits, self.dosimetry, self.settings, self.phantom)
            rows += recovered_rows(self.recovered, self.dosimetry, labels)
        kept = kept_contrast(self.visits[0], self.dosimetry.regions, self.settings)
        by_region = {row.region: row for row in rows if row.metric == "dose"}
        for region, (_, recovery) in kept.items():
            like = by_region[region]
            words = (like.region, like.role, like.lobe, like.lesion, "expected_recovery")
            rows.append(Measurement(like.patient, like.cycle, like.visit, like.image, *words, recovery, "1"))
        return rows

    def _series(self) -> VoxelSeries:
        """The images on the grid of the first, as they lie in the world."""
        if len(self.visits) < 2:
            raise NodeError("A dose map needs images at two times or more: take the doses by S-values.")
        _require_one_space(self._points)
        injection = self.visits[0].injection
        images = []
        for visit in self.visits:  # counted from one injection time, also where images do not tell their own
            hours = visit.injection.hours_to(visit.image.reference_time)
            moment = injection.time + timedelta(hours=hours)
            images.append(visit.image.with_values(visit.image.array, reference_time=moment))
        if self.visits[0].prepared.bending is not None:
            raise NodeError(
                f"'{self._points[0].row.name}' is under a transform that bends space, but all others are brought to "
                "this first image: take it out of the transform, and register the others to it."
            )
        propagated = [np.eye(4) if one.prepared.bending is None else one.prepared.bending for one in self.visits]
        return VoxelSeries.from_volumes(images, injection.time, injection.nuclide, propagated)

    def _regions(self, series: VoxelSeries, tia: Volume, dose: Volume) -> dict[str, RegionMap]:
        """Every region that was measured, in the maps."""
        first = self.visits[0]
        unseen = np.isnan(series.activity_Bq_per_mL).any(axis=0)
        return {
            segment.name: region_map(segment, first, tia, dose, unseen)
            for segment in first.prepared.segmentation
            if segment.name in first.metrics and segment.role != "lobe"
        }


def _require_one_space(points: tuple[TimePoint, ...]) -> None:
    """Voxels are followed through time only where the patient lies in one place in all images."""
    if len({point.segmentation.GetID() for point in points}) == 1:
        return
    still = [point.row.name for point in points[1:] if point.node.GetParentTransformNode() is None]
    if still:
        raise NodeError(
            f"'{still[0]}' has segments of its own and is not registered to '{points[0].row.name}', so no voxel can "
            "be followed through time: register it in PRRT Uptake, section 3, or take the doses by S-values."
        )


def _timed(image: Volume, hours: float) -> Volume:
    """The image with a moment; one that does not tell its own gets one by its hours after injection."""
    if image.reference_time is not None:
        return image
    return image.with_values(image.array, reference_time=_ANY_DAY + timedelta(hours=hours))


def _points(histogram: DoseVolumeHistogram) -> Histogram:
    """A cumulative histogram as points for a chart."""
    dose = np.linspace(0.0, histogram.maximum_Gy, _HISTOGRAM_POINTS)
    percent = histogram.cumulative(dose)
    return [float(f"{value:.4g}") for value in dose], [float(f"{value:.4g}") for value in percent]
