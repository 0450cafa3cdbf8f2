"""The widget of a module: builds the panel from its .ui file, and keeps parameter node, scene and sections together."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

ISODOSES_ATTRIBUTE = "PRRT.Isodoses"  # on segmentations that are isodoses: nothing to measure in


HALF_LIGHT = 128
# Both have a contrast above 4.5 : 1 on Slicer's window colours (WCAG 2.1, 1.4.3).
ERROR_ON_LIGHT, ERROR_ON_DARK = "#b00020", "#ff8a80"


class PanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A panel of numbered sections.

    Attributes
    ----------
    uiFile : the .ui file below the module's Resources.
    parameters : the wrapped parameter node; None while there is no scene to work on.
    logic : of the module; it has ``getParameterNode``.
    sections : top to bottom.
    busy : work is under way; what changes meanwhile is shown at its end.
    exportNeeds : modules that an export loads, which takes a moment at its first time.
    """

    uiFile = ""
    exportNeeds: tuple[str, ...] = ()

    def __init__(self, parent: Any = None) -> None:
        self.parameters: Any = None
        self.logic: Any = None
        self.sections: list[Any] = []
        self.busy = False
        self._leaving: list[str] = []
        self._guiTag: int | None = None
        self._top: Any = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def makeLogic(self) -> Any:
        """The module's logic."""
        raise NotImplementedError

    def makeSections(self) -> list[Any]:
        """The sections, top to bottom."""
        raise NotImplementedError

    def setup(self) -> None:
        """Build the panel; called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath(self.uiFile))
        self.layout.addWidget(uiWidget)
        self._top = uiWidget
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = self.makeLogic()
        self.sections = self.makeSections()
        scene = slicer.mrmlScene
        for event in (scene.StartCloseEvent, scene.StartImportEvent):
            self.addObserver(scene, event, self.onSceneLeaves)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneArrived)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            self.addObserver(scene, event, self.onSceneChanged)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeLeaves, priority=1000.0)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeLeft, priority=-1000.0)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Let go of everything when the module is unloaded."""
        if self.parameters is not None:
            self.setParameters(None)
        self.removeObservers()

    def enter(self) -> None:
        """Take up the parameter node again when the user comes back."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Do not follow the scene while the user is elsewhere."""
        self.setParameters(None)

    def onSceneLeaves(self, caller: Any, event: Any) -> None:
        """Let go of the parameter node before the scene is closed or read: half a scene must not change choices."""
        self.setParameters(None)

    def onSceneArrived(self, caller: Any, event: Any) -> None:
        """Take up the parameter node of the scene that is there now."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneChanged(self, caller: Any, event: Any) -> None:
        """Show nodes that came or went; once, when a whole scene is read.

        A node is announced before it has its attributes: it is looked at again when all of it is there.
        """
        if self.parameters is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.refresh()
            qt.QTimer.singleShot(0, self.refreshLater)

    def refreshLater(self) -> None:
        """Show the scene once whatever changed it has ended, and choose what there is only one of."""
        if self.parameters is not None and not self.busy and not slicer.mrmlScene.IsBatchProcessing():
            self.chooseTheOnlyOnes()
            self.refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeLeaves(self, caller: Any, event: Any, node: Any) -> None:
        """Remember which choices a node was that is about to go."""
        if self.parameters is not None:
            own = self.parameters.parameterNode  # nodes are references under the parameter's name
            roles = [own.GetNthNodeReferenceRole(n) for n in range(own.GetNumberOfNodeReferenceRoles())]
            self._leaving = [role for role in roles if own.GetNodeReferenceID(role) == node.GetID()]

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeLeft(self, caller: Any, event: Any, node: Any) -> None:
        """Leave the choice empty: Slicer's selectors take another node by themselves, which nobody chose."""
        names, self._leaving = self._leaving, []
        if names and self.parameters is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.emptyChoices(names)
            qt.QTimer.singleShot(0, lambda: self.emptyChoices(names))

    def emptyChoices(self, names: list[str]) -> None:
        """Choose nothing for these parameters."""
        for name in names:
            if self.parameters is not None and getattr(self.parameters, name) is not None:
                setattr(self.parameters, name, None)

    def initializeParameterNode(self) -> None:
        """Find or make the parameter node, and choose what there is only one of."""
        self.setParameters(self.logic.getParameterNode())
        self.chooseTheOnlyOnes()

    def chooseTheOnlyOnes(self) -> None:
        """Choose segmentation and lobe plane where nothing is chosen and there is one; among several the user does."""
        choices = {"segmentation": "vtkMRMLSegmentationNode", "lobePlane": "vtkMRMLMarkupsPlaneNode"}
        for name, kind in choices.items():
            if getattr(self.parameters, name, self) is None:
                found = [one for one in slicer.util.getNodesByClass(kind) if not one.GetAttribute(ISODOSES_ATTRIBUTE)]
                if len(found) == 1:
                    setattr(self.parameters, name, found[0])

    def setParameters(self, parameters: Any) -> None:
        """Bind the panel to another parameter node, or to none: then nothing can be clicked."""
        self._top.enabled = parameters is not None
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self.parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self.refresh()

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        """A choice was made, here or elsewhere."""
        self.refresh()

    def refresh(self) -> None:
        """Show the scene as it is now."""
        if self.parameters is None or self.busy:
            return
        self.busy = True  # what the sections set must not come back here
        try:
            for section in self.sections:
                section.refresh()
        finally:
            self.busy = False

    def say(self, text: str, isError: bool = False) -> None:
        """One line at the foot of the panel."""
        self.ui.statusLabel.text = text
        dark = self.ui.statusLabel.palette.color(qt.QPalette.Window).lightness() < HALF_LIGHT
        self.ui.statusLabel.setStyleSheet(f"color: {ERROR_ON_DARK if dark else ERROR_ON_LIGHT}" if isError else "")
