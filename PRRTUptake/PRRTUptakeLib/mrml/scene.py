"""A measured patient as a scene: image, anatomy, segments, plane and table, named, under the patient's study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer

from PRRTUptakeLib.mrml.planes import node_from_plane
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.tables import table_from_measurements
from PRRTUptakeLib.mrml.volumes import NodeError, node_from_volume
from PRRTUptakeLib.trial.rows import measurement_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.report.patient_report import ReportedVisit


@dataclass(frozen=True)
class VisitNodes:
    """The nodes of one visit; ``anatomy`` and ``plane`` are None where there is none."""

    image: Any
    anatomy: Any
    segmentation: Any
    plane: Any
    table: Any


def build_scene(visits: Sequence[ReportedVisit]) -> tuple[VisitNodes, ...]:
    """Put the visits of one patient into the scene, each under its study in the subject hierarchy."""
    return tuple(_add_visit(visit) for visit in visits)


def write_bundle(path: Path) -> None:
    """Write the whole scene as a ``.mrb`` that Slicer opens.

    Raises
    ------
    NodeError
        If the bundle cannot be written.
    """
    if not session().WriteToMRB(str(path)):
        raise NodeError(f"The scene could not be written to {path}: is the disk full?")


def _add_visit(visit: ReportedVisit) -> VisitNodes:
    result = visit.result
    labels, prepared = result.labels, result.prepared
    suffix = f"cycle {labels.cycle} {labels.visit}"
    nodes = VisitNodes(
        node_from_volume(result.image, f"{labels.image} {suffix}"),
        node_from_volume(visit.anatomy, f"CT {suffix}") if visit.anatomy is not None else None,
        node_from_segmentation(prepared.segmentation, f"Segments {suffix}"),
        node_from_plane(prepared.plane, f"Lobe plane {suffix}") if prepared.plane is not None else None,
        table_from_measurements(measurement_rows(result), f"Measurements {suffix}"),
    )
    place_in_study(labels.patient, suffix, [node for node in vars(nodes).values() if node is not None])
    return nodes


def place_in_study(patient: str, study: str, nodes: Sequence[Any]) -> None:
    """Move nodes under a study of a patient in the subject hierarchy, which are made where they are missing."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session())
    root = hierarchy.GetSceneItemID()
    above = hierarchy.GetItemChildWithName(root, patient) or hierarchy.CreateSubjectItem(root, patient)
    place = hierarchy.GetItemChildWithName(above, study) or hierarchy.CreateStudyItem(above, study)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(place, node)
        hierarchy.SetItemParent(item, place)
