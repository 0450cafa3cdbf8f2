"""Whether an emission image of the scene lies on the CT of its session; nothing in the scene is moved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.mrml.images import ANATOMY, image_rows, patient_of
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.volumes import NodeError, native_volume, volume_from_node
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.preparation import recognised
from PRRTUptakeLib.study.session_alignment import CheckedVisit, check_visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.measuring import MeasuredImage

_HU = "[hnsf'U]"


def check_alignment(emissionNode: Any, anatomyNode: Any, segmentationNode: Any = None) -> CheckedVisit:
    """Check SPECT or PET against the CT of the same session, as both lie in the world.

    Parameters
    ----------
    emissionNode, anatomyNode : vtkMRMLScalarVolumeNode of both.
    segmentationNode : with the liver, which makes the check sharp in all directions; may be None.

    Raises
    ------
    NodeError
        If it is one image, or they are of two patients.
    """
    emission, anatomy = (_named(node) for node in (emissionNode, anatomyNode))
    if emissionNode is anatomyNode:
        raise NodeError(f"'{emissionNode.GetName()}' cannot be checked against itself: choose an image and its CT.")
    patients = [patient_of(node) for node in (emissionNode, anatomyNode)]
    if all(patients) and patients[0] != patients[1]:
        raise NodeError(f"The images are of two patients ('{patients[0]}' and '{patients[1]}'): choose those of one.")
    segmentation = Segmentation(anatomy[1].grid)
    if segmentationNode is not None:
        segmentation, _, _ = recognised(segmentation_from_node(segmentationNode))
    return check_visit("scene", emission, anatomy, segmentation)


def check_sessions(images: Sequence[MeasuredImage], segmentation: Segmentation) -> tuple[CheckedVisit, ...]:
    """Check every measured image against the first CT of its visit that moves with it; those without one are left out.

    The liver as drawn is part of what is compared, so that a visit that was not registered is noticed too.

    Parameters
    ----------
    images : as they are measured, in the world.
    segmentation : in the world; its liver makes the check sharp.
    """
    found = []
    for one in images:
        node = ct_of_session(one)
        if node is not None:
            own = native_volume(one.node)
            to_world = one.volume.ijk_to_ras @ np.linalg.inv(own.ijk_to_ras)
            anatomy = native_volume(node)
            anatomy = replace(anatomy, ijk_to_ras=to_world @ anatomy.ijk_to_ras)
            emission = (one.node.GetName(), one.volume)
            name = f"{node.GetName()} with the liver as drawn"
            found.append(check_visit(one.visit, emission, (name, anatomy), segmentation))
    return tuple(found)


def ct_of_session(one: MeasuredImage) -> Any:
    """The CT of an image's visit under the same transform, None if there is none."""
    parent = one.node.GetParentTransformNode()
    rows = [row for row in image_rows() if row.role == ANATOMY and row.units == _HU and row.visit == one.visit]
    return next((row.node for row in rows if row.visit and row.node.GetParentTransformNode() is parent), None)


def _named(node: Any) -> tuple[str, Volume]:
    volume = volume_from_node(node)
    return node.GetName(), volume
