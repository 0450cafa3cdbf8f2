"""A cycle's concentrations with what is known of them: corrected curves, points' uncertainties, input of the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.visit_uptakes import VisitUptakes
    from PRRTUptakeLib.uptake.uncertainty import DrawnValue

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.uncertainty.chain import ChainInputs


def cycle_concentrations(
    names: Sequence[str], visits: Sequence[VisitUptakes | None]
) -> dict[str, tuple[DrawnValue, ...]]:
    """Measured and corrected concentration with draws, of the regions that have them in every image of the cycle.

    Parameters
    ----------
    names : of regions.
    visits : uptakes of the cycle's images, in the order of the curves' times.
    """
    known = [visit for visit in visits if visit is not None]
    if not known or len(known) < len(visits):
        return {}
    found = {}
    for name in names:
        try:
            found[name] = tuple(visit.image.uptake(name) for visit in known)
        except (PRRTError, KeyError):
            continue  # overlaps others, or is colder than what spills in: the chain's own volume part stays
    return found


def corrected_regions(names: Sequence[str], visits: Sequence[VisitUptakes | None]) -> frozenset[str]:
    """Regions whose corrected concentrations are the result by the protocol's ``partial_volume``."""
    known = [visit for visit in visits if visit is not None]
    return frozenset(name for name in names if known and all(visit.image.is_corrected(name) for visit in known))


def with_correction(curve: Curve, points: Sequence[DrawnValue]) -> Curve:
    """The curve of the corrected concentrations; uncertainties of its points, where it has them, keep their share.

    The points' places on the images are the chain's: in the weights of the fit they would count twice.
    """
    scale = [one.corrected / one.measured for one in points]
    activities = tuple(activity * factor for activity, factor in zip(curve.activity_MBq, scale, strict=True))
    u = (
        tuple(one * factor for one, factor in zip(curve.u_activity_MBq, scale, strict=True))
        if curve.u_activity_MBq
        else ()
    )
    return replace(curve, activity_MBq=activities, u_activity_MBq=u)


def with_concentrations(
    chain: ChainInputs, concentrations: Mapping[str, Sequence[DrawnValue]], corrected: frozenset[str]
) -> ChainInputs:
    """The chain with partial volume in place of the volume's own part, for the regions that have it."""
    return replace(chain, concentrations=dict(concentrations), corrected=corrected & frozenset(concentrations))
