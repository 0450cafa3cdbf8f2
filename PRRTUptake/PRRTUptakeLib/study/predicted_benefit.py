"""What an intra-arterial cycle can be expected to give against an intravenous one, and what it gave."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import read_csv, require_unit
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.shared_keys import IV_CYCLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.route_uptake import EnhancementResult

ASSUMPTIONS = (
    "The mean uptake of the 68Ga-peptide about an hour after injection and the time-integrated activity of 177Lu are "
    "enhanced by the same factor, the ratio of the mean SUVs (IA/IV).",
    "Retention and clearance after the first hour do not depend on the route.",
    "The dose is proportional to the administered activity.",
    "The masses of tumours and organs are those of the intravenous cycle.",
    "A delivered dose is compared unscaled: what was administered is taken to be the planned activity.",
    "The interval has the repeatability of both SUVs and the uncertainty of the intravenous dose in it where that is "
    "known, not these assumptions.",
)


WHOLE_LIVER = "reference whole liver"
_LESION_g_per_mL = 1.05
_SAME_ACTIVITY = 0.05  # of an activity that was typed with fewer digits, or is the planned one
_Z95 = 1.959964  # of the normal distribution, 95 % two-sided
_OTHER_LESION = 1.5  # factor between volumes from which two are hardly one lesion on another image


@dataclass(frozen=True, kw_only=True)
class IntravenousCycle:
    """An intravenous cycle of the patient: activity in MBq and absorbed dose in Gy by region (lesion id or organ).

    ``planned_ia_MBq`` is the activity of the intra-arterial cycle to be predicted, the same one if it is not stated;
    ``file`` the table that the doses come from, of which only regions count that the PET visits show;
    ``uncertainty_Gy`` and ``mass_g`` are what it has of their standard uncertainties and masses.
    """

    activity_MBq: float
    dose_Gy: Mapping[str, float]
    planned_ia_MBq: float
    file: Path | None = None
    uncertainty_Gy: Mapping[str, float] = field(default_factory=dict)
    mass_g: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_case(
        cls, content: Mapping[str, Any], base: Path, patient: str, same_person: bool = False
    ) -> IntravenousCycle:
        """Read the key ``iv_cycle`` of a case file, as it is in JSON.

        Raises
        ------
        InputFileError
            For a missing or unknown key, a value that is not above 0, or a table of somebody else.
        """
        place = Place(file="the case", path="iv_cycle", base=base)
        return cls.from_values(IV_CYCLE.read(dict(content), place), patient, same_person)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], patient: str, same_person: bool = False) -> IntravenousCycle:
        """The cycle behind the values of ``iv_cycle``, which `IV_CYCLE` has read.

        Doses are in ``dose_Gy``, or in the table ``measurements`` of the run of that ``cycle``, which must be of
        ``patient``, see `rows_of_patient`.

        Raises
        ------
        InputFileError
            For a table of somebody else, or without doses of that cycle.
        """
        activity = values["activity_MBq"]
        planned = values.get("planned_ia_MBq", activity)
        if "measurements" not in values:
            return cls(activity_MBq=activity, dose_Gy=values["dose_Gy"], planned_ia_MBq=planned)
        path, number = values["measurements"], values["cycle"]
        rows = rows_of_patient(path, patient, same_person)
        _check_given(rows, number, activity, path.name)
        return cls(
            activity_MBq=activity,
            dose_Gy=cycle_doses(rows, number),
            planned_ia_MBq=planned,
            file=path,
            uncertainty_Gy=cycle_uncertainties(rows, number),
            mass_g=cycle_masses(rows, number),
        )


def _check_given(rows: Sequence[Measurement], cycle: int, activity_MBq: float, table: str) -> None:
    """Refuse another activity than the table has for the cycle that its doses are of.

    Raises
    ------
    InputFileError
        Naming both.
    """
    for row in rows:
        if row.cycle == cycle and row.metric == "administered_activity":
            require_unit(row, "MBq")
            if abs(row.value - activity_MBq) > _SAME_ACTIVITY * activity_MBq:
                raise InputFileError(
                    f"'iv_cycle.activity_MBq' is {activity_MBq:g}, but {table} has {row.value:g} MBq administered in "
                    f"cycle {cycle}: correct the one that is wrong."
                )


@dataclass(frozen=True)
class Prediction:
    """One region: dose of the intravenous cycle, the factor, and the intra-arterial cycle's expected dose, in Gy.

    ``spread`` is the standard deviation of the log of the expected dose.
    """

    region: str
    iv_Gy: float
    factor: float
    ia_Gy: float
    spread: float

    @property
    def interval_Gy(self) -> tuple[float, float]:
        """Where the dose is with a probability of 95 %, as far as the spread goes."""
        return self.ia_Gy * math.exp(-_Z95 * self.spread), self.ia_Gy * math.exp(_Z95 * self.spread)


def predicted_doses(result: EnhancementResult, cycle: IntravenousCycle) -> tuple[Prediction, ...]:
    """Expected doses of the planned intra-arterial cycle: D_IA = D_IV x (SUVmean IA / SUVmean IV) x (A_IA / A_IV).

    The assumptions are `ASSUMPTIONS`.

    Raises
    ------
    InputFileError
        If a region of the intravenous cycle was not measured in both images.
    """
    known = {region.region: region.ratio["suv_mean"] for region in result.regions}
    found = []
    for region, dose in cycle.dose_Gy.items():
        if region not in known and cycle.file is not None:
            continue
        if region not in known:
            names = ", ".join(known)
            raise InputFileError(f"'iv_cycle' has a dose for '{region}', which was not measured; measured are {names}.")
        expected = dose * known[region] * cycle.planned_ia_MBq / cycle.activity_MBq
        own = cycle.uncertainty_Gy.get(region, math.nan) / dose
        spread = math.hypot(result.ratio_sd, 0.0 if math.isnan(own) else own)
        found.append(Prediction(region, dose, known[region], expected, spread))
    return tuple(found)


def rows_of_patient(path: Path, patient: str, same_person: bool = False) -> list[Measurement]:
    """The rows of one patient in a table of measurements.

    ``same_person`` takes a table of one other patient id too: the case says why it is of the same person.

    Raises
    ------
    InputFileError
        If the table has nothing of this patient.
    """
    rows = read_csv(path)
    named = sorted({row.patient for row in rows})
    if patient not in named and not (same_person and len(named) == 1):
        raise InputFileError(
            f"{path.name} has measurements of {', '.join(named[:3]) or 'nobody'}, but the case is of {patient}: name "
            "the table of this patient's run, or say under 'same_patient' why they are one person."
        )
    return [row for row in rows if row.patient == patient] if patient in named else list(rows)


def cycle_doses(rows: Sequence[Measurement], cycle: int) -> dict[str, float]:
    """Absorbed doses in Gy by region from the measurements of a cycle's serial SPECT/CT.

    The healthy liver as a whole, which the PET visits measure, is that of its lobes together, weighted by mass.

    Raises
    ------
    InputFileError
        If the table has no doses of that cycle.
    """
    own = [row for row in rows if row.cycle == cycle and row.metric == "dose"]
    found = {row.region: row.value for row in own}
    for row in own:
        require_unit(row, "Gy")
    if len(found) < len(own):
        twice = next(name for name in found if sum(row.region == name for row in own) > 1)
        raise InputFileError(f"The measurements hold several doses of {twice} in cycle {cycle}: keep one of them.")
    if not found:
        raise InputFileError(f"The measurements hold no absorbed dose of cycle {cycle}: run its serial SPECT/CT first.")
    masses = cycle_masses(rows, cycle)
    lobes = [name for name in ("reference left lobe", "reference right lobe") if name in found and name in masses]
    if len(lobes) == 2 and WHOLE_LIVER not in found:
        total = sum(masses[name] for name in lobes)
        found[WHOLE_LIVER] = sum(found[name] * masses[name] for name in lobes) / total
    return found


def cycle_uncertainties(rows: Sequence[Measurement], cycle: int) -> dict[str, float]:
    """Standard uncertainties in Gy of `cycle_doses`, nan where the table has none; the lobes' are taken as shared."""
    own = [replace(row, value=row.uncertainty) if row.metric == "dose" else row for row in rows]
    return cycle_doses(own, cycle)


def cycle_masses(rows: Sequence[Measurement], cycle: int) -> dict[str, float]:
    """Masses in g by region from the measurements of a cycle's serial SPECT/CT."""
    own = [row for row in rows if row.cycle == cycle and row.metric == "mass"]
    for row in own:
        require_unit(row, "g")
    return {row.region: row.value for row in own}


def lesion_doubts(result: EnhancementResult, masses: Mapping[str, float], table: str) -> list[str]:
    """Lesions whose mass (g) in a cycle's table does not fit their volume here: ids may mean different lesions."""
    found = []
    for region in result.regions:
        if region.lesion_id and region.region in masses:
            ratio = masses[region.region] / (region.volume_mL * _LESION_g_per_mL)
            if not 1.0 / _OTHER_LESION < ratio < _OTHER_LESION:
                found.append(
                    f"Lesion {region.region} has {masses[region.region]:.3g} g in {table} but {region.volume_mL:.3g} "
                    "mL here: check that both ids mean the same lesion."
                )
    return found
