"""Declarations of settings of doses: density, transport and radiosensitivity, of which protocols have the last too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.schema.containers import AnyOf, ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.fields import Number, Text, Word

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

DOSE_MAPS = ("kernel", "local", "transport")
DENSITIES = ("uniform", "ct")
DENSITY_CURVES = ("schneider-2000", "water")
INTEGRATIONS = ("activity", "dose-rate")
ACCUMULATIONS = ("rigid", "deformable")
TRANSPORT_ELECTRONS = ("kernel", "monte-carlo")


def _one_density_each(values: dict[str, Any], place: Place) -> None:
    given, wanted = len(values["density_g_per_mL"]), len(values["hounsfield"])
    if given != wanted:
        place.stop(f"{place.key('density_g_per_mL').name} has {given} numbers, but 'hounsfield' has {wanted}.")


DENSITY_CURVE = AnyOf(
    about="From Hounsfield values to mass density: a shipped curve, or the calibration of the centre's own CT.",
    wanted=f'one of {", ".join(DENSITY_CURVES)}, or {{"hounsfield": [...], "density_g_per_mL": [...], "source": TEXT}}',
    forms=(
        Word(words=DENSITY_CURVES, about="A shipped curve."),
        Record(
            rules=(_one_density_each,),
            required={
                "hounsfield": ListOf(
                    item=Number(low=-2000, high=1e5), least=3, most=200, about="Hounsfield values, rising."
                ),
                "density_g_per_mL": ListOf(
                    item=Number(low=0, high=25, above=True), least=3, most=200, about="Mass density at each of them."
                ),
                "source": Text(about="Scanner, tube voltage and phantom of the calibration."),
            },
        ),
    ),
)

TRANSPORT = Record(
    about="How dose is transported through the CT, for the dose map 'transport' (needs the package ompmc, GPL-3).",
    wanted="an object with keys",
    optional={
        "electrons": Word(
            words=TRANSPORT_ELECTRONS,
            about="By density-scaled kernel, or by Monte Carlo too, where their range matters (90Y, 68Ga, lung).",
        ),
        "histories": Number(
            low=10_000, high=1e9, whole=True, about="Particles of each kind of radiation (1000000 if left out)."
        ),
        "seed": Number(low=0, high=2**31 - 1, whole=True, about="Of the random numbers (1 if left out)."),
        "grid_mm": Number(
            low=0.5,
            high=20,
            unit="mm",
            about="Widest voxel that particles go through (the emission image's own if left out)",
        ),
    },
)


INTEGRATION = Word(words=INTEGRATIONS, about="What is integrated over time in every voxel: activity, or dose rate.")
ACCUMULATE = Word(words=(*ACCUMULATIONS, ""), about="Sum the dose maps of all cycles on the CT of the first, and how.")
DOSE_MAP_RULES = Record(
    about="How dose maps are made where a case or the panel asks for one; what these state goes first.",
    wanted="an object with keys",
    optional={"integration": INTEGRATION, "accumulate": ACCUMULATE, "transport": TRANSPORT},
)


def _exponent_is_not_zero(values: dict[str, Any], place: Place) -> None:
    if values.get("eud_a") == 0:
        place.key("eud_a").refuse(0, "a number from -50 to 50 that is not 0")


_TUMOUR_CONTROL = Record(
    about="Poisson model of tumour control, only where its parameters are stated.",
    required={
        "alpha_per_Gy": Number(low=0, high=10, above=True, about="Mean radiosensitivity per Gy."),
        "clonogens_per_mL": Number(low=0, high=1e12, above=True, about="Clonogenic cells per mL."),
        "source": Text(about="Where the parameters are from."),
    },
)

TISSUES = MapOf(
    item=Record(
        rules=(_exponent_is_not_zero,),
        required={
            "alpha_beta_Gy": Number(low=0, high=100, above=True, unit="Gy", about="Alpha over beta."),
            "repair_half_time_h": Number(low=0, high=100, above=True, unit="h", about="Half-time of repair."),
            "source": Text(about="Where the values are from."),
        },
        optional={
            "eud_a": Number(
                low=-50, high=50, about="Exponent of the generalised equivalent uniform dose; not 0, 1 is the mean."
            ),
            "tumour_control": _TUMOUR_CONTROL,
        },
    ),
    keyed_by="organ, 'lesions' or region",
    about="Radiosensitivity by organ (kidneys, liver, spleen, red marrow), 'lesions' for all, or a region's name.",
)

MARROW = Record(
    about="Red marrow by the image-based method (EANM guideline 2010): vertebrae of the image, and their fat.",
    wanted="an object with keys",
    optional={
        "vertebrae": Word(words=("L2-L4", "L1-L5"), about="Which vertebrae the marrow's segment holds (L2-L4)."),
        "fat_fraction": Number(
            low=0,
            high=0.95,
            about="Share of fat in the marrow of the vertebrae, from MRI; 0.3 is the reference adult's.",
        ),
    },
)

ISODOSES = ListOf(
    item=Number(low=0, high=1e5, above=True),
    least=1,
    most=20,
    about="Levels in Gy whose regions of the dose map are drawn.",
)
