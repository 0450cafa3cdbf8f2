"""Segments for one's own patient by an installed TotalSegmentator: run it, check what it wrote, adopt it into the case.

J. Wasserthal et al. 2023, doi:10.1148/ryai.230024. The tasks used here, ``total``, ``liver_segments``,
``liver_vessels`` and ``liver_lesions``, need no licence as of version 2.18; others of its tasks do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.case_writing import data_folder
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.atomic_write import atomic_directory, atomic_file
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.itk_images import write_mask
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.progress import Progress, no_progress
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.segmentation.label_matching import recognise
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.images import same_voxels
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.case import Case, Visit

PROGRAM = "TotalSegmentator"
DEFAULT_TASKS = ("total", "liver_lesions")
MULTI_LABEL = "--ml"  # its option for one file with all labels, in place of one file per structure
_SOURCE = "segmentation.json"
_GRID_mm = 0.5  # its files are on the grid of the CT; more than rounding is another image


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """Segments of one visit: where they are, which tasks of which version made them, names kept, and remarks."""

    visit: str
    folder: Path
    version: str
    names: tuple[str, ...]
    remarks: tuple[str, ...]


def segment_case(
    case: Path,
    tasks: Sequence[str] = DEFAULT_TASKS,
    program: str = PROGRAM,
    options: Sequence[str] = (),
    replace: bool = False,
    progress: Progress = no_progress,
) -> list[Adopted]:
    """Segment every visit of a case that has no segments yet, and name them in the case file.

    Parameters
    ----------
    tasks : of TotalSegmentator.
    program : name or path.
    options : further options for it, such as ``--fast`` or MULTI_LABEL.
    replace : segment visits again that have segments by this function.

    Raises
    ------
    PRRTError
        If the program is missing or fails, a visit has no CT, or what was written is not usable; the case is as it was.
    """
    found = shutil.which(program)
    if found is None:
        raise ArchiveError(
            f"{program} is not installed: 'pip install TotalSegmentator' in an environment of its own and add it to "
            "PATH, name it by --program, or segment in Slicer with its extension TotalSegmentator."
        )
    loaded = load_case(case)
    todo = [(n, one) for n, one in enumerate(loaded.visits) if one.drawn_on is None and _is_open(one, replace)]
    if not todo:
        raise ArchiveError(f"Every visit of {case.name} has segments: remove them, or use --replace.")
    version = _version(found)
    made = []
    for step, (n, visit) in enumerate(todo):
        progress(step / len(todo), f"{PROGRAM} on the CT of visit {visit.visit}")
        series = _ct_of(visit)
        segmentation = _segmented(found, series, tasks, options)
        made.append((n, _adopt(loaded, visit, segmentation, series, (version, tuple(tasks)))))
    _name_in_case(case, made, version, tasks)
    progress(1.0, "done")
    return [one for _, one in made]


def _is_open(visit: Visit, replace: bool) -> bool:
    """Whether a visit's segments are an empty folder, or ours that are to be made anew."""
    if not visit.segments.is_dir():
        return False
    content = [one for one in visit.segments.iterdir() if not one.name.startswith(".")]
    return not content or (replace and (visit.segments / _SOURCE).is_file())


def _ct_of(visit: Visit) -> Series:
    """The CT that is segmented: with contrast agent if there is one, else the one with most slices."""
    found = [one for one in find_series(visit.dicom) if one.modality == "CT"]
    if not found:
        raise ArchiveError(f"Visit '{visit.visit}' has no CT, which {PROGRAM} needs: segment by hand, or add the CT.")
    return max(found, key=lambda one: ("ContrastBolusAgent" in one.headers[0].dataset, len(one.files)))


def _version(program: str) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArchiveError(f"{program} cannot be started ({error}): install it again.") from None
    words = (done.stdout.strip() or done.stderr.strip()).splitlines()
    if done.returncode or not words:
        raise ArchiveError(f"{program} does not say its version: install TotalSegmentator again.")
    return words[-1].strip()


def _segmented(program: str, series: Series, tasks: Sequence[str], options: Sequence[str]) -> Segmentation:
    """Masks of all tasks on one CT, checked to be on its grid."""
    with tempfile.TemporaryDirectory(prefix="prrt-segment-") as place:
        images, masks = Path(place) / "ct", Path(place) / "masks"
        images.mkdir()
        for n, file in enumerate(series.files):
            shutil.copyfile(file, images / f"{n:05d}.dcm")
        for task in tasks:
            masks.mkdir(exist_ok=True)
            target = masks / (f"{task}.nii.gz" if MULTI_LABEL in options else task)
            _run([program, "-i", str(images), "-o", str(target), "--task", task, *options], task)
        every = masks / "every"
        every.mkdir()
        for task in tasks:
            written = [masks / f"{task}.nii.gz", *sorted((masks / task).rglob("*.nii.gz"))]
            for file in (one for one in written if one.is_file()):
                if not (every / file.name).exists():  # a structure of two tasks is that of the first
                    file.rename(every / file.name)
        if not any(every.iterdir()):
            raise ArchiveError(f"{PROGRAM} ended without a mask for the tasks {', '.join(tasks)}: run it by hand.")
        segmentation = read_segment_folder(every)
    arranged = arrange(series)
    grid = Grid(arranged.shape, arranged.ijk_to_ras)
    if not same_voxels(segmentation.grid, grid, _GRID_mm):
        raise ArchiveError(
            f"{PROGRAM} wrote masks on another grid ({segmentation.grid.described()}) than that of {series.label} "
            f"({grid.described()}): they are not used."
        )
    return segmentation


def _run(command: Sequence[str], task: str) -> None:
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    except OSError as error:
        raise ArchiveError(f"{PROGRAM} cannot be started ({error.strerror}): install it again.") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1][:300]
        raise ArchiveError(f"{PROGRAM} failed in its task {task} ({words}): run it by hand to see more.")


def _adopt(
    case: Case, visit: Visit, segmentation: Segmentation, series: Series, made_by: tuple[str, tuple[str, ...]]
) -> Adopted:
    """Write what a case has use of into the visit's folder, with where it is from."""
    version, tasks = made_by
    kept, remarks = _useful(segmentation, visit.visit)
    folder = visit.segments
    if folder == visit.dicom or data_folder(case.path).resolve() not in folder.resolve().parents:
        folder = case.path.with_name(f"{case.path.stem}_segments") / f"{visit.cycle}-{visit.visit}"
    facts = {
        "program": PROGRAM,
        "version": version,
        "tasks": list(tasks),
        "series_uid": series.uid,
        "series": series.label,
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    with _filled(folder) as out:
        for segment in segmentation:
            if segment.name in kept:
                write_mask(
                    segment.full_mask(segmentation.grid.shape), segmentation.grid, out / f"{segment.name}.nii.gz"
                )
        (out / _SOURCE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return Adopted(visit=visit.visit, folder=folder, version=version, names=kept, remarks=remarks)


def _filled(folder: Path) -> Any:
    """An atomic folder where an empty one, or our own, is now."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return atomic_directory(folder)


def _useful(segmentation: Segmentation, visit: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of segments that are known structures with voxels, and what a reader has to know of the rest."""
    found = recognise([one.name for one in segmentation])
    filled = {one.name for one in segmentation if one.voxel_count}
    kept = tuple(one.segment for one in found if one.certain and one.segment in filled)
    structures = {one.structure for one in found if one.segment in kept}
    if not any(one.startswith("liver") and "lesion" not in one for one in structures):
        raise ArchiveError(f"{PROGRAM} found no liver on the CT of visit '{visit}': is the abdomen on it?")
    remarks = []
    if not any("lesion" in one for one in structures):
        remarks.append(f"Visit '{visit}': no liver lesion was found; draw those that there are.")
    empty = [one.segment for one in found if one.certain and one.segment not in filled]
    if empty:
        remarks.append(f"Visit '{visit}': empty and left out: {', '.join(empty[:8])}{' ...' * (len(empty) > 8)}.")
    return kept, tuple(remarks)


def _name_in_case(case: Path, made: Sequence[tuple[int, Adopted]], version: str, tasks: Sequence[str]) -> None:
    """Put the folders into the case file, and take the questions on them out; provenance in its notes."""
    content = read_json_file(case, Place(file=case.name, base=case.parent, error=ArchiveError))
    for n, one in made:
        content["visits"][n]["segments"] = os.path.relpath(one.folder, case.resolve().parent).replace(os.sep, "/")
    settled = {f"visits[{n}].segments" for n, _ in made}
    left = [one for one in content.get("questions", []) if one.get("key") not in settled]
    content.pop("questions", None)
    if left:
        content["questions"] = left
    content.setdefault("notes", {})["segmentation"] = {
        "program": PROGRAM,
        "version": version,
        "tasks": list(tasks),
        "visits": [one.visit for _, one in made],
    }
    with atomic_file(case) as work:
        work.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        try:
            load_case(work)
        except PRRTError as error:
            raise ArchiveError(str(error).replace(work.name, case.name)) from error
