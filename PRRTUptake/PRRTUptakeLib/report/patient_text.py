"""A patient's result in words and aligned columns, for the terminal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table

if TYPE_CHECKING:
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.study.visit_uptakes import Quantity

TARGET_HEADER = (
    "lesion",
    "{place}",
    "diameter mm",
    "volume mL",
    "T {unit}",
    "N {unit}",
    "T/N",
    "95 %",
    "{other}",
    "recovery",
)


def interval_cell(known: Quantity | None) -> str:
    """The 95 % interval of the result, blank where it is not known."""
    return "" if known is None else f"{known.result.lower:#.3g} to {known.result.upper:#.3g}"


def other_cell(known: Quantity | None) -> object:
    """The value that is not the result, blank where it is not known."""
    return "" if known is None else known.other.value


def other_word(result: VisitResult) -> str:
    """The other value next to the result in tables: uncorrected next to corrected, or the other way round."""
    return {"none": "corrected", "gtm": "uncorrected"}.get(result.partial_volume, "the other way")


def partial_volume_sentences(result: VisitResult) -> tuple[str, ...]:
    """What was done about partial volume, to be read before any number; none where nothing is known of it."""
    return result.uptakes.sentences if result.uptakes is not None else ()


_PLACES = {"liver": "liver", "none": "outside the liver"}


def shown_unit(units: str) -> tuple[float, str]:
    """The unit in which a report has values of an image, and how many of it are in one of the image's own.

    Examples
    --------
    >>> shown_unit("Bq/ml"), shown_unit("g/ml{SUVbw}")
    ((0.001, 'kBq/mL'), (1.0, 'g/ml{SUVbw}'))
    """
    return (1e-3, "kBq/mL") if units == "Bq/ml" else (1.0, units)


def target_table(result: VisitResult) -> tuple[list[str], list[list[object]]]:
    """Header and rows of the table of target lesions; concentrations in kBq/mL where the image is in Bq/ml.

    T/N is the protocol's result with its 95 % interval; the value corrected for partial volume (or the uncorrected one,
    where the corrected is the result) is beside it.
    """
    scale, unit = shown_unit(result.image.units)
    by_lobe = result.protocol.rules.by_lobe
    words = {"unit": unit, "other": f"T/N {other_word(result)}", "place": "lobe" if by_lobe else "place"}
    header = [name.format(**words) for name in TARGET_HEADER]
    rows: list[list[object]] = [
        [
            target.lesion_id,
            target.lobe if by_lobe else place_words(target.lobe),
            target.diameter_mm,
            target.volume_mL,
            target.tumour * scale,
            target.reference * scale,
            target.tn_ratio,
            interval_cell(target.known),
            other_cell(target.known),
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
        f"{lobe.lobe} lobe {lobe.tn_ratio:.2f}{_interval(lobe.known, 2)} "
        f"({lobe.target_count} target{'s' if lobe.target_count > 1 else ''})"
        for lobe in result.lobes
        if lobe.tn_ratio is not None
    )
    how = result.protocol.endpoint.aggregation.replace("-", " ")
    ratio = (
        f"{result.lobe_ratio:.3f}{_interval(result.known_ratio, 3)}"
        if result.lobe_ratio is not None
        else "not formed, see the warnings"
    )
    return f"T/N, {how} per lobe: {means}. Ratio {result.ratio_name}: {ratio}."


def _interval(known: Quantity | None, digits: int) -> str:
    if known is None:
        return ""
    return f" [95 % {known.result.lower:.{digits}f} to {known.result.upper:.{digits}f}]"


def visit_text(result: VisitResult) -> list[str]:
    """Heading, table and sentence of one visit."""
    labels = result.labels
    return [
        f"Patient {labels.patient}, cycle {labels.cycle}, visit {labels.visit} ({result.protocol.name})",
        *partial_volume_sentences(result),
        *([plain_table(*target_table(result))] if result.targets else []),
        result_sentence(result),
        *([result.uptakes.interval_words] if result.uptakes is not None and result.targets else []),
    ]
