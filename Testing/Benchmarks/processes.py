"""Whole processes of one build of ``prrt``, with the CPU seconds and the peak memory of each."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLD = "49ef645"  # the build that the targets were stated against
_MAIN = "import sys; sys.argv[0] = 'prrt'; from PRRTDosimetryLib.commands import main; sys.exit(main())"


@dataclass(frozen=True)
class Cost:
    """What one process took: user and system seconds of all its threads, and its greatest resident memory."""

    cpu_s: float
    peak_MB: float


@dataclass(frozen=True)
class Build:
    """A folder with the two modules, and where its compiled files are kept: the first run of each is not timed."""

    name: str
    folder: Path
    cache: Path

    def environment(self) -> dict[str, str]:
        """Two threads, this build's sources and no other's."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        paths = os.pathsep.join(str(self.folder / module) for module in ("PRRTUptake", "PRRTDosimetry"))
        return {**kept, "PYTHONPATH": paths, "PYTHONPYCACHEPREFIX": str(self.cache), "OMP_NUM_THREADS": "2"}

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """``prrt`` with arguments; standard error is a pipe."""
        command = [sys.executable, "-u", "-c", _MAIN, *map(str, arguments)]
        return subprocess.Popen(
            command, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.cache.parent
        )

    def cost(self, *arguments: object) -> Cost:
        """Run ``prrt`` to its end.

        Raises
        ------
        RuntimeError
            If it does not end with status 0.
        """
        process = self.start(*arguments)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise RuntimeError(f"{self.name}: prrt {arguments[0]} ended with {process.returncode}: {said[-400:]!r}")
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0)

    def cpu_to_first_line(self, *arguments: object) -> Cost:
        """CPU seconds until something is on standard error (Linux); then the process is ended."""
        process = self.start(*arguments)
        assert process.stderr is not None
        try:
            process.stderr.read(1)
            fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        return Cost((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), float("nan"))


def this_build(work: Path) -> Build:
    """The build that this file belongs to."""
    return Build("this build", ROOT, _made(work / "cache_new"))


def old_build(work: Path) -> Build | str:
    """The old build, unpacked into ``work``, or one sentence on why it is not to be had."""
    got = subprocess.run(["git", "-C", str(ROOT), "archive", OLD], capture_output=True, check=False)
    if got.returncode:
        return f"The old build {OLD} cannot be checked out ({got.stderr.decode().strip()}): fetch the whole history."
    folder = _made(work / "old")
    with tarfile.open(fileobj=BytesIO(got.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Build(f"build {OLD}", folder, _made(work / "cache_old"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
