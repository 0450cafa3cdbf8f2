"""Packages that Slicer does not bundle: offered when they are needed, with the user's consent, never at start-up.

>>> from PRRTUptakeLib.panel.packages import offer  # doctest: +SKIP
>>> offer("statistics")  # in Slicer's Python console, before a mixed model  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError

# What it is for -> the name by which it is imported, and what is installed; the same limits as in pyproject.toml.
PACKAGES = {
    "excel": ("openpyxl", "openpyxl>=3.1"),
    "statistics": ("statsmodels", "statsmodels>=0.14"),
    "distributed": ("distributed", "distributed>=2024.1"),
}


def offer(purpose: str) -> None:
    """See that the package for a purpose is there; where it is not, ask the user and install it.

    Parameters
    ----------
    purpose : one of PACKAGES.

    Raises
    ------
    PRRTError
        If the user declines, or it could not be installed.
    """
    name, requirement = PACKAGES[purpose]
    if find_spec(name) is not None:
        return
    from slicer.packaging import pip_ensure

    reason = ""
    try:
        pip_ensure([requirement], requester="PRRT")
    except Exception as error:  # whatever pip or the dialog raise is one sentence to the user
        reason = f" ({error})"
    importlib.invalidate_caches()
    if find_spec(name) is None:
        raise PRRTError(
            _("The package {name} is not installed{reason}: switch off what needs it, or agree next time.").format(
                name=name, reason=reason
            )
        )
