"""Dose in every voxel through ``prrt run``: against the map of the true activity, and beside the doses of regions.

Truth is the integral averaged over voxels as the image is, from the phantom: border voxels mix, whatever the kinetics.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PRRTDosimetryLib.dose.dose_map import kernel_dose, local_dose
from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dosimetry.cycle import add_doses
from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap, add_dose_maps, cycle_map, visit_registrations
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.dosimetry.summed_map import add_summed_map
from PRRTDosimetryLib.effect.bed import bed_Gy
from PRRTDosimetryLib.report.dose_maps_report import difference_steps
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.export.dicom_maps import read_map
from PRRTUptakeLib.export.dicom_results import write_dicom
from PRRTUptakeLib.export.dicom_rtdose import read_dose
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.mrml.run import run_case
from PRRTUptakeLib.segmentation.files import grid_of_image
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import SPECT_GRID, random_posture, voxel_averages
from PRRTUptakeLib.uptake.occupancy import occupancy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SEED = 2
SAME = np.eye(4).tolist()
SETTINGS = {"dose_map": "kernel", "transforms": {f"1/{name}": SAME for name in ("24h", "72h", "168h")}}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    path = write_synthetic_serial(
        tmp_path_factory.mktemp("serial") / "patient", seed=SEED, moving=False, blur=False, noise=False
    )
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "dosimetry": SETTINGS}))
    return path


@pytest.fixture(scope="module")
def run(case):
    """Folder of results, rows, and outcome."""
    made = run_case(case, case.parent.parent / "out", extensions=[add_doses, add_dose_maps])
    with (case.parent.parent / "out" / "measurements.csv").open(encoding="utf-8") as stream:
        return made.report.parent, list(csv.DictReader(stream)), made.result


@pytest.fixture(scope="module")
def truth():
    patient = synthetic_patient(SEED)
    per_mL = {region.name: patient.tia_MBq_h_per_mL(region.name) for region in patient.regions}
    array = np.asarray(voxel_averages(patient, SPECT_GRID, per_mL))
    return Volume(array, SPECT_GRID.ijk_to_ras, "time-integrated activity concentration", "MBq.h/ml")


def values(run, metric):
    return {row["region"]: float(row["value"]) for row in run[1] if row["metric"] == metric}


def measured_regions(outcome):
    """Regions with partial voxels, on the phantom's own grid."""
    first = outcome.visits[0].prepared.segmentation
    wanted = [s for s in first if s.role in ("target", "lesion") or s.name in ("liver", "spleen", "kidney_left")]
    assert len(wanted) >= 12
    return [occupancy(segment, first.grid, SPECT_GRID) for segment in wanted]


def test_kernel_doses_are_those_of_the_true_activity(run, truth):
    """3 %: curves that are uptake and clearance in truth, in voxels that mix tissues, through four points."""
    dose = kernel_dose(truth, "Lu-177")
    found = values(run, "voxel_dose_mean")
    for region in measured_regions(run[2]):
        expected = region.values(dose) @ region.fraction / region.fraction.sum()
        assert found[region.name] == pytest.approx(expected, rel=0.03), region.name


def test_local_doses_and_integrals_are_those_of_the_true_activity(run, truth):
    dose = local_dose(truth, "Lu-177")
    outcome = run[2]
    settings = DoseSettings.from_case({**SETTINGS, "dose_map": "local"})
    made = cycle_map(outcome.visits, outcome.images, settings)
    for region in measured_regions(outcome):
        histogram = made.regions[region.name].histogram
        expected = region.values(dose) @ region.fraction / region.fraction.sum()
        assert histogram.mean_Gy == pytest.approx(expected, rel=0.03), region.name
        tia_MBq_h = region.values(truth) @ region.fraction * SPECT_GRID.voxel_volume_mL
        assert made.regions[region.name].tia_MBq_h == pytest.approx(tia_MBq_h, rel=0.03), region.name


def test_histograms_are_those_of_the_true_dose(run, truth):
    """Read from the sorted true doses, each with its volume: least dose of the volume that receives most."""
    dose = kernel_dose(truth, "Lu-177")
    for region in measured_regions(run[2]):
        order = np.argsort(region.values(dose))
        below = (np.cumsum(region.fraction[order]) - region.fraction[order] / 2) / region.fraction.sum()
        for percent in (98, 50, 2):
            expected = np.interp(1 - percent / 100, below, region.values(dose)[order])
            assert values(run, f"dvh_d{percent}")[region.name] == pytest.approx(expected, rel=0.05), region.name


def test_levels_have_intervals_where_regions_are_corrected_together(run):
    rows = {(row["region"], row["metric"]): row for row in run[1]}
    for percent in (98, 50, 2):
        row = rows["kidney_left", f"dvh_d{percent}"]
        low, high, mean = float(row["lower_95"]), float(row["upper_95"]), rows["kidney_left", "voxel_dose_mean"]
        assert low < float(mean["value"]) < high
        assert float(row["uncertainty"]) > 0
        assert rows["liver", f"dvh_d{percent}"]["lower_95"] == ""


def test_means_next_to_doses_of_regions(run):
    """Lesions by spheres and organs by the phantom: apart by photons of the surroundings, shape and 1 % of density.

    Lesions of 4 mL and more to 4 % (kernel, images without blur).
    """
    voxel, region = values(run, "voxel_dose_mean"), values(run, "dose")
    volumes = {r["region"]: float(r["value"]) / 1.05 for r in run[1] if r["metric"] == "mass"}
    large = [n for n, volume in volumes.items() if volume > 3.5 and n in voxel]
    assert len(large) >= 12
    for name in large:
        assert voxel[name] == pytest.approx(region[name], rel=0.04), name


def test_the_energy_step_from_spheres_is_photons(run):
    """Photons per dose of electrons in the map, against those of a sphere alone; 0.6 % is left for electrons."""
    outcome = run[2]
    made = cycle_map(outcome.visits, outcome.images, DoseSettings.from_case(SETTINGS))
    electrons = kernel_dose(made.tia.tia, "Lu-177", radiation="electrons")
    dose, tia, mass = (values(run, metric) for metric in ("dose", "tia", "mass"))
    for region in measured_regions(outcome):
        name, found = region.name, made.regions[region.name]
        if found.segment.role not in ("target", "lesion") or mass[name] < 4.0:
            continue
        electrons_Gy = region.values(electrons) @ region.fraction / region.fraction.sum()
        ball = sphere_dose("Lu-177", mass[name], 1.05)
        alone = ball.absorbed_fraction_photons * 35.10 / (ball.absorbed_fraction_electrons * 147.92)
        total, activity, energy = difference_steps(found, dose[name], tia[name], mass[name])
        assert activity * energy == pytest.approx(total)
        assert energy == pytest.approx(found.histogram.mean_Gy / electrons_Gy / (1.0 + alone), abs=0.006), name
        assert energy > 1.002, name


def test_report_and_scene_hold_the_map(run):
    folder, _, outcome = run
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "dose in every voxel",
        "Dose-volume histogram: lesions",
        "of it energy %",
        "shapes, distances and cross doses",
    ):
        assert words in page
    dose = outcome.contents[-1].volumes[0][1]
    assert (dose.quantity, dose.units) == ("absorbed dose", "Gy")
    assert dose.grid.matches(outcome.visits[0].image.grid)
    assert not outcome.warnings or not any("dose map" in text for text in outcome.warnings)


def region_means(made):
    return {name: one.histogram.mean_Gy for name, one in made.regions.items()}


def test_by_the_density_of_the_ct_every_tissue_has_its_own_mass(run):
    """Unenhanced organs of 1.05 to 1.07 g/mL get 1 to 3 % less of their electrons' dose than at 1.04 g/mL."""
    outcome = run[2]
    settings = DoseSettings.from_case({**SETTINGS, "density": "ct", "isodoses_Gy": [5.0, 10.0]})
    made = cycle_map(outcome.visits, outcome.images, settings, study=outcome.input)
    plain = values(run, "voxel_dose_mean")
    for name in ("liver", "spleen", "kidney_left"):
        placed = outcome.visits[0].regions[name]
        rho = placed.values(made.density) @ placed.fraction / placed.fraction.sum()
        assert 1.02 < rho < 1.071, name
        assert made.regions[name].histogram.mean_Gy / plain[name] == pytest.approx(
            1.0 - 0.95 * (rho / 1.04 - 1.0), abs=8e-3
        )
    lung = (made.density.array > 0.15) & (made.density.array < 0.4)
    assert lung.sum() > 1000  # the phantom has lungs, and the map knows their mass
    assert [segment.name for segment in made.isodoses] == ["5 Gy", "10 Gy"]
    assert not made.doubts


def test_a_case_without_ct_has_no_map_by_density(run):
    outcome = run[2]
    bare = [replace(one, anatomy=None) for one in outcome.input.visits]
    images = tuple(replace(one, anatomy=None) for one in outcome.images)
    case = replace(outcome.input, visits=tuple(bare), dosimetry={**SETTINGS, "density": "ct"})
    said = add_dose_maps(replace(outcome, input=case, images=images))
    assert "Visit '4h' has no CT in the space of its emission image" in said.warnings[-1]


def test_dose_rates_integrated_are_the_dose_of_the_integral(run):
    """In one density and without movement, dose of the integral and integral of the dose rate are one thing."""
    outcome = run[2]
    both = [
        region_means(cycle_map(outcome.visits, outcome.images, DoseSettings.from_case({**SETTINGS, **more})))
        for more in ({"dose_map": "local"}, {"dose_map": "local", "integration": "dose-rate"})
    ]
    assert both[1] == pytest.approx(both[0], rel=5e-3)


def test_effect_of_the_kidneys_voxel_by_voxel(run):
    """Mean BED over the voxels is above that of the mean dose, by the spread of the dose."""
    outcome = run[2]
    (part,) = [one for one in outcome.parts if isinstance(one, CycleDoseMap)]
    effect = part.made.effects.regions["kidney_left"]
    histogram = part.made.regions["kidney_left"].histogram
    (factor,) = effect.protraction
    assert 0.02 < factor < 0.1  # repair of 2.8 h against an effective half-life of some 50 h
    share = histogram.volume_mL / histogram.volume_mL.sum()
    square = share @ histogram.dose_Gy**2
    assert effect.bed.mean_Gy == pytest.approx(histogram.mean_Gy + factor * square / 2.6, rel=1e-6)
    assert effect.bed.mean_Gy > bed_Gy(histogram.mean_Gy, factor, 2.6)
    assert values(run, "voxel_bed_mean")["kidney_left"] == pytest.approx(effect.bed.mean_Gy, rel=1e-4)
    assert set(values(run, "bvh_d98")) == {"kidney_left", "kidney_right", "kidneys"}  # nothing else has an alpha/beta


def second_cycle(outcome):
    """The outcome with its cycle given once more as cycle 2."""
    again = tuple(replace(one, labels=replace(one.labels, cycle=2)) for one in outcome.visits)
    images = tuple(replace(one, cycle=2) for one in outcome.images)
    (part,) = [one for one in outcome.parts if isinstance(one, CycleDoseMap)]
    later = replace(part, cycle=2, rows=())
    return replace(
        outcome, visits=(*outcome.visits, *again), images=(*outcome.images, *images), parts=(*outcome.parts, later)
    )


def test_the_maps_of_two_cycles_are_summed_on_the_first(run):
    outcome = second_cycle(run[2])
    case = replace(outcome.input, dosimetry={**SETTINGS, "accumulate": "rigid"})
    summed = add_summed_map(replace(outcome, input=case)).parts[-1]
    assert summed.cycles == (1, 2)
    once = values(run, "voxel_dose_mean")
    beds = values(run, "voxel_bed_mean")
    for name in ("liver", "spleen", "kidney_left"):
        region = summed.regions[name]
        assert region.histogram.mean_Gy == pytest.approx(2.0 * once[name], rel=2e-3)
        assert region.untrusted < 0.01
    assert summed.regions["kidney_left"].effect.bed.mean_Gy == pytest.approx(2.0 * beds["kidney_left"], rel=2e-3)
    rows = {(row.metric, row.region) for row in summed.rows}
    assert {("cumulative_voxel_dose_mean", "liver"), ("cumulative_voxel_bed_mean", "kidney_left")} <= rows
    assert not summed.warnings


def test_nothing_is_summed_unless_asked_for(run):
    outcome = second_cycle(run[2])
    assert add_summed_map(outcome) is outcome


@pytest.mark.slow
def test_transport_through_the_ct_of_the_patient(run):
    """Soft organs far from lung and surface: within 2 % of the kernel scaled to the CT's density."""
    pytest.importorskip("ompmc", reason="ompmc (extra transport) is not installed: no transport is tested")
    outcome = run[2]
    stated = {**SETTINGS, "dose_map": "transport", "transport": {"histories": 20_000, "seed": 5}}
    made = cycle_map(outcome.visits, outcome.images, DoseSettings.from_case(stated), study=outcome.input)
    by_kernel = DoseSettings.from_case({**SETTINGS, "density": "ct"})
    kernel = cycle_map(outcome.visits, outcome.images, by_kernel, study=outcome.input)
    for name in ("liver", "spleen", "kidney_left"):
        one, expected = made.regions[name], kernel.regions[name].histogram.mean_Gy
        assert one.u_Gy < 0.01 * expected
        assert one.histogram.mean_Gy == pytest.approx(expected, abs=0.02 * expected + 3.0 * one.u_Gy), name
    assert made.facts["engine"].startswith("ompmc 0.")
    assert "General Public License" in made.facts["licence"]


def test_no_map_unless_asked_for(run):
    outcome = run[2]
    plain = replace(outcome.input, dosimetry={})
    unasked = replace(outcome, input=plain)
    assert add_dose_maps(unasked) is unasked


def test_a_cycle_that_cannot_be_brought_together_is_reported(run):
    """Without transforms, frames of reference differ; without CT there is nothing to register."""
    outcome = run[2]
    blind = [replace(one, contours=None, anatomy=None) for one in outcome.images]
    case = replace(outcome.input, dosimetry={"dose_map": "local"})
    notes = add_dose_maps(replace(outcome, input=case, images=tuple(blind)))
    assert notes.rows == outcome.rows
    assert "no dose map. Visit '4h' has another frame" in notes.warnings[-1]
    assert "'1/4h' under 'transforms'" in notes.warnings[-1]


@pytest.mark.parametrize(
    ("dosimetry", "sentence"),
    [
        (
            {"dose_map": "monte carlo"},
            "'dosimetry.dose_map' is 'monte carlo', but must be one of kernel, local, transport, or be left out",
        ),
        ({"dose_map": ["kernel"]}, "must be one of kernel, local, transport"),
        ({"transforms": [1]}, "'dosimetry.transforms' is [1], but must be an object"),
        ({"transforms": {"1/24h": [[1, 0], [0, 1]]}}, "transforms['1/24h']' is [[1, 0], [0, 1]], but must be 4 rows"),
        ({"transforms": {"1/24h": np.zeros((4, 4)).tolist()}}, "the matrix of 'dosimetry.transforms['1/24h']' is not"),
        ({"transforms": {"1/24h": "identity"}}, "which does not exist"),
        ({"transforms": {"1/24h": "deformable"}}, "a dose map is not bent"),
        ({"u_teff_h": {"L1": 4.0}}, "'dosimetry.u_teff_h.L1' is the uncertainty of a half-life that 'teff_h' does not"),
        ({"teff_h": {"L1": 0}}, "'dosimetry.teff_h.L1' is 0, but must be a number above 0"),
    ],
)
def test_settings_that_cannot_be(dosimetry, sentence):
    with pytest.raises(InputFileError, match="dosimetry") as caught:
        DoseSettings.from_case(dosimetry)
    assert sentence in str(caught.value)


def test_transforms_of_no_visit_are_refused(run):
    outcome = run[2]
    wrong = {"dose_map": "kernel", "transforms": {"1/48h": SAME}}
    case = replace(outcome.input, dosimetry=wrong)
    with pytest.raises(InputFileError, match="'transforms' names '1/48h', but the visits are 1/4h, 1/24h"):
        add_dose_maps(replace(outcome, input=case))


@pytest.mark.slow
def test_moving_visits_are_registered(tmp_path):
    """The liver's points lie where the patient's posture at the other visit puts them, to 3 mm."""
    path = write_synthetic_serial(tmp_path / "patient", seed=SEED, times_h=(4.0, 72.0))
    outcome = run_case(path, tmp_path / "out").result
    images = {one.visit: one for one in outcome.images}
    found = visit_registrations(outcome.visits, images, DoseSettings(dose_map="kernel"))["72h"]
    assert found.kind == "rigid"
    patient = synthetic_patient(SEED)
    postures = [random_posture(patient.random(f"posture {name}"), 8.0, 3.0, 4.0) for name in ("4h", "72h")]
    true = postures[1].liver_to_ras @ np.linalg.inv(postures[0].liver_to_ras)
    segmentation = outcome.visits[0].prepared.segmentation
    liver = segmentation["liver"]
    points = segmentation.grid.to_ras((np.argwhere(liver.mask) + liver.origin)[::500, ::-1])
    apart = np.linalg.norm(found.map_points(points) - (points @ true[:3, :3].T + true[:3, 3]), axis=1)
    assert apart.mean() < 3.0


@pytest.fixture(scope="module")
def objects(run, tmp_path_factory):
    """What ``--dicom`` writes of the images and maps; segments and measurements are tested with another patient."""
    outcome = run[2]
    parts = tuple(replace(part, rows=()) for part in outcome.parts)
    shown = tuple(replace(visit, segmentation=None) for visit in outcome.visit_contents)
    bare = replace(outcome, measured_rows=(), parts=parts, visit_contents=shown)
    return {f"{p.parent.name}/{p.name}": p for p in write_dicom(bare, tmp_path_factory.mktemp("dicom"))}


def test_dose_and_activity_of_the_cycle_are_written_with_its_first_image(objects, run):
    maps = {f"cycle_1_4h/{name}.dcm" for name in ("RTDOSE", "TIA")}
    assert set(objects) == maps | {f"cycle_1_{name}/SUV.dcm" for name in ("4h", "24h", "72h", "168h")}
    images = {one.visit: one.measured for one in run[2].images}
    for name in maps:
        ds = pydicom.dcmread(objects[name], stop_before_pixels=True)
        first, *others = images.values()
        assert (ds.StudyInstanceUID, ds.FrameOfReferenceUID) == (first.study_uid, first.frame_of_reference_uid)
        assert [item.SeriesInstanceUID for item in ds.ReferencedSeriesSequence] == [first.uid]
        note = {
            study.StudyInstanceUID: [item.SeriesInstanceUID for item in study.ReferencedSeriesSequence]
            for study in ds.StudiesContainingOtherReferencedInstancesSequence
        }
        assert note == {other.study_uid: [other.uid] for other in others}


def test_written_maps_hold_what_was_calculated(objects, run):
    """Dose to half a step of 1/65535 of its maximum, activity and SUV float for float; the dose is of one density."""
    volumes = {volume.quantity: volume for visit in run[2].contents for _, volume in visit.volumes}
    dose, tia = volumes["absorbed dose"], volumes["time-integrated activity concentration"]
    read = read_dose(objects["cycle_1_4h/RTDOSE.dcm"])
    assert read.grid.matches(dose.grid)
    assert np.abs(read.array - dose.array).max() <= 0.51 / 65535 * dose.array.max()
    ds = pydicom.dcmread(objects["cycle_1_4h/RTDOSE.dcm"])
    assert (ds.DoseUnits, ds.DoseType, ds.TissueHeterogeneityCorrection) == ("GY", "PHYSICAL", "WATER")
    assert "voxel S-values" in ds.DoseComment
    back = read_map(objects["cycle_1_4h/TIA.dcm"])
    assert (back.units, back.grid.matches(tia.grid)) == ("MBq.h/ml", True)
    assert np.array_equal(back.array, tia.array)
    frames = pydicom.dcmread(objects["cycle_1_4h/TIA.dcm"], stop_before_pixels=True).PerFrameFunctionalGroupsSequence
    sources = {int(one.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber) for one in frames}
    assert len(sources) == len(frames) == len(tia.array)  # each frame names the frame of the image that it is of
    for image in run[2].images:
        kept = read_map(objects[f"cycle_1_{image.visit}/SUV.dcm"])
        assert np.array_equal(kept.array, suv(image.measured).volume.array)
        assert kept.units == "g/ml{SUVbw}"


def test_validators_find_no_error_in_the_maps(objects):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    for name in ("RTDOSE", "TIA", "SUV"):
        path = objects[f"cycle_1_4h/{name}.dcm"]
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), (name, done.stderr)


def test_dcmqi_reads_the_maps(objects, run, tmp_path):
    tool = shutil.which("paramap2itkimage", path=str(Path(sys.executable).parent)) or shutil.which("paramap2itkimage")
    if not tool:
        pytest.skip("paramap2itkimage (dcmqi) is not installed")
    command = [tool, "--inputDICOM", objects["cycle_1_4h/TIA.dcm"], "--outputDirectory", tmp_path, "-t", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.nrrd")
    image = sitk.ReadImage(str(path))
    (tia,) = (v for visit in run[2].contents for _, v in visit.volumes if v.units == "MBq.h/ml")
    grid = grid_of_image(image)
    flips = [slice(None, None, -1 if axis @ ours < 0 else 1) for axis, ours in _axes(grid, tia.grid)]
    assert np.array_equal(sitk.GetArrayFromImage(image).astype(np.float32)[tuple(flips)], tia.array)


def _axes(one, other):
    """Direction of each array axis of two grids, [k, j, i]."""
    return [(one.ijk_to_ras[:3, n], other.ijk_to_ras[:3, n]) for n in (2, 1, 0)]
