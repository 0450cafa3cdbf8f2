"""Self-dose of lesions: the sphere model by a published table, and local deposition."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.tables import read_table

_J_PER_KEV = 1.602176634e-16
_DECAYS_PER_MBQ_H = 3.6e9


def local_deposition_Gy_g_per_MBq_h(nuclide_name: str) -> float:
    """Dose times mass per TIA if all electrons and no photons stay in the region.

    Examples
    --------
    >>> round(local_deposition_Gy_g_per_MBq_h("Lu-177"), 4)
    0.0853
    """
    energy = nuclide(nuclide_name).electron_keV
    if energy is None:
        raise DoseError(f"The electron energy of {nuclide_name} is not known; local deposition needs it.")
    return energy * _J_PER_KEV * _DECAYS_PER_MBQ_H / 1e-3


def sphere_S_Gy_per_Bq_s(nuclide_name: str, mass_g: float) -> float:
    """Self-dose S-value of a soft-tissue sphere, interpolated linearly in log S over log mass.

    Parameters
    ----------
    nuclide_name : ``Lu-177``; the table holds no other.
    mass_g : from 0.00431 to 932 g as tabulated; heavier spheres by electrons over mass and the photon part of 932 g
        scaled with the mass to the power -2/3.

    Raises
    ------
    DoseError
        For another nuclide or a mass below the table.

    Examples
    --------
    >>> sphere_S_Gy_per_Bq_s("Lu-177", 4.31), sphere_S_Gy_per_Bq_s("Lu-177", 116.0)
    (5.46e-12, 2.07e-13)
    """
    name = nuclide(nuclide_name).name
    if name != "Lu-177":
        raise DoseError(f"There is no table of spheres for {name}, only for Lu-177.")
    masses, values = _table()
    if not masses[0] <= mass_g < math.inf:
        raise DoseError(
            f"A sphere of {mass_g:g} g is not in the table, which begins at {masses[0]:g} g; check the lesion's volume."
        )
    if mass_g <= masses[-1]:
        return float(round(math.exp(np.interp(math.log(mass_g), np.log(masses), np.log(values))), 25))
    electrons = local_deposition_Gy_g_per_MBq_h(name) / _DECAYS_PER_MBQ_H
    photons = values[-1] - electrons / masses[-1]
    return float(electrons / mass_g + photons * (masses[-1] / mass_g) ** (2 / 3))


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    rows = list(read_table("SValues", "svalues_Lu-177_spheres.csv"))
    return np.array([float(row["mass_g"]) for row in rows]), np.array([float(row["S_Gy_per_Bq_s"]) for row in rows])
