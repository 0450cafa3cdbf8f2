"""Contours drawn elsewhere: DICOM Segmentation and RT Structure Set objects as segments, with what they are.

Codes go before names; what neither tells stays open for ``recognition``. Role, lobe and lesion id come back from
objects that SlicerPRRT wrote.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom

from PRRTUptakeLib.dicom.geometry import enhanced_planes
from PRRTUptakeLib.dicom.headers import items, read_header, text
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.segmentation.codes import Code, CodedEntry
from PRRTUptakeLib.segmentation.label_matching import recognise, with_matches
from PRRTUptakeLib.segmentation.polygons import fill_polygons
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import LOBES, ROLES, Segment, Segmentation, SegmentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

SEG_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # binary or fractional, label map
RTSTRUCT_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
_OFF_PLANE = 0.25  # of the distance of planes; contours further from a plane were drawn on another image


class ContourError(PRRTError):
    """A DICOM object with contours cannot be used with these images."""


def contour_files(path: Path) -> list[Path]:
    """The SEG and RTSTRUCT files behind a path, which is one of them or a folder; none if it holds other things."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    headers = {file: read_header(file) for file in files if file.stat().st_size}
    known = (*SEG_STORAGE, RTSTRUCT_STORAGE)
    return [f for f, header in headers.items() if header and text(header.dataset, "SOPClassUID", str(f)) in known]


def read_contours(path: Path, series: Sequence[Series]) -> Segmentation:
    """Segments of every SEG and RTSTRUCT under a path, on the grid of the image on which they were drawn.

    Parameters
    ----------
    path : a file or a folder.
    series : the visit's images; the one that the object refers to gives the grid. A SEG whose image is not among them
        keeps its own grid.

    Raises
    ------
    ContourError
        If there is no such object, it is of another patient or frame of reference, or cannot be placed.
    """
    files = contour_files(path)
    if not files:
        raise ContourError(f"{path} holds no DICOM segmentation or structure set (SEG, RTSTRUCT): name another file.")
    read = [_read(file, series) for file in files]
    grid = read[0].grid
    for file, one in zip(files, read, strict=True):
        if not one.grid.matches(grid):
            raise ContourError(
                f"{file.name} ({one.grid.described()}) and {files[0].name} ({grid.described()}) lie on different "
                "grids: give the contours of one image."
            )
    try:
        return Segmentation(grid, tuple(segment for one in read for segment in one))
    except SegmentError as error:
        raise ContourError(f"The contours in {path} cannot be joined: {error}") from error


def _read(file: Path, series: Sequence[Series]) -> Segmentation:
    try:
        ds = pydicom.dcmread(file)
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ContourError(f"{file} is not a readable DICOM file ({error}).") from error
    _same_patient(ds, series, file)
    try:
        if ds.SOPClassUID == RTSTRUCT_STORAGE:
            return _from_structures(ds, series, file)
        return _from_segmentation(ds, series, file)
    except PRRTError:
        raise
    except (AttributeError, ValueError, KeyError, IndexError, RuntimeError, TypeError) as error:
        raise ContourError(f"{file} is incomplete or broken ({error}): export it again.") from error


def _same_patient(ds: Dataset, series: Sequence[Series], file: Path) -> None:
    theirs = text(ds, "PatientID", str(file))
    ours = {one.patient_id for one in series}
    if ours and theirs not in ours:
        raise ContourError(
            f"{file.name} is of patient '{theirs}', but the images are of patient '{sorted(ours)[0]}': give "
            "the contours of the same patient."
        )


def _image_of(uids: set[str], frame_uid: str, series: Sequence[Series], file: Path) -> Grid | None:
    """The grid of the image that the object refers to; None if it is not among the series."""
    found = [one for one in series if one.uid in uids]
    if not found:
        if frame_uid and series and frame_uid not in {one.frame_of_reference_uid for one in series}:
            raise ContourError(
                f"{file.name} lies in another frame of reference than the visit's images: register it, or add the "
                "image on which it was drawn."
            )
        return None
    if frame_uid and found[0].frame_of_reference_uid != frame_uid:
        raise ContourError(
            f"{file.name} lies in another frame of reference than {found[0].label}, on which it was drawn."
        )
    arranged = arrange(found[0])
    return Grid(arranged.shape, arranged.ijk_to_ras)


def _from_segmentation(ds: Dataset, series: Sequence[Series], file: Path) -> Segmentation:
    seg = highdicom.seg.Segmentation.from_dataset(ds, copy=False)
    geometry = seg.get_volume_geometry()
    if geometry is None:
        raise ContourError(f"The planes of {file.name} do not make one volume: export it again.")
    grid = Grid(geometry.spatial_shape, LPS_TO_RAS @ geometry.affine[:, [2, 1, 0, 3]])
    planes = enhanced_planes(ds, str(file))
    places = np.array([plane.position for plane in planes]) * [-1.0, -1.0, 1.0]
    slices = np.rint(grid.to_ijk(places)[:, 2]).astype(int)
    frames = _frames(ds)
    segments, entries = [], {}
    for item in seg.SegmentSequence:
        number = int(item.SegmentNumber)
        inside = _of_segment(ds, frames, number)
        full = np.zeros(grid.shape, dtype=bool)
        for n in np.flatnonzero(inside):
            full[slices[n]] |= frames[n] == number if ds.SegmentationType == "LABELMAP" else frames[n] > 0
        segment = _labelled(Segment.from_full(str(item.get("SegmentLabel", f"segment {number}")), full), item)
        segments.append(segment)
        entries[segment.name] = _entry(item)
    drawn = _recognised(Segmentation(grid, tuple(segments)), entries)
    uids = {str(one.SeriesInstanceUID) for one in ds.get("ReferencedSeriesSequence", [])}
    image = _image_of(uids, str(ds.get("FrameOfReferenceUID", "")), series, file)
    if image is None:
        return drawn
    try:
        return regrid(drawn, image)
    except SegmentError:
        return drawn  # drawn on a grid of its own, which is as good


def _frames(ds: Dataset) -> np.ndarray:
    """Frames [n, j, i]; of a fractional SEG those voxels count that are at least half inside."""
    stored = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    if ds.SegmentationType == "FRACTIONAL":
        return (2 * stored.astype(np.uint16) >= int(ds.MaximumFractionalValue)).astype(np.uint8)
    return stored


def _of_segment(ds: Dataset, frames: np.ndarray, number: int) -> np.ndarray:
    """Which frames show the segment, bool (n,)."""
    if ds.SegmentationType == "LABELMAP":
        return np.ones(len(frames), dtype=bool)
    shared = ds.SharedFunctionalGroupsSequence[0].get("SegmentIdentificationSequence")
    if shared:
        return np.full(len(frames), int(shared[0].ReferencedSegmentNumber) == number)
    groups = ds.PerFrameFunctionalGroupsSequence
    return np.array([int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) == number for g in groups])


def _labelled(segment: Segment, item: Dataset) -> Segment:
    """Role, lobe and lesion id as SlicerPRRT writes them."""
    found = re.fullmatch(r"role=(\w*); lobe=(\w*)", str(item.get("SegmentDescription", "")))
    if not found or found[1] not in ("", *ROLES) or found[2] not in ("", *LOBES):
        return segment
    lesion = str(item.get("TrackingID", "")) if found[1] in ("target", "lesion") else ""
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
    frames = list(items(ds, "ReferencedFrameOfReferenceSequence", str(file)))
    uids = {
        str(one.SeriesInstanceUID)
        for frame in frames
        for study in frame.get("RTReferencedStudySequence", [])
        for one in study.get("RTReferencedSeriesSequence", [])
    }
    names = {int(roi.ROINumber): roi for roi in ds.StructureSetROISequence}
    frame_uids = {str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in names.values()}
    if len(frame_uids) > 1:
        raise ContourError(f"{file.name} mixes frames of reference: export the contours of one image.")
    grid = _image_of(uids, next(iter(frame_uids), ""), series, file)
    if grid is None:
        raise ContourError(f"The image on which {file.name} was drawn is not among the visit's DICOM: add its series.")
    observations = {int(one.ReferencedROINumber): one for one in ds.get("RTROIObservationsSequence", [])}
    segments, entries = [], {}
    for contours in ds.get("ROIContourSequence", []):
        number = int(contours.ReferencedROINumber)
        name = str(names[number].ROIName)
        full = _filled(contours.get("ContourSequence", []), grid, f"'{name}' of {file.name}")
        segments.append(Segment.from_full(name, full))
        entries[name] = _observed(observations.get(number))
    return _recognised(Segmentation(grid, tuple(segments)), entries)


def _filled(contours: Sequence[Dataset], grid: Grid, where: str) -> np.ndarray:
    """Mask [k, j, i] of closed planar contours, which lie in the planes of the grid."""
    by_slice: dict[int, list[np.ndarray]] = {}
    for contour in contours:
        kind = str(contour.ContourGeometricType)
        if kind == "POINT":
            continue
        if not kind.startswith("CLOSED_PLANAR") and kind != "CLOSEDPLANAR_XOR":
            raise ContourError(f"{where} has a contour of kind {kind}, which encloses nothing: draw it closed.")
        lps = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        ijk = grid.to_ijk(lps * [-1.0, -1.0, 1.0])
        k = int(np.rint(np.median(ijk[:, 2])))
        if np.abs(ijk[:, 2] - k).max() > _OFF_PLANE:
            raise ContourError(f"{where} has contours between the planes of the image: it was drawn on another image.")
        if not 0 <= k < grid.shape[0]:
            raise ContourError(f"{where} reaches outside its image: export it again.")
        by_slice.setdefault(k, []).append(ijk[:, :2])
    _require_every_plane(sorted(by_slice), where)
    full = np.zeros(grid.shape, dtype=bool)
    for k, polygons in by_slice.items():
        full[k] = fill_polygons(polygons, grid.shape[1:])
    return full


def _require_every_plane(slices: Sequence[int], where: str) -> None:
    """Refuse what was drawn with a stride: taken as it is, it would have a fraction of its volume."""
    steps = np.diff(slices)
    if len(steps) > 1 and steps.min() > 1:
        raise ContourError(
            f"{where} skips planes of its image ({len(slices)} contoured planes, none beside another): fill the "
            "planes between."
        )


def _observed(observation: Dataset | None) -> CodedEntry | None:
    if observation is None:
        return None
    kind = _code(observation, "RTROIIdentificationCodeSequence")
    return CodedEntry(kind) if kind else None
