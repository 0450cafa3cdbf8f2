"""Synthetic phantom scans as DICOM, in the habits of three makers, with PHANTOM.json and the truth.

``counts`` stores counts of the whole acquisition, not decay corrected, and names iterations in the description;
``mapped`` stores an NM image with a mapping to Bq/mL and has no acquisition time; ``pet`` stores a SPECT as PET in
Bq/mL, each slice with a slope of its own.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.uid import NuclearMedicineImageStorage
from scipy.spatial.transform import Rotation

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
from PRRTUptakeLib.dicom.writing import (
    Series,
    Subject,
    date_time,
    decimal,
    item_of,
    lying_supine,
    neutral_path,
    save,
    set_pixels,
    start_dataset,
    write_ct,
)
from PRRTUptakeLib.imaging.camera_phantoms import camera_phantom
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.camera_phantom import (
    FilledPhantom,
    activity,
    background_volume_mL,
    grid_around,
    phantom_ct,
)
from PRRTUptakeLib.synthetic.nm_writing import write_nm
from PRRTUptakeLib.synthetic.pet_writing import write_pet

if TYPE_CHECKING:
    from collections.abc import Mapping

HABITS = ("counts", "mapped", "pet")
START = datetime(2025, 5, 6, 10, 0, tzinfo=timezone(timedelta(hours=2)))
CT_SPACING_mm, CT_NOISE_HU = (2.4, 2.4, 3.0), 20.0
_MAKERS = {"counts": ("Maker A", "Two-head A"), "mapped": ("Maker B", "Two-head B"), "pet": ("Maker C", "Ring C")}
_STOCK_mL = 200.0


@dataclass(frozen=True, kw_only=True)
class PhantomPlan:
    """One synthetic scan; the same plan gives the same scan.

    Attributes
    ----------
    seed : of noise, errors and, where it is not stated, of how the phantom is placed.
    phantom : its word.
    habit : one of `HABITS`.
    spacing_mm, fwhm_mm : voxels of the emission image, and the camera's resolution.
    sphere_MBq_per_mL, background_MBq_per_mL : when the image holds.
    factor : cps/MBq for counts, image over truth otherwise.
    nuclide, duration_s : of the scan.
    noise_cps_per_MBq : sensitivity behind the Poisson noise; 0 for none.
    activity_u, volume_u : standard deviations of the errors of stated activities (one for all) and volumes (each).
    activity_seed : of the dose calibrator's error, for scans that share it; None for ``seed``.
    unfilled, bubble, bubble_share, lid_bubble_mL : see `camera_phantom.FilledPhantom`.
    clock_error_h : of all the camera's clocks against the dose calibrator's.
    with_ct : whether there is a CT.
    zoom : voxels of the CT over the usual ones.
    length_mm : of the phantom, the spheres in its middle; 0 for the real one. A short one is made faster.
    """

    seed: int = 1
    phantom: str = "nema-iec"
    habit: str = "counts"
    spacing_mm: float = 4.42
    fwhm_mm: float = 10.0
    sphere_MBq_per_mL: float = 1.0
    background_MBq_per_mL: float = 0.1
    factor: float = 9.4
    nuclide: str = "Lu-177"
    duration_s: float = 1200.0
    noise_cps_per_MBq: float = 12.0
    activity_u: float = 0.01
    volume_u: float = 0.003
    activity_seed: int | None = None
    unfilled: str = ""
    bubble: str = ""
    bubble_share: float = 0.0
    lid_bubble_mL: float = 0.0
    clock_error_h: float = 0.0
    with_ct: bool = True
    zoom: float = 1.0
    length_mm: float = 0.0

    @property
    def start(self) -> datetime:
        """Start of the scan by the dose calibrator's clock."""
        return START + timedelta(days=self.seed % 60)

    @property
    def moment(self) -> datetime:
        """For which the image holds: its middle for counts, its start where it is decay corrected."""
        return self.start + timedelta(seconds=self.duration_s / 2 if self.habit == "counts" else 0.0)


@dataclass(frozen=True, eq=False)
class MadeScan:
    """Images of a plan, and what is stated and true.

    Attributes
    ----------
    plan, filled : what was planned, how the phantom is placed.
    image : MBq/mL for a calibration factor of 1 with noise.
    clean : the same without noise and with the factor taken off: MBq/mL as blurred.
    ct : None without one.
    fills : as PHANTOM.json states them.
    truth : plain values.
    """

    plan: PhantomPlan
    filled: FilledPhantom
    image: Volume
    clean: Volume
    ct: Volume | None
    fills: dict[str, dict[str, Any]]
    truth: dict[str, Any] = field(default_factory=dict)


def make_scan(plan: PhantomPlan) -> MadeScan:
    """Make the images of a plan."""
    random = np.random.default_rng([plan.seed, 7])
    filled = _filled(plan, random)
    grid = grid_around(filled, (plan.spacing_mm,) * 3, 40.0)
    clean = activity(filled, grid, plan.fwhm_mm)
    shown = clean
    if plan.noise_cps_per_MBq > 0:
        counts_per_value = plan.noise_cps_per_MBq * plan.duration_s * grid.voxel_volume_mL
        shown = random.poisson(clean * counts_per_value) / counts_per_value
    ct = None
    if plan.with_ct:
        spacing = tuple(edge * plan.zoom for edge in CT_SPACING_mm)
        ct = phantom_ct(filled, grid_around(filled, (spacing[0], spacing[1], spacing[2]), 15.0), CT_NOISE_HU, random)
    fills, errors = _fills(plan, filled, random)
    truth = {
        "phantom": plan.phantom,
        "habit": plan.habit,
        "factor": plan.factor,
        "fwhm_mm": plan.fwhm_mm,
        "activity_error": errors,
        "unfilled": plan.unfilled,
        "bubble": plan.bubble,
        "clock_error_h": plan.clock_error_h,
        "spheres": {one.name: filled.place(one).tolist() for one in filled.phantom.spheres},
    }
    image = Volume(shown * plan.factor, grid.ijk_to_ras, "activity concentration", "", plan.moment)
    return MadeScan(plan, filled, image, Volume(clean, grid.ijk_to_ras), ct, fills, truth)


def _filled(plan: PhantomPlan, random: np.random.Generator) -> FilledPhantom:
    """Lying in any way: turned about its axis, askew, at times head for feet."""
    turn, askew, nod = random.uniform(0, 360), random.uniform(-10, 10), random.uniform(-10, 10)
    phantom = camera_phantom(plan.phantom)
    if plan.length_mm > 0:
        phantom = replace(phantom, length_mm=plan.length_mm, spheres_to_end_mm=plan.length_mm / 2)
    angles = [turn, askew + 180.0 * (random.random() < 0.3), nod]
    return FilledPhantom(
        phantom=phantom,
        sphere_MBq_per_mL=plan.sphere_MBq_per_mL,
        background_MBq_per_mL=plan.background_MBq_per_mL,
        rotation=Rotation.from_euler("zyx", angles, degrees=True).as_matrix(),
        centre_ras_mm=tuple(random.uniform(-25, 25, 3)),
        unfilled=plan.unfilled,
        bubble=plan.bubble,
        bubble_share=plan.bubble_share,
        lid_bubble_mL=plan.lid_bubble_mL,
    )


def _fills(
    plan: PhantomPlan, filled: FilledPhantom, random: np.random.Generator
) -> tuple[dict[str, dict[str, Any]], float]:
    """What is stated, with the errors of dose calibrator and volumes; activity that was left out is not in it."""
    shared = np.random.default_rng([plan.seed if plan.activity_seed is None else plan.activity_seed, 9])
    error = 1.0 + plan.activity_u * float(shared.standard_normal())
    hours = 3.0
    then = plan.moment - timedelta(hours=hours)
    raised = error * 2.0 ** (hours / nuclide(plan.nuclide).half_life_h)
    found: dict[str, dict[str, Any]] = {}
    volumes = {"background": background_volume_mL(filled) if plan.background_MBq_per_mL > 0 else 0.0}
    levels = {"background": plan.background_MBq_per_mL, "spheres": plan.sphere_MBq_per_mL}
    if filled.phantom.spheres and plan.sphere_MBq_per_mL > 0:
        volumes["spheres"] = _STOCK_mL
    for name, volume in volumes.items():
        if volume > 0:
            wrong = 1.0 + plan.volume_u * float(random.standard_normal())
            found[name] = {
                "activity_MBq": round(levels[name] * volume * raised, 4),
                "time": then.isoformat(timespec="seconds"),
                "volume_mL": round(volume * wrong, 2),
            }
    return found, error - 1.0


def write_scan(made: MadeScan, folder: Path) -> dict[str, Any]:
    """Write a scan's DICOM to ``folder``; returns its entry of PHANTOM.json, with the folder's own name."""
    plan = made.plan
    shift = timedelta(hours=plan.clock_error_h)
    fill = next(iter(made.fills.values()))
    subject = Subject(f"PHANTOM{plan.seed}", "Phantom", "O", date(2020, 1, 1), 10.0, 1.0)
    words = ("camera phantom", plan.phantom, plan.habit, str(plan.seed))
    series = Series(
        subject=subject,
        study=words,
        number=4,
        description="SPECT OSEM 4i8s",
        time=plan.start + shift,
        study_time=plan.start + shift - timedelta(minutes=20),
        frame=words,
    )
    drug = Radiopharmaceutical(
        plan.nuclide, fill["activity_MBq"], datetime.fromisoformat(fill["time"]) + shift, "intravenous"
    )
    _write_emission(made, folder, series, drug)
    if made.ct is not None:
        write_ct(made.ct, folder, replace(series, number=3, description="CT", time=series.time - timedelta(minutes=5)))
    return {"phantom": plan.phantom, "name": folder.name, "dicom": folder.name, "fills": made.fills}


def _write_emission(made: MadeScan, folder: Path, series: Series, drug: Radiopharmaceutical) -> None:
    plan = made.plan
    image = made.image
    in_bq = Volume(image.array * 1e6, image.ijk_to_ras, "activity concentration", "Bq/ml", image.reference_time)
    if plan.habit == "pet":
        paths = write_pet(in_bq, folder, series, drug, bed_time=timedelta(seconds=plan.duration_s), beds=1)
        _edit(paths, plan, {"ReconstructionMethod": "OSEM3D 6i4s", "ConvolutionKernel": "none"})
        return
    path = write_nm(in_bq, folder, series, drug, duration_s=plan.duration_s)
    if plan.habit == "mapped":
        _edit([path], plan, {}, remove=("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"))
        return
    counts = np.rint(image.array * plan.duration_s * image.grid.voxel_volume_mL)
    dataset = pydicom.dcmread(path)
    set_pixels(dataset, np.minimum(counts, 65535), signed=False)
    dataset.CorrectedImage = ["ATTN", "SCAT"]
    del dataset.RealWorldValueMappingSequence, dataset.DecayCorrection
    dataset.save_as(path)
    _edit([path], plan, {})


def _edit(paths: list[Path], plan: PhantomPlan, values: Mapping[str, Any], remove: tuple[str, ...] = ()) -> None:
    maker, model = _MAKERS[plan.habit]
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.Manufacturer, dataset.ManufacturerModelName, dataset.DeviceSerialNumber = maker, model, "17"
        dataset.InstitutionName = "Synthetic site"
        for name, value in values.items():
            setattr(dataset, name, value)
        for name in remove:
            if name in dataset:
                delattr(dataset, name)
        dataset.save_as(path)


def write_rates(
    folder: Path, plan: PhantomPlan, tau_us: float, model: str, activities_MBq: tuple[float, ...]
) -> dict[str, Any]:
    """Planar images of one decaying source, as DICOM; returns the key ``dead_time`` of PHANTOM.json."""
    random = np.random.default_rng([plan.seed, 8])
    half_life_h = nuclide(plan.nuclide).half_life_h
    first = max(activities_MBq)
    subject = Subject(f"PHANTOM{plan.seed}", "Phantom", "O", date(2020, 1, 1), 10.0, 1.0)
    for n, activity_MBq in enumerate(sorted(activities_MBq, reverse=True)):
        later = timedelta(hours=half_life_h * math.log2(first / activity_MBq))
        words = ("camera rates", str(plan.seed), str(n))
        series = Series(
            subject=subject,
            study=words,
            number=20 + n,
            description="planar",
            time=plan.start + later,
            study_time=plan.start + later,
            frame=words,
        )
        true_cps, duration_s = plan.factor * activity_MBq, 60.0
        loss = true_cps * tau_us * 1e-6
        observed = true_cps * (math.exp(-loss) if model == "paralysable" else 1.0 / (1.0 + loss))
        counts = random.poisson(observed * duration_s * 0.5, size=2)
        _write_planar(folder, series, counts, duration_s)
    return {
        "dicom": folder.name,
        "fill": {"activity_MBq": round(first, 4), "time": plan.start.isoformat(timespec="seconds")},
    }


def _write_planar(folder: Path, series: Series, counts: np.ndarray, duration_s: float) -> None:
    """Two heads with these counts, spread over a small matrix."""
    dataset = start_dataset(series, NuclearMedicineImageStorage, "NM", 1)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    lying_supine(dataset)
    edge = 16
    pixels = np.zeros((2, edge, edge))
    for head, total in enumerate(counts):
        pixels[head] = total // (edge * edge)
        pixels[head, 0, 0] += total - pixels[head].sum()
    dataset.NumberOfFrames = 2
    set_pixels(dataset, pixels, signed=False)
    dataset.PixelSpacing = decimal([4.8, 4.8])
    dataset.ActualFrameDuration = str(round(1000 * duration_s))
    dataset.AcquisitionDateTime = date_time(series.time)
    dataset.DetectorInformationSequence = [item_of(CollimatorGridName="MEGP", CollimatorType="PARA")]
    save(dataset, neutral_path(folder, series, 1))


def write_phantom_set(
    folder: str | Path, *, seed: int = 1, habit: str = "counts", nema: PhantomPlan | None = None, rates: bool = True
) -> Path:
    """Write a commissioning: a uniform cylinder, a NEMA IEC phantom, and a series for the dead time.

    Returns
    -------
    The path of ``PHANTOM.json``; ``truth.json`` is next to it.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    base = nema or PhantomPlan(seed=seed, habit=habit, factor=9.4 if habit == "counts" else 1.03)
    cylinder = replace(
        base,
        phantom="cylinder",
        sphere_MBq_per_mL=0.0,
        unfilled="",
        bubble="",
        bubble_share=0.0,
        seed=base.seed + 100,
        activity_seed=base.seed,
    )
    with atomic_directory(folder) as out:
        scans, truths = [], {}
        for name, plan in (("cylinder", cylinder), ("nema", base)):
            made = make_scan(plan)
            scans.append(write_scan(made, out / name))
            truths[name] = made.truth
        content: dict[str, Any] = {
            "camera": f"Synthetic {habit}",
            "site": "Synthetic site",
            "nuclide": base.nuclide,
            "activity_u": base.activity_u or 0.01,
            "volume_u": base.volume_u or 0.003,
            "scans": scans,
        }
        if rates:
            content["dead_time"] = write_rates(
                out / "rates", replace(base, factor=10.0), 4.0, "paralysable", (500, 1200, 2500, 4000, 6000, 9000)
            )
            truths["dead_time"] = {"tau_us": 4.0, "model": "paralysable"}
        for name, values in (("PHANTOM.json", content), ("truth.json", truths)):
            (out / name).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return Path(folder) / "PHANTOM.json"
