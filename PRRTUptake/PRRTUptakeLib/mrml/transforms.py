"""Transform nodes that bend space, from our registration or another tool: images stay whole, points are carried."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import NodeError, linear_parent_matrix, native_volume, vtk_matrix
from PRRTUptakeLib.uptake.mapping import affine

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.uptake.mapping import PointMap

_CORNER_mm = 80.0
_LATTICE = 7  # points along each side of an image, to which the linear part of a bent transform is fitted


def bends(node: Any) -> bool:
    """Whether a node lies under a transform that is not linear."""
    parent = node.GetParentTransformNode()
    return parent is not None and not parent.IsTransformToWorldLinear()


def world_to_node(node: Any) -> PointMap:
    """Function of world points (n, 3), RAS mm, to the node's own coordinates, through any parent transform."""
    return _points_through(node.GetParentTransformNode(), "GetTransformFromWorld")


def placed_volume(node: Any) -> tuple[Volume, PointMap | None]:
    """An image as it lies in the world, and how its transform bends.

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
    matrix = _linear_part(node, own)
    to_node, to_place = world_to_node(node), affine(matrix)
    return replace(own, ijk_to_ras=matrix @ own.ijk_to_ras), lambda points: to_place(to_node(points))


def from_world(node: Any) -> np.ndarray | PointMap:
    """From the world to an image's own coordinates: 4x4, or a function of points if its transform bends."""
    return world_to_node(node) if bends(node) else np.linalg.inv(linear_parent_matrix(node))


def node_from_registration(registration: Registration, movingNode: Any, node: Any = None) -> Any:
    """A transform node that moves an image, as it lies without it, to where the fixed image shows it.

    Parameters
    ----------
    registration : fixed to moving, as the moving image lies in the world now.
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


def _linear_part(node: Any, own: Volume) -> np.ndarray:
    """4x4 from the image's coordinates to the world, by least squares over the image."""
    ends = [np.linspace(0.0, n - 1.0, _LATTICE) for n in own.array.shape[::-1]]
    points = own.grid.to_ras(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
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
    general = vtk.vtkGeneralTransform()
    if transform is not None:
        getattr(transform, direction)(general)

    def propagated(points: np.ndarray) -> np.ndarray:
        given, found = vtk.vtkPoints(), vtk.vtkPoints()
        given.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64), deep=True))
        found.SetDataTypeToDouble()
        general.TransformPoints(given, found)
        return np.array(vtk_to_numpy(found.GetData()), dtype=np.float64)

    return propagated
