"""Regions placed in an image that does not hold all of them."""

from __future__ import annotations

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.placement import cut_off, placed_regions
from PRRTUptakeLib.study.preparation import protocol_references
from PRRTUptakeLib.study.protocol import load_protocol

GRID = Grid((40, 4, 4), np.diag([1.0, 1.0, 1.0, 1.0]))


def segment(name, first, last, structure):
    return Segment(name, np.ones((last - first, 4, 4)), origin=(first, 0, 0), structure=structure)


def test_a_small_part_outside_the_image_is_said_of_what_has_a_volume():
    """Planes from 1 on are in the image: 1 of 25 planes of the kidney is not, nothing of the spleen."""
    segments = Segmentation(
        GRID,
        (
            segment("kidney", 0, 25, "kidney_left"),
            segment("spleen", 5, 30, "spleen"),
            segment("aorta", 0, 40, "aorta"),
            segment("whole", 1, 40, "liver"),
        ),
    )
    image = Grid((39, 4, 4), np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]))
    placed, refused = placed_regions(segments, GRID, image)
    assert not refused
    assert cut_off(segments, placed) == ["Outside the image, and missing in volumes and activities: 4.0% of kidney."]
    del placed["kidney"]
    assert cut_off(segments, placed) == []


def test_a_refused_reference_names_what_was_taken_out_of_the_liver():
    grid = Grid((30, 30, 30), np.diag([3.0, 3.0, 3.0, 1.0]))
    liver = Segment("liver", np.ones((24, 24, 24)), origin=(3, 3, 3), role="organ", structure="liver")
    thing = Segment("thing", np.ones((23, 23, 23)), origin=(4, 4, 4))
    found = protocol_references(Segmentation(grid, (liver, thing)), (), (), load_protocol("single-arm"), None)
    assert "of healthy liver, less than" in found.refusals["whole-liver"]
    assert found.refusals["whole-liver"].endswith("since it is not known what they are: 'thing'.")
