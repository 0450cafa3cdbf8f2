"""A stand-in of the Slicer application on slicer-core and PySide6, for tests of the panels without Slicer.

It has what the panels use and behaves as PythonQt does; what real Slicer does not have, it refuses. Use the fixture
``slicer_application`` of ``conftest.py``, which skips aloud where Qt's system libraries are missing.
"""

from __future__ import annotations

import os
import sys

INSTALL = "apt-get install -y --no-install-recommends libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1"


def missing() -> str:
    """Why Qt cannot be used here, with the line that mends it; "" where it can."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        import PySide6

        if PySide6.__version_info__ >= (6, 12) and sys.version_info < (3, 12):  # it loses references to None and True
            return "this PySide6 ends Python below 3.12: pip install 'PySide6-Essentials<6.12'"
        from PySide6 import QtUiTools, QtWidgets  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{error}: pip install PySide6-Essentials"
    except ImportError as error:
        return f"{error}: {INSTALL}"
    return ""
