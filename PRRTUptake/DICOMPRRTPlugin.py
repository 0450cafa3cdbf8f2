"""DICOM plugin: PET and NM series as volumes of activity concentration or SUV, read by the extension's own reader."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from PRRTUptakeLib.errors import PRRTError
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series

EMISSION = ("PT", "NM")
CONFIDENCE, LESS_USUAL = 0.8, 0.7  # the scalar volume plugin has 0.5


class DICOMPRRTPluginClass(DICOMPlugin):
    """Offers every PET and NM series as a quantified volume; PET in SUVbw first, and in Bq/mL."""

    def __init__(self) -> None:
        super().__init__()
        self.loadType = _("PRRT quantified volume")

    def examineForImport(self, fileLists: Sequence[Sequence[str]]) -> list[Any]:
        """What can be made of lists of files, one list per series."""
        loadables = []
        for files in fileLists:
            found = self.getCachedLoadables(files)
            if found is None:
                found = self.examineFiles(files)
                self.cacheLoadables(files, found)
            loadables += found
        return loadables

    def examineFiles(self, files: Sequence[str]) -> list[Any]:
        """What can be made of the files of one series; nothing unless it is PET or NM."""
        if not files or slicer.dicomDatabase.fileValue(files[0], self.tags["modality"]) not in EMISSION:
            return []
        from PRRTUptakeLib.dicom.series import EMISSION_CLASSES, group_files

        try:
            found = group_files(Path(file) for file in files).series
        except PRRTError as error:
            logging.info("PRRT: not offered: %s", error)
            return []
        return [one for series in found if series.sop_class in EMISSION_CLASSES for one in self._offers(series)]

    def _offers(self, series: Series) -> list[Any]:
        if series.modality == "NM":
            return [self._offer(series, asSUV=False, selected=True)]
        return [self._offer(series, asSUV=True, selected=True), self._offer(series, asSUV=False, selected=False)]

    def _offer(self, series: Series, asSUV: bool, selected: bool) -> Any:
        from PRRTUptakeLib.mrml.dicom_nodes import reading_problem

        units = _("SUVbw") if asSUV else _("Bq/mL")
        problem = reading_problem(series, asSUV)
        loadable = DICOMLoadable()
        loadable.files = [str(path) for path in series.files]
        words = series.description or series.modality
        named = words if units.lower() in words.lower() else f"{words} {units}"  # not "recon Bq/ml Bq/mL"
        loadable.name = f"{series.number}: {named}".removeprefix(": ")
        loadable.tooltip = _("{modality} as {units}, with units, patient and time after injection").format(
            modality=series.modality, units=units
        )
        if problem:
            loadable.warning = _("It cannot be quantified and is loaded without units. {problem}").format(
                problem=problem
            )
            loadable.tooltip += "\n" + loadable.warning
        loadable.selected = selected
        loadable.confidence = CONFIDENCE if selected else LESS_USUAL
        loadable.asSUV = asSUV
        return loadable

    def load(self, loadable: Any) -> Any:
        """Load one offer; without units where the header does not allow more, so that the panel can ask for them."""
        from PRRTUptakeLib.dicom.series import group_files
        from PRRTUptakeLib.mrml.dicom_nodes import node_from_series, node_from_stored_values

        (series,) = group_files(Path(file) for file in loadable.files).series
        try:
            node = node_from_series(series, loadable.name, loadable.asSUV)
        except PRRTError as error:
            logging.warning("PRRT: %s", error)
            node = node_from_stored_values(series, loadable.name)
        uids = (slicer.dicomDatabase.fileValue(file, self.tags["instanceUID"]) for file in loadable.files)
        node.SetAttribute("DICOM.instanceUIDs", " ".join(uids))  # by which Slicer finds the files again
        self.addSeriesInSubjectHierarchy(loadable, node)
        slicer.util.setSliceViewerLayers(background=node)
        return node


class DICOMPRRTPlugin:
    """How the application finds the plugin; it shows no module."""

    def __init__(self, parent: Any) -> None:
        parent.title = "PRRT quantified volume plugin"
        parent.categories = ["Developer Tools.DICOM Plugins"]
        parent.dependencies = ["DICOM"]
        parent.contributors = ["FirstName LastName (Institution)"]
        parent.helpText = "Loads PET and NM series as activity concentration or SUV in the DICOM module."
        parent.acknowledgementText = "Part of the extension PRRT, Apache License 2.0."
        parent.hidden = True
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMPRRTPlugin"] = DICOMPRRTPluginClass
