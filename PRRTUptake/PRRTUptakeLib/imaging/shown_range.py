"""The range of values over which an image is shown: of CT the abdomen's, of activity and dose from 0 up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

ABDOMEN_HU = (-110.0, 190.0)  # liver, vessels and lesions apart from each other

_FROM_ZERO = ("activity concentration", "counts", "absorbed dose")
_BRIGHTEST_PERCENT = 99.95  # the scale ends here: a single hot voxel does not darken all others
_STEP, _MOST = 7, 1_000_000  # voxels apart, and how many are enough to find where the scale ends


def shown_range(volume: Volume) -> tuple[float, float] | None:
    """Lowest and highest value shown of a CT, or of an image of activity, counts, SUV or dose; None for another one.

    Of nothing but zeros there is no range either.
    """
    if volume.quantity == "attenuation":
        return ABDOMEN_HU
    if volume.quantity not in _FROM_ZERO and not volume.quantity.startswith("SUV"):
        return None
    top = nearly_highest(volume.array)
    return (0.0, top) if top > 0 else None


def nearly_highest(values: np.ndarray) -> float:
    """The value that one voxel of two thousand exceeds, by a sample; (k, j, i) or (n,), 0 if empty."""
    flat = values.reshape(-1)
    some = flat[:: max(_STEP, flat.size // _MOST)]
    return float(np.percentile(some, _BRIGHTEST_PERCENT)) if some.size else 0.0
