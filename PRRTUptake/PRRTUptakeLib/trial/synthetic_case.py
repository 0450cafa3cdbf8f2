"""Synthetic patients as folders: DICOM images, segments, the case file that names them, and the truth beside it.

``case.json`` holds

- ``patient``: the patient's identity; ``protocol``: "lutia";
- ``treated_lobe``: "left" or "right";
- ``visits``: a list, one object per visit, paths relative to ``case.json``:
  ``visit`` (its name, for instance "24h"), ``cycle``, ``dicom`` (folder), ``segments`` (folder of NAME.nii.gz on the
  grid of the contrast-enhanced CT), ``lobe_plane`` with ``origin_ras_mm`` and ``normal_ras``, which points to the
  patient's left.

``truth.json`` holds what nobody knows of a real patient: the concentration of every region at the time of each scan,
volume, place, diameter and lobe of every lesion, the gains. Nothing in the pipeline reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
from PRRTUptakeLib.dicom.writing import Series, Subject, write_ct
from PRRTUptakeLib.dicom.writing_nm import write_nm
from PRRTUptakeLib.imaging.phantom import SyntheticPatient, synthetic_patient
from PRRTUptakeLib.imaging.phantom_anatomy import LOBE_PLANE_NORMAL, LUMBAR, LOBE_PLANE_ORIGIN_mm
from PRRTUptakeLib.imaging.simulation import (
    CONTRAST_CT_GRID,
    LOW_DOSE_CT_GRID,
    SPECT_GRID,
    PoissonNoise,
    Posture,
    SPECT_FWHM_mm,
    activity_image,
    region_labels,
    region_volumes_mL,
    tissue_image,
)
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS
from PRRTUptakeLib.whole_folder import whole_folder

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid

CT_NOISE_HU = 12.0
LOW_DOSE_NOISE_HU = 25.0
SPECT_DURATION_s = 1200.0


def write_synthetic_lutia(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    blur: bool = True,
    noise: bool = True,
    patient: SyntheticPatient | None = None,
) -> Path:
    """Write patient ``index`` of ``seed`` as a LUTIA case: contrast-enhanced CT and SPECT/CT 24 h after IA 177Lu.

    CT and SPECT are of one session: they share the frame of reference. Without ``blur`` the SPECT holds exact voxel
    averages; without ``noise`` neither SPECT nor CT have any. ``patient`` replaces the default one.

    Returns
    -------
    The path of ``case.json``.

    Raises
    ------
    WholeFolderError
        If ``folder`` exists and is not empty.
    """
    patient = patient or synthetic_patient(seed, index)
    with whole_folder(folder) as out:
        scan_time_h = 24.0
        session = _Session(patient, "24h", scan_time_h, noise)
        session.write_contrast_ct(out / "DICOM")
        session.write_spect(out / "DICOM", SPECT_FWHM_mm if blur else 0.0)
        write_segments(patient, CONTRAST_CT_GRID, out / "segments")
        visit = {
            "visit": "24h",
            "cycle": 1,
            "dicom": "DICOM",
            "segments": "segments",
            "lobe_plane": lobe_plane(Posture()),
        }
        case = {
            "patient": patient.patient_id,
            "protocol": "lutia",
            "treated_lobe": patient.treated_lobe,
            "visits": [visit],
        }
        _write_json(out / "case.json", case)
        imaging = {"blur": blur, "noise": noise, "fwhm_mm": SPECT_FWHM_mm if blur else 0.0}
        _write_json(out / "truth.json", {**truth(patient, {"24h": scan_time_h}), "imaging": imaging})
    return Path(folder) / "case.json"


class _Session:
    """One stay in the scanner: every image has the same posture, frame of reference and study."""

    def __init__(self, patient: SyntheticPatient, visit: str, time_h: float, noise: bool) -> None:
        self.patient, self.visit, self.time_h, self.noise = patient, visit, time_h, noise
        self.start = patient.injection.time + timedelta(hours=time_h)

    def series(self, number: int, description: str, minutes: float) -> Series:
        """A series that starts ``minutes`` after the emission scan."""
        words = (f"seed {self.patient.seed}", f"patient {self.patient.index}", self.visit)
        return Series(
            subject=subject(self.patient),
            study=words,
            number=number,
            description=description,
            time=self.start + timedelta(minutes=minutes),
            study_time=self.start - timedelta(minutes=20),
            frame=words,
        )

    def _noise_sd(self, sd: float) -> float:
        return sd if self.noise else 0.0

    def write_contrast_ct(self, folder: Path) -> None:
        """CT in the portal-venous phase."""
        random = self.patient.random(f"contrast CT {self.visit}")
        image = tissue_image(
            self.patient, CONTRAST_CT_GRID, "contrast_HU", noise_sd=self._noise_sd(CT_NOISE_HU), random=random
        )
        write_ct(image, folder, self.series(2, "CT abdomen portal venous", -15), contrast=True)

    def write_spect(self, folder: Path, fwhm_mm: float) -> None:
        """SPECT and its low-dose CT."""
        patient = self.patient
        poisson = PoissonNoise(patient.random(f"SPECT {self.visit}"), duration_s=SPECT_DURATION_s)
        image = activity_image(patient, SPECT_GRID, self.time_h, fwhm_mm=fwhm_mm, noise=poisson if self.noise else None)
        drug = radiopharmaceutical(patient)
        write_nm(image, folder, self.series(4, "SPECT abdomen", 0), drug, duration_s=SPECT_DURATION_s)
        ct = tissue_image(
            patient,
            LOW_DOSE_CT_GRID,
            "native_HU",
            noise_sd=self._noise_sd(LOW_DOSE_NOISE_HU),
            random=patient.random(f"low-dose CT {self.visit}"),
        )
        write_ct(ct, folder, self.series(3, "CT low dose SPECT/CT", -5))


def subject(patient: SyntheticPatient) -> Subject:
    """The patient module of a synthetic patient."""
    return Subject(
        patient.patient_id, patient.name, patient.sex, patient.birth_date, patient.weight_kg, patient.height_m
    )


def radiopharmaceutical(patient: SyntheticPatient) -> Radiopharmaceutical:
    """What the patient was injected with."""
    injection = patient.injection
    return Radiopharmaceutical(injection.table.nuclide, injection.activity_MBq, injection.time, injection.route)


def segment_regions(patient: SyntheticPatient) -> dict[str, tuple[str, ...]]:
    """Segments, named as TotalSegmentator names them, and the painted regions that each consists of.

    The liver includes its lesions and leaves out its vessels and the gallbladder.
    """
    inside = tuple(item.name for item in patient.lesions if item.lobe != "none")
    outside = tuple(item.name for item in patient.lesions if item.lobe == "none")
    parts: dict[str, tuple[str, ...]] = {
        "liver": ("liver_left", "liver_right", *inside),
        "gallbladder": ("gallbladder",),
        "inferior_vena_cava": ("inferior_vena_cava",),
        "portal_vein_and_splenic_vein": ("portal_vein",),
        "kidney_left": ("kidney_left",),
        "kidney_right": ("kidney_right",),
        "spleen": ("spleen",),
        "aorta": ("aorta",),
    }
    for name in LUMBAR:
        parts[f"vertebrae_{name}"] = tuple(f"vertebra_{name}_{part}" for part in ("process", "cortex", "marrow"))
    if inside:
        parts["liver_lesions"] = inside
    if outside:
        parts["extrahepatic_lesions"] = outside
    return parts


def write_segments(patient: SyntheticPatient, grid: Grid, folder: Path, posture: Posture | None = None) -> None:
    """Write one mask per segment, NAME.nii.gz; a voxel belongs to it if its centre does."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = region_labels(patient, grid, posture)
    names = [region.name for region in patient.regions]
    for segment, parts in segment_regions(patient).items():
        member = np.zeros(len(names) + 1, dtype=np.uint8)
        member[[names.index(part) + 1 for part in parts]] = 1
        write_mask(member[labels], grid, folder / f"{segment}.nii.gz")


def write_mask(mask: np.ndarray, grid: Grid, path: Path) -> None:
    """Write a mask [k, j, i] as NIfTI."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    lps = LPS_TO_RAS @ grid.ijk_to_ras
    spacing = np.array(grid.spacing_mm)
    image.SetSpacing([float(value) for value in spacing])
    image.SetOrigin([float(value) for value in lps[:3, 3]])
    image.SetDirection([float(value) for value in (lps[:3, :3] / spacing).ravel()])
    SimpleITK.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


def lobe_plane(posture: Posture) -> dict[str, list[float]]:
    """Cantlie's plane in the scanner's RAS; its normal points to the patient's left."""
    matrix = posture.liver_to_ras
    origin = matrix @ np.array([*LOBE_PLANE_ORIGIN_mm, 1.0])
    normal = matrix[:3, :3] @ np.array(LOBE_PLANE_NORMAL)
    return {"origin_ras_mm": origin[:3].tolist(), "normal_ras": normal.tolist()}


def truth(patient: SyntheticPatient, scan_times_h: dict[str, float]) -> dict[str, Any]:
    """What is known: regions and lesions with their concentration (Bq/mL) at each visit, plane, gains, injection."""
    volumes = region_volumes_mL(patient) | {item.name: item.shape.volume_mL for item in patient.lesions}
    regions = {
        region.name: {
            "tissue": region.tissue,
            "volume_mL": volumes[region.name],
            "concentration_Bq_per_mL": _by_visit(patient, region.name, scan_times_h),
            "tia_MBq_h_per_mL": patient.tia_MBq_h_per_mL(region.name),
        }
        for region in patient.regions
    }
    lesions = [
        {
            "name": item.name,
            "centre_ras_mm": list(item.centre_mm),
            "diameter_mm": item.diameter_mm,
            "lobe": item.lobe,
            "relative_uptake": item.relative_uptake,
            **regions[item.name],
        }
        for item in patient.lesions
    ]
    injection = patient.injection
    return {
        "patient": patient.patient_id,
        "seed": patient.seed,
        "index": patient.index,
        "treated_lobe": patient.treated_lobe,
        "gains": asdict(injection.gains),
        "injection": {
            "nuclide": injection.table.nuclide,
            "activity_MBq": injection.activity_MBq,
            "time": injection.time.isoformat(),
            "route": injection.route,
        },
        "scan_time_h": scan_times_h,
        "lobe_plane": lobe_plane(Posture()),
        "lesions": lesions,
        "regions": regions,
    }


def _by_visit(patient: SyntheticPatient, region: str, scan_times_h: dict[str, float]) -> dict[str, float]:
    return {visit: patient.concentration_Bq_per_mL(region, time_h) for visit, time_h in scan_times_h.items()}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
