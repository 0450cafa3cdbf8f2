"""Mutual information of two images against ITK's, its slope against differences, the climb against a known pose."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.imaging.itk_images import affine_to_itk, itk_image
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.registration.mutual_information import MutualInformation, climb, nearest_rigid, settled
from PRRTUptakeLib.registration.preprocessing import body_mask
from scipy.ndimage import binary_fill_holes, gaussian_filter
from scipy.spatial.transform import Rotation

POSE = np.eye(4)
POSE[:3, :3] = Rotation.from_rotvec([0.05, -0.04, 0.08]).as_matrix()
POSE[:3, 3] = [4.0, -3.0, 5.0]


def blobs(points):
    """A smooth scene at RAS points (..., 3): three ellipsoids."""
    found = np.zeros(points.shape[:-1])
    for centre, radii, value in (
        ((0, 0, 0), (50, 40, 45), 1.0),
        ((15, -10, 10), (18, 12, 15), 0.8),
        ((-20, 8, -12), (9, 16, 8), -0.5),
    ):
        found += value * np.exp(-(np.square((points - centre) / np.array(radii)).sum(axis=-1) ** 2))
    return found


def scene(matrix, shape, back, noise, seed):
    grid = Grid(shape, matrix)
    points = grid.to_ras(np.stack(np.indices(shape)[::-1], axis=-1).reshape(-1, 3).astype(float)) @ back[:3, :3].T
    values = blobs(points + back[:3, 3]).reshape(shape) + np.random.default_rng(seed).normal(0.0, noise, shape)
    return itk_image(values.astype(np.float32), grid)


def centred(spacing, shape):
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = -np.array(spacing) * (np.array(shape[::-1]) - 1) / 2.0
    return matrix


@pytest.fixture(scope="module")
def images():
    """Fixed and moving image, of which the latter shows points where `POSE` puts them; and the scene's inside."""
    fixed = scene(centred((4.0, 4.0, 4.5), (24, 26, 28)), (24, 26, 28), np.eye(4), 0.01, 1)
    moving = scene(centred((3.5, -4.0, 5.0), (26, 30, 32)), (26, 30, 32), np.linalg.inv(POSE), 0.01, 2)
    return (fixed, moving), sitk.Cast(fixed > 0.4, sitk.sitkUInt8)


@pytest.mark.parametrize("bins", [24, 64])
@pytest.mark.parametrize("pose", [np.eye(4), POSE], ids=["off", "on"])
def test_the_value_is_that_of_itk(images, bins, pose):
    (fixed, moving), mask = images
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(bins)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMovingInitialTransform(affine_to_itk(pose))
    method.SetInitialTransform(sitk.TranslationTransform(3))
    found = MutualInformation.of((fixed, moving), mask, bins).value(pose)
    assert found == pytest.approx(-method.MetricEvaluate(fixed, moving), rel=1e-6)


@pytest.mark.parametrize("across", [False, True])
def test_the_slope_is_how_the_value_changes(images, across):
    """Of the interpolation to three digits, over whole voxels nearly, off the summit, where neither is small."""
    information = MutualInformation.of(*images, 32)
    start = POSE.copy()
    start[:3, 3] += [2.3, 3.1, -2.7]
    slope = information.slope(start, across)

    def value(turn, shift):
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = Rotation.from_rotvec(turn).as_matrix(), shift
        return information.value(moved @ start)

    none, small = np.zeros(3), 1e-4
    for given, wanted in (
        (slope.turn * small, [(value(e * small, none) - value(-e * small, none)) / 2 for e in np.eye(3)]),
        (slope.shift * small, [(value(none, e * small) - value(none, -e * small)) / 2 for e in np.eye(3)]),
    ):
        close = 0.1 if across else 1e-3
        assert np.linalg.norm(given - wanted) < close * np.linalg.norm(wanted)


@pytest.mark.parametrize("at_most", [0, 2000])
def test_a_climb_ends_at_the_true_pose(images, at_most):
    information = MutualInformation.of(*images, 32, at_most)
    summit = climb(information, np.eye(4), 2.0, 0.01, 100)
    pose = settled(information, summit, 0.5, 0.01)
    off = Rotation.from_matrix(pose[:3, :3] @ POSE[:3, :3].T).magnitude()
    assert summit.ended
    assert np.linalg.norm(pose[:3, 3] - POSE[:3, 3]) < 0.25
    assert np.degrees(off) < 0.4
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)


def test_samples_beyond_the_moving_image_do_not_count(images):
    information = MutualInformation.of(*images, 32)
    away = np.eye(4)
    away[:3, 3] = 500.0
    assert information.value(away) == -np.inf
    assert climb(information, away, 2.0, 0.01, 10).value == -np.inf


def test_chance_is_what_unrelated_images_share(images):
    (fixed, moving), mask = images
    noise = sitk.GetImageFromArray(np.random.default_rng(6).normal(size=moving.GetSize()[::-1]))
    noise.CopyInformation(moving)
    unrelated, related = (MutualInformation.of((fixed, one), mask, 32) for one in (noise, moving))
    assert unrelated.by_chance(POSE) == pytest.approx(unrelated.value(POSE), rel=0.2)
    assert related.value(POSE) > 5.0 * related.by_chance(POSE)


def test_the_nearest_rotation_of_a_rounded_matrix():
    rounded = POSE.round(4)
    np.testing.assert_allclose(nearest_rigid(rounded), POSE, atol=1e-4)
    assert np.linalg.det(nearest_rigid(rounded)[:3, :3]) == pytest.approx(1.0, abs=1e-12)


def test_what_a_body_encloses_is_filled_slice_by_slice():
    """Also where holes of neighbouring slices touch air above or below."""
    random = np.random.default_rng(3)
    for threshold in (-0.05, 0.0, 0.03):
        bright = gaussian_filter(random.normal(size=(6, 30, 37)), 1.5) > threshold
        image = itk_image(np.where(bright, 50.0, -1000.0), Grid(bright.shape, np.diag([3.0, 3.0, 3.0, 1.0])))
        found = sitk.GetArrayFromImage(body_mask(image, True)) > 0
        np.testing.assert_array_equal(found, np.stack([binary_fill_holes(plane) for plane in found]))
        assert found.any()
