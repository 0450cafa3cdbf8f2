"""Doses of a study with serial images: from region means to the dosimetry of each cycle and of all together."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide as find_nuclide
from PRRTUptakeLib.segmentation.errors import ReferenceRegionError
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import UNKNOWN, Measurement
from PRRTUptakeLib.study.model import ResultPart
from PRRTUptakeLib.study.response_case import is_follow_up
from PRRTUptakeLib.uptake.partial_volume import border_recovery, shape_recovery

from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML
from PRRTDosimetryLib.dosimetry.by_population import population_notes, population_use
from PRRTDosimetryLib.dosimetry.concentrations import (
    corrected_regions,
    cycle_concentrations,
    with_concentrations,
    with_correction,
)
from PRRTDosimetryLib.dosimetry.cumulative import VISIT as ALL_CYCLES
from PRRTDosimetryLib.dosimetry.cumulative import OrganTotal, incomplete_words, organ_totals, total_rows
from PRRTDosimetryLib.dosimetry.dose_rows import Labels, dose_rows, recovered_rows
from PRRTDosimetryLib.dosimetry.engine import Dosimetry, dosimetry
from PRRTDosimetryLib.dosimetry.errors import DosimetryError
from PRRTDosimetryLib.dosimetry.one_injection import (
    ZERO_WORDS,
    contradiction,
    counted_injection,
    hours_after_injection,
    same_injections,
)
from PRRTDosimetryLib.dosimetry.point_rows import point_rows
from PRRTDosimetryLib.dosimetry.recovery_doses import LesionPoints, RecoveredDoses, recovered_doses
from PRRTDosimetryLib.dosimetry.red_marrow import marrow_points
from PRRTDosimetryLib.dosimetry.refused_curves import empty_words, hole_words, refused_curves
from PRRTDosimetryLib.dosimetry.regions import KIDNEYS, KIDNEYS_APART, Patient, Region, marrow_vertebrae, region_of
from PRRTDosimetryLib.dosimetry.settings import DoseSettings, with_rules
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.uncertainty.chain import ChainInputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTUptakeLib.study.model import StudyInput, StudyResult
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    from PRRTDosimetryLib.kinetics.integral import Integral

_PHANTOM = {"M": "male", "F": "female"}


RENDERER = "PRRTDosimetryLib.report.dose_parts"
"""What registers how the parts of dosimetry are rendered."""
DOSIMETRY = "dosimetry"
"""The visit of rows that hold for a whole cycle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CycleDoses(ResultPart):
    """Doses of one cycle.

    Attributes
    ----------
    dosimetry : of regions and organs.
    kept : by region the part of its contrast that its mean keeps: on these voxels, and with the blur too.
    recovered : corrected doses of lesions; None without a phantom.
    """

    renderer = RENDERER
    dosimetry: Dosimetry
    kept: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    recovered: RecoveredDoses | None = None

    @property
    def cycle(self) -> int:
        """The cycle."""
        return self.dosimetry.patient.cycle


@dataclass(frozen=True, kw_only=True, eq=False)
class TotalDoses(ResultPart):
    """Dose and effect of each organ over all cycles; ``missing`` are cycles without doses."""

    renderer = RENDERER
    totals: tuple[OrganTotal, ...]
    missing: tuple[int, ...] = ()


def settings_of(study: StudyInput) -> DoseSettings:
    """The settings of a study's doses, as a case file or a panel states them.

    Raises
    ------
    InputFileError
        If those of a case file are not usable.
    """
    stated = study.dosimetry
    if isinstance(stated, DoseSettings):
        return stated
    return DoseSettings.from_case(with_rules(stated, study.protocol), study.base)


def add_doses(result: StudyResult) -> StudyResult:
    """Add the doses of every cycle, and of all cycles together.

    A cycle needs several images, or one and an earlier cycle's full curve, which is scaled, or a stated effective
    half-life, which goes first. A cycle that cannot be integrated, such as for want of times, activity or sex, gives a
    warning, and nothing is guessed. Follow-up visits belong to no cycle's curve. With a phantom's recovery curve the
    lesions have corrected doses too, beside the others.
    """
    settings = settings_of(result.input)
    settings.require_tissues(segment.name for visit in result.visits for segment in visit.prepared.segmentation)
    cycles = _cycles(result.visits)
    serial = any(len(visits) > 1 for visits in cycles.values())
    found: list[CycleDoses] = []
    parts: list[ResultPart] = []
    full: Mapping[str, Integral] = {}
    full_recovered: Mapping[str, Integral] = {}
    for cycle, visits in cycles.items():
        if len(visits) < 2 and not (settings.teff_h or serial or settings.population):
            continue
        refusal = _refusal(visits, settings) or _without_curve(visits, settings, full)
        if refusal:
            parts.append(ResultPart(warnings=(f"Cycle {cycle}: no doses. {refusal}",)))
            continue
        before = tuple(one.dosimetry for one in found)
        try:
            made = cycle_doses(visits, settings, result.input.recovery, (full, full_recovered), history=before)
        except InputFileError:  # what was stated cannot be
            raise
        except PRRTError as error:
            parts.append(ResultPart(warnings=(f"Cycle {cycle}: no doses. {error}",)))
            continue
        found.append(made)
        parts.append(made)
        if len(visits) > 1 and not full:
            full = made.dosimetry.integrals
            full_recovered = made.recovered.integrals if made.recovered is not None else {}
    if len(found) > 1:
        parts.append(_totals(result, [one.dosimetry for one in found]))
        injections = {one.cycle: cycles[one.cycle][0].injection for one in found}
        parts.append(ResultPart(warnings=same_injections(injections)))
    return result.with_parts(*parts)


def cycle_doses(
    visits: Sequence[VisitResult],
    settings: DoseSettings,
    phantom: RecoveryCurve | None = None,
    earlier: tuple[Mapping[str, Integral], Mapping[str, Integral]] = ({}, {}),
    dosimetry_of_cycle: Dosimetry | None = None,
    history: Sequence[Dosimetry] = (),
) -> CycleDoses:
    """The doses of one cycle with their rows.

    Parameters
    ----------
    visits, settings : see `cycle_dosimetry`.
    phantom : recovery curve of the camera, by which lesion doses are corrected beside the others.
    earlier : full curves of an earlier cycle, as measured and corrected.
    dosimetry_of_cycle : where it was calculated before; None to calculate it.
    history : earlier cycles, for settings with a population.

    Raises
    ------
    PRRTError
        If curves cannot be made or integrated.
    """
    made = dosimetry_of_cycle or cycle_dosimetry(visits, settings, earlier[0], history)
    recovered = cycle_recovery(visits, made, settings, phantom, earlier[1], history) if phantom is not None else None
    first = min(visits, key=hours_after_injection)
    kept = kept_contrast(first, made.regions, settings)
    names = dict.fromkeys(name for visit in visits for name in _described(visit, settings))
    holes = hole_words(visits, [name for name in names if name not in made.refused])
    labels = Labels(first.labels.patient, DOSIMETRY, first.labels.image)
    rows = [
        *point_rows(made, visits),
        *dose_rows(made, labels),
        *(recovered_rows(recovered, made, labels) if recovered is not None else ()),
    ]
    return CycleDoses(
        dosimetry=made,
        kept=kept,
        recovered=recovered,
        rows=(*rows, *_recovery_rows(rows, kept)),
        warnings=tuple(f"Cycle {first.labels.cycle}: {text}" for text in (*made.warnings, *holes)),
    )


def _recovery_rows(rows: Sequence[Measurement], kept: Mapping[str, tuple[float, float]]) -> list[Measurement]:
    """``expected_recovery`` beside the dose of every region."""
    doses = {row.region: row for row in rows if row.metric == "dose"}
    return [
        replace(doses[name], metric="expected_recovery", value=blurred, unit="1", **UNKNOWN)
        for name, (_, blurred) in kept.items()
    ]


def cycle_dosimetry(
    visits: Sequence[VisitResult],
    settings: DoseSettings,
    full: Mapping[str, Integral] | None = None,
    history: Sequence[Dosimetry] = (),
) -> Dosimetry:
    """The dosimetry of one cycle from its measured visits, each with its injection known.

    ``full`` holds the full curves of an earlier cycle: with one visit they are scaled to it, region by region, where no
    effective half-life is stated. With a population the curves of all earlier cycles (``history``) narrow its prior
    instead.

    Raises
    ------
    PRRTError
        If curves cannot be made or integrated.
    """
    ordered = sorted(visits, key=hours_after_injection)
    first = ordered[0]
    assert first.injection is not None
    nuclide = first.injection.nuclide
    options = _options(settings)
    earlier = _scalable(full or {}, options, nuclide)
    described = _described(first, settings)
    use = population_use(settings, first.injection.activity_MBq, first.labels.cycle, described, history)
    earlier = {name: one for name, one in earlier.items() if use is None or not use.covers(name)}
    known = {name for name in described if name in earlier or (use is not None and use.covers(name))}
    curves, left_out, refused = _curves(ordered, described, known, settings, options)
    regions = {curve.region: described[curve.region] for curve in curves}
    settings.require_regions([*regions, *left_out, *refused], find_nuclide(nuclide))
    if refused and not curves:
        raise DosimetryError(next(iter(refused.values())))
    uptakes = [visit.uptakes for visit in ordered]
    concentrations = marrow_points(ordered, regions) | cycle_concentrations(list(regions), uptakes)
    corrected = corrected_regions(list(concentrations), uptakes)
    curves = [
        with_correction(curve, concentrations[curve.region]) if curve.region in corrected else curve for curve in curves
    ]
    chain = with_concentrations(_chain(first, settings), concentrations, corrected)
    lesion_density = DENSITY_G_PER_ML["lesion"]
    patient = Patient(
        _PHANTOM[settings.sex or first.injection.sex],
        first.injection.activity_MBq,
        nuclide,
        first.labels.cycle,
        first.labels.treated_lobe,
        marrow_fat_fraction=settings.marrow.get("fat_fraction"),
        tissues=settings.radiosensitivities(first.protocol),
        sphere_S_Gy_per_Bq_s=lambda mass_g: sphere_dose(nuclide, mass_g, lesion_density).S_Gy_per_Bq_s,
    )
    options = replace(options, population=use)

    def integrated(some: Sequence[Curve]) -> Dosimetry:
        return dosimetry(some, regions, patient, settings.model, options, chain, earlier=earlier)

    try:
        result = integrated(curves)
    except PRRTError:
        alone = [curve for curve in curves if curve.region not in earlier]
        without = refused_curves(alone, regions, find_nuclide(nuclide), settings.model, options)
        if not without or len(without) == len(curves):
            raise
        refused |= without
        result = integrated([curve for curve in curves if curve.region not in without])
    note = " ".join(text for one in uptakes[:1] if one is not None for text in one.sentences)
    notes = (*result.notes, *_notes(first, left_out), *population_notes(result.integrals, use))
    return replace(result, notes=notes, partial_volume=note, refused=refused)


def _curves(
    visits: Sequence[VisitResult],
    described: Mapping[str, Region],
    known: Container[str],
    settings: DoseSettings,
    options: Options,
) -> tuple[list[Curve], list[str], dict[str, str]]:
    """Curves of the regions described, those without one for want of a half-life, and by region why there is none.

    With one visit a curve is made of regions whose kinetics are ``known`` or whose half-life is stated.
    """
    single = len(visits) == 1
    curves: list[Curve] = []
    left_out: list[str] = []
    refused: dict[str, str] = {}
    for name in described:
        reason = empty_words(name, visits)
        if reason:
            refused[name] = reason
            continue
        try:
            curve = _curve(name, visits)
        except KineticsError as error:
            refused[name] = str(error)
            continue
        if curve is None:
            continue
        if single and name not in known and math.isnan(options.half_life_of(name)[0]):
            left_out.append(name)
            continue
        curves.append(_with_counting_noise(curve, settings) if single else curve)
    return curves, left_out, refused


def _described(visit: VisitResult, settings: DoseSettings) -> dict[str, Region]:
    """What each segment is to dosimetry, those that are nothing to it left out."""
    segments = visit.prepared.segmentation
    marrow = marrow_vertebrae(segments, settings.marrow)
    apart = any(segment.structure in KIDNEYS_APART for segment in segments)
    found = {
        segment.name: Region("organ", KIDNEYS)
        if segment.structure == KIDNEYS and not apart
        else region_of(segment, visit.protocol, marrow)
        for segment in segments
    }
    return {name: region for name, region in found.items() if region is not None}


def cycle_recovery(
    visits: Sequence[VisitResult],
    result: Dosimetry,
    settings: DoseSettings,
    phantom: RecoveryCurve,
    earlier: Mapping[str, Integral] | None = None,
    history: Sequence[Dosimetry] = (),
) -> RecoveredDoses:
    """Lesion doses of the same visits corrected by a phantom's recovery curve.

    ``earlier`` holds corrected full curves of an earlier cycle. Background is the protocol's reference region of each
    lesion; one outside the liver has none.
    """
    ordered = sorted(visits, key=hours_after_injection)
    lesions = [name for name, dose in result.regions.items() if dose.region.kind == "lesion"]
    points, refused = {}, {}
    for name in lesions:
        try:
            points[name] = _lesion_points(name, ordered)
        except ReferenceRegionError as error:
            refused[name] = str(error)
    patient, kinds = result.patient, {name: dose.region for name, dose in result.regions.items()}
    use = population_use(settings, patient.administered_MBq, patient.cycle, kinds, history)
    options = replace(_options(settings), population=use)
    found = recovered_doses(result, points, phantom, _chain(ordered[0], settings), options, earlier)
    return replace(found, refused={**refused, **found.refused})


def _lesion_points(name: str, visits: Sequence[VisitResult]) -> LesionPoints:
    """A lesion and its reference region at every visit.

    Raises
    ------
    ReferenceRegionError
        If there is no reference region for the lesion.
    """
    lesion = [visit.metrics[name] for visit in visits]
    healthy = []
    for visit in visits:
        lobe = visit.prepared.segmentation[name].lobe
        if lobe in ("none", ""):
            raise ReferenceRegionError("it is outside the liver, and other healthy tissue is not measured")
        reference = visit.prepared.references.region(visit.protocol.reference.kind, lobe).name
        if reference not in visit.metrics:
            raise ReferenceRegionError(f"its reference region '{reference}' is not measured at '{visit.labels.visit}'")
        healthy.append((reference, visit.metrics[reference].mean))
    return LesionPoints(
        tuple(one.mean for one in lesion),
        tuple(mean for _, mean in healthy),
        tuple(one.volume_mL for one in lesion),
        healthy[0][0],
    )


def _options(settings: DoseSettings) -> Options:
    return settings.options(Weights(settings.counts_u, 0.0) if settings.counts_u > 0 else None)


def _chain(visit: VisitResult, settings: DoseSettings) -> ChainInputs:
    return ChainInputs(
        settings.calibration_u,
        settings.counts_u,
        0.0,
        settings.s_value_u,
        math.prod(visit.prepared.segmentation.grid.spacing_mm) ** (1 / 3),
        settings.contour_fwhm_mm,
        settings.resolution_mm(visit),
        False,
    )


def kept_contrast(visit: VisitResult, names: Iterable[str], settings: DoseSettings) -> dict[str, tuple[float, float]]:
    """Contrast recovery of each region's mean, where it was measured: by voxel size alone, and with the blur too.

    The second figure holds for the resolution that is stated, or the protocol's; activities and doses are not
    corrected for it.
    """
    fwhm_mm = settings.resolution_mm(visit)
    placed = {name: visit.regions[name] for name in names}
    return {name: (border_recovery(region), shape_recovery(region, fwhm_mm)) for name, region in placed.items()}


def _cycles(visits: Sequence[VisitResult]) -> dict[int, list[VisitResult]]:
    """The visits of each cycle, cycles in order."""
    cycles: dict[int, list[VisitResult]] = {}
    for visit in sorted(visits, key=lambda one: one.labels.cycle):
        if not is_follow_up(visit.labels.visit):
            cycles.setdefault(visit.labels.cycle, []).append(visit)
    return cycles


def _totals(result: StudyResult, doses: Sequence[Dosimetry]) -> TotalDoses:
    """Dose and effect of each organ over all cycles."""
    totals = organ_totals(doses)
    missing = sorted(set(_cycles(result.visits)) - {one.patient.cycle for one in doses})
    labels = Labels(result.input.patient, ALL_CYCLES, result.visits[0].labels.image)
    without = incomplete_words(totals, [one.patient.cycle for one in doses])
    return TotalDoses(totals=tuple(totals), missing=tuple(missing), rows=total_rows(totals, labels), warnings=without)


def _refusal(visits: Sequence[VisitResult], settings: DoseSettings) -> str:
    for visit in visits:
        if visit.injection is None or visit.image.reference_time is None:
            return f"Visit '{visit.labels.visit}' does not state injection or scan time: complete its header."
        try:
            counted_injection(visit)
        except PRRTError as error:
            return str(error)
    if (settings.sex or visits[0].injection.sex) not in _PHANTOM:  # type: ignore[union-attr]
        return "The patient's sex is missing: give it as 'sex' under 'dosimetry' in the case file."
    return contradiction({visit.labels.visit: visit.injection for visit in visits if visit.injection is not None})


def _without_curve(visits: Sequence[VisitResult], settings: DoseSettings, full: Mapping[str, Integral]) -> str:
    """Why one image says nothing on the course of the activity, "" if it does."""
    if len(visits) > 1 or settings.teff_h or settings.population:
        return ""
    injection = visits[0].injection
    assert injection is not None
    if any(name in visits[0].metrics for name in _scalable(full, Options(), injection.nuclide)):
        return ""
    return "It has one image, and no earlier cycle has a full curve to scale: give 'teff_h' under 'dosimetry'."


def _scalable(full: Mapping[str, Integral], options: Options, nuclide: str) -> dict[str, Integral]:
    """Full curves of the same nuclide of the regions for which no half-life is stated."""
    return {
        name: one
        for name, one in full.items()
        if one.nuclide.name == nuclide and math.isnan(options.half_life_of(name)[0])
    }


def _notes(visit: VisitResult, left_out: Sequence[str]) -> list[str]:
    notes = [f"hours count from the {ZERO_WORDS[visit.protocol.imaging.time_zero]} of the infusion"]
    if left_out:
        names = ", ".join(left_out)
        notes.append(f"left out, with one image and neither an earlier full curve nor a stated half-life: {names}")
    return notes


def _with_counting_noise(curve: Curve, settings: DoseSettings) -> Curve:
    """A single point has no scatter to judge by: its uncertainty is that of the counts, unknown if these are."""
    if settings.counts_u == 0:
        return curve
    return replace(curve, u_activity_MBq=tuple(settings.counts_u * activity for activity in curve.activity_MBq))


def _curve(name: str, visits: Sequence[VisitResult]) -> Curve | None:
    """Activity of a region at every visit that shows it, decayed; None if one visit lacks it."""
    if any(name not in visit.metrics for visit in visits):
        return None
    measured = [visit.metrics[name] for visit in visits]
    activities = tuple(one.mean * one.volume_mL * 1e-6 for one in measured)  # Bq/mL x mL -> MBq
    volume = sum(one.volume_mL for one in measured) / len(measured)
    return Curve(name, tuple(hours_after_injection(visit) for visit in visits), activities, volume_mL=volume)
