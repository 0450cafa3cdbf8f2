"""The steps from drawn segments to targets and reference regions, each by itself, on a segmentation node.

`measure` does all of them; these are for the user who looks at what comes out before going on. Each step replaces the
segments of the node when it is done, and not at all if it fails. It returns sentences for the user.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.own_segments import check_together
from PRRTUptakeLib.mrml.planes import cut_from_node, node_from_plane
from PRRTUptakeLib.mrml.seeds import delineated_lesions, points_from_node
from PRRTUptakeLib.mrml.segment_table import TERRITORY_OVERRIDES_ATTRIBUTE
from PRRTUptakeLib.mrml.segmentations import (
    native_segmentation,
    node_from_segmentation,
    segmentation_from_node,
    segmentation_geometry,
)
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.volumes import (
    hardened_motion,
    keep_geometry,
    linear_parent_matrix,
    volume_from_node,
)
from PRRTUptakeLib.progress import Progress, in_background, no_progress
from PRRTUptakeLib.segmentation.codes import structure
from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride
from PRRTUptakeLib.segmentation.delineation import Method
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.lesion_splitting import split_lesion
from PRRTUptakeLib.segmentation.lesions import assign_lobe, find_lesions, straddling_text
from PRRTUptakeLib.segmentation.lobes import find_liver, whole_liver_as
from PRRTUptakeLib.segmentation.segments import UNDIVIDED, Segment, Segmentation
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.study.preparation import (
    automatic_plane,
    part_lobes,
    protocol_references,
    recognised,
    sized_lesions,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from PRRTUptakeLib.study.protocol import Protocol

    T = TypeVar("T")

TARGET_OVERRIDES_ATTRIBUTE = "PRRT.Replacements"
LESION_ROLES = ("lesion", "target")


class SegmentLogic:
    """Steps on a vtkMRMLSegmentationNode, by the rules of ``protocol``."""

    protocol: Protocol
    notes: tuple[str, ...] = ()
    progress: Progress = no_progress  # hears how far a step is; the panel sets its own while a step runs

    def _think(self, work: Callable[..., T], *arguments: Any) -> T:
        """Work that touches no node, beside the face where that offers a thread."""
        return in_background(self.progress, lambda step: work(*arguments))

    def recognise(self, segmentationNode: Any) -> tuple[str, ...]:
        """Give every segment that has none a structure and role, from its name or terminology.

        Returns what is doubtful; ``notes`` has how each of the others was recognised.
        """
        named, notes, unclear = self._think(_recognised, segmentationNode)
        keep_segments(named, segmentationNode)
        self.notes = tuple(notes)
        return tuple(unclear)

    def nameSegment(self, segmentationNode: Any, name: str, key: str) -> None:
        """Say which structure a segment is (a key of ``segmentation.codes``); role, lobe and colour follow."""
        segmentation = segmentation_from_node(segmentationNode)
        item = structure(key)
        segment = segmentation[name].relabelled(structure=key, role=item.role, lobe=item.lobe, color=item.color)
        keep_segments(segmentation.with_segments(segment), segmentationNode)

    def placeLobePlane(self, segmentationNode: Any, planeNode: Any = None) -> Any:
        """Put a plane through gallbladder and vena cava, for the user to drag; returns the markups plane node.

        A curve or point list as ``planeNode`` stays as it is, and a new plane is made.
        """
        segmentation, _, _ = self._think(_recognised, segmentationNode)
        plane = self._think(automatic_plane, segmentation, find_liver(segmentation))
        is_plane = planeNode is not None and planeNode.IsA("vtkMRMLMarkupsPlaneNode")
        return node_from_plane(plane, "Lobe plane", planeNode if is_plane else None)

    def splitLobes(self, segmentationNode: Any, cutNode: Any = None) -> tuple[str, ...]:
        """Part the liver into lobes by a plane, curve or point list, else as `prepare` does; earlier lobes go."""
        named, _, unclear = self._think(_recognised, segmentationNode)
        cut = cut_from_node(cutNode) if cutNode is not None else None
        lobes, _, notes = self._think(
            part_lobes, named, find_liver(named), cut, territory_overrides_of(segmentationNode)
        )
        others = [segment for segment in named if segment.role != "lobe"]
        keep_segments(Segmentation(named.grid, (*others, *lobes)), segmentationNode)
        return (*unclear, *notes)

    def delineateLesions(
        self, segmentationNode: Any, imageNode: Any, pointsNode: Any, kind: str, value: float, radius_mm: float
    ) -> tuple[str, ...]:
        """Delineate a lesion at every point of a markups node, in the image, and add them to the segments.

        Parameters
        ----------
        segmentationNode : with the liver, which lesions in it do not leave.
        imageNode : vtkMRMLScalarVolumeNode in which the lesions are seen.
        pointsNode : markups node with one point in each lesion.
        kind, value : see `segmentation.delineation.Method`.
        radius_mm : a lesion is within this distance of its point.
        """
        named, _, unclear = self._think(_recognised, segmentationNode)
        points, image = points_from_node(pointsNode), volume_from_node(imageNode)
        lesions, notes = self._think(delineated_lesions, named, image, points, Method(kind, value), radius_mm)
        keep_segments(named.with_segments(*lesions), segmentationNode)
        return (*unclear, *notes)

    def splitLesions(self, segmentationNode: Any) -> tuple[str, ...]:
        """Divide lesion segments into single lesions, with lobe and id."""
        named, _, unclear = self._think(_recognised, segmentationNode)
        found = self._think(find_lesions, named, _lobes(named, self.protocol))
        others = [segment for segment in named if segment.role not in LESION_ROLES]
        keep_segments(Segmentation(named.grid, (*others, *found.segments)), segmentationNode)
        return (*unclear, *found.remarks)

    def divideLesion(self, segmentationNode: Any, name: str) -> tuple[str, ...]:
        """Divide one lesion that is two at its waist; the larger part keeps the id, the other gets a new one."""
        segmentation = segmentation_from_node(segmentationNode)
        lesion = segmentation[name]
        if lesion.role not in LESION_ROLES:
            raise SegmentationError(f"'{name}' is no lesion: choose a lesion to divide.")
        parts = self._think(split_lesion, segmentation.grid, lesion)
        rest = segmentation.without(name).with_segments(*parts)
        found = self._think(find_lesions, rest, _lobes(segmentation, self.protocol))
        others = [segment for segment in segmentation if segment.role not in LESION_ROLES]
        keep_segments(Segmentation(segmentation.grid, (*others, *found.segments)), segmentationNode)
        return found.remarks

    def assignLobes(self, segmentationNode: Any) -> tuple[str, ...]:
        """Give each lesion the lobe that most of it is in; ids stay as they are."""
        segmentation = segmentation_from_node(segmentationNode)
        lobes = _lobes(segmentation, self.protocol)
        placed = [assign_lobe(lesion, lobes) for lesion in _lesions(segmentation)]
        keep_segments(segmentation.with_segments(*(lesion.segment for lesion in placed)), segmentationNode)
        return tuple(text for lesion in placed if (text := straddling_text(lesion)))

    def pickTargets(self, segmentationNode: Any) -> tuple[str, ...]:
        """Choose the target lesions by the protocol, with the replacements that the user made."""
        segmentation = segmentation_from_node(segmentationNode)
        found = self._think(find_lesions, segmentation, _lobes(segmentation, self.protocol))
        changes = target_overrides_of(segmentationNode)
        sized = self._think(sized_lesions, segmentation, found.lesions, self.protocol, changes)
        others = [segment for segment in segmentation if segment.role not in LESION_ROLES]
        segments = (*others, *(lesion.segment for lesion in sized))
        keep_segments(Segmentation(segmentation.grid, segments), segmentationNode)
        return tuple(f"{lesion.segment.name}: {lesion.decision.reason}" for lesion in sized)

    def replaceTarget(self, segmentationNode: Any, dropped: str, chosen: str, reason: str) -> tuple[str, ...]:
        """Take the lesion ``chosen`` as target in place of ``dropped``; the reason is kept on the node."""
        segmentation_from_node(segmentationNode)  # there is one
        return self._replaced(
            segmentationNode, (*target_overrides_of(segmentationNode), TargetOverride(dropped, chosen, reason))
        )

    def dropTargetOverrides(self, segmentationNode: Any) -> tuple[str, ...]:
        """Forget the user's replacements: targets by the protocol alone."""
        segmentation_from_node(segmentationNode)  # there is one
        return self._replaced(segmentationNode, ())

    def _replaced(self, node: Any, target_overrides: tuple[TargetOverride, ...]) -> tuple[str, ...]:
        """Pick targets with these replacements; the earlier ones stay if that fails."""
        before = node.GetAttribute(TARGET_OVERRIDES_ATTRIBUTE)
        text = json.dumps([asdict(one) for one in target_overrides]) if target_overrides else None
        node.SetAttribute(TARGET_OVERRIDES_ATTRIBUTE, text)
        try:
            return self.pickTargets(node)
        except Exception:
            node.SetAttribute(TARGET_OVERRIDES_ATTRIBUTE, before)
            raise

    def setFeeding(self, segmentationNode: Any, number: int, lobe: str, reason: str) -> None:
        """Count Couinaud segment I or IV to the lobe whose artery feeds it; "" for what anatomy gives.

        The lobes that there are go, since they were made otherwise; the next split or measurement makes them anew.

        Raises
        ------
        PRRTError
            If it is another segment, or no reason is given.
        """
        segmentation = segmentation_from_node(segmentationNode)
        territory_overrides = [move for move in territory_overrides_of(segmentationNode) if move.number != number]
        if lobe:
            territory_overrides.append(TerritoryOverride(number, lobe, reason))
        text = json.dumps([asdict(move) for move in territory_overrides]) if territory_overrides else None
        segmentationNode.SetAttribute(TERRITORY_OVERRIDES_ATTRIBUTE, text)
        lobes = [segment.name for segment in segmentation.having(role="lobe")]
        keep_segments(segmentation.without(*lobes), segmentationNode)

    def makeReference(self, segmentationNode: Any, imageNode: Any = None) -> tuple[str, ...]:
        """Make every kind of reference region; the minimum-variance sphere needs the measured image."""
        segmentation = segmentation_from_node(segmentationNode)
        check_together(segmentationNode, imageNode)
        image = placed_volume(imageNode)[0] if imageNode is not None else None
        lesions = _lesions(segmentation)
        lobes = _lobes(segmentation, self.protocol)
        found = self._think(protocol_references, segmentation, lobes, lesions, self.protocol, image)
        others = [segment for segment in segmentation if segment.role != "reference"]
        keep_segments(Segmentation(segmentation.grid, (*others, *found.segments)), segmentationNode)
        return tuple(found.refusals.values())


def keep_segments(segmentation: Segmentation, node: Any) -> None:
    """Replace the segments of a node by ones in the world; a linear transform above the node stays above it."""
    if node.GetParentTransformNode() is not None:
        back = np.linalg.inv(linear_parent_matrix(node)) @ segmentation.grid.ijk_to_ras
        own = native_segmentation(node).grid
        same = own.shape == segmentation.grid.shape and np.allclose(own.ijk_to_ras, back, rtol=0.0, atol=1e-6)
        segmentation = Segmentation(own if same else Grid(segmentation.grid.shape, back), segmentation.segments)
    keep_native_segments(segmentation, node)


def keep_native_segments(segmentation: Segmentation, node: Any) -> None:
    """Replace the segments of a node by ones in its own coordinates; what is known of its motion stays known."""
    motion = hardened_motion(node, segmentation_geometry(node))
    node_from_segmentation(segmentation, node.GetName(), node)
    if not np.array_equal(motion, np.eye(4)):
        keep_geometry(node, np.linalg.inv(motion) @ segmentation.grid.ijk_to_ras)


def target_overrides_of(node: Any) -> tuple[TargetOverride, ...]:
    """The user's changes of the targets, as kept on a segmentation node."""
    text = node.GetAttribute(TARGET_OVERRIDES_ATTRIBUTE)
    return tuple(TargetOverride(**words) for words in json.loads(text)) if text else ()


def territory_overrides_of(node: Any) -> tuple[TerritoryOverride, ...]:
    """Which of the segments I and IV another artery feeds, as kept on a segmentation node."""
    text = node.GetAttribute(TERRITORY_OVERRIDES_ATTRIBUTE)
    return tuple(TerritoryOverride(**words) for words in json.loads(text)) if text else ()


def _recognised(segmentationNode: Any) -> tuple[Segmentation, Any, Any]:
    return recognised(segmentation_from_node(segmentationNode))


def _lobes(segmentation: Segmentation, protocol: Protocol) -> tuple[Segment, ...]:
    if not protocol.rules.by_lobe:
        return (whole_liver_as(find_liver(segmentation), UNDIVIDED),)
    lobes = segmentation.having(role="lobe")
    if not lobes:
        raise NodeError("The liver has no lobes yet: split it into lobes first.")
    return lobes


def _lesions(segmentation: Segmentation) -> list[Segment]:
    lesions = [segment for segment in segmentation if segment.role in LESION_ROLES and segment.voxel_count]
    if not lesions:
        raise NodeError("There are no lesions yet: split the lesions first.")
    return lesions
