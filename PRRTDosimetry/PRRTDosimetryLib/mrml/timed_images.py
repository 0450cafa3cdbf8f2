"""The images of a cycle as the curves need them: with their moment, what was injected, and the camera's own numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.dicom.dead_time import dead_time_factor, dead_time_note
from PRRTUptakeLib.dicom.injection import Injection
from PRRTUptakeLib.mrml.dicom_nodes import facts_from_node, injection_from_node
from PRRTUptakeLib.mrml.inputs import loaded_emission
from PRRTUptakeLib.study.camera import camera_dead_time, camera_warnings, cross_calibrated

from PRRTDosimetryLib.mrml.time_points import observed_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.camera import CameraFile
    from PRRTUptakeLib.study.model import LoadedEmission

    from PRRTDosimetryLib.mrml.logic import Treatment
    from PRRTDosimetryLib.mrml.time_points import TimePoint

# Times of images that do not state theirs are counted from here; only differences of times matter.
_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)
_SAME_ACTIVITY_MBq = 0.05  # what a field of the panel rounds away


def visit_name(point: TimePoint) -> str:
    """What a visit is called: its own name, else its hours."""
    return point.row.visit or f"{point.row.hours:g}h"


def camera_doubts(camera: CameraFile | None, points: Sequence[TimePoint]) -> tuple[str, ...]:
    """How the images differ from the phantom's of the camera file, as of a case's series."""
    found: list[str] = []
    for point in points:
        if observed_rate(point.node) is not None and (camera is None or camera.dead_time is None):
            found.append(
                f"Visit '{visit_name(point)}' states the count rate, but no camera file in use states a dead time: the "
                "loss was not corrected."
            )
        if camera is None:
            continue
        facts = facts_from_node(point.node)
        if facts is None:
            found.append(
                f"Visit '{visit_name(point)}' was not compared with the phantom of {camera.path.name}, since its image "
                "does not remember its series: load it from DICOM by the PRRT reader."
            )
        else:
            found += camera_warnings(camera, facts, visit_name(point))
    return tuple(found)


def timed_emission(node: Any, hours: float, treatment: Treatment, camera: CameraFile | None = None) -> LoadedEmission:
    """An image with its moment and injection; one that does not know its own time gets one by its hours.

    The camera's image over truth counts as for a case: for images that had units, and those that do not remember; so
    does its dead time, at the count rate that was stated.

    Raises
    ------
    PRRTError
        If the count rate is beyond what the dead time was measured for.
    """
    loaded = loaded_emission(node)
    facts = facts_from_node(node)
    calibrated, decisions = cross_calibrated(
        camera, loaded.volume, loaded.decisions, facts.has_units if facts is not None else True
    )
    loss = camera_dead_time(camera, observed_rate(node)) if camera is not None else None
    if loss is not None:
        calibrated = calibrated.with_values(calibrated.array * np.float32(dead_time_factor(loss)))
        decisions = (*decisions, dead_time_note(loss, "by the camera file and the stated count rate"))
    loaded = replace(loaded, volume=calibrated, decisions=decisions)
    volume, known = loaded.volume, injection_from_node(node)
    activity, nuclide, sex = treatment.activity_MBq, treatment.nuclide, treatment.sex
    if known is not None and abs(known.activity_MBq - activity) <= _SAME_ACTIVITY_MBq:
        activity = known.activity_MBq
    if known is not None and volume.reference_time is not None:
        return replace(loaded, injection=replace(known, activity_MBq=activity, nuclide=nuclide, sex=sex))
    if volume.reference_time is None:
        volume = volume.with_values(volume.array, reference_time=_ANY_DAY + timedelta(hours=hours))
    assert volume.reference_time is not None
    injected = volume.reference_time - timedelta(hours=hours)
    return replace(loaded, volume=volume, injection=Injection(activity, injected, nuclide, sex))
