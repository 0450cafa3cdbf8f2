"""Organ doses by S-values: self-dose scaled to the patient's mass, cross dose, and the remainder of the body.

MIRD schema (Bolch et al. 2009, MIRD Pamphlet 21, doi:10.2967/jnumed.108.056036): D(target) = sum over sources of
TIA(source) S(target <- source).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.phantom import GY_PER_MBQ_H, RED_MARROW, TOTAL_BODY, Phantom

if TYPE_CHECKING:
    from collections.abc import Mapping

REMAINDER = "remainder of the body"


@dataclass(frozen=True)
class OrganDose:
    """Absorbed dose of one organ, by source.

    Attributes
    ----------
    organ : name of the target.
    mass_g : mass used for the self-dose, nan if the organ holds no measured activity.
    contributions_Gy : (source, dose) pairs.
    """

    organ: str
    mass_g: float
    contributions_Gy: tuple[tuple[str, float], ...]

    @property
    def dose_Gy(self) -> float:
        """Mean absorbed dose from all sources."""
        return sum(dose for _, dose in self.contributions_Gy)

    @property
    def self_Gy(self) -> float:
        """Dose from activity in the organ itself."""
        return dict(self.contributions_Gy).get(self.organ, 0.0)


def remainder_tia_MBq_h(total_body_MBq_h: float, organs_MBq_h: Mapping[str, float]) -> float:
    """TIA of the remainder: that of the whole body less that of all organs measured on their own.

    Raises
    ------
    DoseError
        If the organs hold more than the body.

    Examples
    --------
    >>> remainder_tia_MBq_h(1000.0, {"liver": 300.0, "kidneys": 100.0})
    600.0
    """
    inside = sum(organs_MBq_h.values())
    if inside > total_body_MBq_h:
        raise DoseError(
            f"The organs hold {inside:g} MBq h, more than the whole body ({total_body_MBq_h:g} MBq h); check the "
            "calibration and the field of view."
        )
    return total_body_MBq_h - inside


def organ_doses(
    phantom: Phantom,
    tia_MBq_h: Mapping[str, float],
    masses_g: Mapping[str, float],
    remainder_MBq_h: float | None = None,
    lesions_MBq_h: Mapping[str, float] | None = None,
) -> dict[str, OrganDose]:
    """Absorbed doses of all tabulated organs.

    Parameters
    ----------
    phantom : S-values and reference masses.
    tia_MBq_h : time-integrated activity by source organ.
    masses_g : the patient's mass of each source organ that is also a target; red marrow, which no image shows, may be
        left out and then has its reference mass.
    remainder_MBq_h : TIA of the rest of the body; None leaves it out (say so).
    lesions_MBq_h : TIA of lesions by the organ that they lie in: they irradiate other organs as the organ itself does,
        and their organ by photons only, so that its own dose stays that of its healthy tissue.

    Raises
    ------
    DoseError
        For an unknown organ, a source organ without mass, or a negative TIA.

    Examples
    --------
    >>> from PRRTDosimetryLib.dose.phantom import phantom
    >>> doses = organ_doses(phantom("male", "Lu-177"), {"kidneys": 10000.0}, {"kidneys": 310.0})
    >>> round(doses["kidneys"].dose_Gy, 3), round(doses["spleen"].dose_Gy, 5)
    (2.794, 0.00929)
    """
    inside = dict(lesions_MBq_h or {})
    for name, tia in (*tia_MBq_h.items(), *inside.items(), (REMAINDER, remainder_MBq_h or 0.0)):
        if not 0 <= tia < float("inf"):
            raise DoseError(f"{name}: a time-integrated activity of {tia:g} MBq h is not possible; check its curve.")
        if name == TOTAL_BODY:
            raise DoseError("Give the remainder of the body (whole body less organs), not the total body, as a source.")
        if name != REMAINDER and name not in phantom.sources:
            phantom.S(phantom.targets[0], name)  # says which sources there are
    masses = {organ: _mass(phantom, organ, masses_g) for organ in tia_MBq_h if organ in phantom.targets}
    excluded = [*tia_MBq_h, *(organ for organ in inside if organ not in tia_MBq_h)]
    doses = {}
    for target in phantom.targets:
        parts = [(source, _from_source(phantom, target, source, tia, masses)) for source, tia in tia_MBq_h.items()]
        parts += [
            (f"lesions in {source}", _from_lesions(phantom, target, source, tia, masses))
            for source, tia in inside.items()
        ]
        if remainder_MBq_h is not None:
            parts.append((REMAINDER, remainder_MBq_h * GY_PER_MBQ_H * phantom.remainder_S(target, excluded)))
        doses[target] = OrganDose(target, masses.get(target, float("nan")), tuple(parts))
    return doses


def _from_source(phantom: Phantom, target: str, source: str, tia: float, masses: Mapping[str, float]) -> float:
    if source == target:
        return tia * GY_PER_MBQ_H * phantom.self_S(target, masses[target])
    return tia * GY_PER_MBQ_H * phantom.S(target, source)


def _from_lesions(phantom: Phantom, target: str, host: str, tia: float, masses: Mapping[str, float]) -> float:
    if host != target:
        return tia * GY_PER_MBQ_H * phantom.S(target, host)
    reference = phantom.mass_g(target)
    _, photons = phantom.self_parts(target)
    return float(tia * GY_PER_MBQ_H * photons * (reference / masses.get(target, reference)) ** (2 / 3))


def _mass(phantom: Phantom, organ: str, masses_g: Mapping[str, float]) -> float:
    if organ in masses_g:
        return masses_g[organ]
    if organ == RED_MARROW:
        return phantom.mass_g(RED_MARROW)
    raise DoseError(f"The {organ} hold activity but have no volume or mass; give one, since the dose is per mass.")
