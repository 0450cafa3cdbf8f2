"""RT Structure Sets (PS3.3 A.19): contours to masks on the image that they were drawn on, structure by structure.

One structure that cannot be used never keeps the others from being read: it is left out with the reason. See
``contour_rings`` for what the contours of one plane enclose and ``contour_gaps`` for planes that nobody contoured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.contour_gaps import fill_gap, find_gaps
from PRRTUptakeLib.dicom.contour_rings import (
    CENTRES,
    FREE,
    KINDS,
    Outlines,
    Plane,
    agreed_kinds,
    combined,
    without_laps,
)
from PRRTUptakeLib.dicom.drawn_on import candidates, planes_fit, references_of
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items, text
from PRRTUptakeLib.dicom.polygons import signed_area
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

_ON_PLANE = 0.25  # of the distance of planes
_CUT_OFF = 0.05  # a structure of which more is outside its image is left out
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_NO_OFFSET_mm = 1e-3
_UNTYPED, _EMPTY = "without a type", "without points"
_NOTABLE = 0.25  # of the largest plane: smaller parts over each other are no sign of missing contours
_OUTLINERS = ("rt-utils", "rt_utils", "qurit")
_WIDEST = 4  # times the image: further out, coordinates are taken for broken


class _LeftOutError(Exception):
    """Why a structure is left out."""


@dataclass(frozen=True, eq=False)
class DrawnStructure:
    """One structure as it was drawn.

    Attributes
    ----------
    number, name : of the region of interest.
    mask : bool [k, j, i], a block of the grid, whose first voxel is ``origin`` (k, j, i).
    fractions : float32, of the same shape: how much of each voxel is inside.
    drawn_volume_mL : area of the contours times the distance of planes, before anything is rounded to voxels.
    outlines : of which kind its outlines are, one of ``contour_rings.KINDS``.
    observation : the item of RT ROI Observations, None without.
    description : ROI Description, "" without.
    """

    number: int
    name: str
    mask: np.ndarray
    origin: tuple[int, int, int]
    fractions: np.ndarray
    drawn_volume_mL: float
    outlines: str
    observation: Dataset | None = None
    description: str = ""


@dataclass(frozen=True, eq=False)
class StructureSet:
    """The structures of a file on the grid of their image; warnings and notes are sentences."""

    grid: Grid
    structures: tuple[DrawnStructure, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(eq=False)
class _Contours:
    """Contours of one structure: RAS points by type, and how many of which kind were left out of it."""

    adding: list[np.ndarray] = field(default_factory=list)
    cancelling: list[np.ndarray] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def all(self) -> list[np.ndarray]:
        return [*self.adding, *self.cancelling]


@dataclass(eq=False)
class _Notes:
    """What was found in the structures, to be said in as few sentences as can be."""

    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    enclosing_nothing: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)


def read_structure_set(ds: Dataset, series: Sequence[Series], where: str) -> StructureSet:
    """Every structure of an RT Structure Set.

    Parameters
    ----------
    ds : the object.
    series : images among which is the one that was drawn on.
    where : names the file in messages.

    Raises
    ------
    DicomError
        If its image is not there, or no structure can be used.
    """
    named, named_twice = _named(ds, where)
    contours = {number: _contours(found) for number, found in _by_number(ds, where).items()}
    frames = {number: str(roi.get("ReferencedFrameOfReferenceUID", "") or "") for number, (_, roi) in named.items()}
    grid, frame, note = _grid(ds, list(contours.values()), list(frames.values()), series, where)
    kinds = _kinds(contours, grid, _written_by_outliner(ds, where))
    observed = {int(one.ReferencedROINumber): one for one in items(ds, "RTROIObservationsSequence", where)}
    remark, structures = _Notes(), []
    for number in sorted({*named, *contours}):
        try:
            if number not in named:
                raise _LeftOutError("the structure set does not list it (a deleted structure)")
            if number in named_twice:
                raise _LeftOutError(
                    f"several structures have the number {number}: whose contours they are is not known"
                )
            if frame and frames[number] not in ("", frame):
                raise _LeftOutError("it is in another frame of reference than the image")
            name, roi = named[number]
            described = str(roi.get("ROIDescription", "") or "")
            kind = kinds.get(number, Outlines(FREE))
            found = _structure(contours.get(number, _Contours()), grid, (number, name), kind, remark)
        except _LeftOutError as reason:
            label = f"'{named[number][0]}'" if number in named else f"number {number}"
            remark.left_out.append(f"{label} ({reason})")
            continue
        structures.append(replace(found, observation=observed.get(number), description=described))
    if not structures:
        reasons = "; ".join(remark.left_out) or "it lists none"
        raise DicomError(f"{where} holds no structure that can be used: {reasons}.")
    return StructureSet(grid, tuple(structures), *_sentences(remark, where, note))


def _sentences(remarks: _Notes, where: str, note: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    warnings = list(remarks.warnings)
    if remarks.filled:
        warnings.insert(
            0, f"Planes without a contour were filled between their neighbours: {'; '.join(remarks.filled)}."
        )
    if remarks.gaps:
        warnings.append(
            f"No contour between parts that are over each other in {', '.join(remarks.gaps)} of {where}: taken as "
            "drawn; check whether contours are missing."
        )
    if remarks.enclosing_nothing:
        affected = ", ".join(remarks.enclosing_nothing)
        warnings.append(
            f"Contours that enclose nothing were left out of {affected} of {where}: check whether a plane is missing."
        )
    if remarks.left_out:
        warnings.append(f"Left out of {where}: {'; '.join(remarks.left_out)}.")
    notes = [note] if note else []
    for kind, names in remarks.kinds.items():
        notes.append(f"{where}: outlines of {', '.join(names)} {KINDS[kind]}.")
    return tuple(warnings), tuple(notes)


def _named(ds: Dataset, where: str) -> tuple[dict[int, tuple[str, Dataset]], set[int]]:
    """Name and item of each structure by its number, and the numbers that several have; equal names get their numbers.

    Structures of one number share their contours, so that they are named together.
    """
    rois = [(int(roi.ROINumber), roi) for roi in items(ds, "StructureSetROISequence", where)]
    names = [text(roi, "ROIName", where).strip() or f"ROI {number}" for number, roi in rois]
    found: dict[int, tuple[str, Dataset]] = {}
    twice = set()
    for (number, roi), name in zip(rois, names, strict=True):
        label = f"{name} ({number})" if names.count(name) > 1 else name
        if number in found:
            twice.add(number)
            label = f"{found[number][0]}', '{label}"
        found[number] = (label, roi)
    return found, twice


def _by_number(ds: Dataset, where: str) -> dict[int, list[Dataset]]:
    """Contour items by structure number; a structure may have several items."""
    found: dict[int, list[Dataset]] = {}
    for one in items(ds, "ROIContourSequence", where):
        found.setdefault(int(one.ReferencedROINumber), []).extend(items(one, "ContourSequence", where))
    return found


def _contours(found: Sequence[Dataset]) -> _Contours | str:
    """The contours of one structure in RAS mm, or why they cannot be used."""
    result = _Contours()
    for contour in found:
        kind = str(contour.get("ContourGeometricType", "") or "")
        if kind not in _CLOSED:
            result.ignored[kind or _UNTYPED] += 1
            continue
        try:
            values = np.array(contour.get("ContourData", None) or [], dtype=float)
        except (TypeError, ValueError):
            return "its coordinates are not numbers"
        stated = contour.get("NumberOfContourPoints", None)
        if not values.size:
            result.ignored[_EMPTY] += 1
            continue
        if values.size % 3 or (stated is not None and int(stated) * 3 != values.size):
            return f"a contour has {values.size} coordinates where {int(stated or 0)} points are stated"
        if not np.isfinite(values).all():
            return "its coordinates are not finite"
        offset = np.array(contour.get("ContourOffsetVector", None) or [], dtype=float)
        if np.abs(offset).max(initial=0.0) > _NO_OFFSET_mm:
            return "it has a Contour Offset Vector (3006,0045), which is not applied: export it without"
        points = values.reshape(-1, 3) * np.diag(LPS_TO_RAS)[:3]
        (result.adding if kind == _CLOSED[0] else result.cancelling).append(points)
    return result


def _grid(
    ds: Dataset, contours: Sequence[_Contours | str], frames: Sequence[str], series: Sequence[Series], where: str
) -> tuple[Grid, str, str]:
    """Grid and frame of reference of the image that was drawn on, and a note on how it was found."""
    points = [one for found in contours if isinstance(found, _Contours) for one in found.all]
    middles = np.array([one.mean(axis=0) for one in points]).reshape(-1, 3)
    found = candidates(references_of(ds, frames), series, where)
    fitting = [one for one in found if len(middles) and planes_fit(one.grid, middles)]
    if found and found[0].found_by == "named":
        fitting = fitting or found
    if not fitting:
        raise DicomError(
            f"The image that {where} was drawn on is not among the visit's DICOM: add its series to the folder."
        )
    chosen = fitting[0]
    frame = chosen.series.frame_of_reference_uid
    if chosen.found_by == "named":
        return chosen.grid, frame, ""
    if chosen.found_by == "geometry" and len(fitting) > 1:
        names = ", ".join(one.series.label for one in fitting)
        raise DicomError(f"{where} does not say which image it was drawn on; {names} fit: give only that one.")
    how = "its frame of reference" if chosen.found_by == "frame" else "the place of its planes"
    return chosen.grid, frame, f"{where} names no image that is here; {how} is that of {chosen.series.label}."


def _kinds(contours: Mapping[int, _Contours | str], grid: Grid, outlined: bool) -> dict[int, Outlines]:
    """Of which kind the outlines of each structure are, by its number; see `agreed_kinds`."""
    drawn = {
        number: [without_laps(grid.to_ijk(points)[:, :2]) for points in found.all]
        for number, found in contours.items()
        if isinstance(found, _Contours) and found.all
    }
    return agreed_kinds(drawn, grid.spacing_mm[:2], outlined)


def _written_by_outliner(ds: Dataset, where: str) -> bool:
    """Whether a program wrote the object that is known to put outlines on the centres of pixels."""
    said = " ".join(text(ds, keyword, where) for keyword in ("Manufacturer", "ManufacturerModelName"))
    return any(name in said.lower() for name in _OUTLINERS)


def _structure(
    contours: _Contours | str, grid: Grid, identity: tuple[int, str], outlines: Outlines, notes: _Notes
) -> DrawnStructure:
    if isinstance(contours, str):
        raise _LeftOutError(contours)
    number, name = identity
    if not contours.all:
        kinds = ", ".join(sorted({*contours.ignored} - {_EMPTY}))
        raise _LeftOutError(f"{kinds} contours enclose nothing" if kinds else "it has no contour")
    if contours.ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(contours.ignored.items()))
        notes.enclosing_nothing.append(f"'{name}' ({kinds})")
    rings, planes = _placed(contours, grid)
    flat = [ring for plane in rings.values() for group in plane for ring in group]
    kind = outlines.kind
    on_centres = kind == CENTRES
    if not on_centres and all(len(ring) < 3 for ring in flat):
        raise _LeftOutError("its contours have fewer than three corners")
    window = _window(flat, sorted(planes), grid)
    stack = {level: _plane(group, window, on_centres) for level, group in rings.items()}
    (k0, j0, i0), shape = window
    mask = np.zeros(shape, dtype=bool)
    fractions = np.zeros(shape, dtype=np.float32)
    for k, level in planes.items():
        mask[k - k0], fractions[k - k0] = stack[level].mask, stack[level].fractions
    if not mask.any() and not fractions.any():
        raise _LeftOutError("its contours enclose no area")
    if not mask.any():
        mask = fractions >= 0.5 * fractions.max()
        notes.warnings.append(f"'{name}' is smaller than a voxel: the voxel(s) that it covers most are taken for it.")
    _note_rings(stack.values(), name, notes)
    drawn = float(sum(one.fractions.sum() for one in stack.values())) * _plane_volume_mL(rings, planes, grid)
    if not all(isinstance(level, int) for level in rings):
        taken = fractions if kind == FREE else mask
        read_mL = float(taken.sum(dtype=float)) * grid.voxel_volume_mL
        notes.warnings.append(_between_planes(name, rings, drawn, read_mL))
    _fill(mask, fractions, grid, (name, kind), notes)
    mask, fractions, origin = _inside_image(mask, fractions, (k0, j0, i0), grid, name, notes)
    notes.kinds.setdefault(kind, []).append(name)
    if outlines.open:
        area = sum(abs(signed_area(ring)) for ring in flat)
        notes.warnings.append(_open_outlines(name, drawn, area * grid.voxel_volume_mL))
    return DrawnStructure(number, name, mask, origin, fractions, drawn, kind)


def _open_outlines(name: str, pixels_mL: float, polygons_mL: float) -> str:
    return (
        f"'{name}' has few corners, all on pixel centres: it is read as the outline of a mask, with the pixels on it "
        f"({pixels_mL:.2f} mL). If it was drawn as a polygon, it encloses {polygons_mL:.2f} mL: export it as a "
        "segmentation then."
    )


_Group = tuple[list[np.ndarray], list[np.ndarray]]  # adding and cancelling polygons (i, j)
_Window = tuple[tuple[int, int, int], tuple[int, int, int]]  # first voxel (k, j, i) and shape of a block


def _placed(contours: _Contours, grid: Grid) -> tuple[dict[int | float, _Group], dict[int, int | float]]:
    """Polygons by level (an image plane, or a place between planes), and the level that each image plane takes."""
    levels: dict[int | float, _Group] = {}
    ijks = [[grid.to_ijk(points) for points in group] for group in (contours.adding, contours.cancelling)]
    flat = [one for group in ijks for one in group]
    if any(np.ptp(one[:, 2]) > 2 * _ON_PLANE for one in flat):
        raise _LeftOutError("its contours cross the planes of the image")
    middles = np.array([np.median(one[:, 2]) for one in flat])
    between = bool((np.abs(middles - np.rint(middles)) > _ON_PLANE).any())
    for n, group in enumerate(ijks):
        for one in group:
            middle = float(np.median(one[:, 2]))
            level: int | float = round(middle, 2) if between else int(np.rint(middle))
            levels.setdefault(level, ([], []))[n].append(without_laps(one[:, :2]))
    if not between:
        return levels, {int(level): level for level in levels}
    places = np.array(sorted(levels))
    half = 0.5 * float(np.median(np.diff(places))) if len(places) > 1 else 0.5
    planes: dict[int, int | float] = {}
    for k in range(int(np.floor(places[0] - half)), int(np.ceil(places[-1] + half)) + 1):
        nearest = places[int(np.abs(places - k).argmin())]
        if -half + 1e-6 < k - nearest <= half + 1e-6:  # midway between planes a contour counts for one of them
            planes[k] = float(nearest)
    return {float(level): group for level, group in levels.items()}, planes


def _plane_volume_mL(rings: dict[int | float, _Group], planes: dict[int, int | float], grid: Grid) -> float:
    """Volume of a pixel times the distance of the contoured planes."""
    if all(isinstance(level, int) for level in rings) or len(rings) < 2:
        return grid.voxel_volume_mL
    return grid.voxel_volume_mL * float(np.median(np.diff(sorted(rings))))


def _between_planes(name: str, rings: dict[int | float, _Group], drawn_mL: float, read_mL: float) -> str:
    return (
        f"'{name}' was drawn in {len(rings)} planes that are not those of the image: each image plane takes the "
        f"nearest contour ({read_mL:.2f} mL, drawn {drawn_mL:.2f} mL)."
    )


def _window(flat: Sequence[np.ndarray], planes: Sequence[int], grid: Grid) -> _Window:
    """A block that holds all contours; it may reach beyond the image."""
    corners = np.concatenate(list(flat))
    size = np.array(grid.shape[:0:-1])
    far = max(abs(planes[0]), abs(planes[-1])) > _WIDEST * grid.shape[0] + 100
    if far or (np.abs(corners) > _WIDEST * size + 100).any():
        raise _LeftOutError("its contours are far outside the image")
    low, high = np.floor(corners.min(axis=0)).astype(int) - 1, np.ceil(corners.max(axis=0)).astype(int) + 2
    (i0, j0), (width, height) = low, high - low
    return (planes[0], int(j0), int(i0)), (planes[-1] - planes[0] + 1, int(height), int(width))


def _plane(group: _Group, window: _Window, on_centres: bool) -> Plane:
    (_, j0, i0), shape = window
    adding, cancelling = ([ring - [i0, j0] for ring in one if on_centres or len(ring) > 2] for one in group)
    return combined(adding, cancelling, (shape[1], shape[2]), on_centres)


def _note_rings(planes: Iterable[Plane], name: str, notes: _Notes) -> None:
    counts = [(one.repeated, one.overlapping) for one in planes]
    repeated, across = (sum(count) for count in zip(*counts, strict=True))
    if repeated:
        notes.warnings.append(f"'{name}' has {repeated} contour(s) drawn twice: each counts once.")
    if across:
        notes.warnings.append(f"'{name}' has {across} contour(s) that overlap another: together they count once.")


def _fill(mask: np.ndarray, fractions: np.ndarray, grid: Grid, named: tuple[str, str], notes: _Notes) -> None:
    """Fill planes that were not contoured, in place; a mask that a program outlined stays as it was (kind not FREE)."""
    name, kind = named
    before, filled, kept = float(fractions.sum(dtype=float)), 0, 0
    largest = mask.sum(axis=(1, 2)).max()
    for gap in find_gaps(mask, grid.spacing_mm[2]):
        if gap.fillable and kind == FREE:
            fill_gap(mask, gap, (grid.spacing_mm[1], grid.spacing_mm[0]))
            filled += gap.missing
        elif min(gap.part_below.sum(), gap.part_above.sum()) >= _NOTABLE * largest:
            kept += gap.missing
    fractions[mask & (fractions == 0)] = 1.0
    if filled:
        after = float(fractions.sum(dtype=float))
        volumes = f"{after * grid.voxel_volume_mL:.2f} mL instead of {before * grid.voxel_volume_mL:.2f} mL as drawn"
        notes.filled.append(f"'{name}' on {filled} plane(s), {volumes}")
    if kept:
        notes.gaps.append(f"'{name}' ({kept} plane(s))")


def _inside_image(
    mask: np.ndarray, fractions: np.ndarray, origin: tuple[int, int, int], grid: Grid, name: str, notes: _Notes
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Mask and fractions cut to the image; a structure that is cut by much cannot be used."""
    start = [max(0, -first) for first in origin]
    stop = [min(n, size - first) for n, size, first in zip(mask.shape, grid.shape, origin, strict=True)]
    inside = tuple(slice(a, max(a, b)) for a, b in zip(start, stop, strict=True))
    total = max(float(fractions.sum()), 1e-9)
    lost = 1.0 - float(fractions[inside].sum()) / total
    if lost > _CUT_OFF:
        raise _LeftOutError(f"{lost:.0%} of it is outside the image")
    if lost > 1e-3:
        notes.warnings.append(f"'{name}' reaches beyond its image: {lost:.1%} of it is cut off.")
    moved = tuple(first + a for first, a in zip(origin, start, strict=True))
    return mask[inside], fractions[inside], (moved[0], moved[1], moved[2])
