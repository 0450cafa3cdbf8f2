"""A patient's result in words and aligned columns, for the terminal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from PRRTUptakeLib.report.page import plain_table

if TYPE_CHECKING:
    from PRRTUptakeLib.study.visit import VisitResult

TARGET_HEADER = ("lesion", "{place}", "diameter mm", "volume mL", "T {unit}", "N {unit}", "T/N", "recovery")
_PLACES = {"liver": "liver", "none": "outside the liver"}


def target_table(result: VisitResult) -> tuple[list[str], list[list[object]]]:
    """Header and rows of the table of target lesions; concentrations in kBq/mL where the image is in Bq/ml."""
    scale, unit = (1e-3, "kBq/mL") if result.image.units == "Bq/ml" else (1.0, result.image.units)
    by_lobe = result.protocol.rules.by_lobe
    header = [name.format(unit=unit, place="lobe" if by_lobe else "place") for name in TARGET_HEADER]
    rows: list[list[object]] = [
        [
            target.lesion_id,
            target.lobe if by_lobe else place_words(target.lobe),
            round(target.diameter_mm, 1),
            target.volume_mL,
            target.tumour * scale,
            target.reference * scale,
            target.tn_ratio,
            target.recovery,
        ]
        for target in result.targets
    ]
    return header, rows


def place_words(lobe: str) -> str:
    """Where a lesion is in a patient whose liver is not divided."""
    return _PLACES.get(lobe or "none", lobe)


def result_sentence(result: VisitResult) -> str:
    """The patient's number in one sentence."""
    if not result.targets:
        return "No target lesion is left at this visit, so that there is no T/N."
    if not result.protocol.rules.by_lobe:
        values = sorted(target.tn_ratio for target in result.targets)
        number = f"{len(values)} target lesion{'s' if len(values) > 1 else ''}"
        if len(values) == 1:
            return f"T/N of {number}: {values[0]:.2f}."
        return f"T/N of {number}: median {median(values):.2f}, from {values[0]:.2f} to {values[-1]:.2f}."
    means = ", ".join(
        f"{lobe.lobe} lobe {lobe.tn_ratio:.2f} ({lobe.target_count} target{'s' if lobe.target_count > 1 else ''})"
        for lobe in result.lobes
        if lobe.tn_ratio is not None
    )
    how = result.protocol.endpoint.aggregation.replace("-", " ")
    ratio = f"{result.lobe_ratio:.3f}" if result.lobe_ratio is not None else "not formed, see the warnings"
    return f"T/N, {how} per lobe: {means}. Ratio {result.ratio_name}: {ratio}."


def visit_text(result: VisitResult) -> list[str]:
    """Heading, table and sentence of one visit."""
    labels = result.labels
    return [
        f"Patient {labels.patient}, cycle {labels.cycle}, visit {labels.visit} ({result.protocol.name})",
        *([plain_table(*target_table(result))] if result.targets else []),
        result_sentence(result),
    ]
