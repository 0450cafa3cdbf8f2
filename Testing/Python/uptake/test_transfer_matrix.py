"""Geometric transfer matrix: against analytic spheres, exact block images, brute force and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.mask_changes import MaskChanges
from PRRTUptakeLib.uptake.occupancy import Occupancy
from PRRTUptakeLib.uptake.partial_volume import (
    FWHM_PER_SIGMA,
    contour_uncertainty_mm,
    fit_recovery_curve,
    sphere_mean_recovery,
)
from PRRTUptakeLib.uptake.region_model import (
    BACKGROUND,
    Box,
    allotted,
    blurred,
    box_of,
    line_kernel,
    region_model,
    spread_box,
)
from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes
from PRRTUptakeLib.uptake.region_voxelwise import voxelwise_corrected
from PRRTUptakeLib.uptake.transfer_matrix import FORMS, correct_regions, spread_regions
from PRRTUptakeLib.uptake.transfer_uncertainty import TransferUncertainties, _surfaces, region_draws
from scipy.ndimage import gaussian_filter

FINE = 4  # subsamples of a voxel on each axis


def grid_of(n=48, spacing=4.0):
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = -spacing * (n - 1) / 2
    return Grid((n, n, n), matrix)


def sphere(grid, centre, diameter, fine=FINE):
    """Occupied fractions of a sphere, by ``fine`` x ``fine`` x ``fine`` points a voxel."""
    n, spacing, first = grid.shape[0], grid.spacing_mm[0], grid.ijk_to_ras[0, 3]
    fraction, axes, where = np.zeros(grid.shape), [], []
    for c in centre[::-1]:
        low = max(0, math.floor((c - diameter / 2 - first) / spacing))
        high = min(n, math.ceil((c + diameter / 2 - first) / spacing) + 1)
        steps = low + (np.arange(fine * (high - low)) + 0.5) / fine - 0.5
        axes.append(steps * spacing + first - c)
        where.append(slice(low, high))
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = x**2 + y**2 + z**2 <= (diameter / 2) ** 2
    k, j, i = (size // fine for size in inside.shape)
    fraction[tuple(where)] = inside.reshape(k, fine, j, fine, i, fine).mean(axis=(1, 3, 5))
    return fraction


def occupancy_of(name, fraction, grid):
    flat = fraction.reshape(-1)
    indices = np.flatnonzero(flat)
    return Occupancy(name, grid, indices, flat[indices], flat[indices] >= 0.5)


def image_of(grid, parts, background, fwhm_mm):
    """Blurred sum of regions, as a scanner would make it; ``parts`` of fraction and concentration."""
    total = np.full(grid.shape, float(background))
    for fraction, value in parts:
        total += (value - background) * fraction
    return Volume(
        gaussian_filter(total, fwhm_mm / FWHM_PER_SIGMA / grid.spacing_mm[0], mode="nearest"), grid.ijk_to_ras
    )


@pytest.fixture(scope="module")
def three():
    """Two spheres that spill into each other, one of them in a large warm one, in a background of 1."""
    grid = grid_of()
    lesion, other = sphere(grid, (-14, 0, 0), 26), sphere(grid, (16, 4, 0), 30)
    liver = np.clip(sphere(grid, (0, 0, 0), 110) - lesion - other, 0, 1)
    image = image_of(grid, [(lesion, 40.0), (other, 15.0), (liver, 3.0)], 1.0, 12.0)
    whole = liver + lesion + other
    regions = [occupancy_of(*pair, grid) for pair in (("lesion", lesion), ("other", other), ("liver", whole))]
    return grid, image, regions, {"lesion": 40.0, "other": 15.0, "liver": 3.0, BACKGROUND: 1.0}


def test_the_kernel_is_a_gaussian_that_adds_up_to_one():
    kernel = line_kernel(12.0, 4.0)
    sigma = 12.0 / FWHM_PER_SIGMA / 4.0
    at = np.arange(kernel.size) - kernel.size // 2
    gaussian = np.exp(-(at**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(kernel, gaussian, atol=2e-4)
    assert kernel.sum() == pytest.approx(1.0)
    box = np.random.default_rng(1).random((9, 8, 7))
    wide = np.pad(box, 30)
    expected = gaussian_filter(wide, sigma, mode="constant", truncate=8)[30:-30, 30:-30, 30:-30]
    np.testing.assert_allclose(blurred(wide, [kernel] * 3)[30:-30, 30:-30, 30:-30], expected, atol=2e-4)


@pytest.mark.parametrize("diameter", [16.0, 24.0, 40.0])
def test_the_diagonal_is_the_recovery_of_a_sphere(diameter):
    grid = grid_of(spacing=3.0)
    fraction = sphere(grid, (0.7, -1.1, 0.4), diameter)
    spread = spread_regions(region_model([occupancy_of("s", fraction, grid)]), 12.0)
    # The fractions mix over a voxel, as does the image: a blur more of a box of one voxel each.
    mixed = math.sqrt(12.0**2 + FWHM_PER_SIGMA**2 * 2 * 3.0**2 / 12)
    assert spread.matrix[0, 0] == pytest.approx(float(sphere_mean_recovery(diameter, mixed)), rel=0.01)
    np.testing.assert_allclose(spread.matrix.sum(axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_all_concentrations_come_back(three, form):
    _, image, regions, true = three
    found = correct_regions(image, spread_regions(region_model(regions), 12.0), form)
    for name, value in true.items():
        assert found.value(name) == pytest.approx(value, rel=0.01), name
    assert found.uncorrected("lesion") < 0.65 * true["lesion"]  # so that there was something to correct


@pytest.mark.parametrize("form", FORMS)
def test_matrix_and_symmetric_form_against_brute_force(three, form):
    grid, image, regions, _ = three
    fractions = [region.full_fraction() for region in regions]
    fractions[2] = fractions[2] - fractions[0] - fractions[1]
    parts = [*fractions, 1.0 - sum(fractions)]
    kernels = [line_kernel(12.0, spacing) for spacing in grid.spacing_mm]
    wide = [np.pad(one, 16, mode="edge") for one in parts]
    spreads = [blurred(one, kernels)[16:-16, 16:-16, 16:-16] for one in wide]
    near = np.zeros(grid.shape)
    spread = spread_regions(region_model(regions), 12.0)
    near[tuple(slice(a, b) for a, b in zip(spread.background.low, spread.background.high, strict=True))] = 1.0
    if form == "rousset":
        weights = [*fractions, parts[3] * near]
        assert near.sum() > 0
        weights[3] = np.zeros(grid.shape)
        box = spread.background
        weights[3][tuple(slice(a, b) for a, b in zip(box.low, box.high, strict=True))] = box.values
    else:
        weights = [one * near for one in spreads]
    matrix = np.array([[(w * s).sum() for s in spreads] for w in weights])
    sums = np.array([(w * image.array).sum() for w in weights])
    expected = np.linalg.solve(matrix, sums)
    np.testing.assert_allclose(correct_regions(image, spread, form).corrected, expected, rtol=2e-4)


def test_a_region_within_the_others_is_corrected_by_what_spills_in(three):
    grid, image, regions, true = three
    found = correct_regions(image, spread_regions(region_model(regions), 12.0))
    rim = occupancy_of("rim", sphere(grid, (0, 26, 0), 20), grid)
    assert float(rim.fraction @ rim.values(image) / rim.fraction.sum()) > 1.02 * true["liver"]
    assert found.mean_of(rim, image) == pytest.approx(true["liver"], rel=0.01)
    lesion = regions[0]
    assert found.mean_of(lesion, image) == pytest.approx(found.value("lesion"), rel=1e-6)


def test_a_liver_drawn_without_its_lesions_is_the_same(three):
    grid, image, regions, _ = three
    whole = correct_regions(image, spread_regions(region_model(regions), 12.0))
    fractions = [region.full_fraction() for region in regions]
    rest = occupancy_of("liver", np.clip(fractions[2] - fractions[0] - fractions[1], 0, 1), grid)
    apart = correct_regions(image, spread_regions(region_model([*regions[:2], rest]), 12.0))
    np.testing.assert_allclose(apart.corrected, whole.corrected, rtol=1e-6)


def test_a_body_that_ends_is_not_taken_for_background():
    grid = grid_of()
    body = np.zeros(grid.shape)
    body[:, :, 20:] = 1.0
    organ = sphere(grid, (0, 0, 0), 40)
    total = 2.0 * body + 18.0 * organ
    image = Volume(gaussian_filter(total, 12.0 / FWHM_PER_SIGMA / 4.0, mode="nearest"), grid.ijk_to_ras)
    regions = [occupancy_of("organ", organ, grid)]
    with_body = correct_regions(image, spread_regions(region_model(regions, body), 12.0))
    without = correct_regions(image, spread_regions(region_model(regions), 12.0))
    assert with_body.value("organ") == pytest.approx(20.0, rel=0.005)
    assert with_body.value(BACKGROUND) == pytest.approx(2.0, rel=0.01)
    assert without.value(BACKGROUND) < 1.9


def test_voxelwise_correction_keeps_means_and_sharpens_edges(three):
    _, image, regions, true = three
    found = correct_regions(image, spread_regions(region_model(regions), 12.0))
    sharp = voxelwise_corrected(image, found)
    for name, number in (("lesion", 0), ("other", 1)):
        region = regions[number]
        whole = region.fraction > 0.999
        assert float(region.values(sharp)[whole].mean()) == pytest.approx(true[name], rel=0.02)
        assert float(region.values(sharp)[whole].std()) < 0.2 * float(region.values(image)[whole].std())
    far = sharp.array[:3, :3, :3]
    np.testing.assert_array_equal(far, image.array[:3, :3, :3])


def test_regions_that_cannot_be_distinguished_are_refused():
    grid = grid_of(n=24)
    ball, even = sphere(grid, (0, 0, 0), 30.0), np.indices(grid.shape).sum(axis=0) % 2
    first = ball * even
    regions = [occupancy_of("first", first, grid), occupancy_of("second", ball - first, grid)]
    image = image_of(grid, [(first, 10.0)], 1.0, 20.0)
    with pytest.raises(RecoveryError, match=r"'(first|second)' cannot be separated from its neighbours"):
        correct_regions(image, spread_regions(region_model(regions), 20.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: [], "at least one region"),
        (lambda r: [r[0], r[0]], "not all different"),
        (lambda r: [r[2], occupancy_of("twin", r[0].full_fraction(), r[0].grid)], "Nothing is left of region 'twin'"),
    ],
)
def test_impossible_regions_are_refused(three, change, words):
    with pytest.raises(RecoveryError, match=words):
        region_model(change(three[2]))


def test_a_cold_region_has_no_interval_but_the_others_have():
    grid = grid_of()
    hot, cold = sphere(grid, (-20, 0, 0), 30), sphere(grid, (6, 0, 0), 20)
    image = image_of(grid, [(hot, 50.0), (cold, 0.0)], 0.1, 12.0)
    off = occupancy_of("cold", sphere(grid, (6, 0, 0), 20), grid)
    found = correct_regions(image, spread_regions(region_model([occupancy_of("hot", hot, grid), off]), 15.0))
    drawn = region_draws(found, TransferUncertainties(), draws=200)
    assert found.value("cold") <= 0
    with pytest.raises(RecoveryError, match="colder than what its neighbours spill into it"):
        drawn.interval("cold")
    low, high = drawn.interval("hot")
    assert low < 50 < high


def test_contour_uncertainty_takes_the_geometric_mean_of_the_spacings():
    expected = math.sqrt((1.5 * 1.5 * 3.0) ** (2 / 3) / 6 + 1 / (4 * math.log(2))) / 2
    assert contour_uncertainty_mm((1.5, 1.5, 3.0), 1.0) == pytest.approx(expected)
    with pytest.raises(RecoveryError, match="not possible"):
        contour_uncertainty_mm((0.0, 1.0, 1.0), 1.0)


def test_resolution_and_contour_are_as_the_closed_form_of_a_sphere_says():
    """T = T_true RC(d, w true) / RC(d drawn, w assumed): first-order slopes of a sphere in cold surroundings."""
    grid, d, w = grid_of(spacing=3.0), 28.0, 12.0
    fraction = sphere(grid, (0.4, 0.9, -0.6), d)
    image = image_of(grid, [(fraction, 10.0)], 1e-6, w)
    found = correct_regions(image, spread_regions(region_model([occupancy_of("s", fraction, grid)]), w))
    step = 1e-3

    def recovery(diameter, fwhm):
        return math.log(float(sphere_mean_recovery(diameter, fwhm)))

    by_width = (recovery(d, w * (1 + step)) - recovery(d, w * (1 - step))) / (2 * step)
    drawn = region_draws(found, TransferUncertainties(fwhm_relative=0.02, registration_mm=0, contour_mm=0))
    assert drawn.relative_u("s", "resolution") == pytest.approx(abs(by_width) * 0.02, rel=0.05)

    # Activity within a sphere drawn too large by 2 c, over its volume, over the recovery of that size.
    from scipy.integrate import quad
    from scipy.special import erf

    sigma = w / FWHM_PER_SIGMA

    def profile(r):
        a, b = (d / 2 - r) / sigma, (d / 2 + r) / sigma
        edge = math.exp(-(a**2) / 2) - math.exp(-(b**2) / 2)
        return (erf(a / 2**0.5) + erf(b / 2**0.5)) / 2 - sigma / (r * math.sqrt(2 * math.pi)) * edge

    def answer(c):
        radius = d / 2 + c
        mean = quad(lambda r: 3 * r**2 * profile(r), 1e-9, radius)[0] / radius**3
        return math.log(mean) - recovery(2 * radius, w)

    by_surface = (answer(0.2) - answer(-0.2)) / 0.4
    drawn = region_draws(found, TransferUncertainties(fwhm_relative=0, registration_mm=0, contour_mm=0.3))
    assert drawn.relative_u("s", "contour") == pytest.approx(abs(by_surface) * 0.3, rel=0.08)


@pytest.mark.parametrize("diameter", [16.0, 24.0, 40.0])
def test_a_surface_moves_as_that_of_a_sphere_drawn_larger_or_smaller(diameter):
    """Truth 0.5 mm smaller or larger than the contour, over the value, in voxels of 4.8 mm: within a tenth."""
    grid, fwhm = grid_of(28, 4.8), 12.0
    for centre in ((0.0, 0.0, 0.0), (1.3, -2.1, 0.7)):
        spread = spread_regions(region_model([occupancy_of("s", sphere(grid, centre, diameter, 12), grid)]), fwhm)
        ((inwards, outwards, scale),) = _surfaces(spread.model, 0, 0.5)
        assert scale == pytest.approx(1.0)
        sums = spread.products @ np.array([1.0, 0.0])
        products = MaskChanges(spread).products(0, [inwards, outwards])
        found = [math.log(np.linalg.solve(one, sums)[0]) for one in products]
        own = spread.model.sampled[0]
        box = tuple(slice(a, b) for a, b in zip(own.low, own.high, strict=True))
        exact = []
        for step in (-1.0, 1.0):
            shown = image_of(grid, [(sphere(grid, centre, diameter + step, 12), 1.0)], 0.0, fwhm).array[box]
            exact.append(math.log(spread.matrix[0, 0] / (float(np.vdot(own.values, shown)) / own.values.sum())))
        assert found == pytest.approx(exact, rel=0.1)


def turned(degrees, axes=(0, 1), size=36, spacing=4.8):
    """A grid turned about the middle of the patient."""
    matrix, angle = np.eye(4), math.radians(degrees)
    matrix[np.ix_(axes, axes)] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    matrix[:3, :3] *= spacing
    matrix[:3, 3] = -matrix[:3, :3] @ np.full(3, (size - 1) / 2)
    return Grid((size,) * 3, matrix)


def test_corrected_values_do_not_depend_on_how_the_grid_is_turned():
    """One patient on two grids: contours placed and the image sampled anew; a lesion, a kidney, thin ones beside."""
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.uptake.occupancy import occupancy
    from scipy.ndimage import map_coordinates

    fine, step = grid_of(84, 2.0), 2.0
    z, y, x = np.meshgrid(*[(np.arange(84) - 41.5) * step] * 3, indexing="ij")

    def ellipsoid(centre, radii):
        a, b, c = ((axis - at) / radius for axis, at, radius in zip((x, y, z), centre, radii, strict=True))
        return a**2 + b**2 + c**2 <= 1

    parts = {
        "lesion": (ellipsoid((18, 20, 10), (9, 9, 9)), 30.0),
        "kidney": (ellipsoid((-38, -20, -10), (15, 14, 32)), 12.0),
        "cava": (ellipsoid((16, -42, 0), (9, 9, 48)), 1.5),
        "liver": (ellipsoid((20, 4, 8), (40, 38, 44)), 3.0),
    }
    image = np.where(ellipsoid((0, 0, 0), (76, 66, 300)), 0.8, 0.02)
    for mask, value in reversed(parts.values()):
        image[mask] = value
    image = gaussian_filter(image, 12.0 / FWHM_PER_SIGMA / step, mode="nearest")
    found = []
    for grid in (turned(0.0), turned(7.0), turned(30.0, (1, 2))):
        k, j, i = np.indices(grid.shape)
        sampled = 0.0
        for off in np.ndindex(2, 2, 2):  # a voxel shows the mean of what is in it
            k_off, j_off, i_off = (np.array(off) - 0.5) / 2
            points = grid.to_ras(np.stack([i + i_off, j + j_off, k + k_off], axis=-1))
            where = np.moveaxis(points[..., ::-1] / step + 41.5, -1, 0)
            sampled = sampled + map_coordinates(image, where, order=1, mode="nearest") / 8
        regions = [occupancy(Segment.from_full(name, mask), fine, grid) for name, (mask, _) in parts.items()]
        corrected = correct_regions(Volume(sampled, grid.ijk_to_ras), spread_regions(region_model(regions), 12.0))
        found.append([corrected.value(name) for name in parts])
    for name, values in zip(parts, np.array(found).T, strict=True):
        assert np.ptp(values) < 0.02 * values.mean(), name
        assert values == pytest.approx(parts[name][1], rel=0.04), name


def test_products_of_changed_masks_are_those_of_regions_placed_anew(three):
    """Truth in other places than the masks that are measured: by adjoint sums, and by blurring all regions again."""
    grid, _, regions, _ = three
    model = region_model(regions)
    spread = spread_regions(model, 12.0)
    other = box_of(occupancy_of("other", sphere(grid, (-6, 2, 3), 30), grid))  # now overlaps the lesion
    off = Box((*other.low[:2], -3), other.values)  # partly beyond the image
    for variant, found in zip((other, off), MaskChanges(spread).products(1, [other, off]), strict=True):
        cut = variant.crop(tuple(max(0, n) for n in variant.low), variant.high)
        drawn = (model.drawn[0], Box(tuple(max(0, n) for n in variant.low), cut), model.drawn[2])
        filled = tuple(Box(box.low, values) for box, values in zip(drawn, allotted(drawn, model.inside), strict=True))
        seen = [spread_box(box, model.kernels(12.0), grid.shape) for box in filled]
        expected = np.array([[own.dot(box) for box in seen] for own in spread.parts])
        np.testing.assert_allclose(found[:, :-1], expected, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(found.sum(axis=1), spread.products.sum(axis=1), rtol=1e-12)


def test_quadratics_against_repeating_the_whole_calculation(three):
    """Truth drawn with other places, surfaces and widths; the image made from it; corrected with the masks at hand."""
    grid, _, _, true = three
    rng = np.random.default_rng(3)
    centres, sizes = [(-14.0, 0, 0), (16.0, 4, 0)], [26.0, 30.0]
    u = TransferUncertainties(fwhm_relative=0.1, registration_mm=2.5, contour_mm=0.7)
    masks = [sphere(grid, c, d) for c, d in zip(centres, sizes, strict=True)]
    whole = np.clip(sphere(grid, (0, 0, 0), 110), 0, 1)
    regions = [occupancy_of("lesion", masks[0], grid), occupancy_of("other", masks[1], grid)]
    regions.append(occupancy_of("liver", whole, grid))
    spread = spread_regions(region_model(regions), 12.0)
    errors = []
    for _ in range(150):
        width = 12.0 * math.exp(0.1 * rng.standard_normal())
        real = [
            sphere(grid, np.array(c) + 2.5 * rng.standard_normal(3), d + 2 * 0.7 * rng.standard_normal())
            for c, d in zip(centres, sizes, strict=True)
        ]
        liver = np.clip(whole - real[0] - real[1], 0, 1)
        image = image_of(grid, [(real[0], 40.0), (real[1], 15.0), (liver, 3.0)], 1.0, width)
        found = correct_regions(image, spread)
        errors.append([math.log(true[name] / found.value(name)) for name in ("lesion", "other")])
    image = image_of(grid, [(masks[0], 40.0), (masks[1], 15.0), (np.clip(whole - sum(masks), 0, 1), 3.0)], 1.0, 12.0)
    drawn = region_draws(correct_regions(image, spread), u)
    for number, name in enumerate(("lesion", "other")):
        repeated = np.array(errors)[:, number]
        here = drawn.log_factors_of(name)
        assert here.mean() == pytest.approx(repeated.mean(), abs=3 * repeated.std() / math.sqrt(150))
        assert here.std() == pytest.approx(repeated.std(), rel=0.2)  # 150 repeats: their own spread is 6 %
        assert drawn.of_cause(name, "registration").mean() > 0.01  # off its place a region only loses


def test_a_phantom_is_corrected_alike_by_its_curve_and_by_the_matrix():
    grid = grid_of(n=64, spacing=4.0)
    diameters = [17.0, 22.0, 28.0, 37.0]
    places = [(-60, -60, 0), (60, -60, 10), (-60, 60, -10), (60, 60, 5)]
    masks = [sphere(grid, place, d) for place, d in zip(places, diameters, strict=True)]
    image = image_of(grid, [(mask, 80.0) for mask in masks], 10.0, 12.0)
    regions = [occupancy_of(f"{d:g}", mask, grid) for mask, d in zip(masks, diameters, strict=True)]
    volumes = [region.volume_mL for region in regions]
    shown = [float(region.fraction @ region.values(image) / region.fraction.sum()) for region in regions]
    curve = fit_recovery_curve(volumes, [(mean - 10.0) / 70.0 for mean in shown])
    settings = {"fwhm_mm": 12.0, "contour_mm": 0.3, "registration_mm": 1.0}
    matrix = region_uptakes(image, regions, PartialVolumeSettings(mode="gtm", **settings))
    phantom = PartialVolumeSettings(
        mode="recovery", phantom=curve, surroundings={region.name: BACKGROUND for region in regions}, **settings
    )
    by_curve = region_uptakes(image, regions, phantom)
    for region in regions:
        one, two = matrix.result(region.name), by_curve.result(region.name)
        assert one.lower < 80.0 < one.upper
        assert two.lower < 80.0 < two.upper
        assert one.lower < two.value < one.upper
        assert two.lower < one.value < two.upper
    assert "phantom" in by_curve.sentence
    assert "not corrected" not in matrix.sentence
