"""Curves with holes or that cannot be integrated: left out with the reason, so that all others keep their doses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.errors import InputFileError

from PRRTDosimetryLib.kinetics.given_values import check_administered
from PRRTDosimetryLib.kinetics.selection import integrate_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.regions import Region
    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.integral import Integral
    from PRRTDosimetryLib.kinetics.options import Options


WITH_DOSE = ("organ", "lobe", "lesion")
"""Kinds of regions that have a dose of their own, and so a mass."""


def refused_curves(
    curves: Sequence[Curve], regions: Mapping[str, Region], decay: Radionuclide, method: str, options: Options
) -> dict[str, str]:
    """By region, why its curve cannot be integrated or has no mass; each is tried alone.

    Raises
    ------
    InputFileError
        If none can, by a model that the case states.
    """
    found: dict[str, str] = {}
    for curve in curves:
        try:
            if regions[curve.region].kind in WITH_DOSE:
                regions[curve.region].mass_of(curve)
            integrate_all([curve], decay, method, options)
        except PRRTError as error:
            found[curve.region] = str(error)
    if found and len(found) == len(curves) and method != "auto":
        reason = next(iter(found.values()))
        raise InputFileError(
            f"the case, 'dosimetry.model' is '{method}', by which no curve can be integrated ({reason.rstrip('.')}): "
            "state another model, or leave it out."
        )
    return found


def refusal_words(refused: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence per region that has no dose."""
    return tuple(f"'{name}' has no dose: {reason.rstrip('.')}." for name, reason in refused.items())


def held_words(integrals: Mapping[str, Integral], administered_MBq: float) -> tuple[str, ...]:
    """A sentence if a region held more than was given, none else."""
    try:
        check_administered(administered_MBq, [one.curve for one in integrals.values()])
    except PRRTError as error:
        return (f"Residence times (TIAC) are not to be trusted. {error}",)
    return ()


def hole_words(visits: Sequence[VisitResult], names: Iterable[str]) -> list[str]:
    """One sentence per region that some images of a cycle show and others do not: its curve would have a hole."""
    found = []
    for name in names:
        without = [visit.labels.visit for visit in visits if name not in visit.metrics]
        if without and len(without) < len(visits):
            where = f"visit{'s' if len(without) > 1 else ''} {', '.join(map(repr, sorted(without)))}"
            found.append(
                f"'{name}' has no dose, as it is not measured at {where}: draw it there (and within the image), or "
                "leave these visits out."
            )
    return found
