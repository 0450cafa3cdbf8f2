"""The words of dosimetry that people write on the command line, in settings and in panels, each defined once."""

from __future__ import annotations

TIAC_MODELS = (
    "auto",
    "mono",
    "uptake-clearance",
    "bi",
    "bi-uptake",
    "tri",
    "trapezoid",
    "single-time-point",
)
