"""A result that was measured in the application's scene as a folder; the scene itself goes along if that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.export.results import Outputs, export_result
from PRRTUptakeLib.mrml.scene_bundle import write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.volumes import require_in_scene
from PRRTUptakeLib.progress import Progress, in_background, no_progress, on_main_thread, sub_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.model import StudyResult


@dataclass(frozen=True)
class Choices:
    """What the user chose: the scene and a table for Excel besides; ``replace`` keeps a folder with other files in it
    under a dated name, and a new one takes its place.
    """

    scene: bool = False
    excel: bool = False
    replace: bool = False


def export_scene_result(
    folder: str | Path,
    result: StudyResult,
    segmentationNode: Any = None,
    title: str = "",
    more: Sequence[Callable[[Path, Any], Any]] = (),
    progress: Progress = no_progress,
    choices: Choices | None = None,
) -> None:
    """Write a patient's result.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced.
    result : of the study.
    segmentationNode : the measured segments; None to write none.
    title : heading of the report.
    more : what else writes into the folder, each called with it and the result, in this order.
    progress : hears how far the work is; may offer a thread, nodes are then written on the face's own.
    choices : what is written besides, and into what; by default only report and tables, into a new folder.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    require_in_scene(segmentationNode)
    chosen = choices or Choices()

    def write_nodes(out: Path) -> None:
        if segmentationNode is not None:
            write_segmentation_file(segmentationNode, out / "patient.seg.nrrd")

    def work(step: Progress) -> None:
        def write_scene(result: StudyResult, out: Path) -> None:
            on_main_thread(step, lambda: write_nodes(out))
            if chosen.scene:
                write_bundle((out / "patient.mrb").absolute(), sub_progress(step, 0.2, 0.6))

        writers = tuple(partial(_written, writer, step) for writer in more)
        outputs = Outputs(title=title, more=writers, excel=chosen.excel, replace=chosen.replace)
        export_result(result, folder, outputs, write_scene, step)

    in_background(progress, work)


def _written(writer: Callable[..., Any], progress: Progress, folder: Path, result: StudyResult) -> Any:
    """Let a writer work; one that asks the application first says so by an attribute ``needs_main_thread``."""
    if getattr(writer, "needs_main_thread", False):
        return writer(folder, result, partial(on_main_thread, progress))
    return writer(folder, result)
