"""Activity images of one patient at several times, brought onto one grid for voxel-wise integration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
from PRRTUptakeLib.nuclides.radionuclides import nuclide as find_nuclide
from PRRTUptakeLib.uptake.mapping import as_matrix
from scipy import ndimage

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTUptakeLib.uptake.mapping import RasTransform

ACTIVITY_UNITS = "Bq/ml"
MOST_TIME_POINTS = 8


@dataclass(frozen=True, eq=False)
class VoxelSeries:
    """Activity concentration of every voxel over time.

    Attributes
    ----------
    nuclide : what decays.
    grid : of the first image; all others lie on it.
    times_h : hours after the injection, rising.
    activity_Bq_per_mL : float32 [time, k, j, i], the activity at these times; NaN where an image did not reach.
    series_uids : of the DICOM series that the images came from, in the same order, as far as the images state them.
    """

    nuclide: Radionuclide
    grid: Grid
    times_h: np.ndarray
    activity_Bq_per_mL: np.ndarray
    series_uids: tuple[str, ...] = ()

    @classmethod
    def from_volumes(
        cls,
        volumes: Sequence[Volume],
        injection: datetime,
        nuclide: str,
        transforms: Sequence[RasTransform | None] | None = None,
    ) -> VoxelSeries:
        """Gather activity images; each holds the activity at its own ``reference_time``.

        Parameters
        ----------
        volumes : 1 to 8 images in Bq/mL, each decay-corrected to its own scan.
        injection : with its time zone.
        transforms : for each image, what carries RAS points of the first image's space to this image's space: a 4x4
            matrix, a function of points (n, 3), or None. Images that need it are resampled linearly. Without
            ``transforms`` all images must lie on one grid.

        Raises
        ------
        KineticsError
            If units, times, grids or values do not allow an integral.
        """
        if not 1 <= len(volumes) <= MOST_TIME_POINTS:
            raise KineticsError(f"1 to {MOST_TIME_POINTS} activity images can be integrated, not {len(volumes)}.")
        if transforms is not None and len(transforms) != len(volumes):
            raise KineticsError(f"There are {len(volumes)} images, but {len(transforms)} transforms: give one each.")
        times = np.array([_hours_after(volume, injection) for volume in volumes])
        grid = volumes[0].grid
        arrays = []
        for number, volume in enumerate(volumes):
            _require_activity(volume, times[number])
            if transforms is None and not volume.grid.matches(grid):
                raise KineticsError(
                    f"The image at {times[number]:g} h has {volume.grid.shape} voxels on another grid than the first "
                    f"({grid.shape}): register the images and give their transforms."
                )
            arrays.append(_propagated(volume, grid, None if transforms is None else transforms[number]))
        uids = tuple(str(volume.provenance.get("series_uid", "")) for volume in volumes)
        return cls(find_nuclide(nuclide), grid, times, np.stack(arrays), uids if all(uids) else ())

    def __post_init__(self) -> None:
        times = np.asarray(self.times_h, dtype=np.float64)
        if times.ndim != 1 or times.size != len(self.activity_Bq_per_mL):
            raise KineticsError(f"{times.size} times do not fit {len(self.activity_Bq_per_mL)} images.")
        if times[0] <= 0.0 or (np.diff(times) <= 0.0).any():
            raise KineticsError(
                f"Image times must rise and lie after the injection, but they are {', '.join(f'{t:g}' for t in times)} "
                "h; images that were corrected back to the injection must be corrected to their own scans first."
            )
        if self.activity_Bq_per_mL.shape[1:] != self.grid.shape:
            raise KineticsError(
                f"Images of {self.activity_Bq_per_mL.shape[1:]} do not fit a grid of {self.grid.shape}."
            )
        object.__setattr__(self, "times_h", times)

    def volume(self, array: np.ndarray, quantity: str, units: str, method: str) -> Volume:
        """A map on the grid of the series, which is that of the first image."""
        provenance = {"method": method, "times_h": self.times_h.tolist(), "nuclide": self.nuclide.name}
        if self.series_uids:
            provenance |= {"series_uid": self.series_uids[0], "series_uids": list(self.series_uids)}
        return Volume(array, self.grid.ijk_to_ras, quantity, units, provenance=provenance)


def _hours_after(volume: Volume, injection: datetime) -> float:
    if injection.tzinfo is None:
        raise KineticsError(f"The injection time {injection} has no time zone: give it one.")
    if volume.reference_time is None:
        raise KineticsError("An activity image has no reference time, so nobody knows when its activity was so.")
    return (volume.reference_time - injection).total_seconds() / 3600.0


def _require_activity(volume: Volume, time_h: float) -> None:
    if volume.units != ACTIVITY_UNITS:
        raise KineticsError(f"The image at {time_h:g} h is in '{volume.units}', but {ACTIVITY_UNITS} is needed.")
    if not np.isfinite(volume.array).all():
        raise KineticsError(f"The image at {time_h:g} h holds voxels without a number: fill or crop them first.")


def _propagated(volume: Volume, grid: Grid, transform: RasTransform | None) -> np.ndarray:
    """Values on ``grid`` by linear interpolation, NaN outside the image and its field of view."""
    if volume.outside_field is not None:
        seen = np.where(volume.outside_field, np.float32(np.nan), volume.array)
        volume = volume.with_values(seen, outside_field=None)
    matrix = as_matrix(transform)
    if matrix is None:
        return _through_function(volume, grid, transform)
    if volume.grid.matches(grid) and np.allclose(matrix, np.eye(4), atol=1e-9):
        return volume.array
    to_image = volume.grid.ras_to_ijk @ matrix @ grid.ijk_to_ras  # i, j, k of the grid to i, j, k of the image
    propagated: np.ndarray = ndimage.affine_transform(
        volume.array,
        to_image[2::-1, 2::-1],
        to_image[2::-1, 3],
        output_shape=grid.shape,
        order=1,
        mode="constant",
        cval=np.nan,
    )
    return propagated


def _through_function(volume: Volume, grid: Grid, transform: RasTransform | None) -> np.ndarray:
    propagated = np.empty(grid.shape, dtype=np.float32)
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]]
    for k in range(grid.shape[0]):
        points = np.stack([i, j, np.full_like(i, k)], axis=-1).reshape(-1, 3)
        moved = volume.grid.to_ijk(transform(grid.to_ras(points)))  # type: ignore[operator, misc]
        values = ndimage.map_coordinates(volume.array, moved[:, ::-1].T, order=1, mode="constant", cval=np.nan)
        propagated[k] = values.reshape(grid.shape[1:])
    return propagated
