"""Organs beside the liver: marrow without cortex, blood pool, kidneys, without lesions."""

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ras_of
from PRRTUptakeLib.segmentation.errors import OrganError
from PRRTUptakeLib.segmentation.organs import OrganRule, blood_pool, marrow, measured_organs
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

GRID = centred_grid(160.0, (1.5, 1.5, 2.0))


def cylinder(name, centre, radius, low, high, **labels):
    points = ras_of(GRID)
    away = np.linalg.norm(points[..., :2] - np.array(centre), axis=-1)
    return Segment.from_full(name, (away <= radius) & (points[..., 2] >= low) & (points[..., 2] < high), **labels)


def abdomen(levels=(1, 2, 3, 4, 5)):
    spine = [cylinder(f"L{n}", (0, -40), 20.0, 60 - 30 * n, 86 - 30 * n, structure=f"vertebrae_L{n}") for n in levels]
    return Segmentation(
        GRID,
        (
            *spine,
            ball(GRID, "lk", (-50, -20, 0), 20.0, structure="kidney_left"),
            ball(GRID, "rk", (50, -20, 0), 20.0, structure="kidney_right"),
            ball(GRID, "milz", (-50, 30, 30), 20.0, structure="spleen"),
            cylinder("aorta", (-10, -5), 11.0, -70, 70, structure="aorta"),
        ),
    )


def by_structure(found):
    return {organ.structure: organ for organ in found.organs}


def test_organs_are_made_from_recognised_structures():
    found = measured_organs(abdomen(), [], OrganRule())
    organs = by_structure(found)
    assert set(organs) == {"kidney_left", "kidney_right", "kidneys", "spleen", "marrow", "blood_pool"}
    assert found.refusals == {}
    assert organs["kidneys"].voxel_count == organs["kidney_left"].voxel_count + organs["kidney_right"].voxel_count
    assert {organ.role for organ in found.organs} == {"organ"}


@pytest.mark.parametrize("levels", [(2, 3, 4), (1, 2, 3, 4, 5)])
def test_marrow_is_the_vertebrae_without_a_layer(levels):
    """Each vertebra is a cylinder of 20 mm radius and 26 mm height; only voxels at the core's border may differ."""
    organs = by_structure(measured_organs(abdomen(), [], OrganRule(marrow_levels=levels, cortex_mm=4.0)))
    points = ras_of(GRID)
    away = np.linalg.norm(points[..., :2] - np.array([0, -40]), axis=-1)
    surely, never = np.zeros(GRID.shape, bool), np.ones(GRID.shape, bool)
    for n in levels:
        low, high = 60 - 30 * n, 86 - 30 * n
        height = np.minimum(points[..., 2] - low, high - points[..., 2])
        surely |= (away < 20 - 4.0 - 1.5) & (height > 4.0 + 2.0)
        never &= (away > 20 - 4.0 + 1.5) | (height < 4.0 - 2.0)
    mask = organs["marrow"].full_mask(GRID.shape)
    assert surely.sum() > 1000
    assert mask[surely].all()
    assert not mask[never].any()


def test_blood_pool_is_the_core_of_the_aorta():
    aorta = abdomen()["aorta"]
    core = blood_pool(GRID, aorta, 4.0).full_mask(GRID.shape)
    away = np.linalg.norm(ras_of(GRID)[..., :2] - np.array([-10, -5]), axis=-1)
    assert away[core].max() <= 11 - 4 + 1.1  # half a diagonal of the slice's voxels
    assert core[(away < 5.0) & (np.abs(ras_of(GRID)[..., 2]) < 60)].all()
    with pytest.raises(OrganError, match="nowhere deeper than 12 mm: take off less"):
        blood_pool(GRID, aorta, 12.0)
    with pytest.raises(OrganError, match="empty"):
        blood_pool(GRID, Segment("aorta", np.zeros((0, 0, 0), bool)), 4.0)


def test_lesions_are_taken_out_with_their_margin():
    metastasis = ball(GRID, "E1", (0, -40, -17), 8.0, role="lesion")
    with_it = by_structure(measured_organs(abdomen(), [metastasis], OrganRule(lesion_margin_mm=5.0)))["marrow"]
    away = np.linalg.norm(ras_of(GRID) - [0, -40, -17], axis=-1)
    assert away[with_it.full_mask(GRID.shape)].min() > 12.0
    whole_spleen = ball(GRID, "E2", (-50, 30, 30), 25.0)
    found = measured_organs(abdomen(), [whole_spleen], OrganRule())
    assert "wholly within lesions" in found.refusals["spleen"]
    assert "spleen" not in by_structure(found)


def test_what_is_missing_is_reported_and_the_rest_is_made():
    parts = abdomen().without("lk", "aorta", "L2", "L3", "L4")
    twice = parts.with_segments(ball(GRID, "milz 2", (-60, 60, 0), 9.0, structure="spleen"))
    found = measured_organs(twice, [], OrganRule())
    assert set(by_structure(found)) == {"kidney_right"}
    assert found.refusals["kidney_left"] == (
        "There must be one left kidney, but no segment with voxels is recognised as it: add or relabel segments."
    )
    assert "2 segments are" in found.refusals["spleen"]
    assert "no vertebra" in found.refusals["marrow"]
    assert "aorta" in found.refusals["blood_pool"]


def test_a_given_marrow_or_kidneys_segment_goes_first():
    given = abdomen().with_segments(
        box(GRID, "m", (0, 0, 0), (9, 9, 9), structure="marrow"), ball(GRID, "ks", (0, 60, 0), 9, structure="kidneys")
    )
    organs = by_structure(measured_organs(given, [], OrganRule()))
    assert organs["marrow"].voxel_count == given["m"].voxel_count
    assert organs["kidneys"].voxel_count == given["ks"].voxel_count


def test_bad_rules_are_reported():
    with pytest.raises(OrganError, match="lumbar vertebrae 1 to 5"):
        OrganRule(marrow_levels=(6,))
    with pytest.raises(OrganError, match="'cortex_mm' must lie"):
        OrganRule(cortex_mm=-1.0)
    with pytest.raises(OrganError, match="Nothing is left"):
        marrow(GRID, [abdomen()["L3"]], 15.0)
