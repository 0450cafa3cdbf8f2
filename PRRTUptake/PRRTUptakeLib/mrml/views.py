"""What the slice views show: CT below, the measured image warm above it with its units, the visit's own segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from PRRTUptakeLib.imaging.shown_range import nearly_highest
from PRRTUptakeLib.mrml.images import ANATOMY, LOBE_PLANE_ROLE, MEASURED, SEGMENTATION_ROLE, image_row, image_rows
from PRRTUptakeLib.mrml.own_segments import visit_of_segments
from PRRTUptakeLib.mrml.segmentations import STRUCTURE_TAG, image_to_world, tag
from PRRTUptakeLib.mrml.session import is_headless, session
from PRRTUptakeLib.mrml.session_alignment import ct_of_session
from PRRTUptakeLib.mrml.volumes import linear_parent_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREGROUND_OPACITY = 0.4
_WARM = ("vtkMRMLPETProceduralColorNodePET-Heat", "vtkMRMLColorTableNodeIron")
_MARGIN = 1.25  # of the liver's size, that its surroundings are seen too
_READABLE = {"Bq/ml": "Bq/mL", "g/ml{SUVbw}": "SUVbw g/mL"}
# Axes of the views as columns, RAS: across, up, out of the screen; the patient's right is at the screen's left.
_VIEW_AXES = {
    "Red": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "Yellow": ((0, 0, 1), (-1, 0, 0), (0, 1, 0)),
    "Green": ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
}
KEPT_VISIBLE_ATTRIBUTE = "PRRT.Isodoses"  # segmentations with it are no contours: visits do not hide them


def show_image(image: Any, segmentation: Any = None, plane: Any = None, colours: bool = True) -> None:
    """Show an image on the CT or MRI of its visit in every slice view, with the segments and plane that go with it.

    Segments and planes of other visits are hidden, none is changed. Without slice views only the displays are set.

    Parameters
    ----------
    image : vtkMRMLScalarVolumeNode.
    segmentation : segments to show; those that the image names as its own by default.
    plane : markups node that parts the lobes; the one that the segments name by default.
    colours : give the image warm colours and a scale from 0; not for one that has its own, as a dose map.
    """
    own = image.GetNodeReference(SEGMENTATION_ROLE)
    segmentation = own if own is not None else segmentation
    if plane is None and segmentation is not None:
        plane = segmentation.GetNodeReference(LOBE_PLANE_ROLE)
    if colours:
        warm_colours(image)
    show_colour_bar(image)
    show_layers(anatomy_of(image, segmentation), image)
    show_only(segmentation, plane)
    if segmentation is not None:
        fit_to_liver(segmentation)


def show_scene() -> None:
    """Show the first measured image of the scene; a headless scene gets the views that the application opens with."""
    if is_headless():
        _add_slice_views()
    measured = [row.node for row in image_rows() if row.role == MEASURED]
    if measured:
        show_image(measured[0])


def _add_slice_views() -> None:
    """The three slice views of Slicer's layouts: a bundle that is written without the application then shows images."""
    scene = session()
    known = {node.GetLayoutName() for node in _nodes("vtkMRMLSliceNode")}
    for name, axes in _VIEW_AXES.items():
        if name in known:
            continue
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetLayoutName(name)
            node.SetName(name)
            node = scene.AddNode(node)
            if kind == "vtkMRMLSliceNode":
                node.SetDimensions(300, 300, 1)
                for row in range(3):
                    for column in range(3):
                        node.GetSliceToRAS().SetElement(row, column, axes[row][column])
                node.UpdateMatrices()


def anatomy_of(image: Any, segmentation: Any = None) -> Any:
    """What is below an image: the CT of its session, else CT or MRI of its visit, or of that of the segments."""
    ct = ct_of_session(image)
    if ct is not None:
        return ct
    visits = [image_row(image).visit]
    if segmentation is not None:
        visits.append(visit_of_segments(segmentation))
    rows = [row for row in image_rows() if row.role == ANATOMY and row.node is not image]
    found = [row.node for visit in visits for row in rows if visit and row.visit == visit]
    return next(iter(found), rows[0].node if rows else None)


def warm_colours(image: Any) -> None:
    """Colours from black over red to white, scaled from 0 to nearly the image's maximum."""
    display = image.GetDisplayNode()
    if display is None:
        image.CreateDefaultDisplayNodes()
        display = image.GetDisplayNode()
    node = next((found for one in _WARM if (found := session().GetNodeByID(one)) is not None), None)
    if node is not None:
        display.SetAndObserveColorNodeID(node.GetID())
    data = image.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None:
        return
    top = nearly_highest(vtk_to_numpy(data.GetPointData().GetScalars()))
    if top > 0:
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, top)


def show_colour_bar(image: Any) -> Any:
    """A bar of the image's colours with quantity and units in the views; bars of other images are taken away."""
    scene, units = session(), image.GetVoxelValueUnits()
    for other in _nodes("vtkMRMLColorLegendDisplayNode"):
        other.SetVisibility(False)
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(image)
    if legend is None:
        return None
    code = units.GetCodeValue() if units is not None else ""
    legend.SetTitleText(_READABLE.get(code, code))
    legend.SetVisibility(True)
    legend.SetSaveWithScene(scene is not None)
    return legend


def show_layers(background: Any, foreground: Any, opacity: float = FOREGROUND_OPACITY) -> None:
    """Put two volumes into every slice view; without a background the image itself is there."""
    below = background if background is not None else foreground
    for composite in _nodes("vtkMRMLSliceCompositeNode"):
        composite.SetBackgroundVolumeID(below.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if background is not None else None)
        composite.SetForegroundOpacity(opacity if background is not None else 0.0)


def show_only(segmentation: Any, plane: Any = None) -> None:
    """Hide all segmentations, planes and curves but these."""
    for node in _nodes("vtkMRMLSegmentationNode"):
        if node.GetAttribute(KEPT_VISIBLE_ATTRIBUTE) is None:
            _set_visible(node, node is segmentation)
    cuts = (*_nodes("vtkMRMLMarkupsPlaneNode"), *_nodes("vtkMRMLMarkupsCurveNode"))
    for node in cuts:
        _set_visible(node, node is plane)
    if segmentation is not None and segmentation.GetDisplayNode() is not None:
        segmentation.GetDisplayNode().SetOpacity2DFill(0.15)  # the uptake below stays readable


def fit_to_liver(segmentation: Any) -> None:
    """Centre every slice view on the liver and enlarge it to the view; on all segments where there is no liver."""
    box = liver_box(segmentation)
    if box is None:
        return
    centre, size = (box[0] + box[1]) / 2, (box[1] - box[0]) * _MARGIN
    for view in _nodes("vtkMRMLSliceNode"):
        view.JumpSliceByCentering(*centre)
        width, height, _depth = view.GetDimensions()
        if not (width and height):
            continue
        matrix = view.GetSliceToRAS()
        axes = [np.array([matrix.GetElement(row, column) for row in range(3)]) for column in (0, 1)]
        wide, high = (float(np.abs(axis / max(np.linalg.norm(axis), 1e-9)) @ size) for axis in axes)
        vertical = max(high, wide * height / width)
        view.SetFieldOfView(vertical * width / height, vertical, view.GetFieldOfView()[2])


def liver_box(segmentation: Any) -> np.ndarray | None:
    """Least and largest corner of the liver, float64 (2, 3) in world coordinates (RAS mm); None without a segment."""
    core = segmentation.GetSegmentation()
    found = {identifier: core.GetSegment(identifier) for identifier in core.GetSegmentIDs()}
    livers = [one for one, segment in found.items() if _is_liver(segment)]
    corners = [box for one in livers or found if (box := _corners(segmentation, one)) is not None]
    if not corners:
        return None
    points = np.concatenate(corners)
    parent = segmentation.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        matrix = linear_parent_matrix(segmentation)
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
    return np.array([points.min(axis=0), points.max(axis=0)])


def _is_liver(segment: Any) -> bool:
    return "liver" in (tag(segment, STRUCTURE_TAG), segment.GetName().lower())


def _corners(segmentation: Any, identifier: str) -> np.ndarray | None:
    """The eight corners of a segment's labelmap in the segmentation's own coordinates."""
    image = segmentation.GetBinaryLabelmapInternalRepresentation(identifier)
    if image is None or image.GetNumberOfPoints() == 0:
        return None
    extent, matrix = _extent(image, segmentation.GetSegmentation().GetSegment(identifier)), image_to_world(image)
    if extent is None:
        return None
    ijk = np.array([[i, j, k] for i in extent[0] for j in extent[1] for k in extent[2]], dtype=np.float64)
    return np.asarray(ijk @ matrix[:3, :3].T + matrix[:3, 3])


def _extent(image: Any, segment: Any) -> list[tuple[int, int]] | None:
    """First and last i, j, k of a segment in a labelmap that it may share with others."""
    scalars = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    inside = scalars == segment.GetLabelValue()
    bounds, first = [], image.GetExtent()[::2]
    for axis, others in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2))):
        places = np.flatnonzero(inside.any(axis=others))
        if not places.size:
            return None
        start = first[2 - axis]
        bounds.append((int(places[0]) + start, int(places[-1]) + start))
    return bounds


def _set_visible(node: Any, visible: bool) -> None:
    for number in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(number)
        if display is not None and bool(display.GetVisibility()) != visible:
            display.SetVisibility(visible)


def _nodes(kind: str) -> Iterator[Any]:
    found = session().GetNodesByClass(kind)
    nodes = [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]
    found.UnRegister(None)
    return iter(nodes)
