"""The cut between the lobes as a markups node that the user can drag: a plane, or points of a curved cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import ensure_subject_hierarchy_item
from PRRTUptakeLib.segmentation.lobes import Plane


def plane_from_node(node: Any) -> Plane:
    """Read a `Plane` from a vtkMRMLMarkupsPlaneNode, in world coordinates.

    Raises
    ------
    NodeError
        If there is no plane or it is not placed yet.
    """
    if node is None or not node.IsA("vtkMRMLMarkupsPlaneNode"):
        raise NodeError("No plane is selected: choose the markups plane that parts the liver.")
    if not node.GetIsPlaneValid():
        raise NodeError(f"The plane '{node.GetName()}' is not placed yet: click its points in a slice view.")
    return Plane(node.GetOriginWorld(), node.GetNormalWorld(), f"markups plane '{node.GetName()}'")


def cut_from_node(node: Any) -> Plane | np.ndarray:
    """What parts the lobes: a markups plane, or a curve or point list of at least three points for a curved cut.

    Returns
    -------
    A `Plane`, or the points, float64 (n, 3), RAS mm in world coordinates.

    Raises
    ------
    NodeError
        If there is no such node, or it is not placed.
    """
    if node is None or not node.IsA("vtkMRMLMarkupsNode") or node.IsA("vtkMRMLMarkupsPlaneNode"):
        return plane_from_node(node)
    count = node.GetNumberOfControlPoints()
    if count < 3:
        raise NodeError(f"The cut '{node.GetName()}' has {count} points: place at least three between the lobes.")
    return np.array([node.GetNthControlPointPositionWorld(n) for n in range(count)], dtype=np.float64)


def node_from_plane(plane: Plane, name: str, node: Any = None) -> Any:
    """Put a `Plane` into the scene; ``node`` is moved there where given."""
    if node is None:
        node = session().AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", name)
        node.SetPlaneType(node.PlaneTypePointNormal)
        node.SetSize(160.0, 160.0)
        node.SetSizeMode(node.SizeModeAbsolute)
    node.SetName(name)
    node.SetOriginWorld(*plane.origin_ras)
    node.SetNormalWorld(*plane.normal_ras)
    ensure_subject_hierarchy_item(node)
    return node


def show_in_all_views(node: Any) -> None:
    """Show a plane with handles in every slice and 3D view, whatever views it was shown in before."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.RemoveAllViewNodeIDs()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(True)
    display.SetHandlesInteractive(True)
