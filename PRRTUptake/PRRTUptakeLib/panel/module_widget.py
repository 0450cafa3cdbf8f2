"""The widget of a module: builds the panel from its .ui file, and keeps parameter node, scene and sections together."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin


class PanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A panel of numbered sections.

    Attributes
    ----------
    uiFile : the .ui file below the module's Resources.
    parameters : the wrapped parameter node; None while there is no scene to work on.
    logic : of the module; it has ``getParameterNode``.
    sections : top to bottom.
    busy : work is under way; what changes meanwhile is shown at its end.
    """

    uiFile = ""

    def __init__(self, parent: Any = None) -> None:
        self.parameters: Any = None
        self.logic: Any = None
        self.sections: list[Any] = []
        self.busy = False
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
        """Show nodes that came or went; once, when a whole scene is read."""
        if self.parameters is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.refresh()

    def initializeParameterNode(self) -> None:
        """Find or make the parameter node, and choose what there is only one of."""
        self.setParameters(self.logic.getParameterNode())
        if self.parameters.segmentation is None:
            self.parameters.segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")

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
        self.ui.statusLabel.setStyleSheet("color: #b00020" if isError else "")
