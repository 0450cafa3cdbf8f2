"""Masks from which whole planes were left out are warned of; shapes that end, or are two, are not."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.plausibility import missing_plane_doubts
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

GRID = Grid((16, 24, 24), np.diag([2.0, 2.0, 3.0, 1.0]))


def disk(radius):
    y, x = np.mgrid[:24, :24]
    return (x - 12) ** 2 + (y - 12) ** 2 <= radius**2


def drawn(planes, structure="liver", role="", warnings=()):
    """A segment of disks, radius by plane."""
    mask = np.zeros(GRID.shape, dtype=bool)
    for k, radius in planes.items():
        mask[k] = disk(radius)
    return Segmentation(GRID, (Segment("thing", mask, structure=structure, role=role),), warnings)


@pytest.mark.parametrize(
    ("planes", "missing"),
    [
        (dict.fromkeys(range(3, 12, 2), 8), 4),
        (dict.fromkeys((3, 4, 5, 7, 8, 9), 8), 1),
        (dict.fromkeys((3, 6, 9), 8), 4),
        ({2: 6, 4: 7, 6: 8, 8: 7, 10: 6}, 4),
    ],
)
def test_planes_that_were_left_out_are_counted(planes, missing):
    (text,) = missing_plane_doubts(drawn(planes))
    assert f"'thing' ({missing} plane(s))" in text


@pytest.mark.parametrize(
    "planes",
    [
        dict.fromkeys(range(3, 12), 8),
        {5: 8},
        {2: 3, 3: 6, 4: 3, 6: 3, 7: 6, 8: 3},  # two lesions, each tapering
        dict.fromkeys((2, 3, 4, 11, 12, 13), 8),  # far apart
    ],
)
def test_whole_shapes_and_two_shapes_are_not_doubted(planes):
    assert missing_plane_doubts(drawn(planes)) == ()


def test_vertebrae_and_what_the_reader_has_said_are_not_doubted():
    planes = dict.fromkeys(range(3, 12, 2), 8)
    assert missing_plane_doubts(drawn(planes, structure="marrow")) == ()
    assert missing_plane_doubts(drawn(planes, structure="", role="lesion")) != ()
    said = ("Planes without a contour were filled between their neighbours: 'thing' on 4 plane(s).",)
    assert missing_plane_doubts(drawn(planes, warnings=said)) == ()
