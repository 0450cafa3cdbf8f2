"""Registrations that bend: their displacements, the liver followed, and contours propagated by them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from builders.registration_phantom import GRID, bent, liver_points, posed
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.registration.deformable import check_bending, deformable_registration
from PRRTUptakeLib.registration.errors import RegistrationError
from PRRTUptakeLib.registration.result import DisplacementField, Registration, identity_registration
from PRRTUptakeLib.registration.rigid import rigid_registration
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.synthetic.simulation import Posture
from PRRTUptakeLib.uptake.occupancy import occupancy
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation


def cube(shape, spacing_mm):
    """Grid around the origin."""
    matrix = np.diag([spacing_mm] * 3 + [1.0])
    matrix[:3, 3] = -spacing_mm * (np.array(shape[::-1]) - 1) / 2
    return Grid(shape, matrix)


def sampled(grid, function):
    """The displacement field of a function of points."""
    points = grid.to_ras(np.stack(np.indices(grid.shape)[::-1], axis=-1).astype(float))
    return DisplacementField(grid, function(points))


def push(points):
    """A smooth push of up to 8 mm."""
    return np.exp(-((points - [5.0, 0.0, 0.0]) ** 2).sum(axis=-1) / (2.0 * 30.0**2))[..., None] * [2.0, -3.0, 7.0]


def test_displacement_fields_and_matrices_are_checked():
    grid = Grid((4, 5, 6), np.diag([10.0, 10.0, 10.0, 1.0]))
    with pytest.raises(RegistrationError, match="three finite numbers"):
        DisplacementField(grid, np.zeros((4, 5, 6)))
    with pytest.raises(RegistrationError, match="4x4"):
        Registration("rigid", np.zeros((4, 4)))


def test_a_linear_displacement_is_exact():
    grid = Grid((4, 5, 6), np.diag([10.0, 10.0, 10.0, 1.0]))
    field = sampled(grid, lambda points: points * [0.1, -0.2, 0.0])
    np.testing.assert_allclose(field.at(np.array([[15.0, 25.0, 12.0]])), [[1.5, -5.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(field.at(np.array([[-15.0, 25.0, 12.0]])), 0.0)
    assert field.smallest_jacobian() == pytest.approx(1.1 * 0.8, rel=1e-5)
    assert sampled(grid, lambda points: points * [-1.5, 0.0, 0.0]).smallest_jacobian() == pytest.approx(-0.5, rel=1e-5)


def test_points_and_the_itk_transform_agree():
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [5, -8, 20], degrees=True).as_matrix()
    matrix[:3, 3] = 4.0, -9.0, 12.0
    found = Registration("deformable", matrix, displacement=sampled(cube((30, 31, 32), 5.0), push))
    points = np.random.default_rng(0).uniform(-60.0, 60.0, (200, 3))
    itk = found.to_itk()
    assert isinstance(itk, SimpleITK.Transform)
    flip = np.array([-1.0, -1.0, 1.0])
    moved = np.array([itk.TransformPoint((point * flip).tolist()) for point in points]) * flip
    np.testing.assert_allclose(found.map_points(points), moved, atol=1e-3)
    wanted = (points + push(points)) @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(found.map_points(points), wanted, atol=0.1)  # 5 mm knots, trilinear


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ((-0.1, 1.0, 1.2), "smallest Jacobian determinant -0.10"),
        ((0.1, 1.0, 1.2), "folds or crushes"),
        ((0.9, 1.0, 1.02), r"1.000 to 1.020"),
        ((0.9, 1.0, np.nan), "hardly fits better"),
    ],
)
def test_bending_that_folds_or_does_not_pay_is_refused(figures, message):
    with pytest.raises(RegistrationError, match=message):
        check_bending(*figures)
    check_bending(0.9, 1.0, 1.05)


@pytest.mark.parametrize("degrees", [0.0, 15.0])
def test_a_sphere_is_measured_through_a_deformation(degrees):
    """A contour on CT, measured on a coarse image that shows the patient bent: nothing is resampled.

    Truth: 400 points at random in every voxel of the image, taken back by the inverse of the exact deformation.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = 6.0, -4.0, 3.0
    found = Registration("deformable", matrix, displacement=sampled(cube((60, 60, 60), 2.5), push))
    source, target = cube((50, 50, 50), 1.0), cube((24, 24, 24), 4.8)
    centres = source.to_ras(np.stack(np.indices(source.shape)[::-1], axis=-1).astype(float))
    mask = np.linalg.norm(centres, axis=-1) <= 15.0
    occupied = occupancy(Segment.from_full("lesion", mask), source, target, found.ras_transform)

    lattice = target.to_ras(np.stack(np.indices(target.shape)[::-1], axis=-1).astype(float))
    near = np.linalg.norm(lattice - found.map_points(np.zeros((1, 3))), axis=-1) < 32.0
    random = np.random.default_rng(1).uniform(-2.4, 2.4, (400, np.count_nonzero(near), 3))
    points = (lattice[near] + random - matrix[:3, 3]) @ matrix[:3, :3]
    back = points
    for _ in range(12):
        back = points - push(back)
    truth = np.zeros(target.shape)
    k, j, i = np.clip(np.rint(source.to_ijk(back)), 0, 49).astype(int)[..., ::-1].transpose(2, 0, 1)
    truth[near] = mask[k, j, i].mean(axis=0)
    fraction = occupied.full_fraction()
    assert occupied.volume_mL == pytest.approx(truth.sum() * target.voxel_volume_mL, rel=0.01)
    assert np.abs(fraction - truth).max() < 0.12  # 400 random points: 0.025 each at most
    assert (fraction - truth)[truth > 0].std() < 0.03
    middles = [np.average(lattice.reshape(-1, 3), axis=0, weights=one.ravel()) for one in (fraction, truth)]
    np.testing.assert_allclose(middles[0], middles[1], atol=0.04)
    # without the displacement the contour would lie several millimetres beside
    beside = occupancy(Segment.from_full("lesion", mask), source, target, matrix).full_fraction()
    assert np.linalg.norm(np.average(lattice.reshape(-1, 3), axis=0, weights=beside.ravel()) - middles[1]) > 5.0


def test_a_uniform_activity_keeps_its_mean_through_a_deformation():
    found = Registration("deformable", np.eye(4), displacement=sampled(cube((60, 60, 60), 2.5), push))
    source, target = cube((50, 50, 50), 1.0), cube((24, 24, 24), 4.8)
    mask = np.zeros(source.shape, bool)
    mask[15:35, 18:30, 20:33] = True
    occupied = occupancy(Segment.from_full("lesion", mask), source, target, found.ras_transform)
    values = occupied.values(Volume(np.full(target.shape, 7.0), target.ijk_to_ras))
    assert np.average(values, weights=occupied.fraction) == pytest.approx(7.0)


def test_a_bent_registration_is_no_start():
    grid = cube((30, 30, 30), 3.0)
    image = Volume(np.random.default_rng(0).normal(50.0, 10.0, grid.shape), grid.ijk_to_ras, "attenuation")
    already = Registration("deformable", np.eye(4), displacement=sampled(grid, push))
    with pytest.raises(RegistrationError, match="already bent"):
        deformable_registration(image, image, already, np.ones(grid.shape))
    with pytest.raises(RegistrationError, match="mask of the fixed liver is empty"):
        deformable_registration(image, image, identity_registration("test"), np.zeros(grid.shape))


BENDINGS = {
    "right lobe up 10 mm": ([0.0, 3.0, 9.5], [90.0, -10.0, 0.0]),
    "left lobe back 9 mm": ([4.0, -8.0, 0.0], [-20.0, 40.0, 30.0]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BENDINGS)
def test_a_bent_liver_is_followed(name):
    """A known smooth deformation, which no rigid pose can follow."""
    largest, centre = BENDINGS[name]

    def back(points):
        weight = np.exp(-((points - centre) ** 2).sum(axis=-1) / (2.0 * 45.0**2))
        return points + weight[..., None] * largest

    image, liver = posed()
    moving = bent(posed(noise_sd=0.0)[0], GRID, back, noise_sd=15.0, seed=4)
    moving_liver = bent(liver, GRID, back)
    rigid = rigid_registration(image, moving, fixed_liver=liver, moving_liver=moving_liver)
    found = deformable_registration(image, moving, rigid, liver, moving_liver=moving_liver)
    points = liver_points(liver)
    before, after = (np.linalg.norm(back(one.map_points(points)) - points, axis=1) for one in (rigid, found))
    print(f"{name}: rigid {before.mean():.2f}, bent {after.mean():.2f}, at most {after.max():.2f} mm")
    assert before.max() > 4.0
    assert after.mean() < min(0.5 * before.mean(), 1.0)
    assert after.max() < 3.0
    assert found.displacement.smallest_jacobian() > 0.2
    assert found.quality.metric_after > found.quality.metric_before
    assert found.quality.liver_overlap > found.quality.liver_overlap_before
    far = distance_transform_edt(~liver, sampling=GRID.spacing_mm[::-1]) > 45.0
    elsewhere = GRID.to_ras(np.argwhere(far)[::31, ::-1])
    np.testing.assert_allclose(found.map_points(elsewhere), rigid.map_points(elsewhere), atol=1e-6)


@pytest.mark.slow
def test_a_liver_that_only_slid_is_not_bent():
    """Breathing by 9 mm beside a body wall that stays: the rigid registration is right, bending would spoil it."""
    image, liver = posed()
    moving, _ = posed(posture=Posture(np.eye(4), 9.0), seed=7)
    rigid = rigid_registration(image, moving, fixed_liver=liver)
    with pytest.raises(RegistrationError, match="hardly fits better than the rigid"):
        deformable_registration(image, moving, rigid, liver)
