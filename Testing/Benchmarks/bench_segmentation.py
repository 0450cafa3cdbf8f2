"""A CT of 512 x 512 x 300 voxels: lobe split, 20 lesions with sizes, and all reference regions, below 5 s on two cores.

Run with ``pytest Testing/Benchmarks/bench_segmentation.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.diameters import measure_size
from PRRTUptakeLib.segmentation.lesions import find_lesions
from PRRTUptakeLib.segmentation.lobes import Plane, lobe_volumes, split_by_plane
from PRRTUptakeLib.segmentation.reference import ReferenceRule, reference_regions
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

LIMIT_S = 5.0
GRID = Grid((300, 512, 512), [[0.8, 0, 0, -204], [0, 0.8, 0, -204], [0, 0, 1.5, -225], [0, 0, 0, 1]])


def ellipsoid(centre, half_axes):
    """Mask over the whole grid, made from three lines of coordinates."""
    matrix = GRID.ijk_to_ras
    parts = [
        ((np.arange(size) * matrix[axis, axis] + matrix[axis, 3] - middle) / half) ** 2
        for axis, size, middle, half in zip(range(3), GRID.shape[::-1], centre, half_axes, strict=True)
    ]
    return parts[2][:, None, None] + parts[1][:, None] + parts[0] <= 1.0


@pytest.fixture(scope="module")
def patient():
    """A liver of 1.7 L, 20 lesions in one segment, a vessel, and a coarse SPECT image."""
    liver = Segment.from_full("liver", ellipsoid((50, 10, 0), (95, 70, 61)), structure="liver")
    random = np.random.default_rng(20)
    lesions = np.zeros(GRID.shape, bool)
    spots = [(x, y, z) for x in (0, 26, 52, 78, 104) for y in (-15, 30) for z in (-15, 15)]
    for spot in spots:
        lesions |= ellipsoid(spot, random.uniform(5, 11, 3))
    vessel = Segment.from_full("portal vein", ellipsoid((40, 8, 0), (50, 6, 6)))
    spect = Volume(
        random.poisson(100, (100, 85, 85)), [[4.8, 0, 0, -204], [0, 4.8, 0, -204], [0, 0, 4.5, -225], [0, 0, 0, 1]]
    )
    metastases = Segment.from_full("metastases", lesions, structure="liver_lesion", role="lesion")
    return Segmentation(GRID, (liver, metastases, vessel)), spect


def prepare(segmentation, image):
    """What happens between opening a patient and measuring."""
    lobes = split_by_plane(GRID, segmentation["liver"], Plane((30, 0, 0), (0.9, -0.4, 0.1)))
    volumes = lobe_volumes(GRID, lobes)
    lesions = find_lesions(segmentation, lobes)
    sizes = [measure_size(GRID, segment) for segment in lesions.segments]
    references = reference_regions(
        GRID, segmentation["liver"], lobes, lesions.segments, [segmentation["portal vein"]], ReferenceRule(8, 6), image
    )
    return volumes, lesions, sizes, references


def test_lobes_lesions_and_references_of_a_full_ct(benchmark, patient):
    """Twenty lesions are found, all references made, within the limit."""
    volumes, lesions, sizes, references = benchmark.pedantic(prepare, patient, rounds=3, warmup_rounds=1)
    assert sum(v.volume_mL for v in volumes) == pytest.approx(4 / 3 * np.pi * 9.5 * 7.0 * 6.1, rel=0.005)
    assert len(sizes) == len(lesions.lesions) == 20
    assert len(references.segments) == 4
    assert benchmark.stats.stats.min < LIMIT_S
