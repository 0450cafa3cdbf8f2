"""``slicer.app``, ``slicer.modules`` and the modules qt, ctk, slicer.i18n ...: put in place, and taken away again."""

from __future__ import annotations

import importlib.util
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import slicer
import vtk
from PRRTUptakeLib.mrml.session import session
from PySide6 import QtCore, QtWidgets

from slicer_standin import loader, other_modules, parameters, pythonqt, scripted, widgets

_SHOWN_TO_USERS = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLTextNode",
)


class LayoutManager:
    """Remembers the layout that was asked for."""

    def __init__(self):
        self.layout = 3

    def setLayout(self, layout):
        self.layout = layout

    def resetSliceViews(self):
        """There are no slice views here."""


class ErrorLogModel:
    """What was logged, by number."""

    def logEntryCount(self):
        return 0

    def logEntryDescription(self, number):
        raise IndexError(number)


class ModuleManager:
    """Informs panels that their module is about to be unloaded."""

    def __init__(self):
        self.slots = []

    def connect(self, signal, slot):
        if signal != "moduleAboutToBeUnloaded(QString)":
            return False
        self.slots.append(slot)
        return True

    def disconnect(self, signal, slot):
        self.slots.remove(slot)
        return True

    def unload(self, name):
        """Unload a module."""
        for slot in list(self.slots):
            slot(name)


class Application:
    """What ``slicer.app`` has of use to the panels; everything else is refused."""

    applicationName = "Slicer"

    def __init__(self, headless):
        self._headless = headless
        self._layout_manager, self._module_manager = LayoutManager(), ModuleManager()
        self.temporaryPath = headless.temporaryPath
        self.started = []

    def applicationLogic(self):
        return self._headless.applicationLogic()

    def mrmlScene(self):
        return self._headless.mrmlScene()

    def layoutManager(self):
        return self._layout_manager

    def moduleManager(self):
        return self._module_manager

    def errorLogModel(self):
        return ErrorLogModel()

    def testingEnabled(self):
        return True

    def processEvents(self):
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor):
        QtWidgets.QApplication.setOverrideCursor(pythonqt.unwrap(cursor))

    def restoreOverrideCursor(self):
        QtWidgets.QApplication.restoreOverrideCursor()

    def pauseRender(self):
        """There are no views here."""

    def resumeRender(self):
        """There are no views here."""

    def translate(self, context, text):
        return text

    def topLevelWidgets(self):
        return ()

    def settings(self):
        return pythonqt.qt_class("QSettings")()

    def start(self):
        """The application has started: inform those who asked for it."""
        for slot in self.started:
            slot()

    def connect(self, signal, slot):
        if signal != "startupCompleted()":
            return False
        self.started.append(slot)
        return True


class _Parent:
    """The module object that the application hands to a module's class."""

    def __init__(self, path):
        self.path = str(path)


class _LoadedModule:
    """``slicer.modules.<name>`` of a scripted module."""

    def __init__(self, name, python, parent):
        self.name, self.path, self._python, self._parent, self._widget = name, parent.path, python, parent, None

    def widgetRepresentation(self):
        if self._widget is None:
            top = pythonqt.qt_class("qMRMLWidget")()
            top.setLayout(pythonqt.qt_class("QVBoxLayout")())
            top.setMRMLScene(slicer.mrmlScene)
            self._fill(top)
        return self._widget

    def _fill(self, top):
        widget = getattr(self._python, f"{self.name}Widget")(_EnteredParent(top))
        widget.setup()
        self._widget = types.SimpleNamespace(self=lambda: widget, top=top)

    def createNewWidgetRepresentation(self):
        first, self._widget = self._widget, None
        second, self._widget = self.widgetRepresentation(), first
        return second

    def reload(self):
        """What the button Reload does: the script anew and a new panel in the old place; the module object stays."""
        self._python = _execute(Path(self.path))
        old = self._widget.self()
        old.cleanup()
        slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", old._onModuleAboutToBeUnloaded)
        layout = self._widget.top._object.layout()
        while layout.count():
            layout.takeAt(0).widget().hide()
        self._fill(self._widget.top)
        return self._widget.self()


class _EnteredParent:
    """A module widget's parent: the qMRMLWidget, and whether the user is in the module."""

    def __init__(self, top):
        self._top, self.isEntered = top, True

    def __getattr__(self, name):
        return getattr(self._top, name)


def _module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    return made


def _tr(text):
    return text


def _packaging():
    other_modules.Packaging.asked.clear()
    other_modules.Packaging.refuse = False
    names = ("pip_ensure", "pip_check", "pip_install", "load_requirements", "load_pyproject_dependencies")
    return _module("slicer.packaging", **{name: getattr(other_modules.Packaging, name) for name in names})


def _python_modules():
    qt = _module("qt", QUiLoader=loader.QUiLoader, Qt=QtCore.Qt)
    qt.__getattr__ = pythonqt.qt_class
    ctk = _module("ctk", **{name: pythonqt.qt_class(name) for name in widgets.CTK})
    return {
        **other_modules.python_modules(),
        "slicer.packaging": _packaging(),
        "qt": qt,
        "ctk": ctk,
        "slicer.i18n": _module("slicer.i18n", tr=_tr, translate=lambda context, text: text),
        "slicer.ScriptedLoadableModule": _module(
            "slicer.ScriptedLoadableModule",
            __all__=[name for name in vars(scripted) if name.startswith("ScriptedLoadableModule")],
            **{name: item for name, item in vars(scripted).items() if name.startswith("ScriptedLoadableModule")},
        ),
        "slicer.parameterNodeWrapper": _module(
            "slicer.parameterNodeWrapper",
            **{
                name: getattr(parameters, name) for name in ("parameterNodeWrapper", "WithinRange", "Minimum", "Choice")
            },
        ),
    }


@contextmanager
def running_slicer():
    """Slicer's Python environment while the block runs; ``slicer.app.load(path)`` gives a module's panel."""
    session()
    _ = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicer"])
    QtWidgets.QApplication.setStyle("Fusion")
    pythonqt.custom_classes.update(widgets.CTK | widgets.MRML)
    modules = _python_modules()
    before = {name: sys.modules.get(name) for name in (*modules, "PRRTUptake", "PRRTDosimetry", "DICOMPRRTPlugin")}
    headless = slicer.app
    sys.modules.update(modules)
    for name in ("sampledata", "segmentstatistics", "dicom"):
        setattr(slicer.modules, name, None)  # that they are there is all that is asked
    slicer.dicomDatabase = other_modules.DicomDatabase()
    other_modules.SampleDataLogic.sources.clear()
    other_modules.SegmentStatisticsLogic.registeredPlugins.clear()
    slicer.app = Application(headless)
    slicer.selfTests = {}
    for name in widgets.MRML:
        setattr(slicer, name, pythonqt.qt_class(name))
    scene = slicer.mrmlScene
    tags = [
        scene.AddObserver(scene.NodeAddedEvent, _give_hierarchy_item),
        scene.AddObserver(scene.EndCloseEvent, _add_views),
    ]
    _add_views(scene, None)
    load_scene, slicer.util.loadScene = slicer.util.loadScene, _load_scene
    try:
        yield slicer.app
    finally:
        slicer.util.loadScene = load_scene
        for tag in tags:
            scene.RemoveObserver(tag)
        for kind in (*_VIEW_CLASSES, *_OTHER_VIEWS):
            for node in list(slicer.util.getNodesByClass(kind)):
                scene.RemoveNode(node)
        slicer.app = headless
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _execute(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    python = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = python
    spec.loader.exec_module(python)
    return python


def load_module(path):
    """Load a scripted module as the application does at its start; returns ``slicer.modules.<name>``."""
    path = Path(path)
    python = _execute(path)
    parent = _Parent(path)
    getattr(python, path.stem)(parent)
    loaded = _LoadedModule(path.stem, python, parent)
    setattr(slicer.modules, path.stem.lower(), loaded)
    return loaded


VIEWS = ("Red", "Yellow", "Green")
_OTHER_VIEWS = ("vtkMRMLViewNode", "vtkMRMLPlotViewNode", "vtkMRMLTableViewNode")
_VIEW_CLASSES = ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode")


def _add_views(scene, event):
    """Three slice views, each with its node and its layers: the application makes them anew when a scene is closed."""
    for name in VIEWS:
        for number, kind in enumerate(_VIEW_CLASSES):
            node = scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetLayoutName(name)
            node.SetName(name)
            if not number:
                node.SetDimensions(300, 300, 1)
            scene.AddNode(node)
    for kind in _OTHER_VIEWS:
        scene.AddNewNodeByClass(kind)


def _load_scene(path, properties=None):
    """``slicer.util.loadScene``: reads a bundle; gives a node of it, and not True."""
    before = slicer.mrmlScene.GetNumberOfNodes()
    if not slicer.mrmlScene.ReadFromMRB(str(Path(path).resolve()), True):
        raise RuntimeError(f"Failed to load scene: {path}")
    return slicer.mrmlScene.GetNthNode(before - 1)


@vtk.calldata_type(vtk.VTK_OBJECT)
def _give_hierarchy_item(scene, event, node):
    """In the application every node that the user works with gets its subject hierarchy item by itself."""
    if any(node.IsA(name) for name in _SHOWN_TO_USERS) and not node.GetHideFromEditors():
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
