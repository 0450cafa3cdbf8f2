"""Contours drawn elsewhere: DICOM Segmentation and RT Structure Set objects as segments, with what they are.

Codes go before names; what neither states stays open for ``recognition``. Role, lobe and lesion id come back from
objects that SlicerPRRT wrote. Decoding is in ``dicom.seg`` and ``dicom.rtstruct``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pydicom

from PRRTUptakeLib.dicom.contour_rings import FREE
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items, read_header, text
from PRRTUptakeLib.dicom.rtstruct import read_structure_set
from PRRTUptakeLib.dicom.seg import read_segments_of
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.codes import Code, CodedEntry
from PRRTUptakeLib.segmentation.errors import SegmentError
from PRRTUptakeLib.segmentation.label_matching import recognise, with_matches
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import LOBES, ROLES, Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

__all__ = ["RTSTRUCT_STORAGE", "SEG_STORAGE", "contour_files", "read_contours"]

SEG_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # binary or fractional, label map
RTSTRUCT_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"


def contour_files(path: Path) -> list[Path]:
    """The SEG and RTSTRUCT files behind a path, which is one of them or a folder; none if it holds other things."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    headers = {file: read_header(file) for file in files if file.stat().st_size}
    known = (*SEG_STORAGE, RTSTRUCT_STORAGE)
    return [f for f, header in headers.items() if header and text(header.dataset, "SOPClassUID", str(f)) in known]


def read_contours(path: Path, series: Sequence[Series], same_patient: str = "") -> Segmentation:
    """Segments of every SEG and RTSTRUCT under a path, on the grid of the image on which they were drawn.

    Parameters
    ----------
    path : a file or a folder.
    series : the visit's images; the one that the object refers to gives the grid. A SEG whose image is not among them
        keeps its own grid.
    same_patient : why an object and images of different patient ids are of one person; "" refuses them.

    Raises
    ------
    DicomError
        If there is no such object, it is of another patient or frame of reference, or cannot be placed.
    """
    files = contour_files(path)
    if not path.exists():
        raise DicomError(f"There is no {path}: correct the path.")
    if not files:
        raise DicomError(f"{path} holds no DICOM segmentation or structure set (SEG, RTSTRUCT): name another file.")
    read = [_read(file, series, same_patient) for file in files]
    grid = read[0].grid
    placed = []
    for file, one in zip(files, read, strict=True):
        try:
            placed.append(regrid(one, grid))
        except SegmentError as error:
            raise DicomError(
                f"{file.name} ({one.grid.described()}) and {files[0].name} ({grid.described()}) are on different "
                "grids: give the contours of one image."
            ) from error
    return _joined(placed)


def _joined(read: Sequence[Segmentation]) -> Segmentation:
    """All segments in one; a name that several files have gets the number of its file."""
    names = [segment.name for one in read for segment in one]
    segments = [
        segment.relabelled(name=f"{segment.name} (file {n})") if names.count(segment.name) > 1 else segment
        for n, one in enumerate(read, start=1)
        for segment in one
    ]
    warnings, notes = (tuple(text for one in read for text in getattr(one, key)) for key in ("warnings", "notes"))
    return Segmentation(read[0].grid, tuple(segments), warnings, notes)


def _read(file: Path, series: Sequence[Series], same_patient: str) -> Segmentation:
    try:
        ds = pydicom.dcmread(file)
    except Exception as error:  # pydicom raises many kinds on broken files
        raise DicomError(f"{file} is not a readable DICOM file ({error}).") from error
    doubts = _other_patient(ds, series, file, same_patient)
    try:
        structures = ds.SOPClassUID == RTSTRUCT_STORAGE
        found = (_from_structures if structures else _from_segmentation)(ds, series, file)
        return replace(found, warnings=(*doubts, *found.warnings))
    except PRRTError:
        raise
    except RuntimeError as error:  # of pydicom's decoders, also for a compression that it does not know
        compression = ds.file_meta.TransferSyntaxUID.name
        raise DicomError(
            f"The pixels of {file} ({compression}) cannot be decompressed: export the segments uncompressed."
        ) from error
    except (AttributeError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DicomError(f"{file} is incomplete or broken ({error}): export it again.") from error


def _other_patient(ds: Dataset, series: Sequence[Series], file: Path, same_patient: str) -> tuple[str, ...]:
    """A warning on an object whose patient id is not that of the images, but the same person's; else refused."""
    theirs = text(ds, "PatientID", str(file))
    ours = {one.patient_id for one in series}
    if not ours or theirs in ours:
        return ()
    said = f"{file.name} is of patient '{theirs}', but the images are of patient '{sorted(ours)[0]}'"
    if not same_patient:
        raise DicomError(
            f"{said}: give the contours of the same patient, or say under 'same_patient' in the case file why they are "
            "of one person."
        )
    return (f"{said}, taken for one person: {same_patient.rstrip('.')}.",)


def _from_segmentation(ds: Dataset, series: Sequence[Series], file: Path) -> Segmentation:
    stored = read_segments_of(ds, series, file.name)
    segments, entries = [], {}
    for one in stored.segments:
        segment = Segment(one.label, one.mask, one.origin)
        if one.item is not None:
            described, tracked = (str(one.item.get(key, "")) for key in ("SegmentDescription", "TrackingID"))
            segment = _labelled(segment, described, tracked)
        segments.append(segment)
        entries[one.label] = None if one.item is None else _entry(one.item)
    drawn = _recognised(Segmentation(stored.grid, tuple(segments), stored.warnings), entries)
    if stored.image is None:
        return drawn
    try:
        return regrid(drawn, stored.image, tolerance_mm=0.1 * min(stored.image.spacing_mm))
    except SegmentError:
        return drawn  # reaches beyond the image, whose voxels it has


def _labelled(segment: Segment, description: str, identity: str) -> Segment:
    """Role, lobe and lesion id as SlicerPRRT writes them."""
    found = re.fullmatch(r"role=(\w*); lobe=(\w*)", description)
    if not found or found[1] not in ("", *ROLES) or found[2] not in ("", *LOBES):
        return segment
    lesion = identity if found[1] in ("target", "lesion") else ""
    return segment.relabelled(role=found[1], lobe=found[2], lesion_id=lesion)


def _entry(item: Dataset) -> CodedEntry | None:
    kind = _code(item, "SegmentedPropertyTypeCodeSequence")
    if kind is None:
        return None
    modifier = _code(item.SegmentedPropertyTypeCodeSequence[0], "SegmentedPropertyTypeModifierCodeSequence")
    return CodedEntry(
        kind, _code(item, "SegmentedPropertyCategoryCodeSequence"), modifier, _code(item, "AnatomicRegionSequence")
    )


def _code(holder: Dataset, keyword: str) -> Code | None:
    found = items(holder, keyword, "this object")
    if not found or "CodeValue" not in found[0]:
        return None
    return Code(str(found[0].CodeValue), str(found[0].get("CodeMeaning", "")), str(found[0].CodingSchemeDesignator))


def _recognised(segmentation: Segmentation, entries: dict[str, CodedEntry | None]) -> Segmentation:
    return with_matches(segmentation, recognise([segment.name for segment in segmentation], entries))


def _from_structures(ds: Dataset, series: Sequence[Series], file: Path) -> Segmentation:
    found = read_structure_set(ds, series, file.name)
    segments, entries = [], {}
    for one in found.structures:
        fractions = one.fractions if one.outlines == FREE else None
        segment = Segment(one.name, one.mask, one.origin, fractions=fractions).cropped()
        label = "" if one.observation is None else str(one.observation.get("ROIObservationLabel", "") or "")
        segments.append(_labelled(segment, one.description, label))
        entries[one.name] = _observed(one.observation)
    return replace(
        _recognised(Segmentation(found.grid, tuple(segments)), entries), warnings=found.warnings, notes=found.notes
    )


def _observed(observation: Dataset | None) -> CodedEntry | None:
    if observation is None:
        return None
    kind = _code(observation, "RTROIIdentificationCodeSequence")
    return CodedEntry(kind) if kind else None
