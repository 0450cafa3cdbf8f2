"""What is installed without a checkout holds the files that the libraries read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_built_package_finds_its_resources(tmp_path):
    pytest.importorskip("setuptools")
    tree = tmp_path / "tree"
    for name in ("PRRTUptake", "PRRTDosimetry"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, tree / name)
    built = tmp_path / "built"
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", built]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    code = (
        "from PRRTUptakeLib.study.protocol import available_protocols, load_protocol\n"
        "from PRRTDosimetryLib.population.model import shipped_population\n"
        "import PRRTUptakeLib\n"
        "print(PRRTUptakeLib.__file__, shipped_population(), *map(load_protocol, available_protocols()), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(built), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(built)) for line in done.stdout.splitlines()[:2])
