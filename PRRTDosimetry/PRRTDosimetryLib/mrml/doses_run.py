"""Doses of a case whose cycle was imaged more than once: from region means to the dosimetry of each cycle."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.region_recovery import border_recovery, shape_recovery

from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.mrml.dose_report import dose_sections
from PRRTDosimetryLib.mrml.settings import DoseSettings
from PRRTDosimetryLib.uncertainty.chain import ChainInputs
from PRRTDosimetryLib.uncertainty.patient import Dosimetry, dosimetry
from PRRTDosimetryLib.uncertainty.regions import Patient, Region
from PRRTDosimetryLib.uncertainty.rows import Labels, dose_rows, dose_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTUptakeLib.mrml.outcome import CaseOutcome
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.trial.pipeline import VisitResult

_ORGANS = {"kidney_left": "kidneys", "kidney_right": "kidneys", "spleen": "spleen"}
_PHANTOM = {"M": "male", "F": "female"}


def add_doses(outcome: CaseOutcome) -> CaseOutcome:
    """Add the doses of every cycle with several images, or with one and a stated effective half-life.

    A cycle that cannot be integrated for want of times, activity or sex is told as a warning, and nothing is guessed.
    """
    settings = DoseSettings.from_case(outcome.case.dosimetry)
    by_cycle = groupby(sorted(outcome.lobe_visits, key=lambda one: one.labels.cycle), key=lambda one: one.labels.cycle)
    for cycle, group in by_cycle:
        visits = list(group)
        if len(visits) < 2 and not settings.teff_h:
            continue
        refusal = _refusal(visits, settings)
        if refusal:
            outcome = outcome.with_more(warnings=[f"Cycle {cycle}: no doses. {refusal}"])
            continue
        result = cycle_dosimetry(visits, settings)
        labels = Labels(outcome.case.patient, "dosimetry", visits[0].labels.image)
        outcome = outcome.with_more(
            rows=dose_rows(result, labels),
            text=[f"Absorbed dose, cycle {cycle}", dose_table(result)],
            sections=dose_sections(result, f"Cycle {cycle}", kept_contrast(visits[0], result.regions)),
        )
    return outcome


def cycle_dosimetry(visits: Sequence[VisitResult], settings: DoseSettings) -> Dosimetry:
    """The dosimetry of one cycle from its measured visits, each with its injection known.

    Raises
    ------
    PRRTError
        If curves cannot be made or integrated.
    """
    ordered = sorted(visits, key=_hours)
    first = ordered[0]
    assert first.injection is not None
    curves, regions = [], {}
    for segment in first.prepared.segmentation:
        region = _region(segment)
        if region is not None:
            curve = _curve(segment.name, ordered)
            if curve is not None:
                curves.append(curve)
                regions[segment.name] = region
    nuclide = first.injection.nuclide
    lesion_density = DENSITY_G_PER_ML["lesion"]
    patient = Patient(
        _PHANTOM[settings.sex or first.injection.sex],
        first.injection.activity_MBq,
        nuclide,
        first.labels.cycle,
        first.labels.treated_lobe,
        sphere_S_Gy_per_Bq_s=lambda mass_g: sphere_dose(nuclide, mass_g, lesion_density).S_Gy_per_Bq_s,
    )
    chain = ChainInputs(
        settings.calibration_u,
        settings.counts_u,
        0.0,
        settings.s_value_u,
        max(first.prepared.segmentation.grid.spacing_mm),
        settings.contour_fwhm_mm,
        first.protocol.imaging.fwhm_mm,
        False,
    )
    weights = Weights(settings.counts_u, 0.0) if settings.counts_u > 0 else None
    options = Options(weights, teff_h=settings.teff_h)
    return dosimetry(curves, regions, patient, settings.model, options, chain)


def kept_contrast(visit: VisitResult, names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Per region, what its mean keeps of its contrast to its surroundings: on these voxels, and with the blur too.

    The second figure holds for the protocol's resolution; activities and doses are not corrected for it.
    """
    segmentation, grid = visit.prepared.segmentation, visit.image.grid
    placed = {name: occupancy(segmentation[name], segmentation.grid, grid) for name in names}
    fwhm_mm = visit.protocol.imaging.fwhm_mm
    return {name: (border_recovery(region), shape_recovery(region, fwhm_mm)) for name, region in placed.items()}


def _refusal(visits: Sequence[VisitResult], settings: DoseSettings) -> str:
    for visit in visits:
        if visit.injection is None or visit.image.reference_time is None:
            return f"Visit '{visit.labels.visit}' does not tell injection or scan time: complete its header."
    if (settings.sex or visits[0].injection.sex) not in _PHANTOM:  # type: ignore[union-attr]
        return "The patient's sex is not told: give it as 'sex' under 'dosimetry' in the case file."
    if len({visit.injection.activity_MBq for visit in visits if visit.injection}) > 1:
        return "The images of the cycle name different administered activities: correct their headers."
    return ""


def _hours(visit: VisitResult) -> float:
    """Hours from the injection to the moment for which the image holds."""
    assert visit.injection is not None
    assert visit.image.reference_time is not None
    return visit.injection.hours_to(visit.image.reference_time)


def _curve(name: str, visits: Sequence[VisitResult]) -> Curve | None:
    """Activity of a region at every visit that shows it, decayed; None if one visit lacks it."""
    if any(name not in visit.metrics for visit in visits):
        return None
    measured = [visit.metrics[name] for visit in visits]
    activities = tuple(one.mean * one.volume_mL * 1e-6 for one in measured)  # Bq/mL x mL -> MBq
    volume = sum(one.volume_mL for one in measured) / len(measured)
    return Curve(name, tuple(_hours(visit) for visit in visits), activities, volume_mL=volume)


def _region(segment: Segment) -> Region | None:
    if segment.structure in _ORGANS:
        return Region("organ", _ORGANS[segment.structure])
    if segment.structure == "liver":
        return Region("organ", "liver", contains_lesions=True)
    if segment.structure == "marrow":
        return Region("vertebrae", vertebrae="L2-L4")
    if segment.role in ("target", "lesion"):
        inside = segment.lobe not in ("none", "")
        lobe = segment.lobe if inside else ""
        return Region("lesion", "liver" if inside else "", lobe, segment.lesion_id, segment.role)
    if segment.role == "reference" and segment.lobe in ("left", "right"):
        return Region("lobe", "liver", segment.lobe)
    return None
