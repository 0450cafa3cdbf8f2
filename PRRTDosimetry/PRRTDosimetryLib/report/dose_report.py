"""The dose sections of a patient's report: table, one plot per region, choice of models, lobes, organs, budget."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.report.page import folded, paragraph, section, table
from PRRTUptakeLib.report.plots import Series, line_chart

from PRRTDosimetryLib.dosimetry.cumulative import limit_cells, total_cells
from PRRTDosimetryLib.dosimetry.derived_intervals import (
    NOT_IN_THEM,
    organ_effects,
    organ_intervals,
    region_effect,
    tia_interval,
)
from PRRTDosimetryLib.dosimetry.dose_intervals import corrected_dose_Gy, interval_words, is_corrected, lobe_intervals
from PRRTDosimetryLib.dosimetry.dose_intervals import interval_text as range_of
from PRRTDosimetryLib.dosimetry.dose_rows import (
    budget_table,
    effect_words,
    interval_text,
    lobe_ratio_words,
    marrow_words,
)
from PRRTDosimetryLib.kinetics.tables import plot_series

_KEPT_WORDS = (
    "Part of a region's contrast to its surroundings that its mean keeps: on these voxels alone, and with the "
    "resolution that is stated, or the protocol's. {what}"
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTDosimetryLib.dosimetry.cumulative import OrganTotal
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry, RegionDose
    from PRRTDosimetryLib.dosimetry.recovery_doses import RecoveredDoses
    from PRRTDosimetryLib.kinetics.integral import Integral


def dose_sections(
    result: Dosimetry,
    title: str,
    kept: Mapping[str, tuple[float, float]],
    recovered: RecoveredDoses | None = None,
) -> list[str]:
    """HTML sections on the doses of one cycle.

    ``kept`` gives each region's loss of contrast by voxels and by blur; ``recovered`` the corrected doses of lesions.
    """
    notes = [*(recovered.sentences if recovered is not None else ()), *result.notes]
    parts = [paragraph(result.partial_volume)] if result.partial_volume else []
    words = interval_words(result)
    in_them = paragraph(f"{words} {NOT_IN_THEM}", "small") if words else ""
    tables = [_region_table(result, recovered), in_them, _lobe_table(result)]
    parts += [*tables, *(paragraph(note, "small") for note in notes)]
    words = _KEPT_WORDS.format(what=_what_is_corrected(result, kept, recovered is not None))
    plots = "".join(f"<figure>{_plot(integral)}</figure>" for integral in result.integrals.values())
    return [
        section(f"{title}: absorbed dose", *parts),
        section(f"{title}: partial volume", paragraph(words, "small"), _kept_table(kept), _recovered_table(recovered)),
        section(f"{title}: organs and effect", _organ_table(result), _effects(result)),
        section(f"{title}: curves", _model_table(result), f'<div class="pictures">{plots}</div>'),
        folded(f"{title}: uncertainty budget", *_budgets(result, recovered)),
    ]


def _what_is_corrected(result: Dosimetry, kept: Mapping[str, tuple[float, float]], by_phantom: bool) -> str:
    """Whether doses are corrected for the loss that the table shows, as a sentence."""
    shown = [dose for name, dose in result.regions.items() if name in kept]
    without = [dose.name for dose in shown if not is_corrected(dose)]
    if len(without) == len(shown):
        but = ", but for the corrected doses below" if by_phantom else ""
        return f"Activities and doses are not corrected for the loss{but}."
    if not without:
        return "Activities and doses are corrected for the loss."
    return f"Activities and doses are corrected for the loss, but for {', '.join(without)}."


def total_section(totals: Sequence[OrganTotal], missing: Sequence[int]) -> str:
    """HTML section on the organs over all cycles; ``missing`` are cycles of the case without doses."""
    return section(
        "All cycles: dose and effect",
        *(paragraph(words, "small") for words in _total_words(missing)),
        table(*total_cells(totals)),
        table(*limit_cells(totals), "Shown for reference, not a verdict"),
    )


def total_text(totals: Sequence[OrganTotal], missing: Sequence[int]) -> list[str]:
    """The same for the terminal."""
    tables = [plain_table(*total_cells(totals)), "For reference, not a verdict:", plain_table(*limit_cells(totals))]
    return [*_total_words(missing), *tables]


def _total_words(missing: Sequence[int]) -> list[str]:
    words = [
        "BED is formed within each cycle and then summed, since repair is complete in between. In the 95 % intervals "
        "the cycles share calibration, S-value, camera resolution and contours, which add up; noise and fit are each "
        f"cycle's own. {NOT_IN_THEM}"
    ]
    if missing:
        words.append(f"Without doses, and so not in these sums: cycle {', '.join(map(str, missing))}.")
    return words


def _region_table(result: Dosimetry, recovered: RecoveredDoses | None) -> str:
    header = ["region", "mass g", "TIA MBq·h", "95 % MBq·h", "TIAC h", "T eff h"]
    header += ["dose Gy", "u Gy", "95 % Gy", "BED Gy", "95 % Gy"]
    alternatives = {name: corrected_dose_Gy(dose) for name, dose in result.regions.items()}
    beside = not all(math.isnan(value) for value in alternatives.values())
    if beside:
        header += ["dose if corrected Gy"]
    if recovered is not None:
        header += ["dose corrected Gy", "u Gy", "95 % Gy"]
    rows = []
    for dose in result.regions.values():
        integral = dose.integral
        tiac, _ = integral.tiac_h(result.patient.administered_MBq)
        bed = dose.effect.bed_Gy if dose.effect else math.nan
        row: list[object] = [dose.name, dose.mass_g, integral.tia_MBq_h, range_of(tia_interval(result, dose.name))]
        row += [tiac, integral.teff_h, dose.dose_Gy, dose.u_dose_Gy, interval_text(dose)]
        row += [bed, range_of(region_effect(result, dose).bed)]
        row += [alternatives[dose.name]] if beside else []
        if recovered is not None:
            corrected = recovered.lesions.get(dose.name)
            row += ["", "", ""] if corrected is None else _dose_cells(corrected.dose)
        rows.append([_blank(cell) for cell in row])
    return table(header, rows, f"{result.patient.administered_MBq:g} MBq {result.patient.nuclide}")


def _dose_cells(dose: RegionDose) -> list[object]:
    return [dose.dose_Gy, dose.u_dose_Gy, interval_text(dose)]


def _blank(cell: object) -> object:
    """The cell, blank where a number is not known."""
    return "" if isinstance(cell, float) and math.isnan(cell) else cell


def _kept_table(kept: Mapping[str, tuple[float, float]]) -> str:
    rows = [[name, voxels, blurred, 1.0 - blurred] for name, (voxels, blurred) in kept.items()]
    return table(["region", "kept on these voxels", "kept with blur", "lost with blur"], rows)


def _recovered_table(recovered: RecoveredDoses | None) -> str:
    if recovered is None or not recovered.lesions:
        return ""
    rows = [
        [name, one.background, one.recovery, one.u_recovery, one.dose.integral.tia_MBq_h, one.dose.integral.model]
        for name, one in recovered.lesions.items()
    ]
    header = ["lesion", "background", "RC", "u(RC)", "TIA corrected MBq·h", "model"]
    return table(header, rows, "By the phantom's recovery curve")


def _lobe_table(result: Dosimetry) -> str:
    if result.lobes is None:
        return ""
    known = lobe_intervals(result)
    rows = []
    for lobe in result.lobes.lobes:
        one = known.get(lobe.lobe)
        healthy, lesions, index = (None, None, None) if one is None else (one.healthy, one.lesions, one.index)
        row: list[object] = [f"{lobe.lobe} {lobe.allocation}", lobe.healthy_Gy, range_of(healthy)]
        row += [lobe.lesion_Gy, range_of(lesions), lobe.therapeutic_index, range_of(index)]
        rows.append([_blank(cell) for cell in row])
    header = ["lobe", "healthy liver Gy", "95 % Gy", "lesions Gy", "95 % Gy", "therapeutic index", "95 %"]
    words = lobe_ratio_words(result)
    return table(header, rows, "Per lobe") + (paragraph(words) if words else "")


def _organ_table(result: Dosimetry) -> str:
    known = organ_intervals(result)
    rows = [[organ, dose.dose_Gy, range_of(known.get(organ))] for organ, dose in result.organs.items()]
    words = "By S-values, masses scaled to the patient where measured; no interval where a dose is a lower bound"
    marrow = marrow_words(result)
    organs = table(["organ of the phantom", "dose Gy", "95 % Gy"], rows, words)
    return organs + (paragraph(marrow[0].upper() + marrow[1:]) if marrow else "")


def _effects(result: Dosimetry) -> str:
    parts, known = [], organ_effects(result)
    for organ, effect in result.effects.items():
        parts.append(paragraph(effect_words(organ, effect, known.get(organ))))
        rows = [[one.quantity, one.value_Gy, one.meaning, one.source] for one in effect.limits]
        parts.append(table(["quantity", "Gy", "meaning", "source"], rows, "Shown for reference, not a verdict"))
    return "".join(parts)


def _model_table(result: Dosimetry) -> str:
    rows = []
    for integral in result.integrals.values():
        others = "; ".join(
            f"{one.model} {one.tia_MBq_h:.4g}" for one in integral.alternatives if one.model != integral.model
        )
        rows.append([integral.region, integral.model, integral.tia_MBq_h, integral.choice, others])
    return table(["region", "model", "TIA MBq·h", "why", "others' TIA MBq·h"], rows)


def _plot(integral: Integral) -> str:
    shown = plot_series(integral)
    curve = Series(shown.model, shown.curve_time_h, shown.curve_MBq, marked=False)
    points = Series("measured", shown.time_h, shown.activity_MBq, shown.low_MBq, shown.high_MBq, joined=False)
    return line_chart(shown.region, [curve, points], "time after injection (h)", "activity (MBq)")


def _budgets(result: Dosimetry, recovered: RecoveredDoses | None) -> list[str]:
    """Of organs and target lesions, corrected ones after all others."""
    doses = [(dose.name, dose) for dose in result.regions.values()]
    if recovered is not None:
        doses += [(f"{name}, corrected", one.dose) for name, one in recovered.lesions.items()]
    return [
        f"<pre>{escape(budget_table(name, dose.uncertainty))}</pre>"
        for name, dose in doses
        if dose.uncertainty is not None and (dose.region.kind != "lesion" or dose.region.role == "target")
    ]
