"""Liquid water for electrons and photons: stopping powers, elastic scattering, cross sections.

Energies in MeV, lengths in g/cm2 (so that unit density is a scale, not an assumption).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

ELECTRON_MASS_MeV = 0.51099895
MEAN_EXCITATION_MeV = 78e-6  # liquid water, ICRU Report 90 (2016)
ELECTRONS_PER_GRAM = 10 / 18.0153  # in moles: Z/A
TWO_PI_RE2_MC2_NA = 0.153536  # MeV cm2/mol: 2 pi r_e^2 m c^2 N_A
RE2_NA = 0.0478183  # cm2/mol: r_e^2 N_A, with r_e = 2.8179403 fm
ATOMS = ((1, 2 / 18.0153), (8, 1 / 18.0153))  # atomic number, moles per gram
FINE_STRUCTURE = 1 / 137.035999

# Radiative stopping power of liquid water, MeV cm2/g: NIST ESTAR, doi:10.18434/T4NC7P. Log-log interpolated.
_RADIATIVE_ENERGY_MeV = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5])
_RADIATIVE_MeV_cm2_g = (
    np.array([3.898, 3.963, 4.031, 4.228, 4.801, 5.514, 7.257, 9.313, 12.80, 19.42, 26.78, 34.68]) * 1e-3
)

_DENSITY_ENERGY_MeV = np.array([0.50, 0.55, 0.60, 0.70, 0.80, 0.90, 1.00, 1.25, 1.50, 1.75, 2.00, 2.50])
_DENSITY_EFFECT = np.array(
    [0.0, 0.01103, 0.02938, 0.07435, 0.1267, 0.1835, 0.2428, 0.3944, 0.5437, 0.6866, 0.8218, 1.069]
)


def beta_squared(energy_MeV: np.ndarray) -> np.ndarray:
    """Square of the speed over that of light, of an electron with this kinetic energy."""
    tau = energy_MeV / ELECTRON_MASS_MeV
    return tau * (tau + 2.0) / (tau + 1.0) ** 2


def density_effect(energy_MeV: np.ndarray) -> np.ndarray:
    """Density-effect correction of liquid water, interpolated between the values of ESTAR.

    They hold for I = 75 eV; taking them for 78 eV changes the stopping power by about 0.1 % above 1 MeV.
    """
    return np.interp(np.log(energy_MeV), np.log(_DENSITY_ENERGY_MeV), _DENSITY_EFFECT)


def collision_stopping_power(energy_MeV: np.ndarray, positron: bool = False) -> np.ndarray:
    """Mass collision stopping power in MeV cm2/g: Bethe's formula with Moller or Bhabha cross section (ICRU 37)."""
    tau = energy_MeV / ELECTRON_MASS_MeV
    beta2 = beta_squared(energy_MeV)
    if positron:
        rest = 14.0 / (tau + 2.0) + 10.0 / (tau + 2.0) ** 2 + 4.0 / (tau + 2.0) ** 3
        shape = 2.0 * np.log(2.0) - beta2 / 12.0 * (23.0 + rest)
    else:
        shape = (1.0 - beta2) * (1.0 + tau**2 / 8.0 - (2.0 * tau + 1.0) * np.log(2.0))
    logarithm = 2.0 * np.log(energy_MeV / MEAN_EXCITATION_MeV) + np.log1p(tau / 2.0)
    bracket = logarithm + shape - density_effect(energy_MeV)
    return TWO_PI_RE2_MC2_NA * ELECTRONS_PER_GRAM / beta2 * bracket


def radiative_stopping_power(energy_MeV: np.ndarray) -> np.ndarray:
    """Mass radiative stopping power in MeV cm2/g."""
    logarithm = np.interp(np.log(energy_MeV), np.log(_RADIATIVE_ENERGY_MeV), np.log(_RADIATIVE_MeV_cm2_g))
    return np.exp(logarithm)


def knock_on(energy_MeV: float, transfer_MeV: np.ndarray, positron: bool = False) -> np.ndarray:
    """Cross section for giving ``transfer_MeV`` to an atomic electron, cm2/g per MeV: Moller or Bhabha (ICRU 37)."""
    return (
        TWO_PI_RE2_MC2_NA
        * ELECTRONS_PER_GRAM
        / float(beta_squared(np.float64(energy_MeV)))
        / transfer_MeV**2
        * knock_on_factor(np.float64(energy_MeV), transfer_MeV, positron)
    )


def knock_on_factor(energy_MeV: np.ndarray, transfer_MeV: np.ndarray, positron: bool = False) -> np.ndarray:
    """What multiplies 1/W^2: after Moller (electrons, W up to E/2) or after Bhabha (positrons, W up to E)."""
    tau = energy_MeV / ELECTRON_MASS_MeV
    part = transfer_MeV / energy_MeV
    if positron:
        y = 1.0 / (tau + 2.0)
        b1, b2 = 2.0 - y**2, (1.0 - 2.0 * y) * (3.0 + y**2)
        b4 = (1.0 - 2.0 * y) ** 3
        b3 = b4 + (1.0 - 2.0 * y) ** 2
        return 1.0 - beta_squared(energy_MeV) * part * (b1 - part * (b2 - part * (b3 - part * b4)))
    ratio = part / (1.0 - part)
    return 1.0 + ratio**2 + (tau / (tau + 1.0)) ** 2 * part**2 - (2.0 * tau + 1.0) / (tau + 1.0) ** 2 * ratio


def elastic_moments(
    energy_MeV: float, degrees: int, hard_from_MeV: float, positron: bool = False
) -> tuple[np.ndarray, float]:
    """Scattering moments N sigma (1 - <P_l>) for l = 0...degrees and the total N sigma, in cm2/g.

    Screened Rutherford scattering with Moliere's screening angle and the spin factor of McKinley and Feshbach,
    doi:10.1103/PhysRev.74.1759. Atomic electrons count as Z more, up to the angle of a collision that transfers
    ``hard_from_MeV``: harder ones are followed one by one.
    """
    fine, weights, complements = _angle_grid(degrees)
    sine = np.sqrt(fine / 2.0)
    tau = energy_MeV / ELECTRON_MASS_MeV
    beta2 = float(beta_squared(np.float64(energy_MeV)))
    momentum = np.sqrt(tau * (tau + 2.0))  # in units of m c
    soft = fine < hard_from_MeV * ELECTRON_MASS_MeV / (energy_MeV * (energy_MeV + 2.0 * ELECTRON_MASS_MeV))
    total = np.zeros(fine.size)
    for number, moles in ATOMS:
        aZ = FINE_STRUCTURE * number
        screening_angle2 = (FINE_STRUCTURE * number ** (1 / 3) / 0.885 / momentum) ** 2 * (1.13 + 3.76 * aZ**2 / beta2)
        charge = -aZ if positron else aZ
        spin = 1.0 - beta2 * sine**2 + np.pi * charge * np.sqrt(beta2) * sine * (1.0 - sine)
        strength = 2.0 * np.pi * RE2_NA * moles / (momentum**2 * beta2)
        total += strength * (number**2 * spin + number * soft) / (fine + screening_angle2 / 2.0) ** 2
    total *= weights
    return complements @ total, float(total.sum())


@lru_cache(maxsize=1)
def _angle_grid(degrees: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes x = 1 - cos(angle), their weights, and 1 - P_l(1 - x) for l = 0...degrees."""
    smallest = 1e-8
    nodes, weights = np.polynomial.legendre.leggauss(2000)
    low, high = np.log(smallest), np.log(2.0 + smallest)
    shifted = np.exp(low + (nodes + 1.0) / 2.0 * (high - low))
    x = shifted - smallest
    return x, weights * (high - low) / 2.0 * shifted, 1.0 - legendre(1.0 - x, degrees)


def legendre(cosine: np.ndarray, degrees: int) -> np.ndarray:
    """P_0...P_degrees at ``cosine``, stacked along a new first axis."""
    table = np.empty((degrees + 1, cosine.size))
    table[0], table[1] = 1.0, cosine
    for n in range(1, degrees):
        table[n + 1] = ((2 * n + 1) * cosine * table[n] - n * table[n - 1]) / (n + 1)
    return table


def photon_cross_sections(energy_MeV: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Photoelectric and incoherent mass attenuation of water in cm2/g, from xraylib (doi:10.1016/j.sab.2011.09.011).

    xraylib ends at 0.8 MeV; beyond, binding plays no part and the Klein-Nishina cross section takes over, while the
    photoelectric effect (below 1e-4 of the whole) goes on with the square of the energy.
    """
    import xraylib

    within = np.minimum(energy_MeV, 0.799)
    photoelectric = np.array([xraylib.CS_Photo_CP("H2O", 1e3 * energy) for energy in within])
    incoherent = np.array([xraylib.CS_Compt_CP("H2O", 1e3 * energy) for energy in within])
    beyond = klein_nishina(energy_MeV) / klein_nishina(within)
    return photoelectric * (within / energy_MeV) ** 2, incoherent * beyond


def klein_nishina(energy_MeV: np.ndarray) -> np.ndarray:
    """Total cross section of a free electron in units of 2 pi r_e^2 (Klein and Nishina 1929)."""
    k = energy_MeV / ELECTRON_MASS_MeV
    logarithm = np.log1p(2.0 * k)
    main = (1.0 + k) / k**2 * (2.0 * (1.0 + k) / (1.0 + 2.0 * k) - logarithm / k)
    return main + logarithm / (2.0 * k) - (1.0 + 3.0 * k) / (1.0 + 2.0 * k) ** 2
