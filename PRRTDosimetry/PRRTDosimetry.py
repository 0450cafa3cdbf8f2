"""PRRT Dosimetry: from serial images to absorbed dose with its uncertainty."""

from __future__ import annotations

from typing import Annotated, Any

import slicer
from PRRTUptakeLib.panel.module_widget import PanelWidget
from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class PRRTDosimetry(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("PRRT Dosimetry")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = ["PRRTUptake"]
        self.parent.contributors = ["SlicerPRRT developers"]
        self.parent.helpText = _(
            "Absorbed dose of organs and lesions from serial SPECT/CT after radionuclide therapy, each with its "
            "uncertainty. For research use only."
        )
        self.parent.acknowledgementText = _("Part of the extension SlicerPRRT, Apache License 2.0.")


@parameterNodeWrapper
class PRRTDosimetryParameterNode:
    """Everything that the user chooses; saved with the scene."""

    nuclide: str = "Lu-177"
    activity_MBq: Annotated[float, WithinRange(0, 100000)] = 7400.0
    segmentation: vtkMRMLSegmentationNode


class PRRTDosimetryWidget(PanelWidget):
    """The panel: sections in the order of the work."""

    uiFile = "UI/PRRTDosimetry.ui"

    def makeLogic(self) -> Any:
        """The logic of this module."""
        return PRRTDosimetryLogic()

    def makeSections(self) -> list[Any]:
        """The sections, top to bottom."""
        from PRRTDosimetryLib.panel.time_points import TimePointsSection

        self.timePoints = TimePointsSection(self)
        return [self.timePoints]


class PRRTDosimetryLogic(ScriptedLoadableModuleLogic):
    """From serial images to absorbed dose."""

    def getParameterNode(self) -> PRRTDosimetryParameterNode:
        """The scene's one parameter node of this module."""
        return PRRTDosimetryParameterNode(super().getParameterNode())


class PRRTDosimetryTest(ScriptedLoadableModuleTest):
    """Runs in Slicer through Reload and Test."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_parameters_are_kept()

    def test_parameters_are_kept(self) -> None:
        """What is chosen stays in the scene's parameter node."""
        PRRTDosimetryLogic().getParameterNode().activity_MBq = 7300.0
        self.assertEqual(PRRTDosimetryLogic().getParameterNode().activity_MBq, 7300.0)
        self.delayDisplay("Test passed")
