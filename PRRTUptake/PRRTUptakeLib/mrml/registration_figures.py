"""Which two images of the scene show how well a moved image was brought to the segments, for the report's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.images import ANATOMY, image_rows
from PRRTUptakeLib.mrml.parent_transforms import FIXED_ROLE
from PRRTUptakeLib.mrml.registration import registration_of
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.session_alignment import ct_of_session
from PRRTUptakeLib.mrml.transforms import bends, placed_volume
from PRRTUptakeLib.mrml.volumes import native_volume
from PRRTUptakeLib.study.preparation import recognised
from PRRTUptakeLib.study.visit_registration import VisitRegistration

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment


def shown_registration(node: Any, visit: str, segmentationNode: Any) -> VisitRegistration:
    """How an image came to where it is in the world, with CT or MRI before and after where the scene has them.

    Parameters
    ----------
    node : the measured image, under a transform.
    segmentationNode : its liver is outlined.
    """
    moving = ct_of_session(node) or node
    fixed = _fixed_node(node) or moving
    volume, image = placed_volume(fixed)[0], native_volume(moving)
    return VisitRegistration(
        visit=visit,
        registration=registration_of(moving, volume.grid),
        fixed=volume,
        load_moving=lambda: image,  # as it is now: nodes may change before the report is written
        names=(fixed.GetName(), moving.GetName()),
        liver=_liver(segmentationNode),
    )


def _liver(segmentationNode: Any) -> tuple[Segment, Grid] | None:
    """The liver in the world; None without one, or where the segments are bent."""
    if bends(segmentationNode):
        return None
    segmentation, _, _ = recognised(segmentation_from_node(segmentationNode))
    livers = [one for one in segmentation.having(structure="liver") if one.voxel_count]
    return (livers[0], segmentation.grid) if len(livers) == 1 else None


def _fixed_node(node: Any) -> Any:
    """The image that a transform was made for, else the first CT or MRI that nothing moved; None without one."""
    transform = node.GetParentTransformNode()
    if transform is None:
        return None
    stated = transform.GetNodeReference(FIXED_ROLE)
    if stated is not None and stated.GetImageData() is not None:
        return stated
    rows = [row for row in image_rows() if row.role == ANATOMY and row.node.GetParentTransformNode() is None]
    return rows[0].node if rows else None
