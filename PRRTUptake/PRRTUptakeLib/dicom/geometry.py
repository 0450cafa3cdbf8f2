"""Where the planes of a series lie, in floating point, and in which order they make a volume.

DICOM PS3.3 C.7.6.2 (Image Plane), C.7.6.16.2 (functional groups) and C.8.4.15 (NM Reconstruction). Planes are sorted
along the normal, the cross product of the row and column directions, so the third axis of the result always points
along it and the grid is right-handed, however the files or frames are numbered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items, label, number, numbers, words
from PRRTUptakeLib.dicom.operator_overrides import DOUBT
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

_ROUNDING_MM = 0.06  # positions are often written with one decimal
_UNEVEN = 0.02  # of the spacing; beyond this a plane is out of place
_SHEAR_MM = 0.2  # over the whole stack; more than the rounding of written directions


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one plane is (DICOM's patient frame, LPS, mm).

    Attributes
    ----------
    position : centre of the first voxel, (3,).
    orientation : direction of a row, then of a column, (6,).
    spacing : between rows, then between columns.
    thickness : the stated distance to the next plane; only used where there is a single plane.
    """

    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    thickness: float | None = None


def plane_of(dataset: Dataset, where: str) -> Plane:
    """The plane of a single-frame image (CT, MR, PET).

    Raises
    ------
    DicomError
        If position, orientation or pixel spacing is missing or impossible.
    """
    return make_plane(
        numbers(dataset, "ImagePositionPatient", where, 3),
        numbers(dataset, "ImageOrientationPatient", where, 6),
        numbers(dataset, "PixelSpacing", where, 2),
        number(dataset, "SpacingBetweenSlices", where) or number(dataset, "SliceThickness", where),
        where,
    )


def make_plane(
    position: Sequence[float] | None,
    orientation: Sequence[float] | None,
    spacing: Sequence[float] | None,
    thickness: float | None,
    where: str,
) -> Plane:
    """Check and combine the attributes of a plane. Raises DicomError naming the one that is missing or impossible.

    Examples
    --------
    >>> make_plane((0, 0, 5), (1, 0, 0, 0, 1, 0), (2, 3), 4, "a.dcm").spacing
    (2.0, 3.0)
    """
    values = (
        ("ImagePositionPatient", position),
        ("ImageOrientationPatient", orientation),
        ("PixelSpacing", spacing),
    )
    for keyword, value in values:
        if value is None:
            raise DicomError(f"{label(keyword)} of {where} is missing: its place in the patient is not known.")
    between_rows, between_columns = spacing or ()
    if not (0.01 <= between_rows <= 100 and 0.01 <= between_columns <= 100):
        raise DicomError(
            f"{label('PixelSpacing')} of {where} is {between_rows:g}\\{between_columns:g} mm, "
            "but must be from 0.01 to 100: export the series again."
        )
    directions = np.asarray(orientation, dtype=float)
    row, column = directions.tolist()[:3], directions.tolist()[3:]
    across = sum(one * other for one, other in zip(row, column, strict=True))
    if max(abs(math.hypot(*row) - 1), abs(math.hypot(*column) - 1), abs(across)) > 1e-3:
        shown = "\\".join(f"{value:g}" for value in directions)
        raise DicomError(
            f"{label('ImageOrientationPatient')} of {where} is {shown}, which are not two perpendicular unit vectors."
        )
    place = np.asarray(position, dtype=float)
    if max(map(abs, place.tolist())) > 1e5:
        raise DicomError(f"{label('ImagePositionPatient')} of {where} is {np.abs(place).max():g} mm away.")
    return Plane(place, directions, (float(between_rows), float(between_columns)), thickness)


def enhanced_planes(dataset: Dataset, where: str) -> list[Plane]:
    """The planes of an enhanced multi-frame image, from its shared and per-frame functional groups."""
    shared = items(dataset, "SharedFunctionalGroupsSequence", where)[:1]

    def group(frame: Dataset, keyword: str) -> Dataset | None:
        found = items(frame, keyword, where) or (items(shared[0], keyword, where) if shared else ())
        return found[0] if found else None

    planes = []
    for n, frame in enumerate(items(dataset, "PerFrameFunctionalGroupsSequence", where), start=1):
        place, turn = group(frame, "PlanePositionSequence"), group(frame, "PlaneOrientationSequence")
        measures = group(frame, "PixelMeasuresSequence")
        name = f"frame {n} of {where}"
        thickness = None
        if measures is not None:
            thickness = number(measures, "SpacingBetweenSlices", name) or number(measures, "SliceThickness", name)
        planes.append(
            make_plane(
                None if place is None else numbers(place, "ImagePositionPatient", name, 3),
                None if turn is None else numbers(turn, "ImageOrientationPatient", name, 6),
                None if measures is None else numbers(measures, "PixelSpacing", name, 2),
                thickness,
                name,
            )
        )
    return planes


def nm_planes(dataset: Dataset, frames: int, where: str) -> tuple[list[Plane], tuple[str, ...]]:
    """The planes of a reconstructed NM tomogram, one per frame in the order of storage, and what was decided.

    Image Position (Patient) in the first item of Detector Information Sequence belongs to the first frame. Slice
    Vector gives the slice number of each frame, and a plane is (its number - the first frame's number) x Spacing
    Between Slices further along the normal; a negative spacing stacks against the normal (PS3.3 C.8.4.15).

    Raises
    ------
    DicomError
        If the object is not a tomogram, has further dimensions (gates, times), or its place is not known.
    """
    numbering, decisions = _slice_vector(dataset, frames, where)
    source, note = _nm_position_source(dataset, where)
    decisions += note
    spacing = number(dataset, "SpacingBetweenSlices", where)
    if spacing is None:
        spacing = number(dataset, "SliceThickness", where)
        if spacing is None and frames > 1:
            raise DicomError(f"{label('SpacingBetweenSlices')} of {where} is missing: slices cannot be placed.")
        decisions.append(f"{label('SpacingBetweenSlices')} is missing: Slice Thickness is taken, along the normal.")
    if spacing is not None and not 0.01 <= abs(spacing) <= 100:
        raise DicomError(
            f"{label('SpacingBetweenSlices')} of {where} is {spacing:g} mm, which is impossible: "
            "export the series again."
        )
    first = make_plane(
        numbers(source, "ImagePositionPatient", where, 3),
        numbers(source, "ImageOrientationPatient", where, 6),
        numbers(dataset, "PixelSpacing", where, 2),
        None if spacing is None else abs(spacing),
        where,
    )
    decisions += _odd_voxels(dataset, first, spacing, where)
    step = normal_of(first.orientation) * (spacing or 0.0)
    offsets = numbering - numbering[0]
    planes = [Plane(first.position + n * step, first.orientation, first.spacing, first.thickness) for n in offsets]
    if spacing is not None and spacing < 0:
        decisions.append(f"Spacing Between Slices is {spacing:g} mm: frames are stacked against the normal.")
    return planes, tuple(decisions)


def _odd_voxels(dataset: Dataset, plane: Plane, spacing: float | None, where: str) -> list[str]:
    """Doubts on the voxel's size, from which counts become concentrations: pixels are square, slices touch."""
    doubts = []
    rows, columns = plane.spacing[:2]
    if abs(rows - columns) > 0.01 * max(rows, columns):
        doubts.append(f"{DOUBT}{label('PixelSpacing')} is {rows:g} and {columns:g} mm, not square.")
    thickness = number(dataset, "SliceThickness", where)
    if thickness and spacing and not 1 / 1.1 < abs(spacing) / thickness < 1.1:
        doubts.append(
            f"{DOUBT}{label('SpacingBetweenSlices')} is {abs(spacing):g} mm, but {label('SliceThickness')} is "
            f"{thickness:g} mm: volumes and concentrations follow the spacing."
        )
    return doubts


_OTHER_VECTORS = (  # further dimensions of NM frames: with one of them filled in, frames are not just slices
    "EnergyWindowVector",
    "DetectorVector",
    "PhaseVector",
    "RotationVector",
    "RRIntervalVector",
    "TimeSlotVector",
    "AngularViewVector",
    "TimeSliceVector",
)


def _slice_vector(dataset: Dataset, frames: int, where: str) -> tuple[np.ndarray, list[str]]:
    """Slice number of each frame, and what was decided where the object does not number them."""
    kind = words(dataset, "ImageType", where)
    if len(kind) > 2 and kind[2] != "RECON TOMO":
        raise DicomError(
            f"{label('ImageType')} of {where} is '{kind[2]}', not a reconstructed tomogram (RECON TOMO): "
            "choose the reconstructed series."
        )
    if kind[3:4] == ("TRANSMISSION",):  # PS3.3 C.8.4.9.1.1
        raise DicomError(
            f"{label('ImageType')} of {where} is '{kind[3]}', an attenuation map and no activity: choose the emission "
            "series."
        )
    pointed = numbers(dataset, "FrameIncrementPointer", where)
    if pointed is not None and [int(tag) for tag in pointed] != [0x00540080]:
        shown = ", ".join(f"({int(tag) >> 16:04X},{int(tag) & 0xFFFF:04X})" for tag in pointed)
        raise DicomError(
            f"{label('FrameIncrementPointer')} of {where} is {shown}, but the frames of a tomogram follow only "
            "Slice Vector (0054,0080): choose a series that is neither gated nor dynamic nor a projection."
        )
    vector = numbers(dataset, "SliceVector", where)
    if vector is None:
        if frames == 1:
            return np.array([1.0]), []
        if pointed is not None:
            raise DicomError(f"{label('SliceVector')} of {where} is missing: the order of its frames is not known.")
        return np.arange(1.0, frames + 1.0), [_stored_order(dataset, frames, where)]
    if len(vector) != frames:
        raise DicomError(f"{label('SliceVector')} of {where} has {len(vector)} values for {frames} frames.")
    if sorted(vector) != [min(vector) + n for n in range(frames)]:
        raise DicomError(
            f"{label('SliceVector')} of {where} does not number each slice once: a slice is missing or doubled."
        )
    return np.asarray(vector, dtype=float), []


def _stored_order(dataset: Dataset, frames: int, where: str) -> str:
    """Neither a vector nor a pointer, as reconstruction software writes: frames are slices in the order of storage."""
    for keyword in _OTHER_VECTORS:
        if len(set(numbers(dataset, keyword, where) or ())) > 1:
            raise DicomError(
                f"{label('SliceVector')} of {where} is missing, and {label(keyword)} gives its frames another "
                "dimension: choose a series that is neither gated nor dynamic nor a projection."
            )
    stated = number(dataset, "NumberOfSlices", where)
    if stated is not None and stated != frames:
        raise DicomError(
            f"{label('SliceVector')} of {where} is missing, and {label('NumberOfSlices')} is {stated:g} for {frames} "
            "frames: what its frames are is not known."
        )
    return f"{label('SliceVector')} is missing: frames are taken as slices in the order of storage, along the normal."


def _nm_position_source(dataset: Dataset, where: str) -> tuple[Dataset, list[str]]:
    """The dataset that holds position and orientation of an NM tomogram, by the standard or by habit."""
    detectors = items(dataset, "DetectorInformationSequence", where)
    keywords = ("ImagePositionPatient", "ImageOrientationPatient")
    complete = [item for item in detectors if all(numbers(item, keyword, where) for keyword in keywords)]
    if complete:
        places = {tuple(numbers(item, keyword, where) for keyword in keywords) for item in complete}
        if len(places) > 1:
            note = f"Detectors state {len(places)} different positions: that of the first is taken for the tomogram."
            return complete[0], [note]
        return complete[0], []
    if all(numbers(dataset, keyword, where) for keyword in keywords):
        return dataset, ["Detector Information has no position: that of the image itself is taken."]
    raise DicomError(
        f"{label('ImagePositionPatient')} and {label('ImageOrientationPatient')} are missing in "
        f"{label('DetectorInformationSequence')} of {where}: its place in the patient is not known."
    )


def normal_of(orientation: np.ndarray) -> np.ndarray:
    """Unit vector (3,) across the plane: row direction x column direction, of the six cosines (6,).

    Examples
    --------
    >>> normal_of(np.array([1.0, 0, 0, 0, -1, 0])).tolist()
    [0.0, 0.0, -1.0]
    """
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal) + 0.0)


def stack(planes: Sequence[Plane], names: Sequence[str], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Order planes along their normal and give the geometry of the volume that they make.

    Parameters
    ----------
    planes : in any order.
    names : of each plane (file or frame), for messages.
    where : names the series.

    Returns
    -------
    order : indices into ``planes``, along the normal.
    ijk_to_ras : 4x4, mm.

    Raises
    ------
    DicomError
        If orientations or spacings differ, two planes share one place, one is missing, spacing is uneven, or the
        stack is sheared (gantry tilt).
    """
    _check_alike(planes, names, where)
    normal = normal_of(planes[0].orientation)
    positions = np.array([plane.position for plane in planes])
    order = np.argsort(positions @ normal, kind="stable")
    positions, named = positions[order], [names[n] for n in order]
    along = positions @ normal
    if len(planes) == 1:
        step = planes[0].thickness
        if step is None or abs(step) < 0.01:
            raise DicomError(f"{where} has one plane and no {label('SliceThickness')}: its depth is not known.")
        step = abs(step)
    else:
        _check_even(along, named, where)
        step = (along[-1] - along[0]) / (len(planes) - 1)
        _check_straight(positions, normal, where)
    first = planes[0]
    lps = np.eye(4)
    lps[:3, 0] = first.orientation[:3] / np.linalg.norm(first.orientation[:3]) * first.spacing[1]
    lps[:3, 1] = first.orientation[3:] / np.linalg.norm(first.orientation[3:]) * first.spacing[0]
    lps[:3, 2] = normal * step
    lps[:3, 3] = positions[0]
    return order, LPS_TO_RAS @ lps


def _check_alike(planes: Sequence[Plane], names: Sequence[str], where: str) -> None:
    orientations = np.array([plane.orientation for plane in planes])
    spacings = np.array([plane.spacing for plane in planes])
    checks = (("ImageOrientationPatient", orientations, 1e-3), ("PixelSpacing", spacings, 1e-3))
    for keyword, values, tolerance in checks:
        apart = np.abs(values - values[0]).max(axis=1)
        if apart.max() > tolerance:
            raise DicomError(
                f"{where} mixes images: {label(keyword)} of {names[int(apart.argmax())]} differs from that of "
                f"{names[0]}; separate the series that were mixed."
            )


def _check_even(along: np.ndarray, names: Sequence[str], where: str) -> None:
    steps = np.diff(along)
    usual = float(np.median(steps))
    if steps.min() < max(0.01, 0.05 * usual):
        closest = int(steps.argmin())
        raise DicomError(
            f"{where} has two images at one place, {names[closest]} and {names[closest + 1]} (by "
            f"{label('ImagePositionPatient')}): it is dynamic or gated, "
            "or two series are mixed; separate them."
        )
    tolerance = max(_ROUNDING_MM, _UNEVEN * usual)
    smallest = float(steps.min())
    for n in map(int, np.flatnonzero(steps > smallest + 2 * tolerance)):
        missing = steps[n] / smallest
        if abs(missing - round(missing)) * smallest <= 2 * tolerance * round(missing):
            raise DicomError(
                f"{where} has a gap of {steps[n]:.2f} mm between {names[n]} and {names[n + 1]}, where the spacing is "
                f"{smallest:.2f} mm: {round(missing) - 1} slice(s) are missing; export the series again."
            )
    regular = np.linspace(along[0], along[-1], len(along))
    apart = np.abs(along - regular)
    if apart.max() > tolerance:
        raise DicomError(
            f"{where} has uneven slice spacing, from {smallest:.2f} to {steps.max():.2f} mm: "
            f"{names[int(apart.argmax())]} is {apart.max():.2f} mm out of place; resample it to even spacing."
        )


def _check_straight(positions: np.ndarray, normal: np.ndarray, where: str) -> None:
    offsets = positions - positions[0]
    sideways = offsets - np.outer(offsets @ normal, normal)
    drift = np.linalg.norm(sideways, axis=1)
    if drift.max() <= _SHEAR_MM:
        return
    travel = offsets[-1] @ normal
    angle = np.degrees(np.arctan2(np.linalg.norm(sideways[-1]), travel))
    if np.abs(sideways - np.outer(offsets @ normal / travel, sideways[-1])).max() > _SHEAR_MM:
        raise DicomError(
            f"The planes of {where} do not lie behind each other, by {label('ImagePositionPatient')}: are two series "
            "mixed?"
        )
    raise DicomError(
        f"{where} is sheared by {angle:.1f} degrees (gantry tilt, by "
        f"{label('ImagePositionPatient')}): resample it to an upright grid first."
    )
