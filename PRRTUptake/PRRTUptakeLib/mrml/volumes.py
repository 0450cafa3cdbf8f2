"""Scalar volume nodes to `Volume` and back; quantity, units, reference time and provenance travel with the node."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from PRRTUptakeLib.imaging.shown_range import shown_range
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session import is_headless, session

# Quantity: words of the science layer -> code value, scheme, meaning (DICOM PS3.16 CID 7180).
QUANTITY_CODES = {
    "activity concentration": ("110821", "DCM", "Nuclear Medicine Tomographic Activity"),
    "attenuation": ("112031", "DCM", "Attenuation Coefficient"),
    "absorbed dose": ("128513", "DCM", "Absorbed Dose"),
    "SUVbw": ("126401", "DCM", "SUVbw"),
    "SUVlbm": ("126402", "DCM", "SUVlbm"),
    "SUVbsa": ("126403", "DCM", "SUVbsa"),
    "SUVibw": ("126404", "DCM", "SUVibw"),
    "SUVlbm(James128)": ("126405", "DCM", "SUVlbm(James128)"),
    "SUVlbm(Janma)": ("126406", "DCM", "SUVlbm(Janma)"),
}
_QUANTITY_OF_CODE = {code[0]: quantity for quantity, code in QUANTITY_CODES.items()}
_UNIT_SPELLINGS = {"{SUVbw}g/ml": "g/ml{SUVbw}"}  # the older form, written by earlier Slicer versions

QUANTITY_ATTRIBUTE = "PRRT.Quantity"
REFERENCE_TIME_ATTRIBUTE = "PRRT.ReferenceTime"
PROVENANCE_ATTRIBUTE = "PRRT.Provenance"
OUTSIDE_ATTRIBUTE = "PRRT.OutsideField"  # voxels in which nothing was measured, packed
GEOMETRY_ATTRIBUTE = "PRRT.IjkToRas"  # as it was read, every digit: nodes keep directions and spacing apart
VIRTUAL_BRANCH = "VirtualBranch"  # the level of subject hierarchy items below one node
HOUNSFIELD = "[hnsf'U]"
_SAME_mm = 1e-4  # what a scene's file keeps of a matrix


def node_from_volume(volume: Volume, name: str, node: Any = None, shared: bool = False) -> Any:
    """Put a `Volume` into the scene.

    Parameters
    ----------
    volume : the image.
    name : the node's name.
    node : an existing vtkMRMLScalarVolumeNode to overwrite; a new one is made if None.
    shared : whether the node shows the array itself, not a copy: for a scene that nobody edits.

    Returns
    -------
    The vtkMRMLScalarVolumeNode with voxel quantity, units and the PRRT attributes set: float32, or int16 for a CT of
    whole Hounsfield units and what is compact, as Slicer loads them, which takes half of the memory and of the bundle.
    """
    if node is None:
        node = session().AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetName(name)
    image = vtkImageData()
    image.SetDimensions(*volume.array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(_scalars(volume).ravel(), deep=not shared))
    node.SetIJKToRASMatrix(vtk_matrix(volume.ijk_to_ras))
    keep_geometry(node, volume.ijk_to_ras)
    node.SetAndObserveImageData(image)
    set_quantity_and_units(node, volume.quantity, volume.units)
    time = volume.reference_time.isoformat() if volume.reference_time else None
    node.SetAttribute(REFERENCE_TIME_ATTRIBUTE, time)
    node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(dict(volume.provenance)) if volume.provenance else None)
    node.SetAttribute(OUTSIDE_ATTRIBUTE, _packed(volume.outside_field))
    if node.GetDisplayNode() is None:
        _add_display(node, volume)
    ensure_subject_hierarchy_item(node)
    return node


def _add_display(node: Any, volume: Volume) -> None:
    """Show a CT in the abdomen's window and activity from 0 up; other images as Slicer finds best.

    Last, since panels look at an image when its display comes into the scene. The range is set before, because a
    display looks through the whole image for one of its own.
    """
    shown = shown_range(volume)
    if shown is None:
        node.CreateDefaultDisplayNodes()
        return
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(*shown)
    session().AddNode(display)
    display.SetDefaultColorMap()
    node.SetAndObserveDisplayNodeID(display.GetID())


def _scalars(volume: Volume) -> np.ndarray:
    if volume.units == HOUNSFIELD and not volume.compact:
        with np.errstate(invalid="ignore"):  # of what is no number, which the next line finds
            whole = volume.array.astype(np.int16)
        if np.array_equal(whole, volume.array):
            return whole
    return np.ascontiguousarray(volume.array)


def volume_from_node(node: Any) -> Volume:
    """Read a `Volume` from a scalar volume node; a linear parent transform is applied to its geometry.

    Raises
    ------
    NodeError
        If there is no node, it is empty, not scalar, or under a transform that is not linear.
    """
    own = native_volume(node)
    return replace(own, ijk_to_ras=linear_parent_matrix(node) @ own.ijk_to_ras)


def native_volume(node: Any) -> Volume:
    """Read a `Volume` from a scalar volume node in the node's own coordinates, without its parent transform.

    Raises
    ------
    NodeError
        If there is no node, it is empty, or not scalar.
    """
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        raise NodeError("No scalar volume is selected: choose an image.")
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise NodeError(f"The volume '{node.GetName()}' holds no image: load it again.")
    if image.GetNumberOfScalarComponents() != 1:
        raise NodeError(f"The volume '{node.GetName()}' is a colour image: choose one with a single value per voxel.")
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    quantity, units = quantity_and_units(node)
    time = node.GetAttribute(REFERENCE_TIME_ATTRIBUTE)
    provenance = node.GetAttribute(PROVENANCE_ATTRIBUTE)
    return Volume(
        array.astype(np.float32),
        exact_geometry(node, numpy_matrix(matrix)),
        quantity,
        units,
        datetime.fromisoformat(time) if time else None,
        json.loads(provenance) if provenance else {},
        outside_field=_unpacked(node.GetAttribute(OUTSIDE_ATTRIBUTE), array.shape),
    )


def _packed(outside: np.ndarray | None) -> str | None:
    """Flags [k, j, i] as text for an attribute: one bit each, deflated."""
    if outside is None:
        return None
    return base64.b64encode(zlib.compress(np.packbits(outside).tobytes())).decode("ascii")


def _unpacked(text: str | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Flags of an image of this shape; None without, or where the node holds an image of another size by now."""
    if not text:
        return None
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    count = int(np.prod(shape))
    if bits.size != (count + 7) // 8:
        return None
    return np.unpackbits(bits, count=count).reshape(shape).astype(bool)


def keep_geometry(node: Any, ijk_to_ras: np.ndarray) -> None:
    """Note on a node the 4x4 that it was made with, every digit."""
    node.SetAttribute(GEOMETRY_ATTRIBUTE, json.dumps(np.asarray(ijk_to_ras, dtype=np.float64).tolist()))


def kept_geometry(node: Any) -> np.ndarray | None:
    """The 4x4 that a node was made with; None for a node of another origin."""
    text = node.GetAttribute(GEOMETRY_ATTRIBUTE)
    return np.array(json.loads(text), dtype=np.float64) if text else None


def exact_geometry(node: Any, current: np.ndarray) -> np.ndarray:
    """The node's 4x4 with every digit, where it still has the geometry that it was made with; else the current one."""
    kept = kept_geometry(node)
    return kept if kept is not None and np.allclose(kept, current, rtol=0.0, atol=_SAME_mm) else current


def hardened_motion(node: Any, current: np.ndarray) -> np.ndarray:
    """The rigid motion (4x4, RAS mm) that was put into a node's own geometry since it was made; else the identity.

    A geometry that was replaced by another one (resampled, cropped) is no motion.
    """
    kept = kept_geometry(node)
    if kept is None or np.allclose(kept, current, rtol=0.0, atol=_SAME_mm):
        return np.eye(4)
    motion = current @ np.linalg.inv(kept)
    turn = motion[:3, :3]
    is_rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0
    return motion if is_rigid else np.eye(4)


def linear_parent_matrix(node: Any) -> np.ndarray:
    """4x4 from the node's own coordinates to world (identity without a parent transform).

    Raises
    ------
    NodeError
        If the transform bends space: such a transform must be hardened first.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise NodeError(f"'{node.GetName()}' is under the non-linear transform '{parent.GetName()}': harden it first.")
    matrix = vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return numpy_matrix(matrix)


def vtk_matrix(matrix: np.ndarray) -> Any:
    """A vtkMatrix4x4 with the values of a 4x4 array."""
    result = vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=np.float64).ravel().tolist())
    return result


def numpy_matrix(matrix: Any) -> np.ndarray:
    """A 4x4 float64 array with the values of a vtkMatrix4x4."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def require_in_scene(*nodes: Any) -> None:
    """Check, after long work, that the user has not deleted a node or closed the scene meanwhile.

    Raises
    ------
    NodeError
        If a node is no longer in the scene.
    """
    for node in nodes:
        if node is not None and node.GetScene() is None:
            raise NodeError(f"'{node.GetName()}' was taken out of the scene meanwhile: nothing was changed.")


def ensure_subject_hierarchy_item(node: Any) -> int:
    """The node's subject hierarchy item, made if needed (the application makes it by itself, a headless scene not)."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session())
    return int(hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node))


def ensure_segment_items(node: Any) -> None:
    """Items of the segments below their segmentation; the application makes them by itself, a headless scene not.

    While it reads a scene the application makes none, so a scene that is written without it has to hold them.
    """
    if not is_headless():
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session())
    above, core = ensure_subject_hierarchy_item(node), node.GetSegmentation()
    attribute = node.GetSegmentIDAttributeName()
    hierarchy.RemoveItemChildren(above, False, True)
    for identifier in core.GetSegmentIDs():
        item = hierarchy.CreateHierarchyItem(above, core.GetSegment(identifier).GetName(), VIRTUAL_BRANCH)
        hierarchy.SetItemAttribute(item, attribute, identifier)
        hierarchy.SetItemOwnerPluginName(item, "Segments")


def set_quantity_and_units(node: Any, quantity: str, units: str) -> None:
    """Give what the voxel values of a volume node are, "" for what is not known."""
    if quantity in QUANTITY_CODES:
        node.SetVoxelValueQuantity(_coded(*QUANTITY_CODES[quantity]))
    if units:
        node.SetVoxelValueUnits(_coded(units, "UCUM", units))
    node.SetAttribute(QUANTITY_ATTRIBUTE, quantity or None)


def quantity_and_units(node: Any) -> tuple[str, str]:
    """Words of the quantity and UCUM units of a volume node, "" for what is missing."""
    quantity, units = node.GetVoxelValueQuantity(), node.GetVoxelValueUnits()
    word = node.GetAttribute(QUANTITY_ATTRIBUTE) or ""
    if not word and quantity is not None:
        word = _QUANTITY_OF_CODE.get(quantity.GetCodeValue(), quantity.GetCodeMeaning() or "")
    unit = (units.GetCodeValue() or "") if units is not None else ""
    return word, _UNIT_SPELLINGS.get(unit, unit)


def _coded(value: str, scheme: str, meaning: str) -> Any:
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, scheme, meaning)
    return entry
