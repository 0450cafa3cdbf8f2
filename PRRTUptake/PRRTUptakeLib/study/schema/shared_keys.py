"""Declarations that several files share, or that are parts of the case file: registration, doses, phantom, cycles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.schema.containers import AnyOf, ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.dose_keys import (
    ACCUMULATE,
    DENSITIES,
    DENSITY_CURVE,
    DOSE_MAPS,
    INTEGRATION,
    ISODOSES,
    MARROW,
    TISSUES,
    TRANSPORT,
)
from PRRTUptakeLib.study.schema.fields import FilePath, Flag, Number, Text, Word
from PRRTUptakeLib.study.schema.population_keys import KINETICS
from PRRTUptakeLib.vocabulary import TIAC_MODELS

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

CYCLE = Number(low=1, high=99, whole=True, about="Number of the therapy cycle, counted from 1.")
LESION = Text(name=True, about="Id of a lesion, such as L1.", wanted="the id of a lesion, such as 'L1'")
REASON = Text(about="Why, in words; it is kept in the report and the provenance.", wanted="a reason in words")
VECTOR = ListOf(
    item=Number(low=-1e5, high=1e5), least=3, most=3, wanted="a list of three numbers (right, anterior, superior)"
)
ACTIVITY = Number(low=0, high=1e5, above=True, unit="MBq", about="Administered activity.")
PARTIAL_VOLUME = ("none", "gtm", "recovery")

_MATRIX = ListOf(
    item=ListOf(item=Number(low=-1e5, high=1e5), least=4, most=4, wanted="a row of four numbers"),
    least=4,
    most=4,
    about="4x4 matrix in RAS millimetres.",
    wanted="4 rows of 4 numbers (RAS, mm)",
)
_TRANSFORM = FilePath(about="ITK transform file of another tool, relative to the case file.")

REGISTRATION = AnyOf(
    about="How the image that the contours were drawn on (fixed) and this visit's image (moving) come together.",
    wanted='"register", "deformable", {"transform": FILE}, {"matrix": 4 rows of 4 numbers, "source": TEXT} or '
    '{"identity": REASON}',
    forms=(
        Word(
            words=("register", "deformable"),
            about="Register by mutual information; with deformable the liver is bent where that fits better.",
        ),
        _TRANSFORM,
        _MATRIX,
        Record(
            required={"transform": _TRANSFORM},
            optional={"inverse": Flag(about="The transform was made in the other direction.")},
        ),
        Record(required={"matrix": _MATRIX}, optional={"source": Text(about="Where the matrix is from.")}),
        Record(
            required={
                "identity": Text(
                    about="Why nothing has moved between the images; it is kept.",
                    wanted="a sentence on why nothing has moved between the images",
                )
            }
        ),
    ),
)


def _population_chooses_models(values: dict[str, Any], place: Place) -> None:
    if "kinetics" in values and values.get("model", "auto") != "auto":
        place.key("model").stop(
            f"{place.key('model').name} is {values['model']!r}, but a population chooses its own models: leave one out."
        )


def _half_lives_have_a_value(values: dict[str, Any], place: Place) -> None:
    known = values.get("teff_h", {})
    for region in values.get("u_teff_h", {}):
        if not known or (region not in known and "" not in known and region):
            place.key("u_teff_h").stop(
                f"{place.key('u_teff_h').key(region).name} is the uncertainty of a half-life that 'teff_h' does not "
                "give: add it there, or remove it here."
            )


def _nothing_without_effect(values: dict[str, Any], place: Place) -> None:
    """Keys that the others make void are refused: nothing is stated without effect."""
    method, by_ct = values.get("dose_map", ""), values.get("density") == "ct" or values.get("dose_map") == "transport"
    for key in ("density", "density_g_per_mL", "integration", "accumulate", "isodoses_Gy"):
        if key in values and not method:
            place.stop(f"{place.key(key).name} has no effect without 'dose_map': add that, or remove it.")
    if "transport" in values and method != "transport":
        place.stop(f"{place.key('transport').name} has no effect unless 'dose_map' is 'transport': change that.")
    if "ct_curve" in values and not by_ct:
        place.stop(f"{place.key('ct_curve').name} has no effect unless 'density' is 'ct': change that, or remove it.")
    if "density_g_per_mL" in values and by_ct:
        place.stop(f"{place.key('density_g_per_mL').name} has no effect where the CT gives the density: remove it.")
    if values.get("density") == "uniform" and method == "transport":
        place.stop(f"{place.key('density').name} is 'uniform', but transport needs the CT: say 'ct', or remove it.")


_FRACTION = Number(low=0, high=1, below=True, about="Relative standard uncertainty; 0.05 is 5 %.")
_RESOLUTION = Number(low=0, high=50, unit="mm", about="Full width at half maximum.")
_REGIONS = 'by region (lesion id or organ), the key "" for all others'

DOSIMETRY = Record(
    about="How absorbed doses are calculated; whatever is left out has a stated default.",
    wanted="an object with keys",
    rules=(_half_lives_have_a_value, _nothing_without_effect, _population_chooses_models),
    optional={
        "kinetics": KINETICS,
        "model": Word(words=TIAC_MODELS, about="Model of all time-activity curves; auto weighs them by AICc."),
        "sex": Word(words=("M", "F", ""), about="Of the reference phantom, where the images do not say it."),
        "teff_h": MapOf(
            item=Number(low=0, high=1e5, above=True, unit="h"),
            empty_name=True,
            about=f"Effective half-lives in hours {_REGIONS}, for cycles with one image.",
        ),
        "u_teff_h": MapOf(
            item=Number(low=0, high=1e5, unit="h"),
            empty_name=True,
            about=f"Standard uncertainties of the half-lives in hours, {_REGIONS}.",
        ),
        "teff_change": replace(
            _FRACTION,
            about="Relative standard deviation of effective half-lives between cycles (0.1 if left out: assumed).",
        ),
        "calibration_u": _FRACTION,
        "counts_u": _FRACTION,
        "s_value_u": _FRACTION,
        "contour_fwhm_mm": _RESOLUTION,
        "image_fwhm_mm": _RESOLUTION,
        "dose_map": Word(
            words=(*DOSE_MAPS, ""),
            about="Doses in every voxel too: by kernel, where electrons arise, or by transport through the CT.",
        ),
        "density": Word(words=DENSITIES, about="Of the tissue in dose maps: the same everywhere, or that of the CT."),
        "density_g_per_mL": Number(
            low=0.2, high=2, unit="g/mL", about="The density that is the same everywhere (1.04 if left out)."
        ),
        "ct_curve": DENSITY_CURVE,
        "integration": INTEGRATION,
        "accumulate": ACCUMULATE,
        "transport": TRANSPORT,
        "tissues": TISSUES,
        "isodoses_Gy": ISODOSES,
        "marrow": MARROW,
        "transforms": MapOf(
            item=REGISTRATION,
            keyed_by="visit (CYCLE/VISIT)",
            about='For dose maps, by "CYCLE/VISIT": from the first visit of the cycle to that visit.',
        ),
    },
)


def _as_many_as_volumes(values: dict[str, Any], place: Place) -> None:
    number = len(values["volumes_mL"])
    for key in ("recoveries", "uncertainties"):
        if key in values and len(values[key]) != number:
            place.stop(f"{place.key(key).name} has {len(values[key])} numbers, but 'volumes_mL' has {number}.")


RECOVERY_PHANTOM = Record(
    about="Recovery coefficients of a phantom's spheres on the same camera; asks for corrected values too.",
    rules=(_as_many_as_volumes,),
    required={
        "volumes_mL": ListOf(
            item=Number(low=0, high=1e5, above=True, unit="mL"),
            least=3,
            most=100,
            about="Volumes of the spheres in mL.",
        ),
        "recoveries": ListOf(
            item=Number(low=0, high=1.5, above=True), least=3, most=100, about="Recovery coefficients, 1 is all."
        ),
    },
    optional={
        "uncertainties": ListOf(
            item=Number(low=0, high=1.5, above=True), least=3, most=100, about="Their standard uncertainties."
        ),
        "source": Text(about="Where the figures are from, in words."),
    },
)

_TABLE = FilePath(about="A measurements.csv of the run of that cycle, relative to the case file.")


def _doses_one_way(values: dict[str, Any], place: Place) -> None:
    if ("dose_Gy" in values) == ("measurements" in values) or ("cycle" in values) != ("measurements" in values):
        place.stop(
            f"{place.name} needs doses: give either 'dose_Gy' (region to Gy) or 'measurements' (the table of its run) "
            "with 'cycle'."
        )


IV_CYCLE = Record(
    about="An intravenous cycle, from whose doses those of an intra-arterial one are predicted.",
    rules=(_doses_one_way,),
    more={
        "oneOf": [{"required": ["dose_Gy"]}, {"required": ["measurements"]}],
        "dependentRequired": {"measurements": ["cycle"], "cycle": ["measurements"]},
    },
    required={"activity_MBq": ACTIVITY},
    optional={
        "dose_Gy": MapOf(
            item=Number(low=0, high=1e5, above=True, unit="Gy"), least=1, about="Absorbed dose in Gy by region."
        ),
        "measurements": _TABLE,
        "cycle": CYCLE,
        "planned_ia_MBq": ACTIVITY,
    },
)

DELIVERED = Record(
    about="Measurements of the intra-arterial cycle once it was given, to compare with the prediction.",
    required={"measurements": _TABLE, "cycle": CYCLE},
)


_TREATED = Word(words=("left", "right", "A", "B", "Left", "Right", "LEFT", "RIGHT", "a", "b"), about="Treated lobe.")
_COLUMNS = ("treated_lobe", "treated", "lobe")
ALLOCATION = AnyOf(
    about="Treated lobe of each patient.",
    wanted='an object of patients and lobes, {"P1": "left"}, or a list of {"patient": "P1", "treated_lobe": "left"}',
    forms=(
        ListOf(
            item=AnyOf(
                wanted="an object with the keys patient and treated_lobe",
                forms=tuple(Record(required={name: _TREATED, "patient": Text()}) for name in _COLUMNS),
            ),
            least=1,
            most=100_000,
        ),
        MapOf(item=_TREATED, least=1, keyed_by="patient"),
    ),
)
