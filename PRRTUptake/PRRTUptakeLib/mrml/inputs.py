"""A study's input from the nodes of a scene, in the nodes' own coordinates; transforms say how these come together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.mrml.dicom_nodes import injection_from_node
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import (
    ANATOMY,
    LOBE_PLANE_ROLE,
    MEASURABLE_UNITS,
    ROUTE_ATTRIBUTE,
    ROUTES,
    image_rows,
)
from PRRTUptakeLib.mrml.manual_shifts import manual_shifts_within
from PRRTUptakeLib.mrml.own_segments import check_together, is_own, own_segments, visit_of_segments
from PRRTUptakeLib.mrml.planes import cut_from_node
from PRRTUptakeLib.mrml.registration_figures import shown_registration
from PRRTUptakeLib.mrml.segment_logic import target_overrides_of, territory_overrides_of
from PRRTUptakeLib.mrml.segmentations import native_segmentation
from PRRTUptakeLib.mrml.session import operator_notes
from PRRTUptakeLib.mrml.session_alignment import ct_of_session
from PRRTUptakeLib.mrml.transforms import segments_to_image
from PRRTUptakeLib.mrml.volumes import linear_parent_matrix, native_volume
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.study.contour_propagation import moved_plane
from PRRTUptakeLib.study.images import same_voxels
from PRRTUptakeLib.study.model import (
    EmissionInput,
    ImageInput,
    KnownPlacement,
    LoadedEmission,
    StudyInput,
    VisitInput,
)
from PRRTUptakeLib.uptake.mapping import affine

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    Load = Callable[[Any], LoadedEmission]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageToMeasure:
    """One image: its node, the name of its visit, and the segments to measure in it."""

    node: Any
    visit: str
    segmentation: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneStudy:
    """A study's input, and the nodes behind it: image and segments by the key of the visit."""

    input: StudyInput
    images: Mapping[tuple[int, str], Any]
    segmentations: Mapping[tuple[int, str], Any]


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the user states of a patient in a scene, beside the images."""

    patient: str
    protocol: Protocol
    cycle: int = 1
    treated_lobe: str = ""
    recovery: RecoveryCurve | None = None
    dosimetry: Any = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def loaded_emission(node: Any) -> LoadedEmission:
    """An image as its node has it, in its own coordinates, with what the node remembers of the injection."""
    volume = native_volume(node)
    injection = injection_from_node(node)
    refusal = (
        ""
        if injection is not None
        else (
            f"'{node.GetName()}' does not say what was injected: load it from DICOM by the PRRT reader, which notes "
            "activity, nuclide and injection time."
        )
    )
    decisions = tuple(str(one) for one in volume.provenance.get("decisions", ()))
    return LoadedEmission(volume=volume, injection=injection, refusal=refusal, decisions=decisions)


def images_to_measure(images: Sequence[tuple[Any, str]], segmentationNode: Any) -> tuple[ImageToMeasure, ...]:
    """Which segments to measure in each image, given as pairs of node and visit.

    The chosen ones; where these were drawn on one of the visits, another visit with segments of its own has those.
    """
    owned = any(own_segments(node) is segmentationNode for node, _ in images if node is not None)
    found = []
    for node, visit in images:
        own = own_segments(node) if owned and node is not None else None
        found.append(ImageToMeasure(node=node, visit=visit, segmentation=own or segmentationNode))
    return tuple(found)


def scene_study(
    images: Sequence[ImageToMeasure],
    stated: Stated,
    cuts: Mapping[str, Any] | None = None,
    load: Load = loaded_emission,
) -> SceneStudy:
    """The input of a study.

    Parameters
    ----------
    images : in the order in which they are measured; names of visits differ.
    stated : patient, rules and settings.
    cuts : by the ID of a segmentation node, the markups node that parts its lobes (None for none); where it is not
        named, the plane that the segmentation names, unless it has lobes already.
    load : reads an image; by default as `loaded_emission`.

    Raises
    ------
    NodeError
        If an image is not one of activity or SUV, a node cannot be used, or segments and an image of the visit that
        they were drawn on are moved differently.
    """
    for one in images:
        check_measurable(one.node)
    owners = _owners(images)
    keys = {one.visit: (stated.cycle, one.visit) for one in images}
    doubts: list[str] = list(stated.doubts)
    visits = []
    for one in images:
        owner = owners[one.segmentation.GetID()]
        drawn_on = None if owner == one.visit else keys[owner]
        cut = _cut(one.segmentation, cuts or {}) if drawn_on is None else None
        visits.append(_visit(one, stated.cycle, drawn_on, cut, load, doubts))
    extra = _contour_visit(images, stated.cycle, visits)
    study = StudyInput(
        patient=stated.patient,
        protocol=stated.protocol,
        visits=(*extra, *visits),
        treated_lobe=stated.treated_lobe,
        partial_volume=stated.protocol.partial_volume,
        recovery=stated.recovery,
        dosimetry=stated.dosimetry,
        notes=operator_notes(),
        doubts=tuple(doubts),
    )
    return SceneStudy(
        input=study,
        images={keys[one.visit]: one.node for one in images},
        segmentations={keys[one.visit]: one.segmentation for one in images}
        | {visit.key: images[0].segmentation for visit in extra},
    )


def check_measurable(node: Any) -> None:
    """Refuse what cannot be measured in.

    Raises
    ------
    NodeError
        If it is no image of activity or SUV.
    """
    volume = native_volume(node)
    if volume.units not in MEASURABLE_UNITS:
        raise NodeError(
            f"'{node.GetName()}' has the units '{volume.units or 'none'}', not a concentration or SUV: "
            "load it with the PRRT reader, or set its units."
        )


def _owners(images: Sequence[ImageToMeasure]) -> dict[str, str]:
    """By the ID of a segmentation the visit that it was drawn on, or else the first that is measured with it."""
    owners: dict[str, str] = {}
    for one in images:
        identifier = one.segmentation.GetID() if one.segmentation is not None else ""
        if not identifier:
            raise NodeError("No segmentation is selected: choose the one that holds liver and lesions.")
        if identifier not in owners or is_own(one.segmentation, one.node):
            owners[identifier] = one.visit
    return owners


def _visit(
    one: ImageToMeasure,
    cycle: int,
    drawn_on: tuple[int, str] | None,
    cut: Plane | np.ndarray | None,
    load: Load,
    doubts: list[str],
) -> VisitInput:
    node, segments = one.node, one.segmentation
    grid = native_segmentation(segments).grid
    check_together(segments, node)
    placement = segments_to_image(segments, grid, node)
    registered = None
    if placement is not None and node.GetParentTransformNode() is not None:
        registered = shown_registration(node, one.visit, segments)
    ct = ct_of_session(node)
    own = drawn_on is None
    return VisitInput(
        visit=one.visit,
        cycle=cycle,
        route=_route(node, one.visit, doubts),
        emission=EmissionInput(name=node.GetName(), load=lambda kind: load(node)),
        load_segments=lambda: native_segmentation(segments),
        contours_on=lambda wanted: _contour_image(wanted, segments, one.visit),
        anatomy=_image(ct) if ct is not None else None,
        cut=cut,
        registration=KnownPlacement(placement=placement, registered=registered),
        manual_shifts=manual_shifts_within(node),
        drawn_on=drawn_on,
        target_overrides=target_overrides_of(segments) if own else (),
        territory_overrides=territory_overrides_of(segments) if own else (),
    )


def _route(node: Any, visit: str, doubts: list[str]) -> str:
    """The route that is noted on an image; from the visit's name, with a doubt, in scenes that note none."""
    noted = node.GetAttribute(ROUTE_ATTRIBUTE)
    if noted:
        return str(noted)
    words = re.split(r"[^A-Za-z]+", visit.upper())
    found = [route for route in ROUTES if route in words]
    if len(found) != 1:
        return ""
    doubts.append(
        f"{visit}: the route of the injection is not noted on '{node.GetName()}'; {found[0]} was taken from the "
        "visit's name."
    )
    return found[0]


def _contour_visit(images: Sequence[ImageToMeasure], cycle: int, visits: list[VisitInput]) -> tuple[VisitInput, ...]:
    """For images by route, the visit that the contours were drawn on, if it is none of theirs and its image is here."""
    segments = images[0].segmentation
    if any(not one.route for one in visits) or any(one.segmentation is not segments for one in images):
        return ()
    grid = native_segmentation(segments).grid
    name = visit_of_segments(segments) or _drawn_visit(grid, segments)
    if not name or name in [one.visit for one in visits]:
        return ()
    return (
        VisitInput(
            visit=name,
            cycle=cycle,
            shows_emission=False,
            load_segments=lambda: native_segmentation(segments),
            contours_on=lambda wanted: _contour_image(wanted, segments, name),
            cut=visits[0].cut if visits[0].drawn_on is None else visits[1].cut,
            target_overrides=target_overrides_of(segments),
            territory_overrides=territory_overrides_of(segments),
        ),
    )


def _drawn_visit(grid: Grid, segments: Any) -> str:
    """The visit of a CT or MRI whose voxels are those of the segments, "" if there is none."""
    rows = [row for row in image_rows() if row.role == ANATOMY and row.visit and _on_grid(row.node, grid, segments)]
    return rows[0].visit if rows else ""


def _contour_image(grid: Grid, segments: Any, visit: str) -> ImageInput | None:
    """The CT or MRI of a visit that segments were drawn on: the same voxels, moved alike."""
    rows = [row for row in image_rows() if row.role == ANATOMY and row.visit == visit]
    return next((_image(row.node) for row in rows if _on_grid(row.node, grid, segments)), None)


def _on_grid(node: Any, grid: Grid, segments: Any) -> bool:
    if node.GetTransformNodeID() != segments.GetTransformNodeID():
        return False
    return same_voxels(native_volume(node).grid, grid)


def _image(node: Any) -> ImageInput:
    return ImageInput(name=node.GetName(), load=lambda: native_volume(node))


def _cut(segmentationNode: Any, cuts: Mapping[str, Any]) -> Plane | np.ndarray | None:
    """What parts the lobes, in the coordinates of the segments."""
    if segmentationNode.GetID() in cuts:
        node = cuts[segmentationNode.GetID()]
    else:
        node = segmentationNode.GetNodeReference(LOBE_PLANE_ROLE)
        if native_segmentation(segmentationNode).having(role="lobe"):
            node = None
    if node is None:
        return None
    cut = cut_from_node(node)
    if segmentationNode.GetParentTransformNode() is None:
        return cut
    back = np.linalg.inv(linear_parent_matrix(segmentationNode))
    return moved_plane(cut, back) if isinstance(cut, Plane) else affine(back)(cut)
