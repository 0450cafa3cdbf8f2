"""The keys of POPULATION.json, which ``prrt population`` writes, and the key ``kinetics`` of a case, which names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.schema.containers import ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.fields import Anything, FilePath, Flag, Number, Text, Word

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

REGION_KINDS = ("kidney", "spleen", "liver", "marrow", "lesion")
COURSES = {"mono": 2, "uptake-clearance": 3, "bi": 4}
"""Forms of the course that a population can have, and how many parameters each has."""
AMPLITUDES = ("per-administered", "MBq")

_VALUE = Number(low=-100, high=100)
_SPREAD = Number(low=0, high=10, above=True)
_COUNT = Number(low=0, high=1e6, whole=True)
_ANY = Number(low=-1e9, high=1e9)


def _vector(about: str) -> ListOf:
    return ListOf(item=_VALUE, least=2, most=4, about=about)


def _spreads(about: str) -> ListOf:
    return ListOf(item=_SPREAD, least=2, most=4, about=about)


def _one_size(values: dict[str, Any], place: Place) -> None:
    """Every vector has as many numbers as the form of the course has parameters, every matrix is square."""
    size, model = COURSES[values["model"]], values["model"]
    for key in ("typical", "within_patient", "between_cycles", "shrinkage"):
        if key in values and len(values[key]) != size:
            place.stop(f"{place.key(key).name} has {len(values[key])} numbers, but {model} has {size} parameters.")
    covariates = values.get("covariates", ())
    if len(covariates) != len(values.get("effects", ())):
        place.stop(f"{place.key('effects').name} must have one row for each of the {len(covariates)} covariate(s).")
    length = size * (2 + len(covariates)) + 1
    length += size * (size - 1) // 2 * bool(values["correlated"])
    length += size * (("within_patient" in values) + ("between_cycles" in values))
    for key, rows, columns in (
        ("between_patients", size, size),
        ("covariance", length, length),
        ("effects", len(covariates), size),
    ):
        found = values.get(key, ())
        if len(found) != rows or any(len(row) != columns for row in found):
            place.stop(f"{place.key(key).name} must have {rows} rows of {columns} numbers.")


_POPULATION_KIND = Record(
    about="Kinetics of one kind of region; all parameters are natural logarithms of MBq (per MBq), 1/h or ratios.",
    rules=(_one_size,),
    required={
        "model": Word(words=tuple(COURSES), about="Form of the course."),
        "typical": _vector("ln amplitude, ln biological clearance, then ln uptake, or ln fast phase and ln its share."),
        "between_patients": ListOf(item=_vector("A row."), least=2, most=4, about="Covariance between patients."),
        "noise": _SPREAD,
        "correlated": Flag(about="Whether the covariance between patients was estimated with its correlations."),
        "covariance": ListOf(
            item=ListOf(item=_ANY, least=1, most=60), least=1, most=60, about="Covariance of the estimates."
        ),
        "patients": _COUNT,
        "curves": _COUNT,
        "images": _COUNT,
    },
    optional={
        "within_patient": _spreads("Standard deviations between regions of one patient."),
        "between_cycles": _spreads("Standard deviations between cycles of one region."),
        "covariates": ListOf(
            about="Quantities on which the typical values depend.",
            item=Record(required={"name": Text(name=True), "mean": _ANY, "sd": Number(low=0, high=1e9, above=True)}),
        ),
        "effects": ListOf(item=_vector("Of one covariate."), about="Change per standard deviation of each covariate."),
        "shrinkage": ListOf(item=Number(low=0, high=1), about="Of each parameter; 1: single patients say nothing."),
        "log_likelihood": _ANY,
        "half_life_h": Number(low=0, high=1e6, about="Typical effective half-life, for a reader."),
        "tried": ListOf(
            about="Forms of the course that were compared.",
            item=Record(required={"model": Text(), "log_likelihood": _ANY, "numbers": _COUNT}),
        ),
        "checks": Anything(about="How the estimates came about."),
    },
)

POPULATION = Record(
    about="A population of kinetics of SlicerPRRT, as 'prrt population' writes it.",
    required={
        "nuclide": Text(about="Nuclide of the curves; biological rates are used for others too."),
        "amplitude": Word(words=AMPLITUDES, about="Whether amplitudes are per MBq administered, or in MBq."),
        "regions": MapOf(item=_POPULATION_KIND, least=1, names=Word(words=REGION_KINDS), keyed_by="kind of region"),
    },
    optional={
        "$schema": Text(about="Names this schema for editors; nothing else reads it."),
        "synthetic": Flag(about="Made from no patients: for tests and the tutorial only."),
        "source": Text(about="Whose patients, in words."),
        "software": Text(),
        "stated_noise": Flag(about="The points had uncertainties; the noise is what is beyond them."),
        "inputs": ListOf(
            about="Files that it was made from.",
            item=Record(required={"file": Text(), "sha256": Text()}),
            most=100_000,
        ),
    },
)

KINETICS = Record(
    about="Kinetics of the centre's own patients, from which curves with few images borrow strength.",
    required={
        "population": FilePath(about="A POPULATION.json, relative to the case file."),
    },
    optional={
        "covariates": MapOf(
            item=_ANY, keyed_by="covariate", about="Covariates of the patient that the population asks for, as egfr."
        ),
    },
)
