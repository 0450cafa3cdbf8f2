"""Whether a study asks for doses at all: decided before anything of dosimetry is imported, which takes a while."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PRRTUptakeLib.study.model import StudyResult


def doses_wanted(result: StudyResult) -> bool:
    """Whether a cycle was imaged more than once, or the study states anything on doses (even if it is not usable)."""
    visits = Counter(visit.labels.cycle for visit in result.visits)
    return result.input.dosimetry != {} or any(count > 1 for count in visits.values())
