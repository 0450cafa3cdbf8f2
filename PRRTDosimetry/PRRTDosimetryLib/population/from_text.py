"""Populations and plans from the words of the command line and the panel."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.progress import Progress, no_progress

from PRRTDosimetryLib.kinetics.curve_table import read_curves
from PRRTDosimetryLib.population.assumed import assumed_population
from PRRTDosimetryLib.population.courses import KINDS
from PRRTDosimetryLib.population.curve_sets import PatientCurve, kind_of
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.individual import PopulationUse
from PRRTDosimetryLib.population.making import Wanted, make_population
from PRRTDosimetryLib.population.model import hashes, read_population, shipped_population
from PRRTDosimetryLib.population.planning import Plan, WorkingHours, plan
from PRRTDosimetryLib.population.synthetic import NUCLIDE, curves_text, synthetic_patients
from PRRTDosimetryLib.population.tables_in import MEASUREMENTS, read_patients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.population.model import Population

SYNTHETIC = "synthetic"
_SEED, _CYCLES = 22, 2


def source_population(
    source: str, decay: Radionuclide, wanted: Wanted, more: tuple[int, Path | None, str] = (20, None, "")
) -> tuple[list[PatientCurve], Population]:
    """Curves and population of a table, a folder of results, or "synthetic".

    Parameters
    ----------
    source : path, or "synthetic".
    decay : nuclide of the curves.
    wanted : form and covariates.
    more : number of synthetic patients, where to write their curves, and whose patients a source is, in words.

    Raises
    ------
    PRRTError
        If the curves cannot be read, or are too few.
    """
    patients, table, words = more
    if source == SYNTHETIC:
        if not 5 <= patients <= 500:
            raise PopulationError(f"{patients} synthetic patients are not made: give 5 to 500.")
        if decay.name != NUCLIDE:
            raise PopulationError(f"Synthetic patients have {NUCLIDE}, not {decay.name}: leave out the nuclide.")
        curves, _ = synthetic_patients(patients, _SEED, cycles=_CYCLES)
        if table is not None:
            with atomic_file(table, PopulationError) as part:
                part.write_text(curves_text(curves), encoding="utf-8", newline="\n")
        made = make_population(curves, decay, wanted)
        words = f"{patients} synthetic patients, no people"
        return curves, replace(made, synthetic=True, source=words, name="the synthetic population")
    path = Path(source)
    curves = read_patients(path, decay, wanted.covariates)
    files = [path] if path.is_file() else sorted(path.rglob(MEASUREMENTS))
    return curves, replace(make_population(curves, decay, wanted), inputs=hashes(files), source=words)


def population_use(
    path: Path,
    decay: Radionuclide,
    administered_MBq: float | None,
    words: tuple[int, Sequence[Path], Sequence[str]] = (1, (), ()),
) -> PopulationUse:
    """How curves of one cycle are integrated by a population.

    Parameters
    ----------
    path : POPULATION.json.
    decay : nuclide of the curves.
    administered_MBq : of this cycle; None where it is not known.
    words : number of the cycle, tables of the patient's earlier cycles (in their order, the last just before this one),
        and covariates as NAME=VALUE.

    Raises
    ------
    PRRTError
        If a file cannot be read, or a word means nothing.
    """
    cycle, tables, covariates = words
    if cycle < 1 or (tables and len(tables) >= cycle):
        raise PopulationError(
            f"Cycle {cycle} cannot follow {len(tables)} earlier one(s): give the number of the cycle, counted from 1."
        )
    amount = math.nan if administered_MBq is None else administered_MBq
    population = read_population(named(path))
    if tables and population.per_administered and math.isnan(amount):
        raise PopulationError(f"{population.name} is per administered activity: give --administered-MBq too.")
    share = amount if population.per_administered else 1.0
    earlier = []
    for back, table in enumerate(reversed(tables), start=1):
        for curve in read_curves(table, decay):
            number = cycle - back
            numbers = {"cycle": float(number)}
            earlier.append(PatientCurve("", curve.region, number, kind_of(curve.region), curve, share, numbers))
    return PopulationUse(
        population=population,
        administered_MBq=amount,
        cycle=cycle,
        earlier=tuple(earlier),
        covariates=covariates_from_text(covariates),
    )


def named(path: Path) -> Path:
    """A population's file; the word "synthetic" names the one that is shipped for tests and the tutorial."""
    return shipped_population() if str(path) == SYNTHETIC and not path.exists() else path


def covariates_from_text(words: Sequence[str]) -> dict[str, float]:
    """Covariates of NAME=VALUE.

    Examples
    --------
    >>> covariates_from_text(["egfr=60"])
    {'egfr': 60.0}
    """
    found = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise PopulationError(f"'{word}' is no covariate: write NAME=VALUE, such as egfr=60.")
        found[name] = value
    return found


def image_sets_from_text(words: Sequence[str]) -> list[tuple[float, ...]]:
    """Sets of hours of H or H+H.

    Examples
    --------
    >>> image_sets_from_text(["24", "24+96"])
    [(24.0,), (24.0, 96.0)]
    """
    found = []
    for word in words:
        try:
            hours = tuple(float(part) for part in word.split("+"))
        except ValueError:
            hours = ()
        if not hours or not all(0 < hour < 2000 for hour in hours) or len(set(hours)) < len(hours):
            raise PopulationError(f"'{word}' is no set of images: write hours above 0, such as 24 or 24+96.")
        found.append(tuple(sorted(hours)))
    return found


def planned(
    path: Path | None,
    nuclide_name: str,
    regions: str,
    images: int,
    hours: WorkingHours | None = None,
    progress: Progress = no_progress,
) -> Plan:
    """A plan from words; without a population by wide assumptions.

    Parameters
    ----------
    path : POPULATION.json, or None.
    nuclide_name : of the therapy.
    regions : kinds, separated by commas.
    images, hours, progress : see `planning.plan`.

    Raises
    ------
    PRRTError
        If a kind is not known, or the file cannot be read.
    """
    decay = nuclide(nuclide_name)
    kinds = [word.strip().lower() for word in regions.split(",") if word.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise PopulationError(f"'{kind}' is no kind of region: give {', '.join(KINDS)}, separated by commas.")
    assumed = assumed_population(kinds, decay.name, decay.half_life_h)
    population = assumed if path is None else read_population(named(path))
    return plan(population, kinds, images, decay.decay_constant_per_h, hours, progress=progress)
