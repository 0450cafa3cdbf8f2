"""The segments of a node as a panel shows them, read without loading what is not shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from PRRTUptakeLib.mrml.segmentations import (
    LESION_TAG,
    LOBE_TAG,
    REASON_TAG,
    ROLE_TAG,
    SIZE_TAG,
    STRUCTURE_TAG,
    image_to_world,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TERRITORY_OVERRIDES_ATTRIBUTE = (
    "PRRT.CouinaudMoves"  # on the segmentation node: which of segments I and IV another artery feeds
)
RECOGNISE, SPLIT_LOBES, SPLIT_LESIONS = "recognise", "split lobes", "split lesions"
ASSIGN_LOBES, PICK_TARGETS, MAKE_REFERENCE = "assign lobes", "pick targets", "make reference"
STEPS = (RECOGNISE, SPLIT_LOBES, SPLIT_LESIONS, ASSIGN_LOBES, PICK_TARGETS, MAKE_REFERENCE)


@dataclass(frozen=True)
class SegmentRow:
    """One segment.

    Attributes
    ----------
    identifier, name : of the vtkSegment.
    role, lobe, lesion_id, structure : its PRRT tags, "" where there is none.
    reason : why a lesion is a target or not.
    longest_mm : longest axial diameter; None for what is no lesion, or was edited since it was measured.
    volume_mL : voxels times voxel volume, as it is now.
    """

    identifier: str
    name: str
    role: str
    lobe: str
    lesion_id: str
    structure: str
    reason: str
    longest_mm: float | None
    volume_mL: float

    @property
    def is_target(self) -> bool:
        """Whether it is a target lesion."""
        return self.role == "target"


def segment_rows(node: Any) -> tuple[SegmentRow, ...]:
    """Every segment of a vtkMRMLSegmentationNode, in its order; none without a node."""
    if node is None:
        return ()
    core = node.GetSegmentation()
    counts: dict[Any, np.ndarray] = {}
    rows = []
    for identifier in core.GetSegmentIDs():
        segment = core.GetSegment(identifier)
        image = node.GetBinaryLabelmapInternalRepresentation(identifier)
        voxels, volume_mL = 0, 0.0
        if image is not None and image.GetNumberOfPoints() and image.GetPointData().GetScalars() is not None:
            if image not in counts:
                counts[image] = _voxels_per_label(image)
            label = int(segment.GetLabelValue())
            voxels = int(counts[image][label]) if label < len(counts[image]) else 0
            volume_mL = voxels * abs(float(np.linalg.det(image_to_world(image)[:3, :3]))) / 1000.0
        rows.append(
            SegmentRow(
                identifier,
                segment.GetName(),
                tag(segment, ROLE_TAG),
                tag(segment, LOBE_TAG),
                tag(segment, LESION_TAG),
                tag(segment, STRUCTURE_TAG),
                tag(segment, REASON_TAG),
                _longest(tag(segment, SIZE_TAG), voxels),
                volume_mL,
            )
        )
    return tuple(rows)


def lesions_first(rows: Sequence[SegmentRow]) -> tuple[SegmentRow, ...]:
    """Targets, then other lesions, then everything else; within each as they were."""
    order = {"target": 0, "lesion": 1}
    return tuple(sorted(rows, key=lambda row: order.get(row.role, 2)))


def next_step(rows: Sequence[SegmentRow], by_lobe: bool) -> str:
    """What is to be done next of recognise, split lobes, split lesions, assign lobes, pick targets, make reference.

    Parameters
    ----------
    rows : of the segmentation as it is now.
    by_lobe : whether the protocol compares lobes.

    Returns
    -------
    One of the STEPS, "" if all are done.
    """
    roles = {row.role for row in rows}
    lesions = [row for row in rows if row.role in ("lesion", "target")]
    if not rows or "" in roles:
        return RECOGNISE
    if by_lobe and "lobe" not in roles:
        return SPLIT_LOBES
    if not lesions or not all(row.lesion_id for row in lesions):
        return SPLIT_LESIONS
    if by_lobe and not all(row.lobe for row in lesions):
        return ASSIGN_LOBES
    if "target" not in roles:
        return PICK_TARGETS
    return "" if "reference" in roles else MAKE_REFERENCE


def segments_state(node: Any) -> tuple[Any, ...]:
    """Changes whenever a segment's voxels, tags or number change; to know when to read the rows again."""
    if node is None:
        return ()
    core = node.GetSegmentation()
    identifiers = core.GetSegmentIDs()
    images = (node.GetBinaryLabelmapInternalRepresentation(identifier) for identifier in identifiers)
    return (
        node.GetID(),
        *((core.GetSegment(identifier).GetMTime(), identifier) for identifier in identifiers),
        *(image.GetMTime() for image in images if image is not None),
    )


def _voxels_per_label(image: Any) -> np.ndarray:
    """How often each value of a labelmap occurs; slice by slice, since counting takes eight bytes per voxel."""
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    highest = int(array.max()) + 1
    return np.asarray(np.sum([np.bincount(plane.ravel(), minlength=highest) for plane in array], axis=0))


def _longest(text: str, voxels: int) -> float | None:
    """The diameter in the tag, unless the segment had another number of voxels when it was measured."""
    found = re.fullmatch(r"([\d.]+) mm of (\d+) voxels", text)
    return float(found[1]) if found and int(found[2]) == voxels else None
