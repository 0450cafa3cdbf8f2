"""A study's input from a case file and DICOM; headers are read here, voxels when they are needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.bed_positions import quantify_beds
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.injection import injection_of
from PRRTUptakeLib.dicom.patient_identity import ImageUse, check_expected_patient, check_used_once
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.series_facts import has_units, series_facts
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.camera import camera_overrides, camera_warnings, cross_calibrated
from PRRTUptakeLib.study.case import require_no_questions
from PRRTUptakeLib.study.case_files import case_files
from PRRTUptakeLib.study.errors import ImageError
from PRRTUptakeLib.study.images import contour_series, emission_series, has_emission
from PRRTUptakeLib.study.model import (
    CONCENTRATION,
    IMAGE_WORDS,
    SUL,
    SUV,
    EmissionInput,
    ImageInput,
    LoadedEmission,
    StudyInput,
    VisitInput,
)
from PRRTUptakeLib.study.segment_files import SegmentationReader, no_reader, read_segments
from PRRTUptakeLib.study.visit_registration import anatomy_in_frame, image_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.camera import CameraFile
    from PRRTUptakeLib.study.case import Case, Visit

STATED_LOBES = ("none", "left", "right")  # a liver that is not to be divided, or is one lobe
_SUV_KINDS = {SUV: "bw", SUL: "lbm-janma"}  # Janmahasatian's lean mass holds in obesity too
ROUTES = {"intra-arterial": "IA", "intravenous": "IV"}


def study_input(case: Case, read_file: SegmentationReader = no_reader) -> StudyInput:
    """The input of a case.

    Parameters
    ----------
    case : from `load_case`.
    read_file : reads ``.seg.nrrd`` files.

    Raises
    ------
    PRRTError
        If the case has open questions, or a visit's DICOM cannot be read.
    """
    require_no_questions(case)
    visits = tuple(_visit(case, visit, read_file) for visit in case.visits)
    measured = [
        (one, series)
        for one in visits
        if one.emission is not None
        for series in (one.emission.series, *one.emission.beds)
    ]
    with_hashes = len(measured) > 1  # reads the files once more, which one scan alone does not need
    check_used_once(
        [
            ImageUse.of(case.patient, one.cycle, one.visit, series, with_hashes)
            for one, series in measured
            if series is not None
        ]
    )
    return StudyInput(
        patient=case.patient,
        protocol=case.protocol,
        visits=visits,
        treated_lobe=case.treated_lobe,
        partial_volume=case.partial_volume_method,
        recovery=case.recovery,
        dosimetry=case.dosimetry,
        iv_cycle=case.iv_cycle,
        delivered=case.delivered,
        notes=case.notes,
        same_patient=case.same_patient,
        source=case.path,
        base=case.path.parent,
        files=case_files(case.path),
        response=case.response,
        doubts=(*case.protocol.remarks, *_camera_doubts(case, measured)),
    )


def _camera_doubts(case: Case, measured: Sequence[tuple[VisitInput, Series | None]]) -> list[str]:
    """How the measured series differ from the phantom's of the camera file."""
    if case.camera is None:
        return []
    return [
        text
        for visit, series in measured
        if series is not None
        for text in camera_warnings(case.camera, series_facts(series), visit.visit)
    ]


def _visit(case: Case, visit: Visit, read_file: SegmentationReader) -> VisitInput:
    found = find_series(visit.dicom)
    beds: tuple[Series, ...] = ()
    refusal = None
    try:
        beds = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    except ImageError as error:  # a follow-up, or a visit whose CT was drawn on for others, needs none
        refusal = error
    emission = beds[0] if beds else None
    anatomy = anatomy_in_frame(found, emission) if emission is not None else None
    used = [one for one in (*beds, anatomy) if one is not None]
    check_expected_patient(used, case.expected_patient_id, case.path.name)

    def contours_on(grid: Grid) -> ImageInput | None:
        series = contour_series(found, grid)
        if series is not None:
            check_expected_patient([series], case.expected_patient_id, case.path.name)
        return anatomy_input(series) if series is not None else None

    def segments() -> Segmentation:
        return read_segments(visit.segments, found, read_file, visit.labels, case.same_patient)

    return VisitInput(
        visit=visit.visit,
        cycle=visit.cycle,
        route=ROUTES.get(visit.route, visit.route),
        emission=_emission(beds, visit, case.camera) if beds else None,
        emission_refusal=refusal,
        shows_emission=has_emission(found, case.protocol.imaging.modality),
        load_segments=segments,
        contours_on=contours_on,
        anatomy=anatomy_input(anatomy) if anatomy is not None else None,
        cut=case.lobes if case.lobes in STATED_LOBES else visit.lobe_plane,
        registration=visit.registration,
        manual_shifts=visit.manual_shifts,
        drawn_on=visit.drawn_on,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
        vanished=visit.vanished,
        non_targets=visit.non_targets,
        new_lesions=visit.new_lesions,
        enhancing_mm=visit.enhancing_mm,
        stated_date=visit.date,
    )


def anatomy_input(series: Series) -> ImageInput:
    """A CT or MRI series."""
    frame = series.frame_of_reference_uid
    return ImageInput(
        name=image_name(series),
        load=lambda: read_volume(series),
        series=series,
        frame_of_reference_uid=frame,
        load_compact=lambda: read_volume(series, compact=True),
    )


def _emission(beds: tuple[Series, ...], visit: Visit, camera: CameraFile | None) -> EmissionInput:
    first = beds[0]
    return EmissionInput(
        name=IMAGE_WORDS.get(first.modality, first.modality),
        load=lambda kind: _loaded(beds, kind, visit, camera),
        series=first,
        beds=beds[1:],
        frame_of_reference_uid=first.frame_of_reference_uid,
    )


def _loaded(beds: tuple[Series, ...], kind: str, visit: Visit, camera: CameraFile | None) -> LoadedEmission:
    series = beds[0]
    stated = camera_overrides(camera, visit.overrides, series, visit.observed_cps)
    if kind != CONCENTRATION and len(beds) > 1:
        raise ImageError(
            f"Visit '{visit.visit}' has {len(beds)} bed positions, which are joined in Bq/ml, not as SUV: give one "
            "series of the whole scan, or name one as 'image'."
        )
    try:
        made = quantify_beds(beds, stated) if kind == CONCENTRATION else suv(series, _SUV_KINDS[kind], stated)
    except DicomError as error:
        raise type(error)(f"{error}{_where_to_state(str(error), visit)}") from error
    volume, decisions = cross_calibrated(camera, made.volume, made.decisions, has_units(series))
    if visit.overrides is not None:
        decisions = (*decisions, f"Values were stated in the case file: {visit.overrides.reason}.")
    if volume.reference_time is None:
        refusal = "The image does not state its time, so hours after injection are not known."
        return LoadedEmission(volume=volume, refusal=refusal, decisions=decisions)
    try:
        injection = injection_of(series, volume.reference_time, stated)
    except PRRTError as error:  # a SPECT that does not say what was given is still good for ratios
        return LoadedEmission(volume=volume, refusal=str(error), decisions=decisions)
    return LoadedEmission(volume=volume, injection=injection, decisions=decisions)


def _where_to_state(message: str, visit: Visit) -> str:
    """The key of the case file, for a message whose remedy is to state a value; "" for others."""
    if not re.search(r"\b(give|state) the \w+", message):
        return ""
    return f" In the case file that is 'quantification' of the visit '{visit.visit}'."
