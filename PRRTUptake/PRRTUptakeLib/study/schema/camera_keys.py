"""The keys of the two files of a camera: PHANTOM.json, which a person writes, and CAMERA.json, which comes out.

PHANTOM.json says which folders hold phantom images and what was filled; ``prrt camera`` makes CAMERA.json of it, which
a case names. Both are read by this declaration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.acquisition import NAMES
from PRRTUptakeLib.dicom.operator_overrides import DEAD_TIME_MODELS
from PRRTUptakeLib.imaging.camera_phantoms import phantom_names
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.schema.containers import ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.fields import Anything, Day, FilePath, Flag, Moment, Number, Text, Word

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

OWN, POINT, LINE = "own", "point-source", "line-source"
SOURCES = (POINT, LINE)
CALIBRATION_KINDS = ("counts", "concentration")

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
    about="A sphere or vial of a phantom of your own.",
    required={
        "name": Text(name=True, about="What it is called."),
        "diameter_mm": Number(low=3, high=150, unit="mm", about="Inner diameter"),
        "centre_mm": ListOf(
            item=_POSITION, least=3, most=3, about="Centre in any frame of the phantom, mm.", wanted="three numbers"
        ),
    },
)


def _scan_is_whole(values: dict[str, Any], place: Place) -> None:
    kind = values["phantom"]
    if (kind == OWN) != ("spheres" in values):
        place.stop(f"{place.name}: 'spheres' go with the phantom '{OWN}', and with it alone.")
    if len(values.get("spheres", ())) in (1, 2):
        place.stop(
            f"{place.key('spheres').name} has {len(values['spheres'])}: three or more say how a phantom is turned."
        )
    fills = values.get("fills", {})
    if kind not in SOURCES and not fills:
        place.stop(f"{place.name} needs 'fills': say what was filled into the phantom ('background' or 'spheres').")
    if "spheres" in fills and "volume_mL" not in fills["spheres"]:
        place.stop(
            f"the key {place.key('fills').key('spheres').key('volume_mL').name} is missing: the volume of the stock "
            "solution that the spheres were filled from."
        )
    if kind == "cylinder" and "spheres" in fills:
        place.stop(f"{place.key('fills').key('spheres').name} has no effect: a uniform cylinder has no spheres.")


SCAN = Record(
    about="One scan of one phantom.",
    rules=(_scan_is_whole,),
    required={
        "phantom": Word(words=(*phantom_names(), OWN, *SOURCES), about="What was scanned."),
        "dicom": FilePath(kind="folder", about="Folder with the SPECT or PET and its CT, relative to this file."),
    },
    optional={
        "name": Text(name=True, about="What reports call the scan."),
        "image": Text(about="Series Instance UID (or its end) of the emission image, where there are several."),
        "fills": Record(
            about="What was filled; whatever is left out holds no activity.",
            optional={
                "background": replace(FILL, about="Into the phantom around the spheres, or into a cylinder."),
                "spheres": replace(FILL, about="The stock solution that all spheres were filled from."),
            },
        ),
        "spheres": ListOf(item=_OWN_SPHERE, most=50, about="Of a phantom of your own."),
        "wall_mm": Number(low=0, high=10, unit="mm", about="Thickness of the spheres' walls"),
        "acquisition_time": Moment(about="Start of the acquisition, where the header is silent or wrong."),
        "acquisition_s": Number(
            low=0, high=1e6, above=True, unit="s", about="Duration of the whole acquisition, if the header is silent"
        ),
        "observed_cps": Number(
            low=0, high=1e8, above=True, unit="counts per second", about="Count rate of the detectors, for dead time"
        ),
        "axes": Flag(about="Resolution along each axis of the image too; takes longer."),
    },
)


def _dead_time_one_way(values: dict[str, Any], place: Place) -> None:
    if ("rates" in values) == ("dicom" in values) or ("dicom" in values) != ("fill" in values):
        place.stop(f"{place.name} needs 'rates', or 'dicom' (planar images) with 'fill': give one of them.")


DEAD_TIME = Record(
    about="A series of rising or decaying activity.",
    rules=(_dead_time_one_way,),
    more={"oneOf": [{"required": ["rates"]}, {"required": ["dicom", "fill"]}]},
    optional={
        "rates": ListOf(
            about="Observed count rates.",
            least=4,
            item=Record(
                required={
                    "activity_MBq": replace(_MBQ, about="In the field of view"),
                    "observed_cps": Number(
                        low=0, high=1e9, above=True, unit="counts per second", about="By the camera"
                    ),
                },
                optional={"counts": Number(low=1, high=1e12, about="Counts behind the rate; a million if left out.")},
            ),
        ),
        "dicom": FilePath(kind="folder", about="Planar images at several times, relative to this file."),
        "fill": replace(FILL, about="The source, which decays between the images."),
    },
)

PHANTOM = Record(
    about="Phantom scans of one camera with one reconstruction, from which its own numbers come.",
    required={
        "nuclide": Text(rule=nuclide, about="Radionuclide, such as Lu-177."),
        "activity_u": replace(_FRACTION, about="Relative standard uncertainty of the dose calibrator; 0.015 is 1.5 %."),
        "scans": ListOf(item=SCAN, least=1, most=50, about="Scans.", wanted="a list with at least one scan"),
    },
    optional={
        "$schema": _SCHEMA,
        "camera": Text(name=True, about="What the camera is called, where its header's names are not enough."),
        "site": Text(name=True, about="Where it is."),
        "physicist": Text(about="Who is responsible."),
        "date": Day(about="Of the commissioning; that of the images if left out."),
        "volume_u": replace(_FRACTION, about="Relative standard uncertainty of volumes; 0.005 if left out."),
        "clock_u_min": Number(
            low=0, high=600, unit="min", about="Standard uncertainty of all times together; 1 if left out"
        ),
        "dead_time": DEAD_TIME,
        "notes": Anything(about="Whatever you want to keep."),
    },
)

_VALUE = Number(low=-1e12, high=1e12)
_POSITIVE = Number(low=0, high=1e12)
_PAIR = ListOf(item=_VALUE, least=2, most=2)
_NAME = Text()

ACQUISITION = Record(
    about="How the phantom's series was acquired and reconstructed, as its header says.",
    optional={
        **{
            name: Text(about=f"{NAMES.get(name, name).capitalize()}, as the header says.")
            for name in (
                *("manufacturer", "model", "serial", "software", "institution", "station", "modality", "collimator"),
                *("reconstruction", "filter", "attenuation", "scatter"),
            )
        },
        "windows_keV": ListOf(item=_PAIR, about="Energy windows, lower and upper limits."),
        "matrix": replace(_PAIR, about="Columns and rows."),
        "voxel_mm": ListOf(item=_POSITIVE, least=3, most=3, about="Edges along i, j and k."),
        "iterations": Number(low=0, high=1e4, whole=True, about="Of the reconstruction."),
        "subsets": Number(low=0, high=1e4, whole=True, about="Of the reconstruction."),
        "corrections": ListOf(item=_NAME, about="As Corrected Image lists them, without those of time."),
    },
)

CALIBRATION = Record(
    about="Calibration factor: counts per second and MBq for counts, image over truth for Bq/mL.",
    required={
        "kind": Word(words=CALIBRATION_KINDS, about="What the image holds."),
        "factor": Number(low=0, high=1e9, above=True, about="cps/MBq, or image over truth."),
        "u_relative": replace(_FRACTION, about="Its relative standard uncertainty, all included."),
    },
    optional={
        "u_shared": replace(_FRACTION, about="The part from dose calibrator and clock."),
        "Bq_per_mL_per_unit": Number(low=0, high=1e15, about="For the first scan's duration and voxels."),
        "ways": ListOf(
            item=Record(
                required={
                    "name": Text(about="Scan and way."),
                    "factor": replace(_POSITIVE, about="By this way."),
                    "u_own": _FRACTION,
                }
            ),
            about="Each way to the factor, with its own relative standard uncertainty.",
        ),
        "birge": Number(low=1, high=1e6, about="By which own uncertainties were widened, 1 where ways agree."),
        "p": Number(low=0, high=1, about="Probability of the differences between ways."),
    },
)

RESOLUTION = Record(
    about="Resolution of the reconstructed image, full width at half maximum without the voxel.",
    required={
        "fwhm_mm": Number(low=0, high=50, above=True, unit="mm", about="Width"),
        "u_mm": Number(low=0, high=50, unit="mm", about="Its standard uncertainty"),
    },
    optional={
        "axes_mm": ListOf(item=_POSITIVE, least=3, most=3, about="Along i, j and k."),
        "method": Text(about="How it was measured."),
    },
)

_CURVE = Record(
    about="Recovery curve RC = 1/(1 + (a/V)^b), V in mL.",
    required={
        "a_mL": Number(low=0, high=1e6, above=True, unit="mL", about="Volume of half recovery"),
        "b": Number(low=0, high=100, above=True, about="Exponent."),
        "covariance": ListOf(item=_PAIR, least=2, most=2, about="Of a and b."),
        "volume_range_mL": ListOf(item=_POSITIVE, least=2, most=2, about="Smallest and largest volume."),
    },
)

_SPHERE = Record(
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
