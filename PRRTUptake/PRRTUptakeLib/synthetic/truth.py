"""What is known of a synthetic patient, as plain values for ``truth.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.phantom_anatomy import LOBE_PLANE_NORMAL, LOBE_PLANE_ORIGIN_mm
from PRRTUptakeLib.synthetic.segments import segment_regions
from PRRTUptakeLib.synthetic.simulation import PET_FWHM_mm, Posture, SPECT_FWHM_mm, region_volumes_mL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.synthetic.phantom import Injection, SyntheticPatient
    from PRRTUptakeLib.synthetic.session import Session

FWHM_mm = {"SPECT": SPECT_FWHM_mm, "PET": PET_FWHM_mm}


def truth(sessions: Sequence[Session], modality: str) -> dict[str, Any]:
    """Everything that is known, over the emission sessions of one patient.

    Keys: ``patient``, ``seed``, ``index``, ``imaging``; ``visits`` by name (scan time, posture as
    4x4, injection with its gains); ``regions`` by name (tissue, volume, and per visit concentration and SUV);
    ``lesions`` (the same with centre, diameter and lobe; the centre in the phantom's frame and per visit in RAS);
    ``segments`` by name (volume, mean concentration, TIA).

    Parameters
    ----------
    sessions : of one patient; each with its own injection, or all after one.
    modality : "SPECT" or "PET".
    """
    first = sessions[0]
    patient = first.patient
    volumes = region_volumes_mL(patient) | {item.name: item.shape.volume_mL for item in patient.lesions}
    regions = {region.name: _region(region.name, region.tissue, volumes, sessions) for region in patient.regions}
    return {
        "patient": patient.patient_id,
        "seed": patient.seed,
        "index": patient.index,
        "imaging": {
            "modality": modality,
            "fwhm_mm": FWHM_mm[modality] if first.blur else 0.0,
            "noise": first.noise,
        },
        "visits": {session.visit: _visit(session) for session in sessions},
        "regions": regions,
        "lesions": [
            {
                "name": item.name,
                "centre_phantom_mm": list(item.centre_mm),
                "centre_ras_mm": {s.visit: _moved(item.centre_mm, item.lobe, s.posture) for s in sessions},
                "diameter_mm": item.diameter_mm,
                "lobe": item.lobe,
                "relative_uptake": item.relative_uptake,
                **regions[item.name],
            }
            for item in patient.lesions
        ],
        "segments": {
            name: _segment(parts, regions, [session.visit for session in sessions])
            for name, parts in segment_regions(patient).items()
        },
    }


def _visit(session: Session) -> dict[str, Any]:
    return {
        "time_h": session.time_h,
        "posture": posture_truth(session.posture),
        "lobe_plane": lobe_plane(session.posture),
        "injection": _injection(session.patient.injection),
    }


def _injection(injection: Injection) -> dict[str, Any]:
    return {
        "nuclide": injection.table.nuclide,
        "activity_MBq": injection.activity_MBq,
        "time": injection.time.isoformat(),
        "route": injection.route,
        "gains": asdict(injection.gains),
    }


def _region(name: str, tissue: str, volumes: Mapping[str, float], sessions: Sequence[Session]) -> dict[str, Any]:
    """TIA counts from each visit's injection to infinity; visits after one injection share it."""
    return {
        "tissue": tissue,
        "volume_mL": volumes[name],
        "concentration_Bq_per_mL": {s.visit: s.patient.concentration_Bq_per_mL(name, s.time_h) for s in sessions},
        "suv": {s.visit: suv(s.patient, name, s.time_h) for s in sessions},
        "tia_MBq_h_per_mL": {s.visit: s.patient.tia_MBq_h_per_mL(name) for s in sessions},
        "tia_MBq_h": {s.visit: s.patient.tia_MBq_h_per_mL(name) * volumes[name] for s in sessions},
    }


def _segment(parts: Sequence[str], regions: Mapping[str, Mapping[str, Any]], visits: Sequence[str]) -> dict[str, Any]:
    """A segment's volume, mean concentration and TIA from the visible volumes of its regions."""
    volume = sum(regions[part]["volume_mL"] for part in parts)
    weighted = {
        v: sum(regions[p]["volume_mL"] * regions[p]["concentration_Bq_per_mL"][v] for p in parts) for v in visits
    }
    return {
        "volume_mL": volume,
        "concentration_Bq_per_mL": {visit: total / volume for visit, total in weighted.items()},
        "tia_MBq_h": {visit: sum(regions[part]["tia_MBq_h"][visit] for part in parts) for visit in visits},
    }


def suv(patient: SyntheticPatient, region: str, time_h: float) -> float:
    """SUV by body weight, g/mL: concentration over injected activity decayed to the same time, times weight."""
    injection = patient.injection
    left_Bq = injection.activity_MBq * 1e6 * nuclide(injection.table.nuclide).decay_factor(time_h)
    return patient.concentration_Bq_per_mL(region, time_h) / left_Bq * patient.weight_kg * 1000.0


def enhancement_ratios(regions: Mapping[str, Mapping[str, Any]], first: str, second: str) -> dict[str, float]:
    """SUV at visit ``first`` over SUV at visit ``second``, each at its own time after injection, by region."""
    return {name: known["suv"][first] / known["suv"][second] for name, known in regions.items()}


def posture_truth(posture: Posture) -> dict[str, Any]:
    """Posture as plain values: 4x4 of the body and of what breathes, phantom to RAS mm."""
    return {
        "phantom_to_ras": posture.phantom_to_ras.tolist(),
        "liver_to_ras": posture.liver_to_ras.tolist(),
        "breathing_mm": posture.breathing_mm,
    }


def lobe_plane(posture: Posture) -> dict[str, list[float]]:
    """Cantlie's plane in the scanner's RAS; its normal points to the patient's left."""
    matrix = posture.liver_to_ras
    origin = matrix @ np.array([*LOBE_PLANE_ORIGIN_mm, 1.0])
    normal = matrix[:3, :3] @ np.array(LOBE_PLANE_NORMAL)
    return {"origin_ras_mm": origin[:3].tolist(), "normal_ras": normal.tolist()}


def _moved(centre_mm: Sequence[float], lobe: str, posture: Posture) -> list[float]:
    matrix = posture.phantom_to_ras if lobe == "none" else posture.liver_to_ras
    return [float(value) for value in (matrix @ np.array([*centre_mm, 1.0]))[:3]]
