"""From DICOM of a phantom and PHANTOM.json to CAMERA.json: habits of makers, faults that are named, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PRRTDosimetryLib.camera.camera_file import write_camera
from PRRTDosimetryLib.camera.commission import commission
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.phantom_file import load_phantom_file
from PRRTDosimetryLib.camera.plausible import factor_warnings, filling_warnings
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.study.camera import load_camera
from PRRTUptakeLib.study.schema.place import InputFileError
from PRRTUptakeLib.synthetic.camera_phantom_dicom import PhantomPlan, make_scan, write_rates, write_scan

FAST = {"zoom": 1.25, "length_mm": 110.0, "volume_u": 0.0, "activity_u": 0.0}


def phantom_file(folder: Path, plan: PhantomPlan, **changes) -> Path:
    """One scan and its PHANTOM.json; ``changes`` are keys of the file, those of ``scan`` of the scan."""
    scan = write_scan(make_scan(plan), folder / "nema") | changes.pop("scan", {})
    content = {"nuclide": plan.nuclide, "activity_u": 0.01, "volume_u": 0.003, "scans": [scan], **changes}
    path = folder / "PHANTOM.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def made_of(path: Path):
    return commission(load_phantom_file(path))


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """A scan of counts and the dead time's series, commissioned."""
    folder = tmp_path_factory.mktemp("counts")
    plan = PhantomPlan(seed=2, fwhm_mm=9.0, factor=9.4, **FAST)
    rates = write_rates(folder / "rates", PhantomPlan(factor=10.0), 4.0, "paralysable", (500, 1500, 3000, 5000, 8000))
    path = phantom_file(folder, plan, dead_time=rates, camera="Two-head", site="Here")
    made = made_of(path)
    return made, write_camera(made, folder / "CAMERA.json"), folder


def test_counts_give_cps_per_MBq_by_three_ways(counts):
    made, content, _ = counts
    assert content["calibration"]["kind"] == "counts"
    assert made.calibration.factor == pytest.approx(9.4, rel=0.01)
    assert len(made.calibration.ways) == 3
    # one count of 20 min in a voxel of 4.42 mm
    assert made.Bq_per_mL_per_unit == pytest.approx(1e6 / (9.4 * 1200 * 4.42**3 / 1000), rel=0.01)


def test_resolution_recovery_and_dead_time_are_those_of_the_phantom(counts):
    made, _, _ = counts
    assert made.resolution.fwhm_mm == pytest.approx(9.0, rel=0.05)
    recovered = [one.recovery for one in made.all_spheres]
    assert recovered == sorted(recovered)
    assert 0.15 < recovered[0] < 0.35
    assert 0.7 < recovered[-1] < 0.85
    contrast = [one.contrast_percent for one in made.all_spheres]
    assert contrast == sorted(contrast)
    assert all(0.2 < one.variability_percent < 8 for one in made.all_spheres)
    assert made.dead_time.best.model == "paralysable"
    assert made.dead_time.best.tau_us == pytest.approx(4.0, rel=0.05)


def test_the_camera_file_reads_back_and_knows_how_the_series_was_made(counts):
    made, content, folder = counts
    camera = load_camera(folder / "CAMERA.json")
    assert camera.factor == pytest.approx(made.calibration.factor, rel=1e-6)
    assert camera.fwhm_mm == pytest.approx(made.resolution.fwhm_mm, rel=1e-6)
    assert camera.recovery.recovery(5.0) == pytest.approx(made.curve.recovery(5.0), rel=1e-6)
    assert (camera.acquisition.iterations, camera.acquisition.subsets) == (4, 8)
    assert camera.acquisition.collimator == "MEGP"
    assert "PHANTOM.json" in content["sha256"]
    assert content["warnings"] == []


def test_the_page_has_the_pictures_the_numbers_and_fields_to_sign(counts):
    from PRRTDosimetryLib.report.camera_report import camera_html

    made, content, _ = counts
    page = camera_html(made, content)
    assert page.count("data:image/png") == 2  # CT and emission image
    assert page.count("<svg") >= 4  # and the charts of recovery and dead time
    assert all(f">{one.name}</text>" in page for one in made.all_spheres)
    assert "Medical physicist" in page
    assert "No warnings." in page


@pytest.mark.slow
@pytest.mark.parametrize("habit", ["mapped", "pet"])
def test_images_in_bq_give_image_over_truth(tmp_path, habit):
    plan = PhantomPlan(seed=3, habit=habit, spacing_mm=4.8, factor=1.05, fwhm_mm=10.0, **FAST)
    made = made_of(phantom_file(tmp_path, plan))
    assert made.calibration.factor == pytest.approx(1.05, rel=0.01)
    assert made.resolution.fwhm_mm == pytest.approx(10.0, rel=0.05)
    assert np.isnan(made.Bq_per_mL_per_unit)
    found = [text for text in made.warnings if "no acquisition time" in text]
    assert len(found) == (habit == "mapped")  # its header has none


@pytest.mark.slow
def test_faults_of_filling_are_named(tmp_path):
    plan = PhantomPlan(seed=4, unfilled="22 mm", bubble="28 mm", bubble_share=0.06, **FAST)
    made = made_of(phantom_file(tmp_path, plan))
    assert any("sphere of 22 mm is not filled as the others" in text for text in made.warnings)
    assert any("sphere of 28 mm holds air" in text for text in made.warnings)
    assert {one.name for one in made.all_spheres if not one.in_curve} == {"22 mm", "28 mm"}


def test_another_unit_or_nuclide_than_the_header_is_named(counts):
    scan = counts[0].scans[0]
    assert filling_warnings(scan, "Lu-177") == []
    (text,) = filling_warnings(scan, "Y-90")
    assert "'nuclide' is Y-90, but the header names Lu-177" in text
    fill = scan.file.background
    for unit, factor in (("GBq", 1e-3), ("mCi", 1 / 37), ("kBq", 1e3)):
        stated = replace(scan.file, background=replace(fill, activity_MBq=fill.activity_MBq * factor))
        (text,) = filling_warnings(replace(scan, file=stated), "Lu-177")
        assert f"'fills.background.activity_MBq' is {fill.activity_MBq * factor:g}" in text
        assert f"it seems to be in {unit}" in text


def test_a_factor_that_no_camera_has_is_named_and_one_by_chance_refused(counts):
    made = counts[0]
    scan, calibration = made.scans[0], made.calibration
    assert factor_warnings(scan, calibration) == []
    (text,) = factor_warnings(scan, replace(calibration, factor=9400.0))
    assert "9400 cps/MBq is outside of what cameras have" in text
    with pytest.raises(CameraError, match=r"There is no calibration factor: the 3 ways.*'volume_mL'"):
        factor_warnings(scan, replace(calibration, u_relative=3.4))


@pytest.mark.slow
def test_a_clock_error_of_an_hour_is_named(tmp_path):
    made = made_of(phantom_file(tmp_path, PhantomPlan(seed=5, clock_error_h=1.0, **FAST)))
    assert any("a clock error of 1 h" in text for text in made.warnings)


@pytest.mark.slow
def test_a_clock_error_shows_in_the_calibration_of_a_short_lived_nuclide(tmp_path):
    plan = PhantomPlan(seed=6, habit="pet", nuclide="Ga-68", factor=1.0, fwhm_mm=7.0, **FAST)
    path = phantom_file(tmp_path, plan)
    content = json.loads(path.read_text())
    for fill in content["scans"][0]["fills"].values():  # both clocks wrong alike, header and file agree
        fill["time"] = (datetime.fromisoformat(fill["time"]) - timedelta(hours=1)).isoformat()
    for one in (tmp_path / "nema").rglob("I*"):
        dataset = pydicom.dcmread(one)
        if dataset.Modality == "PT":
            del dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
            del dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime
            dataset.save_as(one)
    path.write_text(json.dumps(content))
    made = made_of(path)
    assert any("a clock error of 1 h between dose calibrator and camera" in text for text in made.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scanned", "stated", "names"),
    [("jaszczak", "nema-iec", "Jaszczak phantom"), ("nema-iec", "jaszczak", "NEMA IEC body phantom")],
)
def test_the_wrong_phantom_is_named(tmp_path, scanned, stated, names):
    plan = PhantomPlan(seed=7, phantom=scanned, **FAST)
    path = phantom_file(tmp_path, plan, scan={"phantom": stated})
    with pytest.raises(CameraError, match=f"but the CT shows the {names}"):
        made_of(path)


@pytest.mark.slow
def test_spheres_in_a_phantom_stated_as_uniform_are_named(tmp_path):
    plan = PhantomPlan(seed=8, **FAST)
    path = phantom_file(tmp_path, plan, scan={"phantom": "cylinder"})
    content = json.loads(path.read_text())
    del content["scans"][0]["fills"]["spheres"]
    path.write_text(json.dumps(content))
    with pytest.raises(CameraError, match=r"stated as uniform, but .*the CT shows the NEMA IEC body phantom"):
        made_of(path)


@pytest.mark.slow
def test_without_a_ct_the_image_names_the_spheres_and_a_warning_says_so(tmp_path):
    plan = PhantomPlan(seed=9, with_ct=False, fwhm_mm=8.0, **{**FAST, "length_mm": 0.0})
    made = made_of(phantom_file(tmp_path, plan))
    assert any("there is no CT" in text for text in made.warnings)
    assert abs(made.resolution.fwhm_mm - 8.0) < 2 * made.resolution.u_mm < 0.8  # wider than with a CT


def small(folder: Path) -> tuple[Path, Path]:
    """A scan of coarse voxels, fast to make, for input that is refused before anything is measured."""
    plan = PhantomPlan(seed=1, spacing_mm=12.0, with_ct=False, **FAST)
    path = phantom_file(folder, plan)
    return path, next((folder / "nema").rglob("I*"))


def test_saturated_counts_are_refused(tmp_path):
    path, image = small(tmp_path)
    dataset = pydicom.dcmread(image)
    pixels = dataset.pixel_array.copy()
    pixels[pixels > np.quantile(pixels, 0.99)] = 65535
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(image)
    with pytest.raises(CameraError, match=r"counts are saturated, .* hold 65535"):
        made_of(path)


def test_two_phantoms_in_one_folder_are_refused(tmp_path):
    path, _ = small(tmp_path)
    write_scan(make_scan(PhantomPlan(seed=11, spacing_mm=12.0, with_ct=False, **FAST)), tmp_path / "nema" / "second")
    with pytest.raises(CameraError, match="holds several PET or SPECT series: name one as image"):
        made_of(path)


def test_an_image_before_the_filling_is_refused(tmp_path):
    path, _ = small(tmp_path)
    content = json.loads(path.read_text())
    for fill in content["scans"][0]["fills"].values():
        fill["time"] = (datetime.fromisoformat(fill["time"]) + timedelta(hours=5)).isoformat()
    path.write_text(json.dumps(content))
    with pytest.raises(CameraError, match=r"min before the activity of 'fills\.background' was measured"):
        made_of(path)


@pytest.mark.slow
def test_spheres_that_are_cut_off_are_named(tmp_path):
    path = phantom_file(tmp_path, PhantomPlan(seed=12, **FAST))
    image = next(one for one in (tmp_path / "nema").rglob("I*") if pydicom.dcmread(one).Modality == "NM")
    dataset = pydicom.dcmread(image)
    pixels = dataset.pixel_array
    middle = pixels.shape[0] // 2
    kept = pixels[: middle - 6]
    dataset.PixelData, dataset.NumberOfFrames = kept.tobytes(), len(kept)
    dataset.NumberOfSlices = len(kept)
    dataset[0x0054, 0x0080].value = list(range(1, len(kept) + 1))
    dataset.save_as(image)
    with pytest.raises(CameraError, match=r"the sphere of \d+ mm is cut off by the end of the image"):
        made_of(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"phantom": "cube"}, "is 'cube', but must be one of nema-iec"),
        ({"fills": {}}, "needs 'fills'"),
        ({"spheres": []}, "go with the phantom 'own'"),
        ({"fills": {"spheres": {"activity_MBq": 100, "time": "2025-05-06T10:00"}}}, "volume of the stock"),
        ({"fills": {"background": {"activity_MBq": -1, "time": "2025-05-06T10:00"}}}, "activity_MBq' is -1"),
        (
            {"fills": {"background": {"activity_MBq": 9, "time": "2025-05-06T10:00", "residual_MBq": 1}}},
            "'residual_MBq' and 'residual_time' together",
        ),
    ],
)
def test_a_phantom_file_that_cannot_be_ends_in_one_sentence(tmp_path, change, sentence):
    (tmp_path / "D").mkdir()
    scan = {"phantom": "nema-iec", "dicom": "D"}
    scan["fills"] = {"background": {"activity_MBq": 100, "time": "2025-05-06T10:00", "volume_mL": 9000}}
    path = tmp_path / "PHANTOM.json"
    path.write_text(json.dumps({"nuclide": "Lu-177", "activity_u": 0.01, "scans": [{**scan, **change}]}))
    with pytest.raises(InputFileError, match=sentence):
        load_phantom_file(path)


def test_the_command_writes_nothing_when_the_scan_is_refused(tmp_path, capsys):
    (tmp_path / "D").mkdir()
    path = tmp_path / "PHANTOM.json"
    path.write_text(json.dumps({"nuclide": "Lu-177", "activity_u": 0.01, "scans": [{"phantom": "cylinder"}]}))
    assert main(["camera", str(path), "-o", str(tmp_path / "CAMERA.json")]) == 1
    assert "scans[0].dicom" in capsys.readouterr().err
    assert not (tmp_path / "CAMERA.json").exists()


def test_the_trend_of_camera_files_is_a_table(counts, tmp_path, capsys):
    _, content, _ = counts
    files = []
    for year in (2023, 2024, 2025):
        files.append(tmp_path / f"{year}.json")
        files[-1].write_text(json.dumps({**content, "date": f"{year}-03-01"}))
    table = tmp_path / "trend.csv"
    arguments = ["camera", *map(str, files), "-o", str(table), "--html", str(tmp_path / "trend.html")]
    assert main(arguments) == 0
    assert len(table.read_text().splitlines()) == 1 + 3 * 3
    assert "3 dates" in capsys.readouterr().out
    assert "control limits" in (tmp_path / "trend.html").read_text()
