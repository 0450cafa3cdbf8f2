"""Lobes: known volumes, every voxel in one lobe, Couinaud map with moves, Cantlie plane, clear refusals."""

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ras_of, rotation
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride, lobes_from_couinaud
from PRRTUptakeLib.segmentation.errors import LobeError
from PRRTUptakeLib.segmentation.lobes import (
    Plane,
    cantlie_plane,
    find_liver,
    lobe_volumes,
    split_by_plane,
    split_by_points,
)
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

GRIDS = {
    "isotropic": centred_grid(150.0, (1.5, 1.5, 1.5)),
    "anisotropic": centred_grid(150.0, (0.9, 0.9, 3.0)),
    "oblique": centred_grid(170.0, (1.2, 1.2, 2.5), rotation((1, 2, 3), 25.0)),
    "left-handed": centred_grid(150.0, (1.3, 1.3, 2.5), left_handed=True),
}


def cap_fraction(radius, height):
    """Volume of a spherical cap over the sphere's."""
    return height**2 * (3 * radius - height) / (4 * radius**3)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_plane_cuts_a_sphere_into_caps_of_known_volume(name, flip):
    grid = GRIDS[name]
    radius, height = 70.0, 50.0  # the left lobe is a cap of 50 mm
    liver = ball(grid, "liver", (0, 0, 0), radius)
    direction = np.array([0.8, -0.6, 0.0])
    left, right = split_by_plane(grid, liver, Plane((height - radius) * direction, flip * direction))
    assert (left.lobe, right.lobe, left.role) == ("left", "right", "lobe")
    assert left.structure == "liver_lobe_left"
    fractions = {v.lobe: v.fraction for v in lobe_volumes(grid, (left, right))}
    assert fractions["left"] == pytest.approx(cap_fraction(radius, height), rel=5e-3)
    assert sum(fractions.values()) == pytest.approx(1.0)
    volumes = {v.lobe: v.volume_mL for v in lobe_volumes(grid, (left, right))}
    truth = 4 / 3 * np.pi * radius**3 / 1000
    assert volumes["right"] == pytest.approx(truth * (1 - cap_fraction(radius, height)), rel=5e-3)
    assert np.array_equal(left.full_mask(grid.shape) ^ right.full_mask(grid.shape), liver.full_mask(grid.shape))


def test_voxels_on_the_plane_go_to_the_right():
    grid = centred_grid(5.0, (1, 1, 1))
    liver = box(grid, "liver", (-9, -9, -9), (9, 9, 9))
    left, right = split_by_plane(grid, liver, Plane((0, 0, 0), (-1, 0, 0)))
    assert (left.voxel_count, right.voxel_count) == (50, 75)


def test_plane_that_misses_or_is_flat_is_reported():
    grid = centred_grid(60.0, (2, 2, 2))
    liver = ball(grid, "liver", (0, 0, 0), 20.0)
    with pytest.raises(LobeError, match=r"misses the liver 'liver' by 1\d mm, so the left lobe would be empty: move"):
        split_by_plane(grid, liver, Plane((-30, 0, 0), (1, 0, 0)))
    with pytest.raises(LobeError, match="right lobe would be empty"):
        split_by_plane(grid, liver, Plane((30, 0, 0), (1, 0, 0)))
    with pytest.raises(LobeError, match="turn it upright"):
        split_by_plane(grid, liver, Plane((0, 0, 0), (0.1, 0, 1)))
    with pytest.raises(LobeError, match="not zero"):
        Plane((0, 0, 0), (0, 0, 0))
    empty = Segment("liver", np.zeros((0, 0, 0), bool))
    with pytest.raises(LobeError, match="empty"):
        split_by_plane(grid, empty, Plane((0, 0, 0), (1, 0, 0)))


def test_liver_must_be_there_once():
    grid = centred_grid(20.0, (2, 2, 2))
    liver = ball(grid, "Leber", (0, 0, 0), 8.0, structure="liver")
    assert find_liver(Segmentation(grid, (liver,))).name == "Leber"
    with pytest.raises(LobeError, match=r"no liver \(its segments: spleen\): add one"):
        find_liver(Segmentation(grid, (liver.relabelled(name="spleen", structure="spleen"),)))
    with pytest.raises(LobeError, match="both called the liver"):
        find_liver(Segmentation(grid, (liver, liver.relabelled(name="liver 2"))))


def test_curved_cut_follows_a_known_surface():
    grid = centred_grid(120.0, (1.5, 1.5, 2.0))
    liver = box(grid, "liver", (-50, -40, -40), (50, 40, 40))

    def surface(y, z):
        return 5.0 + y**2 / 200.0 - z * y / 400.0

    y, z = (part.ravel() for part in np.meshgrid(np.linspace(-40, 40, 7), np.linspace(-40, 40, 7)))
    left, right = split_by_points(grid, liver, np.column_stack([surface(y, z), y, z]))
    points = ras_of(grid)
    truth = (points[..., 0] < surface(points[..., 1], points[..., 2])) & liver.full_mask(grid.shape)
    differing = np.count_nonzero(left.full_mask(grid.shape) ^ truth)
    assert differing / truth.sum() < 0.005
    assert left.voxel_count == pytest.approx(truth.sum(), rel=0.005)
    assert left.voxel_count + right.voxel_count == liver.voxel_count
    plane_left, _ = split_by_plane(grid, liver, Plane((5.0 + 40**2 / 600, 0, 0), (1, 0, 0)))
    flat_differing = np.count_nonzero(plane_left.full_mask(grid.shape) ^ truth)
    assert flat_differing > 4 * differing  # so the bend was followed


def test_three_points_give_the_plane_through_them():
    grid = centred_grid(60.0, (2, 2, 2))
    liver = ball(grid, "liver", (0, 0, 0), 25.0)
    points = np.array([[3.0, 0, 0], [3.0, 20, 1], [7.0, 0, 20]])
    by_points = split_by_points(grid, liver, points)
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    by_plane = split_by_plane(grid, liver, Plane(points[0], normal))
    assert by_points[0].voxel_count == by_plane[0].voxel_count


def test_bad_points_are_reported():
    grid = centred_grid(60.0, (2, 2, 2))
    liver = ball(grid, "liver", (0, 0, 0), 25.0)
    with pytest.raises(LobeError, match="at least 3"):
        split_by_points(grid, liver, np.zeros((2, 3)))
    with pytest.raises(LobeError, match="in one line"):
        split_by_points(grid, liver, np.array([[0, 0, 0], [0, 1, 1], [0, 2, 2], [0, 3, 3.0]]))
    with pytest.raises(LobeError, match="above each other"):
        split_by_points(grid, liver, np.array([[0, 0, 0], [5, 0, 0], [0, 20, 0], [0, 0, 20], [0, 20, 20.0]]))
    with pytest.raises(LobeError, match="misses the liver"):
        split_by_points(grid, liver, np.array([[40, 0, 0], [41, 20, 0], [40, 0, 20], [40, 20, 20.0]]))


def couinaud_case():
    """Eight slabs along x from right (VIII) to left (I), 10 mm each, in a liver with a gap of 10 mm at the left end."""
    grid = centred_grid(100.0, (2, 2, 4))
    liver = box(grid, "liver", (-50, -20, -20), (40, 20, 20), structure="liver")
    parts = [
        box(grid, f"s{n}", (-50 + 10 * n, -20, -20), (-40 + 10 * n, 20, 20), structure=f"liver_segment_{n}")
        for n in range(1, 9)
    ]
    return Segmentation(grid, (liver, *parts)), liver


def test_couinaud_segments_make_lobes_and_moves_are_recorded():
    segmentation, liver = couinaud_case()
    result = lobes_from_couinaud(segmentation, liver)
    counts = {lobe.lobe: lobe.voxel_count for lobe in result.lobes}
    slab = segmentation["s1"].voxel_count
    assert counts == {
        "caudate": 2 * slab,
        "left": 3 * slab,
        "right": 4 * slab,
    }  # the gap joins segment I, its neighbour
    assert sum(counts.values()) == liver.voxel_count
    assert result.changes == ()
    assert any("no Couinaud segment" in text for text in result.remarks)
    moved = lobes_from_couinaud(
        segmentation,
        liver,
        [TerritoryOverride(4, "right", "fed by the right hepatic artery"), TerritoryOverride(1, "left", "angiography")],
    )
    counts = {lobe.lobe: lobe.voxel_count for lobe in moved.lobes}
    assert counts == {"left": 4 * slab, "right": 5 * slab}
    assert moved.changes[0] == "Segment IV counts to the right lobe instead of left: fed by the right hepatic artery"
    assert moved.assignment[1] == "left"
    assert moved.assignment[4] == "right"


def test_couinaud_overlap_is_reported_and_bad_moves_refused():
    segmentation, _ = couinaud_case()
    wide = box(segmentation.grid, "s4", (-10, -20, -20), (4, 20, 20), structure="liver_segment_4")
    result = lobes_from_couinaud(segmentation.with_segments(wide), None)
    assert any("'s4' and 's5' overlap" in text for text in result.remarks)
    total = sum(lobe.voxel_count for lobe in result.lobes)
    assert total == 8 * segmentation["s1"].voxel_count
    with pytest.raises(LobeError, match="Only segments I and IV"):
        TerritoryOverride(5, "left", "x")
    with pytest.raises(LobeError, match="Say why"):
        TerritoryOverride(4, "right", " ")
    with pytest.raises(LobeError, match="moved twice"):
        lobes_from_couinaud(segmentation, None, [TerritoryOverride(4, "right", "a"), TerritoryOverride(4, "left", "b")])
    with pytest.raises(LobeError, match="no such segment"):
        lobes_from_couinaud(segmentation.without("s4"), None, [TerritoryOverride(4, "right", "a")])
    with pytest.raises(LobeError, match="of the left lobe was found"):
        lobes_from_couinaud(segmentation.without("s2", "s3", "s4"), None)


def test_couinaud_defaults_are_the_anatomy():
    assert [codes.structure(f"liver_segment_{n}").lobe for n in range(1, 9)] == [
        "caudate", "left", "left", "left", "right", "right", "right", "right",
    ]  # fmt: skip


@pytest.mark.parametrize("turn", [None, rotation((0, 1, 1), 20.0)])
def test_cantlie_plane_passes_through_fossa_and_vena_cava(turn):
    grid = centred_grid(200.0, (2, 2, 3), turn)
    liver = ball(grid, "liver", (0, 0, 10), 65.0)
    gallbladder = ball(grid, "gallbladder", (20.0, 55.0, -48.0), 14.0)
    points = ras_of(grid)
    lean = np.array([-15.0, -60.0]) + 0.1 * points[..., 2:]
    tube = (np.square(points[..., :2] - lean).sum(axis=-1) <= 10.0**2) & (np.abs(points[..., 2]) < 90)
    cava = Segment.from_full("ivc", tube)
    plane = cantlie_plane(grid, gallbladder, cava, liver)
    direction = np.array([0.1, 0.1, 1.0])  # the tube's course
    assert abs(plane.normal_ras @ direction) < 0.02
    for point in ([-15.0, -60.0, 0.0], [20.0, 55.0, -48.0]):
        assert abs(plane.normal_ras @ (np.array(point) - plane.origin_ras)) < 4.0
    assert plane.normal_ras[0] > 0
    left, right = split_by_plane(grid, liver, plane)
    assert left.voxel_count + right.voxel_count == liver.voxel_count


def test_cantlie_plane_refuses_what_it_cannot_place():
    grid = centred_grid(100.0, (2, 2, 2))
    liver = ball(grid, "liver", (0, 0, 0), 20.0)
    bladder = ball(grid, "gallbladder", (0, 25, -5), 6.0)
    cava = box(grid, "ivc", (-4, -24, -50), (4, -16, 50))
    with pytest.raises(LobeError, match="by hand"):
        cantlie_plane(grid, Segment("gallbladder", np.zeros((0, 0, 0), bool)), cava, liver)
    with pytest.raises(LobeError, match="does not pass by the liver"):
        cantlie_plane(grid, bladder, box(grid, "ivc", (-4, -24, 40), (4, -16, 50)), liver)
    with pytest.raises(LobeError, match="more than 30 mm"):
        cantlie_plane(grid, ball(grid, "gallbladder", (45, 45, 45), 4.0), cava, ball(grid, "liver", (-9, -9, -9), 9))
    with pytest.raises(LobeError, match="one line"):
        cantlie_plane(grid, ball(grid, "gallbladder", (0, -20, -20), 6.0), cava, liver)


def test_a_curve_in_one_axial_slice_is_extruded_along_the_slices_normal():
    grid = Grid((20, 60, 60), np.array([[2.0, 0, 0, -59], [0, 2, 0, -59], [0, 0, 4, -38], [0, 0, 0, 1]]))
    k, j, i = np.indices(grid.shape)
    x, y, z = np.moveaxis(grid.to_ras(np.stack([i, j, k], axis=-1)), -1, 0)
    liver = Segment.from_full("liver", (abs(x) < 50) & (abs(y) < 50) & (abs(z) < 34))
    ys = np.array([-50.0, -25, 0, 25, 50])
    points = np.column_stack([12 * np.sin(ys / 25), ys, np.full(5, 7.3)])
    left, right = split_by_points(grid, liver, points)
    expected = (x > 12 * np.sin(y / 25)) & liver.full_mask(grid.shape)
    found = right.full_mask(grid.shape)
    assert (found == found[10]).all(axis=(1, 2))[1:-1].sum() >= 16  # alike in every slice of the liver
    assert (found != expected).sum() < 0.02 * liver.voxel_count
    assert left.voxel_count + right.voxel_count == liver.voxel_count
    with pytest.raises(LobeError, match="turns back"):
        split_by_points(grid, liver, np.array([[0, 0, 0], [5, 0.1, 0], [0, 30, 0], [4, 60, 0.0]]))
