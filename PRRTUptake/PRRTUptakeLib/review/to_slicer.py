"""A case under review, with what was decided on it, in Slicer: run by ``prrt run`` as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.study.readings.settings import case_with_reading

if TYPE_CHECKING:
    from PRRTUptakeLib.study.readings.reading import Reading

SLICER = "PRRT_SLICER"
"""Variable of the environment that names Slicer's program, where it is not on the search path."""
_SCENE = "patient.mrb"
_RUN = (
    "import sys\n"
    "try:\n"
    "    from PRRTDosimetryLib.commands import main\n"
    "except ImportError:\n"
    "    from PRRTUptakeLib.commands import main\n"
    "sys.exit(main())"
)


def find_slicer() -> Path | None:
    """Slicer's program: the one that `SLICER` names, else "Slicer" on the search path; None where there is none.

    Raises
    ------
    ReviewError
        If the variable names a file that is not there.
    """
    named = os.environ.get(SLICER, "")
    if named:
        if not Path(named).is_file():
            raise ReviewError(f"{SLICER} is '{named}', which is no file: name Slicer's program.")
        return Path(named)
    found = shutil.which("Slicer")
    return Path(found) if found else None


def open_scene(scene: Path) -> str:
    """Start Slicer with a scene; a sentence on what was done, or what to do where Slicer is not found.

    Raises
    ------
    ReviewError
        If Slicer cannot be started.
    """
    program = find_slicer()
    if program is None:
        return f"Slicer was not found: open {scene} in it, or name its program by {SLICER}."
    try:
        subprocess.Popen(  # Slicer goes on when the review ends
            [str(program), str(scene.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ReviewError(f"{program} cannot be started ({error.strerror}): open {scene} in Slicer.") from error
    return f"Slicer opens {scene}."


def to_slicer(case: Path, reading: Reading) -> str:
    """Run a case with a reading's decisions in a temporary folder, and open its scene in Slicer; a sentence on it.

    Parameters
    ----------
    case : the case file.
    reading : what was decided; an empty one for the case as it is.

    Raises
    ------
    PRRTError
        If the case cannot be run, or Slicer cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="prrt-slicer-"))
    if any(not one.is_empty for one in reading.visits):
        case = case_with_reading(case, reading, folder / "case.json", "review")
    command = [sys.executable, "-c", _RUN, "run", str(case), "-o", str(folder / "results")]
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    scene = folder / "results" / _SCENE
    if done.returncode or not scene.is_file():
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise ReviewError(f"The case could not be run for Slicer: {said}")
    return open_scene(scene)
