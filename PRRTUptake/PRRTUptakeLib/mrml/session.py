"""A Slicer session without a screen: the scene and the module logics, where no application provides them.

In the Slicer application `session()` returns at once. Elsewhere (tests, CI, core lab) it fills ``slicer`` from the
PyPI package slicer-core so that ``slicer.mrmlScene`` and ``slicer.modules.<name>.logic()`` work as in Slicer.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
from vtkmodules.vtkCommonCore import vtkLogger

_LOGICS = {
    "colors": "vtkMRMLColorLogic",
    "units": "vtkSlicerUnitsLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "cropvolume": "vtkSlicerCropVolumeLogic",
    "transforms": "vtkSlicerTransformLogic",
}


class _Module:
    """What ``slicer.modules.<name>`` offers without an application."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        """The module's logic, as in Slicer."""
        return self._logic


class _Application:
    """The few members of ``slicer.app`` that work without Qt."""

    applicationName = "SlicerPRRT headless"

    def __init__(self, applicationLogic: Any, scene: Any) -> None:
        self._applicationLogic = applicationLogic
        self._scene = scene
        self.temporaryPath = tempfile.gettempdir()

    def applicationLogic(self) -> Any:
        """The application logic, as in Slicer."""
        return self._applicationLogic

    def mrmlScene(self) -> Any:
        """The scene, as in Slicer."""
        return self._scene

    def testingEnabled(self) -> bool:
        """Always true: dialogs are skipped, since there is no screen to show them on."""
        return True

    def processEvents(self) -> None:
        """Nothing waits for events without a screen."""


def operator_notes() -> dict[str, str]:
    """Who works here, by Slicer's application settings (User), as a case keeps it; empty where none is given."""
    session()
    person = getattr(slicer.app.applicationLogic(), "GetUserInformation", lambda: None)()
    name = (person.GetName() or "").strip() if person is not None else ""
    return {"operator": name} if name else {}


def session() -> Any:
    """The MRML scene of this process, created with its logics on first use."""
    if getattr(slicer, "mrmlScene", None) is None:
        _start()
    return slicer.mrmlScene


def is_headless() -> bool:
    """Whether this session is ours rather than the Slicer application's."""
    return isinstance(getattr(slicer, "app", None), _Application)


def _start() -> None:
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetTemporaryPath(tempfile.gettempdir())
    modules = {name: _Module(getattr(slicer, className)()) for name, className in _LOGICS.items()}
    colors = modules["colors"].logic()
    application.SetColorLogic(colors)
    application.SetModuleLogic("Colors", colors)  # the volumes logic asks for it by name
    application.SetMRMLScene(scene)  # makes the selection node, which the markups logic asks for
    for module in modules.values():
        module.logic().SetMRMLApplicationLogic(application)
        module.logic().SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    _give_cache(scene)
    modules["terminologies"] = _Module(_terminologies_logic(application, scene))
    slicer.mrmlScene = scene
    slicer.modules = SimpleNamespace(**modules)
    slicer.app = _Application(application, scene)


def _give_cache(scene: Any) -> None:
    """A scene unpacks a .mrb bundle into its cache folder; without one it refuses to read bundles."""
    cache = slicer.vtkCacheManager()
    folder = tempfile.mkdtemp(prefix="prrt-scene-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder, ".slicer-cache").touch()  # marks the folder as one that the cache manager may clean
    cache.SetRemoteCacheDirectory(folder)
    data = slicer.vtkDataIOManager()
    data.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(data)


def _terminologies_logic(application: Any, scene: Any) -> Any:
    """Slicer's own terminology files are not part of slicer-core; our own are loaded when they are needed."""
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    logic.SetMRMLApplicationLogic(application)
    shown = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it would report its missing default files
    try:
        logic.SetMRMLScene(scene)
    finally:
        vtkLogger.SetStderrVerbosity(shown)
    return logic
