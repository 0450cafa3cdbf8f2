"""PRRT Uptake: from images and segments to the number that a trial of peptide receptor radionuclide therapy reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import slicer
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.panel.choices import Delineation, TreatedLobe
from PRRTUptakeLib.panel.export_options import check_extras, extra_writers
from PRRTUptakeLib.panel.module_widget import PanelWidget
from PRRTUptakeLib.progress import no_progress
from slicer import (
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTransformNode,
)
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

    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve


class PRRTUptake(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("PRRT Uptake")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = []
        self.parent.contributors = ["FirstName LastName (Institution)"]
        self.parent.helpText = _(
            "Uptake of liver metastases and healthy liver in PET and SPECT, lobe against lobe or intra-arterial "
            "against intravenous, by a trial's protocol. For research use only."
        )
        self.parent.acknowledgementText = _("Part of the extension PRRT, Apache License 2.0.")
        slicer.app.connect("startupCompleted()", self.onStarted)

    def onStarted(self) -> None:
        """Add to other modules what they show of this extension."""
        if hasattr(slicer.modules, "sampledata"):
            from PRRTUptakeLib.panel import samples

            samples.register(self.resourcePath("Icons/PRRTUptake.png"))
        if hasattr(slicer.modules, "segmentstatistics"):
            from PRRTUptakeLib.panel import statistics_plugin

            statistics_plugin.register()


@parameterNodeWrapper
class PRRTUptakeParameterNode:
    """Everything that the user chooses; saved with the scene. What images are is noted on the volumes themselves."""

    protocol: str = "lutia"
    protocolFile: str = ""
    patient: str = ""
    cycle: Annotated[int, WithinRange(1, 20)] = 1
    treatedLobe: TreatedLobe = TreatedLobe.BLINDED
    segmentation: vtkMRMLSegmentationNode
    lobePlane: vtkMRMLMarkupsNode  # a plane, or a curve or point list for a curved cut
    seeds: vtkMRMLMarkupsFiducialNode
    seedImage: vtkMRMLScalarVolumeNode
    delineation: Delineation = Delineation.PERCENT
    delineationPercent: Annotated[float, WithinRange(1, 99)] = 41.0
    delineationValue: Annotated[float, WithinRange(0, 1e12)] = 0.0
    seedRadius: Annotated[float, WithinRange(1, 200)] = 30.0
    moving: vtkMRMLScalarVolumeNode
    fixed: vtkMRMLScalarVolumeNode
    transform: vtkMRMLTransformNode
    bend: bool = False
    phantomVolumes: str = ""
    phantomRecoveries: str = ""
    table: vtkMRMLTableNode
    reportFolder: str = ""
    exportScene: bool = True
    exportDicom: bool = False
    exportBundle: bool = False
    keyFile: str = ""
    replaceFolder: bool = False
    exportExcel: bool = False


class PRRTUptakeWidget(PanelWidget):
    """The panel: six sections in the order of the work."""

    uiFile = "UI/PRRTUptake.ui"
    exportNeeds = ("PRRTUptakeLib.mrml.logic", "PRRTUptakeLib.mrml.results", "PRRTUptakeLib.mrml.export")

    def makeLogic(self) -> Any:
        """The logic of this module."""
        return PRRTUptakeLogic()

    def makeSections(self) -> list[Any]:
        """The sections, top to bottom."""
        from PRRTUptakeLib.panel.database import DatabaseSection
        from PRRTUptakeLib.panel.images import ImagesSection
        from PRRTUptakeLib.panel.measure import MeasureSection
        from PRRTUptakeLib.panel.overrides import OverridesSection
        from PRRTUptakeLib.panel.registration import RegistrationSection
        from PRRTUptakeLib.panel.report import ReportSection
        from PRRTUptakeLib.panel.seeds import SeedsSection
        from PRRTUptakeLib.panel.segments import SegmentsSection
        from PRRTUptakeLib.panel.self_test_link import SelfTestLinkSection
        from PRRTUptakeLib.panel.study import StudySection

        self.study, self.images = StudySection(self), ImagesSection(self)
        self.segments = SegmentsSection(self)
        return [
            self.study,
            DatabaseSection(self),
            self.images,
            OverridesSection(self),
            RegistrationSection(self),
            self.segments,
            SeedsSection(self),
            MeasureSection(self),
            ReportSection(self),
            SelfTestLinkSection(self),
        ]

    def missing(self) -> str:
        """What a measurement lacks, "" if nothing."""
        if missing := self.images.two_patients() or self.study.missing() or self.images.missing():
            return missing
        if self.parameters.segmentation is None:
            return _("Choose the segmentation with liver and lesions in section 4.")
        return ""


class PRRTUptakeLogic(ScriptedLoadableModuleLogic):
    """From nodes to a table; the work is done by ``PRRTUptakeLib.mrml.logic.UptakeLogic``, loaded on first use."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._uptake: UptakeLogic | None = None
        self._protocol = ""

    def getParameterNode(self) -> PRRTUptakeParameterNode:
        """The scene's one parameter node of this module."""
        return PRRTUptakeParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def uptakeFor(self, parameters: PRRTUptakeParameterNode) -> UptakeLogic:
        """The logic that does the work, with the protocol that the parameters name.

        Raises
        ------
        PRRTError
            If that protocol cannot be used.
        """
        from PRRTUptakeLib.mrml.logic import UptakeLogic

        protocol = parameters.protocolFile if parameters.protocol == "file" else parameters.protocol
        if self._uptake is None:
            self._uptake = UptakeLogic(protocol)
        else:
            self._uptake.setProtocol(protocol)
        return self._uptake

    def measureImages(self, parameters: PRRTUptakeParameterNode, progress: Progress = no_progress) -> Any:
        """Measure every image with the role 'measured'; returns the table node, placed with its chart in the study.

        Raises
        ------
        PRRTError
            If the data do not allow it; the scene is then as it was.
        """
        from PRRTUptakeLib.mrml.images import MEASURED, image_rows
        from PRRTUptakeLib.mrml.results import result_chart

        images = [(row.node, row.visit) for row in image_rows() if row.role == MEASURED]
        logic = self.uptakeFor(parameters)
        logic.phantom = self.recoveryCurve(parameters)
        table = logic.measureImages(
            images,
            parameters.segmentation,
            parameters.lobePlane,
            parameters.treatedLobe.value,
            parameters.patient.strip() or "patient",
            parameters.cycle,
            parameters.table,
            progress,
        )
        self.placeBeside(images[0][0], [parameters.segmentation, table, *result_chart(table)])
        return table

    def recoveryCurve(self, parameters: PRRTUptakeParameterNode) -> RecoveryCurve | None:
        """The recovery curve of the phantom whose spheres were typed; None where nothing was typed.

        Raises
        ------
        PRRTError
            If what was typed gives no curve.
        """
        from PRRTUptakeLib.uptake.partial_volume import recovery_curve_from_text

        return recovery_curve_from_text(parameters.phantomVolumes, parameters.phantomRecoveries, "the panel")

    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the last measurement."""
        measured = self._uptake.measured if self._uptake is not None else None
        return measured.warnings if measured is not None else ()

    def export(self, parameters: PRRTUptakeParameterNode, progress: Progress = no_progress) -> None:
        """Measure, and write report, table, segments, and what else is chosen, to the chosen folder.

        Raises
        ------
        PRRTError
            If the data do not allow it, or the folder cannot be written.
        """
        from PRRTUptakeLib.mrml.export import Choices, export_scene_result
        from PRRTUptakeLib.mrml.images import MEASURED, image_rows
        from PRRTUptakeLib.progress import sub_progress

        check_extras(parameters, [row.node for row in image_rows() if row.role == MEASURED])
        parameters.table = self.measureImages(parameters, sub_progress(progress, 0.0, 0.6))
        progress(0.6, _("Writing"))
        logic = self._uptake
        assert logic is not None, "measured above"
        assert logic.measured is not None, "measured above"
        assert logic.scene is not None, "measured above"
        export_scene_result(
            parameters.reportFolder,
            logic.measured,
            parameters.segmentation,
            more=extra_writers(parameters, logic.scene),
            choices=Choices(parameters.exportScene, parameters.exportExcel, parameters.replaceFolder),
            progress=sub_progress(progress, 0.6, 1.0),
        )

    def placeBeside(self, node: Any, others: Sequence[Any]) -> None:
        """Put nodes under the study of another node."""
        from PRRTUptakeLib.mrml.scene import place_beside

        parameters = self.getParameterNode()
        patient = parameters.patient.strip() or _("Patient")
        place_beside(node, others, patient, _("Cycle {cycle}").format(cycle=parameters.cycle))


class PRRTUptakeTest(ScriptedLoadableModuleTest):
    """The whole path on a synthetic patient; runs in Slicer through Reload and Test, and through CTest."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_nothing_to_measure()
        self.setUp()
        self.test_patient()
        self.delayDisplay("All tests passed")

    def test_nothing_to_measure(self) -> None:
        """An empty scene gives a sentence, not a failure."""
        logic = PRRTUptakeLogic()
        with self.assertRaises(PRRTError):
            logic.measureImages(logic.getParameterNode())

    def test_patient(self) -> None:
        """From synthetic DICOM to the ratio of the lobes: as in the console, then by clicking through the panel."""
        parameters = self._patient()
        table = PRRTUptakeLogic().measureImages(parameters)
        metrics = [table.GetCellText(row, 8) for row in range(table.GetNumberOfRows())]
        self.assertEqual(metrics.count("treated_control_ratio"), 1)
        self.assertGreaterEqual(metrics.count("tn_ratio"), 2)
        self.assertFalse(parameters.segmentation.GetSegmentation().ContainsRepresentation("Closed surface"))
        parameters.treatedLobe = TreatedLobe.BLINDED
        panel = slicer.modules.prrtuptake.widgetRepresentation().self()
        panel.enter()
        for button in (panel.ui.recogniseButton, panel.ui.splitLobesButton, panel.ui.applyButton):
            self.assertTrue(button.enabled, button.toolTip)
            button.click()
            self.delayDisplay(button.text)
        self.assertEqual(panel.ui.resultsTable.rowCount, metrics.count("tn_ratio"), panel.ui.statusLabel.text)
        self.assertIn("blinded", panel.ui.resultLabel.text)

    def _patient(self) -> PRRTUptakeParameterNode:
        """A synthetic LUTIA patient in the scene, and the choices that a user would make."""
        from PRRTUptakeLib.mrml.sample_data import load_sample

        load_sample("lutia")
        parameters = PRRTUptakeLogic().getParameterNode()
        parameters.patient = "synthetic"
        parameters.treatedLobe = TreatedLobe.LEFT
        parameters.segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        parameters.lobePlane = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsPlaneNode")
        self.delayDisplay("Synthetic patient loaded")
        return parameters
