"""One session of a synthetic patient in a scanner: its images as DICOM."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
from PRRTUptakeLib.dicom.writing import Series, Subject, write_ct, write_mr
from PRRTUptakeLib.synthetic.nm_writing import write_nm
from PRRTUptakeLib.synthetic.pet_writing import write_pet
from PRRTUptakeLib.synthetic.phantom import SyntheticPatient
from PRRTUptakeLib.synthetic.simulation import (
    CONTRAST_CT_GRID,
    LOW_DOSE_CT_GRID,
    MR_GRID,
    PET_GRID,
    SPECT_GRID,
    PET_FWHM_mm,
    PoissonNoise,
    Posture,
    SPECT_FWHM_mm,
    activity_image,
    tissue_image,
)

if TYPE_CHECKING:
    from pathlib import Path

CONTRAST_CT_NOISE_HU = 12.0
LOW_DOSE_CT_NOISE_HU = 25.0
MR_NOISE = 12.0
SPECT_DURATION_s = 1200.0
PET_BED_TIME = timedelta(seconds=180)
PET_SENSITIVITY_cps_per_MBq = 6000.0  # the order of a whole-body scanner in 3D


@dataclass(frozen=True, eq=False)
class Session:
    """The patient after an injection, ``time_h`` later, lying in one posture; all images share a frame of reference.

    Attributes
    ----------
    patient : with the injection that is imaged.
    visit : name of the visit, from which UIDs and random numbers follow.
    time_h : from the injection to the start of the emission scan; negative before it.
    posture : how the patient lies.
    blur, noise : whether images have the resolution and the noise of a scanner.
    """

    patient: SyntheticPatient
    visit: str
    time_h: float
    posture: Posture = field(default_factory=Posture)
    blur: bool = True
    noise: bool = True

    def series(self, number: int, description: str, minutes: float = 0.0) -> Series:
        """A series that starts ``minutes`` after the emission scan."""
        words = (f"seed {self.patient.seed}", f"patient {self.patient.index}", self.visit)
        start = self.patient.injection.time + timedelta(hours=self.time_h)
        return Series(
            subject=subject(self.patient),
            study=words,
            number=number,
            description=description,
            time=start + timedelta(minutes=minutes),
            study_time=start - timedelta(minutes=20),
            frame=words,
        )

    def write_contrast_ct(self, folder: Path) -> None:
        """CT in the portal-venous phase."""
        image = tissue_image(
            self.patient,
            CONTRAST_CT_GRID,
            "contrast_HU",
            noise_sd=CONTRAST_CT_NOISE_HU * self.noise,
            random=self.patient.random(f"contrast CT {self.visit}"),
            posture=self.posture,
        )
        write_ct(image, folder, self.series(2, "CT abdomen portal venous", -15), contrast=True)

    def write_low_dose_ct(self, folder: Path) -> None:
        """The CT of SPECT/CT or PET/CT."""
        image = tissue_image(
            self.patient,
            LOW_DOSE_CT_GRID,
            "native_HU",
            noise_sd=LOW_DOSE_CT_NOISE_HU * self.noise,
            random=self.patient.random(f"low-dose CT {self.visit}"),
            posture=self.posture,
        )
        write_ct(image, folder, self.series(3, "CT low dose", -5))

    def write_spect(self, folder: Path) -> None:
        """SPECT and its CT."""
        random = self.patient.random(f"SPECT {self.visit}")
        image = activity_image(
            self.patient,
            SPECT_GRID,
            self.time_h,
            fwhm_mm=SPECT_FWHM_mm * self.blur,
            noise=PoissonNoise(random, duration_s=SPECT_DURATION_s) if self.noise else None,
            posture=self.posture,
        )
        drug = radiopharmaceutical(self.patient)
        write_nm(image, folder, self.series(4, "SPECT abdomen"), drug, duration_s=SPECT_DURATION_s)
        self.write_low_dose_ct(folder)

    def write_pet(self, folder: Path) -> None:
        """PET and its CT."""
        random = self.patient.random(f"PET {self.visit}")
        counts = PoissonNoise(random, PET_SENSITIVITY_cps_per_MBq, PET_BED_TIME.total_seconds())
        image = activity_image(
            self.patient,
            PET_GRID,
            self.time_h,
            fwhm_mm=PET_FWHM_mm * self.blur,
            noise=counts if self.noise else None,
            posture=self.posture,
        )
        drug = radiopharmaceutical(self.patient)
        write_pet(image, folder, self.series(5, "PET abdomen AC"), drug, bed_time=PET_BED_TIME)
        self.write_low_dose_ct(folder)

    def write_mr(self, folder: Path) -> None:
        """T1-weighted MRI."""
        image = tissue_image(
            self.patient,
            MR_GRID,
            "t1_signal",
            noise_sd=MR_NOISE * self.noise,
            random=self.patient.random(f"MR {self.visit}"),
            posture=self.posture,
        )
        write_mr(image, folder, self.series(6, "MR T1 abdomen"))


def subject(patient: SyntheticPatient) -> Subject:
    """The patient module of a synthetic patient."""
    return Subject(
        patient.patient_id, patient.name, patient.sex, patient.birth_date, patient.weight_kg, patient.height_m
    )


def radiopharmaceutical(patient: SyntheticPatient) -> Radiopharmaceutical:
    """What the patient was injected with."""
    injection = patient.injection
    return Radiopharmaceutical(injection.table.nuclide, injection.activity_MBq, injection.time, injection.route)
