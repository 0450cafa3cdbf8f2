"""DICOM Segmentation objects (PS3.3 A.51): frames to masks, whatever order, kind and planes they were written with.

The height of a voxel is that of the image that was segmented; only without that image it is what the object states,
and never a distance between planes that happen to be drawn on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.compressed_frames import frames_of, has_deflated_frames
from PRRTUptakeLib.dicom.drawn_on import Candidate, candidates, references_of
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.geometry import Plane, enhanced_planes, normal_of
from PRRTUptakeLib.dicom.headers import items
from PRRTUptakeLib.dicom.seg_frames import FRACTIONAL, LABELMAP, numbers_of_frames, same_planes
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

_BACKGROUND = ("125040", "DCM")
_OFF = 0.1  # of a voxel: how far a frame may be from its place
_ASKEW = 0.02  # of a voxel per voxel: how far a frame's normal may be from an axis of the image


@dataclass(frozen=True, eq=False)
class StoredSegment:
    """One segment: its mask [k, j, i], a block of the grid from ``origin`` on, and its item (None if undescribed)."""

    number: int
    label: str
    mask: np.ndarray
    origin: tuple[int, int, int]
    item: Dataset | None


@dataclass(frozen=True, eq=False)
class StoredSegments:
    """The segments of an object on the grid of its frames, and the grid of the image (None if it is not here)."""

    grid: Grid
    image: Grid | None
    segments: tuple[StoredSegment, ...]
    warnings: tuple[str, ...]


def read_segments_of(ds: Dataset, series: Sequence[Series], where: str) -> StoredSegments:
    """Every segment of a DICOM SEG; the background of a label map is none.

    Of a fractional object those voxels count that are at least half inside.

    Parameters
    ----------
    ds : the object.
    series : images among which may be the one that was segmented.
    where : names the file in messages.

    Raises
    ------
    DicomError
        If frames cannot be placed, their number or size is not what is stated, or nothing says how high voxels are.
    DicomError
        If position, orientation or pixel spacing of a frame is missing.
    """
    if str(ds.get("DimensionOrganizationType", "")) == "TILED_FULL":
        raise DicomError(f"{where} is a tiled segmentation of a slide (TILED_FULL): export it with plane positions.")
    planes = enhanced_planes(ds, where)
    stated = int(ds.get("NumberOfFrames", 1) or 1)
    if not planes or len(planes) != stated:
        raise DicomError(f"{where} has {stated} frames but the places of {len(planes)}: export it again.")
    _require_alike(planes, where)
    _require_bytes(ds, where)
    found = candidates(references_of(ds, [str(ds.get("FrameOfReferenceUID", "") or "")]), series, where)
    grid, places, image, notes = _frame_grid(planes, (int(ds.Rows), int(ds.Columns)), found, where)
    described, doubts = _described(ds, where)
    doubts += same_planes(ds, places, where)
    pieces: dict[int, list[tuple[tuple[int, int, int], np.ndarray]]] = {number: [] for number in described}
    for n, (number, inside) in _parts(ds, where):
        pieces.setdefault(number, []).append((places[n], inside))
    segments, undescribed = [], []
    for number, parts in pieces.items():
        label, item = described.get(number, (unnamed(number), None))
        if item is None:
            undescribed.append(str(number))
        mask, origin = _assembled(parts)
        if parts and not mask.size and str(ds.get("SegmentationType", "")) == FRACTIONAL:
            doubts.append(
                f"No voxel of '{label}' of {where} is at least half inside: it is empty; check its fractions."
            )
        segments.append(StoredSegment(number, label, mask, origin, item))
    if undescribed:
        doubts.append(f"{where} does not describe its segment(s) {', '.join(undescribed)}: say what they are.")
    return StoredSegments(grid, image, tuple(segments), (*notes, *doubts))


def _require_alike(planes: Sequence[Plane], where: str) -> None:
    first = planes[0]
    for plane in planes:
        if np.abs(plane.orientation - first.orientation).max() > 1e-3 or not np.allclose(plane.spacing, first.spacing):
            raise DicomError(f"The planes of {where} differ in orientation or pixel size: export one orientation.")


def _frame_grid(
    planes: Sequence[Plane], size: tuple[int, int], found: Sequence[Candidate], where: str
) -> tuple[Grid, list[tuple[int, int, int]], Grid | None, list[str]]:
    """The grid that all frames are on, the first voxel (k, j, i) of each, the image's grid, and warnings."""
    normal = normal_of(planes[0].orientation)
    for candidate in found:
        step = _step_of_image(candidate.grid, normal)
        if step is None:
            continue
        made = _placed(planes, size, step)
        if made is not None and _same_voxels(made[0], candidate.grid):
            return made[0], made[1], candidate.grid, []
    step, note = _own_step(planes, normal, where)
    named = next((one.series.label for one in found if one.found_by == "named"), "")
    if named:
        note.append(
            f"{where} names {named}, but its voxels are not those: it is taken where it says itself; compare the "
            "outlines with the image."
        )
    made = _placed(planes, size, step)
    if made is None:
        image = f"are not those of {named}: export it on that image" if named else "its image is not here: add it"
        raise DicomError(f"The planes of {where} are at uneven distances or beside each other, and {image}.")
    return made[0], made[1], None, note


def _step_of_image(grid: Grid, normal: np.ndarray) -> float | None:
    """Distance of the image's voxels along the frames' normal (LPS); None if they lie askew."""
    move = grid.ras_to_ijk[:3, :3] @ (LPS_TO_RAS[:3, :3] @ normal)
    axis = int(np.abs(move).argmax())
    others = np.delete(move, axis)
    if np.abs(others).max() > _ASKEW * abs(move[axis]):
        return None
    return float(1.0 / abs(move[axis]))


def _own_step(planes: Sequence[Plane], normal: np.ndarray, where: str) -> tuple[float, list[str]]:
    """The distance of planes where no image states it."""
    along = np.unique(np.round([plane.position @ normal for plane in planes], 3))
    stated = {round(abs(plane.thickness), 4) for plane in planes if plane.thickness}
    steps = np.diff(along)
    if len(stated) == 1:
        step = stated.pop()
        counts = steps / step
        if not len(steps) or np.abs(counts - np.rint(counts)).max() <= _OFF:
            notes = []
            if len(steps) and counts.min() > 1.5:
                notes.append(
                    f"{where} has no two planes side by side (every {steps.min():g} mm, stated height {step:g} mm): "
                    "taken as drawn; add its image to be sure."
                )
            return float(step), notes
    if len(steps) >= 2 and np.ptp(steps) <= 0.02 * steps.min():
        notes = [
            f"{where} does not state how high its voxels are and its image is not here: the distance of its planes, "
            f"{steps.mean():g} mm, is taken."
        ]
        return float(steps.mean()), notes
    raise DicomError(
        f"{where} does not say how high its voxels are (Slice Thickness (0018,0050) or Spacing Between Slices "
        "(0018,0088) that fits its planes), and the image it was drawn on is not here: add that image."
    )


def _placed(
    planes: Sequence[Plane], size: tuple[int, int], step: float
) -> tuple[Grid, list[tuple[int, int, int]]] | None:
    """The grid over all frames with voxels ``step`` high, and where each frame begins; None if they do not fit it."""
    first = planes[0]
    lps = np.eye(4)
    lps[:3, 0] = first.orientation[:3] * first.spacing[1]
    lps[:3, 1] = first.orientation[3:] * first.spacing[0]
    lps[:3, 2] = normal_of(first.orientation) * step
    lps[:3, 3] = first.position
    offsets = (np.array([plane.position for plane in planes]) - first.position) @ np.linalg.inv(lps[:3, :3]).T
    whole = np.rint(offsets)
    if np.abs(offsets - whole).max() > _OFF:
        return None
    low, high = whole.min(axis=0), whole.max(axis=0)
    lps[:3, 3] = first.position + lps[:3, :3] @ low
    spans = (high - low).astype(int)
    shape = (int(spans[2]) + 1, int(spans[1]) + size[0], int(spans[0]) + size[1])
    starts = (whole - low).astype(int)
    return Grid(shape, LPS_TO_RAS @ lps), [(int(k), int(j), int(i)) for i, j, k in starts]


def _same_voxels(grid: Grid, image: Grid) -> bool:
    """Whether voxels of ``grid`` are voxels of the image, maybe in another order of the axes."""
    move = image.ras_to_ijk @ grid.ijk_to_ras
    top = np.array(grid.shape[::-1]) - 1.0
    corners = np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T
    places = corners @ move[:3, :3].T + move[:3, 3]
    turn = np.rint(move[:3, :3])
    return bool(np.abs(places - np.rint(places)).max() <= _OFF and (np.abs(turn).sum(axis=0) == 1).all())


def _described(ds: Dataset, where: str) -> tuple[dict[int, tuple[str, Dataset | None]], list[str]]:
    """Label and item of each segment by its number, without the background; equal labels get their numbers."""
    described, doubts = [], []
    seen: set[int] = set()
    for item in items(ds, "SegmentSequence", where):
        number = int(item.SegmentNumber)
        if number == 0 or _is_background(item):
            continue
        if number in seen:
            doubts.append(f"{where} describes its segment {number} twice: the first description counts.")
            continue
        seen.add(number)
        described.append((number, str(item.get("SegmentLabel", "") or "").strip() or unnamed(number), item))
    labels = [label for _, label, _ in described]
    return {
        number: (f"{label} ({number})" if labels.count(label) > 1 else label, item) for number, label, item in described
    }, doubts


def unnamed(number: object) -> str:
    """What a segment without a label is called: as Slicer calls it, which is no name of an anatomy.

    "Segment 7" would be Couinaud's seventh.
    """
    return f"Segment_{number}"


def _is_background(item: Dataset) -> bool:
    kind = item.get("SegmentedPropertyTypeCodeSequence") or [{}]
    return (str(kind[0].get("CodeValue", "")), str(kind[0].get("CodingSchemeDesignator", ""))) == _BACKGROUND


def _parts(ds: Dataset, where: str) -> Iterator[tuple[int, tuple[int, np.ndarray]]]:
    """Frame number, segment number and mask [j, i] of everything that is drawn, frame by frame to spare memory."""
    kind = str(ds.get("SegmentationType", "BINARY"))
    numbers = None if kind == LABELMAP else numbers_of_frames(ds, where)
    background = {0} | {int(one.SegmentNumber) for one in items(ds, "SegmentSequence", where) if _is_background(one)}
    if kind == FRACTIONAL and "MaximumFractionalValue" not in ds:
        raise DicomError(f"{where} is fractional but has no Maximum Fractional Value (0062,000E): export it again.")
    for n, frame in enumerate(frames_of(ds, where)):
        if numbers is None:
            for value in np.unique(frame):
                if int(value) not in background:
                    yield n, (int(value), frame == value)
            continue
        inside = 2 * frame.astype(np.uint32) >= int(ds.MaximumFractionalValue) if kind == FRACTIONAL else frame > 0
        yield n, (numbers[n], inside)


def _require_bytes(ds: Dataset, where: str) -> None:
    """Uncompressed pixels must be as many as frames, rows and columns call for."""
    if "PixelData" not in ds:
        raise DicomError(f"{where} has no Pixel Data (7FE0,0010): export it again.")
    if has_deflated_frames(ds) or ds.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    bits = int(ds.get("NumberOfFrames", 1) or 1) * int(ds.Rows) * int(ds.Columns) * int(ds.BitsAllocated)
    needed, found = (bits + 7) // 8, len(ds.PixelData)
    if found < needed:
        raise DicomError(f"{where} is cut short: {found} bytes of pixels where {needed} are stated.")


def _assembled(parts: Sequence[tuple[tuple[int, int, int], np.ndarray]]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """One mask from frames [j, i] with the place of their first voxel; see `same_planes` for frames at one place."""
    cropped = []
    for (k, j, i), frame in parts:
        rows, columns = (np.flatnonzero(frame.any(axis=axis)) for axis in (1, 0))
        if rows.size:
            piece = frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            cropped.append(((k, j + int(rows[0]), i + int(columns[0])), piece))
    if not cropped:
        return np.zeros((0, 0, 0), dtype=bool), (0, 0, 0)
    low = np.min([place for place, _ in cropped], axis=0)
    high = np.max([np.add(place, (1, *piece.shape)) for place, piece in cropped], axis=0)
    mask = np.zeros(high - low, dtype=bool)
    for place, piece in cropped:
        k, j, i = np.subtract(place, low)
        mask[k, j : j + piece.shape[0], i : i + piece.shape[1]] |= piece
    return mask, (int(low[0]), int(low[1]), int(low[2]))
