"""What was measured of a synthetic patient next to what is true of it, for ``prrt demo``.

The truth is in the patient's ``truth.json`` (see ``synthetic.truth``), the measurement in ``measurements.csv``. Nothing
that measures reads the truth.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.uptake.aggregation import aggregate_lesions
from PRRTUptakeLib.vocabulary import LOBES, axis_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

HEADER = ("region", "quantity", "measured", "true", "difference %")
_CLOSE = 0.25  # relative difference of volume up to which a measured lesion may be a true one
_WORDS = (
    "Blur and voxels reduce the contrast of a region, the more the smaller it is; the metric expected_recovery in "
    "measurements.csv says how much of it should remain. Noise is the rest."
)


def truth_text(patient: Path, results: Path, protocol: Protocol) -> str:
    """The comparison for a terminal: a table and what explains the differences.

    Parameters
    ----------
    patient : folder of the synthetic patient, with ``truth.json``.
    results : folder of its results, with ``measurements.csv``.
    protocol : the trial's rules, for the ratio of the lobes.
    """
    truth = json.loads((patient / "truth.json").read_text(encoding="utf-8"))
    rows = truth_rows(read_csv(results / "measurements.csv"), truth, protocol)
    title = f"The truth of synthetic patient {truth['patient']}"
    return f"{title}\n\n{plain_table(HEADER, rows)}\n\n{_WORDS}"


def truth_rows(measured: Sequence[Measurement], truth: Mapping[str, Any], protocol: Protocol) -> list[list[object]]:
    """Rows of HEADER: doses' time-integrated activities if there are any, else enhancement ratios, else T/N.

    A measured lesion is the true one of the same lobe whose volume is nearest.
    """
    lesions = _lesions(measured, truth["lesions"])
    if any(row.metric == "tia" for row in measured):
        return _tia_rows(measured, truth, lesions)
    if "enhancement_ratio" in truth:
        return _enhancement_rows(measured, truth, lesions, protocol)
    return _ratio_rows(measured, truth, lesions, protocol)


def _lesions(measured: Sequence[Measurement], known: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """True name of each measured lesion, the closest pairs first."""
    volumes = {(row.region, row.lobe): row.value for row in measured if row.metric == "volume" and row.lesion}
    pairs = sorted(
        (abs(value / one["volume_mL"] - 1.0), region, one["name"])
        for (region, lobe), value in volumes.items()
        for one in known
        if one["lobe"] == lobe
    )
    found: dict[str, str] = {}
    for off, region, name in pairs:
        if off <= _CLOSE and region not in found and name not in found.values():
            found[region] = name
    return found


def _tia_rows(
    measured: Sequence[Measurement], truth: Mapping[str, Any], lesions: Mapping[str, str]
) -> list[list[object]]:
    rows = []
    for row in measured:
        known = truth["regions"].get(lesions.get(row.region, "")) or truth["segments"].get(row.region)
        if row.metric == "tia" and known:
            rows.append(_row(row, next(iter(known["tia_MBq_h"].values()))))
    return rows


def _enhancement_rows(
    measured: Sequence[Measurement], truth: Mapping[str, Any], lesions: Mapping[str, str], protocol: Protocol
) -> list[list[object]]:
    metric, ratios = f"er_{protocol.endpoint.metric}", truth["enhancement_ratio"]
    chosen = [row for row in measured if row.metric == metric]
    rows = [
        _row(row, ratios[lesions.get(row.region, row.region)])
        for row in chosen
        if lesions.get(row.region, row.region) in ratios
    ]
    targets = {
        row.region: ratios[lesions[row.region]] for row in chosen if row.role == "target" and row.region in lesions
    }
    patient = [row for row in measured if row.metric == "enhancement_ratio"]
    if patient and targets:
        rows.append(_row(patient[0], aggregate_lesions(targets, protocol.endpoint.aggregation).value))
    return rows


def _ratio_rows(
    measured: Sequence[Measurement], truth: Mapping[str, Any], lesions: Mapping[str, str], protocol: Protocol
) -> list[list[object]]:
    rows: list[list[object]] = []
    lobes: dict[str, dict[str, float]] = {lobe: {} for lobe in LOBES}
    for row in measured:
        if row.metric == "tn_ratio" and row.region in lesions:
            known, liver = (truth["regions"][name] for name in (lesions[row.region], f"liver_{row.lobe}"))
            true = known["concentration_Bq_per_mL"][row.visit] / liver["concentration_Bq_per_mL"][row.visit]
            lobes[row.lobe][row.region] = true
            rows.append(_row(row, true))
    patient = [row for row in measured if row.metric == "treated_control_ratio"]
    treated = truth.get("treated_lobe", "")
    if patient and all(lobes.values()) and protocol.endpoint.aggregation != "volume-weighted-mean":
        means = {lobe: aggregate_lesions(ratios, protocol.endpoint.aggregation).value for lobe, ratios in lobes.items()}
        control = next(lobe for lobe in LOBES if lobe != treated)
        rows.append(_row(patient[0], means[treated] / means[control]))
    return rows


def _row(measured: Measurement, true: float) -> list[object]:
    difference = f"{100.0 * (measured.value / true - 1.0):+12.1f}"
    return [measured.region, axis_label(measured.metric, measured.unit), measured.value, true, difference]
