"""Which segments of the scene were drawn for which visit: they move with its images and are measured with them."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.mrml.images import SEGMENTATION_ROLE, VISIT_ATTRIBUTE, image_row, image_rows
from PRRTUptakeLib.mrml.session import session


def visit_of_segments(segmentationNode: Any) -> str:
    """The visit that segments were drawn on; "" if it is not known, or they serve several visits alike.

    It is noted on the node, or else that of the images that name these segments as their own.
    """
    noted = segmentationNode.GetAttribute(VISIT_ATTRIBUTE)
    if noted:
        return str(noted)
    identifier = segmentationNode.GetID()
    visits = {row.visit for row in image_rows() if row.node.GetNodeReferenceID(SEGMENTATION_ROLE) == identifier}
    return visits.pop() if len(visits) == 1 else ""


def segments_of_visit(visit: str) -> tuple[Any, ...]:
    """Every segmentation node that was drawn on a visit; none for a visit without a name."""
    nodes = session().GetNodesByClass("vtkMRMLSegmentationNode")
    found = [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]
    nodes.UnRegister(None)
    return tuple(node for node in found if visit and visit_of_segments(node) == visit)


def is_own(segmentationNode: Any, imageNode: Any) -> bool:
    """Whether segments were drawn on the visit of an image."""
    visit = image_row(imageNode).visit
    return bool(visit) and visit_of_segments(segmentationNode) == visit


def own_segments(imageNode: Any) -> Any:
    """The segments that an image names as its own; None where it names none."""
    return imageNode.GetNodeReference(SEGMENTATION_ROLE)


def check_together(segmentationNode: Any, imageNode: Any) -> None:
    """Refuse segments that were drawn on the visit of an image and are not moved as the image is.

    Raises
    ------
    NodeError
        Naming both and what moves each.
    """
    from PRRTUptakeLib.mrml.segmentations import segmentation_geometry  # panels come here when they open
    from PRRTUptakeLib.mrml.transforms import require_together

    if segmentationNode is not None and imageNode is not None and is_own(segmentationNode, imageNode):
        require_together(segmentationNode, segmentation_geometry(segmentationNode), imageNode)
