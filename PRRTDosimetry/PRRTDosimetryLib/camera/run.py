"""What the command and the panel call: PHANTOM.json in, CAMERA.json out; or camera files in, trends out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.study.camera import load_camera

from PRRTDosimetryLib.camera.camera_file import write_camera
from PRRTDosimetryLib.camera.commission import Commissioning, commission
from PRRTDosimetryLib.camera.drift import Trend, trends
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.phantom_file import load_phantom_file

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_camera(phantom: Path, output: Path, progress: Progress = no_progress) -> tuple[Commissioning, dict[str, Any]]:
    """Measure the scans of a PHANTOM.json and write CAMERA.json; returns both.

    Raises
    ------
    PRRTError
        If the images do not give the camera's numbers, or the file cannot be written; nothing is written then.
    """
    made = commission(load_phantom_file(Path(phantom)), sub_progress(progress, 0.0, 0.95))
    return made, write_camera(made, Path(output))


def are_cameras(files: Sequence[Path]) -> bool:
    """Whether files are camera files rather than phantom files, by their keys.

    Raises
    ------
    CameraError
        If there are several files that are not all camera files.
    """
    kinds = [_is_camera(path) for path in files]
    if len(files) > 1 and not all(kinds):
        wrong = files[kinds.index(False)]
        raise CameraError(
            f"{wrong} is no camera file: give one PHANTOM.json to commission a camera, or several CAMERA.json for "
            "their trend."
        )
    return all(kinds)


def _is_camera(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False  # the loader reports it
    return isinstance(content, dict) and "acquisition" in content and "scans" not in content


def read_trends(files: Sequence[Path]) -> list[Trend]:
    """Trends of camera files.

    Raises
    ------
    PRRTError
        If one cannot be read, or they give none.
    """
    return trends([load_camera(Path(path)) for path in files])
