"""``prrt run --verify``: run a bundle's case again and compare inputs, rules, every number, segment and map."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pydicom

from PRRTUptakeLib.export.bundle import MANIFEST, read_bundle
from PRRTUptakeLib.export.dicom_maps import read_map
from PRRTUptakeLib.export.dicom_rtdose import read_dose
from PRRTUptakeLib.export.dicom_sr import read_report
from PRRTUptakeLib.export.errors import BundleError
from PRRTUptakeLib.progress import Progress, no_progress
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.study.measurements import OPTIONAL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.imaging.volume import Volume

_RELATIVE = 1e-6  # between machines; on one machine the numbers are equal
_OF_HIGHEST = 2e-5  # of a map: a step of a dose in 16 bits is 1.5e-5


@dataclass(frozen=True)
class Verification:
    """What was compared, and what differs (sentences; none if all agrees)."""

    numbers: int
    segments: int
    differences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if not self.differences:
            return f"The bundle is verified: {self.numbers} numbers and {self.segments} segments came out again."
        more = f" (and {len(self.differences) - 1} more)" if len(self.differences) > 1 else ""
        return f"The bundle is NOT verified: {self.differences[0]}{more}"


def verify_bundle(
    bundle: Path,
    run_case: Callable[[Path, Path, Progress, bool], object],
    case: Path | None = None,
    progress: Progress = no_progress,
) -> Verification:
    """Run the case of a bundle again, in a temporary folder, and compare.

    Parameters
    ----------
    bundle : what ``prrt bundle`` wrote.
    run_case : measures a case file into a folder; called with how far it is; the last argument asks for DICOM.
    case : the case file; None for the one that the bundle names, which must still be there.

    Raises
    ------
    PRRTError
        If the bundle was changed, its case is not at hand, or the case cannot be run.
    """
    members = read_bundle(Path(bundle))
    place = Path(case) if case else _case_of(members, Path(bundle))
    with TemporaryDirectory(prefix="prrt-verify-") as folder:
        has_dicom = any(name.startswith("dicom/") for name in members)
        again = Path(folder) / "again"
        run_case(place, again, progress, has_dicom)
        anonymous = bool(json.loads(members[MANIFEST])["deidentified"])
        count, differences = _compare_tables(members, again, anonymous)
        differences = [*_compare_inputs(members, again), *differences]
        segments, others = _compare_objects(members, again, Path(folder) / "frozen")
    return Verification(count, segments, (*differences, *others))


def _case_of(members: dict[str, bytes], bundle: Path) -> Path:
    named = json.loads(members["provenance.json"])["parameters"].get("case", "")
    if named and Path(named).is_file():
        return Path(named)
    why = f"the case file {named} is not there" if named else "it is de-identified and names no case file"
    raise BundleError(f"{bundle.name} cannot be run again, {why}: give the case file too.")


def _compare_inputs(members: dict[str, bytes], again: Path) -> list[str]:
    """The rules and the input files have the same hashes as then."""
    then = json.loads(members["provenance.json"])
    now = json.loads((again / "provenance.json").read_text(encoding="utf-8"))
    found = []
    if then["parameters"]["protocol_sha256"] != now["parameters"]["protocol_sha256"]:
        found.append("The protocol has changed.")
    if "files_sha256" not in then:
        if then["inputs_sha256"] != sorted(now["files_sha256"].values()):
            found.append("The input files have changed.")
        return found
    before, after = then["files_sha256"], now["files_sha256"]
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [*found, *(f"The input file {name} has changed." for name in changed)]


def _compare_tables(members: dict[str, bytes], again: Path, anonymous: bool) -> tuple[int, list[str]]:
    texts = members["measurements.csv"].decode("utf-8"), (again / "measurements.csv").read_text(encoding="utf-8")
    # An older build wrote no intervals: what it did not state cannot differ.
    compared = _optional_columns(texts[0]) & _optional_columns(texts[1])
    then, now = (_values(text, anonymous, compared) for text in texts)
    differences = [
        f"{' '.join(key)} was {then.get(key, 'absent')} and is {now.get(key, 'absent')}."
        for key in {**then, **now}
        if not _equal(then.get(key), now.get(key))
    ]
    return len(then), differences


def _values(text: str, anonymous: bool, compared: set[str]) -> dict[tuple[str, ...], float]:
    """Every value, and every uncertainty and interval that is stated, by the other cells of its row."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader)
    value = header.index("value")
    stated = {name: header.index(name) for name in OPTIONAL_COLUMNS if name in header}
    left_out = {value, *stated.values()} | ({header.index("patient")} if anonymous else set())
    found = {}
    for row in reader:
        key = tuple(cell for n, cell in enumerate(row) if n not in left_out and cell)
        found[key] = float(row[value])
        for name, n in stated.items():
            if row[n] and name in compared:
                found[(*key, f"({name})")] = float(row[n])
    return found


def _optional_columns(text: str) -> set[str]:
    """Those of a table's optional columns that it has."""
    return {*next(csv.reader(io.StringIO(text)))} & {*OPTIONAL_COLUMNS}


def _equal(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=1e-12)


def _compare_objects(members: dict[str, bytes], again: Path, frozen: Path) -> tuple[int, list[str]]:
    """Every DICOM object: segments voxel by voxel, reports number by number, maps by their highest difference."""
    count, differences = 0, []
    for name, data in members.items():
        if not name.endswith(".dcm"):
            continue
        path = frozen / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if not (again / name).is_file():
            differences.append(f"{name} did not come out again.")
            continue
        kind = pydicom.dcmread(path, stop_before_pixels=True).Modality
        if kind == "SEG":
            segments, others = _compare_segments(name, path, again / name)
            count += segments if path.name == "SEG.dcm" else 0  # fractions are of the same segments
        elif kind == "SR":
            others = _compare_reports(name, path, again / name)
        else:
            others = _compare_maps(name, read_dose if kind == "RTDOSE" else read_map, path, again / name)
        differences += others
    return count, differences


def _compare_segments(name: str, frozen: Path, again: Path) -> tuple[int, list[str]]:
    then, now = read_contours(frozen, ()), read_contours(again, ())
    by_name = {one.name: one for one in now}
    same = then.grid.matches(now.grid)
    differences = []
    for segment in then:
        found = by_name.get(segment.name)
        if (
            not same
            or found is None
            or (found.origin, found.mask.shape) != (segment.origin, segment.mask.shape)
            or (found.mask != segment.mask).any()
        ):
            differences.append(f"Segment '{segment.name}' of {name} is another one.")
    return len(then.segments), differences


def _compare_reports(name: str, frozen: Path, again: Path) -> list[str]:
    then, now = ({(one.tracking_id, one.metric): one.value for one in read_report(path)} for path in (frozen, again))
    return [
        f"{metric} of {region} in {name} was {then.get((region, metric), 'absent')} and is "
        f"{now.get((region, metric), 'absent')}."
        for region, metric in {**then, **now}
        if not _equal(then.get((region, metric)), now.get((region, metric)))
    ]


def _compare_maps(name: str, read: Callable[[Path], Volume], frozen: Path, again: Path) -> list[str]:
    """Dose is stored in steps of its maximum, of which one may fall the other way on another machine."""
    then, now = read(frozen), read(again)
    if not then.grid.matches(now.grid):
        return [f"{name} is not where it was."]
    apart, highest = float(np.abs(then.array - now.array).max()), float(np.abs(then.array).max())
    if apart <= _OF_HIGHEST * highest:
        return []
    return [f"{name} differs by up to {apart:.4g} {then.units}, its highest value was {highest:.4g} {then.units}."]
