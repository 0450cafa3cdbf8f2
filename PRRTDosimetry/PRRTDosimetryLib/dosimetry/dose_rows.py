"""Doses as rows of ``measurements.csv``, which the endpoint engine takes, and as readable tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.dose.phantom import RED_MARROW
from PRRTDosimetryLib.dosimetry.derived_intervals import (
    NOT_IN_THEM,
    lobe_ratio,
    marrow_interval,
    organ_effects,
    organ_intervals,
    region_effect,
    tia_interval,
)
from PRRTDosimetryLib.dosimetry.dose_intervals import (
    COMPONENTS,
    interval_words,
    lesion_index,
    lobe_intervals,
    range_text,
)
from PRRTDosimetryLib.dosimetry.dose_intervals import interval_text as index_text
from PRRTDosimetryLib.dosimetry.red_marrow import RIM, marrow_integral

if TYPE_CHECKING:
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

    from PRRTDosimetryLib.dosimetry.derived_intervals import EffectIntervals
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry, RegionDose
    from PRRTDosimetryLib.dosimetry.recovery_doses import RecoveredDoses
    from PRRTDosimetryLib.effect.cycles import CumulativeEffect
    from PRRTDosimetryLib.effect.lobes import LobeComparison
    from PRRTDosimetryLib.uncertainty.chain import DoseUncertainty

DOSE, RECOVERED_DOSE = "dose", "dose_recovery_corrected"
"""Metric of absorbed dose in Gy; a protocol whose endpoint names it compares the lobes' lesion doses."""

NO_CLEARANCE = "tia_without_later_clearance"
"""Metric of the TIA that no slow tail after the last image can exceed."""


@dataclass(frozen=True)
class Labels:
    """What the rows of a patient's cycle share."""

    patient: str
    visit: str
    image: str


def dose_rows(result: Dosimetry, labels: Labels) -> tuple[Measurement, ...]:
    """All doses of a cycle in long form.

    Per lesion, lobe and organ region: ``dose`` (Gy), ``tia`` and ``tia_without_later_clearance`` (MBq.h), ``tiac`` and
    ``effective_half_life`` (h), ``mass`` (g), ``bed`` and ``eqd2`` (Gy) where the tissue's radiosensitivity is known;
    per lesion and lobe ``therapeutic_index``; for both lobes ``therapeutic_index_ratio``; per phantom organ
    ``organ_dose``; ``tia`` and half-life of the vertebrae's marrow.
    """
    rows = [row for dose in result.regions.values() for row in _region_rows(result, dose, labels)]
    if result.lobes is not None:
        intervals = lobe_intervals(result)
        by_lesion = {(lesion.lobe, lesion.lesion): lobe for lobe in result.lobes.lobes for lesion in lobe.lesions}
        for dose in result.regions.values():
            lobe = by_lesion.get((dose.region.lobe, dose.region.lesion or dose.name))
            if dose.region.kind == "lesion" and lobe is not None:
                index = _row(result, dose, labels, "therapeutic_index", dose.dose_Gy / lobe.healthy_Gy, "1")
                rows.append(_with_known(index, lesion_index(result, dose.name)))
        rows += [
            _with_known(
                _named(
                    result,
                    labels,
                    f"{lobe.lobe} lobe",
                    "lobe",
                    lobe.lobe,
                    "therapeutic_index",
                    lobe.therapeutic_index,
                    "1",
                ),
                intervals[lobe.lobe].index if intervals else None,
            )
            for lobe in result.lobes.lobes
            if not math.isnan(lobe.therapeutic_index)
        ]
        value = result.lobes.ratio
        if not math.isnan(value):
            both = _named(result, labels, "patient", "", "none", "therapeutic_index_ratio", value, "1")
            rows.append(_with_known(both, lobe_ratio(result)))
    marrow, vertebrae = marrow_interval(result), marrow_integral(result)
    if marrow is not None and vertebrae is not None:
        tia = vertebrae.tia_MBq_h
        row = _named(result, labels, vertebrae.region, "organ", "none", "tia", tia, "MBq.h")
        half_life = replace(row, metric="effective_half_life", value=vertebrae.teff_h, unit="h")
        rows += [_with_known(row, marrow[1], tia / marrow[0]), half_life]
    known = organ_intervals(result)
    rows += [
        _with_known(_named(result, labels, organ, "organ", "none", "organ_dose", dose.dose_Gy, "Gy"), known.get(organ))
        for organ, dose in result.organs.items()
    ]
    return tuple(rows)


def recovered_rows(recovered: RecoveredDoses, result: Dosimetry, labels: Labels) -> tuple[Measurement, ...]:
    """``dose_recovery_corrected`` (Gy) of the lesions that could be corrected for partial volume."""
    return tuple(
        _with_interval(
            _row(result, one.dose, labels, RECOVERED_DOSE, one.dose.dose_Gy, "Gy", one.dose.u_dose_Gy), one.dose
        )
        for one in recovered.lesions.values()
    )


def dose_table(result: Dosimetry, recovered: RecoveredDoses | None = None) -> str:
    """Readable table of all doses with their uncertainties, lobes and notes; corrected lesion doses beside them."""
    head = f" {'corr. Gy':>9} {'u Gy':>8}" if recovered is not None else ""
    lines = [result.partial_volume, ""] if result.partial_volume else []
    head = f"{'u Gy':>8} {'95 % Gy':>15}{head} {'BED Gy':>8}  model"
    lines.append(f"{'region':24} {'mass g':>9} {'TIA MBq h':>12} {'dose Gy':>9} {head}")
    for dose in result.regions.values():
        bed = f"{dose.effect.bed_Gy:8.2f}" if dose.effect else f"{'':8}"
        spread = f"{_known(dose.u_dose_Gy):>8} {interval_text(dose):>15}{_recovered(dose.name, recovered)}"
        lines.append(
            f"{dose.name:24} {dose.mass_g:9.1f} {dose.integral.tia_MBq_h:12.1f} {dose.dose_Gy:9.3f} "
            f"{spread} {bed}  {dose.integral.model}"
        )
    words = interval_words(result)
    lines += ["", words, NOT_IN_THEM] if words else []
    lines += [] if recovered is None else ["", *recovered.sentences]
    organs = organ_intervals(result)
    lines += ["", f"{'organ (phantom)':24} {'dose Gy':>9} {'95 % Gy':>15}"]
    lines += [
        f"{organ:24} {dose.dose_Gy:9.3f} {index_text(organs.get(organ)):>15}".rstrip()
        for organ, dose in result.organs.items()
    ]
    words = marrow_words(result)
    lines += ["", words] if words else []
    if result.lobes is not None:
        lines += _lobe_lines(result, result.lobes)
    effects = organ_effects(result)
    for organ, effect in result.effects.items():
        lines += ["", f"{effect_words(organ, effect, effects.get(organ))} For reference, not a verdict:"]
        lines += [f"  {one.quantity} {one.value_Gy:g} Gy: {one.meaning} ({one.source})" for one in effect.limits]
    return "\n".join([*lines, "", *(f"Note: {note}." for note in result.notes)])


def effect_words(organ: str, effect: CumulativeEffect, known: EffectIntervals | None) -> str:
    """BED and EQD2 of an organ with their 95 % intervals, one sentence."""
    bed, eqd2 = (None, None) if known is None else (known.bed, known.eqd2)
    return f"{organ}: BED {effect.bed_Gy:.2f} Gy{_bracket(bed)}, EQD2 {effect.eqd2_Gy:.2f} Gy{_bracket(eqd2)}."


def marrow_words(result: Dosimetry) -> str:
    """The red marrow's activity by vertebrae with its 95 % interval, one sentence; "" where there is none."""
    found = marrow_interval(result)
    if found is None:
        return ""
    value, known = found
    reach = ""
    if known is not None:
        reach = f"{_bracket(known)}; in the interval are partial volume and {RIM}"
    return f"{RED_MARROW}: TIA {number(value)} MBq h{reach}."


def lobe_ratio_words(result: Dosimetry) -> str:
    """The ratio of the lobes' therapeutic indices with its 95 % interval, one sentence; "" where there is none."""
    if result.lobes is None or math.isnan(result.lobes.ratio):
        return ""
    first, second = result.lobes.lobes
    names = " over ".join(one.allocation or one.lobe for one in (first, second))
    return f"Therapeutic index, {names}: {result.lobes.ratio:.3g}{_bracket(lobe_ratio(result))}."


def _bracket(known: UncertainValue | None) -> str:
    text = index_text(known)
    return f" [95 % {text}]" if text else ""


def _lobe_lines(result: Dosimetry, lobes: LobeComparison) -> list[str]:
    """The lobes' table: doses and therapeutic index, each with its 95 % interval."""
    known = lobe_intervals(result)
    lines = [
        "",
        f"{'lobe':24} {'healthy Gy':>10} {'95 %':>15} {'lesions Gy':>10} {'95 %':>15} {'index':>8} {'95 %':>15}",
    ]
    for lobe in lobes.lobes:
        one = known.get(lobe.lobe)
        healthy, lesions, index = (None, None, None) if one is None else (one.healthy, one.lesions, one.index)
        name = f"{lobe.allocation or 'lobe'} ({lobe.lobe})"
        lines.append(
            f"{name:24} {lobe.healthy_Gy:10.3f} {index_text(healthy):>15} "
            f"{_known(lobe.lesion_Gy, 2):>10} {index_text(lesions):>15} {_known(lobe.therapeutic_index, 2):>8} "
            f"{index_text(index):>15}"
        )
    words = lobe_ratio_words(result)
    return [*lines, words] if words else lines


def interval_text(dose: RegionDose) -> str:
    """The 95 % interval of a dose in words, blank where it is not known."""
    return "" if dose.uncertainty is None else range_text(*dose.uncertainty.interval_Gy)


def budget_table(name: str, uncertainty: DoseUncertainty) -> str:
    """Readable uncertainty budget of one region: what each component does alone, and its share of the variance.

    The shares add up to 100 %; components without a part in it are left out.
    """
    words = {one.name: COMPONENTS.get(one.name, one.name) for one in uncertainty.budget}
    width = max(len(word) for word in words.values())
    lines = [f"{name}: {'what the uncertainty comes from':{width}} {'alone':>8} {'of variance':>12}"]
    lines += [
        f"{'':{len(name) + 2}}{words[one.name]:{width}} {_percent(one.relative_u):>8} {_percent(one.share):>12}"
        for one in uncertainty.budget
        if one.share > 0
    ]
    low, high = uncertainty.interval_Gy
    lines.append(
        f"{name}: 95 % from {low:.3g} to {high:.3g} Gy; standard uncertainty {uncertainty.u_dose_Gy:.3g} Gy by Monte "
        f"Carlo ({uncertainty.linear_u_Gy:.3g} Gy to first order); {uncertainty.dominant} dominates."
    )
    lines += [f"{name}: {unknown} is not known and left out." for unknown in uncertainty.unknown]
    return "\n".join(lines)


def _region_rows(result: Dosimetry, dose: RegionDose, labels: Labels) -> list[Measurement]:
    integral = dose.integral
    tiac, u_tiac = integral.tiac_h(result.patient.administered_MBq)
    known = tia_interval(result, dose.name)
    rows = [
        _with_interval(_row(result, dose, labels, DOSE, dose.dose_Gy, "Gy", dose.u_dose_Gy), dose),
        _with_known(_row(result, dose, labels, "tia", integral.tia_MBq_h, "MBq.h", integral.u_tia_MBq_h), known),
        _with_known(_row(result, dose, labels, "tiac", tiac, "h", u_tiac), known, tiac / integral.tia_MBq_h),
        _row(result, dose, labels, NO_CLEARANCE, integral.without_later_clearance_MBq_h, "MBq.h"),
        _row(result, dose, labels, "effective_half_life", integral.teff_h, "h"),
        _row(result, dose, labels, "mass", dose.mass_g, "g"),
    ]
    if dose.effect is not None:
        effect = region_effect(result, dose)
        rows.append(_with_known(_row(result, dose, labels, "bed", dose.effect.bed_Gy, "Gy"), effect.bed))
        rows.append(_with_known(_row(result, dose, labels, "eqd2", dose.effect.eqd2_Gy, "Gy"), effect.eqd2))
    return rows


def _with_interval(row: Measurement, dose: RegionDose) -> Measurement:
    """The row of a dose with its 95 % interval and the part that all regions share, where the chain gave them."""
    if dose.uncertainty is None:
        return row
    low, high = dose.uncertainty.interval_Gy
    return replace(row, lower_95=low, upper_95=high, shared_uncertainty=dose.uncertainty.shared_u_Gy)


def _with_known(row: Measurement, known: UncertainValue | None, scale: float = 1.0) -> Measurement:
    """The row with an interval, which is ``scale`` times that of what is known."""
    if known is None:
        return row
    return replace(row, uncertainty=scale * known.u, lower_95=scale * known.lower, upper_95=scale * known.upper)


def _row(
    result: Dosimetry,
    dose: RegionDose,
    labels: Labels,
    metric: str,
    value: float,
    unit: str,
    u: float = math.nan,
) -> Measurement:
    region = dose.region
    return Measurement(
        labels.patient,
        result.patient.cycle,
        labels.visit,
        labels.image,
        dose.name,
        region.role or region.kind,
        region.lobe or "none",
        region.lesion,
        metric,
        float(value),
        unit,
        u,
    )


def _named(
    result: Dosimetry, labels: Labels, region: str, role: str, lobe: str, metric: str, value: float, unit: str
) -> Measurement:
    names = (labels.patient, result.patient.cycle, labels.visit, labels.image, region, role, lobe, "", metric)
    return Measurement(*names, float(value), unit)


def _recovered(name: str, recovered: RecoveredDoses | None) -> str:
    if recovered is None:
        return ""
    if name not in recovered.lesions:
        return f" {'':>9} {'':>8}"
    dose = recovered.lesions[name].dose
    return f" {dose.dose_Gy:9.3f} {_known(dose.u_dose_Gy):>8}"


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f} %"


def _known(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
