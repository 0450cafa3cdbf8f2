"""An image on its grid, with what its numbers mean.

Arrays are indexed ``[k, j, i]`` (slice, row, column); ``ijk_to_ras`` maps ``(i, j, k, 1)`` to millimetres in the
right-anterior-superior frame of 3D Slicer, voxel centres at whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.points import affine_points

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_TURNED_degrees = 0.5
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's patient frame to Slicer's


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie: ``shape`` is (k, j, i), ``ijk_to_ras`` 4x4 float64 in mm.

    Examples
    --------
    >>> grid = Grid((10, 20, 30), np.diag([2.0, 2.0, 4.0, 1.0]))
    >>> grid.spacing_mm
    (2.0, 2.0, 4.0)
    >>> round(grid.voxel_volume_mL, 6)
    0.016
    """

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray

    def __post_init__(self) -> None:
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.allclose(matrix[3], [0, 0, 0, 1]) or not np.isfinite(matrix).all():
            raise ImagingError(f"A geometry is a finite 4x4 matrix with last row 0 0 0 1, not {matrix.tolist()}.")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ImagingError(f"A grid has three sizes of at least 1, but this one has {tuple(self.shape)}.")
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
            raise ImagingError(
                "The voxel axes lie in one plane (spacing 0 or parallel axes): check the image geometry."
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "ijk_to_ras", matrix)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel edge lengths along i, j and k, in mm."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume_mL(self) -> float:
        """Volume of one voxel in mL (the determinant, so sheared grids are right too)."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3]))) / 1000.0

    @property
    def ras_to_ijk(self) -> np.ndarray:
        """The inverse of ``ijk_to_ras``, 4x4."""
        return np.linalg.inv(self.ijk_to_ras)

    def to_ras(self, ijk: np.ndarray) -> np.ndarray:
        """Map points (..., 3), ordered i, j, k, to RAS millimetres."""
        return affine_points(ijk, self.ijk_to_ras)

    def to_ijk(self, ras: np.ndarray) -> np.ndarray:
        """Map RAS points (..., 3) in mm to continuous indices, ordered i, j, k."""
        return affine_points(ras, self.ras_to_ijk)

    def described(self) -> str:
        """Size, spacing and origin in words, for messages that compare two grids.

        Examples
        --------
        >>> Grid((10, 20, 30), np.diag([2.0, 2.0, 4.0, 1.0])).described()
        '30 x 20 x 10 voxels of 2 x 2 x 4 mm from RAS 0, 0, 0'
        >>> turned = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        >>> Grid((10, 20, 30), turned).described()
        '30 x 20 x 10 voxels of 1 x 1 x 1 mm from RAS 0, 0, 0, axes turned by 36.9 degrees'
        """
        size = " x ".join(str(n) for n in self.shape[::-1])
        spacing = " x ".join(f"{edge:.4g}" for edge in self.spacing_mm)
        origin = ", ".join(f"{place:.4g}" for place in self.ijk_to_ras[:3, 3])
        axes = np.abs(self.ijk_to_ras[:3, :3]) / self.spacing_mm
        turned = math.degrees(math.acos(min(1.0, float(axes.max(axis=0).min()))))
        words = f", axes turned by {turned:.3g} degrees" if turned > _TURNED_degrees else ""
        return f"{size} voxels of {spacing} mm from RAS {origin}{words}"

    def matches(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Whether both grids have the same shape and their corners agree within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        top = np.array(self.shape[::-1]) - 1.0
        corners = np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T
        return bool(np.abs(self.to_ras(corners) - other.to_ras(corners)).max() <= tolerance_mm)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image: float32 ``array`` [k, j, i], its geometry, and what the values are.

    Parameters
    ----------
    array : values, [k, j, i]; float32, but for ``compact`` ones.
    ijk_to_ras : 4x4, mm.
    quantity : words of the field, for instance "activity concentration", "SUVbw", "absorbed dose", "attenuation".
    units : UCUM, for instance ``Bq/ml``, ``g/ml{SUVbw}``, ``Gy``, ``[hnsf'U]``.
    reference_time : the moment to which activity is decay-corrected, with its zone; None where time plays no part.
    provenance : how the values were made (series UID, decisions, factors), plain JSON values.
    compact : the values are whole and kept as int16: a CT that is registered, looked at and written, not computed with.
    outside_field : bool [k, j, i], voxels outside the field of view, in which nothing was measured; None for none.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    quantity: str = ""
    units: str = ""
    reference_time: datetime | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    compact: bool = False
    outside_field: np.ndarray | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.array, dtype=None if self.compact else np.float32)
        if self.compact and array.dtype != np.int16:
            raise ImagingError(f"A compact volume holds whole numbers as int16, not {array.dtype}.")
        if array.ndim != 3:
            raise ImagingError(f"A volume has three dimensions, but this array has {array.ndim}.")
        grid = Grid(array.shape, self.ijk_to_ras)
        if self.outside_field is not None and self.outside_field.shape != array.shape:
            raise ImagingError(f"The field of view has the shape {self.outside_field.shape}, its image {array.shape}.")
        if self.reference_time is not None and self.reference_time.tzinfo is None:
            raise ImagingError(f"The reference time {self.reference_time} has no time zone: give it one.")
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "ijk_to_ras", grid.ijk_to_ras)

    @property
    def grid(self) -> Grid:
        """The voxel grid of this volume."""
        return Grid(self.array.shape, self.ijk_to_ras)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel edge lengths along i, j and k, in mm."""
        return self.grid.spacing_mm

    def with_values(self, array: np.ndarray, **changes: Any) -> Volume:
        """The same geometry with other values; ``changes`` replace quantity, units, reference_time, provenance."""
        return replace(self, array=array, **{"compact": False, **changes})
