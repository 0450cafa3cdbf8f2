"""Markups planes: the cut between the lobes, as a node that the user can drag."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import NodeError, ensure_subject_hierarchy_item
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
