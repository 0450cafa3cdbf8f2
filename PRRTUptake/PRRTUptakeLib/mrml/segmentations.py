"""Segmentation nodes to `Segmentation` and back: PRRT tags, terminology, colours; no closed surface is built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_UNSIGNED_CHAR
from vtkmodules.vtkCommonCore import reference
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from PRRTUptakeLib.imaging.file_checks import check_nrrd
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import (
    ensure_segment_items,
    ensure_subject_hierarchy_item,
    exact_geometry,
    keep_geometry,
    linear_parent_matrix,
    numpy_matrix,
    vtk_matrix,
)
from PRRTUptakeLib.segmentation.codes import TERMINOLOGY_TAG, parse_terminology, structures_of, terminology_entry
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

ROLE_TAG, LOBE_TAG, LESION_TAG, STRUCTURE_TAG = "PRRT.Role", "PRRT.Lobe", "PRRT.LesionID", "PRRT.Structure"
_OWN_TAGS = (ROLE_TAG, LOBE_TAG, LESION_TAG, STRUCTURE_TAG)
REASON_TAG, SIZE_TAG = "PRRT.Reason", "PRRT.Size"
_NOTE_TAGS = (REASON_TAG, SIZE_TAG, "PRRT.Flag", "PRRT.Nudge")
# Segments cannot list their tags in Python, so those that are kept are named here.
_KNOWN_TAGS = (*_OWN_TAGS, TERMINOLOGY_TAG, "Segmentation.Status", *_NOTE_TAGS)
_BINARY_LABELMAP = "Binary labelmap"
_MOST_LABELS = 255  # in one labelmap of bytes


def node_from_segmentation(segmentation: Segmentation, name: str, node: Any = None) -> Any:
    """Put a `Segmentation` into the scene.

    Parameters
    ----------
    segmentation : segments on one grid.
    name : the node's name.
    node : an existing vtkMRMLSegmentationNode whose segments are replaced; a new one is made if None.

    Returns
    -------
    The vtkMRMLSegmentationNode, binary labelmaps only, reference geometry and tags set.
    """
    if node is None:
        node = session().AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetName(name)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    core = node.GetSegmentation()
    places = _shared_labelmaps(segmentation)
    made = [(_vtk_segment(one, *place), one.name) for one, place in zip(segmentation, places, strict=True)]
    ensure_subject_hierarchy_item(node)  # before, so that its segments get items below it
    modified = node.StartModify()  # one event at the end: in Slicer every single one redraws views and hierarchy
    try:
        core.RemoveAllSegments()
        core.SetConversionParameter("Reference image geometry", _serialized(segmentation.grid))
        keep_geometry(node, segmentation.grid.ijk_to_ras)
        for segment, identifier in made:
            core.AddSegment(segment, identifier)
    finally:
        node.EndModify(modified)
    ensure_segment_items(node)
    return node


def segmentation_from_node(node: Any) -> Segmentation:
    """Read a `Segmentation` from a node as it is now, edits included; a linear parent transform is applied.

    Raises
    ------
    NodeError
        As `native_segmentation`, or if its parent transform bends.
    """
    own = native_segmentation(node)
    world = Grid(own.grid.shape, linear_parent_matrix(node) @ own.grid.ijk_to_ras)
    return Segmentation(world, own.segments)


def native_segmentation(node: Any) -> Segmentation:
    """Read a `Segmentation` from a node in the node's own coordinates, without its parent transform.

    Raises
    ------
    NodeError
        If there is no node or no segment, a segment has no binary labelmap, or the segments lie on different grids.
    """
    if node is None or not node.IsA("vtkMRMLSegmentationNode"):
        raise NodeError("No segmentation is selected: choose the one that holds liver and lesions.")
    core = node.GetSegmentation()
    if core.GetNumberOfSegments() == 0:
        raise NodeError(f"The segmentation '{node.GetName()}' has no segments: draw or load the liver first.")
    if not core.ContainsRepresentation(_BINARY_LABELMAP):
        raise NodeError(f"The segmentation '{node.GetName()}' has no binary labelmap: create that first.")
    grid, first = _grid(node)
    segments = []
    for identifier in core.GetSegmentIDs():
        segment = core.GetSegment(identifier)
        image = node.GetBinaryLabelmapInternalRepresentation(identifier)
        segments.append(_science_segment(segment, image, first, grid, node.GetName()))
    return Segmentation(grid, tuple(segments))


def segmentation_grid(node: Any) -> Grid:
    """The grid of the node's own coordinates that holds its image and all that is drawn."""
    return _grid(node)[0]


def segmentation_geometry(node: Any) -> np.ndarray:
    """4x4 from voxel indices to the node's own coordinates, as its labelmaps have it now."""
    grid, first = _grid(node)
    return np.asarray(grid.ijk_to_ras @ _shift(-first))


def read_segmentation_file(path: Path) -> Segmentation:
    """Read a ``.seg.nrrd`` file, whatever Slicer version wrote it.

    Raises
    ------
    ImagingError
        If the file is damaged or cut short.
    NodeError
        If the file is not a segmentation that Slicer can read.
    """
    if path.is_file() and path.name.lower().endswith(".nrrd"):
        check_nrrd(path)  # the reader trusts the header, and a damaged one ends the process
    node = session().AddNewNodeByClass("vtkMRMLSegmentationNode", path.stem)
    storage = session().AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    try:
        storage.SetFileName(str(path))
        if not path.is_file() or not storage.ReadData(node):
            raise NodeError(f"{path} is not a segmentation that can be read: give a .seg.nrrd file.")
        return segmentation_from_node(node)
    finally:
        session().RemoveNode(storage)
        session().RemoveNode(node)


def write_segmentation_file(node: Any, path: Path) -> None:
    """Write a segmentation node as ``.seg.nrrd``.

    Raises
    ------
    NodeError
        If the file cannot be written.
    """
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not the node's own: that says where the user keeps it
    storage.SetFileName(str(path))
    if not storage.WriteData(node):
        raise NodeError(f"The segmentation '{node.GetName()}' could not be written to {path}: is the disk full?")


def segment_centre(node: Any, name: str) -> np.ndarray:
    """Centre of the voxels of a segment, RAS mm in world coordinates.

    Raises
    ------
    NodeError
        If there is no segment of this name, or it is empty.
    """
    core = node.GetSegmentation()
    identifier = core.GetSegmentIdBySegmentName(name)
    centre = node.GetSegmentCenterRAS(identifier) if identifier else None
    if centre is None:
        raise NodeError(f"'{node.GetName()}' has no segment '{name}' any more: measure again.")
    return np.array(centre)


def tag(segment: Any, name: str) -> str:
    """The value of a segment's tag, "" if it has none."""
    value = reference("")
    return str(value) if segment.GetTag(name, value) else ""


def _shared_labelmaps(segmentation: Segmentation) -> list[tuple[Any, int]]:
    """A labelmap and a value in it for each segment: those that do not overlap share one, which makes smaller files.

    Slicer's own CollapseBinaryLabelmaps finds the same by images of the whole grid, which takes ten times as long.
    """
    layers: list[list[Segment]] = []
    places = []
    for segment in segmentation:
        number = next((n for n, layer in enumerate(layers) if _has_room(layer, segment)), len(layers))
        if number == len(layers):
            layers.append([])
        layers[number].append(segment)
        places.append((number, len(layers[number])))
    images = [_labelmap(layer, segmentation.grid) for layer in layers]
    return [(images[number], label) for number, label in places]


def _has_room(layer: Sequence[Segment], segment: Segment) -> bool:
    return len(layer) < _MOST_LABELS and not any(_overlap(one, segment) for one in layer)


def _overlap(one: Segment, other: Segment) -> bool:
    if not one.mask.size or not other.mask.size:
        return bool(one.mask.size == other.mask.size)  # empty ones have a labelmap of their own
    low = np.maximum(one.origin, other.origin)
    high = np.minimum(np.add(one.origin, one.mask.shape), np.add(other.origin, other.mask.shape))
    if (low >= high).any():
        return False
    first, second = (
        part.mask[tuple(slice(a - o, b - o) for a, b, o in zip(low, high, part.origin, strict=True))]
        for part in (one, other)
    )
    return bool((first & second).any())


def _labelmap(layer: Sequence[Segment], grid: Grid) -> Any:
    """An image around segments that do not overlap, whose values are 1, 2, ... in their order."""
    low = np.min([one.origin for one in layer], axis=0)
    high = np.max([np.add(one.origin, one.mask.shape) for one in layer], axis=0)
    values = np.zeros(high - low, dtype=np.uint8)
    for label, one in enumerate(layer, start=1):
        first = np.array(one.origin) - low
        values[tuple(slice(a, a + n) for a, n in zip(first, one.mask.shape, strict=True))][one.mask] = label
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(int(n) for pair in zip(low[::-1], high[::-1] - 1, strict=True) for n in pair))
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True, array_type=VTK_UNSIGNED_CHAR))
    image.SetImageToWorldMatrix(vtk_matrix(grid.ijk_to_ras))
    return image


def _vtk_segment(segment: Segment, image: Any, label: int) -> Any:
    result = slicer.vtkSegment()
    result.SetName(segment.name)
    result.SetColor(*segment.color)
    result.SetNameAutoGenerated(False)
    result.SetColorAutoGenerated(False)
    for key, value in segment.tags.items():
        result.SetTag(key, value)
    entry = parse_terminology(segment.tags.get(TERMINOLOGY_TAG, ""))
    said = {item.key for item in structures_of(entry)} if entry is not None else set()
    if segment.structure and segment.structure not in said:  # what Slicer gives to a new segment says nothing
        result.SetTag(TERMINOLOGY_TAG, terminology_entry(segment.structure))
    own = (segment.role, segment.lobe, segment.lesion_id, segment.structure)
    for key, value in zip(_OWN_TAGS, own, strict=True):
        if value:
            result.SetTag(key, value)
    result.AddRepresentation(_BINARY_LABELMAP, image)
    result.SetLabelValue(label)
    return result


def _science_segment(segment: Any, image: Any, first: np.ndarray, grid: Grid, owner: str) -> Segment:
    tags = _tags(segment)
    name = segment.GetName()
    labels: dict[str, Any] = {
        "role": tags.pop(ROLE_TAG, ""),
        "lobe": tags.pop(LOBE_TAG, ""),
        "lesion_id": tags.pop(LESION_TAG, ""),
        "structure": tags.pop(STRUCTURE_TAG, ""),
        "color": tuple(segment.GetColor()),
        "tags": tags,
    }
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        return Segment(name, np.zeros((0, 0, 0), dtype=bool), **labels)
    if not np.allclose(image_to_world(image), grid.ijk_to_ras @ _shift(-first), atol=1e-3):
        raise NodeError(f"Segment '{name}' of '{owner}' is on another grid: resample it to the others' first.")
    extent = image.GetExtent()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    origin = np.array([extent[4], extent[2], extent[0]]) - first[::-1]
    inside = Segment(name, array == segment.GetLabelValue(), **labels).cropped()
    return inside.relabelled(origin=tuple(int(n) for n in np.array(inside.origin) + origin))


def _grid(node: Any) -> tuple[Grid, np.ndarray]:
    """The lattice of the node's labelmaps over all that is drawn and the reference image, and its first (i, j, k)."""
    core = node.GetSegmentation()
    reference = slicer.vtkOrientedImageData()
    text = core.GetConversionParameter("Reference image geometry")
    known = bool(text) and slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, reference, False)
    images = [node.GetBinaryLabelmapInternalRepresentation(identifier) for identifier in core.GetSegmentIDs()]
    drawn = [image for image in images if image is not None and image.GetNumberOfPoints() > 0]
    if known and (not drawn or np.allclose(image_to_world(reference), image_to_world(drawn[0]), atol=1e-3)):
        drawn.insert(0, reference)  # the whole image; otherwise the segments were drawn on another lattice
    if not drawn:
        raise NodeError(f"All segments of '{node.GetName()}' are empty: draw or load the liver first.")
    extents = np.array([image.GetExtent() for image in drawn])
    low, high = extents[:, ::2].min(axis=0), extents[:, 1::2].max(axis=0)
    depth, height, width = (int(n) for n in (high - low + 1)[::-1])
    base = exact_geometry(node, image_to_world(drawn[0]))
    return Grid((depth, height, width), base @ _shift(low) if low.any() else base), low


def _shift(ijk: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = ijk
    return matrix


def image_to_world(image: Any) -> np.ndarray:
    """4x4 from the voxel indices of a vtkOrientedImageData to the coordinates of its segmentation."""
    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return numpy_matrix(matrix)


def _serialized(grid: Grid) -> str:
    image = slicer.vtkOrientedImageData()
    depth, height, width = grid.shape
    image.SetExtent(0, width - 1, 0, height - 1, 0, depth - 1)
    image.SetImageToWorldMatrix(vtk_matrix(grid.ijk_to_ras))
    return str(slicer.vtkSegmentationConverter.SerializeImageGeometry(image))


def _tags(segment: Any) -> dict[str, str]:
    return {name: tag(segment, name) for name in _KNOWN_TAGS if segment.HasTag(name)}
