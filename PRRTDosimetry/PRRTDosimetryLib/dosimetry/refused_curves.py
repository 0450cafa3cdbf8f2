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


_SLOWER, _LEAST_JUDGED = 1.2, 3  # activity over what decay alone would leave; regions
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


def slow_words(integrals: Mapping[str, Integral]) -> tuple[str, ...]:
    """A sentence if most regions clear slower than their nuclide decays, which nothing does."""
    judged, slow = 0, 0
    for one in integrals.values():
        time_h, activity = one.curve.time_h[-2:], one.curve.activity_MBq[-2:]
        if len(time_h) == 2 and min(activity) > 0:
            judged += 1
            slow += activity[1] > _SLOWER * activity[0] * one.nuclide.decay_factor(time_h[1] - time_h[0])
    if judged < _LEAST_JUDGED or 2 * slow <= judged:
        return ()
    name = next(iter(integrals.values())).nuclide.name
    return (
        f"The activities of {slow} of {judged} regions fall slower than {name} decays: it is another nuclide, or the "
        "images are corrected to one moment; the doses are not to be trusted.",
    )


def empty_words(name: str, visits: Sequence[VisitResult]) -> str:
    """Why a region has no curve of which an image shows nothing but 0, "" if there is none such or all are such.

    Nothing in a body is exactly 0: the image does not reach there, or ends in planes of zeros.
    """
    shown = [visit for visit in visits if name in visit.metrics]
    empty = [visit.labels.visit for visit in shown if visit.metrics[name].mean == 0 == visit.metrics[name].sd]
    if not empty or len(empty) == len(shown):
        return ""
    where = f"visit{'s' if len(empty) > 1 else ''} {', '.join(map(repr, sorted(empty)))}"
    return (
        f"every voxel of it is 0 at {where}, where the image seems not to reach: correct its contours ('segments' of "
        f"the visit) or its place ('registration'), or take the visit{'s' if len(empty) > 1 else ''} out of "
        "'visits'"
    )


def hole_words(visits: Sequence[VisitResult], names: Iterable[str]) -> list[str]:
    """One sentence per region that some images of a cycle show and others do not: its curve would have a hole."""
    found = []
    for name in names:
        without = [visit.labels.visit for visit in visits if name not in visit.metrics]
        if without and len(without) < len(visits):
            where = f"visit{'s' if len(without) > 1 else ''} {', '.join(map(repr, sorted(without)))}"
            found.append(
                f"'{name}' has no dose, as it is not measured at {where}: draw it there (and within the image), or "
                f"take {'these visits' if len(without) > 1 else 'this visit'} out of 'visits'."
            )
    return found
