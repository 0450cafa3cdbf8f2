"""The subcommands that look into DICOM: the SUV of a series, and what a DICOM result holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, print_json
from PRRTUptakeLib.vocabulary import SUV_UNITS

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.series import Series


def _read_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.dcm", help="SR, SEG, RTSTRUCT, RTDOSE or parametric map")
    parser.add_argument("--images", type=Path, metavar="DICOM_DIR", help="images on which a RTSTRUCT was drawn")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _read(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.export.dicom_read import read_object
    from PRRTUptakeLib.formatting import plain_table

    kind, content, notes = read_object(arguments.file, arguments.images)
    if arguments.json:
        print_json({"kind": kind, "content": content, **notes})
    else:
        shown = [["" if value is None else value for value in one.values()] for one in content]
        print(plain_table(list(content[0]) if content else ["nothing in it"], shown))
        for word, texts in (("Warning", notes.get("warnings", ())), ("Note", notes.get("notes", ()))):
            print(*(f"{word}: {text}\n" for text in texts), sep="", end="")


def _suv_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DICOM_DIR", help="folder that holds the PET or SPECT series")
    parser.add_argument("--mask", type=Path, metavar="NIFTI", help="measure inside this mask only")
    parser.add_argument("--type", default="bw", choices=tuple(SUV_UNITS), help="normalisation (default: bw)")
    parser.add_argument("--series", metavar="UID", help="which series, if the folder holds several (end of its UID)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    stated = parser.add_argument_group("operator inputs", "stated values go before those of the header")
    stated.add_argument("--weight-kg", type=float, help="the patient's weight")
    stated.add_argument("--height-cm", type=float, help="the patient's height")
    stated.add_argument("--sex", choices=("M", "F", "O"), help="the patient's sex")
    stated.add_argument("--activity-MBq", type=float, help="administered activity at the injection time")
    stated.add_argument("--residual-MBq", type=float, help="left in syringe or catheter; it is subtracted")
    for name, meaning in _SUV_TIMES.items():
        stated.add_argument(f"--{name.replace('_', '-')}", metavar="ISO", help=f"{meaning}, as 2025-01-31T10:30+01:00")
    stated.add_argument("--time-zone", metavar="ZONE", help="of the images' times, for instance Europe/Amsterdam")
    stated.add_argument("--nuclide", help="for instance Ga-68")
    stated.add_argument("--calibration", type=float, metavar="CPS_PER_MBQ", help="sensitivity, for NM counts")
    stated.add_argument(
        "--calibration-time", choices=("total", "per-view", "rate"), help="time of a voxel's counts, or rate for cps"
    )
    stated.add_argument("--acquisition-s", type=float, help="that time in seconds, where the header does not say it")
    stated.add_argument("--units", help="of the values, where the header does not say it: Bq/ml, counts, cps")
    stated.add_argument(
        "--confirm",
        nargs="+",
        default=[],
        choices=("activity_MBq", "weight_kg", "height_cm"),
        help="values that hold although the header contradicts them by the factor of a unit",
    )
    stated.add_argument("--reason", default="", help="why values are stated, for the record")

    parser.set_defaults(refuse=parser.error)


_SUV_TIMES = {
    "injection_time": "time of the injection",
    "acquisition_time": "start of the acquisition",
    "decay_reference_time": "moment to which the series was decay corrected",
    "residual_time": "when the residual activity was measured",
}


def _suv(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.dicom.errors import DicomError
    from PRRTUptakeLib.dicom.series import find_series, one_emission_series
    from PRRTUptakeLib.dicom.suv import least_median_most, suv
    from PRRTUptakeLib.segmentation.mask_grid import placed_mask

    series = one_emission_series(find_series(arguments.folder), arguments.series)
    found = suv(series, arguments.type, _suv_inputs(arguments, series))
    array = found.volume.array
    chosen, notes = placed_mask(arguments.mask, found.volume.grid) if arguments.mask else (slice(None), ())
    outside = found.volume.outside_field
    inside, decisions = array[chosen], [*found.decisions, *notes]
    if outside is not None:
        inside = inside[~outside[chosen]]
    if not inside.size:
        raise DicomError(f"{series.label} is all padding where it is asked for: give another mask.")
    numbers = least_median_most(inside)
    if arguments.json:
        print_json({**numbers, "units": found.volume.units, "decisions": decisions})
        return
    print(f"SUV {arguments.type} of {series.label}")
    print(f"{arguments.mask.name if arguments.mask else 'whole image'}, {inside.size} voxels")
    for name, value in numbers.items():
        print(f"  {name:<8}{value:12.4f} {found.volume.units}")
    print("Decisions")
    for sentence in decisions:
        print(f"  - {sentence}")


def _suv_inputs(arguments: argparse.Namespace, series: Series) -> OperatorOverrides:
    from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides
    from PRRTUptakeLib.dicom.times import clock_of, operator_moment

    clock = clock_of(series.headers[0].dataset, series.label, arguments.time_zone)

    def moment(name: str) -> datetime | None:
        written = getattr(arguments, name)
        return None if written is None else operator_moment(written, clock, name.replace("_", " "))

    calibration = None
    if arguments.calibration is not None:
        if arguments.calibration_time is None:
            arguments.refuse("--calibration needs --calibration-time: total, per-view or rate")
        calibration = Calibration(arguments.calibration, arguments.calibration_time, arguments.acquisition_s)
    return OperatorOverrides(
        weight_kg=arguments.weight_kg,
        height_cm=arguments.height_cm,
        sex=arguments.sex,
        activity_MBq=arguments.activity_MBq,
        residual_MBq=arguments.residual_MBq,
        nuclide=arguments.nuclide,
        time_zone=arguments.time_zone,
        calibration=calibration,
        injection_time=moment("injection_time"),
        acquisition_time=moment("acquisition_time"),
        decay_reference_time=moment("decay_reference_time"),
        residual_time=moment("residual_time"),
        units=arguments.units,
        reason=arguments.reason,
        confirmed=tuple(arguments.confirm),
    )


COMMANDS: tuple[Command, ...] = (
    Command("read", "show what a DICOM result holds: measurements, segments, range of a map", _read_arguments, _read),
    Command("suv", "compute the SUV of a PET or SPECT series, with every decision on the way", _suv_arguments, _suv),
)
