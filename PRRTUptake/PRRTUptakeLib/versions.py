"""Name and version of this software and of what takes part in its results."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

VERSION = "0.1.0"
_PACKAGES = ("slicer-core", "vtk", "numpy", "scipy", "SimpleITK", "pydicom", "highdicom")


def software() -> dict[str, str]:
    """Names and versions of everything that takes part in a result."""
    found = {"name": "SlicerPRRT", "version": VERSION, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # inside Slicer the core is the application itself
            continue
    return found
