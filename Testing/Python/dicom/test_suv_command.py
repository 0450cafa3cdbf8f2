"""`prrt suv`: masks on turned grids, the choice of a series, operator inputs, exit status."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from builders.dicom_builders import ABSENT, mapping, slices, write, write_nm, write_slices
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.segmentation.mask_grid import placed_mask

DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.random.default_rng(4).integers(1000, 30_000, (4, 5, 6)).astype(np.int16)
SUV_PER_BQ_ML = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))


@pytest.fixture
def folder(tmp_path):
    write_slices(tmp_path / "pet", STORED, "PT")
    return tmp_path / "pet"


def run(capsys, *arguments):
    status = main(["suv", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out) if status == 0 else err


def image_of(folder, values):
    """A SimpleITK image of ``values`` on the grid of the series."""
    matrix = np.diag([-1.0, -1, 1, 1]) @ arrange(find_series(folder)[0]).ijk_to_ras
    image = SimpleITK.GetImageFromArray(values)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


def test_whole_image(folder, capsys):
    status, found = run(capsys, folder)
    assert status == 0
    assert list(found) == ["min", "median", "max", "units", "decisions"]
    expected = [STORED.min(), np.median(STORED), STORED.max()]
    np.testing.assert_allclose(
        [found[k] for k in ("min", "median", "max")], np.array(expected) * SUV_PER_BQ_ML, rtol=1e-5
    )


@pytest.mark.parametrize("turn", ["none", "flip", "swap", "both"])
def test_mask_in_any_axis_order(folder, tmp_path, capsys, turn):
    mask = (np.random.default_rng(1).random(STORED.shape) > 0.6).astype(np.uint8)
    image = image_of(folder, mask)
    if turn in ("flip", "both"):
        image = SimpleITK.Flip(image, [True, False, True])
    if turn in ("swap", "both"):
        image = SimpleITK.PermuteAxes(image, [2, 0, 1])
    path = tmp_path / "mask.nii.gz"
    SimpleITK.WriteImage(image, str(path))
    np.testing.assert_array_equal(placed_mask(path, grid_of(folder))[0], mask.astype(bool))
    inside = STORED[mask > 0] * SUV_PER_BQ_ML
    _, found = run(capsys, folder, "--mask", path)
    np.testing.assert_allclose(
        [found[key] for key in ("min", "median", "max")], [inside.min(), np.median(inside), inside.max()], rtol=1e-5
    )


def grid_of(folder):
    from PRRTUptakeLib.imaging.volume import Grid

    arranged = arrange(find_series(folder)[0])
    return Grid(arranged.shape, arranged.ijk_to_ras)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image.SetOrigin([0, 0, 0]), "not on the grid"),
        (lambda image: image.SetSpacing([2.0, 3.0, 4.1]), "not on the grid"),
        (lambda image: image.SetDirection([0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1]), "not on the grid"),
        (lambda image: SimpleITK.RegionOfInterest(image, [5, 5, 4], [0, 0, 0]), "not on the grid"),
        (lambda image: image * 0, "empty"),
    ],
)
def test_mask_that_does_not_fit(folder, tmp_path, capsys, change, words):
    image = image_of(folder, np.ones(STORED.shape, np.uint8))
    image = change(image) or image
    SimpleITK.WriteImage(image, str(tmp_path / "mask.nii.gz"))
    status, error = run(capsys, folder, "--mask", tmp_path / "mask.nii.gz")
    assert status == 1
    assert words in error


def test_mask_that_is_absent(folder, tmp_path, capsys):
    assert run(capsys, folder, "--mask", tmp_path / "none.nii")[0] == 1


def test_operator_inputs(tmp_path, capsys):
    missing = ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime", "RadionuclideTotalDose")
    changes = {f"{DRUG}.{name}": ABSENT for name in missing}
    changes |= dict.fromkeys(("PatientWeight", "PatientSize", "PatientSex"), ABSENT)
    write_slices(tmp_path, STORED, "PT", changes=changes)
    assert "Radionuclide Total Dose" in run(capsys, tmp_path)[1]
    stated = "--weight-kg 70 --height-cm 175 --sex M --activity-MBq 380 --injection-time 2025-03-01T10:00 --type lbm"
    residual = f"--residual-MBq 10 --residual-time {'2025-03-01T11:00+01:00'}"
    status, found = run(capsys, tmp_path, *stated.split(), *residual.split())
    assert status == 0
    assert found["max"] == pytest.approx(STORED.max() * SUV_PER_BQ_ML * 57.8 / 70, rel=1e-5)
    assert found["units"] == "g/ml{SUVlbm}"
    assert sum("operator" in sentence for sentence in found["decisions"]) >= 5


def test_naive_operator_time_is_in_the_zone_of_the_images(tmp_path, capsys):
    write_slices(tmp_path, STORED, "PT", changes={"TimezoneOffsetFromUTC": "-0800"})
    _, found = run(capsys, tmp_path, "--injection-time", "2025-03-01T10:00")
    assert found["max"] == pytest.approx(STORED.max() * SUV_PER_BQ_ML, rel=1e-5)


def test_several_series(tmp_path, capsys):
    write_slices(tmp_path / "a", STORED, "PT", changes={"SeriesDescription": "first"})
    second = slices(STORED, "PT", changes={"SeriesDescription": "second", "RescaleSlope": 2})
    write(tmp_path / "b", second)
    write_slices(tmp_path / "ct", STORED)
    status, error = run(capsys, tmp_path)
    assert status == 1
    assert "first" in error
    assert "second" in error
    _, found = run(capsys, tmp_path, "--series", second[0].SeriesInstanceUID[-10:])
    assert found["max"] == pytest.approx(2.0 * STORED.max() * SUV_PER_BQ_ML, rel=1e-5)


def test_spect_with_calibration(tmp_path, capsys):
    changes = {
        f"{DRUG}.RadionuclideTotalDose": 7400,
        f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228110000",
        "PatientWeight": 80,
    }
    write_nm(tmp_path / "nm", STORED, changes=changes)
    assert "calibration" in run(capsys, tmp_path)[1]
    status, found = run(capsys, tmp_path, "--calibration", 9.5, "--calibration-time", "per-view")
    assert status == 0
    mid_h = 24 + 600 / 3600
    activity = 7.4e9 * 2 ** (-mid_h / (6.647 * 24))
    concentration = STORED.max() / 20 / 9.5 * 1e6 / 0.08
    assert found["max"] == pytest.approx(concentration * 80_000 / activity, rel=1e-5)


def test_mapping_to_activity(tmp_path, capsys):
    write_nm(tmp_path / "nm", STORED, mappings=[mapping(2.0)])
    status, error = run(capsys, tmp_path)
    assert status == 1
    assert "Radionuclide Total Dose" in error


def test_table_for_reading(folder, capsys):
    assert main(["suv", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "median" in out
    assert "Decisions" in out


@pytest.mark.parametrize("arguments", [["--type", "bmi"], ["--sex", "X"], []])
def test_wrong_use(arguments, tmp_path):
    with pytest.raises(SystemExit) as caught:
        main(["suv", *([str(tmp_path)] if arguments else []), *arguments])
    assert caught.value.code == 2


def test_no_emission_series(tmp_path, capsys):
    write_slices(tmp_path, STORED)
    status, error = run(capsys, tmp_path)
    assert status == 1
    assert "only CT" in error
