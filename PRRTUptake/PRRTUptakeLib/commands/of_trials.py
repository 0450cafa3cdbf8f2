"""The subcommands that analyse measured patients: endpoint, power, agreement of readers and of their contours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, print_json

if TYPE_CHECKING:
    import argparse


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


COMMANDS: tuple[Command, ...] = (
    Command("endpoints", "compute the trial's endpoint from a table of measurements", _endpoints_arguments, _endpoints),
    Command("power", "compute sample size, power or detectable ratio of a paired comparison", _power_arguments, _power),
    Command("agreement", "compare readers of the same lesions", _agreement_arguments, _agreement),
    Command("contours", "compare two readers' contours: overlap, surface distances", _contours_arguments, _contours),
)
