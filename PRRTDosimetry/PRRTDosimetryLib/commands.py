"""The subcommands of dosimetry, and ``prrt`` itself: both sets joined.

Imports of the science stand inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, execute, print_json
from PRRTUptakeLib.commands import COMMANDS as UPTAKE_COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

TIAC_MODELS = (
    "auto",
    "mono",
    "uptake-clearance",
    "bi",
    "bi-uptake",
    "tri",
    "trapezoid",
    "single-time-point",
)


def _tiac_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("curves", type=Path, metavar="CURVES.csv", help="columns region, time_h, activity_MBq (then u_activity_MBq)")
    add("--nuclide", required=True, help="for instance Lu-177; no curve clears slower than its decay")
    add("--model", default="auto", choices=TIAC_MODELS, help="default: auto, by AICc or else the simplest adequate")
    add("--teff-h", nargs="+", metavar="[REGION=]HOURS", help="effective half-lives for regions with one time point")
    add("--u-teff-h", nargs="+", metavar="[REGION=]HOURS", help="their standard uncertainties")
    add("--administered-MBq", type=float, help="gives the coefficient TIAC = TIA / administered activity too")
    add("--relative-u", type=float, metavar="F", help="weights: sigma^2 = (F A)^2 + S^2; default: all points equal")
    add("--sigma0-MBq", type=float, metavar="S", help="weights: see --relative-u")
    add("--prior-teff-h", nargs=2, type=float, metavar=("MEDIAN", "GSD"), help="population half-life as a prior")
    add("--decay-correction", choices=("NONE", "START", "ADMIN"), help="of the input, as in DICOM; default: NONE")
    add("--start", default="constant", choices=("zero", "constant", "decay"), help="of the trapezoid before its points")
    add("--tail", default="effective", choices=("physical", "effective"), help="of the trapezoid after its points")
    add("--json", action="store_true", help="print one JSON object instead of a table")


def _tiac(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.imaging.radionuclides import nuclide

    from PRRTDosimetryLib.kinetics.curve_table import read_curves
    from PRRTDosimetryLib.kinetics.options import options_from_text
    from PRRTDosimetryLib.kinetics.selection import integrate
    from PRRTDosimetryLib.kinetics.tables import integral_as_json, integrals_as_text

    decay = nuclide(arguments.nuclide)
    options = options_from_text(
        (arguments.relative_u, arguments.sigma0_MBq),
        arguments.prior_teff_h,
        arguments.teff_h or (),
        arguments.u_teff_h or (),
        (arguments.start, arguments.tail),
    )
    curves = read_curves(arguments.curves, decay, arguments.decay_correction)
    found = [integrate(curve, decay, arguments.model, options) for curve in curves]
    administered = arguments.administered_MBq
    if arguments.json:
        print_json({"regions": {one.region: integral_as_json(one, administered) for one in found}})
    else:
        print(integrals_as_text(found, administered))


COMMANDS: tuple[Command, ...] = (
    Command("tiac", "integrate time-activity curves: TIA, half-life, uncertainty", _tiac_arguments, _tiac),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``prrt`` with ``arguments`` (``sys.argv`` by default); returns the exit status."""
    return execute((*UPTAKE_COMMANDS, *COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
