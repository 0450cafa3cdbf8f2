"""``prrt run --verify``: run a bundle's case again and compare inputs, rules, every number and every segment."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PRRTUptakeLib.mrml.run import run_case
from PRRTUptakeLib.progress import Progress, silent
from PRRTUptakeLib.report.bundle import MANIFEST, BundleError, read_bundle
from PRRTUptakeLib.segmentation.dicom_contours import read_contours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.mrml.outcome import Extension

_RELATIVE = 1e-6  # between machines; on one machine the numbers are equal


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
    bundle: Path, case: Path | None = None, progress: Progress = silent, extensions: Sequence[Extension] = ()
) -> Verification:
    """Run the case of a bundle again, in a temporary folder, and compare.

    Parameters
    ----------
    bundle : what ``prrt bundle`` wrote.
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
        run_case(place, again, progress, extensions, has_dicom)
        anonymous = bool(json.loads(members[MANIFEST])["deidentified"])
        count, differences = _compare_tables(members, again, anonymous)
        differences = [*_compare_inputs(members, again), *differences]
        segments, others = _compare_segments(members, again, Path(folder) / "frozen")
    return Verification(count, segments, (*differences, *others))


def _case_of(members: dict[str, bytes], bundle: Path) -> Path:
    named = json.loads(members["provenance.json"])["parameters"].get("case", "")
    if named and Path(named).is_file():
        return Path(named)
    told = f"the case file {named} is not there" if named else "it is de-identified and names no case file"
    raise BundleError(f"{bundle.name} cannot be run again, {told}: give the case file too.")


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
    then = _values(members["measurements.csv"].decode("utf-8"), anonymous)
    now = _values((again / "measurements.csv").read_text(encoding="utf-8"), anonymous)
    differences = [
        f"{' '.join(key)} was {then.get(key, 'absent')} and is {now.get(key, 'absent')}."
        for key in {**then, **now}
        if not _equal(then.get(key), now.get(key))
    ]
    return len(then), differences


def _values(text: str, anonymous: bool) -> dict[tuple[str, ...], float]:
    reader = csv.reader(io.StringIO(text))
    header = next(reader)
    value = header.index("value")
    left_out = {value, header.index("uncertainty")} | ({header.index("patient")} if anonymous else set())
    return {
        tuple(cell for n, cell in enumerate(row) if n not in left_out and cell): float(row[value]) for row in reader
    }


def _equal(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=1e-12)


def _compare_segments(members: dict[str, bytes], again: Path, frozen: Path) -> tuple[int, list[str]]:
    """Every segment of every SEG, voxel by voxel."""
    count, differences = 0, []
    for name, data in members.items():
        if not name.endswith("/SEG.dcm"):
            continue
        path = frozen / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if not (again / name).is_file():
            differences.append(f"{name} did not come out again.")
            continue
        then, now = read_contours(path, ()), read_contours(again / name, ())
        by_name = {one.name: one for one in now}
        same = then.grid.matches(now.grid)
        for segment in then:
            count += 1
            found = by_name.get(segment.name)
            if not same or found is None or found.origin != segment.origin or (found.mask != segment.mask).any():
                differences.append(f"Segment '{segment.name}' of {name} is another one.")
    return count, differences
