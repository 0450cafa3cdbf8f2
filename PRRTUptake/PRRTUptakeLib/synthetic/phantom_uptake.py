"""How much activity each tissue of the synthetic patient takes up, and how it comes and goes.

Every tissue follows the uptake-clearance law

    c(t) = c0 [exp(-k_out t) - exp(-k_in t)] exp(-lambda t)

with biological rate constants ``k_in`` > ``k_out`` and the physical decay constant ``lambda``; its integral to
infinity, c0 [1/(k_out + lambda) - 1/(k_in + lambda)], is exact. ``c0`` follows from the uptake relative to blood that
the table gives at one reference time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.errors import SyntheticError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TissueUptake:
    """Uptake relative to blood at the table's reference time, biological half-times of uptake and clearance."""

    relative: float
    uptake_half_time_h: float
    clearance_half_time_h: float

    def __post_init__(self) -> None:
        if self.relative < 0 or not 0 < self.uptake_half_time_h < self.clearance_half_time_h:
            raise SyntheticError(
                f"A tissue needs a relative uptake of at least 0 and an uptake faster than its clearance, not {self}."
            )

    def shape(self, time_h: float) -> float:
        """The biological course exp(-k_out t) - exp(-k_in t), without decay; 0 before the injection."""
        if time_h <= 0:
            return 0.0
        return float(2.0 ** (-time_h / self.clearance_half_time_h) - 2.0 ** (-time_h / self.uptake_half_time_h))

    def integral_h(self, decay_per_h: float) -> float:
        """Time integral from 0 to infinity of ``shape`` times exp(-decay t), in hours."""
        out = math.log(2.0) / self.clearance_half_time_h + decay_per_h
        into = math.log(2.0) / self.uptake_half_time_h + decay_per_h
        return 1.0 / out - 1.0 / into


@dataclass(frozen=True)
class UptakeTable:
    """Uptake of all tissues for one radiopharmaceutical.

    Attributes
    ----------
    nuclide : name in ``imaging.radionuclides``.
    reference_time_h : time after injection at which ``relative`` of the rows holds.
    blood_suv : SUV (body weight, decay-corrected to injection) that a relative uptake of 1 means at that time.
    tissues : rows by tissue.
    """

    nuclide: str
    reference_time_h: float
    blood_suv: float
    tissues: Mapping[str, TissueUptake]

    def row(self, tissue: str) -> TissueUptake:
        """The row of ``tissue``; raises SyntheticError if the table lacks it."""
        if tissue not in self.tissues:
            raise SyntheticError(f"The {self.nuclide} uptake table has no tissue '{tissue}': add a row for it.")
        return self.tissues[tissue]

    def suv(self, tissue: str, time_h: float) -> float:
        """Decay-corrected SUV (g/mL, body weight) of ``tissue`` at ``time_h`` after injection.

        Examples
        --------
        >>> round(LU177_DOTATATE.suv("liver", 24.0) / LU177_DOTATATE.suv("blood", 24.0), 9)
        3.0
        """
        row = self.row(tissue)
        return self.blood_suv * row.relative * row.shape(time_h) / row.shape(self.reference_time_h)

    def suv_integral_h(self, tissue: str) -> float:
        """Time integral (h g/mL) of the SUV with physical decay: times activity over weight it is the TIA per mL."""
        row = self.row(tissue)
        decay = nuclide(self.nuclide).decay_constant_per_h
        scale = self.blood_suv * row.relative / row.shape(self.reference_time_h)
        return scale * row.integral_h(decay)


# 177Lu-DOTATATE at 24 h. Uptakes of the order that post-treatment SPECT/CT shows: liver 3, kidneys 20, spleen 25 times
# blood; lesions 15 times the liver, so that T/N is between 10 and 20 (LUTIA, EJNMMI 2024;51:1121, found 16 and 17).
# Blood is at 0.3 SUV: for 7.4 GBq and 75 kg kidneys hold 0.5 MBq/mL at 24 h. With decay the biological half-times give
# effective ones of about 50 h in kidneys, 66 h in liver and spleen and 90 h in lesions, the order of the literature.
LU177_DOTATATE = UptakeTable(
    "Lu-177",
    reference_time_h=24.0,
    blood_suv=0.3,
    tissues={
        "fat": TissueUptake(0.2, 0.2, 40.0),
        "soft": TissueUptake(0.5, 0.2, 40.0),
        "lung": TissueUptake(0.3, 0.2, 40.0),
        "blood": TissueUptake(1.0, 0.05, 30.0),
        "bone": TissueUptake(0.3, 0.3, 60.0),
        "marrow": TissueUptake(1.5, 0.3, 60.0),
        "bile": TissueUptake(0.8, 2.0, 40.0),
        "liver": TissueUptake(3.0, 1.0, 112.0),
        "kidney": TissueUptake(20.0, 0.7, 73.0),
        "spleen": TissueUptake(25.0, 0.7, 112.0),
        "lesion": TissueUptake(45.0, 2.5, 206.0),
        "extrahepatic": TissueUptake(40.0, 2.5, 206.0),
    },
)

# 68Ga-DOTA-peptide at 1 h: blood at SUV 1.2, liver 5, kidneys 14, spleen 22, lesions about 20, the order of
# normal-organ and metastasis SUVs in diagnostic PET/CT after intravenous injection.
GA68_DOTA_PEPTIDE = UptakeTable(
    "Ga-68",
    reference_time_h=1.0,
    blood_suv=1.2,
    tissues={
        "fat": TissueUptake(0.25, 0.1, 40.0),
        "soft": TissueUptake(0.7, 0.1, 40.0),
        "lung": TissueUptake(0.4, 0.1, 40.0),
        "blood": TissueUptake(1.0, 0.02, 2.5),
        "bone": TissueUptake(0.4, 0.1, 60.0),
        "marrow": TissueUptake(0.9, 0.1, 60.0),
        "bile": TissueUptake(1.0, 0.5, 40.0),
        "liver": TissueUptake(4.2, 0.2, 112.0),
        "kidney": TissueUptake(11.5, 0.2, 73.0),
        "spleen": TissueUptake(18.0, 0.2, 112.0),
        "lesion": TissueUptake(17.0, 0.3, 206.0),
        "extrahepatic": TissueUptake(15.0, 0.3, 206.0),
    },
)

TABLES: Mapping[str, UptakeTable] = {table.nuclide: table for table in (LU177_DOTATATE, GA68_DOTA_PEPTIDE)}


def uptake_table(nuclide_name: str) -> UptakeTable:
    """The shipped table of a radionuclide.

    Raises
    ------
    SyntheticError
        If there is none.
    """
    name = nuclide(nuclide_name).name
    if name not in TABLES:
        raise SyntheticError(f"There is no uptake table for {name}; there are tables for {', '.join(TABLES)}.")
    return TABLES[name]
