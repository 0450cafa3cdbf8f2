"""The subcommands of dosimetry, and ``prrt`` itself: both sets joined.

Imports of the science are inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib import commands as uptake
from PRRTUptakeLib.command_line import Command, execute, print_json, settle_process
from PRRTUptakeLib.vocabulary import PHANTOM_DEMO, TIAC_MODELS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

POPULATION_MODELS = ("auto", "mono", "uptake-clearance", "bi")

# What runs one patient of a cohort in a worker process.
RUN_CASE = "PRRTDosimetryLib.mrml.run:run_case_with_doses"


def _tiac_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("curves", type=Path, metavar="CURVES.csv", help="columns region, time_h (or time_min, time_d), activity_MBq")
    add("--nuclide", required=True, help="for instance Lu-177; no curve clears slower than its decay")
    add("--model", default="auto", choices=TIAC_MODELS, help="default: auto, the average over all possible models")
    add("--teff-h", nargs="+", metavar="[REGION=]HOURS", help="effective half-lives for regions with one time point")
    add("--u-teff-h", nargs="+", metavar="[REGION=]HOURS", help="their standard uncertainties")
    add("--administered-MBq", type=float, help="gives the coefficient TIAC = TIA / administered activity too")
    add(
        "--relative-u",
        type=float,
        metavar="F",
        help="uncertainty of the points: sigma^2 = (F A)^2 + S^2; default: unknown",
    )
    add("--sigma0-MBq", type=float, metavar="S", help="weights: see --relative-u")
    add(
        "--population",
        type=Path,
        metavar="FILE",
        help="file of prrt population, or synthetic: few images borrow from other patients",
    )
    add("--cycle", type=int, default=1, metavar="N", help="with --population: number of the cycle, default 1")
    add(
        "--earlier", nargs="+", type=Path, default=(), metavar="CSV", help="with --population: curves of earlier cycles"
    )
    add("--covariate", nargs="+", default=(), metavar="NAME=VALUE", help="with --population: such as egfr=60")
    add("--prior-teff-h", nargs=2, type=float, metavar=("MEDIAN", "GSD"), help="population half-life as a prior")
    add("--decay-correction", choices=("NONE", "START", "ADMIN"), help="of the input, as in DICOM; default: NONE")
    add("--monte-carlo", type=_draws, metavar="DRAWS", help="uncertainty by refitting noisy copies too, 100 or more")
    add("--start", default="constant", choices=("zero", "constant", "decay"), help="of the trapezoid before its points")
    add("--tail", default="effective", choices=("physical", "effective"), help="of the trapezoid after its points")
    add("--json", action="store_true", help="print one JSON object instead of a table")


def _draws(text: str) -> int:
    number = int(text)
    if not 100 <= number <= 100_000:
        raise ValueError
    return number


def _tiac(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.nuclides.radionuclides import nuclide
    from PRRTUptakeLib.vocabulary import explained

    from PRRTDosimetryLib.kinetics.curve_table import read_curves, time_unit
    from PRRTDosimetryLib.kinetics.given_values import (
        check_administered,
        check_effect,
        check_relative_uncertainty,
    )
    from PRRTDosimetryLib.kinetics.options import options_from_text
    from PRRTDosimetryLib.kinetics.selection import integrate_all
    from PRRTDosimetryLib.kinetics.tables import (
        integral_as_json,
        integrals_as_text,
        monte_carlo_as_json,
        monte_carlo_as_text,
    )

    decay = nuclide(arguments.nuclide)
    check_relative_uncertainty(arguments.relative_u)
    options = options_from_text(
        (arguments.relative_u, arguments.sigma0_MBq),
        arguments.prior_teff_h,
        arguments.teff_h or (),
        arguments.u_teff_h or (),
        (arguments.start, arguments.tail),
    )
    curves = read_curves(arguments.curves, decay, arguments.decay_correction)
    options.require_regions(curve.region for curve in curves)
    check_administered(arguments.administered_MBq, curves)
    _refuse_without_population(arguments)
    if arguments.population:
        from PRRTDosimetryLib.population.from_text import population_use

        words = (arguments.cycle, arguments.earlier, arguments.covariate)
        use = population_use(arguments.population, decay, arguments.administered_MBq, words)
        use.require_kinds(curves)
        options = replace(options, population=use)
    check_effect(curves, arguments.model, options)
    found = integrate_all(curves, decay, arguments.model, options)
    administered = arguments.administered_MBq
    draws = arguments.monte_carlo
    if not arguments.json:
        lines = [monte_carlo_as_text(one, draws) for one in found] if draws else []
        print(f"Times of {arguments.curves.name} in {time_unit(arguments.curves)}.\n")
        print("\n".join([integrals_as_text(found, administered), *lines]))
        print("\n" + "\n".join(explained(word) for word in ("TIA", "u", "T_eff", "after last", "AICc")))
        return
    regions = {one.region: integral_as_json(one, administered) for one in found}
    if draws:
        for one in found:
            regions[one.region]["monte_carlo"] = monte_carlo_as_json(one, draws)
    print_json({"regions": regions, "time_unit": time_unit(arguments.curves)})


def _refuse_without_population(arguments: argparse.Namespace) -> None:
    """Refuse words that say something to a population only."""
    from PRRTDosimetryLib.kinetics.errors import KineticsError

    given = {"--cycle": arguments.cycle != 1, "--earlier": arguments.earlier, "--covariate": arguments.covariate}
    for name in (name for name, value in given.items() if value and not arguments.population):
        raise KineticsError(f"{name} has an effect with --population only: give that too, or leave it out.")


def _population_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="CURVES.csv|DIR", help="table of patients' curves, folder of a cohort, or 'synthetic'")
    add("-o", "--output", type=Path, required=True, metavar="POPULATION.json", help="file to write")
    add("--nuclide", default="Lu-177", help="of the curves, default Lu-177")
    add("--model", default="auto", choices=POPULATION_MODELS, help="default: auto, the smallest AIC")
    add("--covariates", nargs="+", default=[], metavar="NAME", help="columns such as egfr, or cycle")
    add("--times", nargs="+", metavar="H[+H]", help="sets of images to validate, such as 24 96 24+96")
    add("--no-validation", action="store_true", help="leave out the leave-one-out validation")
    add("--plots", type=Path, metavar="DIR", help="write a figure of the validation of each kind there")
    add("--curves", type=Path, metavar="CSV", help="with 'synthetic': write the curves too")
    add("--patients", type=int, default=20, metavar="N", help="with 'synthetic': how many, default 20")
    add("--source-words", default="", metavar="TEXT", help="whose patients, kept in the file")
    add("--json", action="store_true", help="print one JSON object")


def _population(chosen: argparse.Namespace) -> None:
    from PRRTUptakeLib.nuclides.radionuclides import nuclide

    from PRRTDosimetryLib.population.from_text import image_sets_from_text, source_population
    from PRRTDosimetryLib.population.making import Wanted
    from PRRTDosimetryLib.population.model import write_population
    from PRRTDosimetryLib.population.tables import population_json, population_text, validation_json, validation_text
    from PRRTDosimetryLib.population.validation import validate
    from PRRTDosimetryLib.report.population_figures import validation_figure, write_figure

    decay = nuclide(chosen.nuclide)
    sets = image_sets_from_text(chosen.times or ())
    wanted = Wanted(chosen.model, tuple(chosen.covariates))
    curves, made = source_population(
        chosen.source, decay, wanted, (chosen.patients, chosen.curves, chosen.source_words)
    )
    validated = [] if chosen.no_validation else validate(curves, made, decay, sets)
    write_population(made, chosen.output)
    for kind in made.kinds if chosen.plots and validated else ():
        write_figure(validation_figure(validated, kind), chosen.plots / f"validation_{kind}.svg")
    if chosen.json:
        print_json({**population_json(made), "validation": validation_json(validated)})
        return
    print(population_text(made))
    if validated:
        print(f"\n{validation_text(validated)}")
    print(f"\nPopulation: {chosen.output}")


def _timepoints_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--nuclide", required=True, help="for instance Lu-177")
    add("--regions", required=True, metavar="KIND[,KIND]", help="kidney, spleen, liver, marrow, lesion")
    add("--images", type=int, default=2, metavar="N", help="how many, 1 to 5; default 2")
    add(
        "--population",
        type=Path,
        metavar="FILE",
        help="file of prrt population; without it wide assumptions",
    )
    add("--injection", type=float, default=10.0, metavar="HOUR", help="of the day, default 10")
    add("--working-hours", nargs=2, type=float, default=(8.0, 17.0), metavar=("FROM", "TO"), help="default 8 17")
    add("--day", default="", metavar="DAY", help="of the injection, mon to sun: no images at weekends")
    add("--until", type=float, default=200.0, metavar="HOURS", help="latest image, default 200 h after the injection")
    add("--step", type=float, default=1.0, metavar="HOURS", help="between possible hours, default 1")
    add("--plot", type=Path, metavar="SVG", help="write the expected widths by hour")
    add("--json", action="store_true", help="print one JSON object")


def _timepoints(chosen: argparse.Namespace) -> None:
    from PRRTDosimetryLib.population.from_text import planned
    from PRRTDosimetryLib.population.planning import WorkingHours
    from PRRTDosimetryLib.population.tables import plan_json, plan_text
    from PRRTDosimetryLib.report.population_figures import plan_figure, write_figure

    opens, closes = chosen.working_hours
    hours = WorkingHours(chosen.injection, opens, closes, chosen.day.lower(), chosen.until, chosen.step)
    found = planned(chosen.population, chosen.nuclide, chosen.regions, chosen.images, hours)
    if chosen.plot:
        write_figure(plan_figure(found), chosen.plot)
    if chosen.json:
        print_json(plan_json(found))
        return
    print(plan_text(found))


def _run_with_doses(arguments: argparse.Namespace) -> None:
    from PRRTDosimetryLib.mrml.run import EXTENSIONS

    uptake.run(arguments, EXTENSIONS)


def _cohort_with_doses(arguments: argparse.Namespace) -> None:
    uptake.cohort(arguments, RUN_CASE)


def _demo_with_doses(arguments: argparse.Namespace) -> None:
    if arguments.kind == PHANTOM_DEMO:
        _phantom_demo(arguments)
        return
    from PRRTDosimetryLib.mrml.run import EXTENSIONS

    uptake.demo(arguments, EXTENSIONS)


def _phantom_demo(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.synthetic.camera_phantom_dicom import write_phantom_set

    from PRRTDosimetryLib.camera.run import make_camera
    from PRRTDosimetryLib.report.camera_report import camera_html, write_page
    from PRRTDosimetryLib.report.camera_text import camera_text, truth_text

    phantom = write_phantom_set(arguments.output / "phantom", seed=arguments.seed)
    camera, page = arguments.output / "CAMERA.json", arguments.output / "camera.html"
    made, content = make_camera(phantom, camera)
    write_page(camera_html(made, content), page)
    print(camera_text(made, content))
    print(f"\n{truth_text(made, phantom.parent / 'truth.json')}")
    print(f"\nCamera file: {camera}\nReport: {page}")


def _camera_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files",
        type=Path,
        nargs="+",
        metavar="PHANTOM.json",
        help="what was scanned and filled; or several CAMERA.json of other dates or sites, for their trend",
    )
    add("-o", "--output", type=Path, required=True, metavar="CAMERA.json", help="camera file (a CSV for a trend)")
    add("--html", type=Path, metavar="REPORT", help="write the page to print and sign")
    add("--json", action="store_true", help="print one JSON object")


def _camera(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.progress import ProgressPrinter

    from PRRTDosimetryLib.camera.run import are_cameras, make_camera
    from PRRTDosimetryLib.report.camera_report import camera_html, write_page
    from PRRTDosimetryLib.report.camera_text import camera_text

    if are_cameras(arguments.files):
        _camera_trend(arguments)
        return
    made, content = make_camera(arguments.files[0], arguments.output, ProgressPrinter())
    if arguments.html:
        write_page(camera_html(made, content), arguments.html)
    if arguments.json:
        print_json(content)
        return
    print(camera_text(made, content))
    print(f"\nCamera file: {arguments.output}")
    if arguments.html:
        print(f"Report: {arguments.html}")


def _camera_trend(arguments: argparse.Namespace) -> None:
    from dataclasses import asdict

    from PRRTUptakeLib.table_file import csv_text

    from PRRTDosimetryLib.camera.run import read_trends
    from PRRTDosimetryLib.report.camera_report import trend_html, write_page
    from PRRTDosimetryLib.report.camera_text import TREND_COLUMNS, trend_rows, trend_text

    found = read_trends(arguments.files)
    write_page(csv_text(TREND_COLUMNS, trend_rows(found)), arguments.output)
    if arguments.html:
        write_page(trend_html(found), arguments.html)
    if arguments.json:
        print_json({"trends": [asdict(one) for one in found]})
        return
    print(trend_text(found))
    print(f"\nTable: {arguments.output}")


def _review_with_doses(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.review.command import review

    from PRRTDosimetryLib.dosimetry.cycle import add_doses
    from PRRTDosimetryLib.dosimetry.dose_maps import add_dose_maps

    review(arguments, (add_doses, add_dose_maps))  # not of the node layer, whose import takes seconds


def _kernel_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nuclide", required=True, help="for instance Lu-177")
    parser.add_argument(
        "--spacing", required=True, nargs=3, type=float, metavar=("X", "Y", "Z"), help="voxel edges, mm"
    )
    parser.add_argument("--density", type=float, default=1.0, help="g/mL, default 1.0")
    parser.add_argument(
        "--radiation", default="all", choices=("all", "electrons", "beta", "photons"), help="default: all"
    )
    parser.add_argument("--range", type=float, default=200.0, help="reach of the kernel in mm, default 200")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the full table of voxels too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _kernel(chosen: argparse.Namespace) -> None:
    from PRRTDosimetryLib.dose.point_kernel import point_kernel
    from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel, write_kernel_csv

    kernel = voxel_kernel(
        chosen.nuclide, tuple(chosen.spacing), chosen.density, chosen.radiation, range_mm=chosen.range
    )
    printed = kernel.nearest_mGy_per_MBq_s()
    if chosen.csv:
        write_kernel_csv(kernel, chosen.csv)
    if chosen.json:
        print_json(
            {
                "S_mGy_per_MBq_s": {",".join(map(str, index)): value for index, value in printed.items()},
                "index_order": "k (z), j (y), i (x)",
                "energy_sum_keV": kernel.energy_keV + kernel.energy_beyond_keV,
                "energy_in_range_keV": kernel.energy_keV,
                "emitted_keV": point_kernel(chosen.nuclide, chosen.radiation).emitted_keV,
                "nuclide": kernel.nuclide,
                "radiation": kernel.radiation,
                "spacing_mm": kernel.spacing_mm,
                "density_g_per_mL": kernel.density_g_per_mL,
                "range_mm": chosen.range,
            }
        )
        return
    print("Voxels from the source to the target along z, y, x; the sign of an index makes no difference.")
    for index, value in printed.items():
        print(f"S({','.join(map(str, index))})  {value:.4e} mGy/(MBq s)   {_where(index, kernel.spacing_mm)}")
    total = kernel.energy_keV + kernel.energy_beyond_keV
    print(f"energy sum  {total:.2f} keV per decay, of which {kernel.energy_keV:.2f} keV within {chosen.range:g} mm")


def _where(index: tuple[int, int, int], spacing_mm: Sequence[float]) -> str:
    """Where a target voxel is, in words: "next in x (4 mm)"."""
    steps = [f"{axis} ({edge:g} mm)" for axis, edge, n in zip("xyz", spacing_mm, reversed(index), strict=True) if n]
    return f"next in {' and '.join(steps)}" if steps else "itself"


def _sphere_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nuclide", required=True, help="for instance Lu-177")
    parser.add_argument("--mass-g", required=True, type=float, metavar="M", help="mass of the sphere in g")
    parser.add_argument("--density", type=float, default=1.0, help="g/mL, default 1.0")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _sphere(chosen: argparse.Namespace) -> None:
    from dataclasses import asdict

    from PRRTDosimetryLib.dose.spheres import sphere_dose

    sphere = sphere_dose(chosen.nuclide, chosen.mass_g, chosen.density)
    if chosen.json:
        print_json(asdict(sphere))
        return
    print(f"S  {sphere.S_Gy_per_Bq_s:.4e} Gy/(Bq s)   {sphere.nuclide}, {sphere.mass_g:g} g")
    print(f"radius  {sphere.radius_mm:.2f} mm")
    electrons, photons = sphere.absorbed_fraction_electrons, sphere.absorbed_fraction_photons
    print(f"absorbed  {electrons:.1%} of electron energy, {photons:.1%} of photon energy")


def _selftest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the protocol to print and sign")
    parser.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the protocol")
    parser.add_argument("--site", default="", metavar="NAME", help="where, for the protocol")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _selftest(chosen: argparse.Namespace) -> None:
    from PRRTDosimetryLib.selftest.errors import SelfTestError
    from PRRTDosimetryLib.selftest.self_test import run_self_test, self_test_text, write_self_test

    result = run_self_test()
    if chosen.html:
        write_self_test(result, chosen.html, chosen.operator, chosen.site)
    if chosen.json:
        print_json(result.as_dict())
    else:
        print(self_test_text(result))
    if result.failed:
        raise SelfTestError(result.sentence)


COMMANDS: tuple[Command, ...] = (
    Command(
        "camera",
        "measure a camera's calibration, recovery, resolution and dead time from phantom images; or show its trend",
        _camera_arguments,
        _camera,
    ),
    Command("tiac", "integrate time-activity curves: TIA, half-life, uncertainty", _tiac_arguments, _tiac),
    Command(
        "population",
        "fit the kinetics of a centre's patients, for patients with few images",
        _population_arguments,
        _population,
    ),
    Command(
        "timepoints", "plan the hours at which few images say most of the dose", _timepoints_arguments, _timepoints
    ),
    Command(
        "kernel",
        "compute the dose of a voxel to itself and its neighbours, for any voxel size",
        _kernel_arguments,
        _kernel,
    ),
    Command("sphere", "compute the dose of a uniform sphere to itself, for any mass", _sphere_arguments, _sphere),
    Command("selftest", "compute known answers on this machine, to sign", _selftest_arguments, _selftest),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``prrt`` with ``arguments`` (``sys.argv`` by default, in a process of its own); returns the exit status."""
    if arguments is None:
        settle_process()
    with_doses = {
        "run": _run_with_doses,
        "cohort": _cohort_with_doses,
        "demo": _demo_with_doses,
        "review": _review_with_doses,
    }
    joined = [replace(one, run=with_doses.get(one.name, one.run)) for one in uptake.COMMANDS]
    return execute((*joined, *COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
