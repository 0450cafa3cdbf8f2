"""Seeded delineation on blurred spheres of known size, and what it refuses."""

import math

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ras_of, rotation
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.segmentation.bounding_box import resampled
from PRRTUptakeLib.segmentation.delineation import Method, delineate
from PRRTUptakeLib.segmentation.errors import SegmentationError
from scipy import ndimage, optimize, special

BACKGROUND, LESION = 10.0, 100.0
CENTRE = np.array([4.0, -3.0, 2.0])


def blurred(grid, radius, fwhm, centre=CENTRE):
    """A sphere of uptake 100 in 10, blurred; made on the image grid (the radius is many voxels)."""
    sharp = np.where(np.linalg.norm(ras_of(grid) - centre, axis=-1) <= radius, LESION, BACKGROUND)
    sigma = fwhm / 2.3548 / np.array(grid.spacing_mm[::-1])
    return Volume(ndimage.gaussian_filter(sharp, sigma, mode="nearest"), grid.ijk_to_ras, units="Bq/ml")


GRID = centred_grid(110.0, (2, 2, 2.5), rotation((0, 1, 1), 15))
IMAGE = blurred(GRID, 18.0, 6.0)
TRUE_ML = 4 / 3 * np.pi * 1.8**3


def blurred_profile(away, radius, sigma):
    """A unit sphere of uptake blurred by a Gaussian, at a distance from its centre (closed form)."""
    near, far = (radius - away) / sigma, (radius + away) / sigma
    edges = 0.5 * (special.erf(near / math.sqrt(2)) + special.erf(far / math.sqrt(2)))
    return edges - sigma / (away * math.sqrt(2 * math.pi)) * (math.exp(-(near**2) / 2) - math.exp(-(far**2) / 2))


# Blur pulls the half-way contour of a round border inwards, here by 0.4 mm.
HALF_WAY_MM = optimize.brentq(lambda away: blurred_profile(away, 18.0, 6.0 / 2.3548) - 0.5, 10.0, 20.0)
HALF_WAY_ML = 4 / 3 * np.pi * (HALF_WAY_MM / 10) ** 3
# The steepest place of the profile, with the slight blur of the gradient filter added.
SIGMA_MM = math.hypot(6.0 / 2.3548, 0.5 * (2 + 2 + 2.5) / 3)
STEPS_MM = np.arange(10.0, 22.0, 0.01)
STEEPEST_MM = STEPS_MM[np.argmin(np.gradient([blurred_profile(away, 18.0, SIGMA_MM) for away in STEPS_MM]))]
STEEPEST_ML = 4 / 3 * np.pi * (STEEPEST_MM / 10) ** 3


def volume(result):
    return result.segment.voxel_count * GRID.voxel_volume_mL


def test_half_way_between_background_and_maximum():
    """The level set of the blurred sphere is known in closed form."""
    adapted = delineate(IMAGE, CENTRE, Method("background-adapted", 0.5), 30.0)
    assert adapted.background == pytest.approx(BACKGROUND, rel=0.01)
    assert adapted.maximum == pytest.approx(LESION, rel=0.01)
    assert adapted.threshold == pytest.approx(55.0, rel=0.01)
    assert volume(adapted) == pytest.approx(HALF_WAY_ML, rel=0.02)
    assert volume(delineate(IMAGE, CENTRE, Method("gradient"), 30.0)) == pytest.approx(STEEPEST_ML, rel=0.04)


@pytest.mark.parametrize("fraction", [0.41, 0.5])
def test_percent_of_maximum_is_the_level_set(fraction):
    result = delineate(IMAGE, CENTRE, Method("percent-of-maximum", fraction), 30.0)
    near = np.linalg.norm(ras_of(GRID) - CENTRE, axis=-1) <= 30.0
    truth = near & (IMAGE.array >= fraction * IMAGE.array[near].max())
    assert np.array_equal(result.segment.full_mask(GRID.shape), truth)
    assert result.segment.role == "lesion"
    assert str(fraction)[:4] in result.method


def test_lower_fraction_gives_a_larger_lesion_and_fixed_is_fixed():
    sizes = [volume(delineate(IMAGE, CENTRE, Method("percent-of-maximum", f), 30.0)) for f in (0.41, 0.5, 0.7)]
    assert sizes[0] > sizes[1] > sizes[2]
    fixed = delineate(IMAGE, CENTRE, Method("fixed-threshold", 55.0), 30.0)
    assert fixed.threshold == 55.0
    assert volume(fixed) == pytest.approx(HALF_WAY_ML, rel=0.02)


def test_only_the_seeds_lesion_within_sphere_and_region():
    other = CENTRE + np.array([50.0, 0, 0])
    two = Volume(np.maximum(IMAGE.array, blurred(GRID, 10.0, 6.0, other).array), GRID.ijk_to_ras)
    method = Method("fixed-threshold", 55.0)
    wide = delineate(two, CENTRE, method, 70.0)
    assert volume(wide) == pytest.approx(HALF_WAY_ML, rel=0.02)  # the other is hot too, but not connected
    small = delineate(two, CENTRE, method, 10.0).segment
    far = np.linalg.norm(ras_of(GRID) - CENTRE, axis=-1) > 10.0
    assert not (small.full_mask(GRID.shape) & far).any()
    half = box(GRID, "left lobe", (-999, -999, -999), (4.0, 999, 999))
    limited = delineate(IMAGE, CENTRE - [3, 0, 0], method, 30.0, within=half).segment
    assert not (limited.full_mask(GRID.shape) & ~half.full_mask(GRID.shape)).any()
    assert limited.voxel_count * GRID.voxel_volume_mL == pytest.approx(HALF_WAY_ML / 2, rel=0.05)


def test_noise_hardly_moves_the_gradient_method():
    noisy = IMAGE.with_values(np.random.default_rng(2).poisson(IMAGE.array * 3) / 3.0)
    result = delineate(noisy, CENTRE, Method("gradient"), 30.0)
    assert volume(result) == pytest.approx(STEEPEST_ML, rel=0.06)


@pytest.mark.parametrize(
    ("seed", "method", "radius", "words"),
    [
        (
            CENTRE + np.array([27, 0, 0]),
            Method("percent-of-maximum", 0.5),
            25.0,
            "The seed's value .* is below the threshold",
        ),
        ([900, 0, 0], Method("percent-of-maximum", 0.5), 25.0, "is outside the image"),
        (CENTRE, Method("percent-of-maximum", 0.5), 0.0, "radius above 0"),
        (CENTRE, Method("gradient"), 5.0, "take a larger one"),
    ],
)
def test_what_cannot_be_done_is_reported(seed, method, radius, words):
    with pytest.raises(SegmentationError, match=words):
        delineate(IMAGE, seed, method, radius)


def test_bad_methods_are_reported():
    with pytest.raises(SegmentationError, match="not one of fixed-threshold"):
        Method("magic")
    with pytest.raises(SegmentationError, match="fraction between 0 and 1"):
        Method("percent-of-maximum", 41)
    with pytest.raises(SegmentationError, match="needs its value"):
        Method("fixed-threshold")
    with pytest.raises(SegmentationError, match="outside the region that limits"):
        delineate(IMAGE, CENTRE, Method("gradient"), 30.0, within=ball(GRID, "lobe", (-30, 0, 0), 9.0))
    tiny = Volume(np.ones((2, 2, 2)), np.diag([5.0, 5, 5, 1]))
    with pytest.raises(SegmentationError, match="too few voxels"):
        delineate(tiny, [0, 0, 0], Method("background-adapted", 0.5), 30.0)
    with pytest.raises(SegmentationError, match="at least 4 voxels"):
        delineate(tiny, [0, 0, 0], Method("gradient"), 3.0)


def test_resampling_between_grids_keeps_the_place():
    fine = centred_grid(80.0, (1, 1, 1.5))
    sphere = ball(fine, "x", CENTRE, 18.0, lesion_id="L1")
    coarse = resampled(sphere, fine, GRID)
    assert coarse.lesion_id == "L1"
    centre = GRID.to_ras((np.argwhere(coarse.mask) + coarse.origin).mean(axis=0)[::-1])
    assert centre == pytest.approx(CENTRE, abs=0.3)
    direct = ball(GRID, "x", CENTRE, 18.0).full_mask(GRID.shape)
    shell = np.abs(np.linalg.norm(ras_of(GRID) - CENTRE, axis=-1) - 18.0) < 1.1  # half a diagonal of the fine voxels
    assert np.array_equal(coarse.full_mask(GRID.shape)[~shell], direct[~shell])
    assert resampled(sphere, fine, fine) is sphere
    assert resampled(sphere, fine, centred_grid(20.0, (2, 2, 2), shift_mm=(300, 0, 0))).voxel_count == 0
