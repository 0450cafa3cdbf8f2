"""One visit measured by itself: with contours of its own, or with those of another visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.dicom.operator_overrides import doubts_among
from PRRTUptakeLib.study.contour_propagation import propagated
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurement_rows import measurement_rows
from PRRTUptakeLib.study.model import (
    CONCENTRATION,
    IMAGE_WORDS,
    KnownPlacement,
    VisitContents,
    VisitImages,
    series_facts,
)
from PRRTUptakeLib.study.placement import Placement
from PRRTUptakeLib.study.preparation import prepare, with_ct_doubts
from PRRTUptakeLib.study.registration_rule import RegistrationRule
from PRRTUptakeLib.study.response_case import is_follow_up
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit
from PRRTUptakeLib.study.visit_doubts import hours_after_injection, visit_doubts

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import EmissionInput, ImageInput, LoadedEmission, StudyInput, VisitInput
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.session_alignment import CheckedVisit
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.study.visit_registration import VisitRegistration


@dataclass(frozen=True, kw_only=True, eq=False)
class ContouredVisit:
    """A visit that contours were drawn on: the image (None if it is not at hand), and the labelled segments on it."""

    visit: VisitInput
    source: ImageInput | None
    image: Volume | None
    prepared: Prepared

    @property
    def fixed(self) -> tuple[ImageInput, Volume] | None:
        """The image with its voxels, None if it is not at hand."""
        return (self.source, self.image) if self.source is not None and self.image is not None else None


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredVisit:
    """One measured visit with all that the study's result takes from it.

    ``checked`` says whether emission image and CT agree, ``registered`` how contours of another frame of reference
    came here; None where there was nothing to check or to register.
    """

    result: VisitResult
    warnings: tuple[str, ...]
    contents: VisitContents
    images: VisitImages
    decisions: tuple[dict[str, Any], ...]
    checked: CheckedVisit | None
    registered: VisitRegistration | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    """How the segments come to the visit (None for the same place), and the CT that the emission image belongs to."""

    placement: Placement | None
    how: str = ""
    registered: VisitRegistration | None = None
    anatomy: tuple[ImageInput, Volume] | None = None


def measure_contoured(
    study: StudyInput, visit: VisitInput, baseline: Prepared | None, progress: Progress
) -> tuple[MeasuredVisit, ContouredVisit]:
    """Measure a visit with segments of its own.

    Raises
    ------
    PRRTError
        If its data do not allow an answer.
    """
    progress(0.0, f"reading {visit.visit}")
    segmentation = visit.load_segments()
    emission, loaded = load_emission(visit)
    source = visit.contours_on(segmentation.grid)
    image = source.load() if source is not None else None
    fixed = (source, image) if source is not None and image is not None else None
    placed, doubts = _placed(study, visit, fixed, segmentation, own=True)
    progress(0.5, f"{visit.visit}: lobes, lesions and reference regions")
    prepared = prepare(
        segmentation,
        study.protocol,
        _in_space_of_segments(loaded.volume, placed.placement),
        visit.cut,
        baseline=baseline,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
        vanished=visit.vanished,
    )
    prepared = with_ct_doubts(prepared, image)
    drawn = ContouredVisit(visit=visit, source=source, image=image, prepared=prepared)
    made = _measured(study, visit, drawn, (emission, loaded), placed, progress)
    return replace(made, warnings=(*doubts, *made.warnings)), drawn


def measure_propagated(
    study: StudyInput, visit: VisitInput, drawn: ContouredVisit, progress: Progress
) -> MeasuredVisit:
    """Measure a visit with the contours that were drawn on another visit's image.

    Raises
    ------
    PRRTError
        If the two cannot be brought together, or the visit's data do not allow an answer.
    """
    progress(0.0, f"reading {visit.visit}")
    emission, loaded = load_emission(visit)
    progress(0.3, f"{visit.visit}: registration")
    placed, _ = _placed(study, visit, drawn.fixed, drawn.prepared.segmentation, own=False)
    return _measured(study, visit, drawn, (emission, loaded), placed, progress)


def load_emission(visit: VisitInput, kind: str = CONCENTRATION) -> tuple[EmissionInput, LoadedEmission]:
    """The image to be measured in.

    Raises
    ------
    PRRTError
        If the visit has none, or it cannot be quantified.
    """
    if visit.emission is None:
        raise visit.emission_refusal or StudyError(f"Visit '{visit.visit}' has no image to be measured: add it.")
    return visit.emission, visit.emission.load(kind)


def study_name(cycle: int, visit: str) -> str:
    """What the visit is called in scenes and folders."""
    return f"cycle {cycle} {visit}"


def _placed(
    study: StudyInput,
    visit: VisitInput,
    fixed: tuple[ImageInput, Volume] | None,
    segmentation: Segmentation,
    own: bool,
) -> tuple[_Placed, tuple[str, ...]]:
    """How segments come to the emission image, and doubts.

    Those of the visit's own share its space, unless their image names another frame of reference or a registration is
    stated.
    """
    assert visit.emission is not None
    rule, frame, ct = visit.registration, visit.emission.frame_of_reference_uid, visit.anatomy
    if isinstance(rule, KnownPlacement):
        moves = rule.placement is not None
        anatomy = None if ct is None else (ct, ct.load())
        how = rule.registered.registration.kind if rule.registered is not None else "given"
        where = _Placed(
            placement=rule.placement,
            how=how,
            registered=rule.registered if moves else None,
            anatomy=anatomy if moves else fixed or anatomy,
        )
        return where, ()
    elsewhere = fixed is not None and "" not in (frame, fixed[0].frame_of_reference_uid)
    elsewhere = elsewhere and fixed is not None and frame != fixed[0].frame_of_reference_uid
    if own and not rule and not elsewhere:
        return _Placed(placement=None, anatomy=fixed or ((ct, ct.load()) if ct is not None else None)), ()
    moving = (ct, ct.load()) if ct is not None else None
    if fixed is not None and moving is not None:
        from PRRTUptakeLib.study.visit_registration import visit_registration  # brings SimpleITK, only where needed

        made = visit_registration(visit, fixed, moving, segmentation, bool(study.same_patient))
        return _through(made.registration, made, moving), ()
    if isinstance(rule, RegistrationRule):
        return _through(rule.registration(segmentation.grid), None, moving), ()
    missing = (
        "the image the contours were drawn on"
        if fixed is None
        else "a CT in the frame of reference of its emission image"
    )
    if own and not rule:
        doubt = "Segments and emission image name different frames of reference and were taken as they are: no {}."
        return _Placed(placement=None, anatomy=fixed), (doubt.format(missing.removeprefix("a ")),)
    raise StudyError(
        f"Visit '{visit.visit}' cannot be registered, because {missing} is missing: add it, or give 'registration' a "
        "transform."
    )


def _through(
    registration: Registration, registered: VisitRegistration | None, anatomy: tuple[ImageInput, Volume] | None
) -> _Placed:
    return _Placed(placement=Placement.of(registration), how=registration.kind, registered=registered, anatomy=anatomy)


def _in_space_of_segments(image: Volume, placement: Placement | None) -> Volume:
    """The image as it is under the segments, without a voxel changed: the sphere reference is sought in it."""
    if placement is None:
        return image
    return replace(image, ijk_to_ras=np.linalg.inv(placement.matrix) @ image.ijk_to_ras)


def _measured(
    study: StudyInput,
    visit: VisitInput,
    drawn: ContouredVisit,
    measured: tuple[EmissionInput, LoadedEmission],
    placed: _Placed,
    progress: Progress,
) -> MeasuredVisit:
    emission, loaded = measured
    prepared = drawn.prepared
    if placed.placement is not None:
        prepared = propagated(prepared, placed.placement, placed.how)
    progress(0.8, f"{visit.visit}: measuring")
    word = IMAGE_WORDS[study.protocol.imaging.modality]
    labels = VisitLabels(study.patient, visit.cycle, visit.visit, word, study.treated_lobe)
    result = measure_visit(
        prepared,
        loaded.volume,
        study.measuring_protocol,
        labels,
        loaded.injection,
        study.recovery,
        manual_shifts=visit.manual_shifts,
        partial_volume=study.partial_volume,
    )
    background = placed.anatomy[1] if placed.anatomy and (placed.registered or drawn.image is None) else drawn.image
    result = replace(result, anatomy=background)
    own = visit.drawn_on is None
    contours = drawn.source if own else None
    images = VisitImages(
        visit=visit.visit,
        cycle=visit.cycle,
        study=study_name(visit.cycle, visit.visit),
        measured=emission.series,
        contours=contours.series if contours is not None else None,
        anatomy=contours,
        ras_transform=placed.placement.ras_transform if placed.placement is not None else None,
        drawn_on=visit.drawn_on,
        manual_shifts=visit.manual_shifts,
        regions=result.regions,
    )
    checked = None
    if placed.anatomy is not None:
        from PRRTUptakeLib.study.session_alignment import check_visit

        reference = (placed.anatomy[0].name, placed.anatomy[1])
        matrix = placed.placement.matrix if placed.placement is not None else None
        segments = drawn.prepared.segmentation
        checked = check_visit(visit.visit, (labels.image, loaded.volume), reference, segments, matrix)
    return MeasuredVisit(
        result=result,
        warnings=(*doubts_among(loaded.decisions), *_visit_doubts(study, visit, loaded), *result.warnings),
        contents=_contents(result, drawn if own else None),
        images=images,
        decisions=tuple(_decisions(visit, emission, loaded, contours, placed)),
        checked=checked,
        registered=placed.registered,
    )


def _visit_doubts(study: StudyInput, visit: VisitInput, loaded: LoadedEmission) -> list[str]:
    """Whether the image is the one that the visit's name and the protocol mean."""
    injection = loaded.injection
    if injection is None or is_follow_up(visit.visit):
        return []
    same_cycle = [one for one in study.visits if one.cycle == visit.cycle and one.emission is not None]
    alone = len([one for one in same_cycle if not is_follow_up(one.visit)]) == 1
    hours = hours_after_injection(loaded.volume, injection)
    return visit_doubts(visit.visit, study.protocol, injection.nuclide, hours, alone)


def _decisions(
    visit: VisitInput, emission: EmissionInput, loaded: LoadedEmission, contours: ImageInput | None, placed: _Placed
) -> list[dict[str, Any]]:
    """Facts on every series that was used."""
    words = [*loaded.decisions, *([loaded.refusal] if loaded.refusal else [])]
    known = {**loaded.volume.provenance, "name": emission.name}
    facts = [series_facts(visit.visit, emission.series, "measured", words, known)]
    if contours is not None and contours.series is not None:
        facts.append(series_facts(visit.visit, contours.series, "contours"))
    anatomy = placed.anatomy[0] if placed.anatomy is not None else None
    if anatomy is not None and anatomy.series is not None and anatomy is not contours:
        use = "registered" if placed.registered else "checked"
        if contours is None or anatomy.series is not contours.series:
            facts.append(series_facts(visit.visit, anatomy.series, use))
    return facts


def _contents(result: VisitResult, drawn: ContouredVisit | None) -> VisitContents:
    """Images and table of a visit; its segments where they were drawn, and only for the visit of that image."""
    labels, anatomy = result.labels, result.anatomy
    study = study_name(labels.cycle, labels.visit)
    volumes = [(f"{labels.image} {study}", result.image)]
    known: dict[str, Any] = {"visit": labels.visit, "injection": result.injection}
    if anatomy is not None:
        volumes.append((f"CT {study}", anatomy))
    if drawn is None:
        return VisitContents(study=study, volumes=tuple(volumes), rows=measurement_rows(result), **known)
    if drawn.image is not None and drawn.image is not anatomy:
        volumes.append((f"Contours {study}", drawn.image))
    return VisitContents(
        study=study,
        volumes=tuple(volumes),
        segmentation=drawn.prepared.segmentation,
        plane=drawn.prepared.plane,
        prepared=drawn.prepared,
        rows=measurement_rows(result),
        **known,
    )
