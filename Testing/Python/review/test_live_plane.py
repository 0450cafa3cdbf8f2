"""What is shown while the plane is dragged is what the study measures on that plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import panel_scene
from builders.small_study import small_study
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.live_plane import LiveInput, LivePlane
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.run import run

PLANES = [
    Plane((3.0, 1.0, 0.0), (0.97, 0.2, 0.1)),
    Plane((40.0, 0.0, 0.0), (0.8, -0.5, 0.3)),
    Plane((-30.3, 10.0, 5.0), (-0.9, 0.1, -0.4)),
    Plane((61.0, 19.0, 22.0), (1.0, 0.0, 0.05)),
]


def spect(matrix=None) -> Volume:
    """The patient in voxels of 9 x 8 x 7 mm that do not coincide with those of the segments, with a smooth slope."""
    matrix = (
        np.array([[-9.0, 0, 0, 150], [0, -8.0, 0, 118], [0, 0, 7.0, -95], [0, 0, 0, 1]]) if matrix is None else matrix
    )
    k, j, i = np.indices((27, 30, 34))
    x, y, z = np.moveaxis(
        Volume(np.zeros((27, 30, 34)), matrix, "a", "Bq/ml").grid.to_ras(np.stack([i, j, k], -1)), -1, 0
    )
    values = np.full(x.shape, panel_scene.LIVER) * (1 + 0.003 * x - 0.002 * y + 0.001 * z)
    for (a, b, c), radius, value in panel_scene.LESIONS.values():
        values[(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= radius**2] = value
    return Volume(np.maximum(values, 50.0), matrix, "activity concentration", "Bq/ml")


def live_input(image, protocol="lutia", **changes) -> LiveInput:
    return LiveInput(
        segmentation=panel_scene.segmentation(), image=image, protocol=load_protocol(protocol), upper="left", **changes
    )


def measured(image, plane, **visit):
    study = small_study(image=image)
    return run(replace(study, visits=(replace(study.visits[0], cut=plane, **visit),))).visits[0]


def same(live, result):
    """Whether all numbers and decisions agree, the sums but for their rounding."""
    assert not live.problem
    assert [(one.lobe, one.volume_mL, one.fraction) for one in live.lobes] == [
        (one.lobe, one.volume_mL, one.fraction) for one in result.lobes
    ]
    sized = result.prepared.lesions
    assert [(one.lesion_id, one.lobe, one.is_target, one.reason, one.diameter_mm) for one in live.lesions] == [
        (one.lesion.lesion_id, one.segment.lobe, one.decision.is_target, one.decision.reason, one.size.longest_axial_mm)
        for one in sized
    ]
    by_id = {one.lesion_id: one for one in live.lesions}
    for target in result.targets:
        assert by_id[target.lesion_id].tumour == pytest.approx(target.tumour, rel=1e-9)
        assert by_id[target.lesion_id].tn_ratio == pytest.approx(target.tn_ratio, rel=1e-9)
    for lobe in result.lobes:
        expected = lobe.tn_ratio if lobe.tn_ratio is None else pytest.approx(lobe.tn_ratio, rel=1e-9)
        assert live.aggregated[lobe.lobe] == expected
    assert live.ratio == (
        result.lobe_ratio if result.lobe_ratio is None else pytest.approx(result.lobe_ratio, rel=1e-9)
    )


@pytest.mark.parametrize("plane", PLANES)
def test_the_numbers_of_a_dragged_plane_are_those_of_the_study(plane):
    image = spect()
    same(LivePlane(live_input(image)).at(plane), measured(image, plane))


def test_one_object_serves_every_plane():
    live = LivePlane(live_input(spect()))
    ratios = [live.at(plane).ratio for plane in (*PLANES, PLANES[0])]
    assert ratios[0] == ratios[-1]
    assert len(set(ratios)) > 2


def test_replaced_targets_and_shifted_lesions_are_followed():
    image, plane = spect(), PLANES[0]
    decided = measured(image, plane)
    big = {one.lesion.lesion_id: one for one in decided.prepared.lesions}
    assert set(big) == {"L1", "R1", "R2"}
    shifts = (ManualShift("R1", (4.0, -3.0, 2.0), "breathing"),)
    live = LivePlane(live_input(image, manual_shifts=shifts)).at(plane)
    same(live, measured(image, plane, manual_shifts=shifts))
    assert live.lesions[1].tumour != pytest.approx(decided.targets[1].tumour, rel=1e-3)


def test_a_replacement_that_does_not_fit_is_a_problem_in_words():
    override = (TargetOverride("L1", "R2", "necrosis"),)
    live = LivePlane(live_input(spect(), target_overrides=override)).at(PLANES[0])
    assert "R2 cannot replace L1" in live.problem
    assert live.ratio is None


@pytest.mark.parametrize(
    ("plane", "problem"),
    [(Plane((300, 0, 0), (1, 0, 0)), "misses the liver"), (Plane((0, 0, 0), (0, 0, 1)), "does not part")],
)
def test_a_plane_next_to_the_liver_is_a_problem_and_not_an_error(plane, problem):
    assert problem in LivePlane(live_input(spect())).at(plane).problem


def test_all_lesions_in_one_lobe_leave_no_ratio():
    live = LivePlane(live_input(spect())).at(Plane((-95.0, 0, 0), (1, 0, 0)))
    assert live.aggregated["left"] is None
    assert live.ratio is None
    assert live.aggregated["right"] > 1


def test_through_a_turned_image_the_numbers_are_close():
    angle = np.radians(9.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    image = spect(turn @ spect().ijk_to_ras)
    live, result = LivePlane(live_input(image)).at(PLANES[0]), measured(image, PLANES[0])
    assert live.ratio == pytest.approx(result.lobe_ratio, rel=0.005)


def test_a_design_without_lobes_has_no_plane():
    with pytest.raises(ReviewError, match="has no lobes"):
        LivePlane(live_input(spect(), protocol="single-arm"))


def test_a_lobe_with_too_little_healthy_liver_has_no_ratio():
    lone = panel_scene.segmentation()
    liver = lone["liver"]
    small = liver.full_mask(lone.grid.shape)
    small[:, :, :] &= panel_scene.centres()[..., 0] > -75
    parts = [Segment.from_full("liver", small), *(one for one in lone if one.name != "liver")]
    given = replace(live_input(spect()), segmentation=Segmentation(lone.grid, tuple(parts)))
    live = LivePlane(given).at(Plane((-68.0, 0, 0), (1, 0, 0)))
    assert live.aggregated["left"] is None
