"""Synthetic serial patients, imaged, contoured with errors and corrected: what the stated intervals hold.

A patient is the phantom with lesions, postures and uptakes of its own, 0.85 to 1.15 times as large. Four SPECT images
(4, 24, 72, 168 h) with Poisson noise. Errors are those that the intervals claim: the camera blurs by a width that
differs from the assumed one by 15 % (standard deviation, one for all images), its calibration by 5 %; every image is
2 mm (on each axis) off its contours, every contour is drawn on CT voxels and 0.5 mm too wide or narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.uncertainty.chain import ChainInputs, ChainRegion, dose_uncertainties
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.phantom_uptake import LU177_DOTATATE
from PRRTUptakeLib.synthetic.simulation import (
    CONTRAST_CT_GRID,
    SPECT_GRID,
    PoissonNoise,
    activity_image,
    random_posture,
    region_labels,
)
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.noise import image_noise
from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes
from scipy import ndimage

TIMES_h = (4.0, 24.0, 72.0, 168.0)
FWHM_mm, FWHM_u, CALIBRATION_u, PLACE_mm, CONTOUR_mm = 12.0, 0.15, 0.05, 2.0, 0.5
ORGANS = ("kidney_left", "kidney_right", "spleen")
DRAWS = 2000


@dataclass(frozen=True)
class Camera:
    """What a patient is imaged with, and what is stated of it.

    ``stated_mm``, ``stated_u`` are resolution and its relative u, ``calibration_u`` is that of the factor; ``true_mm``
    and ``gain`` (image over truth after calibration) are how it is.
    """

    stated_mm: float
    stated_u: float
    calibration_u: float
    true_mm: float
    gain: float


@dataclass(frozen=True)
class Found:
    """One region of one patient: reported over true (dose), its interval over the truth, relative u, and whether held.

    ``points`` are the shares of its four concentrations whose interval holds the truth.
    """

    patient: int
    region: str
    diameter_mm: float
    mode: str
    dose: float
    low: float
    high: float
    u: float
    points: float

    @property
    def held(self):
        return self.low <= 1.0 <= self.high


class KnownKinetics:
    """What the chain asks of an integral, with the region's true course scaled to the points by equal weights.

    The course of the activity has a study of its own; here only the scale of the points is in question.
    """

    def __init__(self, region, patient, activity_MBq):
        self.region = region
        self.curve = Curve(region, TIMES_h, activity_MBq, volume_mL=1.0)
        whole = patient.tia_MBq_h_per_mL(region)
        hours = [whole / (patient.concentration_Bq_per_mL(region, t) * 1e-6) for t in TIMES_h]
        self.sensitivity_h = tuple(one / len(hours) for one in hours)
        self.tia_MBq_h = sum(s * a for s, a in zip(self.sensitivity_h, activity_MBq, strict=True))
        self.u_tia_MBq_h = 0.0


def patient_of(index, seed=5):
    """The patient, and how many times as large as the phantom."""
    rng = np.random.default_rng([seed, index])
    tissues = {
        name: replace(row, relative=row.relative * math.exp(0.25 * rng.standard_normal()))
        for name, row in LU177_DOTATATE.tissues.items()
    }
    table = replace(LU177_DOTATATE, tissues=tissues)
    return synthetic_patient(seed, index, table=table), float(rng.uniform(0.85, 1.15)), rng


def scaled(grid, factor):
    """The same voxels around a patient that is ``factor`` times as large."""
    return Grid(grid.shape, np.diag([factor, factor, factor, 1.0]) @ grid.ijk_to_ras)


def spect(patient, size, time_h, posture, fwhm_mm, rng):
    """As if the patient were larger: phantom, voxels and blur are made smaller, and the voxels called by their size."""
    grid = SPECT_GRID
    image = activity_image(patient, scaled(grid, 1 / size), time_h, fwhm_mm=fwhm_mm / size, posture=posture, noise=None)
    noisy = PoissonNoise(rng).apply(image.array, grid.voxel_volume_mL)
    return Volume(noisy, grid.ijk_to_ras, image.quantity, image.units, image.reference_time)


def masks_of(patient, size, posture, more=None):
    """Segments on the CT's grid; liver with its lesions; last the liver, as the order of precedence wants.

    ``more`` are further segments before it, by name the phantom's regions that they are made of.
    """
    grid = CONTRAST_CT_GRID
    labels = region_labels(patient, scaled(grid, 1 / size), posture)
    names = [region.name for region in patient.regions]
    inside = tuple(one.name for one in patient.lesions if one.lobe != "none")
    parts = {one.name: (one.name,) for one in patient.lesions}
    parts |= {name: (name,) for name in ORGANS}
    parts |= more or {}
    parts["liver"] = ("liver_left", "liver_right", *inside)
    found, boxes = {}, ndimage.find_objects(labels)
    for name, members in parts.items():
        numbers = [names.index(member) + 1 for member in members]
        mine = [boxes[number - 1] for number in numbers]
        box = tuple(slice(min(one[a].start for one in mine), max(one[a].stop for one in mine)) for a in range(3))
        flags = np.zeros(len(names) + 1, dtype=bool)
        flags[numbers] = True
        found[name] = Segment(name, flags[labels[box]], origin=tuple(one.start for one in box))
    return found


def healthy_liver(masks):
    """Liver away from lesions and its surface, where noise is read: the tenth of it that is farthest from both."""
    liver = masks["liver"]
    k, j, i = np.array(liver.origin)
    healthy = np.pad(liver.mask, 1)
    for name, lesion in masks.items():
        if name in ("liver", *ORGANS):
            continue
        low = np.array(lesion.origin) - (k, j, i) + 1
        high = low + lesion.mask.shape
        if (low >= 0).all() and (high <= healthy.shape).all():
            part = healthy[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            part &= ~lesion.mask
    away_mm = ndimage.distance_transform_edt(healthy, sampling=CONTRAST_CT_GRID.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    return Segment("healthy", away_mm > np.quantile(away_mm[away_mm > 0], 0.9), origin=liver.origin)


def off(segment, shift_mm, surface_mm):
    """4x4 (RAS): the contour larger by ``surface_mm`` about its middle, and moved."""
    grid = CONTRAST_CT_GRID
    where = (np.argwhere(segment.mask).mean(axis=0) + np.array(segment.origin))[::-1]
    centre = grid.ijk_to_ras[:3, :3] @ where + grid.ijk_to_ras[:3, 3]
    radius_mm = (3 * segment.voxel_count * grid.voxel_volume_mL * 1000 / (4 * math.pi)) ** (1 / 3)
    matrix = np.eye(4)
    matrix[:3, :3] *= 1 + surface_mm / radius_mm
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + shift_mm
    return matrix


def images_of(index, errors=1.0, camera=None, own_mm=0.0):
    """Uptakes of the patient's regions in every image, the patient, and its size; ``errors`` scales what goes wrong.

    ``own_mm`` displaces every region in its own way, in place of the shift of all.
    """
    patient, size, rng = patient_of(index)
    width = FWHM_mm * math.exp(errors * FWHM_u * rng.standard_normal())
    gain = math.exp(errors * CALIBRATION_u * rng.standard_normal())
    camera = camera or Camera(FWHM_mm, FWHM_u, CALIBRATION_u, width, gain)
    settings = PartialVolumeSettings(
        mode="gtm",
        fwhm_mm=camera.stated_mm,
        fwhm_u=camera.stated_u,
        registration_mm=PLACE_mm,
        contour_mm=CONTOUR_mm,
        own_contours=True,
        draws=DRAWS,
    )
    found = []
    for time_h in TIMES_h:
        posture = random_posture(rng, 8.0, 0.0, 4.0)  # turned, the phantom takes ten times as long
        image = spect(patient, size, time_h, posture, camera.true_mm, rng)
        image = replace(image, array=image.array * camera.gain)
        shift = errors * PLACE_mm * rng.standard_normal(3) if own_mm == 0 else np.zeros(3)
        placed, masks = {}, masks_of(patient, size, posture)
        for name, mask in masks.items():
            own = own_mm * rng.standard_normal(3) if own_mm else 0.0
            wrong = off(mask, shift + own, errors * CONTOUR_mm * rng.standard_normal())
            placed[name] = occupancy(mask, CONTRAST_CT_GRID, SPECT_GRID, wrong)
        noise = image_noise(image, occupancy(healthy_liver(masks), CONTRAST_CT_GRID, SPECT_GRID))
        found.append(region_uptakes(image, list(placed.values()), settings, noise=noise, name=f"{time_h:g}h"))
    return found, patient, size, camera


def study_patient(index, errors=1.0, camera=None, own_mm=0.0):
    """What is found of every kidney, spleen and lesion of a patient, not corrected and corrected."""
    images, patient, size, camera = images_of(index, errors, camera, own_mm)
    diameters = {one.name: one.diameter_mm * size for one in patient.lesions}
    rows = []
    for mode in ("none", "gtm"):
        for name in (*diameters, *ORGANS):
            row = _region(name, mode, images, patient, camera)
            rows.append(replace(row, patient=index, diameter_mm=diameters.get(name, math.nan)))
    return rows


def _region(name, mode, series, patient, camera):
    try:
        points = [image.uptake(name) for image in series]
    except RecoveryError:
        return Found(0, name, math.nan, mode, math.nan, -math.inf, math.inf, math.nan, math.nan)
    corrected = mode == "gtm"
    values = [one.corrected if corrected else one.measured for one in points]
    integral = KnownKinetics(name, patient, tuple(value * 1e-6 for value in values))
    chain = ChainInputs(
        camera.calibration_u,
        0.0,
        0.0,
        0.0,
        1.0,
        1.0,
        camera.stated_mm,
        False,
        {name: tuple(points)},
        frozenset({name} if corrected else ()),
    )
    # Concentration in place of dose: mass and S-value cancel.
    region = ChainRegion(integral, 1.0, integral.tia_MBq_h, 0.0, lambda ratio: 1 / ratio)
    found = dose_uncertainties({name: region}, chain, DRAWS, np.random.default_rng(1)).regions[name]
    true = patient.tia_MBq_h_per_mL(name)
    held = 0
    for time_h, point in zip(TIMES_h, points, strict=True):
        calibration = np.random.default_rng(7).standard_normal(DRAWS)
        one = point.with_shared(camera.calibration_u, calibration, "calibration").result(corrected)
        held += one.lower <= patient.concentration_Bq_per_mL(name, time_h) <= one.upper
    low, high = (value / true for value in found.interval_Gy)
    dose = integral.tia_MBq_h / true
    return Found(0, name, math.nan, mode, dose, low, high, found.u_dose_Gy / integral.tia_MBq_h, held / len(points))


def groups(rows):
    """Rows by kind of region, for a table."""
    found = {"kidneys": [], "spleen": [], "lesions from 30 mm": [], "lesions 20-30 mm": [], "lesions 15-20 mm": []}
    for row in rows:
        if row.region.startswith("kidney"):
            found["kidneys"].append(row)
        elif row.region == "spleen":
            found["spleen"].append(row)
        elif row.diameter_mm >= 30:
            found["lesions from 30 mm"].append(row)
        elif row.diameter_mm >= 20:
            found["lesions 20-30 mm"].append(row)
        elif row.diameter_mm >= 15:
            found["lesions 15-20 mm"].append(row)
    return found


def table(rows):
    """The coverage table as text."""
    lines = [f"{'mode':5} {'regions':20} {'n':>4} {'held':>6} {'points':>7} {'median':>7} {'mean':>7} {'u':>6}"]
    for mode in dict.fromkeys(row.mode for row in rows):
        for name, some in groups([row for row in rows if row.mode == mode]).items():
            if some:
                doses = np.array([row.dose for row in some])
                lines.append(
                    f"{mode:5} {name:20} {len(some):4d} {np.mean([r.held for r in some]):6.3f} "
                    f"{np.nanmean([r.points for r in some]):7.3f} {np.nanmedian(doses):7.3f} {np.nanmean(doses):7.3f} "
                    f"{np.nanmedian([r.u for r in some]):6.3f}"
                )
    return "\n".join(lines)
