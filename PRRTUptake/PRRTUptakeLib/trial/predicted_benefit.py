"""What an intra-arterial cycle can be expected to give against an intravenous one, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.trial.enhancement_visit import EnhancementResult
    from PRRTUptakeLib.trial.measurements import Measurement

ASSUMPTIONS = (
    "The mean uptake of the 68Ga-peptide about an hour after injection and the time-integrated activity of 177Lu are "
    "enhanced by the same factor, the ratio of the mean SUVs (IA/IV).",
    "Retention and clearance after the first hour do not depend on the route.",
    "The dose is proportional to the administered activity.",
    "The masses of tumours and organs are those of the intravenous cycle.",
)


class BenefitError(PRRTError):
    """A benefit cannot be predicted or compared."""


@dataclass(frozen=True)
class IntravenousCycle:
    """An intravenous cycle of the patient: activity in MBq and absorbed dose in Gy by region (lesion id or organ).

    ``planned_ia_MBq`` is the activity of the intra-arterial cycle to be predicted, the same one if it is not stated.
    """

    activity_MBq: float
    dose_Gy: Mapping[str, float]
    planned_ia_MBq: float

    @classmethod
    def from_case(cls, content: Mapping[str, Any]) -> IntravenousCycle:
        """Read the key ``iv_cycle`` of a case file.

        Raises
        ------
        BenefitError
            For a missing or unknown key, or a value that is not above 0.
        """
        required, optional = {"activity_MBq", "dose_Gy"}, {"planned_ia_MBq"}
        if not required <= set(content) <= required | optional or not isinstance(content["dose_Gy"], dict):
            raise BenefitError(
                "'iv_cycle' needs 'activity_MBq' and 'dose_Gy' (an object, region to Gy), may have 'planned_ia_MBq', "
                "and nothing else."
            )
        planned = content.get("planned_ia_MBq", content["activity_MBq"])
        numbers = {"activity_MBq": content["activity_MBq"], "planned_ia_MBq": planned, **content["dose_Gy"]}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise BenefitError(f"'iv_cycle': {name} is {value!r}, but must be a number above 0.")
        doses = {key: float(value) for key, value in content["dose_Gy"].items()}
        return cls(float(content["activity_MBq"]), doses, float(planned))


@dataclass(frozen=True)
class Prediction:
    """One region: dose of the intravenous cycle, the factor, and the intra-arterial cycle's expected dose, in Gy."""

    region: str
    iv_Gy: float
    factor: float
    ia_Gy: float


def predicted_doses(result: EnhancementResult, cycle: IntravenousCycle) -> tuple[Prediction, ...]:
    """Expected doses of the planned intra-arterial cycle: D_IA = D_IV x (SUVmean IA / SUVmean IV) x (A_IA / A_IV).

    The assumptions stand in `ASSUMPTIONS`.

    Raises
    ------
    BenefitError
        If a region of the intravenous cycle was not measured in both images.
    """
    known = {region.region: region.ratio["suv_mean"] for region in result.regions}
    found = []
    for region, dose in cycle.dose_Gy.items():
        if region not in known:
            names = ", ".join(known)
            raise BenefitError(f"'iv_cycle' has a dose for '{region}', which was not measured; measured are {names}.")
        expected = dose * known[region] * cycle.planned_ia_MBq / cycle.activity_MBq
        found.append(Prediction(region, dose, known[region], expected))
    return tuple(found)


def delivered_doses(rows: Sequence[Measurement], cycle: int) -> dict[str, float]:
    """Absorbed doses in Gy by region from the measurements of the intra-arterial cycle's serial SPECT/CT.

    Raises
    ------
    BenefitError
        If the table has no doses of that cycle.
    """
    found = {row.region: row.value for row in rows if row.metric == "dose" and row.cycle == cycle}
    if not found:
        raise BenefitError(f"The measurements hold no absorbed dose of cycle {cycle}: run its serial SPECT/CT first.")
    return found
