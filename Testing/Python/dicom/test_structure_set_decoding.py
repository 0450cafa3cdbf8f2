"""RT structure sets of every habit: what was drawn comes in, whatever convention, order or oddity."""

from __future__ import annotations

import numpy as np
import pytest
from builders.contour_objects import circle, grid_of, instances, item, lps, small_ct, structure_set
from PRRTUptakeLib.dicom.contour_gaps import find_gaps
from PRRTUptakeLib.dicom.contour_rings import combined, kind_of_outlines
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.polygons import covered_fractions
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from scipy import ndimage

CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return small_ct(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def grid(series):
    return grid_of(series)


def read(tmp_path, series, structures, edit=None):
    return read_contours(structure_set(tmp_path / "rt.dcm", series, structures, edit), series)


def volume(found, name):
    return found[name].voxels_inside * found.grid.voxel_volume_mL


def cylinder(grid, ring, planes, kind=CLOSED):
    return [(lps(grid, ring, k), kind) for k in planes]


def area_mL(grid, pixels, planes):
    return pixels * planes * grid.voxel_volume_mL


RING = circle((20, 18), 9.3)


@pytest.mark.parametrize(
    "again",
    [RING, RING[::-1], np.roll(RING, 17, axis=0), circle((20, 18), 9.3, 200), RING + 0.05],
    ids=["same", "other direction", "other start", "other corners", "rounded"],
)
def test_a_contour_drawn_twice_counts_once(tmp_path, series, grid, again):
    drawn = [*cylinder(grid, RING, range(3, 9)), *cylinder(grid, again, (4, 5))]
    found = read(tmp_path, series, [("liver", drawn)])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)
    assert "'liver' has 2 contour(s) drawn twice" in found.warnings[0]


def test_a_contour_traced_twice_around_does_not_cancel(tmp_path, series, grid):
    found = read(tmp_path, series, [("liver", cylinder(grid, np.concatenate([RING, RING]), range(3, 9)))])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)


def test_contours_that_overlap_add_up_and_it_is_said(tmp_path, series, grid):
    r, d = 8.0, 6.0
    lens = 2 * r * r * np.arccos(d / (2 * r)) - d / 2 * np.sqrt(4 * r * r - d * d)
    drawn = [ring for x in (15, 21) for ring in cylinder(grid, circle((x, 18), r), range(3, 9))]
    found = read(tmp_path, series, [("liver", drawn)])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, 2 * np.pi * r * r - lens, 6), rel=0.01)
    assert "overlap another" in found.warnings[0]


def test_crosses_without_a_corner_in_each_other_add_up(grid):
    bars = [np.array([[2, 8], [18, 8], [18, 12], [2, 12.0]]), np.array([[8, 2], [12, 2], [12, 18], [8, 18.0]])]
    plane = combined([bar + 0.3 for bar in bars], [], (20, 20), on_centres=False)
    assert plane.overlapping == 1
    assert plane.mask.sum() == 2 * 16 * 4 - 16


@pytest.mark.parametrize("direction", [1, -1])
def test_an_inner_ring_is_a_hole_and_a_ring_in_it_an_island(tmp_path, series, grid, direction):
    rings = [circle((20, 18), r)[::step] for r, step in ((12.0, 1), (7.0, direction), (3.0, 1))]
    found = read(tmp_path, series, [("liver", [c for ring in rings for c in cylinder(grid, ring, range(3, 9))])])
    pixels = np.pi * (12.0**2 - 7.0**2 + 3.0**2)
    assert volume(found, "liver") == pytest.approx(area_mL(grid, pixels, 6), rel=0.01)
    assert not found.warnings


def test_a_keyhole_is_a_hole(tmp_path, series, grid):
    outer, inner = circle((20, 18), 12.0), circle((20, 18), 5.0)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[-1:], inner, outer[:1]])
    found = read(tmp_path, series, [("liver", cylinder(grid, keyhole, range(3, 9)))])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * (144 - 25), 6), rel=0.01)


def test_only_contours_of_the_kind_xor_cancel(tmp_path, series, grid):
    rings = [c for r in (12.0, 9.0, 5.0) for c in cylinder(grid, circle((20, 18), r), range(3, 9), XOR)]
    found = read(tmp_path, series, [("liver", rings)])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * (144 - 81 + 25), 6), rel=0.01)


def masks_with_everything(seed, shape=(10, 34, 38)):
    """Blobs with holes, islands, bridges of one pixel and single pixels."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, (1.0, 1.5, 1.5))
    mask = smooth > np.quantile(smooth, 0.75)
    mask[:2], mask[-2:], mask[:, :3], mask[:, -3:], mask[..., :3], mask[..., -3:] = (False,) * 6
    return mask


def edges_of_pixels(mask):
    """Closed polygons along the edges of the pixels of a plane [j, i], one for each border."""
    steps = {}
    for j, i in np.argwhere(mask):
        for dj, di, start, end in (
            (-1, 0, (i - 0.5, j - 0.5), (i + 0.5, j - 0.5)),
            (0, 1, (i + 0.5, j - 0.5), (i + 0.5, j + 0.5)),
            (1, 0, (i + 0.5, j + 0.5), (i - 0.5, j + 0.5)),
            (0, -1, (i - 0.5, j + 0.5), (i - 0.5, j - 0.5)),
        ):
            if not mask[j + dj, i + di]:
                steps.setdefault(start, []).append(end)
    rings = []
    while steps:
        start = at = next(iter(steps))
        ring = []
        while True:
            ring.append(at)
            following = steps[at].pop()
            if not steps[at]:
                del steps[at]
            at = following
            if at == start:
                break
        rings.append(np.array(ring))
    return rings


@pytest.mark.parametrize("seed", range(4))
def test_outlines_along_pixel_edges_give_the_mask_back(tmp_path, series, grid, seed):
    mask = masks_with_everything(seed)
    drawn = [(lps(grid, ring, k), CLOSED) for k in range(len(mask)) for ring in edges_of_pixels(mask[k])]
    found = read(tmp_path, series, [("lesion", drawn)])
    assert np.array_equal(found["lesion"].full_mask(grid.shape)[: len(mask), :34, :38], mask)
    assert "along the edges of pixels" in found.notes[0]


def test_outlines_through_pixel_centres_keep_the_pixels_on_them(tmp_path, series, grid):
    """A block with a hole of one pixel, a line, and one pixel: corners on centres, as border following writes them."""
    wanted = np.zeros(grid.shape, bool)
    wanted[3:6, 5:11, 4:12] = True
    wanted[3:6, 7, 8] = False
    wanted[3:6, 20, 5:15] = True
    wanted[3:6, 25, 30] = True
    rings = [
        np.array([[4, 5], [4, 10], [11, 10], [11, 5.0]]),
        np.array([[8, 6], [9, 7], [8, 8], [7, 7.0]]),
        np.array([[5, 20], [14, 20.0]]),
        np.array([[30, 25.0]]),
    ]
    found = read(tmp_path, series, [("lesion", [c for ring in rings for c in cylinder(grid, ring, (3, 4, 5))])])
    assert np.array_equal(found["lesion"].full_mask(grid.shape), wanted)
    assert "run through pixel centres" in found.notes[0]


def test_a_wall_of_one_pixel_around_one_pixel(grid):
    """Outline and hole are the same four centres, run through in opposite directions."""
    diamond = np.array([[5, 4], [6, 5], [5, 6], [4, 5.0]])
    plane = combined([diamond, diamond[::-1]], [], (10, 10), on_centres=True)
    assert plane.mask.sum() == 4
    assert not plane.mask[5, 5]
    assert combined([diamond, diamond], [], (10, 10), on_centres=True).mask.sum() == 5


def test_the_convention_is_decided_by_all_corners():
    assert kind_of_outlines(
        [np.array([[1, 2], [5, 2], [5, 6.0]]), np.array([[1.3, 2.2], [4, 4], [2, 5.0]])], (1, 1)
    ) == ("free")
    assert kind_of_outlines([np.array([[1.06, 2.05], [5, 1.95], [5, 6.0]])], (0.7, 0.7)) == "centres"  # to 0.1 mm


def test_parts_of_pixels_have_the_area_of_the_polygon():
    rng = np.random.default_rng(3)
    for _ in range(30):
        ring = circle(rng.uniform(8, 12, 2), rng.uniform(0.4, 6.0), 60)
        x, y = ring.T
        area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        assert covered_fractions([ring], (20, 20)).sum() == pytest.approx(area, rel=0.01, abs=0.01)


def test_a_lesion_smaller_than_a_voxel_has_its_volume(tmp_path, series, grid):
    found = read(tmp_path, series, [("lesion", cylinder(grid, circle((20.5, 18.5), 0.4), (4, 5)))])
    assert volume(found, "lesion") == pytest.approx(area_mL(grid, np.pi * 0.16, 2), rel=0.02)
    assert found["lesion"].voxel_count > 0
    assert "smaller than a voxel" in found.warnings[0]


@pytest.mark.parametrize(
    ("planes", "filled"),
    [([1, 2, 4, 6, 8, 9], 9), ([2, 3, 4, 6, 7], 6), ([2, 5], 4), ([2, 4, 6, 8], 7)],
    ids=["stride with ends", "one forgotten", "two planes", "stride"],
)
def test_planes_that_nobody_contoured_are_filled_and_said(tmp_path, series, grid, planes, filled):
    found = read(tmp_path, series, [("liver", cylinder(grid, RING, planes))])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, filled), rel=0.03)
    assert "filled between their neighbours: 'liver'" in found.warnings[0]


def test_a_plane_missing_in_one_of_two_lesions_is_found(tmp_path, series, grid):
    """The structure has contours on every plane, since the other lesion fills the gap in the list of planes."""
    one, other = circle((10, 12), 4.0), circle((30, 28), 4.0)
    drawn = [*cylinder(grid, one, (2, 3, 4, 6, 7)), *cylinder(grid, other, range(2, 8))]
    found = read(tmp_path, series, [("lesions", drawn)])
    assert volume(found, "lesions") == pytest.approx(area_mL(grid, 2 * np.pi * 16, 6), rel=0.03)
    assert "on 1 plane(s)" in found.warnings[0]


def test_two_lesions_over_each_other_stay_two():
    """Both taper towards the gap: two balls, not one with a plane missing."""
    k, j, i = np.mgrid[:24, :30, :30]
    mask = np.zeros((24, 30, 30), bool)
    for centre in (5, 17):
        mask |= (k - centre) ** 2 * 2.0 + (j - 15) ** 2 + (i - 15) ** 2 <= 50
    gaps = find_gaps(mask, 2.0)
    assert gaps
    assert not any(gap.fillable for gap in gaps)


def test_contours_between_image_planes_are_taken_to_the_nearest(tmp_path, series, grid):
    places = np.arange(2.0, 8.0, 2 / 3)  # every 2 mm on planes of 3 mm
    found = read(tmp_path, series, [("liver", cylinder(grid, RING, places))])
    assert volume(found, "liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)
    assert "planes that are not those of the image" in found.warnings[0]


def test_contours_midway_between_image_planes_count_once(tmp_path, series, grid):
    """Drawn on an image of the same planes half a plane away: as many planes as were drawn."""
    found = read(tmp_path, series, [("liver", cylinder(grid, RING, np.arange(2.5, 8.0)))])
    expected_mL = area_mL(grid, np.pi * 9.3**2, 6)
    assert volume(found, "liver") == pytest.approx(expected_mL, rel=0.01)
    assert (
        f"nearest contour ({volume(found, 'liver'):.2f} mL, drawn {volume(found, 'liver'):.2f} mL)" in found.warnings[0]
    )


def foreign(grid):
    liver = ("Liver", cylinder(grid, RING, range(3, 9)))
    line = np.array([[0, 0, 0.0], [9, 9, 9], [20, 3, 4]])
    return {
        "open": [liver, ("Catheter", [(line, "OPEN_NONPLANAR")])],
        "points": [liver, ("Isocentre", [(line[:1], "POINT")])],
        "couch": [
            liver,
            ("Couch", cylinder(grid, np.array([[-30, 30], [80, 30], [80, 36], [-30, 36.0]]), range(-3, 15))),
        ],
        "far": [liver, ("Marker", cylinder(grid, circle((9000, 18), 5.0), (4, 5)))],
        "across": [
            liver,
            ("Needle", [(lps(grid, RING, 5) + np.linspace(0, 9, len(RING))[:, None] * [0, 0, 1], CLOSED)]),
        ],
        "nothing": [liver, ("Spleen", [])],
    }


@pytest.mark.parametrize("kind", ["open", "points", "couch", "far", "across", "nothing"])
def test_one_odd_structure_keeps_no_other_from_being_read(tmp_path, series, grid, kind):
    structures = foreign(grid)[kind]
    found = read(tmp_path, series, structures)
    assert [segment.name for segment in found] == ["Liver"]
    assert volume(found, "Liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)
    assert f"Left out of rt.dcm: '{structures[1][0]}'" in found.warnings[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ContourData": None}, "1 without points"),
        ({"ContourGeometricType": None}, "1 without a type"),
        ({"ContourGeometricType": "OPEN_PLANAR"}, "1 OPEN_PLANAR"),
    ],
)
def test_a_contour_that_encloses_nothing_is_not_left_out_silently(tmp_path, series, grid, change, words):
    def changed(ds):
        first = ds.ROIContourSequence[0].ContourSequence[0]
        for keyword, value in change.items():
            setattr(first, keyword, value)

    found = read(tmp_path, series, [("Liver", cylinder(grid, RING, range(3, 9)))], changed)
    assert volume(found, "Liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 5), rel=0.01)
    assert f"left out of 'Liver' ({words}) of rt.dcm" in found.warnings[0]


def no_data(ds):
    ds.ROIContourSequence[1].ContourSequence = [item(ContourGeometricType=CLOSED, NumberOfContourPoints=0)]


def cut_data(ds):
    contour = ds.ROIContourSequence[1].ContourSequence[0]
    contour.ContourData = contour.ContourData[:60]


def deleted(ds):
    del ds.StructureSetROISequence[1]


def other_frame(ds):
    ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3.4"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (no_data, "has no contour"),
        (cut_data, "60 coordinates where 120 points are stated"),
        (deleted, "does not list it"),
        (other_frame, "another frame of reference"),
    ],
)
def test_a_broken_structure_is_left_out_with_the_reason(tmp_path, series, grid, edit, reason):
    both = [(name, cylinder(grid, RING, range(3, 9))) for name in ("Liver", "Spleen")]
    found = read(tmp_path, series, both, edit)
    assert [segment.name for segment in found] == ["Liver"]
    assert reason in found.warnings[-1]


def test_a_structure_whose_contours_are_in_two_items_is_one(tmp_path, series, grid):
    def split(ds):
        holder = ds.ROIContourSequence[0]
        rest = item(ReferencedROINumber=1, ContourSequence=list(holder.ContourSequence)[3:])
        holder.ContourSequence = list(holder.ContourSequence)[:3]
        ds.ROIContourSequence.append(rest)

    found = read(tmp_path, series, [("Liver", cylinder(grid, RING, range(3, 9)))], split)
    assert volume(found, "Liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)


def test_structures_of_one_number_are_left_out_since_their_contours_are_mixed(tmp_path, series, grid):
    def same_number(ds):
        for holder in (ds.StructureSetROISequence[1], ds.ROIContourSequence[1]):
            holder["ROINumber" if "ROINumber" in holder else "ReferencedROINumber"].value = 1

    ring = circle((20, 18), 4.0)
    three = [("Liver", cylinder(grid, RING, range(3, 9))), ("Spleen", cylinder(grid, ring, range(3, 9)))]
    three.append(("Kidney left", cylinder(grid, ring, range(3, 9))))
    found = read(tmp_path, series, three, same_number)
    assert [segment.name for segment in found] == ["Kidney left"]
    assert "'Liver', 'Spleen' (several structures have the number 1" in found.warnings[-1]


def test_equal_names_get_their_numbers(tmp_path, series, grid):
    two = [("Lesion", cylinder(grid, circle((x, 18), 4.0), range(3, 6))) for x in (10, 30)]
    found = read(tmp_path, series, two)
    assert [segment.name for segment in found] == ["Lesion (1)", "Lesion (2)"]
    assert {segment.structure for segment in found} == {"liver_lesion"}


def test_the_image_is_found_by_instances_frame_or_place(tmp_path, series, grid):
    def without_study(ds):
        del ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence

    def by_instances(ds):
        del ds.ReferencedFrameOfReferenceSequence
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
        for contour, uid in zip(ds.ROIContourSequence[0].ContourSequence, instances(series)[3:], strict=False):
            contour.ContourImageSequence = [item(ReferencedSOPInstanceUID=uid)]

    def by_place(ds):
        del ds.ReferencedFrameOfReferenceSequence
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID

    drawn = [("Liver", cylinder(grid, RING, range(3, 9)))]
    for edit, note in (
        (without_study, "frame of reference is that of"),
        (by_instances, ""),
        (by_place, "place of its"),
    ):
        found = read(tmp_path, series, drawn, edit)
        assert found.grid.matches(grid)
        assert volume(found, "Liver") == pytest.approx(area_mL(grid, np.pi * 9.3**2, 6), rel=0.01)
        assert note in found.notes[0]


def test_nothing_usable_is_one_sentence(tmp_path, series, grid):
    with pytest.raises(DicomError, match="holds no structure that can be used: 'Catheter'"):
        read(tmp_path, series, [("Catheter", [(np.diag([1.0, 2.0, 3.0]), "OPEN_NONPLANAR")])])


FINER = 4  # corners of drawn outlines are on a grid so much finer than the pixels


def drawn_plane(mask):
    """Closed polygons in pixels along the edges of a mask that is ``FINER`` times finer, a little off its grid."""
    return [(ring + 0.5) / FINER - 0.5 + 0.017 for ring in edges_of_pixels(mask)]


def drawn_structure(seed, grid):
    """A random structure on the finer grid, with holes, islands and necks thinner than a pixel."""
    shape = (6, FINER * grid.shape[1], FINER * grid.shape[2])
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), (1.5, 7.0, 7.0))
    mask = smooth > np.quantile(smooth, rng.uniform(0.65, 0.9))
    mask[:, :8], mask[:, -8:], mask[..., :8], mask[..., -8:] = (False,) * 4
    return mask


def assert_as_drawn(tmp_path, series, grid, masks):
    structures = [
        (f"s{n}", [(lps(grid, ring, 3 + k), CLOSED) for k in range(len(mask)) for ring in drawn_plane(mask[k])])
        for n, mask in masks.items()
    ]
    found = read(tmp_path, series, structures)
    for n, mask in masks.items():
        rows, columns = grid.shape[1:]
        truth = np.zeros(grid.shape)
        truth[3:9] = mask.reshape(6, rows, FINER, columns, FINER).mean(axis=(2, 4))
        segment = found[f"s{n}"]
        parts = np.zeros(grid.shape)
        parts[segment.box] = segment.weights
        shared = 2 * np.minimum(parts, truth).sum() / (parts.sum() + truth.sum())
        filled = f"'s{n}' on " in found.warnings[0] if found.warnings else False  # islands may look like a stride
        assert shared > 0.98, (n, shared)
        assert filled or parts.sum() == pytest.approx(truth.sum(), rel=0.005), n


def test_structures_drawn_between_pixels_keep_their_area(tmp_path, series, grid):
    assert_as_drawn(tmp_path, series, grid, {n: drawn_structure(n, grid) for n in range(6)})


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 500, 100))  # five parts, so that both workers have some
def test_500_structures_drawn_between_pixels_keep_their_area(tmp_path, series, grid, first):
    for start in range(first, first + 100, 25):
        assert_as_drawn(tmp_path, series, grid, {n: drawn_structure(n, grid) for n in range(start, start + 25)})


def test_contours_that_are_to_be_moved_are_left_out(tmp_path, series, grid):
    """A Contour Offset Vector of 3 mm was ignored."""

    def moved(ds):
        ds.ROIContourSequence[0].ContourSequence[1].ContourOffsetVector = [0, 0, 3]
        ds.ROIContourSequence[1].ContourSequence[1].ContourOffsetVector = [0, 0, 0]

    drawn = cylinder(grid, RING, range(3, 9))
    found = read(tmp_path, series, [("met", drawn), ("liver", drawn)], moved)
    assert [one.name for one in found] == ["liver"]
    assert "'met' (it has a Contour Offset Vector (3006,0045), which is not applied" in found.warnings[0]


BOX = [(4, 4), (26, 4), (26, 20), (4, 20)]
DIAMOND = [(14, 4), (24, 14), (14, 24), (4, 14)]


@pytest.mark.parametrize(("corners", "area", "pixels"), [(BOX, 22 * 16, 23 * 17), (DIAMOND, 200, 221)])
class TestFewCornersOnPixelCentres:
    """A box or a diamond is the outline of a mask or a polygon, 9 % and more apart: nothing in it says which."""

    def test_other_structures_of_the_file_decide(self, tmp_path, series, grid, corners, area, pixels):
        for company, expected in ((RING, area), (np.rint(RING), pixels)):
            drawn = [(name, cylinder(grid, ring, range(3, 6))) for name, ring in (("box", corners), ("x", company))]
            found = read(tmp_path, series, drawn)
            assert volume(found, "box") == pytest.approx(area_mL(grid, expected, 3), rel=1e-6)
            assert not found.warnings

    def test_a_program_that_outlines_masks_decides(self, tmp_path, series, grid, corners, area, pixels):
        def by_rt_utils(ds):
            ds.Manufacturer, ds.ManufacturerModelName = "Qurit", "rt-utils"

        found = read(tmp_path, series, [("box", cylinder(grid, corners, range(3, 6)))], by_rt_utils)
        assert volume(found, "box") == pytest.approx(area_mL(grid, pixels, 3), rel=1e-6)
        assert not found.warnings

    def test_alone_it_is_said_with_both_volumes(self, tmp_path, series, grid, corners, area, pixels):
        found = read(tmp_path, series, [("box", cylinder(grid, corners, range(3, 6)))])
        assert volume(found, "box") == pytest.approx(area_mL(grid, pixels, 3), rel=1e-6)
        (warning,) = found.warnings
        assert all(f"{area_mL(grid, count, 3):.2f} mL" in warning for count in (area, pixels))
