"""What somebody decided to leave out of the analysis: a patient, a lesion, a cycle, with reason and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from PRRTUptakeLib.study.measurements import Measurement

# What an exclusion applies to: the per-protocol population only, both populations, or somebody who never entered.
SCOPES = ("per-protocol", "all", "screening")


@dataclass(frozen=True, kw_only=True)
class StatedExclusion:
    """What is left out: a patient, or one lesion, one cycle, or one lesion in one cycle of that patient.

    ``decided`` is the date of the decision, ``scope`` a word of SCOPES.
    """

    patient: str
    reason: str
    decided: date
    lesion: str = ""
    cycle: int | None = None
    scope: str = "per-protocol"

    @property
    def of_patient(self) -> bool:
        """Whether the whole patient is left out."""
        return not self.lesion and self.cycle is None

    @property
    def words(self) -> str:
        """What was left out, why and when, without the patient."""
        parts = [f"lesion {self.lesion}" if self.lesion else "", "" if self.cycle is None else f"cycle {self.cycle}"]
        what = " in ".join(part for part in parts if part)
        return f"{what + ': ' if what else ''}{self.reason} ({self.decided.isoformat()})"

    def hits(self, row: Measurement) -> bool:
        """Whether a row of measurements is left out by it."""
        lesion = not self.lesion or self.lesion in (row.lesion, row.region)
        return row.patient == self.patient and lesion and self.cycle in (None, row.cycle)
