"""Biological effect voxel by voxel: BED, EQD2, their histograms, equivalent uniform dose, and tumour control.

BED-volume histograms are those of the voxels' BED (MIRD Pamphlet 20, Wessels et al. 2008,
doi:10.2967/jnumed.108.053306): a region whose dose is uneven has another effect than its mean dose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram, dose_volume_histogram
from PRRTDosimetryLib.effect.errors import EffectError

if TYPE_CHECKING:
    from PRRTDosimetryLib.effect.bed import Tissue, TumourControl


@dataclass(frozen=True, eq=False)
class VoxelEffect:
    """Effect in one region.

    Attributes
    ----------
    tissue : its radiosensitivity.
    protraction : G of the dose rate's course (several for several cycles).
    bed : BED-volume histogram in Gy.
    eud_Gy : generalised equivalent uniform dose of the EQD2; nan where no exponent is stated.
    tumour_control : probability by the Poisson model; nan where its parameters are not stated.
    """

    tissue: Tissue
    protraction: tuple[float, ...]
    bed: DoseVolumeHistogram
    eud_Gy: float = math.nan
    tumour_control: float = math.nan

    @property
    def eqd2_mean_Gy(self) -> float:
        """Mean of the voxels' EQD2, in which BED is linear."""
        return self.bed.mean_Gy / (1.0 + 2.0 / self.tissue.alpha_beta_Gy)


def voxel_bed_Gy(dose_Gy: np.ndarray, protraction: float, alpha_beta_Gy: float) -> np.ndarray:
    """BED of every voxel (n,) of one cycle, D (1 + G D/(alpha/beta)).

    Examples
    --------
    >>> voxel_bed_Gy(np.array([0.0, 5.0]), 0.05303, 2.6).round(2).tolist()
    [0.0, 5.51]
    """
    dose = np.asarray(dose_Gy, dtype=np.float64)
    if not (alpha_beta_Gy > 0 and 0 <= protraction <= 1):
        raise EffectError(f"A BED with alpha/beta {alpha_beta_Gy:g} Gy and G {protraction:g} is not possible.")
    found: np.ndarray = dose * (1.0 + protraction * dose / alpha_beta_Gy)
    return found


def equivalent_uniform_dose_Gy(dose_Gy: np.ndarray, volume_mL: np.ndarray, exponent: float) -> float:
    """Generalised equivalent uniform dose, (sum of v D^a)^(1/a) over shares v of the volume.

    Niemierko, Med Phys 1999;26:1100 (abstract); a = 1 is the mean, large a the maximum (organs in series), negative a
    the minimum (tumours). A tumour voxel without dose gives 0 for negative a.

    Raises
    ------
    EffectError
        If the exponent is 0 or the volumes are none.

    Examples
    --------
    >>> dose, volume = np.array([10.0, 20.0]), np.array([1.0, 1.0])
    >>> [round(equivalent_uniform_dose_Gy(dose, volume, a), 2) for a in (1.0, 20.0, -20.0)]
    [15.0, 19.32, 10.35]
    """
    dose, volume = np.asarray(dose_Gy, dtype=np.float64), np.asarray(volume_mL, dtype=np.float64)
    if exponent == 0 or not volume.sum() > 0:
        raise EffectError(f"An equivalent uniform dose needs a volume and an exponent other than 0, not {exponent:g}.")
    share = volume / volume.sum()
    inside = share > 0
    if exponent < 0 and (dose[inside] <= 0).any():
        return 0.0
    scale = float(dose[inside].max())
    if scale <= 0:
        return 0.0
    mean = float(share[inside] @ (dose[inside] / scale) ** exponent)
    return float(scale * mean ** (1.0 / exponent))


def tumour_control_probability(bed_Gy: np.ndarray, volume_mL: np.ndarray, control: TumourControl) -> float:
    """Chance that no clonogenic cell survives: exp(-sum of c V exp(-alpha BED)) over voxels (n,), without growth.

    Poisson statistics with one alpha for all cells (Webb and Nahum, Phys Med Biol 1993;38:653,
    doi:10.1088/0031-9155/38/6/001); the alphas of patients scatter, so that it is no forecast for one of them.

    Examples
    --------
    >>> from PRRTDosimetryLib.effect.bed import TumourControl
    >>> round(tumour_control_probability(np.array([60.0]), np.array([10.0]), TumourControl(0.35, 1e7, "")), 3)
    0.927
    """
    bed, volume = np.asarray(bed_Gy, dtype=np.float64), np.asarray(volume_mL, dtype=np.float64)
    survivors = control.clonogens_per_mL * float(volume @ np.exp(-control.alpha_per_Gy * bed))
    return math.exp(-survivors)


def voxel_effect(
    bed_Gy: np.ndarray, volume_mL: np.ndarray, tissue: Tissue, protraction: tuple[float, ...]
) -> VoxelEffect:
    """Effect of a region from the BED of its voxels (n,) and the region's volume in each (n,).

    Raises
    ------
    PRRTError
        If the region is empty or a value is not possible.
    """
    histogram = dose_volume_histogram(bed_Gy, volume_mL)
    eud = math.nan
    if tissue.eud_a is not None:
        eqd2 = histogram.dose_Gy / (1.0 + 2.0 / tissue.alpha_beta_Gy)
        eud = equivalent_uniform_dose_Gy(eqd2, histogram.volume_mL, tissue.eud_a)
    control = math.nan
    if tissue.tumour_control is not None:
        control = tumour_control_probability(histogram.dose_Gy, histogram.volume_mL, tissue.tumour_control)
    return VoxelEffect(tissue, protraction, histogram, eud, control)
