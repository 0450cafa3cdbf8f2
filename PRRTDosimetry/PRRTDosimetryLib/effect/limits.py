"""Reference values of tolerance from the literature: shown beside a dose, never as pass or fail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReferenceLimit:
    """A value that the literature names for an organ; ``quantity`` is ``dose`` or ``BED``."""

    organ: str
    quantity: str
    value_Gy: float
    meaning: str
    source: str


REFERENCE_LIMITS = (
    ReferenceLimit(
        "kidneys",
        "dose",
        23.0,
        "external beam, both kidneys whole, 5 % nephropathy in 5 years",
        "Emami et al. 1991, doi:10.1016/0360-3016(91)90171-Y",
    ),
    ReferenceLimit(
        "kidneys",
        "dose",
        27.0,
        "upper end commonly used in PRRT (27 to 28 Gy)",
        "Bodei et al. 2013, doi:10.1007/s00259-012-2330-6",
    ),
    ReferenceLimit(
        "kidneys",
        "BED",
        28.0,
        "patients with risk factors for nephropathy",
        "Bodei et al. 2008, doi:10.1007/s00259-008-0778-1",
    ),
    ReferenceLimit(
        "kidneys",
        "BED",
        40.0,
        "patients without risk factors for nephropathy",
        "Bodei et al. 2008, doi:10.1007/s00259-008-0778-1",
    ),
    ReferenceLimit(
        "red marrow",
        "dose",
        2.0,
        "cumulative, from radioiodine therapy",
        "EANM guideline, Hindorf et al. 2010, doi:10.1007/s00259-010-1422-4",
    ),
)
"""Research use only: patients differ, and these values come from other radiations, schedules or few patients."""


def reference_limits(organ: str) -> tuple[ReferenceLimit, ...]:
    """Reference values of an organ, none if the literature names none here.

    Examples
    --------
    >>> [(limit.quantity, limit.value_Gy) for limit in reference_limits("red marrow")]
    [('dose', 2.0)]
    """
    return tuple(limit for limit in REFERENCE_LIMITS if limit.organ == organ)
