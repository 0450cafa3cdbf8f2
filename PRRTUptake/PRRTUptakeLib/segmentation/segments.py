"""Labelled segments on one grid, as the science layer sees them.

Each segment keeps only the block of voxels that it needs (``mask`` and its ``origin``), so that thirty segments on a
CT of 80 million voxels cost little, and segments may overlap. The MRML side is in ``mrml.segmentations``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.errors import SegmentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PRRTUptakeLib.imaging.volume import Grid

ROLES = ("target", "lesion", "lobe", "organ", "reference")
UNDIVIDED = "liver"  # the lobe of what is in a liver that is not divided
LOBES = ("left", "right", "caudate", UNDIVIDED, "none")


@dataclass(frozen=True, eq=False)
class Segment:
    """One named region.

    Attributes
    ----------
    name : shown to the user and written to tables.
    mask : bool [k, j, i], a block of the grid.
    origin : (k, j, i) index in the grid of the first voxel of ``mask``.
    role : one of ROLES, or "" if not yet known (tag ``PRRT.Role``).
    lobe : one of LOBES, or "" if not yet known (tag ``PRRT.Lobe``).
    lesion_id : persistent through all visits, for instance "L1" (tag ``PRRT.LesionID``).
    structure : its anatomy, a key of ``segmentation.codes`` such as "liver" or "kidney_left"; "" if unknown.
    color : red, green, blue, each 0-1.
    tags : further tags, text to text, kept as they came.
    fractions : float32 of the mask's shape, how much of each voxel is inside, where the outline is known more finely
        than voxels; None: the mask says it. Small lesions are measured by it.
    """

    name: str
    mask: np.ndarray
    origin: tuple[int, int, int] = (0, 0, 0)
    role: str = ""
    lobe: str = ""
    lesion_id: str = ""
    structure: str = ""
    color: tuple[float, float, float] = (0.6, 0.6, 0.6)  # Slicer takes 0.5, 0.5, 0.5 for "none chosen yet"
    tags: Mapping[str, str] = field(default_factory=dict)
    fractions: np.ndarray | None = None

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask, dtype=bool)
        if self.fractions is not None and self.fractions.shape != mask.shape:
            raise SegmentError(
                f"Segment '{self.name}': its fractions have the shape {self.fractions.shape}, its mask {mask.shape}."
            )
        if mask.ndim != 3:
            raise SegmentError(f"Segment '{self.name}': a mask has three dimensions, but this one has {mask.ndim}.")
        if self.role not in ("", *ROLES):
            raise SegmentError(f"Segment '{self.name}': the role '{self.role}' is not one of {', '.join(ROLES)}.")
        if self.lobe not in ("", *LOBES):
            raise SegmentError(f"Segment '{self.name}': the lobe '{self.lobe}' is not one of {', '.join(LOBES)}.")
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "origin", tuple(int(n) for n in self.origin))

    @classmethod
    def from_full(cls, name: str, full: np.ndarray, **labels: object) -> Segment:
        """Make a segment from a mask over the whole grid, keeping only its bounding box.

        Examples
        --------
        >>> full = np.zeros((4, 5, 6), bool); full[1:3, 2, 3:5] = True
        >>> segment = Segment.from_full("lesion", full)
        >>> segment.origin, segment.mask.shape, segment.voxel_count
        ((1, 2, 3), (2, 1, 2), 4)
        """
        return cls(name, np.asarray(full, dtype=bool), **labels).cropped()  # type: ignore[arg-type]

    @property
    def voxel_count(self) -> int:
        """Number of voxels inside."""
        return int(np.count_nonzero(self.mask))

    @property
    def weights(self) -> np.ndarray:
        """How much of each voxel of the block is inside: ``fractions``, or the mask where there are none."""
        return self.mask if self.fractions is None else self.fractions

    @property
    def voxels_inside(self) -> float:
        """Volume in voxels, by parts of voxels where they are known."""
        return float(self.weights.sum(dtype=np.float64))

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where ``mask`` is in the grid, as slices (k, j, i)."""
        k, j, i = (slice(start, start + size) for start, size in zip(self.origin, self.mask.shape, strict=True))
        return k, j, i

    def full_mask(self, shape: tuple[int, int, int]) -> np.ndarray:
        """The mask over a whole grid of ``shape``, bool [k, j, i]."""
        full = np.zeros(shape, dtype=bool)
        full[self.box] = self.mask
        return full

    def cropped(self) -> Segment:
        """The same segment on its tight bounding box (an empty segment gets a mask of size 0)."""
        drawn = self.mask if self.fractions is None else self.mask | (self.fractions > 0)
        rows: np.ndarray = np.asarray(drawn.any(axis=2))
        k, j = _extent(rows.any(axis=1)), _extent(rows.any(axis=0))
        ranges = (k, j, _extent(drawn[k, j].any(axis=(0, 1))))
        origin = tuple(start + part.start for start, part in zip(self.origin, ranges, strict=True))
        fractions = None if self.fractions is None else self.fractions[ranges].copy()
        return replace(self, mask=self.mask[ranges].copy(), origin=origin, fractions=fractions)

    def relabelled(self, **labels: object) -> Segment:
        """A copy with other name, role, lobe, lesion_id, structure, color, tags or mask.

        With another mask, ``fractions`` are lost unless given: see ``part`` for a piece of the segment.
        """
        if "mask" in labels:
            labels.setdefault("fractions", None)
        return replace(self, **labels)  # type: ignore[arg-type]

    def part(self, mask: np.ndarray) -> Segment:
        """The piece of the segment in ``mask`` (bool, of the same block), with the parts of voxels at its outline."""
        if self.fractions is None:
            return self.relabelled(mask=mask).cropped()
        from scipy import ndimage  # here, so that a panel opens without it

        around = ndimage.binary_dilation(mask, np.ones((1, 3, 3), dtype=bool)) & ~self.mask
        fractions = np.where(np.asarray(mask, dtype=bool) | around, self.fractions, 0.0).astype(np.float32)
        return self.relabelled(mask=mask, fractions=fractions).cropped()


def _extent(inside: np.ndarray | np.bool) -> slice:
    """From the first to the last that is true along one axis; nothing where none is."""
    found = np.flatnonzero(inside)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Segments that share one grid; names are unique.

    ``warnings`` are sentences for the user on how the segments were read, the dangerous first; ``notes`` are for the
    record. Both stay with the segments until a measurement takes them up.
    """

    grid: Grid
    segments: tuple[Segment, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))
        names = [segment.name for segment in self.segments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SegmentError(f"Segment names must be unique, but '{twice[0]}' occurs twice or more: rename one.")
        for segment in self.segments:
            ends = [start + size for start, size in zip(segment.origin, segment.mask.shape, strict=True)]
            if min(segment.origin) < 0 or any(end > size for end, size in zip(ends, self.grid.shape, strict=True)):
                raise SegmentError(f"Segment '{segment.name}' reaches outside its grid of {self.grid.shape} voxels.")

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    def __contains__(self, name: object) -> bool:
        return any(segment.name == name for segment in self.segments)

    def __getitem__(self, name: str) -> Segment:
        for segment in self.segments:
            if segment.name == name:
                return segment
        names = ", ".join(segment.name for segment in self.segments) or "none"
        raise SegmentError(f"There is no segment '{name}'; there are {names}.")

    def having(self, **labels: str) -> tuple[Segment, ...]:
        """Segments whose role, lobe, lesion_id or structure are as given, in order."""
        return tuple(s for s in self.segments if all(getattr(s, key) == value for key, value in labels.items()))

    def with_segments(self, *new: Segment) -> Segmentation:
        """A copy in which ``new`` replace segments of the same name or are added at the end."""
        by_name = {segment.name: segment for segment in self.segments}
        by_name.update({segment.name: segment for segment in new})
        return replace(self, segments=tuple(by_name.values()))

    def without(self, *names: str) -> Segmentation:
        """A copy without the segments of these names."""
        return replace(self, segments=tuple(s for s in self.segments if s.name not in names))
