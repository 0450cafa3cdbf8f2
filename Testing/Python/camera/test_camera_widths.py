"""Widths along the axes, spheres found on the image, and phantoms of one's own: against images made by formula."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PRRTDosimetryLib.camera.axis_widths import axis_widths_mm
from PRRTDosimetryLib.camera.blur_match import BlurMatch, SphereImage, match_blur
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.image_search import hot_places, match_on_image
from PRRTDosimetryLib.camera.phantom_file import load_phantom_file
from PRRTDosimetryLib.camera.sphere_match import FoundSphere
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.blurred_sphere import blurred_sphere
from PRRTUptakeLib.imaging.camera_phantoms import camera_phantom
from PRRTUptakeLib.imaging.volume import Grid, Volume
from scipy import ndimage
from scipy.spatial.transform import Rotation

EDGE_mm = 4.0
PER_SIGMA = 2.354820


def grid_of(shape):
    matrix = np.diag([EDGE_mm, EDGE_mm, EDGE_mm, 1.0])
    matrix[:3, 3] = -EDGE_mm * (np.array(shape[::-1]) - 1) / 2
    return Grid(shape, matrix)


def points_of(grid):
    k, j, i = np.indices(grid.shape)
    return grid.to_ras(np.stack([i, j, k], axis=-1).astype(float))


def blurred(grid, spheres, level, background, fwhm_kji):
    """Spheres on cells of a quarter voxel, blurred with a width for each axis, averaged over voxels."""
    fine = 4
    cells = np.indices([n * fine for n in grid.shape]).reshape(3, -1).T
    places = grid.to_ras(((cells + 0.5) / fine - 0.5)[:, ::-1])
    truth = np.full(len(places), float(background))
    for sphere in spheres:
        truth[np.linalg.norm(places - sphere.centre_mm, axis=1) <= sphere.radius_mm] = level
    truth = truth.reshape([n * fine for n in grid.shape])
    wide = ndimage.gaussian_filter(truth, np.array(fwhm_kji) / PER_SIGMA / EDGE_mm * fine, mode="nearest")
    k, j, i = grid.shape
    return wide.reshape(k, fine, j, fine, i, fine).mean(axis=(1, 3, 5))


@pytest.mark.parametrize("cold", [True, False])
def test_each_axis_gets_its_own_width(cold):
    """8, 10 and 13 mm along i, j, k, of one sphere of 37 mm, in water and in a warm background without walls."""
    grid = grid_of((24, 24, 24))
    sphere = FoundSphere("37 mm", 37.0, (1.2, -0.7, 0.4), True)
    background = 0.0 if cold else 10.0
    image = Volume(blurred(grid, [sphere], 100.0, background, (13.0, 10.0, 8.0)), grid.ijk_to_ras)
    wet = None if cold else np.ones(grid.shape, dtype=np.float32)
    scene = SphereImage(image, (sphere,), 0.0, wet)
    first = BlurMatch(10.0, 0.1, (0.0, 0.0, 0.0), 100.0, 1.0, background, {}, {}, 0.0)
    assert axis_widths_mm(scene, first) == pytest.approx((8.0, 10.0, 13.0), rel=0.04)


def test_the_widths_of_all_axes_begin_from_the_matched_blur():
    """The isotropic fit of an image of 9 mm gives 9 mm, and so does every axis."""
    grid = grid_of((24, 24, 24))
    spheres = (FoundSphere("37 mm", 37.0, (1.2, -0.7, 0.4), True),)
    scene = SphereImage(Volume(blurred(grid, spheres, 50.0, 0.0, (9.0, 9.0, 9.0)), grid.ijk_to_ras), spheres, 0.0)
    match = match_blur(scene)
    assert match.fwhm_mm == pytest.approx(9.0, rel=0.02)
    assert match.level == pytest.approx(50.0, rel=0.02)
    assert axis_widths_mm(scene, match) == pytest.approx((9.0, 9.0, 9.0), rel=0.03)


def image_of(phantom, turn_deg=(0.0, 0.0, 0.0), shift_mm=(0.0, 0.0, 0.0), hot=None):
    """Blurred spheres of a known phantom, turned and moved; and where each is, RAS mm."""
    grid = grid_of((32, 44, 44))
    places = Rotation.from_euler("xyz", turn_deg, degrees=True).apply(phantom.centres_mm) + shift_mm
    sigma = math.hypot(9.0 / PER_SIGMA, EDGE_mm / math.sqrt(12.0))
    points, total = points_of(grid), np.ones(grid.shape)
    for place, sphere in zip(places, phantom.spheres, strict=True):
        if hot is None or sphere.name in hot:
            away = np.linalg.norm(points - place, axis=-1)
            total += 9.0 * blurred_sphere(away.ravel(), sphere.diameter_mm / 2, sigma).reshape(grid.shape)
    noise = 0.01 * np.random.default_rng(3).standard_normal(grid.shape)
    return Volume((total + noise).astype(np.float32), grid.ijk_to_ras), places


def test_hot_places_are_near_the_centres():
    """The maximum of a sphere of 37 mm is flat, so that 6 mm are allowed for it."""
    phantom = camera_phantom("nema-iec")
    image, places = image_of(phantom, shift_mm=(2.3, -1.1, 0.6))
    found = hot_places(image)
    for place, sphere in zip(places, phantom.spheres, strict=True):
        if sphere.diameter_mm >= 13:
            least = np.linalg.norm(found - place, axis=1).min()
            assert least < (6.0 if sphere.diameter_mm > 30 else 2.0), sphere.name


@pytest.mark.parametrize("turn_deg", [(0.0, 0.0, 0.0), (4.0, -6.0, 75.0), (0.0, 180.0, 10.0)])
def test_spheres_are_named_on_the_image_alone_in_any_position_of_the_phantom(turn_deg):
    phantom = camera_phantom("nema-iec")
    image, places = image_of(phantom, turn_deg, (5.0, -8.0, 3.0))
    match = match_on_image(image, phantom)
    assert [one.name for one in match.spheres] == [one.name for one in phantom.spheres]
    for one, place in zip(match.spheres, places, strict=True):
        assert math.dist(one.centre_mm, place) < 1.0, one.name


def test_an_image_without_the_spheres_is_refused_with_the_remedy():
    phantom = camera_phantom("nema-iec")
    for hot in ((), ("37 mm", "28 mm")):
        image, _ = image_of(phantom, hot=hot)
        with pytest.raises(CameraError, match="add the CT of the scan"):
            match_on_image(image, phantom)


OWN = {
    "nuclide": "Lu-177",
    "activity_u": 0.02,
    "scans": [
        {
            "name": "vials",
            "phantom": "own",
            "dicom": ".",
            "wall_mm": 0.8,
            "fills": {"spheres": {"activity_MBq": 100.0, "time": "2025-01-31T10:00+01:00", "volume_mL": 900.0}},
            "spheres": [
                {"name": "large", "diameter_mm": 34.0, "centre_mm": [150.0, 100.0, 20.0]},
                {"name": "middle", "diameter_mm": 24.0, "centre_mm": [80.0, 140.0, 20.0]},
                {"name": "small", "diameter_mm": 16.0, "centre_mm": [95.0, 60.0, 32.0]},
                {"name": "smallest", "diameter_mm": 12.0, "centre_mm": [120.0, 155.0, 5.0]},
            ],
        }
    ],
}


def own_phantom(folder, change=None):
    path = folder / "PHANTOM.json"
    content = json.loads(json.dumps(OWN))
    if change is not None:
        change(content["scans"][0])
    path.write_text(json.dumps(content))
    return load_phantom_file(path).scans[0].phantom


def test_a_phantom_of_ones_own_is_what_the_file_says_about_its_middle(tmp_path):
    phantom = own_phantom(tmp_path)
    assert [one.name for one in phantom.spheres] == ["large", "middle", "small", "smallest"]
    assert phantom.wall_mm == 0.8
    assert phantom.centres_mm.mean(axis=0) == pytest.approx([0.0, 0.0, 0.0])
    stated = np.array([one["centre_mm"] for one in OWN["scans"][0]["spheres"]])
    assert np.diff(phantom.centres_mm, axis=0) == pytest.approx(np.diff(stated, axis=0))


def test_spheres_of_ones_own_are_found_and_named_in_any_place(tmp_path):
    phantom = own_phantom(tmp_path)
    image, places = image_of(phantom, (10.0, 5.0, 120.0), (3.0, 4.0, -2.0))
    match = match_on_image(image, phantom)
    for one, place in zip(match.spheres, places, strict=True):
        assert math.dist(one.centre_mm, place) < 1.0, one.name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda scan: scan["spheres"].__delitem__(slice(2, None)), "three or more say how a phantom is turned"),
        (lambda scan: scan.update(phantom="nema-iec"), "'spheres' go with the phantom 'own'"),
        (lambda scan: scan.pop("spheres"), "'spheres' go with the phantom 'own'"),
        (lambda scan: scan["spheres"][0].update(diameter_mm=0.5), "diameter_mm"),
        (lambda scan: scan["spheres"][0].update(centre_mm=[1.0, 2.0]), "three numbers"),
    ],
)
def test_a_phantom_of_ones_own_that_cannot_be_ends_in_one_sentence(tmp_path, change, sentence):
    with pytest.raises(PRRTError, match=sentence):
        own_phantom(tmp_path, change)
