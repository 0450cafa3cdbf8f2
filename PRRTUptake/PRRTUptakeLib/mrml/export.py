"""A result that was measured in the application's scene as a folder; the scene itself goes along if that is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.export.results import Outputs, export_result
from PRRTUptakeLib.mrml.scene import write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.volumes import require_in_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.model import StudyResult


def export_scene_result(
    folder: str | Path,
    result: StudyResult,
    segmentationNode: Any = None,
    scene: bool = False,
    title: str = "",
    more: Sequence[Callable[[Path, Any], Any]] = (),
) -> None:
    """Write a patient's result.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced.
    result : of the study.
    segmentationNode : the measured segments; None to write none.
    scene : whether to write the scene too.
    title : heading of the report.
    more : what else writes into the folder, each called with it and the result, in this order.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    require_in_scene(segmentationNode)

    def write_scene(result: StudyResult, out: Path) -> None:
        if segmentationNode is not None:
            write_segmentation_file(segmentationNode, out / "patient.seg.nrrd")
        if scene:
            write_bundle(out / "patient.mrb")

    export_result(result, folder, Outputs(title=title, more=more), write_scene)
