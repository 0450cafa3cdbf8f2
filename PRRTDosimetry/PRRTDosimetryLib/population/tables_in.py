"""What a population is made from: a table of curves of many patients, or the folder of results of a cohort."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import read_csv, require_unit
from PRRTUptakeLib.table_file import cell_number

from PRRTDosimetryLib.kinetics.curve_table import read_curves_by
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.given_values import check_administered
from PRRTDosimetryLib.population.courses import KINDS
from PRRTDosimetryLib.population.curve_sets import PatientCurve, check_covariate, kind_of
from PRRTDosimetryLib.population.errors import PopulationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.table_file import Row

MEASUREMENTS = "measurements.csv"
ACTIVITY, HOURS, ADMINISTERED = "activity", "time_after_injection", "administered_activity"
"""Metrics of measurements.csv from which curves are made."""


def read_patients(path: Path, decay: Radionuclide, covariates: Sequence[str] = ()) -> list[PatientCurve]:
    """Curves of many patients from a table, or from a folder of results.

    Parameters
    ----------
    path : a table with the columns patient, region, time_h, activity_MBq, and, where known, cycle, kind,
        administered_MBq, u_activity_MBq and covariates; or a folder that ``prrt cohort`` or ``prrt run`` wrote.
    decay : the nuclide.
    covariates : columns that are read; "cycle" is the number of the cycle.

    Raises
    ------
    PRRTError
        If a table cannot be read, lacks a column, or contradicts itself.
    """
    if path.is_dir():
        return _of_folder(path, covariates)
    found = []
    for (patient, cycle, kind), curve, rows in read_curves_by(path, decay, keys=("patient", "cycle", "kind")):
        where = f"{path.name}, line {rows[0].line}"
        if not patient:
            raise PopulationError(f"{where}: the patient is empty; a population needs a column 'patient'.")
        administered = _same_number(rows, "administered_MBq")
        if not math.isnan(administered):
            _check_given(administered, curve, where)
        number = _cycle(cycle, where)
        values = {name: _same_number(rows, name) for name in covariates if name != "cycle"}
        found.append(
            PatientCurve(
                patient,
                curve.region,
                number,
                _kind(kind, curve.region, where),
                curve,
                1.0 if math.isnan(administered) else administered,
                _known({**values, "cycle": float(number)}),
            )
        )
    return checked(found, path.name)


def _check_given(administered_MBq: float, curve: Curve, where: str) -> None:
    try:
        check_administered(administered_MBq, [curve])
    except KineticsError as error:
        raise PopulationError(f"{where}: {error}") from error


def checked(curves: Sequence[PatientCurve], source: str) -> list[PatientCurve]:
    """The curves of kinds with a population, once they can belong together.

    Raises
    ------
    PopulationError
        If only some have an administered activity, or none is of a known kind.
    """
    own = [one for one in curves if one.kind]
    if not own:
        raise PopulationError(
            f"{source} has no region of a known kind ({', '.join(KINDS)}): name it in a column 'kind'."
        )
    without = [one for one in own if one.administered_MBq == 1]
    if without and len(without) < len(own):
        raise PopulationError(
            f"{source}: patient {without[0].patient} has no administered_MBq, but others have: give it for all or none."
        )
    return own


def _kind(stated: str, region: str, where: str) -> str:
    if stated and stated not in KINDS:
        raise PopulationError(f"{where}: the kind '{stated}' is not one of {', '.join(KINDS)}.")
    return stated or kind_of(region)


def _cycle(text: str, where: str) -> int:
    if not text:
        return 1
    text = re.sub(r"\.0+$", "", text)  # a spreadsheet's 1.0
    if not text.isdigit() or int(text) < 1:
        raise PopulationError(f"{where}: the cycle '{text}' is not a whole number from 1.")
    return int(text)


def _same_number(rows: Sequence[Row], column: str) -> float:
    """The number that all rows of a curve have in a column, nan where it is missing."""
    values = {row.text(column) for row in rows if not row.is_missing(column)}
    if len(values) > 1:
        raise PopulationError(
            f"{rows[0].table}, line {rows[0].line}: {column} differs within one curve ({', '.join(sorted(values))}); "
            "it must be the same for all points."
        )
    number = next((cell_number(row, column, KineticsError) for row in rows if not row.is_missing(column)), math.nan)
    if column == "administered_MBq" and number <= 0:
        raise PopulationError(f"{rows[0].table}, line {rows[0].line}: {column} is {number:g}, but must be above 0.")
    return number


def _known(values: dict[str, float]) -> dict[str, float]:
    for name, value in values.items():
        if not math.isnan(value):
            check_covariate(name, value)
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _of_folder(folder: Path, covariates: Sequence[str]) -> list[PatientCurve]:
    unknown = [name for name in covariates if name != "cycle"]
    if unknown:
        raise PopulationError(
            f"A folder of results has no covariate '{unknown[0]}': give a table of curves with that column."
        )
    own = folder / MEASUREMENTS
    files = [own] if own.is_file() else sorted(folder.rglob(MEASUREMENTS))
    if not files:
        raise PopulationError(
            f"{folder} holds no {MEASUREMENTS}: give the folder that 'prrt cohort' or 'prrt run' wrote."
        )
    rows = [row for path in files for row in read_csv(path)]
    found = list(curves_of_rows(rows))
    if not found:
        raise PopulationError(
            f"The tables in {folder} have no rows '{ACTIVITY}' with their times: measure the patients again with this "
            "version, each with at least two images in a cycle."
        )
    return checked(found, str(folder.name))


def curves_of_rows(rows: Iterable[Measurement]) -> Iterable[PatientCurve]:
    """Curves from rows of measurements.csv: activities with the hours and the administered activity of their visits."""
    points: dict[tuple[str, int, str], list[tuple[float, float, float]]] = {}
    roles: dict[tuple[str, int, str], str] = {}
    hours: dict[tuple[str, int, str], float] = {}
    administered: dict[tuple[str, int], float] = {}
    kept = [row for row in rows if row.metric in (ACTIVITY, HOURS, ADMINISTERED)]
    for row in kept:
        require_unit(row, "h" if row.metric == HOURS else "MBq")
        if row.metric == HOURS:
            hours[row.patient, row.cycle, row.visit] = row.value
        elif row.metric == ADMINISTERED:
            administered[row.patient, row.cycle] = row.value
    for row in kept:
        if row.metric == ACTIVITY and (row.patient, row.cycle, row.visit) in hours:
            key = (row.patient, row.cycle, row.region)
            point = (hours[row.patient, row.cycle, row.visit], row.value, row.uncertainty)
            points.setdefault(key, []).append(point)
            roles[key] = row.role
    for (patient, cycle, region), own in points.items():
        own.sort()
        u = () if any(math.isnan(one[2]) for one in own) else tuple(one[2] for one in own)
        kind = "lesion" if roles[patient, cycle, region] in ("target", "lesion") else kind_of(region)
        yield PatientCurve(
            patient,
            region,
            cycle,
            kind,
            Curve(region, tuple(one[0] for one in own), tuple(one[1] for one in own), u),
            administered.get((patient, cycle), 1.0),
            {"cycle": float(cycle)},
        )
