"""Regions of which an image shows nothing, or not all: named, never a number in silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import panel_scene
from builders.small_study import route_study, small_study
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.run import run
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit
from PRRTUptakeLib.uptake.errors import OccupancyError


def without(value):
    image = panel_scene.activity()
    array = image.array.copy()
    array[array == value] = 0
    return replace(image, array=array)


def test_a_target_of_zeros_ends_a_comparison_of_lobes_with_what_to_do():
    with pytest.raises(StudyError, match="every voxel of 'L1' is 0") as caught:
        run(small_study(image=without(panel_scene.LEFT)))
    assert all(f"'{key}'" in str(caught.value) for key in ("segments", "registration", "targets"))


def test_without_lobes_the_others_are_measured():
    protocol = load_protocol("single-arm")
    prepared = prepare(panel_scene.segmentation(), protocol, panel_scene.activity())
    empty = measure_visit(prepared, without(panel_scene.LEFT), protocol, VisitLabels("P", 1, "24h", "SPECT"))
    full = measure_visit(prepared, panel_scene.activity(), protocol, VisitLabels("P", 1, "24h", "SPECT"))
    assert len(empty.targets) == len(full.targets) - 1 > 0
    assert [text for text in empty.warnings if "is not measured: every voxel of" in text]
    assert not [text for text in full.warnings if "is not measured" in text]


def test_a_region_that_reaches_into_padding_is_cut():
    """The image measures nothing beyond the middle of the right lobe: a lesion there is no target that was measured."""
    image = panel_scene.activity()
    x = panel_scene.centres()[..., 0]
    outside = x > 60
    padded = replace(image, array=np.where(outside, 0, image.array), outside_field=outside)
    with pytest.raises(StudyError, match="The image does not cover what is to be measured"):
        run(small_study(image=padded))
    corner = replace(image, outside_field=panel_scene.centres()[..., 2] > 60)
    result = run(small_study(image=corner))
    assert any("Outside the image" in text and "liver" in text for text in result.warnings)


def routes(change):
    """The comparison of routes whose IV image is changed."""
    compared = route_study()
    drawn, first, second = compared.visits
    load = second.emission.load

    def changed(kind):
        loaded = load(kind)
        return replace(loaded, volume=change(loaded.volume))

    return run(
        replace(compared, visits=(drawn, first, replace(second, emission=replace(second.emission, load=changed))))
    )


def test_routes_say_what_an_image_cuts_off():
    def cut(image):
        return replace(image, array=image.array[:-8], outside_field=None)

    result = routes(cut)
    (warning,) = [text for text in result.warnings if "is outside the image" in text]
    assert warning.startswith("IV: 3.6% of reference whole liver is outside the image")
    assert not [text for text in routes(lambda image: image).warnings if "is outside the image" in text]


def test_a_target_of_zeros_ends_a_comparison_of_routes_with_what_to_do():
    def empty(image):
        lesion = panel_scene.activity().array == panel_scene.LEFT
        return replace(image, array=np.where(lesion, 0, image.array))

    with pytest.raises(OccupancyError, match="every voxel of 'L1' is 0"):
        routes(empty)
