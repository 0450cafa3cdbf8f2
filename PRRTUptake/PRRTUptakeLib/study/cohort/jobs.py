"""One patient of a cohort as a job: run once, whole or not at all, by any worker.

A patient's results are made in a folder of its own and moved into place whole, with a record of the inputs. What is
in place with a record that fits is done and is not made again; whatever else is found was interrupted.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import tempfile
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.case_files import case_files
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CASE_FILE, TABLE, RECORD = "case.json", "measurements.csv", "complete.json"
UNFINISHED = ".unfinished-"
# A scene and the standard streams belong to the process: threads of one Dask worker must take turns.
_ONE_AT_A_TIME = threading.Lock()


class Crash(str):
    """Reason of a failure that nobody foresaw: a fault of the program or the machine, not of the patient's data."""

    __slots__ = ()


@dataclass(frozen=True)
class Job:
    """One patient to run: plain words only, so that it travels to any worker.

    ``function`` names the function that runs a patient, "package.module:name"; it takes the case file and a folder
    that does not exist yet, and leaves at least measurements.csv there. ``settings`` is recorded, and a change of it
    makes the patient anew.
    """

    name: str
    case: str
    target: str
    log: str
    function: str
    settings: str = ""


def is_done(job: Job) -> bool:
    """Whether a patient's results are in place and were made from these very inputs."""
    try:
        record = json.loads((Path(job.target) / RECORD).read_text(encoding="utf-8"))
        if not (Path(job.target) / TABLE).is_file():
            return False
        return bool(record["settings"] == job.settings and _same_files(record["files"], Path(job.case)))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def run_job(job: Job) -> str:
    """Run one patient in this process; returns why it failed, in one line, or "" if its results are in place.

    The reason is a `Crash` if the failure was unforeseen.

    The traceback of an unforeseen failure, and what was printed, are kept in the log. Nothing is run where the results
    are in place already, as those of a cluster's worker that outlived the run that had begun them.
    """
    if is_done(job):
        return ""
    target, log = Path(job.target), Path(job.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name that nobody else can have: machines that share a disk may have equal names and process numbers.
    work = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{target.name}-", dir=target.parent))
    try:
        with _ONE_AT_A_TIME, log.open("w", encoding="utf-8") as printed, _redirected(printed):
            try:
                # Taken before the run: a file that changes meanwhile makes the patient anew next time.
                record = {"settings": job.settings, "files": _fingerprints(Path(job.case))}
                _function(job.function)(Path(job.case), work / "results")
                _put_in_place(work, target, record)
            except PRRTError as error:
                return str(error)
            except Exception as error:
                traceback.print_exc(file=printed)
                text = str(error).splitlines()
                return Crash(f"{type(error).__name__}: {text[0] if text else 'no message'} (see the log {log.name})")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return ""


@contextlib.contextmanager
def _redirected(stream: Any) -> Iterator[None]:
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield


def _function(name: str) -> Callable[[Path, Path], object]:
    module, _, attribute = name.partition(":")
    found: Callable[[Path, Path], object] = getattr(importlib.import_module(module), attribute)
    return found


def _put_in_place(work: Path, target: Path, record: dict[str, Any]) -> None:
    results = work / "results"
    if not (results / TABLE).is_file():
        raise StudyError(f"The run ended without writing {TABLE}.")
    (results / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if target.exists():  # made from other inputs: goes out with the rest of the working folder
        target.rename(work / "outdated")
    results.rename(target)


def _inputs_by_name(case: Path) -> dict[str, Path]:
    """Input files by their path relative to the case file's folder, so that a cohort may be moved."""
    folder = case.parent.resolve()
    return {Path(os.path.relpath(path, folder)).as_posix(): path for path in case_files(case)}


def _fingerprints(case: Path) -> dict[str, list[Any]]:
    found = {}
    for name, path in _inputs_by_name(case).items():
        status = path.stat()
        found[name] = [status.st_size, status.st_mtime_ns, _sha256(path)]
    return found


def _same_files(recorded: dict[str, list[Any]], case: Path) -> bool:
    """Size and time show at once that a file is the same; its content is hashed where only the time differs."""
    files = _inputs_by_name(case)
    if set(recorded) != set(files):
        return False
    for name, path in files.items():
        size, changed, digest = recorded[name]
        status = path.stat()
        if status.st_size != size or (status.st_mtime_ns != changed and _sha256(path) != digest):
            return False
    return True


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while box := stream.read(1 << 20):
            digest.update(box)
    return digest.hexdigest()
