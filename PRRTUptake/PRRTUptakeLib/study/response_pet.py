"""PERCIST 1.0 over the visits of a case: SULpeak of the hottest lesion against the first PET, patient and lobes.

R. Wahl et al., J Nucl Med 2009;50 Suppl 1:122S, doi:10.2967/jnumed.108.057307: the lesion with the highest SULpeak of
each PET, which need not be the same; healthy liver is measured in a sphere of 3 cm. SUL is by the lean body mass of
Janmahasatian (doi:10.2165/00003088-200544100-00004), which holds in obesity too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.percist import PetVisit, percist_response
from PRRTUptakeLib.segmentation.reference import SPHERE
from PRRTUptakeLib.segmentation.response import PROGRESSING, Response, new_in_lobe
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.model import SUL
from PRRTUptakeLib.study.placement import place, transform_of
from PRRTUptakeLib.uptake.metrics import region_metrics
from PRRTUptakeLib.uptake.peak import suv_peak
from PRRTUptakeLib.vocabulary import SUV_UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.model import VisitImages, VisitInput
    from PRRTUptakeLib.study.preparation import Prepared

SUL_UNITS = SUV_UNITS["lbm-janma"]


@dataclass(frozen=True)
class PetLesions:
    """SUL of the lesions of one PET.

    Attributes
    ----------
    peaks : SULpeak by lesion id.
    totals_mL : mean SUL times volume by lesion id, the total lesion uptake.
    lobes : by lesion id.
    liver_mean, liver_sd : SUL of healthy liver in a sphere of 3 cm.
    refusal : why there are no values; "" where there are.
    """

    peaks: Mapping[str, float] = field(default_factory=dict)
    totals_mL: Mapping[str, float] = field(default_factory=dict)
    lobes: Mapping[str, str] = field(default_factory=dict)
    liver_mean: float = math.nan
    liver_sd: float = math.nan
    refusal: str = ""


@dataclass(frozen=True)
class PetSeen:
    """What PERCIST takes of one visit: its name, the PET, and what is stated beside it."""

    name: str
    pet: PetLesions
    new_lesions: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)


def pet_lesions(visit: VisitInput, prepared: Prepared, images: VisitImages) -> PetLesions:
    """SUL of a visit's lesions and healthy liver; a PET that does not give it has a refusal."""
    try:
        return _measured(visit, prepared, images)
    except PRRTError as error:
        return PetLesions(refusal=f"Visit '{visit.visit}' has no SULpeak: {error}")


def _measured(visit: VisitInput, prepared: Prepared, images: VisitImages) -> PetLesions:
    if visit.emission is None:
        raise StudyError("it has no PET.")
    volume = visit.emission.load(SUL).volume
    if volume.units not in (SUL_UNITS, SUV_UNITS["lbm"], SUV_UNITS["lbm-james"]):
        raise StudyError(f"the image is in '{volume.units}', not SUV by lean body mass: load it as that.")
    peaks, totals, lobes = {}, {}, {}
    for one in prepared.lesions:
        name = one.lesion.lesion_id
        placed = transform_of(one.segment, images.ras_transform, images.manual_shifts)
        peaks[name] = suv_peak(volume, one.segment, prepared.segmentation.grid, None, placed).value
        totals[name] = _metrics(volume, one.segment, prepared, images)[2]
        lobes[name] = one.segment.lobe
    mean, sd, _ = _metrics(volume, prepared.references.region(SPHERE, ""), prepared, images)
    return PetLesions(peaks, totals, lobes, mean, sd)


def _metrics(volume: Volume, segment: Segment, prepared: Prepared, images: VisitImages) -> tuple[float, float, float]:
    """Mean, standard deviation and total of a region in an image."""
    grid, field = prepared.segmentation.grid, volume.outside_field
    placed = place(segment, grid, volume.grid, images.ras_transform, images.manual_shifts, field)
    found = region_metrics(volume, [placed])[segment.name]
    return found.mean, found.sd, found.total


def percist_scope(visits: Sequence[PetSeen], lobe: str = "") -> tuple[tuple[str, ...], tuple[Response, ...]]:
    """The hottest lesion of the baseline, and the response at each visit, of the patient or of one lobe.

    ``total`` of a response is the SULpeak of the visit's hottest lesion, 0 where no lesion is left.

    Raises
    ------
    ResponseError
        If a PET has no SUL, or the baseline's hottest lesion is not hot enough.
    """
    for visit in visits:
        if visit.pet.refusal:
            raise ResponseError(visit.pet.refusal)
    seen = [_pet_visit(visit, lobe, visits[0]) for visit in visits]
    graded = percist_response(seen)
    first = _own(visits[0].pet, visits[0].pet.peaks, lobe)
    hottest = max(first, key=lambda name: (first[name], name))
    responses = tuple(
        Response(one.visit, pet.sul_peak, one.change, math.nan, one.category, one.reason)
        for one, pet in zip(graded, seen, strict=True)
    )
    return (hottest,), responses


def _own(pet: PetLesions, values: Mapping[str, float], lobe: str) -> dict[str, float]:
    return {name: value for name, value in values.items() if not lobe or pet.lobes[name] == lobe}


def _pet_visit(visit: PetSeen, lobe: str, first: PetSeen) -> PetVisit:
    peaks = _own(visit.pet, visit.pet.peaks, lobe)
    before = math.fsum(_own(first.pet, first.pet.totals_mL, lobe).values())
    now = math.fsum(_own(visit.pet, visit.pet.totals_mL, lobe).values())
    progressing = [name for name, state in visit.states.items() if state == PROGRESSING]
    if lobe:
        progressing = [name for name in progressing if first.pet.lobes.get(name) == lobe]
    return PetVisit(
        name=visit.name,
        sul_peak=max(peaks.values(), default=0.0),
        liver_mean=visit.pet.liver_mean,
        liver_sd=visit.pet.liver_sd,
        new_lesions=new_in_lobe(visit.new_lesions, lobe) if lobe else visit.new_lesions,
        volume_change=now / before - 1.0 if before > 0 else math.nan,
        progressing=tuple(progressing),
    )
