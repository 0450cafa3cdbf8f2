"""What both panels may export besides report and tables: DICOM, and a de-identified bundle of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.panel.packages import offer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PRRTUptakeLib.mrml.inputs import SceneStudy

BUNDLE_FILE = "deidentified.zip"


def check_extras(parameters: Any, nodes: Sequence[Any]) -> None:
    """Refuse before the long work what could not be written after it.

    Raises
    ------
    PRRTError
        If DICOM of these images is asked for whose files the database does not know, or the key cannot be used.
    """
    if parameters.exportDicom:
        from PRRTUptakeLib.mrml.scene_dicom import source_series

        for node in nodes:
            source_series(node, getattr(slicer, "dicomDatabase", None))
    if parameters.exportExcel:
        offer("excel")
    if lacking := missing_for_bundle(parameters):
        raise PRRTError(lacking)
    if parameters.exportBundle:
        _deidentifier(parameters.keyFile)


def missing_for_bundle(parameters: Any) -> str:
    """What a de-identified bundle lacks, "" if nothing: without DICOM nothing says which names are the patient's."""
    if parameters.exportBundle and not parameters.exportDicom:
        return _("A de-identified bundle needs the DICOM: choose 'DICOM too' as well.")
    return ""


def extra_writers(parameters: Any, scene: SceneStudy) -> list[Callable[..., Any]]:
    """What writes the chosen extras into the folder of results, each called with the folder and the result."""
    chosen: list[Callable[..., Any]] = []
    if parameters.exportDicom:
        chosen.append(_DicomWriter(scene))
    if parameters.exportBundle:
        chosen.append(lambda folder, result: _write_bundle(folder, parameters.keyFile))
    return chosen


class _DicomWriter:
    """Writes DICOM; the application's database is asked on its own thread."""

    needs_main_thread = True

    def __init__(self, scene: SceneStudy) -> None:
        self._scene = scene

    def __call__(self, folder: Path, result: Any, ask: Callable[[Callable[[], Any]], Any]) -> None:
        from PRRTUptakeLib.export.dicom_results import write_dicom
        from PRRTUptakeLib.mrml.scene_dicom import with_series

        database = getattr(slicer, "dicomDatabase", None)
        write_dicom(ask(lambda: with_series(result, self._scene, database)), folder / "dicom")


def _write_bundle(folder: Path, keyFile: str) -> None:
    from PRRTUptakeLib.export.bundle import write_bundle

    write_bundle(folder, folder / BUNDLE_FILE, _deidentifier(keyFile))


def _deidentifier(keyFile: str) -> Any:
    from pathlib import Path

    from PRRTUptakeLib.export.deidentify import Deidentifier

    return Deidentifier.from_file(Path(keyFile.strip()) if keyFile.strip() else None)
