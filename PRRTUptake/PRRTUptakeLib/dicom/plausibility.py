"""Does an image fit the patient? What it holds against what was given, and the highest value; one check for all images.

An image cannot hold more than was given. A little more is noise, scatter and calibration; several times more is a unit
that was mixed up (kBq and Bq, GBq and MBq, mCi and MBq).
"""

from __future__ import annotations

from dataclasses import dataclass

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.operator_overrides import DOUBT

DOUBTFUL_SHARE, IMPOSSIBLE_SHARE = 1.1, 3.0
DOUBTFUL_SUV = 1000.0  # above bladder and kidneys; only activity left at the injection site comes near
LEAST_SUV = 0.01  # below, even muscle late after a therapy holds more
_LEAST_SHARE, _FIELD_OF_VIEW_mL = 2e-3, 10_000.0  # a trunk without a five-hundredth of it is a unit, not a patient


@dataclass(frozen=True)
class Held:
    """What an image holds as part of the activity given, both at one moment.

    Attributes
    ----------
    share : 1 if the image holds all that was given.
    volume_mL : field of view.
    highest_suv : highest SUVbw; None where the patient's weight is not known.
    """

    share: float
    volume_mL: float
    highest_suv: float | None = None


def doubts_of(held: Held, where: str, sources: str) -> tuple[str, ...]:
    """Sentences that put an image in doubt.

    Parameters
    ----------
    held : what the image holds.
    where : names the series.
    sources : the attributes from which values and activity come, for messages.

    Raises
    ------
    DicomError
        If the image would hold several times the administered activity.

    Examples
    --------
    >>> doubts_of(Held(0.4, 40_000), "NM", "Radionuclide Total Dose")
    ()
    >>> doubts_of(Held(1.2, 40_000), "NM", "Radionuclide Total Dose")
    ('Doubtful: the image holds 120 % of the administered activity: check Radionuclide Total Dose.',)
    """
    if held.share > IMPOSSIBLE_SHARE:
        raise DicomError(
            f"{where} would hold {held.share:.3g} times the administered activity: {sources} is wrong, often by a "
            "unit (GBq or mCi for MBq, kBq for Bq); correct it, or state the administered activity."
        )
    found = []
    if held.share > DOUBTFUL_SHARE:
        found.append(f"{DOUBT}the image holds {100 * held.share:.0f} % of the administered activity: check {sources}.")
    if held.share < _LEAST_SHARE and held.volume_mL > _FIELD_OF_VIEW_mL:
        found.append(
            f"{DOUBT}the image holds only {100 * held.share:.2g} % of the administered activity in "
            f"{held.volume_mL / 1000:.0f} L: check {sources}."
        )
    if held.highest_suv is not None and held.highest_suv > DOUBTFUL_SUV:
        found.append(f"{DOUBT}the highest SUV is {held.highest_suv:.0f}, by {sources}.")
    if held.highest_suv is not None and held.highest_suv < LEAST_SUV:
        found.append(f"{DOUBT}the highest SUV is only {held.highest_suv:.2g}, by {sources}.")
    return tuple(found)
