"""What both panels may export besides report and tables: DICOM, and a de-identified bundle of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer

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
    if parameters.exportBundle:
        _deidentifier(parameters.keyFile)


def extra_writers(parameters: Any, scene: SceneStudy) -> list[Callable[[Path, Any], Any]]:
    """What writes the chosen extras into the folder of results, each called with the folder and the result."""
    chosen: list[Callable[[Path, Any], Any]] = []
    if parameters.exportDicom:
        chosen.append(lambda folder, result: _write_dicom(folder, result, scene))
    if parameters.exportBundle:
        chosen.append(lambda folder, result: _write_bundle(folder, parameters.keyFile))
    return chosen


def _write_dicom(folder: Path, result: Any, scene: SceneStudy) -> None:
    from PRRTUptakeLib.export.dicom_results import write_dicom
    from PRRTUptakeLib.mrml.scene_dicom import with_series

    write_dicom(with_series(result, scene, getattr(slicer, "dicomDatabase", None)), folder / "dicom")


def _write_bundle(folder: Path, keyFile: str) -> None:
    from PRRTUptakeLib.export.bundle import write_bundle

    write_bundle(folder, folder / BUNDLE_FILE, _deidentifier(keyFile))


def _deidentifier(keyFile: str) -> Any:
    from pathlib import Path

    from PRRTUptakeLib.export.deidentify import Deidentifier

    return Deidentifier.from_file(Path(keyFile.strip()) if keyFile.strip() else None)
