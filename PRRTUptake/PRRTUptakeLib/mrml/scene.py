"""A measured patient as a scene: image, anatomy, segments, plane and table, named, under the patient's study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer

from PRRTUptakeLib.mrml.dicom_nodes import keep_injection
from PRRTUptakeLib.mrml.images import (
    LOBE_PLANE_ROLE,
    MEASURED,
    SEGMENTATION_ROLE,
    VISIT_ATTRIBUTE,
    describe_image,
    image_row,
)
from PRRTUptakeLib.mrml.planes import node_from_plane
from PRRTUptakeLib.mrml.results import result_chart
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.tables import table_from_measurements
from PRRTUptakeLib.mrml.volumes import node_from_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.model import VisitContents


def build_scene(patient: str, visits: Sequence[VisitContents], shared: bool = False) -> list[Any]:
    """Put the visits of one patient into the scene, each under its study; returns the segmentation nodes.

    ``shared`` images are not copied, for a scene that is only written.
    """
    segmentations = []
    for visit in visits:
        nodes = [node_from_volume(volume, name, shared=shared) for name, volume in visit.volumes]
        for node, (_, volume) in zip(nodes, visit.volumes, strict=True):
            _describe(node, volume, visit)
        if visit.segmentation is not None:
            segmentations.append(node_from_segmentation(visit.segmentation, f"Segments {visit.study}"))
            segmentations[-1].SetAttribute(VISIT_ATTRIBUTE, visit.visit or None)
            for node in nodes:
                if image_row(node).role == MEASURED:
                    node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentations[-1].GetID())
            nodes.append(segmentations[-1])
        if visit.plane is not None:
            nodes.append(node_from_plane(visit.plane, f"Lobe plane {visit.study}"))
            if visit.segmentation is not None:
                segmentations[-1].SetNodeReferenceID(LOBE_PLANE_ROLE, nodes[-1].GetID())
        if visit.isodoses is not None:
            nodes.append(node_from_segmentation(visit.isodoses, f"Isodoses {visit.study}"))
        if visit.rows:
            nodes.append(table_from_measurements(visit.rows, f"Measurements {visit.study}"))
            nodes += result_chart(nodes[-1])
        place_in_study(patient, visit.study, nodes)
    return segmentations


def empty_scene() -> None:
    """Remove all that is in the scene, shared pixels included.

    VTK keeps what Python hung on an array, such as pixels that it shares, until Python leaves another such array alone:
    so the arrays are held until they go themselves.
    """
    images = [node.GetImageData() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    arrays = [image.GetPointData().GetScalars() for image in images if image is not None]
    del images
    session().Clear(0)
    del arrays


def _describe(node: Any, volume: Volume, visit: VisitContents) -> None:
    """Note on a volume what its visit is called, and on activity and SUV how long before what was injected."""
    describe_image(node, visit=visit.visit)
    if image_row(node).role == MEASURED:
        describe_image(node, route=visit.route)
        keep_injection(node, visit.injection, volume.reference_time)


def place_in_study(patient: str, study: str, nodes: Sequence[Any]) -> None:
    """Move nodes under a study of a patient in the subject hierarchy, which are made where they are missing."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session())
    root = hierarchy.GetSceneItemID()
    above = hierarchy.GetItemChildWithName(root, patient) or hierarchy.CreateSubjectItem(root, patient)
    place = hierarchy.GetItemChildWithName(above, study) or hierarchy.CreateStudyItem(above, study)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(place, node)
        hierarchy.SetItemParent(item, place)


def take_out(nodes: Sequence[Any]) -> None:
    """Remove nodes, what only serves to show or store them, and the studies and patients that are empty then."""
    scene = session()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        above = hierarchy.GetItemParent(item) if item else 0
        if item:
            hierarchy.RemoveItemChildren(item, False, True)  # segments
            hierarchy.RemoveItem(item, False, False)  # the application does it by itself, a headless scene not
        for helper in _helpers(node):
            scene.RemoveNode(helper)
        scene.RemoveNode(node)
        while above and above != hierarchy.GetSceneItemID() and not hierarchy.GetNumberOfItemChildren(above):
            empty, above = above, hierarchy.GetItemParent(above)
            hierarchy.RemoveItem(empty)


def _helpers(node: Any) -> list[Any]:
    """Display and storage nodes of a node."""
    found = []
    if node.IsA("vtkMRMLDisplayableNode"):
        found += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        found += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [helper for helper in found if helper is not None]


def place_beside(node: Any, others: Sequence[Any], patient: str, study: str) -> None:
    """Move ``others`` under the study that ``node`` is in; where it is in none, all go under the study named."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session())
    item = hierarchy.GetItemByDataNode(node)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    place = hierarchy.GetItemAncestorAtLevel(item, level) if item else 0
    if not place:
        place_in_study(patient, study, [node, *others])
        return
    for other in others:
        own = hierarchy.GetItemByDataNode(other) or hierarchy.CreateItem(place, other)
        if not hierarchy.GetItemAncestorAtLevel(own, level):  # what is in a study stays there: segments of an MRI
            hierarchy.SetItemParent(own, place)
