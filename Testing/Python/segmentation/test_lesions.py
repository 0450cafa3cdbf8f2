"""Lesions: components, lobes, ids through visits, merging and splitting."""

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, rotation
from PRRTUptakeLib.segmentation.bounding_box import joined, overlaps, remarks
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.lesion_splitting import split_lesion, split_lesion_by_plane
from PRRTUptakeLib.segmentation.lesion_tracking import EarlierLesions
from PRRTUptakeLib.segmentation.lesions import assign_lobe, connected_lesions, find_lesions, merge_lesions
from PRRTUptakeLib.segmentation.lobes import Plane, split_by_plane
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

GRID = centred_grid(120.0, (2, 2, 3))


def union(name, *segments, **labels):
    full = np.zeros(GRID.shape, bool)
    for segment in segments:
        full |= segment.full_mask(GRID.shape)
    return Segment.from_full(name, full, **labels)


def lobes(grid=GRID):
    return split_by_plane(grid, ball(grid, "liver", (0, 0, 0), 50.0), Plane((0, 0, 0), (1, 0, 0)))


def spots():
    """Two lesions left (6 and 9 mm radius), one right, one outside the liver."""
    return [
        ball(GRID, "a", (-30, 0, 0), 6.0),
        ball(GRID, "b", (-20, 20, 10), 9.0),
        ball(GRID, "c", (25, 0, 0), 10.0),
        ball(GRID, "d", (50, 50, 50), 7.0),
    ]


def test_one_segment_of_many_lesions_is_divided_numbered_and_placed():
    source = union("lesions", *spots(), role="lesion")
    found = find_lesions(Segmentation(GRID, (source,)), lobes())
    assert [lesion.lesion_id for lesion in found.lesions] == ["E1", "L1", "L2", "R1"]
    by_id = {lesion.lesion_id: lesion.segment for lesion in found.lesions}
    a, b, c, d = spots()
    for lesion_id, truth in (("L1", b), ("L2", a), ("R1", c), ("E1", d)):
        assert np.array_equal(by_id[lesion_id].full_mask(GRID.shape), truth.full_mask(GRID.shape)), lesion_id
    assert by_id["E1"].structure == "extrahepatic_lesion"
    assert by_id["E1"].lobe == "none"
    assert by_id["L1"].structure == "liver_lesion"
    assert by_id["R1"].lobe == "right"
    assert found.remarks == ()


def test_corners_connect_and_one_voxel_is_a_lesion():
    mask = np.zeros((4, 5, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True  # they share a corner
    mask[3, 4, 5] = True
    pieces = connected_lesions(Segment("lesions", mask, origin=(2, 3, 4)))
    assert [piece.voxel_count for piece in pieces] == [2, 1]
    assert pieces[1].origin == (5, 7, 9)
    assert connected_lesions(Segment("lesions", np.zeros((3, 3, 3), bool))) == ()


@pytest.mark.parametrize(
    ("shift", "lobe", "straddles"), [(-1.0, "left", True), (-6.0, "left", False), (3.0, "right", True)]
)
def test_lesion_cut_by_the_plane_goes_to_the_larger_part(shift, lobe, straddles):
    """The share of a sphere of 10 mm left of its middle plane shifted by s is 1/2 + 3s/4R - s^3/4R^3."""
    grid = centred_grid(60.0, (0.5, 1, 1))
    both = split_by_plane(grid, ball(grid, "liver", (0, 0, 0), 28.0), Plane((0.25, 0, 0), (1, 0, 0)))
    lesion = assign_lobe(ball(grid, "x", (0.25 + shift, 0, 0), 10.0), both)
    s = -shift / 10.0
    truth = 0.5 + 0.75 * s - 0.25 * s**3
    assert lesion.shares["left"] == pytest.approx(truth, abs=0.03)
    assert lesion.segment.lobe == lobe
    assert lesion.straddles is straddles


def test_straddling_is_reported_in_words():
    source = ball(GRID, "x", (3.0, 0, 0), 10.0, role="lesion")
    found = find_lesions(Segmentation(GRID, (source,)), lobes())
    assert found.lesions[0].straddles
    assert any("R1 straddles" in text and "left lobe" in text for text in found.remarks)


def test_lesion_at_the_capsule_and_lesion_left_out_of_the_liver_are_hepatic():
    left, right = lobes()
    capsule = assign_lobe(ball(GRID, "x", (46.0, 0, 0), 8.0), (left, right))
    assert capsule.segment.lobe == "right"
    assert 0.1 < capsule.shares["none"] < 0.5
    hole = ball(GRID, "x", (25, 0, 0), 8.0)
    without = Segment.from_full("right", right.full_mask(GRID.shape) & ~hole.full_mask(GRID.shape), lobe="right")
    assert assign_lobe(hole, (left, without)).segment.lobe == "right"


def test_overlapping_lesions_are_reported_and_none_is_lost():
    one = ball(GRID, "one", (-25, 0, 0), 8.0, role="lesion")
    two = ball(GRID, "two", (-15, 0, 0), 8.0, role="lesion")
    found = find_lesions(Segmentation(GRID, (one, two)), lobes())
    assert len(found.lesions) == 2
    assert sum(segment.voxel_count for segment in found.segments) == one.voxel_count + two.voxel_count
    assert any("'one' and 'two' overlap" in text for text in found.remarks)
    shared = one.full_mask(GRID.shape) & two.full_mask(GRID.shape)
    assert overlaps(GRID, (one, two))[0].volume_mL == pytest.approx(shared.sum() * GRID.voxel_volume_mL)
    assert overlaps(GRID, (one, ball(GRID, "far", (30, 0, 0), 5.0))) == ()


def test_empty_segments_are_reported():
    empty = Segment("metastasis", np.zeros((0, 0, 0), bool), role="lesion")
    with pytest.raises(SegmentationError, match="draw the lesions as segments"):
        find_lesions(Segmentation(GRID, (empty,)), lobes())
    full = Segmentation(GRID, (empty, ball(GRID, "x", (20, 0, 0), 8.0, role="lesion")))
    assert "Lesion segment 'metastasis' is empty." in find_lesions(full, lobes()).remarks
    assert remarks(full)[0].startswith("Without a voxel: 'metastasis'")


def visit(centres_radii, grid=GRID, earlier=None, **labels):
    segments = tuple(
        ball(grid, f"m{n}", centre, radius, role="lesion", **labels) for n, (centre, radius) in enumerate(centres_radii)
    )
    return find_lesions(Segmentation(grid, segments), lobes(grid), earlier)


def test_ids_stay_when_lesions_shrink_move_vanish_and_appear():
    first = visit([((-30, 0, 0), 9), ((-20, 25, 10), 7), ((25, 0, 0), 10), ((20, 25, 0), 6)])
    assert [lesion.lesion_id for lesion in first.lesions] == ["L1", "L2", "R1", "R2"]
    turned = centred_grid(130.0, (1.5, 1.5, 2.5), rotation((1, 0, 1), 15.0))
    earlier = EarlierLesions(GRID, first.segments, retired_ids=("L3",))
    # L1 shrank below L2; R1 grew; R2 moved by 14 mm without overlap; L2 vanished; a new large one on the left.
    second = visit([((-30, 1, 0), 5), ((25, 0, 1), 12), ((20, 39, 0), 5), ((-15, -30, 0), 11)], turned, earlier)
    places = {lesion.lesion_id: turned.to_ras(_centre(lesion.segment)) for lesion in second.lesions}
    assert set(places) == {"L1", "R1", "R2", "L4"}
    truth = {"L1": (-30, 1, 0), "R1": (25, 0, 1), "R2": (20, 39, 0), "L4": (-15, -30, 0)}
    for lesion_id, centre in truth.items():
        assert np.linalg.norm(places[lesion_id] - centre) < 1.0, lesion_id
    assert any("L2 of the earlier visit was not found" in text for text in second.remarks)


def _centre(segment):
    return (np.argwhere(segment.mask) + segment.origin).mean(axis=0)[::-1]


def test_when_a_lesion_falls_apart_the_larger_piece_keeps_the_id():
    first = visit([((-25, 0, 0), 14)])
    second = visit([((-18, 0, 0), 4), ((-30, 0, 0), 7)], earlier=EarlierLesions(GRID, first.segments))
    by_id = {lesion.lesion_id: lesion.segment.voxel_count for lesion in second.lesions}
    assert set(by_id) == {"L1", "L2"}
    assert by_id["L1"] > by_id["L2"]


def test_given_ids_are_kept_even_in_pieces_and_doubles_refused():
    pieces = union("mine", ball(GRID, "a", (-30, 0, 0), 6), ball(GRID, "b", (-10, 0, 0), 6), role="lesion")
    found = find_lesions(Segmentation(GRID, (pieces.relabelled(lesion_id="L3"),)), lobes())
    assert [lesion.lesion_id for lesion in found.lesions] == ["L3"]
    assert found.segments[0].voxel_count == pieces.voxel_count
    twice = [ball(GRID, n, (x, 0, 0), 6, role="lesion", lesion_id="R1") for n, x in (("a", 10), ("b", 30))]
    with pytest.raises(SegmentationError, match="Two lesion segments have the id R1"):
        find_lesions(Segmentation(GRID, tuple(twice)), lobes())


def test_merge_keeps_the_largest_id_and_every_voxel():
    a, b, *_ = find_lesions(Segmentation(GRID, (union("x", *spots()[:2], role="lesion"),)), lobes()).segments
    merged = merge_lesions(GRID, [b, a], lobes())
    assert merged.lesion_id == "L1"
    assert merged.segment.voxel_count == a.voxel_count + b.voxel_count
    with pytest.raises(SegmentationError, match="at least two"):
        merge_lesions(GRID, [a], lobes())


def test_touching_lesions_are_split_at_their_waist():
    grid = centred_grid(60.0, (1, 1, 1.5))
    small, large = ball(grid, "a", (-11, 0, 0), 9.0), ball(grid, "b", (8, 1, 0), 12.0)
    both = Segment.from_full("L1", small.full_mask(grid.shape) | large.full_mask(grid.shape), lesion_id="L1")
    assert len(connected_lesions(both)) == 1
    first, second = split_lesion(grid, both)
    assert (first.lesion_id, second.lesion_id) == ("L1", "")
    assert first.voxel_count + second.voxel_count == both.voxel_count
    for part, truth in ((first, large), (second, small)):
        shared = part.full_mask(grid.shape) & truth.full_mask(grid.shape)
        assert shared.sum() > 0.95 * truth.voxel_count
    with pytest.raises(SegmentationError, match="no waist"):
        split_lesion(grid, large)
    with pytest.raises(SegmentationError, match="at least two parts"):
        split_lesion(grid, both, 1)


def test_three_in_a_row_split_in_three():
    grid = centred_grid(90.0, (1, 1, 1))
    full = np.zeros(grid.shape, bool)
    for x in (-18.0, 0.0, 18.0):
        full |= ball(grid, "a", (x, 0, 0), 10.0).full_mask(grid.shape)
    parts = split_lesion(grid, Segment.from_full("L1", full), 3)
    counts = [part.voxel_count for part in parts]
    assert sum(counts) == np.count_nonzero(full)
    assert min(counts) > 0.3 * sum(counts)


def test_split_by_plane():
    grid = centred_grid(40.0, (1, 1, 1))
    lesion = box(grid, "L2", (-10, -5, -5), (10, 5, 5), lesion_id="L2")
    first, second = split_lesion_by_plane(grid, lesion, (4, 0, 0), (1, 0, 0))
    assert (first.voxel_count, second.voxel_count) == (1400, 600)
    assert first.lesion_id == "L2"
    with pytest.raises(SegmentationError, match="does not cut"):
        split_lesion_by_plane(grid, lesion, (40, 0, 0), (1, 0, 0))


def test_lesions_on_another_grid_are_reported_when_joined():
    liver = Segmentation(GRID, (ball(GRID, "liver", (0, 0, 0), 50.0),))
    other = centred_grid(120.0, (3, 3, 3))
    with pytest.raises(SegmentationError, match=r"'mets' lie on another grid .* resample them to the image"):
        joined(liver, Segmentation(other, (ball(other, "mets", (9, 0, 0), 8.0),)))
    same = joined(liver, Segmentation(GRID, (ball(GRID, "mets", (9, 0, 0), 8.0),)))
    assert [segment.name for segment in same] == ["liver", "mets"]
    with pytest.raises(SegmentationError, match="two segments 'liver'"):
        joined(liver, liver)
