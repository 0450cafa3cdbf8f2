"""The synthetic patient: an abdomen with liver metastases whose every activity is known.

Any number of patients comes from one seed: patient ``index`` of ``seed`` has random numbers of its own, the same on
every machine, whatever else was drawn before.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.errors import SyntheticError
from PRRTUptakeLib.synthetic.lesion_placement import (
    LesionDraw,
    LesionPlan,
    default_lesions,
    draw_lesions,
    place_lesions,
)
from PRRTUptakeLib.synthetic.phantom_anatomy import ANATOMY, Region
from PRRTUptakeLib.synthetic.phantom_shapes import Ellipsoid, Point, sphere
from PRRTUptakeLib.synthetic.phantom_uptake import UptakeTable, uptake_table

if TYPE_CHECKING:
    from collections.abc import Sequence

ZONE = timezone(timedelta(hours=1))


@dataclass(frozen=True)
class Gains:
    """Uptake after this infusion over uptake after an intravenous one, by what the infused artery reaches."""

    lesions_left: float = 1.0
    lesions_right: float = 1.0
    liver_left: float = 1.0
    liver_right: float = 1.0
    elsewhere: float = 1.0

    def __post_init__(self) -> None:
        if min(self.lesions_left, self.lesions_right, self.liver_left, self.liver_right, self.elsewhere) <= 0:
            raise SyntheticError(f"A gain must be above 0, but these are {self}.")


@dataclass(frozen=True)
class Injection:
    """What was infused and when: ``time`` has a zone; ``route`` is "intra-arterial" or "intravenous"."""

    table: UptakeTable
    activity_MBq: float
    time: datetime
    route: str = "intra-arterial"
    gains: Gains = field(default_factory=Gains)

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise SyntheticError(f"The injection time {self.time} has no time zone: give it one.")
        if self.activity_MBq <= 0:
            raise SyntheticError(f"The administered activity must be above 0 MBq, not {self.activity_MBq}.")
        if self.route not in ("intra-arterial", "intravenous"):
            raise SyntheticError(f"The route is 'intra-arterial' or 'intravenous', not '{self.route}'.")


@dataclass(frozen=True)
class Lesion:
    """A spherical metastasis; ``lobe`` is left, right or none (outside the liver).

    ``relative_uptake`` is what an intravenous injection brings, as a multiple of the table's lesion row.
    """

    name: str
    centre_mm: Point
    diameter_mm: float
    lobe: str
    relative_uptake: float

    @property
    def shape(self) -> Ellipsoid:
        """The sphere."""
        return sphere(self.centre_mm, self.diameter_mm)

    @property
    def tissue(self) -> str:
        """Row of the uptake table and of the appearances."""
        return "extrahepatic" if self.lobe == "none" else "lesion"


@dataclass(frozen=True)
class SyntheticPatient:
    """A patient of whom everything is known; make one with ``synthetic_patient``."""

    seed: int
    index: int
    patient_id: str
    name: str
    sex: str
    birth_date: date
    weight_kg: float
    height_m: float
    lesions: tuple[Lesion, ...]
    treated_lobe: str
    injection: Injection

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """All regions in painting order: anatomy, then lesions; the label of a region is its place plus one."""
        lesions = (Region(item.name, item.shape, item.tissue, item.lobe != "none") for item in self.lesions)
        return (*ANATOMY, *lesions)

    def lesion(self, name: str) -> Lesion | None:
        """The lesion of that name, or None if the region is no lesion."""
        return next((item for item in self.lesions if item.name == name), None)

    def region(self, name: str) -> Region:
        """The region of that name; raises SyntheticError if there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        raise SyntheticError(f"The synthetic patient has no region '{name}'.")

    def _activity_per_suv(self, name: str) -> tuple[str, float]:
        """Tissue of a region and MBq/mL per unit of SUV of that tissue: gain, own uptake, activity over weight."""
        region, lesion, gains = self.region(name), self.lesion(name), self.injection.gains
        by_region = {"liver_left": gains.liver_left, "liver_right": gains.liver_right}
        by_lobe = {"left": gains.lesions_left, "right": gains.lesions_right}
        gain = by_lobe.get(lesion.lobe, gains.elsewhere) if lesion else by_region.get(name, gains.elsewhere)
        own = lesion.relative_uptake if lesion else 1.0
        return region.tissue, gain * own * self.injection.activity_MBq / (self.weight_kg * 1000.0)

    def concentration_Bq_per_mL(self, region: str, time_h: float) -> float:
        """Activity concentration of a region ``time_h`` after injection, decayed to that moment.

        Raises
        ------
        SyntheticError
            If there is no such region.
        """
        tissue, scale = self._activity_per_suv(region)
        table = self.injection.table
        return 1e6 * scale * table.suv(tissue, time_h) * nuclide(table.nuclide).decay_factor(time_h)

    def tia_MBq_h_per_mL(self, region: str) -> float:
        """Time-integrated activity per mL of a region, from injection to infinity (exact)."""
        tissue, scale = self._activity_per_suv(region)
        return scale * self.injection.table.suv_integral_h(tissue)

    def after(self, injection: Injection) -> SyntheticPatient:
        """The same patient after another injection."""
        return replace(self, injection=injection)

    def random(self, purpose: str) -> np.random.Generator:
        """Random numbers of this patient for one purpose, independent of all other purposes and patients."""
        return _generator(self.seed, self.index, purpose)


def _generator(seed: int, index: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, zlib.crc32(purpose.encode()))))


def synthetic_patient(
    seed: int,
    index: int = 0,
    *,
    lesions: Sequence[LesionPlan] | LesionDraw = default_lesions,
    treated_lobe: str | None = None,
    gain: float | None = None,
    table: UptakeTable | None = None,
    activity_MBq: float = 7400.0,
) -> SyntheticPatient:
    """Make patient ``index`` of ``seed``.

    Parameters
    ----------
    seed, index : whole numbers from 0; each pair is a patient of its own.
    lesions : diameter, lobe and relative uptake of each lesion, or a function that draws them. Places are drawn so
        that each is fully inside its lobe, apart from the others and from vessels. By default three of 33-50 mm and
        two of 12-26 mm per lobe, and one outside the liver.
    treated_lobe : "left" or "right"; drawn by default.
    gain : lesion uptake in the treated lobe over that of the other; drawn by default: 30-60 % higher in two patients of
        three (LUTIA: 18 of 27, EJNMMI 2024;51:1121), lower by as much in the third.
    table : uptake of every tissue; 177Lu-DOTATATE by default.
    activity_MBq : administered activity.

    Raises
    ------
    SyntheticError
        If seed, index or lobe are impossible.
    LesionPlacementError
        If the lesions do not fit into the liver.

    Examples
    --------
    >>> patient = synthetic_patient(1, treated_lobe="left", gain=1.5)
    >>> len(patient.lesions), patient.injection.gains.lesions_left
    (11, 1.5)
    """
    if seed < 0 or index < 0:
        raise SyntheticError(f"Seed and index are whole numbers from 0, not {seed} and {index}.")
    if treated_lobe not in (None, "left", "right"):
        raise SyntheticError(f"The treated lobe is 'left' or 'right', not '{treated_lobe}'.")
    person = _generator(seed, index, "person")
    drawn_lobe = "left" if person.random() < 0.5 else "right"
    strength = person.uniform(1.3, 1.6)
    drawn_gain = strength if person.random() < 18 / 27 else 1.0 / strength
    lobe = treated_lobe or drawn_lobe
    value = drawn_gain if gain is None else gain
    female = bool(person.random() < 0.5)
    start = datetime(2024, 3, 4, 10, 0, tzinfo=ZONE) + timedelta(days=int(person.integers(0, 200)))
    injection = Injection(
        table or uptake_table("Lu-177"),
        activity_MBq,
        start + timedelta(minutes=int(person.integers(0, 60))),
        gains=Gains(lesions_left=value) if lobe == "left" else Gains(lesions_right=value),
    )
    places = _generator(seed, index, "lesion places")
    if callable(lesions):
        plan, centres = draw_lesions(lesions, _generator(seed, index, "lesion sizes"), places)
    else:
        plan, centres = tuple(lesions), place_lesions(lesions, places)
    return SyntheticPatient(
        seed=seed,
        index=index,
        patient_id=f"SYN-{seed:03d}-{index:03d}",
        name="PRRT^Synthetic",
        sex="F" if female else "M",
        birth_date=date(1950 + int(person.integers(0, 35)), 1 + int(person.integers(0, 12)), 15),
        weight_kg=round(float(person.normal(70 if female else 82, 9)), 1),
        height_m=round(float(person.normal(1.66 if female else 1.79, 0.06)), 2),
        lesions=_named(plan, centres),
        treated_lobe=lobe,
        injection=injection,
    )


def _named(plan: Sequence[LesionPlan], centres: Sequence[Point]) -> tuple[Lesion, ...]:
    """Lesions in their planned order: lesion_1, lesion_2, ... inside the liver, extrahepatic_1, ... outside."""
    names, counts = [], {"lesion": 0, "extrahepatic": 0}
    for item in plan:
        kind = "extrahepatic" if item.lobe == "none" else "lesion"
        counts[kind] += 1
        names.append(f"{kind}_{counts[kind]}")
    return tuple(
        Lesion(name, centre, item.diameter_mm, item.lobe, item.relative_uptake)
        for name, centre, item in zip(names, centres, plan, strict=True)
    )
