"""The subcommands of uptake and trial. Thin: read the arguments, call the science, print.

Imports of the science stand inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, print_json

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from PRRTUptakeLib.dicom.inputs import OperatorInputs
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.mrml.run import CaseResult


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder to make (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="which synthetic patient (default: 1)")


def _demo(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.mrml.run import run_demo
    from PRRTUptakeLib.progress import ProgressPrinter

    _print_result(run_demo(arguments.output, arguments.seed, ProgressPrinter()))


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="CASE.json", help="the patient's case file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")


def _run(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.progress import ProgressPrinter

    _print_result(run_case(arguments.case, arguments.output, ProgressPrinter()))


def _print_result(result: CaseResult) -> None:
    from PRRTUptakeLib.report.patient_text import patient_text

    print(patient_text(result.visits, str(result.report)))


_SUV_KINDS = ("bw", "lbm", "lbm-james", "lbm-janma", "bsa", "ibw")


def _suv_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DICOM_DIR", help="folder that holds the PET or SPECT series")
    parser.add_argument("--mask", type=Path, metavar="NIFTI", help="measure inside this mask only")
    parser.add_argument("--type", default="bw", choices=_SUV_KINDS, help="normalisation (default: bw)")
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
    stated.add_argument("--calibration-time", choices=("total", "per-view"), help="time of a voxel's counts")
    stated.add_argument("--acquisition-s", type=float, help="that time in seconds, where the header does not tell it")


_SUV_TIMES = {
    "injection_time": "time of the injection",
    "acquisition_time": "start of the acquisition",
    "decay_reference_time": "moment to which the series was decay corrected",
    "residual_time": "when the residual activity was measured",
}


def _suv(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.dicom.series import find_series, one_emission_series
    from PRRTUptakeLib.dicom.suv import least_median_most, suv
    from PRRTUptakeLib.segmentation.mask_grid import mask_on_grid

    series = one_emission_series(find_series(arguments.folder), arguments.series)
    found = suv(series, arguments.type, _suv_inputs(arguments, series))
    array = found.volume.array
    inside = array if arguments.mask is None else array[mask_on_grid(arguments.mask, found.volume.grid)]
    numbers = least_median_most(inside)
    if arguments.json:
        print_json({**numbers, "units": found.volume.units, "decisions": list(found.decisions)})
        return
    print(f"SUV {arguments.type} of {series.label}")
    print(f"{arguments.mask.name if arguments.mask else 'whole image'}, {inside.size} voxels")
    for name, value in numbers.items():
        print(f"  {name:<8}{value:12.4f} {found.volume.units}")
    print("Decisions")
    for sentence in found.decisions:
        print(f"  - {sentence}")


def _suv_inputs(arguments: argparse.Namespace, series: Series) -> OperatorInputs:
    from PRRTUptakeLib.dicom.inputs import Calibration, OperatorInputs
    from PRRTUptakeLib.dicom.times import clock_of, operator_moment

    clock = clock_of(series.headers[0].dataset, series.label, arguments.time_zone)

    def moment(name: str) -> datetime | None:
        written = getattr(arguments, name)
        return None if written is None else operator_moment(written, clock, name.replace("_", " "))

    calibration = None
    if arguments.calibration is not None:
        calibration = Calibration(arguments.calibration, arguments.calibration_time or "", arguments.acquisition_s)
    return OperatorInputs(
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
    )


COMMANDS: tuple[Command, ...] = (
    Command("demo", "make a synthetic patient, measure it and write its report", _demo_arguments, _demo),
    Command("run", "measure one patient: DICOM and segments in, table, report and scene out", _run_arguments, _run),
    Command("suv", "standardised uptake values of a PET or SPECT series, and how they were made", _suv_arguments, _suv),
)
