"""Dose maps of the cycles that were calculated in this session, and their sum on the image of the first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import slicer
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.transforms import node_to_node
from PRRTUptakeLib.registration.result import given_registration, identity_registration
from PRRTUptakeLib.study.model import ResultPart

from PRRTDosimetryLib.dosimetry.summed_map import summed_map

if TYPE_CHECKING:
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.study.model import StudyResult, VisitImages
    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings


@dataclass(frozen=True, eq=False)
class _Kept:
    """A cycle's map, its first visit with the visit's images, and the ID of that image's node."""

    part: CycleDoseMap
    visit: VisitResult
    images: VisitImages
    node_id: str


class KeptMaps:
    """The last dose map of every cycle of one patient."""

    def __init__(self) -> None:
        self._cycles: dict[int, _Kept] = {}

    def forget(self) -> None:
        """Drop all maps, where patient or rules are others."""
        self._cycles = {}

    def keep(self, part: CycleDoseMap, first: VisitResult, study: StudyResult, node: Any) -> None:
        """Keep the map of a cycle in place of an earlier one; those of another patient go."""
        if any(one.visit.labels.patient != first.labels.patient for one in self._cycles.values()):
            self.forget()
        key = (first.labels.cycle, first.labels.visit)
        images = next(one for one in study.images if one.key == key)
        self._cycles[part.cycle] = _Kept(part, first, images, node.GetID())

    def summed(self, study: StudyResult, settings: DoseSettings) -> ResultPart | None:
        """The sum of all cycles' maps; None unless it is asked for and there are two or more.

        A cycle that cannot be registered gives a part with a warning alone: a part of the sum would pass for the whole.
        """
        if not settings.accumulate or len(self._cycles) < 2:
            return None
        kept = [self._cycles[cycle] for cycle in sorted(self._cycles)]
        combined = replace(
            study, visits=tuple(one.visit for one in kept), images=tuple(one.images for one in kept), parts=()
        )
        try:
            known = {one.part.cycle: found for one in kept[1:] if (found := _by_scene(kept[0], one)) is not None}
            return summed_map(combined, [one.part for one in kept], settings, known)
        except PRRTError as error:
            return ResultPart(warnings=(f"The dose maps of the cycles were not summed. {error}",))


def _by_scene(first: _Kept, other: _Kept) -> Registration | None:
    """How transforms of the scene bring the first cycle's image to another's; None where they do not."""
    if other.node_id == first.node_id:
        return identity_registration("one image")
    nodes = [slicer.mrmlScene.GetNodeByID(one.node_id) for one in (first, other)]
    if None in nodes or all(node.GetParentTransformNode() is None for node in nodes):
        return None
    matrix = node_to_node(*nodes)
    return None if matrix is None or callable(matrix) else given_registration(matrix, "transforms of the scene")
