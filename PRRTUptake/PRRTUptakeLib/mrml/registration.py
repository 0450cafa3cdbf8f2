"""Registration of the scene's images: a transform node that brings one visit into the space of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import ANATOMY, SEGMENTATION_ROLE, image_row, image_rows, patient_of
from PRRTUptakeLib.mrml.own_segments import visit_of_segments
from PRRTUptakeLib.mrml.parent_transforms import FIXED_ROLE, MOVED_ROLE, note_quality, noted_quality
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.transforms import bends, node_from_registration, placed_volume, world_to_node
from PRRTUptakeLib.mrml.volumes import (
    ensure_subject_hierarchy_item,
    native_volume,
    require_in_scene,
    volume_from_node,
)
from PRRTUptakeLib.progress import Progress, in_background, no_progress, sub_progress
from PRRTUptakeLib.registration.deformable import bent_where_better
from PRRTUptakeLib.registration.result import given_registration, identity_registration
from PRRTUptakeLib.registration.rigid import rigid_registration
from PRRTUptakeLib.registration.transform_files import displacements
from PRRTUptakeLib.segmentation.bounding_box import resampled
from PRRTUptakeLib.study.preparation import recognised

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.registration.result import Registration


def register(
    fixedNode: Any,
    movingNode: Any,
    segmentationNode: Any = None,
    transformNode: Any = None,
    progress: Progress = no_progress,
    bend: bool = False,
) -> Any:
    """Register one anatomical image onto another, and note the quality on the transform.

    Parameters
    ----------
    fixedNode : CT or MRI on which the segments are drawn.
    movingNode : CT or MRI of another visit.
    segmentationNode : its liver, where it has one, is what is registered in the end; it moves with breathing. Where
        a liver was drawn for the moving image's visit too, both say how well they agree.
    transformNode : transform node to overwrite; a new one is made if None, or if this one cannot hold the result.
    progress : called with how far it is; may raise `Cancelled`, then nothing was changed.
    bend : after the rigid registration bend the liver, where that fits better; a warning says where it does not.

    Returns
    -------
    The transform node, which moves points of ``movingNode``, without its present transform, into the world.

    Raises
    ------
    PRRTError
        If the images are of two patients, do not overlap, or cannot be registered.
    """
    fixed, moving = volume_from_node(fixedNode), volume_from_node(movingNode)
    if fixedNode is movingNode:
        raise NodeError(f"'{fixedNode.GetName()}' cannot be registered onto itself: choose two images.")
    fixed, moving = (_with_patient(*pair) for pair in ((fixed, fixedNode), (moving, movingNode)))
    liver = _liver_mask(segmentationNode, fixed.grid) if segmentationNode is not None else None
    drawn = _drawn_for(movingNode)
    other = _liver_mask(drawn, moving.grid) if drawn not in (None, segmentationNode) else None

    def work(whole: Progress) -> Registration:
        step = sub_progress(whole, 0.0, 0.5 if bend else 1.0)
        found = rigid_registration(fixed, moving, fixed_liver=liver, moving_liver=other, progress=step)
        if bend:
            found = bent_where_better(found, fixed, moving, (liver, other), progress=sub_progress(whole, 0.5, 1.0))
        return found

    found = in_background(progress, work)
    require_in_scene(fixedNode, movingNode)
    transformNode = node_from_registration(found, movingNode, transformNode)
    transformNode.SetName(f"{movingNode.GetName()} to {fixedNode.GetName()}")
    transformNode.SetNodeReferenceID(MOVED_ROLE, movingNode.GetID())
    transformNode.SetNodeReferenceID(FIXED_ROLE, fixedNode.GetID())
    note_quality(transformNode, found.quality)
    ensure_subject_hierarchy_item(transformNode)
    return transformNode


def visits_to_register(segmentationNode: Any = None) -> tuple[Any, tuple[Any, ...]]:
    """The CT or MRI that stays, and one of every other visit that is not moved yet.

    The one that stays is of the visit that the segments were drawn on, else the scene's first.
    """
    rows = [row for row in image_rows() if row.role == ANATOMY and row.visit]
    if not rows:
        return None, ()
    drawn = visit_of_segments(segmentationNode) if segmentationNode is not None else ""
    fixed = next((row for row in rows if row.visit == drawn), rows[0])
    moving: dict[str, Any] = {}
    for row in rows:
        if row.visit != fixed.visit and row.node.GetParentTransformNode() is None:
            moving.setdefault(row.visit, row.node)
    return fixed.node, tuple(moving.values())


def registration_of(node: Any, around: Grid | None = None) -> Registration:
    """How an image came to where it is, from the world to the image's own coordinates, for the report.

    A transform that bends is described by its linear part and, on a lattice over the grid ``around``, displacements.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return identity_registration("not moved")
    placed, own = placed_volume(node)[0], native_volume(node)
    world_to_image = own.ijk_to_ras @ np.linalg.inv(placed.ijk_to_ras)
    found = given_registration(world_to_image, f"transform node '{transform.GetName()}'")
    if bends(node):
        field = displacements(world_to_node(node), world_to_image, around or placed.grid)
        found = replace(found, displacement=field)
    quality = noted_quality(transform)
    return found.with_quality(quality) if quality is not None else found


def _drawn_for(movingNode: Any) -> Any:
    """The segments drawn for a visit's own images, None where there are none."""
    visit = image_row(movingNode).visit
    nodes = [movingNode, *(row.node for row in image_rows() if visit and row.visit == visit)]
    return next((drawn for node in nodes if (drawn := node.GetNodeReference(SEGMENTATION_ROLE)) is not None), None)


def _with_patient(volume: Volume, node: Any) -> Volume:
    """The volume with what its node knows of the patient, so that two patients are not registered."""
    return replace(volume, provenance={**volume.provenance, "patient_id": patient_of(node)})


def _liver_mask(segmentationNode: Any, grid: Grid) -> np.ndarray | None:
    """The liver on a grid, bool [k, j, i]; None without a liver there."""
    named, _, _ = recognised(segmentation_from_node(segmentationNode))
    livers = [segment for segment in named.having(structure="liver") if segment.voxel_count]
    if len(livers) != 1:
        return None
    mask = resampled(livers[0], named.grid, grid).full_mask(grid.shape)
    return mask if mask.any() else None
