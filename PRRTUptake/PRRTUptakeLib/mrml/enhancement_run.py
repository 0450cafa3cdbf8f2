"""The IA-versus-IV design: contours on one MRI or CT, carried to both PET/CT by registration."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.injection import injection_of
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.outcome import CaseOutcome, SceneVisit, VisitImages, series_facts
from PRRTUptakeLib.mrml.segment_files import read_segments, segment_files
from PRRTUptakeLib.mrml.visit_registration import VisitRegistration, anatomy_in_frame, image_name, visit_registration
from PRRTUptakeLib.progress import Progress, sub_progress
from PRRTUptakeLib.report.alignment_report import alignment_section
from PRRTUptakeLib.report.enhancement_report import (
    benefit_section,
    benefit_table,
    enhancement_sections,
    enhancement_text,
)
from PRRTUptakeLib.report.page import plain_table
from PRRTUptakeLib.report.registration_report import registration_sections
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import SegmentError
from PRRTUptakeLib.study.images import contour_series, emission_series
from PRRTUptakeLib.study.predicted_benefit import (
    cycle_doses,
    cycle_masses,
    cycle_uncertainties,
    lesion_doubts,
    predicted_doses,
    rows_of_patient,
)
from PRRTUptakeLib.study.preparation import Prepared, prepare, with_ct_doubts
from PRRTUptakeLib.study.registration_rule import RegistrationRule
from PRRTUptakeLib.study.route_uptake import (
    EnhancementResult,
    RoutedImage,
    compare_routes,
    enhancement_rows,
)
from PRRTUptakeLib.study.session_alignment import CheckedVisit, check_visit

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.case import Case, Visit
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.predicted_benefit import IntravenousCycle, Prediction

ROUTES = {"intra-arterial": "IA", "intravenous": "IV"}


class EnhancementRunError(PRRTError):
    """A case lacks what the IA-versus-IV design needs."""


@dataclass(frozen=True, eq=False)
class _Contours:
    """The visit on which was drawn: its image, the segments on it, and where they come from."""

    visit: Visit
    series: Series
    image: Volume
    prepared: Prepared


@dataclass(frozen=True, eq=False)
class _Pet:
    """One PET/CT: its SUV image with the transform to it, how it was registered, and whether PET and CT agree."""

    shown: RoutedImage
    registered: VisitRegistration
    checked: CheckedVisit
    series: tuple[Series, Series]
    decisions: tuple[str, ...]


def measure_enhancement_case(case: Case, progress: Progress) -> CaseOutcome:
    """Compare intra-arterial and intravenous uptake of one patient.

    Raises
    ------
    PRRTError
        If a visit is missing or its data do not allow an answer.
    """
    drawn, ia_visit, iv_visit = _roles(case)
    progress(0.0, f"reading {drawn.visit}: lobes, lesions and reference regions")
    contours = _contours(case, drawn)
    pets = {}
    for n, visit in enumerate((ia_visit, iv_visit)):
        step = sub_progress(progress, 0.2 + 0.35 * n, 0.55 + 0.35 * n)
        pets[visit.visit] = _pet(case, visit, contours, step)
    progress(0.9, "measuring")
    ia, iv = pets[ia_visit.visit], pets[iv_visit.visit]
    result = compare_routes(contours.prepared, ia.shown, iv.shown, case.protocol)
    return _with_benefit(_outcome(case, contours, (ia, iv), result), result)


def _with_benefit(outcome: CaseOutcome, result: EnhancementResult) -> CaseOutcome:
    """Add what an intra-arterial cycle can be expected to give, where the case tells an intravenous one."""
    case = outcome.case
    if case.iv_cycle is None:
        return outcome
    predictions = predicted_doses(result, case.iv_cycle)
    delivered, spreads, doubts, files = {}, {}, [], []
    if case.iv_cycle.file is not None:
        files.append(case.iv_cycle.file)
        doubts += lesion_doubts(result, case.iv_cycle.mass_g, case.iv_cycle.file.name)
    if case.delivered is not None:
        table = case.delivered.measurements
        given = rows_of_patient(table, case.patient, bool(case.same_patient))
        delivered, spreads = (read(given, case.delivered.cycle) for read in (cycle_doses, cycle_uncertainties))
        doubts += lesion_doubts(result, cycle_masses(given, case.delivered.cycle), table.name)
        files.append(table)
    like = replace(outcome.rows[0], visit="IA/IV", role="", lobe="none", lesion="", unit="Gy", uncertainty=math.nan)
    rows = [row for one in predictions for row in _benefit_rows(one, like, case.iv_cycle, (delivered, spreads))]
    return replace(
        outcome.with_more(
            rows=rows,
            warnings=doubts,
            text=["Predicted benefit", plain_table(*benefit_table(predictions, delivered))],
            sections=[benefit_section(predictions, delivered)],
        ),
        files=(*outcome.files, *files),
    )


def _benefit_rows(
    one: Prediction, like: Measurement, cycle: IntravenousCycle, delivered: tuple[dict[str, float], dict[str, float]]
) -> list[Measurement]:
    """Doses of one region in long form; ``delivered`` are doses and their standard uncertainties."""
    told = [
        ("dose_iv", one.iv_Gy, "Gy", cycle.uncertainty_Gy.get(one.region, math.nan)),
        ("dose_ia_predicted", one.ia_Gy, "Gy", one.ia_Gy * one.spread),
    ]
    if one.region in delivered[0]:
        dose, sd = (values[one.region] for values in delivered)
        ratio, spread = dose / one.ia_Gy, math.hypot(one.spread, 0.0 if math.isnan(sd) else sd / dose)
        told += [
            ("dose_ia_delivered", dose, "Gy", sd),
            ("delivered_over_predicted", ratio, "1", ratio * spread),
        ]
    return [
        replace(like, region=one.region, metric=metric, value=value, unit=unit, uncertainty=sd)
        for metric, value, unit, sd in told
    ]


def _roles(case: Case) -> tuple[Visit, Visit, Visit]:
    """The visit on which was drawn, the intra-arterial one, the intravenous one."""
    by_route: dict[str, list[Visit]] = {"": [], "IA": [], "IV": []}
    for visit in case.visits:
        route = ROUTES.get(visit.route, visit.route)
        if route not in by_route:
            known = ", ".join(ROUTES)
            raise EnhancementRunError(f"Visit '{visit.visit}': the route '{visit.route}' is not one of {known}.")
        by_route[route].append(visit)
    for route, word in (("IA", "an intra-arterial"), ("IV", "an intravenous")):
        if len(by_route[route]) != 1:
            raise EnhancementRunError(
                f"The case needs {word} visit, one and no more, but has {len(by_route[route])}: set 'route' of each."
            )
    drawn = by_route[""][0] if by_route[""] else by_route["IA"][0]
    if drawn.registration and by_route[""]:
        raise EnhancementRunError(
            f"Visit '{drawn.visit}' is the one on which was drawn: give 'registration' to the PET visits instead."
        )
    return drawn, by_route["IA"][0], by_route["IV"][0]


def _contours(case: Case, visit: Visit) -> _Contours:
    found = find_series(visit.dicom)
    segmentation = read_segments(visit.segments, found)
    series = contour_series(found, segmentation.grid)
    if series is None:
        raise EnhancementRunError(
            f"Visit '{visit.visit}' has no MRI or CT on the grid of its segments: add the image on which was drawn."
        )
    image = read_volume(series)
    with contextlib.suppress(SegmentError):  # masks may have voxels of their own
        segmentation = regrid(segmentation, image.grid)
    prepared = prepare(
        segmentation,
        case.protocol,
        None,
        visit.lobe_plane,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
    )
    return _Contours(visit, series, image, with_ct_doubts(prepared, image))


def _pet(case: Case, visit: Visit, contours: _Contours, progress: Progress) -> _Pet:
    progress(0.0, f"reading {visit.visit}")
    found = find_series(visit.dicom)
    emission = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    made = suv(emission)
    if made.volume.reference_time is None:
        raise EnhancementRunError(f"The PET of visit '{visit.visit}' does not tell its time: complete its header.")
    injection = injection_of(emission, made.volume.reference_time)
    series = _anatomy(found, emission, visit)
    progress(0.3, f"{visit.visit}: registration")
    anatomy = (series, read_volume(series))
    segmentation = contours.prepared.segmentation
    fixed = (contours.series, contours.image)
    registered = visit_registration(case, visit, fixed, anatomy, segmentation)
    found_transform = registered.registration
    reference = (image_name(series), anatomy[1])
    checked = check_visit(visit.visit, ("PET", made.volume), reference, segmentation, found_transform.fixed_to_moving)
    route = ROUTES[visit.route]
    shown = RoutedImage(route, visit.visit, made.volume, found_transform.ras_transform, injection, visit.manual_shifts)
    return _Pet(shown, registered, checked, (emission, series), made.decisions)


def _anatomy(found: tuple[Series, ...], emission: Series, visit: Visit) -> Series:
    """The CT of the PET/CT."""
    series = anatomy_in_frame(found, emission)
    if series is None:
        raise EnhancementRunError(
            f"Visit '{visit.visit}' has no CT in the frame of reference of its PET, so it cannot be registered: add it."
        )
    return series


def _outcome(case: Case, contours: _Contours, pets: tuple[_Pet, _Pet], result: EnhancementResult) -> CaseOutcome:
    cycle = contours.visit.cycle
    rows = enhancement_rows(result, case.patient, cycle)
    told = [text for pet in pets for one in (pet.checked, pet.registered) for text in one.warnings]
    facts: list[dict[str, Any]] = [series_facts(contours.visit.visit, contours.series, "contours")]
    files: list[Path] = [case.path, *segment_files(contours.visit.segments), *contours.series.files]
    scene = [
        SceneVisit(
            contours.visit.visit,
            ((f"Contours {contours.visit.visit}", contours.image),),
            contours.prepared.segmentation,
            contours.prepared.plane,
            rows,
            visit=contours.visit.visit,
        )
    ]
    for pet in pets:
        emission, anatomy = pet.series
        facts += [
            series_facts(pet.shown.visit, emission, "measured", pet.decisions),
            series_facts(pet.shown.visit, anatomy, "registered"),
        ]
        files += [*emission.files, *anatomy.files]
        rule = next(one.registration for one in case.visits if one.visit == pet.shown.visit)
        files += rule.files if isinstance(rule, RegistrationRule) else ()
        visit, image = pet.shown.visit, pet.shown.image
        scene.append(SceneVisit(visit, ((f"PET {visit}", image),), visit=visit, injection=pet.shown.injection))
    return CaseOutcome(
        case,
        f"Intra-arterial against intravenous: {case.patient}",
        rows,
        (*told, *contours.prepared.warnings, *result.warnings),
        tuple(enhancement_text(result, case.protocol, case.patient)),
        (
            *enhancement_sections(result, case.protocol),
            *registration_sections([pet.registered for pet in pets]),
            alignment_section([pet.checked for pet in pets]),
        ),
        tuple(scene),
        tuple(facts),
        tuple(files),
        images=_images(contours, pets),
        alignment=tuple(fact for pet in pets for fact in _facts(pet)),
    )


def _facts(pet: _Pet) -> list[dict[str, Any]]:
    """What the provenance keeps of how one PET/CT was brought to the contours."""
    manual_shifts = [manual_shift.facts(pet.shown.visit) for manual_shift in pet.shown.manual_shifts]
    return [pet.checked.facts(), pet.registered.facts(), *manual_shifts]


def _images(contours: _Contours, pets: tuple[_Pet, _Pet]) -> tuple[VisitImages, ...]:
    """The visit of the contours first, unless it is one of the PET visits."""
    visit, found = contours.visit, []
    if visit.visit not in [pet.shown.visit for pet in pets]:
        found.append(VisitImages(visit.visit, visit.cycle, visit.visit, contours.series, contours.series))
    for pet in pets:
        name = pet.shown.visit
        drawn = contours.series if name == visit.visit else None
        found.append(
            VisitImages(
                name,
                visit.cycle,
                name,
                pet.series[0],
                drawn,
                pet.shown.ras_transform,
                manual_shifts=pet.shown.manual_shifts,
            )
        )
    return tuple(found)
