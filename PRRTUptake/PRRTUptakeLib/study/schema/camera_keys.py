"""The keys of the two files of a camera: PHANTOM.json, which a person writes, and CAMERA.json, which comes out.

PHANTOM.json says which folders hold phantom images and what was filled; ``prrt camera`` makes CAMERA.json of it, which
a case names. Both are read by this declaration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.schema.containers import ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.fields import Day, Flag, Moment, Number, Text, Word

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

OWN, POINT, LINE = "own", "point-source", "line-source"
SOURCES = (POINT, LINE)
CALIBRATION_KINDS = ("counts", "concentration")
DEAD_TIME_MODELS = ("paralysable", "non-paralysable")

_SCHEMA = Text(about="Names this schema for editors; nothing else reads it.")
_MBQ = Number(low=0, high=1e6, above=True, unit="MBq", about="Activity by the dose calibrator")
_TIME = Moment(about="When that activity was right, ISO 8601; without an offset in the zone of the images.")
_FRACTION = Number(low=0, high=0.5, about="Relative standard uncertainty; 0.015 is 1.5 %.")
_POSITION = Number(low=-1e4, high=1e4)


def _residual_is_whole(values: dict[str, Any], place: Place) -> None:
    if ("residual_MBq" in values) != ("residual_time" in values):
        place.stop(f"{place.name} needs 'residual_MBq' and 'residual_time' together: what was left, and when measured.")
    if values.get("residual_MBq", 0) >= values["activity_MBq"]:
        place.key("residual_MBq").refuse(values["residual_MBq"], f"below 'activity_MBq' ({values['activity_MBq']:g})")


FILL = Record(
    about="One filling: what went in, when it was measured, and in how much solution.",
    rules=(_residual_is_whole,),
    more={"dependentRequired": {"residual_MBq": ["residual_time"], "residual_time": ["residual_MBq"]}},
    required={"activity_MBq": _MBQ, "time": _TIME},
    optional={
        "volume_mL": Number(
            low=0, high=1e5, above=True, unit="mL", about="Volume of the solution that it was mixed into"
        ),
        "residual_MBq": Number(low=0, high=1e6, unit="MBq", about="Left in the syringe; it is subtracted"),
        "residual_time": Moment(about="When the residual activity was measured."),
    },
)

_OWN_SPHERE = Record(
    required={
        "scan": Text(about="Scan that it is of."),
        "name": Text(about="Of the sphere."),
        "volume_mL": replace(_POSITIVE, unit="mL", about="Inner volume"),
        "recovery": replace(_VALUE, about="Recovery coefficient of the contrast."),
        "u_own": replace(_POSITIVE, about="Its standard uncertainty without what the spheres share."),
    },
    optional={
        "centre_ras_mm": ListOf(item=_VALUE, least=3, most=3, about="Where it was measured."),
        "mean_MBq_per_mL": replace(_VALUE, unit="MBq/mL", about="By the image with the calibration"),
        "true_MBq_per_mL": replace(_VALUE, unit="MBq/mL", about="As filled"),
        "without_background": replace(_VALUE, about="Mean over filled, the background not taken off."),
        "contrast_percent": replace(_VALUE, unit="%", about="By NEMA NU 2"),
        "variability_percent": replace(_VALUE, unit="%", about="Of the background, by NEMA NU 2"),
        "in_curve": Flag(about="Whether it counts for the curve."),
        "note": Text(about="Why it does not."),
    },
)

DEAD_TIME_RESULT = Record(
    about="Dead time of the camera.",
    required={
        "model": Word(words=DEAD_TIME_MODELS, about="That fits better."),
        "tau_us": Number(low=0, high=1e4, above=True, unit="us", about="Dead time"),
        "u_tau_us": Number(low=0, high=1e4, unit="us", about="Its standard uncertainty"),
        "highest_cps": Number(low=0, high=1e9, about="Observed rate up to which it was measured."),
    },
    optional={
        "decided": Flag(about="Whether the other model fits worse."),
        "other_tau_us": replace(_POSITIVE, unit="us", about="Dead time by the other model"),
        "cps_per_MBq": replace(_POSITIVE, unit="cps/MBq", about="Sensitivity of the series"),
    },
)

CAMERA = Record(
    about="A camera's own numbers, made by prrt camera from phantom images.",
    required={
        "camera": Text(name=True, about="What it is called."),
        "date": Day(about="Of the phantom images."),
        "nuclide": Text(rule=nuclide, about="Radionuclide."),
        "acquisition": ACQUISITION,
    },
    optional={
        "$schema": _SCHEMA,
        "site": Text(name=True, about="Where it is."),
        "physicist": Text(about="Who is responsible."),
        "calibration": CALIBRATION,
        "resolution": RESOLUTION,
        "recovery": Record(
            about="Recovery of spheres, and the curve through them.",
            required={"spheres": ListOf(item=_SPHERE, about="One by one.")},
            optional={
                "curve": _CURVE,
                "covariance": ListOf(item=ListOf(item=_VALUE), about="Of the spheres' recoveries, in their order."),
                "u_shared": _FRACTION,
            },
        ),
        "dead_time": DEAD_TIME_RESULT,
        "warnings": ListOf(item=_NAME, about="What was doubtful."),
        "decisions": ListOf(item=_NAME, most=10_000, about="How the images' values were made."),
        "sha256": MapOf(item=_NAME, keyed_by="file", about="Of every file that went in."),
        "made_by": Text(about="Program and version."),
    },
)
