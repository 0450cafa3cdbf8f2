"""Lesions moved by hand in one image, kept on its node."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import MEASURED, image_rows
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.volumes import native_volume
from PRRTUptakeLib.study.manual_shift import ManualShift

if TYPE_CHECKING:
    from collections.abc import Sequence

MANUAL_SHIFTS_ATTRIBUTE = "PRRT.Nudges"


def manual_shifts_of(node: Any) -> tuple[ManualShift, ...]:
    """The manual shifts that an image node keeps."""
    text = node.GetAttribute(MANUAL_SHIFTS_ATTRIBUTE)
    found = json.loads(text) if text else ()
    return tuple(ManualShift(one["lesion"], tuple(one["shift_ras_mm"]), one["reason"]) for one in found)


def manual_shifts_within(node: Any) -> tuple[ManualShift, ...]:
    """The manual shifts of an image as it is without its transform: along its own axes."""
    if node.GetParentTransformNode() is None:
        return manual_shifts_of(node)
    back = native_volume(node).ijk_to_ras @ np.linalg.inv(placed_volume(node)[0].ijk_to_ras)
    found = []
    for one in manual_shifts_of(node):
        right, front, up = (float(part) for part in back[:3, :3] @ one.shift_ras_mm)
        found.append(replace(one, shift_ras_mm=(right, front, up)))
    return tuple(found)


def manual_shift_of_lesion(node: Any, lesion: str) -> tuple[tuple[float, float, float], str]:
    """Shift and reason of a lesion's manual shift in an image; none and "" where there is none."""
    kept = manual_shifts_of(node) if node is not None else ()
    return next(((one.shift_ras_mm, one.reason) for one in kept if one.lesion == lesion), ((0.0, 0.0, 0.0), ""))


def shiftable_images() -> tuple[tuple[str, str], ...]:
    """Words and node id of every image to be measured."""
    return tuple((row.visit or row.name, row.node.GetID()) for row in image_rows() if row.role == MEASURED)


def shift_lesion(node: Any, lesion: str, shift_ras_mm: Sequence[float], reason: str) -> None:
    """Measure a lesion of an image beside where it falls, from the next measurement on; no shift takes that back.

    Parameters
    ----------
    node : the image in which the lesion is elsewhere; another manual shift of this lesion in it is replaced.
    lesion : its id.
    shift_ras_mm : to the patient's right, to the front, to the head, in the world's axes.
    reason : kept in table, report and provenance.

    Raises
    ------
    PRRTError
        If there is no image or lesion, the shift is more than 50 mm, or no reason is given.
    """
    if node is None or not lesion:
        raise NodeError("Choose an image, and the lesion to shift in it by hand.")
    kept = [one for one in manual_shifts_of(node) if one.lesion != lesion]
    if any(shift_ras_mm):
        right, front, up = (float(one) for one in shift_ras_mm)
        kept.append(ManualShift(lesion, (right, front, up), reason))
    node.SetAttribute(MANUAL_SHIFTS_ATTRIBUTE, json.dumps([asdict(one) for one in kept]) if kept else None)
