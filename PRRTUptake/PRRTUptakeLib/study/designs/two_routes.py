"""How both routes are measured: contours on one MRI or CT, propagated to the PET/CT of each by registration."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.operator_overrides import DOUBT, doubts_among
from PRRTUptakeLib.progress import Progress, sub_progress
from PRRTUptakeLib.segmentation.errors import SegmentError
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.study.designs.one_visit import load_emission
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import UNKNOWN
from PRRTUptakeLib.study.model import (
    IMAGE_WORDS,
    SUV,
    KnownPlacement,
    StudyResult,
    VisitContents,
    VisitImages,
    series_facts,
)
from PRRTUptakeLib.study.predicted_benefit import (
    cycle_doses,
    cycle_masses,
    cycle_uncertainties,
    lesion_doubts,
    predicted_doses,
    rows_of_patient,
)
from PRRTUptakeLib.study.preparation import prepare, with_ct_doubts
from PRRTUptakeLib.study.registration_rule import RegistrationRule
from PRRTUptakeLib.study.route_doubts import series_doubts
from PRRTUptakeLib.study.route_uptake import EnhancementResult, RoutedImage, compare_routes, enhancement_rows
from PRRTUptakeLib.study.visit_doubts import hours_after_injection, visit_doubts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.model import EmissionInput, ImageInput, StudyInput, VisitInput
    from PRRTUptakeLib.study.predicted_benefit import IntravenousCycle, Prediction
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.session_alignment import CheckedVisit
    from PRRTUptakeLib.study.visit_registration import VisitRegistration
    from PRRTUptakeLib.uptake.mapping import RasTransform

IA, IV = "IA", "IV"
BOTH = "IA/IV"  # the visit of what compares the two


@dataclass(frozen=True, kw_only=True, eq=False)
class Benefit:
    """Doses expected of the intra-arterial cycle, those delivered, where known, and the latter's uncertainties."""

    predictions: tuple[Prediction, ...]
    delivered_Gy: Mapping[str, float]
    u_delivered_Gy: Mapping[str, float]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteFindings:
    """The comparison, and what an intra-arterial cycle can be expected to give (None where no cycle is stated)."""

    comparison: EnhancementResult
    benefit: Benefit | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Contours:
    """The visit the contours were drawn on: its image (None if it is not at hand), and the labelled segments."""

    visit: VisitInput
    source: ImageInput | None
    image: Volume | None
    prepared: Prepared


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pet:
    """One PET/CT: its image with the transform to it, how it was registered, and whether PET and CT agree."""

    visit: VisitInput
    emission: EmissionInput
    shown: RoutedImage
    registered: VisitRegistration | None
    checked: CheckedVisit | None
    decisions: tuple[str, ...]


def measure_routes(study: StudyInput, progress: Progress) -> StudyResult:
    """Compare intra-arterial and intravenous uptake of one patient.

    Raises
    ------
    PRRTError
        If a visit is missing or its data do not allow an answer.
    """
    drawn, *routed = _roles(study)
    progress(0.0, f"reading {drawn.visit}: lobes, lesions and reference regions")
    contours = _contours(study, drawn)
    pets = []
    for n, visit in enumerate(routed):
        step = sub_progress(progress, 0.2 + 0.35 * n, 0.55 + 0.35 * n)
        pets.append(_pet(study, visit, contours, step))
    progress(0.9, "measuring")
    found = compare_routes(contours.prepared, pets[0].shown, pets[1].shown, study.measuring_protocol)
    pets = [replace(pet, shown=shown) for pet, shown in zip(pets, (found.ia, found.iv), strict=True)]
    benefit = _benefit(study, found)
    return _result(study, contours, pets, RouteFindings(comparison=found, benefit=benefit))


def _roles(study: StudyInput) -> tuple[VisitInput, VisitInput, VisitInput]:
    """The visit the contours were drawn on, the intra-arterial one, the intravenous one."""
    by_route: dict[str, list[VisitInput]] = {"": [], IA: [], IV: []}
    for visit in study.visits:
        if visit.route not in by_route:
            raise StudyError(
                f"Visit '{visit.visit}': the route '{visit.route}' is not one of intra-arterial, intravenous."
            )
        by_route[visit.route].append(visit)
    for route, word in ((IA, "an intra-arterial"), (IV, "an intravenous")):
        if len(by_route[route]) != 1:
            raise StudyError(
                f"The case needs {word} visit, one and no more, but has {len(by_route[route])}: set 'route' of each."
            )
    drawn = by_route[""][0] if by_route[""] else by_route[IA][0]
    if drawn.registration and by_route[""] and not isinstance(drawn.registration, KnownPlacement):
        raise StudyError(
            f"The contours were drawn on visit '{drawn.visit}': give 'registration' to the PET visits instead."
        )
    return drawn, by_route[IA][0], by_route[IV][0]


def _contours(study: StudyInput, visit: VisitInput) -> _Contours:
    segmentation = visit.load_segments()
    source = visit.contours_on(segmentation.grid)
    known = all(isinstance(one.registration, KnownPlacement) for one in study.visits if one.route)
    if source is None and not known:
        raise StudyError(
            f"Visit '{visit.visit}' has no MRI or CT on the grid of its segments: add the image the contours were "
            "drawn on."
        )
    image = source.compact() if source is not None else None
    if image is not None:
        with contextlib.suppress(SegmentError):  # masks may have voxels of their own
            segmentation = regrid(segmentation, image.grid)
    prepared = prepare(
        segmentation,
        study.protocol,
        None,
        visit.cut,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
    )
    return _Contours(visit=visit, source=source, image=image, prepared=with_ct_doubts(prepared, image))


_UNCHECKED = "Visit '{}' has no CT: its registration is taken as stated, and nothing could be compared with it."


def _pet(study: StudyInput, visit: VisitInput, contours: _Contours, progress: Progress) -> _Pet:
    progress(0.0, f"reading {visit.visit}")
    emission, loaded = load_emission(visit, SUV)
    if loaded.volume.reference_time is None:
        raise StudyError(f"The PET of visit '{visit.visit}' does not state its time: complete its header.")
    if loaded.injection is None:
        raise StudyError(loaded.refusal or f"The PET of visit '{visit.visit}' does not say what was injected.")
    progress(0.3, f"{visit.visit}: registration")
    transform, matrix, registered, anatomy = _registered(study, visit, contours)
    checked = None
    if anatomy is not None:
        from PRRTUptakeLib.study.session_alignment import check_visit

        word = IMAGE_WORDS[study.protocol.imaging.modality]
        segments = contours.prepared.segmentation
        checked = check_visit(visit.visit, (word, loaded.volume), (anatomy[0].name, anatomy[1]), segments, matrix)
    decisions = loaded.decisions
    if anatomy is None and isinstance(visit.registration, RegistrationRule):
        decisions = (*decisions, DOUBT + _UNCHECKED.format(visit.visit))
    shown = RoutedImage(
        route=visit.route,
        visit=visit.visit,
        image=loaded.volume,
        ras_transform=transform,
        injection=loaded.injection,
        manual_shifts=visit.manual_shifts,
    )
    return _Pet(
        visit=visit,
        emission=emission,
        shown=shown,
        registered=registered,
        checked=checked,
        decisions=decisions,
    )


def _registered(
    study: StudyInput, visit: VisitInput, contours: _Contours
) -> tuple[RasTransform | None, Any, VisitRegistration | None, tuple[ImageInput, Volume] | None]:
    """From the contours to a visit: transform, its 4x4, what the report shows, and the CT of the visit."""
    anatomy = (visit.anatomy, _anatomy(visit.anatomy, contours)) if visit.anatomy is not None else None
    known = visit.registration
    if isinstance(known, KnownPlacement):
        where = known.placement
        if where is None:
            return None, None, known.registered, anatomy
        return where.ras_transform, where.matrix, known.registered, anatomy
    if anatomy is None and isinstance(known, RegistrationRule):
        made_elsewhere = known.registration(contours.prepared.segmentation.grid)
        return made_elsewhere.ras_transform, made_elsewhere.fixed_to_moving, None, None
    if anatomy is None:
        raise StudyError(
            f"Visit '{visit.visit}' has no CT in the frame of reference of its PET, so it cannot be registered: add "
            "it, or give 'registration' a transform."
        )
    assert contours.source is not None
    assert contours.image is not None
    fixed = (contours.source, contours.image)
    segmentation = contours.prepared.segmentation
    from PRRTUptakeLib.study.visit_registration import visit_registration  # brings SimpleITK, only where needed

    made = visit_registration(visit, fixed, anatomy, segmentation, bool(study.same_patient))
    return made.registration.ras_transform, made.registration.fixed_to_moving, made, anatomy


def _anatomy(image: ImageInput, contours: _Contours) -> Volume:
    """A visit's CT: the one that the contours were drawn on is at hand already."""
    series, drawn = image.series, contours.source.series if contours.source is not None else None
    if contours.image is not None and series is not None and drawn is not None and series.uid == drawn.uid:
        return contours.image
    return image.compact()


def _benefit(study: StudyInput, comparison: EnhancementResult) -> Benefit | None:
    """What an intra-arterial cycle can be expected to give, where an intravenous one is stated."""
    if study.iv_cycle is None:
        return None
    cycle = study.iv_cycle
    delivered: dict[str, float] = {}
    spreads: dict[str, float] = {}
    doubts: list[str] = []
    if cycle.file is not None:
        doubts += lesion_doubts(comparison, cycle.mass_g, cycle.file.name)
    if study.delivered is not None:
        table, number = study.delivered.measurements, study.delivered.cycle
        given = rows_of_patient(table, study.patient, bool(study.same_patient))
        delivered, spreads = cycle_doses(given, number), cycle_uncertainties(given, number)
        doubts += lesion_doubts(comparison, cycle_masses(given, number), table.name)
    return Benefit(
        predictions=predicted_doses(comparison, cycle),
        delivered_Gy=delivered,
        u_delivered_Gy=spreads,
        doubts=tuple(doubts),
    )


def _benefit_rows(benefit: Benefit, like: Measurement, cycle: IntravenousCycle) -> list[Measurement]:
    """Doses of all regions in long form; ``like`` has patient, cycle and image."""
    blank = replace(like, visit=BOTH, role="", lobe="none", lesion="", unit="Gy", **UNKNOWN)
    rows = []
    for one in benefit.predictions:
        interval: dict[str, Any] = dict(zip(("lower_95", "upper_95"), one.interval_Gy, strict=True))
        values = [
            ("dose_iv", one.iv_Gy, "Gy", cycle.uncertainty_Gy.get(one.region, math.nan)),
            ("dose_ia_predicted", one.ia_Gy, "Gy", one.ia_Gy * one.spread),
        ]
        if one.region in benefit.delivered_Gy:
            dose, sd = benefit.delivered_Gy[one.region], benefit.u_delivered_Gy[one.region]
            ratio, spread = dose / one.ia_Gy, math.hypot(one.spread, 0.0 if math.isnan(sd) else sd / dose)
            values += [
                ("dose_ia_delivered", dose, "Gy", sd),
                ("delivered_over_predicted", ratio, "1", ratio * spread),
            ]
        rows += [
            replace(
                blank,
                region=one.region,
                metric=metric,
                value=value,
                unit=unit,
                uncertainty=sd,
                **(interval if metric == "dose_ia_predicted" else {}),
            )
            for metric, value, unit, sd in values
        ]
    return rows


def _result(study: StudyInput, contours: _Contours, pets: list[_Pet], findings: RouteFindings) -> StudyResult:
    word = IMAGE_WORDS[study.protocol.imaging.modality]
    own = enhancement_rows(findings.comparison, study.patient, contours.visit.cycle, word)
    more: list[Measurement] = []
    doubts: tuple[str, ...] = ()
    if findings.benefit is not None and study.iv_cycle is not None:
        more, doubts = _benefit_rows(findings.benefit, own[0], study.iv_cycle), findings.benefit.doubts
    notes = [text for pet in pets for text in doubts_among(pet.decisions)]
    if study.partial_volume != "none":
        notes.append(
            f"Partial volume: '{study.partial_volume}' is asked for, but IA and IV uptake is compared as measured."
        )
    for pet in pets:
        given, hours = pet.shown.injection, hours_after_injection(pet.shown.image, pet.shown.injection)
        found = visit_doubts(pet.shown.visit, study.protocol, given.nuclide, hours, alone=True)
        notes += [f"{pet.shown.visit}: {text}" for text in found]
    notes += series_doubts([(pet.shown.route, pet.shown.visit, pet.emission.series) for pet in pets])
    notes += [text for pet in pets for one in (pet.checked, pet.registered) if one is not None for text in one.warnings]
    return StudyResult(
        input=study,
        findings=findings,
        measured_rows=(*own, *more),
        measured_warnings=(*notes, *contours.prepared.warnings, *findings.comparison.warnings, *doubts),
        images=_images(contours, pets),
        visit_contents=_contents(contours, pets, findings.comparison.segments, own, word),
        registrations=tuple(pet.registered for pet in pets if pet.registered is not None),
        session_checks=tuple(pet.checked for pet in pets if pet.checked is not None),
        decisions=tuple(_decisions(contours, pets)),
    )


def _decisions(contours: _Contours, pets: list[_Pet]) -> list[dict[str, Any]]:
    """Facts on every series that was used."""
    facts = []
    if contours.source is not None and contours.source.series is not None:
        facts.append(series_facts(contours.visit.visit, contours.source.series, "contours"))
    for pet in pets:
        name, anatomy = pet.shown.visit, pet.visit.anatomy
        known = {**pet.shown.image.provenance, "name": pet.emission.name}
        facts.append(series_facts(name, pet.emission.series, "measured", pet.decisions, known))
        if anatomy is not None and anatomy.series is not None:
            facts.append(series_facts(name, anatomy.series, "registered"))
    return facts


def _contents(
    contours: _Contours,
    pets: list[_Pet],
    measured: Sequence[Segment],
    rows: tuple[Measurement, ...],
    word: str,
) -> tuple[VisitContents, ...]:
    """What the visits show; segments as they were measured."""
    visit = contours.visit.visit
    volumes = () if contours.image is None else ((f"Contours {visit}", contours.image),)
    prepared = contours.prepared
    known = {segment.name: segment for segment in measured}
    segments = tuple(known.get(segment.name, segment) for segment in prepared.segmentation)
    return (
        VisitContents(
            study=visit,
            volumes=volumes,
            segmentation=replace(prepared.segmentation, segments=segments),
            plane=prepared.plane,
            prepared=prepared,
            rows=rows,
            visit=visit,
        ),
        *(
            VisitContents(
                study=pet.shown.visit,
                volumes=((f"{word} {pet.shown.visit}", pet.shown.image),),
                visit=pet.shown.visit,
                injection=pet.shown.injection,
                route=pet.shown.route,
            )
            for pet in pets
        ),
    )


def _images(contours: _Contours, pets: list[_Pet]) -> tuple[VisitImages, ...]:
    """The visit of the contours first, unless it is one of the PET visits."""
    visit, source, found = contours.visit, contours.source, []
    series = source.series if source is not None else None
    if visit.visit not in [pet.shown.visit for pet in pets]:
        found.append(
            VisitImages(
                visit=visit.visit,
                cycle=visit.cycle,
                study=visit.visit,
                measured=series,
                contours=series,
                anatomy=source,
            )
        )
    for pet in pets:
        own = pet.shown.visit == visit.visit
        found.append(
            VisitImages(
                visit=pet.shown.visit,
                cycle=visit.cycle,
                study=pet.shown.visit,
                measured=pet.emission.series,
                contours=series if own else None,
                anatomy=source if own else None,
                ras_transform=pet.shown.ras_transform,
                manual_shifts=pet.shown.manual_shifts,
                regions=pet.shown.placed,
            )
        )
    return tuple(found)
