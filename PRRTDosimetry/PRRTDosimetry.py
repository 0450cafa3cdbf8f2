"""PRRT Dosimetry: from serial images to absorbed dose with its uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import slicer
from PRRTDosimetryLib.panel.choices import Accumulation, Curve, Density, Electrons, Integration, Method, Sex
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.panel.choices import TreatedLobe
from PRRTUptakeLib.panel.export_options import check_extras, extra_writers
from PRRTUptakeLib.panel.module_widget import PanelWidget
from PRRTUptakeLib.progress import in_background, no_progress, sub_progress
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.camera.commission import Commissioning
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTDosimetryLib.effect.bed import Tissue
    from PRRTDosimetryLib.mrml.logic import DosimetryLogic, Treatment
    from PRRTDosimetryLib.selftest.self_test import SelfTest
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.camera import CameraFile
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve


class PRRTDosimetry(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("PRRT Dosimetry")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = ["PRRTUptake"]
        self.parent.contributors = ["FirstName LastName (Institution)"]
        self.parent.helpText = _(
            "Absorbed dose of organs and lesions from serial SPECT/CT after radionuclide therapy, each with its "
            "uncertainty. For research use only."
        )
        self.parent.acknowledgementText = _("Part of the extension PRRT, Apache License 2.0.")


DEFAULT_PROTOCOL = "lutia"


@parameterNodeWrapper
class PRRTDosimetryParameterNode:
    """Everything that the user chooses; saved with the scene. Times of images are noted on the volumes themselves."""

    protocol: str = DEFAULT_PROTOCOL
    protocolFile: str = ""
    patient: str = ""
    cycle: Annotated[int, WithinRange(1, 20)] = 1
    treatedLobe: TreatedLobe = TreatedLobe.BLINDED
    nuclide: str = "Lu-177"
    activity_MBq: Annotated[float, WithinRange(0, 100000)] = 0.0
    sex: Sex = Sex.NOT_STATED
    segmentation: vtkMRMLSegmentationNode
    resolution_mm: Annotated[float, WithinRange(0, 50)] = 0.0
    phantomVolumes: str = ""
    phantomRecoveries: str = ""
    model: str = "auto"
    countsUncertainty: Annotated[float, WithinRange(0, 50)] = 2.0
    populationFile: str = ""
    populationCovariates: str = ""
    plannedRegions: str = "kidney, lesion"
    plannedImages: Annotated[int, WithinRange(1, 5)] = 2
    plan: vtkMRMLTableNode
    curves: vtkMRMLTableNode
    method: Method = Method.S_VALUES
    density: Density = Density.UNIFORM
    densityValue: Annotated[float, WithinRange(0.2, 2.0)] = 1.04
    ct: vtkMRMLScalarVolumeNode
    curve: Curve = Curve.SCHNEIDER
    electrons: Electrons = Electrons.KERNEL
    particles: Annotated[float, WithinRange(0.01, 1000)] = 1.0
    seed: Annotated[int, WithinRange(0, 1000000)] = 1
    transportGrid_mm: Annotated[float, WithinRange(0, 20)] = 0.0
    integration: Integration = Integration.PROTOCOL
    accumulation: Accumulation = Accumulation.PROTOCOL
    kidneyAlphaBeta: Annotated[float, WithinRange(0.1, 100)] = 2.6
    kidneyRepair: Annotated[float, WithinRange(0.1, 100)] = 2.8
    lesionAlphaBeta: Annotated[float, WithinRange(0, 100)] = 0.0
    lesionRepair: Annotated[float, WithinRange(0.1, 100)] = 1.5
    calibrationUncertainty: Annotated[float, WithinRange(0, 50)] = 5.0
    sValueUncertainty: Annotated[float, WithinRange(0, 50)] = 5.0
    doses: vtkMRMLTableNode
    doseMap: vtkMRMLScalarVolumeNode
    summedMap: vtkMRMLScalarVolumeNode
    settingsFile: str = ""
    isodoseLevels: str = ""
    isodoses: vtkMRMLSegmentationNode
    reportFolder: str = ""
    exportScene: bool = True
    exportDicom: bool = False
    exportBundle: bool = False
    keyFile: str = ""
    phantomFile: str = ""
    cameraFile: str = ""
    replaceFolder: bool = False
    exportExcel: bool = False


class PRRTDosimetryWidget(PanelWidget):
    """The panel: five sections in the order of the work, and one for the camera."""

    uiFile = "UI/PRRTDosimetry.ui"
    exportNeeds = ("PRRTDosimetryLib.mrml.logic", "PRRTUptakeLib.mrml.export")

    def makeLogic(self) -> Any:
        """The logic of this module."""
        return PRRTDosimetryLogic()

    def makeSections(self) -> list[Any]:
        """The sections, top to bottom."""
        from PRRTDosimetryLib.panel.camera import CameraSection
        from PRRTDosimetryLib.panel.curves import CurvesSection
        from PRRTDosimetryLib.panel.dose import DoseSection, ResultsSection
        from PRRTDosimetryLib.panel.planning import PlanningSection
        from PRRTDosimetryLib.panel.self_test import SelfTestSection
        from PRRTDosimetryLib.panel.time_points import TimePointsSection
        from PRRTUptakeLib.panel.report import ReportSection
        from PRRTUptakeLib.panel.study import StudySection

        self.study, self.timePoints = StudySection(self), TimePointsSection(self)
        return [
            self.study,
            self.timePoints,
            CurvesSection(self),
            PlanningSection(self),
            DoseSection(self),
            ResultsSection(self),
            ReportSection(self),
            SelfTestSection(self),
            CameraSection(self),
        ]

    def initializeParameterNode(self) -> None:
        """Take protocol, patient and treated lobe as PRRT Uptake has them, until one of them is chosen here."""
        from PRRTDosimetryLib.panel.study_of_uptake import has_own_study, take_study

        own = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        isNew = own is None or not own.GetParameter("protocol")  # of a closed scene an empty one is left
        isOwn = not isNew and has_own_study(own, DEFAULT_PROTOCOL)
        super().initializeParameterNode()
        if not isOwn:
            take_study(self.parameters)

    def missing(self) -> str:
        """What a calculation lacks, "" if nothing."""
        return self.timePoints.two_patients() or self.study.missing() or self.timePoints.missing()


class PRRTDosimetryLogic(ScriptedLoadableModuleLogic):
    """From serial images to absorbed dose; ``PRRTDosimetryLib.mrml.logic`` does the work, loaded on first use."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._dosimetry: DosimetryLogic | None = None
        self._fitted: Any = None

    def getParameterNode(self) -> PRRTDosimetryParameterNode:
        """The scene's one parameter node of this module."""
        return PRRTDosimetryParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def dosimetryFor(self, parameters: PRRTDosimetryParameterNode) -> DosimetryLogic:
        """The logic that does the work, with the protocol that the parameters name.

        Raises
        ------
        PRRTError
            If that protocol cannot be used.
        """
        from PRRTDosimetryLib.mrml.logic import DosimetryLogic

        protocol = parameters.protocolFile if parameters.protocol == "file" else parameters.protocol
        if self._dosimetry is None:
            self._dosimetry = DosimetryLogic(protocol)
        else:
            self._dosimetry.setProtocol(protocol)
        return self._dosimetry

    def fitCurves(self, parameters: PRRTDosimetryParameterNode, progress: Progress = no_progress) -> Any:
        """Measure and fit; returns the table node of the curves, placed in the study, which the parameters then name.

        Raises
        ------
        PRRTError
            If the data do not allow it.
        """
        from PRRTDosimetryLib.mrml.time_points import time_points

        points = time_points(parameters.segmentation)
        treatment, settings = self._treatment(parameters), self._settings(parameters)
        logic = self.dosimetryFor(parameters)
        logic.phantom, logic.camera = self.recoveryCurve(parameters), self.cameraFile(parameters)
        parameters.curves = logic.fitCurves(points, treatment, settings, parameters.curves, progress)
        self.placeBeside(points[0].node, [parameters.curves])
        self._fitted = self._state(parameters)
        return parameters.curves

    def planTimes(self, parameters: PRRTDosimetryParameterNode, progress: Progress = no_progress) -> Any:
        """Find the hours at which few images say most of the dose; returns the table node, placed in the parameters.

        Raises
        ------
        PRRTError
            If the population cannot be read, or a region is of no kind.
        """
        from PRRTDosimetryLib.mrml.plan_nodes import table_from_plan
        from PRRTDosimetryLib.population.from_text import planned

        path = Path(parameters.populationFile) if parameters.populationFile else None
        wanted = (path, parameters.nuclide, parameters.plannedRegions, parameters.plannedImages)
        found = in_background(progress, lambda step: planned(*wanted, progress=step))
        parameters.plan = table_from_plan(found, _("Planned images"), parameters.plan)
        return parameters.plan

    def calculate(self, parameters: PRRTDosimetryParameterNode, progress: Progress = no_progress) -> Any:
        """Calculate the doses, after the curves where these are not of now; returns the table node of the doses.

        Raises
        ------
        PRRTError
            If the data do not allow it.
        """
        logic = self.dosimetryFor(parameters)
        if self._fitted != self._state(parameters):
            self.fitCurves(parameters, sub_progress(progress, 0.0, 0.7))
        progress(0.7, _("Dose"))
        if parameters.method is Method.S_VALUES:
            parameters.doses = logic.regionDoses(parameters.doses, sub_progress(progress, 0.7, 1.0))
        else:
            by_ct = parameters.density is Density.CT or parameters.method is Method.TRANSPORT
            ct = parameters.ct if by_ct else None
            logic.settings = self._settings(parameters)
            step = sub_progress(progress, 0.7, 1.0)
            made = logic.doseMap(parameters.method.value, parameters.densityValue, ct, parameters.doses, step)
            self._remove(parameters.doseMap)
            parameters.doseMap, parameters.doses = made
            self.placeBeside(parameters.curves, [parameters.doseMap])
            parameters.summedMap = logic.summedDose(parameters.summedMap)
            if parameters.summedMap is not None:
                self.placeBeside(parameters.curves, [parameters.summedMap])
            self.drawIsodoses(parameters)
        self.placeBeside(parameters.curves, [parameters.doses])
        return parameters.doses

    def drawIsodoses(self, parameters: PRRTDosimetryParameterNode) -> None:
        """Draw the chosen isodoses of the dose map, or take them away where no level is chosen.

        Raises
        ------
        PRRTError
            If there is no dose map, or a level is not a dose.
        """
        from PRRTDosimetryLib.dose.isodose import levels_from_text

        levels = levels_from_text(parameters.isodoseLevels)
        if levels:
            parameters.isodoses = self.dosimetryFor(parameters).isodoses(levels, parameters.isodoses)
            self.placeBeside(parameters.doseMap, [parameters.isodoses])
        elif parameters.isodoses is not None:
            slicer.mrmlScene.RemoveNode(parameters.isodoses)
            parameters.isodoses = None

    def recoveryCurve(self, parameters: PRRTDosimetryParameterNode) -> RecoveryCurve | None:
        """The recovery curve of spheres that were typed, else of the camera file in use; None without both.

        Raises
        ------
        PRRTError
            If what was typed gives no curve.
        """
        from PRRTUptakeLib.uptake.partial_volume import recovery_curve_from_text

        typed = recovery_curve_from_text(parameters.phantomVolumes, parameters.phantomRecoveries, "the panel")
        camera = None if typed is not None else self.cameraFile(parameters)
        return camera.recovery if camera is not None else typed

    def cameraFile(self, parameters: PRRTDosimetryParameterNode) -> CameraFile | None:
        """The camera file in use; None without one.

        Raises
        ------
        PRRTError
            If it cannot be read any more.
        """
        if not parameters.cameraFile:
            return None
        from PRRTUptakeLib.study.camera import load_camera

        return load_camera(Path(parameters.cameraFile))

    def commissionCamera(self, phantom: str, camera: str, progress: Progress = no_progress) -> Commissioning:
        """Measure the phantom images that a PHANTOM.json names; write CAMERA.json, and the page to sign next to it.

        Raises
        ------
        PRRTError
            If the images do not give the camera's numbers, or the user stops it; nothing is written then.
        """
        from PRRTDosimetryLib.camera.run import make_camera
        from PRRTDosimetryLib.report.camera_report import camera_html, write_page

        made, content = in_background(progress, lambda step: make_camera(Path(phantom), Path(camera), step))
        write_page(camera_html(made, content), Path(camera).with_suffix(".html"))
        return made

    def useCamera(self, parameters: PRRTDosimetryParameterNode, camera: str) -> str:
        """Use a camera file, as a case uses the one that it names; returns what it holds, in words.

        Resolution and uncertainty of the calibration go into the fields, where they can be changed.

        Raises
        ------
        PRRTError
            If the file cannot be used; the parameters are as they were then.
        """
        from PRRTUptakeLib.study.camera import load_camera

        found = load_camera(Path(camera))
        parameters.cameraFile = camera
        if found.fwhm_mm:
            parameters.resolution_mm = found.fwhm_mm
        if found.kind:
            parameters.calibrationUncertainty = min(100 * found.factor_u, 50.0)
        return found.sentence

    def export(self, parameters: PRRTDosimetryParameterNode, progress: Progress = no_progress) -> None:
        """Calculate, and write report, table, provenance and scene to the chosen folder.

        Raises
        ------
        PRRTError
            If the data do not allow it, or the folder cannot be written.
        """
        from PRRTDosimetryLib.mrml.time_points import time_points
        from PRRTUptakeLib.mrml.export import Choices, export_scene_result

        check_extras(parameters, [point.node for point in time_points(parameters.segmentation)])
        self.calculate(parameters, sub_progress(progress, 0.0, 0.8))
        progress(0.8, _("Writing"))
        logic = self.dosimetryFor(parameters)
        assert logic.scene is not None, "calculated above"
        export_scene_result(
            parameters.reportFolder,
            logic.doseResult(),
            title=f"Absorbed dose: {logic.doseResult().input.patient}",
            more=extra_writers(parameters, logic.scene),
            choices=Choices(parameters.exportScene, parameters.exportExcel, parameters.replaceFolder),
            progress=sub_progress(progress, 0.8, 1.0),
        )

    def selfTest(self, folder: str, progress: Progress = no_progress) -> SelfTest:
        """Find known answers on this machine, and write the protocol to sign to a folder.

        Raises
        ------
        PRRTError
            If the folder cannot be written, or the user stops it; nothing is written then.
        """
        from PRRTDosimetryLib.selftest.self_test import FILE, run_self_test, write_self_test
        from PRRTUptakeLib.mrml.session import operator_notes

        result = in_background(progress, run_self_test)
        write_self_test(result, Path(folder) / FILE, operator_notes().get("operator", ""))
        return result

    def placeBeside(self, node: Any, others: Sequence[Any]) -> None:
        """Put nodes under the study of another node."""
        from PRRTUptakeLib.mrml.scene import place_beside

        parameters = self.getParameterNode()
        patient = parameters.patient.strip() or _("Patient")
        place_beside(node, others, patient, _("Cycle {cycle}").format(cycle=parameters.cycle))

    def _treatment(self, parameters: PRRTDosimetryParameterNode) -> Treatment:
        from PRRTDosimetryLib.mrml.logic import Treatment

        return Treatment(
            parameters.patient.strip() or "patient",
            parameters.cycle,
            parameters.treatedLobe.value,
            parameters.nuclide,
            parameters.activity_MBq,
            parameters.sex.value,
        )

    def _settings(self, parameters: PRRTDosimetryParameterNode) -> DoseSettings:
        from PRRTDosimetryLib.dose.density_curves import shipped_curve
        from PRRTDosimetryLib.dosimetry.settings import DoseSettings, own_settings
        from PRRTDosimetryLib.population.from_text import covariates_from_text
        from PRRTDosimetryLib.population.model import read_population
        from PRRTDosimetryLib.transport.options import TransportOptions

        own = own_settings(Path(parameters.settingsFile)) if parameters.settingsFile else DoseSettings()
        stated = own.ct_curve.name != DoseSettings().ct_curve.name
        population = read_population(Path(parameters.populationFile)) if parameters.populationFile else None
        rules = self.dosimetryFor(parameters).protocol.dose_maps
        summed = parameters.accumulation.value or rules.get("accumulate", "")
        return DoseSettings(
            model=parameters.model,
            calibration_u=parameters.calibrationUncertainty / 100,
            counts_u=parameters.countsUncertainty / 100,
            s_value_u=parameters.sValueUncertainty / 100,
            image_fwhm_mm=parameters.resolution_mm,
            ct_curve=own.ct_curve if stated else shipped_curve(parameters.curve.value),
            transport=TransportOptions(
                electrons=parameters.electrons.value,
                histories=round(parameters.particles * 1e6),
                seed=parameters.seed,
                grid_mm=parameters.transportGrid_mm or rules.get("transport", {}).get("grid_mm", 0.0),
            ),
            integration=parameters.integration.value or rules.get("integration", "activity"),
            accumulate="" if summed == "none" else summed,
            tissues={**self._tissues(parameters), **own.tissues},
            population=population,
            covariates=covariates_from_text(parameters.populationCovariates.replace(",", " ").split()),
        )

    def _tissues(self, parameters: PRRTDosimetryParameterNode) -> dict[str, Tissue]:
        """Radiosensitivities as the panel shows them; the kidneys' default keeps its source."""
        from PRRTDosimetryLib.effect.bed import KIDNEY, LESIONS, Tissue

        kidneys = Tissue(parameters.kidneyAlphaBeta, parameters.kidneyRepair, "stated in the panel")
        same = (kidneys.alpha_beta_Gy, kidneys.repair_half_time_h) == (KIDNEY.alpha_beta_Gy, KIDNEY.repair_half_time_h)
        found = {} if same else {"kidneys": kidneys}  # then the protocol's hold, or the default's
        if parameters.lesionAlphaBeta > 0:
            found[LESIONS] = Tissue(parameters.lesionAlphaBeta, parameters.lesionRepair, "stated in the panel")
        return found

    def _state(self, parameters: PRRTDosimetryParameterNode) -> tuple[Any, ...]:
        """Changes whenever the curves would come out otherwise."""
        from PRRTDosimetryLib.mrml.time_points import observed_rate, time_points
        from PRRTUptakeLib.mrml.segment_table import segments_state

        points = time_points(parameters.segmentation)
        images = [
            (point.node.GetID(), point.node.GetImageData().GetMTime(), point.row.hours, observed_rate(point.node))
            for point in points
        ]
        segments = [segments_state(point.segmentation) for point in points]
        moved = [point.node.GetParentTransformNode() for point in points]
        transforms = [(node.GetID(), node.GetTransformToWorldMTime()) for node in moved if node is not None]
        protocol = self.dosimetryFor(parameters).protocol.sha256
        settings = self._settings(parameters)  # without what dose maps alone are made with
        fitted = (settings.model, settings.calibration_u, settings.counts_u, settings.s_value_u)
        more = (settings.image_fwhm_mm, tuple(settings.tissues.items()))
        camera = (parameters.cameraFile, parameters.phantomVolumes, parameters.phantomRecoveries)
        return (self._treatment(parameters), fitted, more, camera, protocol, images, segments, transforms)

    def _remove(self, doseMap: Any) -> None:
        """Take an earlier dose map and its colours out of the scene."""
        if doseMap is not None:
            display = doseMap.GetDisplayNode()
            colours = display.GetColorNode() if display is not None else None
            slicer.mrmlScene.RemoveNode(doseMap)
            if colours is not None and colours.GetTypeAsString() == "UserDefined":
                slicer.mrmlScene.RemoveNode(colours)


class PRRTDosimetryTest(ScriptedLoadableModuleTest):
    """The whole path on a synthetic patient; runs in Slicer through Reload and Test, and through CTest."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_nothing_to_calculate()
        self.setUp()
        self.test_patient()
        self.delayDisplay("All tests passed")

    def test_nothing_to_calculate(self) -> None:
        """An empty scene gives a sentence, not a failure."""
        logic = PRRTDosimetryLogic()
        with self.assertRaises(PRRTError):
            logic.calculate(logic.getParameterNode())

    def test_patient(self) -> None:
        """From synthetic DICOM of two days to doses, by clicking through the panel."""
        from PRRTUptakeLib.mrml.sample_data import load_sample

        load_sample("serial", times_h=(24.0, 96.0))
        self.delayDisplay("Synthetic patient loaded")
        parameters = PRRTDosimetryLogic().getParameterNode()
        parameters.patient = "synthetic"
        panel = slicer.modules.prrtdosimetry.widgetRepresentation().self()
        panel.enter()
        for button in (panel.ui.fitButton, panel.ui.applyButton):
            self.assertTrue(button.enabled, button.toolTip)
            button.click()
            self.delayDisplay(button.text)
        self.assertGreater(panel.ui.curvesTable.rowCount, 5, panel.ui.statusLabel.text)
        self.assertGreater(panel.ui.dosesTable.rowCount, 5, panel.ui.statusLabel.text)
        kidney = [
            row for row in range(panel.ui.dosesTable.rowCount) if "kidney" in panel.ui.dosesTable.item(row, 0).text()
        ]
        dose_Gy = float(panel.ui.dosesTable.item(kidney[0], 3).text())
        self.assertTrue(0.5 < dose_Gy < 20.0, dose_Gy)
