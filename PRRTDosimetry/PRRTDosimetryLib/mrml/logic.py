"""The logic of PRRT Dosimetry: from the scene's images at several times to doses; panels and console come here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from PRRTUptakeLib.dicom.operator_overrides import Calibration
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.inputs import ImageToMeasure, SceneStudy, Stated, scene_study
from PRRTUptakeLib.mrml.logic import keep_measured_segments
from PRRTUptakeLib.mrml.volumes import node_from_volume, require_in_scene, volume_from_node
from PRRTUptakeLib.progress import Progress, in_background, no_progress, sub_progress
from PRRTUptakeLib.study.camera import with_camera
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.lobe_comparison import LOBE_COMPARISON
from PRRTUptakeLib.study.protocol import Protocol, load_protocol
from PRRTUptakeLib.study.run import run
from PRRTUptakeLib.uptake.calibration import concentration_from_counts

from PRRTDosimetryLib.dosimetry.cycle import CycleDoses, cycle_doses, cycle_dosimetry
from PRRTDosimetryLib.dosimetry.dose_maps import METHODS, CycleMap, dose_map_part, finished_map, placed_in, voxel_tia
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.dosimetry.summed_map import SummedDoseMap
from PRRTDosimetryLib.mrml.curve_nodes import table_from_integrals
from PRRTDosimetryLib.mrml.dose_display import isodose_node, show_dose
from PRRTDosimetryLib.mrml.dose_nodes import Histogram, table_of_doses
from PRRTDosimetryLib.mrml.kept_maps import KeptMaps
from PRRTDosimetryLib.mrml.scene_maps import timed_images
from PRRTDosimetryLib.mrml.time_points import TimePoint, check_time_points, image_facts, time_points
from PRRTDosimetryLib.mrml.timed_images import camera_doubts, timed_emission, visit_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.camera import CameraFile
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.model import StudyResult
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry
    from PRRTDosimetryLib.dosimetry.recovery_doses import RecoveredDoses

KERNEL, LOCAL, TRANSPORT = METHODS
_HISTOGRAM_POINTS = 80


@dataclass(frozen=True)
class Treatment:
    """Patient, cycle, treated lobe ("" while blinded), nuclide, administered activity and sex (M or F)."""

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
    study : the result of `fitCurves`, doses and map added as parts by `regionDoses` and `doseMap`; None before.
    scene : the nodes behind it.
    dosimetry, treatment, settings : what `fitCurves` calculated, and how; None before.
    phantom : recovery curve of the camera, by which lesion doses are corrected beside the others; None for none.
    camera : file of the camera's own numbers, used as a case uses the one that it names; None for none.
    map, method : the dose map (None without one), and how it was made; they go when curves change.
    """

    def __init__(self, protocol: str | Path = "lutia") -> None:
        self.protocol: Protocol = load_protocol(protocol)
        self.phantom: RecoveryCurve | None = None
        self.camera: CameraFile | None = None
        self._kept = KeptMaps()
        self._forget()

    def _forget(self) -> None:
        """Drop all results."""
        self.study: StudyResult | None = None
        self.scene: SceneStudy | None = None
        self.dosimetry: Dosimetry | None = None
        self.treatment: Treatment | None = None
        self.settings = DoseSettings()
        self._points: tuple[TimePoint, ...] = ()
        self._drop_doses()

    def _drop_doses(self) -> None:
        """Drop doses and map: they belong to curves that are no longer those of now."""
        self.map: CycleMap | None = None
        self.method = ""
        if self.study is not None:
            self.study = replace(self.study, parts=())

    @property
    def visits(self) -> tuple[VisitResult, ...]:
        """The measured images of the last `fitCurves`."""
        return self.study.visits if self.study is not None else ()

    @property
    def rows(self) -> tuple[Measurement, ...]:
        """Rows of the last doses, with every digit."""
        return tuple(row for part in self.study.parts for row in part.rows) if self.study is not None else ()

    @property
    def recovered(self) -> RecoveredDoses | None:
        """Corrected doses among the last ones; None without a phantom."""
        doses = self.study.part(CycleDoses) if self.study is not None else None
        return doses.recovered if doses is not None else None

    def setProtocol(self, protocol: str | Path) -> None:
        """Take the rules of another protocol; earlier results are dropped if the rules are others."""
        taken = load_protocol(protocol)
        if taken.sha256 != self.protocol.sha256:
            self.protocol = taken
            self._kept.forget()
            self._forget()

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
        progress : called with how far it is; may raise `Cancelled`, then nothing was changed.

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
        images = [
            ImageToMeasure(node=point.node, visit=visit_name(point), segmentation=point.segmentation)
            for point in points
        ]
        hours = {point.node.GetID(): point.row.hours for point in points if point.row.hours is not None}
        stated, camera = self._stated(treatment, settings, points), self.camera
        design = design_of(self.protocol)
        design = design if design.single_visits else LOBE_COMPARISON

        def work(step: Progress) -> tuple[SceneStudy, StudyResult, Dosimetry]:
            read = scene_study(
                images, stated, load=lambda node: timed_emission(node, hours[node.GetID()], treatment, camera)
            )
            found = run(read.input, sub_progress(step, 0.0, 0.7), design=design)
            step(0.75, "Fitting the curves")
            return read, found, cycle_dosimetry(found.visits, settings)

        scene, measured, dosimetry = in_background(progress, work)
        progress(0.95, "Writing the table")
        require_in_scene(tableNode, *scene.segmentations.values(), *scene.images.values())
        keep_measured_segments(measured, scene, progress)
        self._forget()
        self.study, self.scene = measured, scene
        self.dosimetry, self.treatment, self.settings = dosimetry, treatment, settings
        self._points = points
        return table_from_integrals(dosimetry.integrals, f"Curves cycle {treatment.cycle}", tableNode)

    def measure(self, patient: str, segmentationNode: Any = None, cycle: int = 1, settings: Any = None) -> Any:
        """Doses of the scene's measured images in one call: the curves, then S-values and spheres.

        Nuclide, activity and sex are what all images agree on.

        Parameters
        ----------
        patient : name for the rows.
        segmentationNode : for images that have no segments of their own.
        cycle : number of the cycle.
        settings : model and uncertainties; those of `DoseSettings` by default.

        Returns
        -------
        The vtkMRMLTableNode of the doses; ``self.dosimetry`` holds the curves.

        Raises
        ------
        PRRTError
            If the images do not say what was injected, or the data do not allow it.
        """
        points = time_points(segmentationNode)
        facts = image_facts(points)
        treatment = Treatment(
            patient, cycle, "", facts.nuclide or "", facts.activity_MBq or 0.0, facts.sex if facts.sex else ""
        )
        self.fitCurves(points, treatment, settings or DoseSettings())
        return self.regionDoses()

    def regionDoses(self, tableNode: Any = None, progress: Progress = no_progress) -> Any:
        """Doses by S-values and spheres with their uncertainties, as a vtkMRMLTableNode.

        Raises
        ------
        NodeError
            If no curves were fitted yet.
        """
        cycle = self._fitted().cycle
        doses = in_background(progress, lambda step: self._doses())
        self._drop_doses()
        self.study = self._measured().with_parts(doses)
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
        method : KERNEL for voxel S-values, LOCAL for local deposition of electrons, TRANSPORT for Monte Carlo.
        density_g_per_mL : of the tissue, where there is no CT.
        ctNode : CT of the density; None for one density everywhere, which transport cannot do.
        tableNode : vtkMRMLTableNode to overwrite; a new one is made if None.
        progress : called with how far it is.

        Returns
        -------
        The vtkMRMLScalarVolumeNode of the dose in Gy, and the vtkMRMLTableNode.

        Raises
        ------
        PRRTError
            If no curves were fitted yet, there is but one image, or the map cannot be made.
        """
        treatment = self._fitted()
        if method not in METHODS:
            raise NodeError(f"The method of a dose map is one of {', '.join(METHODS)}, not '{method}'.")
        if method == "transport" and ctNode is None:
            raise NodeError("Transport needs the patient's CT: choose it for the density in section 3.")
        first = self._first_point()
        made, doses = in_background(progress, lambda step: self._calculated_map(method, density_g_per_mL, ctNode, step))
        self._drop_doses()
        part = dose_map_part(made, self._ordered()[0], method, doses)
        self.map, self.method = made, method
        self._kept.keep(part, self._ordered()[0], self._measured(), first.node)
        summed = self._kept.summed(self._measured(), self.settings)
        self.study = self._measured().with_parts(doses, part, *([summed] if summed is not None else []))
        shown = {name: _points(region.histogram) for name, region in made.regions.items()}
        name = f"Doses cycle {treatment.cycle}"
        table = table_of_doses(self.rows, treatment.cycle, name, shown, tableNode)
        node = show_dose(made.dose, f"Dose cycle {treatment.cycle}")
        parent = first.node.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(parent.GetID() if parent is not None else None)
        return node, table

    def _calculated_map(
        self, method: str, density_g_per_mL: float, ctNode: Any, progress: Progress
    ) -> tuple[CycleMap, CycleDoses]:
        """The map and the doses of the regions; no node is changed."""
        visit = self._ordered()[0]
        progress(0.0, "Integrating voxel by voxel")
        settings = replace(
            self.settings,
            dose_map=method,
            density="uniform" if ctNode is None else "ct",
            density_g_per_mL=density_g_per_mL,
        )
        timed = timed_images(self._points, self._ordered())
        series = timed.series()
        tia = voxel_tia(series)
        placed = {name: one for name, one in placed_in(visit, tia.tia).items() if one[0].role != "lobe"}
        progress(0.3, "Dose in every voxel")
        dose, density = timed.dose(tia.tia, settings, ctNode, sub_progress(progress, 0.3, 0.9))
        progress(0.9, "Histograms of the regions")
        assert self.dosimetry is not None
        shapes = {name: one.shape for name, one in self.dosimetry.integrals.items()}
        unseen = np.isnan(series.activity_Bq_per_mL).any(axis=0)
        made = finished_map(tia, dose, density, (visit, placed, unseen), settings, shapes)
        return made, self._doses()

    @property
    def summed(self) -> SummedDoseMap | None:
        """The sum of the cycles' maps of this session; None where there is none."""
        return self.study.part(SummedDoseMap) if self.study is not None else None

    def summedDose(self, node: Any = None) -> Any:
        """The summed dose map as a vtkMRMLScalarVolumeNode in place of ``node``; None where there is no sum."""
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
        return None if self.summed is None else show_dose(self.summed.dose, "Dose all cycles")

    def isodoses(self, levels_Gy: Sequence[float], node: Any = None) -> Any:
        """The isodoses of the last dose map as outlines, where the map is; ``node`` is overwritten where given.

        Raises
        ------
        PRRTError
            If there is no dose map, or a level is not a dose.
        """
        if self.map is None:
            raise NodeError("There is no dose map yet: choose one of its methods in section 3, and Apply.")
        made = isodose_node(self.map.dose, levels_Gy, f"Isodoses cycle {self._fitted().cycle}", node)
        parent = self._first_point().node.GetParentTransformNode()
        made.SetAndObserveTransformNodeID(parent.GetID() if parent is not None else None)
        return made

    def doseResult(self) -> StudyResult:
        """The study with the last doses, for the export.

        Raises
        ------
        NodeError
            If the curves were not fitted in this session.
        """
        if self.study is None or self.treatment is None:
            raise NodeError("The curves were not fitted in this session: fit them in section 2, then export.")
        return self.study

    def _check(self, treatment: Treatment) -> None:
        if not treatment.activity_MBq > 0:
            raise NodeError("The administered activity is missing: enter it in section 1.")
        if treatment.sex not in ("M", "F"):
            raise NodeError("The patient's sex is missing, which chooses the phantom: enter it in section 1.")

    def _fitted(self) -> Treatment:
        if self.treatment is None or self.dosimetry is None:
            raise NodeError("There are no curves yet: fit them in section 2.")
        return self.treatment

    def _measured(self) -> StudyResult:
        assert self.study is not None
        return self.study

    def _stated(self, treatment: Treatment, settings: DoseSettings, points: tuple[TimePoint, ...]) -> Stated:
        return Stated(
            patient=treatment.patient,
            protocol=with_camera(self.protocol, self.camera, settings.image_fwhm_mm),
            cycle=treatment.cycle,
            treated_lobe=treatment.treated_lobe,
            recovery=self.phantom,
            dosimetry=settings,
            doubts=camera_doubts(self.camera, points),
        )

    def _doses(self) -> CycleDoses:
        """Doses of the fitted curves, with corrected ones where there is a phantom."""
        treatment = self._fitted()
        made = cycle_doses(self.visits, self.settings, self.phantom, dosimetry_of_cycle=self.dosimetry)
        parameters = {
            "nuclide": treatment.nuclide,
            "activity_MBq": treatment.activity_MBq,
            "cycle": treatment.cycle,
            "image_fwhm_mm": self.settings.resolution_mm(self.visits[0]),
            "recovery_phantom": self.phantom.source if self.phantom is not None else "none",
        }
        return replace(made, parameters=parameters)

    def _ordered(self) -> list[VisitResult]:
        """The measured visits, the earliest first."""
        by_name = {visit.labels.visit: visit for visit in self.visits}
        return [by_name[visit_name(point)] for point in self._points]

    def _first_point(self) -> TimePoint:
        return self._points[0]


def _points(histogram: DoseVolumeHistogram) -> Histogram:
    """A cumulative histogram as points for a chart."""
    dose = np.linspace(0.0, histogram.maximum_Gy, _HISTOGRAM_POINTS)
    percent = histogram.cumulative(dose)
    return [float(f"{value:.4g}") for value in dose], [float(f"{value:.4g}") for value in percent]
