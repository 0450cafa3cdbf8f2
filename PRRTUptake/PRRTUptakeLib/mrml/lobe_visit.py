"""One visit of a lobe-against-lobe case: measured with contours of its own, or with those of another visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.injection import Injection, injection_of
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.mrml.outcome import SceneVisit, VisitImages, series_facts
from PRRTUptakeLib.mrml.segment_files import read_segments, segment_files
from PRRTUptakeLib.mrml.visit_registration import VisitRegistration, anatomy_in_frame, image_name, visit_registration
from PRRTUptakeLib.report.patient_report import ReportedVisit
from PRRTUptakeLib.study.contour_propagation import propagated
from PRRTUptakeLib.study.images import contour_series, emission_series
from PRRTUptakeLib.study.measurement_rows import measurement_rows
from PRRTUptakeLib.study.preparation import prepare, with_ct_doubts
from PRRTUptakeLib.study.registration_rule import RegistrationRule
from PRRTUptakeLib.study.session_alignment import CheckedVisit, check_visit
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from PRRTUptakeLib.dicom.operator_overrides import Quantified
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.case import Case, Visit
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.uptake.mapping import RasTransform


class LobeVisitError(PRRTError):
    """A visit cannot be measured with the contours that it names."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A visit on whose image was drawn: the image (None if it is not at hand), and the labelled segments on it."""

    visit: Visit
    series: Series | None
    image: Volume | None
    prepared: Prepared


@dataclass(frozen=True, eq=False)
class MeasuredVisit:
    """One measured visit with all that the outcome takes from it.

    ``checked`` tells whether emission image and CT lie on each other, ``registered`` how contours of another frame of
    reference came here; None where there was nothing to check or to register.
    """

    shown: ReportedVisit
    warnings: tuple[str, ...]
    scene: SceneVisit
    images: VisitImages
    facts: list[dict[str, Any]]
    files: list[Path]
    checked: CheckedVisit | None
    registered: VisitRegistration | None


def measure_drawn(
    case: Case, visit: Visit, found: Sequence[Series], baseline: Prepared | None, progress: Progress
) -> tuple[MeasuredVisit, Drawn]:
    """Measure a visit with segments of its own.

    Raises
    ------
    PRRTError
        If its data do not allow an answer.
    """
    progress(0.0, f"reading {visit.visit}")
    segmentation = read_segments(visit.segments, found)
    emission, quantified = _emission(case, visit, found)
    contours = contour_series(found, segmentation.grid)
    anatomy = read_volume(contours) if contours is not None else None
    fixed = (contours, anatomy) if contours is not None and anatomy is not None else None
    placed, doubts = _placed(case, visit, fixed, (found, emission), segmentation, own=True)
    progress(0.5, f"{visit.visit}: lobes, lesions and reference regions")
    prepared = prepare(
        segmentation,
        case.protocol,
        _in_space_of_segments(quantified.volume, placed.registration),
        visit.lobe_plane,
        baseline=baseline,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
        vanished=visit.vanished,
    )
    prepared = with_ct_doubts(prepared, anatomy)
    drawn = Drawn(visit, contours, anatomy, prepared)
    made = _measured(case, visit, drawn, (emission, quantified), placed, progress)
    return replace(made, warnings=(*doubts, *made.warnings), files=[*made.files, *segment_files(visit.segments)]), drawn


def measure_propagated(
    case: Case, visit: Visit, found: Sequence[Series], drawn: Drawn, progress: Progress
) -> MeasuredVisit:
    """Measure a visit with the contours that were drawn on another visit's image.

    Raises
    ------
    PRRTError
        If the two cannot be brought together, or the visit's data do not allow an answer.
    """
    progress(0.0, f"reading {visit.visit}")
    emission, quantified = _emission(case, visit, found)
    fixed = (drawn.series, drawn.image) if drawn.series is not None and drawn.image is not None else None
    progress(0.3, f"{visit.visit}: registration")
    placed, _ = _placed(case, visit, fixed, (found, emission), drawn.prepared.segmentation, own=False)
    return _measured(case, visit, drawn, (emission, quantified), placed, progress)


@dataclass(frozen=True, eq=False)
class _Placed:
    """How the segments come to the visit: None if they are there, and the CT that the emission image belongs to."""

    registration: Registration | None
    registered: VisitRegistration | None
    anatomy: tuple[Series, Volume] | None

    @property
    def matrix(self) -> np.ndarray | None:
        """4x4 RAS from the segments' space to the visit's; where the registration bends too, its linear part."""
        return self.registration.fixed_to_moving if self.registration is not None else None

    @property
    def ras_transform(self) -> RasTransform | None:
        """From the segments' space to the visit's, bending included."""
        return self.registration.ras_transform if self.registration is not None else None


def _placed(
    case: Case,
    visit: Visit,
    fixed: tuple[Series, Volume] | None,
    series: tuple[Sequence[Series], Series],
    segmentation: Segmentation,
    own: bool,
) -> tuple[_Placed, tuple[str, ...]]:
    """How segments come to the emission image, and doubts.

    Those of the visit's own lie there, unless their image names another frame of reference or a registration is stated.
    """
    found, emission = series
    rule, frame = visit.registration, emission.frame_of_reference_uid
    elsewhere = fixed is not None and "" not in (frame, fixed[0].frame_of_reference_uid)
    elsewhere = elsewhere and fixed is not None and frame != fixed[0].frame_of_reference_uid
    ct = anatomy_in_frame(found, emission)
    if own and not rule and not elsewhere:
        return _Placed(None, None, fixed or ((ct, read_volume(ct)) if ct is not None else None)), ()
    moving = (ct, read_volume(ct)) if ct is not None else None
    if fixed is not None and moving is not None:
        made = visit_registration(case, visit, fixed, moving, segmentation)
        return _Placed(made.registration, made, moving), ()
    if isinstance(rule, RegistrationRule):
        return _Placed(rule.registration(segmentation.grid), None, moving), ()
    missing = (
        "the image on which was drawn" if fixed is None else "a CT in the frame of reference of its emission image"
    )
    if own and not rule:
        doubt = "Segments and emission image name different frames of reference and were taken as they stand: no {}."
        return _Placed(None, None, fixed), (doubt.format(missing.removeprefix("a ")),)
    raise LobeVisitError(
        f"Visit '{visit.visit}' cannot be registered, because {missing} is missing: add it, or give 'registration' a "
        "transform."
    )


def _in_space_of_segments(image: Volume, registration: Registration | None) -> Volume:
    """The image as it lies under the segments, without a voxel changed: their calmest part is sought in it."""
    if registration is None:
        return image
    return replace(image, ijk_to_ras=registration.moving_to_fixed @ image.ijk_to_ras)


def _measured(
    case: Case,
    visit: Visit,
    drawn: Drawn,
    measured: tuple[Series, Quantified],
    placed: _Placed,
    progress: Progress,
) -> MeasuredVisit:
    emission, quantified = measured
    prepared = drawn.prepared
    if placed.registration is not None:
        prepared = propagated(prepared, placed.registration)
    progress(0.8, f"{visit.visit}: measuring")
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, case.protocol.imaging.modality, case.treated_lobe)
    injection, doubt = _injection(emission, quantified)
    result = measure_visit(
        prepared, quantified.volume, case.protocol, labels, injection, case.recovery, manual_shifts=visit.manual_shifts
    )
    own = visit.drawn_on is None
    contours = drawn.series if own else None
    facts = [series_facts(visit.visit, emission, "measured", [*quantified.decisions, *doubt])]
    files = [*emission.files]
    if contours is not None:
        facts.append(series_facts(visit.visit, contours, "contours"))
        files += contours.files
    if placed.anatomy is not None and placed.anatomy[0] is not contours:
        facts.append(series_facts(visit.visit, placed.anatomy[0], "registered" if placed.registered else "checked"))
        files += placed.anatomy[0].files
    if isinstance(visit.registration, RegistrationRule):
        files += visit.registration.files
    shown = ReportedVisit(result, placed.anatomy[1] if placed.registered and placed.anatomy else drawn.image)
    images = VisitImages(
        visit.visit,
        visit.cycle,
        study_name(labels),
        emission,
        contours,
        placed.ras_transform,
        visit.drawn_on,
        visit.manual_shifts,
    )
    checked = None
    if placed.anatomy is not None:
        series, anatomy = placed.anatomy
        reference = (image_name(series), anatomy)
        checked = check_visit(
            visit.visit, (labels.image, quantified.volume), reference, drawn.prepared.segmentation, placed.matrix
        )
    scene = _scene_visit(shown, drawn if own else None)
    return MeasuredVisit(shown, result.warnings, scene, images, facts, files, checked, placed.registered)


def study_name(labels: VisitLabels) -> str:
    """What a visit is called in the scene."""
    return f"cycle {labels.cycle} {labels.visit}"


def _emission(case: Case, visit: Visit, found: Sequence[Series]) -> tuple[Series, Quantified]:
    emission = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    return emission, quantify(emission)


def _injection(emission: Series, quantified: Quantified) -> tuple[Injection | None, list[str]]:
    """What was given; a SPECT that does not tell is still good for ratios, so that the reason is only kept."""
    if quantified.volume.reference_time is None:
        return None, ["The image does not tell its time, so hours after injection are not known."]
    try:
        return injection_of(emission, quantified.volume.reference_time), []
    except PRRTError as error:
        return None, [str(error)]


def _scene_visit(visit: ReportedVisit, drawn: Drawn | None) -> SceneVisit:
    """Images and table of a visit; its segments where they were drawn, and only for the visit of that image."""
    result = visit.result
    study = study_name(result.labels)
    volumes = [(f"{result.labels.image} {study}", result.image)]
    known: dict[str, Any] = {"visit": result.labels.visit, "injection": result.injection}
    if visit.anatomy is not None:
        volumes.append((f"CT {study}", visit.anatomy))
    if drawn is None:
        return SceneVisit(study, tuple(volumes), rows=measurement_rows(result), **known)
    if drawn.image is not None and drawn.image is not visit.anatomy:
        volumes.append((f"Contours {study}", drawn.image))
    prepared = drawn.prepared
    return SceneVisit(study, tuple(volumes), prepared.segmentation, prepared.plane, measurement_rows(result), **known)
