"""From a patient's segments to lobes, lesions with sizes, targets and reference regions, by the protocol's rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.bounding_box import remarks
from PRRTUptakeLib.segmentation.codes import COUINAUD, LESIONS, TERMINOLOGY_TAG, parse_terminology, structure
from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride, lobes_from_couinaud
from PRRTUptakeLib.segmentation.diameters import LesionSize, measure_size
from PRRTUptakeLib.segmentation.errors import LobeError
from PRRTUptakeLib.segmentation.label_matching import recognise, words_of
from PRRTUptakeLib.segmentation.lesion_tracking import PREFIXES, EarlierLesions
from PRRTUptakeLib.segmentation.lesions import Lesion, LesionList, find_lesions, lesion_segments
from PRRTUptakeLib.segmentation.lobes import (
    LobeVolume,
    Plane,
    cantlie_plane,
    find_liver,
    in_one_axial_slice,
    lobe_volumes,
    split_by_plane,
    split_by_points,
    whole_liver_as,
)
from PRRTUptakeLib.segmentation.organs import OrganRule, measured_organs
from PRRTUptakeLib.segmentation.placed_names import checked_by_place, liver_region, share_in, unnamed_in_liver
from PRRTUptakeLib.segmentation.plausibility import ct_doubts, missing_plane_doubts, segment_doubts
from PRRTUptakeLib.segmentation.reference import ReferenceRule, ReferenceSet, reference_regions
from PRRTUptakeLib.segmentation.segments import UNDIVIDED, Segment, Segmentation
from PRRTUptakeLib.segmentation.structure_names import lesion_id_of
from PRRTUptakeLib.segmentation.targets import Candidate, Decision, TargetOverride, choose_targets
from PRRTUptakeLib.segmentation.totalsegmentator import KNOWN
from PRRTUptakeLib.study.errors import PreparationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.label_matching import LabelMatch
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.mapping import PointMap


Cut = Plane | np.ndarray | str | None  # how the lobes are parted, see `prepare`


@dataclass(frozen=True, eq=False)
class SizedLesion:
    """A lesion with its size and whether it is a target."""

    lesion: Lesion
    size: LesionSize
    decision: Decision

    @property
    def segment(self) -> Segment:
        """The lesion's segment, its role target or lesion as decided."""
        return self.lesion.segment


@dataclass(frozen=True, eq=False)
class Prepared:
    """All segments that a measurement needs, labelled.

    Attributes
    ----------
    segmentation : organs, lobes, lesions and reference regions on one grid.
    lesions : every lesion, in the order of the ids.
    lobes : volume of each lobe and its share of the liver.
    references : every kind of reference region.
    plane : which parted the lobes; None where lobes were given.
    warnings : sentences for the user.
    notes : what was recognised and decided, for the record.
    bending : where points of the segments (RAS mm) lie in the image, if a deformation is between; else None.
    """

    segmentation: Segmentation
    lesions: tuple[SizedLesion, ...]
    lobes: tuple[LobeVolume, ...]
    references: ReferenceSet
    plane: Plane | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    bending: PointMap | None = None

    @property
    def targets(self) -> tuple[SizedLesion, ...]:
        """The target lesions."""
        return tuple(lesion for lesion in self.lesions if lesion.decision.is_target)


def prepare(
    segmentation: Segmentation,
    protocol: Protocol,
    image: Volume | None,
    cut: Cut = None,
    target_overrides: Sequence[TargetOverride] = (),
    baseline: Prepared | None = None,
    territory_overrides: Sequence[TerritoryOverride] = (),
    vanished: Sequence[str] = (),
) -> Prepared:
    """Label a patient's segments by the protocol.

    Parameters
    ----------
    segmentation : liver, lesions and, where there are, lobes, gallbladder, vessels and organs, on one grid.
    protocol : the trial's rules.
    image : the measured image, in which the most uniform part of the liver is sought; None for no such reference.
    cut : parts the lobes: a plane, or points (n, 3) in RAS mm of a curved cut; "left" or "right" if the liver is that
        lobe alone, "none" if it is not to be divided. None for the lobes as drawn, else by Couinaud segments, else by
        the plane through gallbladder and vena cava; where that cannot be found, a comparison of routes goes undivided.
    replacements : the user's changes of the targets, with reasons.
    baseline : the patient's first visit: ids and targets are those of then.
    moves : Couinaud segments I or IV that the treated artery feeds from the other side, with reasons.
    vanished : ids of lesions of the baseline that were looked for and are gone; if all are, none need be drawn.

    Raises
    ------
    PRRTError
        If there is no liver, no lesion that has not vanished, no lesion large enough, or the lobes cannot be parted.
    """
    named, notes, unclear = recognised(segmentation, ids=baseline is None)
    liver = find_liver(named)
    lobes, plane, found_notes = _parted(named, liver, cut, territory_overrides, protocol)
    found = _found_lesions(named, lobes or (whole_liver_as(liver, UNDIVIDED),), baseline, vanished)
    sized = sized_lesions(named, found.lesions, protocol, target_overrides, baseline)
    segments = [lesion.segment for lesion in sized]
    references = protocol_references(named, lobes, segments, protocol, image)
    others = [s for s in named if s.role not in ("lobe", "lesion", "target", "reference")]
    taken = {s.structure for s in others}
    organs = [s for s in measured_organs(named, segments, OrganRule()).organs if s.structure not in taken]
    complete = Segmentation(named.grid, (*others, *organs, *lobes, *segments, *references.segments))
    dangerous = (*segmentation.warnings, *unnamed_in_liver(named.grid, liver, list(named)).warnings)
    dangerous = (*dangerous, *missing_plane_doubts(named), *segment_doubts(complete, liver))
    doubts = (*dangerous, *unclear, *found.remarks, *_ids_and_lobes(named, sized, protocol), *remarks(complete))
    return Prepared(
        complete,
        sized,
        lobe_volumes(named.grid, lobes) if lobes else (),
        references,
        plane,
        tuple(dict.fromkeys(doubts)),  # each sentence once, in order
        (*segmentation.notes, *notes, *found_notes),
    )


def with_ct_doubts(prepared: Prepared, ct: Volume | None) -> Prepared:
    """The same with what their CT says against the segments, as the first warnings; ``ct`` shares their space."""
    if ct is None:
        return prepared
    livers = prepared.segmentation.having(structure="liver")
    lesions = [lesion.segment for lesion in prepared.lesions]
    found = ct_doubts(ct, prepared.segmentation.grid, livers[0] if livers else None, lesions)
    return replace(prepared, warnings=tuple(dict.fromkeys((*found, *prepared.warnings))))


def _ids_and_lobes(segmentation: Segmentation, lesions: Sequence[SizedLesion], protocol: Protocol) -> tuple[str, ...]:
    """Warnings on lesions whose id, from the name of their mask, contradicts the lobe or the earlier visit."""
    named = {s.name: lesion_id_of(words_of(s.name)) for s in segmentation if s.structure in LESIONS}
    wrong, other = [], []
    for lesion in lesions:
        segment = lesion.segment
        source = lesion.lesion.source
        if not named.get(source):
            continue
        if segment.lesion_id != named[source]:
            other.append(f"'{source}' is {segment.lesion_id}")
        elif protocol.rules.by_lobe and PREFIXES.get(segment.lobe, "") != segment.lesion_id[:1]:
            where = "outside the liver" if segment.lobe in ("", "none") else f"in the {segment.lobe} lobe"
            wrong.append(f"{segment.lesion_id} is {where}")
    notes = [f"Ids and places of lesions contradict: {', '.join(wrong)}; the place counts."] if wrong else []
    if other:
        notes.append(f"By their place lesions have other ids than their masks' names: {', '.join(other)}.")
    return tuple(notes)


def protocol_references(
    segmentation: Segmentation,
    lobes: Sequence[Segment],
    lesions: Sequence[Segment],
    protocol: Protocol,
    image: Volume | None,
) -> ReferenceSet:
    """Every kind of reference region, with the protocol's margins; nothing unknown in the liver stays in it."""
    excluded = [s for s in segmentation if s.role == "organ" and s.structure not in ("", "liver")]
    liver = find_liver(segmentation)
    unnamed = unnamed_in_liver(segmentation.grid, liver, list(segmentation))
    rules = protocol.reference
    rule = ReferenceRule(rules.lesion_margin_mm, rules.rim_mm, rules.minimum_volume_mL)
    grown, cut_out = (*lesions, *unnamed.lesions), (*excluded, *unnamed.excluded)
    found = reference_regions(segmentation.grid, liver, lobes, grown, cut_out, rule, image)
    strangers = [f"'{one.name}'" for one in (*unnamed.lesions, *unnamed.excluded)]
    if not strangers:
        return found
    words = f"Taken out of the healthy liver, since it is not known what they are: {', '.join(strangers)}."
    return replace(found, refusals={key: f"{text} {words}" for key, text in found.refusals.items()})


def recognised(segmentation: Segmentation, ids: bool = True) -> tuple[Segmentation, tuple[str, ...], tuple[str, ...]]:
    """Give a structure and its default role to every segment that has none; also notes and warnings.

    The segment's terminology says what it is, then its name, then where it is. With ``ids``, lesions whose names are
    ids of ours (L1) keep them.
    """
    unknown = [segment for segment in segmentation if not segment.structure]
    entries = {segment.name: parse_terminology(segment.tags.get(TERMINOLOGY_TAG, "")) for segment in unknown}
    company = [segment.name for segment in segmentation]
    proposed = [p for p in recognise(company, entries) if p.segment in entries]
    placed, contradictions = checked_by_place(segmentation, proposed)
    label_matches = {label_match.segment: label_match for label_match in placed}
    region = liver_region(segmentation, placed)
    named, notes, unclear = [], [], []
    for segment in segmentation:
        label_match = label_matches.get(segment.name)
        if label_match is None:
            named.append(segment)
        elif not label_match.certain:
            named.append(segment)
            notes.append(f"Segment '{segment.name}' is left out: {label_match.reason}")
            in_liver = region is not None and share_in(segment, region) >= 0.5  # that is warned of by itself
            if segment.name not in KNOWN and not in_liver:
                unclear.append(_unclear(label_match))
        else:
            named.append(_labelled(segment, label_match.structure, label_match.lobe))
            notes.append(f"Segment '{segment.name}': {label_match.reason}")
    if ids:
        named = _with_ids(named)
    left_out = (f"Left out, because it is not clear what they are: {', '.join(unclear)}.",) if unclear else ()
    return replace(segmentation, segments=tuple(named)), tuple(notes), (*contradictions, *left_out)


def _labelled(segment: Segment, key: str, lobe: str) -> Segment:
    item = structure(key)
    return segment.relabelled(
        structure=key, role=segment.role or item.role, lobe=segment.lobe or lobe or item.lobe, color=item.color
    )


def _unclear(label_match: LabelMatch) -> str:
    choice = f" ({' or '.join(label_match.alternatives)}?)" if label_match.alternatives else ""
    return f"'{label_match.segment}'{choice}"


def _with_ids(segments: Sequence[Segment]) -> list[Segment]:
    """Lesions whose names are ids keep them, unless two would have the same."""
    found = {s.name: lesion_id_of(words_of(s.name)) for s in segments if s.structure in LESIONS and not s.lesion_id}
    taken = [*(s.lesion_id for s in segments), *found.values()]
    return [
        s.relabelled(lesion_id=found[s.name]) if found.get(s.name) and taken.count(found[s.name]) == 1 else s
        for s in segments
    ]


def _parted(
    segmentation: Segmentation,
    liver: Segment,
    cut: Cut,
    territory_overrides: Sequence[TerritoryOverride],
    protocol: Protocol,
) -> tuple[tuple[Segment, ...], Plane | None, tuple[str, ...]]:
    """The lobes; none where the design has none, or needs none, nobody said how to part them, and no plane is found."""
    if not protocol.rules.by_lobe:
        return (), None, ()
    try:
        return part_lobes(segmentation, liver, cut, territory_overrides)
    except (PreparationError, LobeError) as error:
        if cut is not None or "none" not in protocol.rules.lobes:
            raise
        return (), None, (f"The liver is not divided, which a comparison of routes does not need. ({error})",)


def part_lobes(
    segmentation: Segmentation, liver: Segment, cut: Cut, territory_overrides: Sequence[TerritoryOverride]
) -> tuple[tuple[Segment, ...], Plane | None, tuple[str, ...]]:
    """The lobes, the plane that parted them (None for another way), and how it was done; ``cut`` as in `prepare`."""
    if isinstance(cut, str):
        if territory_overrides:
            raise PreparationError("Moving segment I or IV needs Couinaud segments: do not state the lobes as well.")
        if cut == "none":
            return (), None, ("The liver is not divided, as stated.",)
        return (whole_liver_as(liver, cut),), None, (f"The liver is the {cut} lobe alone, as stated.",)
    couinaud = any(segmentation.having(structure=key) for key in COUINAUD)
    if territory_overrides and (cut is not None or not couinaud):
        raise PreparationError("Moving segment I or IV needs Couinaud segments and no other cut: give one of both.")
    if isinstance(cut, np.ndarray):
        lobes = split_by_points(segmentation.grid, liver, cut)
        if in_one_axial_slice(cut):
            words = f"Lobes parted by a curve of {len(cut)} points in one axial slice, the same in all slices."
        else:
            words = f"Lobes parted by a curved cut through {len(cut)} points."
        return lobes, None, (words,)
    given = segmentation.having(role="lobe")
    if cut is None and given and not territory_overrides:
        return given, None, (f"Lobes as drawn: {', '.join(lobe.name for lobe in given)}.",)
    if cut is None and couinaud:
        found = lobes_from_couinaud(segmentation, liver, territory_overrides)
        return found.lobes, None, ("Lobes from Couinaud segments.", *found.changes, *found.remarks)
    plane = cut if cut is not None else automatic_plane(segmentation, liver)
    return split_by_plane(segmentation.grid, liver, plane), plane, (f"Lobes parted by a plane: {plane.how}.",)


def automatic_plane(segmentation: Segmentation, liver: Segment) -> Plane:
    """The plane through gallbladder and vena cava.

    Raises
    ------
    PRRTError
        If one of them is missing, or they do not give a plane.
    """
    landmarks = [segmentation.having(structure=key) for key in ("gallbladder", "inferior_vena_cava")]
    if not all(landmarks):
        raise PreparationError(
            "The lobes cannot be parted: give a plane, masks of the lobes, or segments of the gallbladder and inferior "
            "vena cava; or state that the liver is one lobe ('lobes': left or right) or not to be divided (none)."
        )
    (gallbladder, *_), (cava, *_) = landmarks
    return cantlie_plane(segmentation.grid, gallbladder, cava, liver)


def _found_lesions(
    segmentation: Segmentation, lobes: Sequence[Segment], baseline: Prepared | None, vanished: Sequence[str]
) -> LesionList:
    """The lesions by their ids; none where all of the baseline are said to have vanished, and none is drawn.

    A lesion that vanished is looked for all the same: if one is drawn where it was, that is a contradiction to report.
    """
    if baseline is None:
        return find_lesions(segmentation, lobes)
    before = tuple(lesion.segment for lesion in baseline.lesions)
    if {segment.lesion_id for segment in before} <= set(vanished) and not lesion_segments(segmentation):
        return LesionList((), ())
    return find_lesions(
        segmentation, lobes, EarlierLesions(baseline.segmentation.grid, before, confirmed_gone=vanished)
    )


def sized_lesions(
    segmentation: Segmentation,
    lesions: Sequence[Lesion],
    protocol: Protocol,
    target_overrides: Sequence[TargetOverride] = (),
    baseline: Prepared | None = None,
) -> tuple[SizedLesion, ...]:
    """Measure lesions and choose the targets among them; ``baseline`` is the first visit, whose targets stay."""
    sizes = [measure_size(segmentation.grid, lesion.segment) for lesion in lesions]
    return decided_lesions(lesions, sizes, protocol, target_overrides, baseline)


def decided_lesions(
    lesions: Sequence[Lesion],
    sizes: Sequence[LesionSize],
    protocol: Protocol,
    target_overrides: Sequence[TargetOverride] = (),
    baseline: Prepared | None = None,
) -> tuple[SizedLesion, ...]:
    """Choose the targets among lesions whose sizes are known, in the same order; see `sized_lesions`."""
    candidates = [
        Candidate(lesion.lesion_id, lesion.segment.lobe, size.longest_axial_mm, size.volume_mL)
        for lesion, size in zip(lesions, sizes, strict=True)
    ]
    rules = protocol.targets
    if baseline is not None:
        decided = tuple(_as_before(candidate, baseline) for candidate in candidates)
    else:
        decided = choose_targets(
            candidates, rules.minimum_diameter_mm, rules.maximum_per_lobe, rules.maximum_total, target_overrides
        )
    by_id = {decision.lesion_id: decision for decision in decided}
    return tuple(_decided(lesion, size, by_id[lesion.lesion_id]) for lesion, size in zip(lesions, sizes, strict=True))


def _as_before(candidate: Candidate, baseline: Prepared) -> Decision:
    """Targets are chosen once, at the first visit: a lesion that shrinks below the limit stays a target."""
    first = {lesion.lesion.lesion_id: lesion.decision for lesion in baseline.lesions}.get(candidate.lesion_id)
    is_target = first is not None and first.is_target
    reason = "Target since the first visit." if is_target else "No target at the first visit."
    if first is None:
        reason = "Not seen at the first visit."
    return Decision(candidate.lesion_id, candidate.lobe, candidate.longest_axial_mm, is_target, reason)


def _decided(lesion: Lesion, size: LesionSize, decision: Decision) -> SizedLesion:
    segment = lesion.segment.relabelled(
        name=lesion.lesion_id,
        role="target" if decision.is_target else "lesion",
        tags={
            **lesion.segment.tags,
            "PRRT.Reason": decision.reason,
            "PRRT.Size": f"{size.longest_axial_mm:.2f} mm of {lesion.segment.voxel_count} voxels",
        },
    )
    return SizedLesion(replace(lesion, segment=segment), size, decision)
