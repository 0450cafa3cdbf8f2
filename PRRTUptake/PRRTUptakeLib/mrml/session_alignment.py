"""Whether an emission image of the scene is on the CT of its session; nothing in the scene is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import ANATOMY, image_row, image_rows, patient_of
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.volumes import volume_from_node
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.preparation import recognised
from PRRTUptakeLib.study.session_alignment import CheckedVisit, check_visit

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

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


def ct_of_session(node: Any) -> Any:
    """The CT of an image's visit under the same transform, None if there is none."""
    parent, visit = node.GetParentTransformNode(), image_row(node).visit
    rows = [row for row in image_rows() if row.role == ANATOMY and row.units == _HU and row.visit == visit]
    return next((row.node for row in rows if row.visit and row.node.GetParentTransformNode() is parent), None)


def _named(node: Any) -> tuple[str, Volume]:
    volume = volume_from_node(node)
    return node.GetName(), volume
