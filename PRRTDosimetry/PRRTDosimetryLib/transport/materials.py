"""From densities to the media of the transport code: air, lung, soft tissue and bone."""

from __future__ import annotations

import numpy as np

MEDIA = ("AIR521ICRU", "LUNG521ICRU", "ICRUTISSUE521ICRU", "ICRPBONE521ICRU")
"""Media of the code's table 521icru.pegs4dat: compositions of ICRU and ICRP, electrons down to 10 keV."""
MEDIA_WORDS = ("air", "lung", "soft tissue", "bone")
FROM_g_per_mL = (0.0, 0.1, 0.6, 1.2)
"""Least density of each medium. Fat counts as soft tissue; 1.2 g/mL is beyond enhanced organs."""
AIR_g_per_mL = 0.00121


def media_of(density_g_per_mL: np.ndarray) -> np.ndarray:
    """Number of the medium in MEDIA, from 1, int32 of the same shape.

    Examples
    --------
    >>> media_of(np.array([0.001, 0.26, 0.93, 1.05, 1.5])).tolist()
    [1, 2, 3, 3, 4]
    """
    return np.searchsorted(np.array(FROM_g_per_mL[1:]), density_g_per_mL, side="right").astype(np.int32) + 1
