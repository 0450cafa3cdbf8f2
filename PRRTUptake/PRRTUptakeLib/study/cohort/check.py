"""Whether the cases of a cohort can be measured, and whether each patient is there once, before anything is run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.check import CaseCheck, check_case
from PRRTUptakeLib.study.cohort.cohort import find_cases
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortCheck:
    """Checks of all cases by name, the cases whose files are unusable with the reason, and problems between cases."""

    cases: dict[str, CaseCheck]
    unusable: dict[str, str]
    problems: tuple[str, ...]

    @property
    def faulty(self) -> int:
        """Number of cases that cannot be measured."""
        return len(self.unusable) + sum(bool(one.all_problems) for one in self.cases.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "cases": {name: one.as_dict() for name, one in self.cases.items()},
            "unusable": self.unusable,
            "problems": list(self.problems),
        }


def check_cohort(folder: Path) -> CohortCheck:
    """Check every case file below a folder.

    Raises
    ------
    StudyError
        If there is none.
    """
    paths = find_cases(folder)
    cases: dict[str, CaseCheck] = {}
    unusable: dict[str, str] = {}
    for name, path in paths.items():
        try:
            cases[name] = check_case(path)
        except PRRTError as error:
            unusable[name] = str(error)
    return CohortCheck(cases=cases, unusable=unusable, problems=(*overlaps(paths), *_same_series(cases)))


def refuse_overlaps(paths: Mapping[str, Path]) -> None:
    """Refuse a cohort in which two case files would measure the same thing, before hours of work.

    Raises
    ------
    StudyError
        If two case files have one patient id and a visit of the same name and cycle, or two patients one image folder.
    """
    found = overlaps(paths)
    if found:
        more = f" (and {len(found) - 1} more: see 'prrt check')" if len(found) > 1 else ""
        raise StudyError(f"{found[0]}{more}")


def overlaps(paths: Mapping[str, Path]) -> tuple[str, ...]:
    """Sentences on case files that overlap; one patient may have a case file per cycle, each visit once.

    Case files that cannot be read are left out here: their own run says why.
    """
    visits: dict[tuple[str, int, str], str] = {}
    folders: dict[Path, tuple[str, str]] = {}
    found = []
    for name, path in paths.items():
        patient, said = _said(path)
        for cycle, visit, folder in said:
            first = visits.setdefault((patient, cycle, visit), name)
            if first != name:
                found.append(
                    f"The cases '{first}' and '{name}' both have the patient id '{patient}' with visit '{visit}' of "
                    f"cycle {cycle}: give each patient an id, and each visit one case."
                )
            other, whose = folders.setdefault(folder, (name, patient))
            if whose != patient:
                found.append(
                    f"The cases '{other}' and '{name}' name the same images ({folder}) for the patients '{whose}' and "
                    f"'{patient}': correct one of them."
                )
    return tuple(dict.fromkeys(found))


def _said(path: Path) -> tuple[str, list[tuple[int, str, Path]]]:
    """Patient, and cycle, name and resolved image folder of each visit, as far as a case file can be read."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
        patient = str(content["patient"]).strip()
        visits = [
            (int(one["cycle"]), str(one["visit"]).strip(), (path.parent / str(one["dicom"])).resolve())
            for one in content["visits"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", []
    return patient, visits


def _same_series(cases: Mapping[str, CaseCheck]) -> list[str]:
    """Images that two patients' cases measure."""
    seen: dict[str, tuple[str, str, str]] = {}
    found = []
    for name, case in cases.items():
        for visit in case.visits:
            if not visit.uid:
                continue
            other, patient, where = seen.setdefault(visit.uid, (name, case.patient, visit.visit))
            if other == name:
                continue
            whose = f" for two patients, '{patient}' and '{case.patient}'" if patient != case.patient else ""
            found.append(
                f"The cases '{other}' (visit '{where}') and '{name}' (visit '{visit.visit}') measure the same "
                f"series (...{visit.uid[-12:]}){whose}."
            )
    return found
