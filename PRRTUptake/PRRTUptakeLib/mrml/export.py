"""A result that was measured in the application's scene as a folder; the scene itself goes along if that is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.export.results import Outputs, export_result
from PRRTUptakeLib.mrml.scene import write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.volumes import require_in_scene
from PRRTUptakeLib.progress import Progress, in_background, no_progress, on_main_thread

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
    progress: Progress = no_progress,
    replace: bool = False,
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
    progress : told how far it is; may offer a thread, nodes are then written on the face's own.
    replace : a folder with other files in it is kept under a dated name, and a new one takes its place.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    require_in_scene(segmentationNode)

    def write_nodes(out: Path) -> None:
        if segmentationNode is not None:
            write_segmentation_file(segmentationNode, out / "patient.seg.nrrd")
        if scene:
            write_bundle(out / "patient.mrb")

    def work(step: Progress) -> None:
        def write_scene(result: StudyResult, out: Path) -> None:
            on_main_thread(step, lambda: write_nodes(out))

        chosen = tuple(partial(_written, writer, step) for writer in more)
        export_result(result, folder, Outputs(title=title, more=chosen, replace=replace), write_scene, step)

    in_background(progress, work)


def _written(writer: Callable[..., Any], progress: Progress, folder: Path, result: StudyResult) -> Any:
    """Let a writer work; one that asks the application first says so by an attribute ``needs_main_thread``."""
    if getattr(writer, "needs_main_thread", False):
        return writer(folder, result, partial(on_main_thread, progress))
    return writer(folder, result)
