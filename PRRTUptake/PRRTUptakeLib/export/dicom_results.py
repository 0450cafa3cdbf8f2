"""A measured case as DICOM: per visit the segments (SEG), the measurements (SR), and the maps that there are."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.dicom.body import header_body
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.suv import concentration_at_suv_1
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.dicom_maps import parametric_map
from PRRTUptakeLib.export.dicom_objects import refer_to, save_object
from PRRTUptakeLib.export.dicom_rtdose import ABSORBED, EFFECTS, dose_object
from PRRTUptakeLib.export.dicom_rtstruct import structure_set
from PRRTUptakeLib.export.dicom_seg import occupancy_object, segmentation_object
from PRRTUptakeLib.export.dicom_sr import measurement_report
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.model import CONCENTRATION, SUV
from PRRTUptakeLib.study.placement import placed_regions
from PRRTUptakeLib.study.response_case import is_follow_up
from PRRTUptakeLib.vocabulary import SUV_UNITS, TIA_UNITS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.export.deidentify import Deidentifier
    from PRRTUptakeLib.export.deidentify_text import Identity
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.model import LoadedEmission, StudyResult, VisitImages
    from PRRTUptakeLib.uptake.occupancy import Occupancy

_KINDS = {"Gy": "RTDOSE", TIA_UNITS: "TIA", **dict.fromkeys(SUV_UNITS.values(), "SUV")}


def write_dicom(
    result: StudyResult,
    folder: Path,
    deidentifier: Deidentifier | None = None,
    identity: Identity | None = None,
    structure_sets: bool = False,
) -> list[Path]:
    """Write all visits to ``folder``, one folder each; returns the files.

    Parameters
    ----------
    deidentifier : frees every object of the patient's identity, and of ``identity`` in its texts; none by default.

    structure_sets : the segments as RT Structure Set too.

    Raises
    ------
    ExportError
        If the case keeps no DICOM series to refer to, or an object cannot be made or written.
    """
    if not result.images or any(one.measured is None for one in result.images):
        raise ExportError("This case keeps no DICOM series to refer to: its results cannot be written as DICOM.")
    written = []
    cleaner = deidentifier.cleaner(identity) if deidentifier and identity else None
    for study, name, ds in _objects(result, structure_sets):
        place = re.sub(r"[^A-Za-z0-9._-]+", "_", cleaner.text(study) if cleaner else study)
        if deidentifier is not None:
            ds = deidentifier.dataset(ds, identity)
        written.append(save_object(ds, folder / place / f"{name}.dcm"))
    return written


def _objects(result: StudyResult, structure_sets: bool) -> Iterator[tuple[str, str, Dataset]]:
    """Every object with its study, which names a folder, and the name of its file."""
    drawn: tuple[Segmentation, Dataset] | None = None
    for images in result.images:
        own = _own_segmentation(result, images)
        if own is not None:
            drawn = (own, segmentation_object(own, images.contours or _series(images)))
            yield images.study, "SEG", drawn[1]
            if structure_sets:
                yield images.study, "RTSTRUCT", structure_set(own, images.contours or _series(images))
        if drawn is not None:  # a visit without segments of its own was measured with those of an earlier one
            for name, ds in _measured(result, images, *drawn):
                yield images.study, name, ds
        for name, ds in _maps(result, images):
            yield images.study, name, ds


def _series(images: VisitImages) -> Series:
    """The series of the measured image; `write_dicom` has refused results without."""
    assert images.measured is not None
    return images.measured


def rows_of(result: StudyResult, images: VisitImages) -> list[Measurement]:
    """The rows of one visit; those of a whole cycle, such as doses, go with its first visit."""
    names = {(one.cycle, one.visit) for one in result.images}
    first = next(one for one in result.images if one.cycle == images.cycle)
    own = (images.cycle, images.visit)
    return [
        row
        for row in result.rows
        if (row.cycle, row.visit) == own or (first is images and row.cycle == images.cycle and _of_no_visit(row, names))
    ]


def _own_segmentation(result: StudyResult, images: VisitImages) -> Segmentation | None:
    return next((v.segmentation for v in result.contents if v.study == images.study and v.segmentation), None)


def _of_no_visit(row: Measurement, names: Container[tuple[int, str]]) -> bool:
    """Whether a row is of a whole cycle; follow-up without an image to measure is a visit without a series here."""
    return (row.cycle, row.visit) not in names and not is_follow_up(row.visit)


def _measured(
    result: StudyResult, images: VisitImages, segmentation: Segmentation, seg: Dataset
) -> Iterator[tuple[str, Dataset]]:
    """Occupied fractions of the measured image, and the measurements."""
    uid = _series(images).uid
    image = next((volume for _, volume in _volumes_of(result, images)), None)
    if image is not None and (images.contours is None or images.contours.uid != uid):
        named = {segment.name: segment for segment in segmentation if segment.role}
        fractions = [(named[name], region) for name, region in images.regions.items() if name in named]
        if fractions:
            made = occupancy_object(fractions, _series(images))
            refer_to(made, _further_beds(result, images))
            yield "SEG_fractions", made
    rows = rows_of(result, images)
    if rows:
        further = _further_beds(result, images)
        yield "SR", measurement_report(rows, segmentation, seg, _series(images), images.visit, further)


def _further_beds(result: StudyResult, images: VisitImages) -> tuple[Series, ...]:
    """Bed positions that were joined to the first one, of which the measured image was made too."""
    emission = next((one.emission for one in result.input.visits if (one.cycle, one.visit) == images.key), None)
    return emission.beds if emission is not None else ()


def fractions_of(
    segmentation: Segmentation, measured: Volume, ras_transform: Any, manual_shifts: Sequence[ManualShift] = ()
) -> list[tuple[Segment, Occupancy]]:
    """Regions of nodes that were not measured in this session, placed in an image; those outside it are left out."""
    segments = [segment for segment in segmentation if segment.role]
    placed, _ = placed_regions(
        segments, segmentation.grid, measured.grid, ras_transform, manual_shifts, measured.outside_field
    )
    return [(segmentation[name], region) for name, region in placed.items()]


def _maps(result: StudyResult, images: VisitImages) -> Iterator[tuple[str, Dataset]]:
    """Dose, time-integrated activity and SUV on the grid of this visit's image, which refer to all that they are of."""
    measured = {one.uid: one for one in (_series(images) for images in result.images)}
    made: Counter[str] = Counter()
    for name, volume in (*_volumes_of(result, images), *_spect_suv(result, images)):
        others = [measured[uid] for uid in volume.provenance.get("series_uids", ()) if uid in measured]
        others += _further_beds(result, images)
        kind, ds = map_object(volume, _series(images), name, others)
        if ds is not None:
            made[kind] += 1
            yield (kind if made[kind] == 1 else f"{kind}_{made[kind]}"), ds


def map_object(volume: Volume, series: Series, name: str, others: Sequence[Series] = ()) -> tuple[str, Dataset | None]:
    """The kind and object of a map by its units: RTDOSE, TIA or SUV; ("", None) for an image in other units."""
    kind = _KINDS.get(volume.units, "")
    if not kind or (kind == "RTDOSE" and volume.quantity not in ("", ABSORBED, *EFFECTS)):
        return "", None  # such as a map of uncertainty, for which RT Dose has no type
    if kind == "RTDOSE":
        return kind, dose_object(volume, series, name, others=others)
    return kind, parametric_map(volume, series, name, others)


def _volumes_of(result: StudyResult, images: VisitImages) -> list[tuple[str, Volume]]:
    """The scene's volumes that come from this visit's image, with their names."""
    uid = _series(images).uid
    named = (one for visit in result.contents for one in visit.volumes)
    return [(name, volume) for name, volume in named if volume.provenance.get("series_uid") == uid]


def _spect_suv(result: StudyResult, images: VisitImages) -> list[tuple[str, Volume]]:
    """SUVbw of an image that was measured in Bq/ml; none where injection or weight are missing: ratios need no SUV."""
    series = _series(images)
    if series.modality != "NM" or any(volume.units == SUV_UNITS["bw"] for _, volume in _volumes_of(result, images)):
        return []
    emission = next((one.emission for one in result.input.visits if (one.cycle, one.visit) == images.key), None)
    if emission is None:
        return []
    try:
        if result.input.source is not None:
            volume = emission.load(SUV).volume
        else:
            volume = _suv_as_measured(emission.load(CONCENTRATION), series, images.stated)
    except PRRTError:
        return []
    return [(f"SUVbw {images.study}", volume)]


def _suv_as_measured(loaded: LoadedEmission, series: Series, stated: OperatorOverrides | None) -> Volume:
    """SUVbw of a scene's image, by the activity, the injection and the calibration that it was measured with."""
    volume, injection, time = loaded.volume, loaded.injection, loaded.volume.reference_time
    if injection is None or time is None:
        raise ExportError(loaded.refusal or "The image does not state its time, which SUV needs.")
    if volume.units != "Bq/ml":
        raise ExportError(f"SUV is made of Bq/ml, not of '{volume.units}'.")
    body = header_body(series.headers[0].dataset, series.label, stated or OperatorOverrides())
    elapsed_h, half_life_h = (time - injection.time).total_seconds() / 3600, nuclide(injection.nuclide).half_life_h
    at_suv_1 = concentration_at_suv_1(injection.activity_MBq, elapsed_h, half_life_h, body.weight_kg)
    array = volume.array * np.float32(1.0 / at_suv_1)
    return volume.with_values(array, quantity="SUVbw", units=SUV_UNITS["bw"])
