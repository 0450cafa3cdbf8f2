"""Write an assembled case: the case file, and beside it a folder with the DICOM that it names, series by series."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.draft import OpenQuestion
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.visit_segments import CONTOURS, IMAGES, SEGMENTS, folder_of, segments_of
from PRRTUptakeLib.atomic_write import atomic_directory, atomic_file
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.archive.draft import CaseDraft, DraftVisit

_MOST_LISTED = 200  # remarks in the file


def data_folder(case: Path) -> Path:
    """The folder beside a case file that holds its DICOM."""
    return case.with_name(f"{case.stem}_dicom")


def write_case(draft: CaseDraft, case: Path, source: str) -> Path:
    """Write the case file and its DICOM; both replace what an earlier assembly wrote.

    Images are hard links where the file system allows it, else copies.

    Parameters
    ----------
    draft : from `archive.assemble`.
    case : path of the case file.
    source : where the images are from, in words without secrets.

    Raises
    ------
    PRRTError
        If the place cannot be written, or the case would not be one by its schema.
    """
    if case.exists() and not _is_ours(case):
        raise ArchiveError(f"{case} exists and was not made by 'prrt case': choose another name with -o.")
    data = data_folder(case)
    visits: list[dict[str, Any]] = []
    with atomic_directory(data) as out:
        for visit in draft.visits:
            own = out / folder_of(visit)
            _link(visit.images, own / IMAGES)
            _link(visit.contours, own / CONTOURS, one_by_one=True)
            if visit.needs_segments and not visit.contours and not visit.masks:
                (own / SEGMENTS).mkdir(parents=True, exist_ok=True)
            visits.append(_visit(visit, f"{data.name}/{folder_of(visit)}", case))
    content = _content(draft, visits, source)
    with atomic_file(case) as work:
        work.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    load_case(case)
    return case


def _is_ours(case: Path) -> bool:
    try:
        return "assembled" in json.loads(case.read_text(encoding="utf-8"))["notes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _visit(visit: DraftVisit, base: str, case: Path) -> dict[str, Any]:
    content: dict[str, Any] = {"visit": visit.name, "cycle": visit.cycle, "dicom": f"{base}/{IMAGES}"}
    if visit.needs_segments:
        masks = [_relative(path, case) for path in visit.masks]
        path, question = segments_of(visit, base, masks)
        content["segments"] = path
        if question is not None:
            visit.questions.append(question)
    return {**content, **visit.keys}


def _relative(path: Path, case: Path) -> str:
    """A path as the case file has it, which is relative to it wherever there is a way."""
    try:
        return os.path.relpath(path.resolve(), case.resolve().parent).replace(os.sep, "/")
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _content(draft: CaseDraft, visits: Sequence[dict[str, Any]], source: str) -> dict[str, Any]:
    name = draft.patient_id.replace("/", "-").replace("\\", "-").strip(". ")[:64]
    content: dict[str, Any] = {"patient": name or "unnamed", "protocol": draft.protocol}
    if draft.patient_id:
        content["expected_patient_id"] = draft.patient_id
    content["visits"] = list(visits)
    questions = draft.all_questions
    if questions:
        content["questions"] = [one.as_dict() for one in questions]
    content["notes"] = {
        "assembled": {
            "by": f"prrt case {VERSION}",
            "source": source,
            "series": draft.series,
            "remarks": draft.remarks[:_MOST_LISTED],
        }
    }
    return content


def _link(series: Sequence[Sequence[Path]], folder: Path, one_by_one: bool = False) -> None:
    """Put files into a folder per series; with ``one_by_one`` folders are 1, 2, ... as choices name them."""
    for n, files in enumerate(series, start=1):
        own = folder / (f"{n}" if one_by_one else f"S{n:03d}")
        own.mkdir(parents=True, exist_ok=True)
        for m, file in enumerate(files, start=1):
            _one_link(file, own / f"I{m:05d}.dcm")


def _one_link(file: Path, target: Path) -> None:
    try:
        os.link(file.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)


__all__ = ["OpenQuestion", "data_folder", "write_case"]
