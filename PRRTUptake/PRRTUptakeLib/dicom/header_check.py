"""What an operator states is compared with what the header states: a factor of a unit is a slip, not a correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import HeaderError, OverrideError
from PRRTUptakeLib.dicom.headers import number
from PRRTUptakeLib.dicom.operator_overrides import DOUBT

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides

_SLIPS = (  # a factor of units that are mixed up, and how far from it a ratio may be
    (1e3, 2.0, "1000 (MBq and GBq, g and kg)"),
    (1e6, 2.0, "1,000,000 (Bq and MBq)"),
    (37.0, 1.25, "37 (mCi and MBq)"),
    (37_000.0, 1.25, "37,000 (Ci and MBq)"),
    (100.0, 1.25, "100 (m and cm)"),
)
_WORTH_A_DOUBT = 0.1


def compared_with_header(
    name: str, unit: str, stated: float, header: float | None, inputs: OperatorOverrides
) -> list[str]:
    """Sentences about a stated value that goes before that of the header.

    Parameters
    ----------
    name : field of ``OperatorOverrides``, for instance ``activity_MBq``.
    unit : of both numbers.
    stated, header : the operator's value and that of the header (None if it has none).
    inputs : whose ``confirmed`` says that a contradiction is meant.

    Raises
    ------
    OverrideError
        If the two differ by about the factor of a unit; both numbers are in the message.
    """
    if not header or header <= 0:
        return []
    ratio = max(stated / header, header / stated)
    words = name.rpartition("_")[0].replace("_", " ")
    for factor, slack, meaning in _SLIPS:
        if factor / slack <= ratio <= factor * slack and name not in inputs.confirmed:
            raise OverrideError(
                f"The stated {words} is {stated:g} {unit}, but the header says {header:g} {unit}, a factor of "
                f"{ratio:.4g}, about {meaning}: correct the unit, or confirm '{name}' if the header is wrong."
            )
    if ratio < 1.0 + 1e-6:
        return []
    notes = f"the header says {header:g} {unit} for the {words}, the operator {stated:g} {unit}, which is taken."
    return [f"{DOUBT}{notes}" if ratio > 1.0 + _WORTH_A_DOUBT else notes[0].upper() + notes[1:]]


def readable_number(dataset: Dataset | None, keyword: str, where: str) -> float | None:
    """A header's number to compare with; None if it is missing or no number, since the operator's value goes first."""
    if dataset is None:
        return None
    try:
        return number(dataset, keyword, where)
    except HeaderError:
        return None
