"""Healthy liver beside hot lesions: its maximum is read where nothing spills in, and gains go by its mean."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.statistics.enhancement import _healthy_by_mean
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.occupancy import Occupancy
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from PRRTUptakeLib.uptake.spill_in import SpillInRule, clear_of_spill_in, spill_in
from scipy.ndimage import binary_dilation, gaussian_filter

SHAPE, SPACING = (40, 40, 44), 4.0


@pytest.fixture(scope="module")
def liver_and_lesion():
    """A lesion of 25 times the liver's uptake, whose mask grown by one FWHM of 6 mm (two voxels) is left out."""
    grid = Grid(SHAPE, np.diag([SPACING, SPACING, SPACING, 1.0]))
    k, j, i = np.ogrid[:40, :40, :44]
    lesion = (k - 20) ** 2 + (j - 20) ** 2 + (i - 12) ** 2 <= 4.5**2
    liver = (k - 20) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 <= 15.0**2
    healthy = liver & ~binary_dilation(lesion, iterations=2)
    array = 0.3 + 2.7 * liver + 75.0 * lesion - 3.0 * (lesion & ~liver)
    image = Volume(gaussian_filter(array, 6.0 / FWHM_PER_SIGMA / SPACING), grid.ijk_to_ras, units="g/ml{SUVbw}")
    reference = Segment(
        "reference whole liver", healthy & (gaussian_filter(1.0 * liver, 1.0) > 0.999), role="reference"
    )
    return grid, image, reference, Segment("L1", lesion, role="target")


def test_spill_in_is_the_blurred_neighbour_and_ends_beyond_it(liver_and_lesion):
    grid, image, _, lesion = liver_and_lesion
    indices = np.flatnonzero(lesion.mask)
    placed = Occupancy("L1", grid, indices, np.ones(indices.size), np.ones(indices.size, dtype=bool))
    found = spill_in(image, [placed], 6.0)
    hottest = float(image.array[lesion.mask].max())
    expected = hottest * gaussian_filter(1.0 * lesion.mask, 6.0 / FWHM_PER_SIGMA / SPACING)
    # A blur of less than a voxel: the kernel of the grid's own frequencies and the sampled Gaussian differ by 2 %.
    np.testing.assert_allclose(found, expected, atol=0.025 * hottest)
    assert found[:, :, 30:].max() == 0.0
    with pytest.raises(RecoveryError, match="must not be negative"):
        spill_in(image, [placed], -1.0)


@pytest.mark.parametrize("keep_mm", [0.0, 6.2])
def test_the_maximum_of_the_clear_part_is_the_livers_own(liver_and_lesion, keep_mm):
    grid, image, reference, lesion = liver_and_lesion
    assert image.array[reference.mask].max() > 1.2 * 3.0  # what it was
    clear, words = clear_of_spill_in(
        reference, [lesion], grid, [(image, None)], SpillInRule(fwhm_mm=6.0, keep_mm=keep_mm)
    )
    assert words == ""
    assert 0.3 * reference.voxel_count < clear.voxel_count < reference.voxel_count
    assert image.array[clear.mask].max() == pytest.approx(3.0, rel=0.02)


def test_all_images_and_their_transforms_count(liver_and_lesion):
    """The other image is shifted by three voxels; a lesion that is cold there takes nothing more."""
    grid, image, reference, lesion = liver_and_lesion
    shift = np.eye(4)
    shift[0, 3] = 3 * SPACING
    moved = Volume(np.roll(image.array, 3, axis=2), image.ijk_to_ras, units=image.units)
    rule = SpillInRule(fwhm_mm=6.0)
    alone, _ = clear_of_spill_in(reference, [lesion], grid, [(image, None)], rule)
    both, _ = clear_of_spill_in(reference, [lesion], grid, [(image, None), (moved, shift)], rule)
    assert (both.mask == alone.mask).mean() > 0.999
    assert moved.array[np.roll(both.mask, 3, axis=2)].max() == pytest.approx(3.0, rel=0.02)


def test_too_little_that_is_clear_is_said(liver_and_lesion):
    grid, image, reference, lesion = liver_and_lesion
    rule = SpillInRule(fwhm_mm=6.0, minimum_mL=5000.0)
    same, words = clear_of_spill_in(reference, [lesion], grid, [(image, None)], rule)
    assert same is reference
    assert "clear of spill-in from its neighbours, less than 5000 mL" in words
    cold = Segment("cold", np.zeros(SHAPE, dtype=bool) | (np.arange(44) > 41))
    untouched, words = clear_of_spill_in(reference, [cold], grid, [(image, None)], SpillInRule(fwhm_mm=6.0))
    assert untouched is reference
    assert words == ""
    with pytest.raises(RecoveryError, match="share below 1"):
        SpillInRule(fwhm_mm=6.0, share=2.0)


def test_a_table_compares_healthy_liver_by_its_mean():
    def row(visit, region, role, metric, value):
        return Measurement("P1", 1, visit, "PET", region, role, "none", "", metric, value, "g/ml{SUVbw}")

    rows = [
        row("IA", "reference whole liver", "reference", "suv_max", 8.0),
        row("IV", "reference whole liver", "reference", "suv_max", 4.0),
        row("IA", "reference whole liver", "reference", "suv_mean", 3.0),
        row("IV", "reference whole liver", "reference", "suv_mean", 3.0),
    ]
    formed = [row("IA", "reference whole liver", "reference", "er_suv_max", 2.0)]
    (found,) = _healthy_by_mean(formed, rows)
    assert found.region == "reference whole liver (mean)"
    assert found.value == pytest.approx(1.0)
    assert _healthy_by_mean(formed, []) == formed  # a table without means keeps what it has


def test_what_is_looked_at_is_the_region_with_the_kept_distance_not_the_image():
    grid = Grid((90, 120, 120), np.diag([4.0, 4.0, 4.0, 1.0]))
    lesion, liver = Segment("L1", np.ones((4, 4, 4), dtype=bool), (40, 50, 50)), np.ones((12, 12, 12), dtype=bool)
    liver[:, :, :3] = False
    image = Volume(np.ones(grid.shape), grid.ijk_to_ras, units="g/ml{SUVbw}")
    reference = Segment("reference", liver, (36, 46, 52), role="reference")
    rule = SpillInRule(fwhm_mm=6.0, keep_mm=6.2, minimum_mL=0.0)
    clear_of_spill_in(reference, [lesion], grid, [(image, None)], rule)  # what is made once and kept
    tracemalloc.start()
    try:
        clear, _ = clear_of_spill_in(reference, [lesion], grid, [(image, None)], rule)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < clear.voxel_count < reference.voxel_count
    assert peak < 0.5 * image.array.nbytes, "a distance for every voxel of the image takes twice its memory"


def test_spill_in_of_a_part_of_the_image_is_that_part(liver_and_lesion):
    grid, image, _, lesion = liver_and_lesion
    indices = np.flatnonzero(lesion.mask)
    placed = Occupancy("L1", grid, indices, np.ones(indices.size), np.ones(indices.size, dtype=bool))
    part = (slice(10, 25), slice(18, 40), slice(5, 20))
    np.testing.assert_array_equal(spill_in(image, [placed], 6.0, part), spill_in(image, [placed], 6.0)[part])
