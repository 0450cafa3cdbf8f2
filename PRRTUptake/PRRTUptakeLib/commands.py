"""The subcommands of uptake and trial. Thin: read the arguments, call the science, print.

Imports of the science are inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.commands import COMMANDS as ARCHIVE_COMMANDS
from PRRTUptakeLib.command_line import Command, print_json
from PRRTUptakeLib.review.command import review, review_arguments
from PRRTUptakeLib.vocabulary import DEMOS, SUV_UNITS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.export.deidentify import Deidentifier
    from PRRTUptakeLib.mrml.run import CaseResult
    from PRRTUptakeLib.study.model import Extension


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder to make (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="which synthetic patient (default: 1)")
    parser.add_argument(
        "--kind",
        default="lutia",
        choices=DEMOS,
        help="lobe against lobe, PET after both routes, serial SPECT/CT, PET with both therapy cycles (predicted "
        "against delivered dose), a patient without arms or lobes, or a camera's phantoms (default: lutia)",
    )


def demo(arguments: argparse.Namespace, extensions: Sequence[Extension] = ()) -> None:
    """Run ``prrt demo``; ``extensions`` add to the patient's result."""
    from PRRTUptakeLib.mrml.run import run_demo
    from PRRTUptakeLib.progress import ProgressPrinter
    from PRRTUptakeLib.report.truth_comparison import truth_text
    from PRRTUptakeLib.study.protocol import load_protocol

    _print_result(run_demo(arguments.output, arguments.seed, ProgressPrinter(), extensions, arguments.kind))
    for patient, results in _demo_folders(arguments.output):
        protocol = load_protocol(json.loads((patient / "case.json").read_text(encoding="utf-8"))["protocol"])
        print(f"\n{truth_text(patient, results, protocol)}")


def _demo_folders(folder: Path) -> list[tuple[Path, Path]]:
    """Each synthetic patient of a demo and its results: one, or a folder for each of its cases."""
    single = folder / "patient"
    if (single / "truth.json").exists():
        return [(single, folder / "results")]
    return [(path.parent, folder / "results" / path.parent.name) for path in sorted(single.glob("*/truth.json"))]


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, nargs="?", metavar="CASE.json", help="the patient's case file")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument("--dicom", action="store_true", help="write segments, measurements and maps as DICOM too")
    parser.add_argument(
        "--rtstruct",
        action="store_true",
        help="with --dicom: an RT Structure Set of the segments, for planning systems",
    )
    parser.add_argument("--masks", action="store_true", help="write the segments as NIfTI masks too")
    parser.add_argument("--excel", action="store_true", help="write the table for Excel too (needs openpyxl)")
    parser.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the report")
    parser.add_argument("--replace", action="store_true", help="keep an older result under a name with its date")
    _deidentify_arguments(parser, "free all that is written of the patient's identity")
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="BUNDLE",
        help="run a bundle's case again and compare (CASE.json if it has moved)",
    )
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace, extensions: Sequence[Extension] = ()) -> None:
    """Run ``prrt run``; ``extensions`` add to the patient's result."""
    from PRRTUptakeLib.export.results import Outputs
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.progress import ProgressPrinter

    if arguments.verify:
        _verify(arguments, extensions)
        return
    if arguments.case is None or arguments.output is None:
        arguments.refuse("give CASE.json and -o DIR, or --verify BUNDLE")
    if arguments.rtstruct and not arguments.dicom:
        arguments.refuse("--rtstruct goes with --dicom")
    outputs = Outputs(
        dicom=arguments.dicom,
        structure_sets=arguments.rtstruct,
        masks=arguments.masks,
        excel=arguments.excel,
        operator=arguments.operator,
        deidentifier=_deidentifier(arguments),
        replace=arguments.replace,
    )
    progress = ProgressPrinter()
    _print_result(run_case(arguments.case, arguments.output, progress, extensions, outputs=outputs))


def _deidentify_arguments(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--deidentify", action="store_true", help=words)
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="secret by which subjects, dates and UIDs stay the same (made if absent)",
    )
    parser.set_defaults(refuse=parser.error)


def _deidentifier(arguments: argparse.Namespace) -> Deidentifier | None:
    from PRRTUptakeLib.export.deidentify import Deidentifier

    if arguments.key and not arguments.deidentify:
        arguments.refuse("--key goes with --deidentify")
    return Deidentifier.from_file(arguments.key) if arguments.deidentify else None


def _verify(arguments: argparse.Namespace, extensions: Sequence[Extension]) -> None:
    from PRRTUptakeLib.export.errors import BundleError
    from PRRTUptakeLib.mrml.run import verify_case_bundle
    from PRRTUptakeLib.progress import ProgressPrinter

    result = verify_case_bundle(arguments.verify, arguments.case, ProgressPrinter(), extensions)
    if result.differences:
        raise BundleError(result.sentence)
    print(result.sentence)


def _bundle_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder that prrt run wrote (best with --dicom)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip", help="the bundle")
    _deidentify_arguments(parser, "free tables and DICOM of the patient's identity")


def _bundle(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.export.bundle import write_bundle

    print(f"Bundle: {write_bundle(arguments.results, arguments.output, _deidentifier(arguments))}")


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


def _pdf_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="REPORT.html", help="any report")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.pdf", help="the PDF")


def _pdf(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.export.pdf import html_to_pdf

    print(f"PDF: {html_to_pdf(arguments.report, arguments.output)}")


def _print_result(made: CaseResult) -> None:
    from PRRTUptakeLib.report.study_report import study_text

    notes = [f"Warning: {text}" for text in made.result.warnings]
    print("\n\n".join([*study_text(made.result), *notes, f"Report: {made.report}"]))


def _endpoints_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "measurements",
        type=Path,
        metavar="MEASUREMENTS.csv",
        help="table of measurements, long form, or a reader's file of readings",
    )
    parser.add_argument("--protocol", required=True, help="lutia, ia-versus-iv, or a protocol file")
    parser.add_argument("--allocation", type=Path, metavar="FILE", help="treated lobe per patient (CSV or JSON)")
    parser.add_argument("--log", type=Path, help="log of blinding (default: beside the allocation)")
    parser.add_argument("--subgroups", type=Path, metavar="FILE", help="CSV: patient and a column per characteristic")
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="CSV: patient, reason, date, lesion, cycle, scope")
    parser.add_argument("--mixed", action="store_true", help="fit the mixed model too")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ratios against the control value")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _endpoints(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.report.endpoint_tables import endpoint_text
    from PRRTUptakeLib.report.level_figure import write_level_plot
    from PRRTUptakeLib.study.cohort.analysis import Options, analyse_file

    files = (arguments.allocation, arguments.log, arguments.subgroups)
    options = Options(arguments.protocol, *files, arguments.mixed, exclusions=arguments.exclude)
    analysis = analyse_file(arguments.measurements, options)
    if arguments.plot:
        write_level_plot(analysis.endpoint, arguments.plot)
    if arguments.json:
        print_json(analysis.as_dict())
    else:
        print(endpoint_text(analysis.endpoint))
        print(f"\n{analysis.blinding_words()}")


def _power_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sd-log", type=float, metavar="S", help="standard deviation of the patients' log ratios")
    parser.add_argument("--sd-lesion", type=float, default=0.0, metavar="S", help="of lesions in a lobe, in logs")
    parser.add_argument("--lesions", type=int, default=1, help="lesions per lobe, or at the gate (default: 1)")
    parser.add_argument(
        "--table", type=float, nargs="+", metavar="RATIO", help="print patients for these ratios as CSV"
    )
    parser.add_argument("--gate", type=float, metavar="R", help="chance that a true ratio R passes the gate")
    parser.add_argument("--protocol", default="ia-versus-iv", help="of the gate (default: ia-versus-iv)")
    parser.add_argument("--mixed", type=int, metavar="TRIALS", help="power of the mixed model from so many trials")
    parser.add_argument("--cycles", type=int, default=1, help="cycles of each patient, with --mixed (default: 1)")
    parser.add_argument("--missing", type=float, default=0.0, help="share of values missing, with --mixed (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation (default: 0)")
    parser.add_argument("--n", type=int, help="number of patients: print the ratio that they detect")
    parser.add_argument(
        "--ratio", type=float, help="ratio to detect: print the number of patients (with --n: the power)"
    )
    parser.add_argument("--power", type=float, nargs="+", default=[0.8, 0.9], help="default: 0.8 0.9")
    parser.add_argument("--alpha", type=float, default=0.05, help="two-sided significance level (default: 0.05)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(refuse=parser.error)


def _power(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.formatting import plain_table
    from PRRTUptakeLib.statistics.power import plan
    from PRRTUptakeLib.statistics.power_designs import clustered_sd_log, sample_size_table

    _refuse_without_effect(arguments)
    if arguments.gate is not None:
        _print_gate(arguments)
        return
    if arguments.sd_log is None:
        arguments.refuse("give --sd-log (or --gate)")
    if arguments.mixed is not None:
        _print_mixed_power(arguments)
        return
    sd_log = clustered_sd_log(arguments.sd_log, arguments.sd_lesion, arguments.lesions)
    if arguments.table and not arguments.json:
        print(sample_size_table([sd_log], arguments.table, arguments.power, arguments.alpha), end="")
        return
    if arguments.table:
        rows = [one for ratio in arguments.table for one in plan(sd_log, None, ratio, arguments.power, arguments.alpha)]
        print_json({"sd_log": sd_log, "alpha": arguments.alpha, "results": [one.as_dict() for one in rows]})
        return
    if arguments.n is None and arguments.ratio is None:
        arguments.refuse("give --n, --ratio, or both")
    results = plan(sd_log, arguments.n, arguments.ratio, arguments.power, arguments.alpha)
    if arguments.json:
        common = {"sd_log": sd_log, "alpha": arguments.alpha}
        print_json({**common, **results[0].as_dict(), "results": [result.as_dict() for result in results]})
    else:
        print(plain_table(["power", "patients", "ratio"], [[one.power, one.n, one.ratio] for one in results]))


def _refuse_without_effect(arguments: argparse.Namespace) -> None:
    """Refuse what would be ignored: whoever gives it expects another number."""
    gate, mixed = arguments.gate is not None, arguments.mixed is not None
    if gate:
        given = {"--sd-log": arguments.sd_log, "--sd-lesion": arguments.sd_lesion or None, "--n": arguments.n}
        given |= {"--ratio": arguments.ratio, "--table": arguments.table, "--mixed": arguments.mixed}
        for name in (name for name, value in given.items() if value is not None):
            arguments.refuse(
                f"{name} has no effect on --gate, which the protocol's repeatability decides: leave it out"
            )
    elif arguments.lesions != 1 and not arguments.sd_lesion:
        arguments.refuse("--lesions has no effect without the scatter of lesions: give --sd-lesion, or leave it out")
    if not gate and arguments.protocol != "ia-versus-iv":
        arguments.refuse("--protocol has an effect with --gate only: leave it out")
    for name, value in (
        ("--cycles", arguments.cycles != 1),
        ("--missing", arguments.missing),
        ("--seed", arguments.seed),
    ):
        if value and not mixed:
            arguments.refuse(f"{name} has an effect with --mixed only: leave it out, or give --mixed")


def _print_mixed_power(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.formatting import plain_table
    from PRRTUptakeLib.statistics.power_designs import MixedDesign, mixed_power

    if arguments.n is None or arguments.ratio is None:
        arguments.refuse("--mixed needs --n and --ratio")
    design = MixedDesign.of_log_ratios(
        arguments.sd_log,
        patients=arguments.n,
        lesions=arguments.lesions,
        ratio=arguments.ratio,
        sd_lesion_log=arguments.sd_lesion,
        cycles=arguments.cycles,
        missing=arguments.missing,
    )
    found = mixed_power(design, arguments.mixed, arguments.seed, arguments.alpha)
    if arguments.json:
        print_json({"power": found.power, "standard_error": found.standard_error, "trials": found.trials})
        return
    row = [found.power, found.standard_error, arguments.n, arguments.ratio, found.trials]
    print(plain_table(["power", "standard error", "patients", "ratio", "trials"], [row]))


def _print_gate(arguments: argparse.Namespace) -> None:
    from dataclasses import asdict

    from PRRTUptakeLib.report.page import plain_table
    from PRRTUptakeLib.statistics.power_designs import gate_power
    from PRRTUptakeLib.study.protocol import load_protocol

    rules = load_protocol(arguments.protocol)
    found = gate_power(
        arguments.gate,
        rules.endpoint.threshold,
        rules.repeatability,
        lesions=arguments.lesions,
        aggregation=rules.endpoint.aggregation,
    )
    if arguments.json:
        print_json(asdict(found))
    else:
        header = ["true ratio", "threshold", "passes", "certainly above", "certainly below"]
        print(plain_table(header, [[found.ratio, found.threshold, found.passes, found.certain, found.refused]]))


def _agreement_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "first", type=Path, metavar="READER1.csv", help="measurements of the first reader, or the file of readings"
    )
    parser.add_argument(
        "second", type=Path, metavar="READER2.csv", help="measurements of the second reader, or the file of readings"
    )
    parser.add_argument("more", type=Path, nargs="*", metavar="READER.csv", help="further readers")
    parser.add_argument("--protocol", required=True, help="lutia, ia-versus-iv, or a protocol file")
    parser.add_argument("--metric", default="", help="default: the protocol's endpoint")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _agreement(arguments: argparse.Namespace) -> None:
    from dataclasses import asdict

    from PRRTUptakeLib.formatting import plain_table
    from PRRTUptakeLib.report.endpoint_tables import agreement_table
    from PRRTUptakeLib.report.reader_tables import clustered_table
    from PRRTUptakeLib.statistics.agreement import common_readings, compare_readers
    from PRRTUptakeLib.statistics.clustered_agreement import compare_tables
    from PRRTUptakeLib.study.protocol import load_protocol
    from PRRTUptakeLib.study.readings.measured import read_measurements

    protocol = load_protocol(arguments.protocol)
    first, second, *more = (read_measurements(path) for path in (arguments.first, arguments.second, *arguments.more))
    common, level = common_readings([first, second, *more], protocol, arguments.metric), protocol.endpoint.confidence
    # Of more than two readers each pair is in the agreement by patient.
    result = None if more else compare_readers(common.values[:, 0], common.values[:, 1], level)
    by_patient = compare_tables(first, second, protocol, arguments.metric, more)
    if arguments.json:
        alone = asdict(result) if result is not None else {}
        print_json({**alone, "by_patient": asdict(by_patient), "notes": list(common.notes)})
    else:
        clustered = plain_table(*clustered_table(by_patient, level))
        alone_words = [plain_table(*agreement_table(result)), ""] if result is not None else []
        print("\n".join([*alone_words, clustered, *common.notes]))


def _contours_arguments(parser: argparse.ArgumentParser) -> None:
    source = "folder of masks, .seg.nrrd file, DICOM SEG or RTSTRUCT, or a folder of results"
    parser.add_argument("first", type=Path, metavar="READER1", help=source)
    parser.add_argument("second", type=Path, metavar="READER2", help="the same structures by the second reader")
    parser.add_argument("--dicom", type=Path, metavar="DIR", help="images that DICOM contours were drawn on")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _contours(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.dicom.series import find_series
    from PRRTUptakeLib.mrml.run import read_segmentation
    from PRRTUptakeLib.report.reader_tables import contour_text
    from PRRTUptakeLib.segmentation.contour_agreement import compare_segmentations

    series = find_series(arguments.dicom) if arguments.dicom else ()
    first, second = (read_segmentation(path, series) for path in (arguments.first, arguments.second))
    found = compare_segmentations(first, second)
    print_json(found.as_dict()) if arguments.json else print(contour_text(found))


# What runs one patient of a cohort in a worker process.
RUN_CASE = "PRRTUptakeLib.mrml.run:run_case"


def _cohort_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with a case.json per patient, at any depth")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the report")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="patients at a time (default: 1)")
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="run on this Dask cluster instead")
    parser.add_argument("--protocol", default="", help="default: the one that the case files name")
    parser.add_argument("--allocation", type=Path, metavar="FILE", help="treated lobe per patient (CSV or JSON)")
    parser.add_argument("--log", type=Path, help="log of blinding (default: beside the allocation, or in the results)")
    parser.add_argument("--subgroups", type=Path, metavar="FILE", help="CSV: patient and a column per characteristic")
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="CSV: patient, reason, date, lesion, cycle, scope")
    parser.add_argument("--second-reader", type=Path, metavar="FILE", help="measurements of a second reader")
    parser.add_argument("--mixed", action="store_true", help="fit the mixed model too")


def cohort(arguments: argparse.Namespace, run_case: str = RUN_CASE) -> None:
    """Run every patient of a folder by ``run_case`` ("package.module:function"), then the endpoint and its report."""
    from PRRTUptakeLib.export.cohort_output import Machines, make_cohort
    from PRRTUptakeLib.progress import ProgressPrinter
    from PRRTUptakeLib.report.endpoint_tables import cohort_text
    from PRRTUptakeLib.study.cohort.analysis import Options
    from PRRTUptakeLib.study.errors import StudyError

    files = (arguments.allocation, arguments.log, arguments.subgroups)
    options = Options(arguments.protocol, *files, arguments.mixed, arguments.second_reader, arguments.exclude)
    machines = Machines(arguments.workers, arguments.scheduler)
    progress, who = ProgressPrinter(), arguments.operator
    made = make_cohort(arguments.folder, arguments.output, run_case, options, machines, progress, who)
    print(cohort_text(made.result))
    print(f"\nReport: {made.report}")
    if made.result.problem:
        raise StudyError(made.result.problem)


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
    from PRRTUptakeLib.dicom.series import find_series, one_emission_series
    from PRRTUptakeLib.dicom.suv import least_median_most, suv
    from PRRTUptakeLib.segmentation.mask_grid import placed_mask

    series = one_emission_series(find_series(arguments.folder), arguments.series)
    found = suv(series, arguments.type, _suv_inputs(arguments, series))
    array = found.volume.array
    chosen, notes = placed_mask(arguments.mask, found.volume.grid) if arguments.mask else (slice(None), ())
    inside, decisions = array[chosen], [*found.decisions, *notes]
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


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="CASE.json|DIR", help="case file, or folder of a cohort")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _check(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.report.check_text import check_text, cohort_check_text
    from PRRTUptakeLib.study.check import check_case
    from PRRTUptakeLib.study.cohort.check import check_cohort
    from PRRTUptakeLib.study.errors import StudyError

    if arguments.case.is_dir():
        cohort = check_cohort(arguments.case)
        print_json(cohort.as_dict()) if arguments.json else print(cohort_check_text(cohort))
        if cohort.faulty or cohort.problems:
            raise StudyError("The cohort cannot be measured as it is: mend what is listed under its cases.")
        return
    found = check_case(arguments.case)
    print_json(found.as_dict()) if arguments.json else print(check_text(found))
    if found.all_problems:
        raise StudyError("The case cannot be measured as it is: mend what is listed under Problems.")


SCHEMA_KINDS = (
    *("case", "protocol", "phantom", "camera", "allocation", "dosimetry", "iv-cycle", "population", "quantification"),
    *("recovery-phantom", "registration"),
)


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=SCHEMA_KINDS, metavar="KIND", help=f"one of {', '.join(SCHEMA_KINDS)}")


def _schema(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.study.schema.kinds import schema_text

    print(schema_text(arguments.kind), end="")


COMMANDS: tuple[Command, ...] = (
    *ARCHIVE_COMMANDS,
    Command("demo", "make a synthetic patient, measure it and write its report", _demo_arguments, demo),
    Command("run", "measure one patient: DICOM and segments in, table, report and scene out", _run_arguments, run),
    Command(
        "bundle", "freeze a patient's results: tables, DICOM, protocol, provenance, hashes", _bundle_arguments, _bundle
    ),
    Command("read", "show what a DICOM result holds: measurements, segments, range of a map", _read_arguments, _read),
    Command("pdf", "turn a report into PDF, if a converter is installed", _pdf_arguments, _pdf),
    Command(
        "check", "validate a case or a cohort with its files and series, without measuring", _check_arguments, _check
    ),
    Command("schema", "print the JSON Schema of a file that you write, for editors", _schema_arguments, _schema),
    Command("cohort", "run all patients of a folder, then the endpoint and the report", _cohort_arguments, cohort),
    Command(
        "review", "open a case or cohort in a browser, to look at it or to read it blinded", review_arguments, review
    ),
    Command("endpoints", "compute the trial's endpoint from a table of measurements", _endpoints_arguments, _endpoints),
    Command("power", "compute sample size, power or detectable ratio of a paired comparison", _power_arguments, _power),
    Command("agreement", "compare readers of the same lesions", _agreement_arguments, _agreement),
    Command("contours", "compare two readers' contours: overlap, surface distances", _contours_arguments, _contours),
    Command("suv", "compute the SUV of a PET or SPECT series, with every decision on the way", _suv_arguments, _suv),
)
