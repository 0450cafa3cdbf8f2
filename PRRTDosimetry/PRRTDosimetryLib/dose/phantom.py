"""Reference phantoms: organ masses and S-values, mean absorbed dose to a target per decay in a source (MIRD schema).

S-values in mGy/(MBq s) as tabulated; times 3.6 they are Gy/(MBq h).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.kernel_phantom import kernel_S_values
from PRRTDosimetryLib.dose.tables import read_table, table_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEXES = ("male", "female")
TOTAL_BODY = "total body"
RED_MARROW = "red marrow"
GY_PER_MBQ_H = 3.6
"""Gy/(MBq h) per mGy/(MBq s)."""

_MGY_G_PER_MBQ_S_PER_KEV = 1.602176634e-16 * 1e6 * 1e3 / 1e-3  # J/keV, decays/(MBq s), mGy/Gy, g over kg


@dataclass(frozen=True, eq=False)
class Phantom:
    """Reference masses and S-values of one sex and nuclide.

    Attributes
    ----------
    sex, nuclide : ``male`` or ``female``, name of the nuclide.
    masses_g : reference mass by organ (ICRP 89).
    S_mGy_per_MBq_s : S-value by (target, source).
    source : where the figures come from.
    self_only : there is no table for the nuclide: self doses by kernels, none of one organ to another.
    """

    sex: str
    nuclide: str
    masses_g: Mapping[str, float]
    S_mGy_per_MBq_s: Mapping[tuple[str, str], float]
    source: str
    self_only: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Organs to which doses are tabulated."""
        return tuple(dict.fromkeys(target for target, _ in self.S_mGy_per_MBq_s))

    @property
    def sources(self) -> tuple[str, ...]:
        """Organs and contents that may hold activity."""
        return tuple(dict.fromkeys(source for _, source in self.S_mGy_per_MBq_s))

    def S(self, target: str, source: str) -> float:
        """S-value of the reference phantom, mGy/(MBq s).

        Examples
        --------
        >>> phantom("male", "Lu-177").S("kidneys", "kidneys")
        7.76e-05
        """
        if self.self_only and target != source and {target, source} <= set(self.targets):
            return 0.0  # not known; the result says that cross dose is not in it
        try:
            return self.S_mGy_per_MBq_s[target, source]
        except KeyError:
            raise DoseError(
                f"There is no S-value of {self.nuclide} from '{source}' to '{target}'; targets are "
                f"{', '.join(self.targets)}; sources are {', '.join(self.sources)}."
            ) from None

    def mass_g(self, organ: str) -> float:
        """Reference mass."""
        try:
            return self.masses_g[organ]
        except KeyError:
            raise DoseError(
                f"There is no reference mass of '{organ}'; masses are known of {', '.join(self.masses_g)}."
            ) from None

    def self_parts(self, organ: str) -> tuple[float, float]:
        """Electron and photon part of the self-dose S-value, mGy/(MBq s).

        The tables give the sum only. Electrons of PRRT nuclides stop in their organ, so their part is mean energy over
        mass; what remains is the photons'. Where the whole S-value is smaller than that (red marrow, from whose
        cavities electrons escape into bone; adrenals, by 0.8 %), all of it counts as electrons.
        """
        total = self.S(organ, organ)
        energy = nuclide(self.nuclide).electron_keV
        if energy is None:
            raise DoseError(
                f"The electron energy of {self.nuclide} is not known, so its S-values cannot be scaled by mass."
            )
        electrons = min(total, energy * _MGY_G_PER_MBQ_S_PER_KEV / self.mass_g(organ))
        return electrons, total - electrons

    def self_S(self, organ: str, mass_g: float) -> float:
        """Self-dose S-value scaled to a patient's organ mass, mGy/(MBq s).

        Electron part by m_ref/m, photon part by (m_ref/m)^(2/3) (MIRD Pamphlet 11; Stabin 2008,
        doi:10.2967/jnumed.107.048009).

        Examples
        --------
        >>> kidneys = phantom("male", "Lu-177")
        >>> kidneys.self_S("kidneys", 310.0) == kidneys.S("kidneys", "kidneys")
        True
        """
        if not 0 < mass_g < float("inf"):
            raise DoseError(f"The {organ} have no mass ({mass_g:g} g); give their volume or mass.")
        electrons, photons = self.self_parts(organ)
        ratio = self.mass_g(organ) / mass_g
        return float(electrons * ratio + photons * ratio ** (2 / 3))

    def remainder_S(self, target: str, sources: Iterable[str]) -> float:
        """S-value from the remainder of the body, what is left without ``sources``, mGy/(MBq s).

        S_rem = (S_TB m_TB - sum S_i m_i) / (m_TB - sum m_i), all of the reference phantom (Cloutier et al. 1973,
        J Nucl Med 14:53; Coffey and Watson 1979, Med Phys 6:307). The total-body S-value itself would be wrong: it
        counts the target's own electrons even if the target is one of the sources (kidneys: 13-fold too much).

        Raises
        ------
        DoseError
            If a source has no reference mass, or there is no remainder.
        """
        if self.self_only:
            return 0.0
        organs = list(dict.fromkeys(sources))
        if TOTAL_BODY in organs:
            raise DoseError("The total body leaves no remainder; give the organs that were measured on their own.")
        body = self.mass_g(TOTAL_BODY)
        weighted = self.S(target, TOTAL_BODY) * body - sum(self.S(target, i) * self.mass_g(i) for i in organs)
        # Three tabulated digits can leave a small negative difference; a dose cannot be negative.
        return max(0.0, weighted / (body - sum(self.mass_g(organ) for organ in organs)))


@cache
def phantom(sex: str, nuclide_name: str) -> Phantom:
    """The shipped phantom of a sex and nuclide; without a table of S-values self doses by our own kernels alone.

    Raises
    ------
    DoseError
        If there is neither table nor kernel for them.
    """
    if sex not in SEXES:
        raise DoseError(f"There is no phantom '{sex}'; use {' or '.join(SEXES)}.")
    name = nuclide(nuclide_name).name
    masses = {row["organ"]: float(row[f"{sex}_g"]) for row in read_table("SValues", "reference_masses.csv")}
    if name != "Lu-177":
        own = kernel_S_values(sex, name)
        if not own:
            raise DoseError(
                f"There is neither a table of organ S-values nor a dose kernel for {name}, so no dose is calculated; "
                "'prrt tiac' gives its time-integrated activities."
            )
        words = f"self doses of ellipsoids with the reference masses of ICRP 89 by our own kernel of {name}"
        return Phantom(sex, name, MappingProxyType(masses), own, words, self_only=True)
    file = f"svalues_{name}_adult_{sex}.csv"
    values = {(row["target"], row["source"]): float(row["S_mGy_per_MBq_s"]) for row in read_table("SValues", file)}
    return Phantom(sex, name, MappingProxyType(masses), MappingProxyType(values), table_source("SValues", file))
