"""Counts of a gamma camera as activity concentration, for images that come without units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.uptake.errors import UptakeError

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.operator_overrides import Calibration


def concentration_from_counts(counts: Volume, calibration: Calibration) -> Volume:
    """Activity concentration in Bq/ml: counts / (sensitivity x time x voxel volume).

    Parameters
    ----------
    counts : counts per voxel, without units; they hold for the moment for which the image holds.
    calibration : sensitivity, and the time over which the counts were taken.

    Raises
    ------
    UptakeError
        If the image has units already, or the calibration does not state the time.

    Examples
    --------
    >>> import numpy as np
    >>> from PRRTUptakeLib.dicom.operator_overrides import Calibration
    >>> counts = Volume(np.full((1, 1, 1), 90.0), np.diag([10.0, 10.0, 10.0, 1.0]))  # voxels of 1 mL
    >>> float(concentration_from_counts(counts, Calibration(9.0, "total", 10.0)).array[0, 0, 0])
    1000000.0
    """
    if counts.units:
        raise UptakeError(f"The image is in {counts.units} already: calibrate counts only.")
    if calibration.acquisition_time_s is None:
        raise UptakeError("Counts without a header need the acquisition time: give it in seconds.")
    sensitivity, time_s = calibration.sensitivity_cps_per_MBq, calibration.acquisition_time_s
    factor = 1e6 / (sensitivity * time_s * counts.grid.voxel_volume_mL)
    note = f"Bq/ml = counts x {factor:.6g}: {sensitivity:g} cps/MBq over {time_s:g} s, as the operator stated."
    decisions = [*counts.provenance.get("decisions", ()), note]
    return counts.with_values(
        counts.array * factor,
        quantity="activity concentration",
        units="Bq/ml",
        provenance={**counts.provenance, "decisions": decisions},
    )
