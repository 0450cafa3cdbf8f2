"""Which two images of the scene show how well a moved image was brought to the segments, for the report's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.images import ANATOMY, image_rows
from PRRTUptakeLib.mrml.parent_transforms import FIXED_ROLE
from PRRTUptakeLib.mrml.registration import registration_of
from PRRTUptakeLib.mrml.session_alignment import ct_of_session
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.visit_registration import VisitRegistration
from PRRTUptakeLib.mrml.volumes import native_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.mrml.measuring import MeasuredImage
    from PRRTUptakeLib.segmentation.segments import Segmentation


def shown_registrations(images: Sequence[MeasuredImage], segmentation: Segmentation) -> tuple[VisitRegistration, ...]:
    """How each image came to where it lies, with CT or MRI before and after where the scene has them.

    Parameters
    ----------
    images : as they are measured.
    segmentation : in the world; its liver is outlined.
    """
    livers = [one for one in segmentation.having(structure="liver") if one.voxel_count]
    liver = (livers[0], segmentation.grid) if len(livers) == 1 else None
    found = []
    for one in images:
        moving = ct_of_session(one) or one.node
        fixed = _fixed_node(one.node) or moving
        volume = placed_volume(fixed)[0]
        names = (fixed.GetName(), moving.GetName())
        registration = registration_of(moving, volume.grid)
        found.append(VisitRegistration(one.visit, registration, volume, native_volume(moving), names, liver))
    return tuple(found)


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
