"""What pyproject.toml cannot say: a wheel holds the modules' Resources, inside their libraries."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
MODULES = ("PRRTUptake", "PRRTDosimetry")


class WithResources(build_py):
    """Copies ``Resources``, which Slicer has next to the libraries, into them; a checkout is used as it is."""

    def run(self) -> None:
        """Build the packages, then add what they read."""
        super().run()
        if not getattr(self, "editable_mode", False):
            for module in MODULES:
                target = Path(self.build_lib) / f"{module}Lib" / "Resources"
                shutil.copytree(HERE / module / "Resources", target, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithResources})
