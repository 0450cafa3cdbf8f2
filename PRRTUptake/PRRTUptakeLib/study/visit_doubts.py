"""Whether a visit's image is the one that its name and the protocol mean: by nuclide, and by hours after injection.

An endpoint is found by the name of a visit. Where two folders are exchanged, the names stay and the images do not.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import visit_time_h

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.protocol import Protocol

_NAME_AGREES = 1.3  # factor: 72 h is not 96 h
_PLAN_AGREES = 1.5  # factor: 24 h may be 16 to 36 h


def hours_after_injection(image: Volume, injection: Injection) -> float:
    """Hours from the injection to the scan, whatever moment its values were corrected to; nan where it is not known."""
    scanned = image.provenance.get("scanned_at")
    if scanned:
        return injection.hours_to(datetime.fromisoformat(scanned))
    return math.nan if image.reference_time is None else injection.hours_to(image.reference_time)


def visit_doubts(visit: str, protocol: Protocol, nuclide: str, hours: float, alone: bool) -> list[str]:
    """Warnings on an image that is another than the visit's name or the protocol say.

    Parameters
    ----------
    visit : its name; hours in it are those after injection.
    nuclide : of the image, "" where it is not known.
    hours : from the injection to the scan, nan where they are not known.
    alone : whether it is the only one of its cycle; of several, other times than the protocol's are meant.
    """
    found = []
    if nuclide and nuclide != protocol.nuclide:
        found.append(
            f"The image is of {nuclide}, but the protocol '{protocol.name}' of {protocol.nuclide}: check the folder "
            "and the header."
        )
    named, planned = visit_time_h(visit), protocol.imaging.time_after_injection_h
    if named > 0 and hours > 0 and not _within(hours, named, _NAME_AGREES):
        found.append(
            f"The image was taken {_shown(hours)} after the injection, but the visit is called '{visit}': check the "
            "folder, the name and the times in the header."
        )
    elif math.isnan(named) and alone and planned > 0 and hours > 0 and not _within(hours, planned, _PLAN_AGREES):
        found.append(
            f"The image was taken {_shown(hours)} after the injection, the protocol '{protocol.name}' plans "
            f"{_shown(planned)}: uptake is another then."
        )
    return found


def _within(hours: float, other: float, factor: float) -> bool:
    return max(hours, other) <= factor * min(hours, other)


def _shown(hours: float) -> str:
    return f"{60 * hours:.0f} min" if hours < 3 else f"{hours:.3g} h"
