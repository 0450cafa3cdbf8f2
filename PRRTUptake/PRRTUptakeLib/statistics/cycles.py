"""Every cycle of a trial, and who is missing in it.

The rule for missing cycles: nothing is imputed. A cycle is compared among all patients with both lobes measured in it
(available cases); in addition there are the patients who have every cycle (completers), so that a change over the
cycles is not one of who was measured. The mixed model uses every value there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.statistics.paired import PairedComparison, compare_pairs
from PRRTUptakeLib.statistics.paired_values import Exclusion, PairedValues, endpoint_rows, lobe_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import EndpointRules, Protocol


@dataclass(frozen=True, eq=False)
class Cycles:
    """Comparison in each cycle of all patients who have it, of the completers, and who is missing in it and why.

    ``completers`` is empty where fewer than two patients have every cycle.
    """

    available: Mapping[int, PairedComparison]
    completers: Mapping[int, PairedComparison]
    missing: Mapping[int, tuple[Exclusion, ...]]

    def note(self) -> tuple[str, ...]:
        """The rule in words, if anybody is missing anywhere."""
        gaps = {cycle: len(lost) for cycle, lost in self.missing.items() if lost}
        if len(self.missing) < 2 or not gaps:
            return ()
        counted = ", ".join(f"{number} in cycle {cycle}" for cycle, number in gaps.items())
        complete = next(iter(self.completers.values())).n if self.completers else 0
        return (
            f"Patients without a value: {counted}. Nothing is imputed: each cycle is of those who have it, and of "
            f"the {complete} who have every cycle.",
        )


def compare_cycles(rows: Sequence[Measurement], protocol: Protocol, treated: Mapping[str, str] | None) -> Cycles:
    """Compare the lobes in every cycle that two patients or more have.

    Parameters
    ----------
    treated : see `paired_values.lobe_pairs`.
    """
    chosen, _ = endpoint_rows(rows, protocol)
    by_cycle = {cycle: lobe_pairs(rows, protocol, treated, cycle) for cycle in sorted({row.cycle for row in chosen})}
    everywhere = set.intersection(*(set(pairs.patients) for pairs in by_cycle.values()))
    rules = protocol.endpoint
    return Cycles(
        {cycle: _compared(pairs, rules) for cycle, pairs in by_cycle.items() if len(pairs.patients) >= 2},
        {cycle: _compared(pairs, rules, everywhere) for cycle, pairs in by_cycle.items() if len(everywhere) >= 2},
        {cycle: pairs.excluded for cycle, pairs in by_cycle.items()},
    )


def _compared(pairs: PairedValues, rules: EndpointRules, only: set[str] | None = None) -> PairedComparison:
    mine = np.array([only is None or patient in only for patient in pairs.patients])
    return compare_pairs(pairs.first[mine], pairs.second[mine], rules.confidence, rules.threshold)
