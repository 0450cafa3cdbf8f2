"""Transform nodes that bend space, from our registration or another tool: images stay whole, points are carried."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import hardened_motion, linear_parent_matrix, native_volume, numpy_matrix, vtk_matrix
from PRRTUptakeLib.uptake.mapping import affine

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.study.placement import Placement
    from PRRTUptakeLib.uptake.mapping import PointMap

EXACT_ATTRIBUTE = "PRRT.WorldToImage"  # of a registration's transform, every digit
_CORNER_mm = 80.0
_SAME_mm = 1e-6
_TOGETHER_mm = 0.01  # what belongs together may be apart by no more: rounding of files, never a motion
_FIT_POINTS = 7  # points along each side of an image, to which the linear part of a bent transform is fitted


def bends(node: Any) -> bool:
    """Whether a node is under a transform that is not linear."""
    parent = node.GetParentTransformNode()
    return parent is not None and not parent.IsTransformToWorldLinear()


def world_to_node(node: Any) -> PointMap:
    """Function of world points (n, 3), RAS mm, to the node's own coordinates, through any parent transform."""
    return _points_through(node.GetParentTransformNode(), "GetTransformFromWorld")


def placed_volume(node: Any) -> tuple[Volume, PointMap | None]:
    """An image as it is in the world, and how its transform bends.

    Returns
    -------
    The volume, moved by its transform (by the linear part of one that bends; no voxel is changed), and the function
    that carries world points (n, 3) to where this moved volume shows them; None for a linear transform.

    Raises
    ------
    NodeError
        If there is no image, or its transform flattens it.
    """
    own = native_volume(node)
    if not bends(node):
        return replace(own, ijk_to_ras=linear_parent_matrix(node) @ own.ijk_to_ras), None
    matrix = _linear_part(node, own.grid)
    to_node, to_place = world_to_node(node), affine(matrix)
    return replace(own, ijk_to_ras=matrix @ own.ijk_to_ras), lambda points: to_place(to_node(points))


def node_to_node(source: Any, target: Any) -> np.ndarray | PointMap:
    """From one node's own coordinates to another's (None: the world): a 4x4, or a function of points where it bends."""
    if target is not None and source.GetTransformNodeID() == target.GetTransformNodeID():
        return np.eye(4)
    if not bends(source) and (target is None or not bends(target)):
        to_target = np.eye(4) if target is None else _world_to_image(target)
        return np.asarray(to_target @ linear_parent_matrix(source))
    out = _points_through(source.GetParentTransformNode(), "GetTransformToWorld")
    back = _points_through(None, "") if target is None else world_to_node(target)
    return lambda points: back(out(points))


def segments_to_image(segmentationNode: Any, segments: Grid, imageNode: Any) -> Placement | None:
    """From the segments' own coordinates to the image's own, through whatever transforms are above both.

    Parameters
    ----------
    segments : the grid of the segments in their own coordinates, over which one that bends is made linear.

    Returns
    -------
    None if both are moved alike.

    Raises
    ------
    NodeError
        If a transform flattens what it moves.
    """
    from PRRTUptakeLib.study.placement import Placement  # not at file scope: panels come here when they open

    if segmentationNode.GetTransformNodeID() == imageNode.GetTransformNodeID():
        return None
    if not bends(segmentationNode) and not bends(imageNode):
        matrix = _world_to_image(imageNode) @ linear_parent_matrix(segmentationNode)
        return None if np.allclose(matrix, np.eye(4), rtol=0.0, atol=_SAME_mm) else Placement(matrix=matrix)
    to_world = _linear_part(segmentationNode, segments)
    matrix = np.linalg.inv(_linear_part(imageNode, native_volume(imageNode).grid)) @ to_world
    out = _points_through(segmentationNode.GetParentTransformNode(), "GetTransformToWorld")
    back = world_to_node(imageNode)
    return Placement(matrix=matrix, points=lambda points: back(out(points)))


def _world_to_image(node: Any) -> np.ndarray:
    """4x4, with every digit where the transform is a registration of ours that nothing was changed of since."""
    to_world = linear_parent_matrix(node)
    parent = node.GetParentTransformNode()
    text = parent.GetAttribute(EXACT_ATTRIBUTE) if parent is not None else None
    if text and parent.GetParentTransformNode() is None:
        exact = np.array(json.loads(text), dtype=np.float64)
        if np.allclose(to_world @ exact, np.eye(4), rtol=0.0, atol=_SAME_mm):
            return exact
    return np.linalg.inv(to_world)


def require_together(segmentationNode: Any, geometry: np.ndarray, imageNode: Any) -> None:
    """Refuse segments and an image of one visit that are not moved alike: by transforms above them, or hardened.

    Parameters
    ----------
    geometry : 4x4 of the segments, voxel indices to their own coordinates, as it is now.

    Raises
    ------
    NodeError
        Naming both and what moves each.
    """
    image_matrix = _own_matrix(imageNode)
    motions = [hardened_motion(segmentationNode, geometry), hardened_motion(imageNode, image_matrix)]
    volume = native_volume(imageNode)
    ends = [np.linspace(0.0, n - 1.0, 3) for n in volume.array.shape[::-1]]
    corners = volume.grid.to_ras(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
    start = affine(np.linalg.inv(motions[1]))(corners)  # where they were before anything was hardened
    moved = [
        _points_through(node.GetParentTransformNode(), "GetTransformToWorld")(affine(motion)(start))
        for node, motion in zip((segmentationNode, imageNode), motions, strict=True)
    ]
    apart = float(np.abs(moved[0] - moved[1]).max())
    if apart <= _TOGETHER_mm:
        return
    words = [
        f"'{node.GetName()}' is {_motion_words(node, motion)}"
        for node, motion in zip((segmentationNode, imageNode), motions, strict=True)
    ]
    raise NodeError(
        f"{' but '.join(words)}, {apart:.1f} mm apart, though the segments were drawn on this visit: put both under "
        "the same transform."
    )


def _motion_words(node: Any, motion: np.ndarray) -> str:
    parent = node.GetParentTransformNode()
    above = f"under the transform '{parent.GetName()}'" if parent is not None else "under no transform"
    return above if np.array_equal(motion, np.eye(4)) else f"{above} and was moved in its own geometry"


def _own_matrix(node: Any) -> np.ndarray:
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return numpy_matrix(matrix)


def node_from_registration(registration: Registration, movingNode: Any, node: Any = None) -> Any:
    """A transform node that moves an image, without its present transform, to where the fixed image shows it.

    Parameters
    ----------
    registration : fixed to moving, as the moving image is in the world now.
    movingNode : its parent transform, if any, is taken into account; it must be linear.
    node : transform node to overwrite; one of the other kind (linear, bent) is replaced.
    """
    to_world = registration.moving_to_fixed @ linear_parent_matrix(movingNode)
    kind = "vtkMRMLLinearTransformNode" if registration.displacement is None else "vtkMRMLTransformNode"
    if node is not None and node.GetClassName() != kind:
        session().RemoveNode(node)
        node = None
    node = node or session().AddNewNodeByClass(kind)
    node.SetAndObserveTransformNodeID(None)
    exact = registration.displacement is None and movingNode.GetParentTransformNode() is None
    text = json.dumps(np.asarray(registration.fixed_to_moving).tolist()) if exact else None
    node.SetAttribute(EXACT_ATTRIBUTE, text)
    if registration.displacement is None:
        node.SetMatrixTransformToParent(vtk_matrix(to_world))
    else:
        _read_bent(replace(registration, fixed_to_moving=np.linalg.inv(to_world)), node)
    return node


def _read_bent(registration: Registration, node: Any) -> None:
    """Through a file, as from any other tool: the node then holds what it would hold after saving and loading."""
    import SimpleITK as sitk  # not at file scope: panels come here when they open

    storage = slicer.vtkMRMLTransformStorageNode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registration.h5"
        sitk.WriteTransform(registration.to_itk(), str(path))
        storage.SetFileName(str(path))
        if not storage.ReadData(node):
            raise NodeError("The deformable registration could not be put into the scene: register rigidly.")


def _linear_part(node: Any, own: Grid) -> np.ndarray:
    """4x4 from a node's coordinates to the world, by least squares over its grid."""
    ends = [np.linspace(0.0, n - 1.0, _FIT_POINTS) for n in own.shape[::-1]]
    points = own.to_ras(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
    world = _points_through(node.GetParentTransformNode(), "GetTransformToWorld")(points)
    fit, *_ = np.linalg.lstsq(np.c_[points, np.ones(len(points))], world, rcond=None)
    matrix = np.eye(4)
    matrix[:3] = fit.T
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-6:
        name = node.GetParentTransformNode().GetName()
        raise NodeError(f"The transform '{name}' flattens '{node.GetName()}': choose another one.")
    return matrix


def fingerprint(transform: Any) -> np.ndarray:
    """Where a transform node puts points about the middle of the world, (8, 3) RAS mm: changes when it is changed."""
    corners = np.stack(np.meshgrid(*[[-_CORNER_mm, _CORNER_mm]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return _points_through(transform, "GetTransformFromWorld")(corners)


def _points_through(transform: Any, direction: str) -> PointMap:
    """Function of points (n, 3) through a transform node; None leaves them where they are."""
    general = vtkGeneralTransform()
    if transform is not None:
        getattr(transform, direction)(general)

    def propagated(points: np.ndarray) -> np.ndarray:
        given, found = vtkPoints(), vtkPoints()
        given.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64), deep=True))
        found.SetDataTypeToDouble()
        general.TransformPoints(given, found)
        return np.array(vtk_to_numpy(found.GetData()), dtype=np.float64)

    return propagated
