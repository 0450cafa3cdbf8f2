"""Metrics of 100 regions on 400 x 400 x 400 against one boolean mask over the volume per region, in one run.

Bounds (issue "The right number from every scanner"): at least 20 times faster, memory below 2.5 times the volume.
Run with two threads: ``OMP_NUM_THREADS=2``, as ``make bench`` does.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.segmentation.files import read_mask_file
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.uptake.metrics import DEFAULT_PERCENTILES, region_metrics

sys.path.append(str(Path(__file__).parent))
from targets import record

SIZE, REGIONS = 400, 100


@pytest.fixture(scope="module")
def case():
    """A whole-body image (2 mm voxels), a liver of 1.6 L, spleen, kidneys and 96 lesions of 10 to 60 mm diameter."""
    rng = np.random.default_rng(0)
    volume = Volume(rng.gamma(2.0, 5.0, (SIZE,) * 3).astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]), units="Bq/ml")
    radii = [(30.0, 37.5, 42.5), (22.5, 12.5, 15.0), (25.0, 12.5, 14.0), (25.0, 12.5, 14.0)]  # voxels, k, j, i
    radii += [tuple(rng.uniform(0.8, 1.2, 3) * rng.uniform(2.5, 15.0)) for _ in range(REGIONS - len(radii))]
    segments = []
    for number, radius in enumerate(radii):
        half = np.ceil(radius).astype(int)
        k, j, i = np.ogrid[tuple(slice(-h, h + 1) for h in half)]
        mask = (k / radius[0]) ** 2 + (j / radius[1]) ** 2 + (i / radius[2]) ** 2 <= 1.0
        origin = tuple(int(rng.integers(0, SIZE - n)) for n in mask.shape)
        segments.append(Segment(f"region {number}", mask, origin))
    return volume, Segmentation(volume.grid, tuple(segments))


def by_boolean_mask(volume, mask):
    """The same metrics from one mask over the volume (the values taken out once, to be fair)."""
    values = volume.array[mask].astype(np.float64)
    low, high = values.min(), values.max()
    percentiles = np.percentile(values, [50.0, *DEFAULT_PERCENTILES], method="averaged_inverted_cdf")
    return values.mean(), values.std(), low, high, *percentiles, values.size * 8e-3, values.sum() * 8e-3


def test_hundred_regions_are_twenty_times_faster_than_masks(benchmark, case):
    volume, segmentation = case
    result = benchmark.pedantic(region_metrics, (volume, segmentation), rounds=5, warmup_rounds=1)
    labels, masked = np.zeros(volume.array.shape, np.uint8), 0.0
    for segment in segmentation:
        labels[segment.box][segment.mask] = 1  # untimed
        start = time.perf_counter()
        expected = by_boolean_mask(volume, labels == 1)
        masked += time.perf_counter() - start
        labels[segment.box] = 0
        found = result[segment.name]
        own = (found.mean, found.sd, found.minimum, found.maximum, found.median, *found.percentiles.values())
        np.testing.assert_allclose((*own, found.volume_mL, found.total), expected, rtol=1e-6)
    ratio = masked / benchmark.stats["median"]
    record(benchmark, "numpy, mask by mask", ratio, 20.0, masked_s=masked)
    assert ratio >= 20.0


def test_memory_stays_below_two_and_a_half_volumes(case):
    volume, segmentation = case
    tracemalloc.start()
    try:
        region_metrics(volume, segmentation)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    total = (volume.array.nbytes + sum(s.mask.nbytes for s in segmentation) + peak) / volume.array.nbytes
    print(f"\nvolume, masks and work: {total:.2f} times the volume")
    assert total < 2.5


@pytest.fixture(scope="module", params=[".nii.gz", ".nii"])
def label_map(request, case, tmp_path_factory):
    """All regions in one file, later ones over earlier ones, as segmentation programs write them; and their numbers."""
    volume, segmentation = case
    labels = np.zeros(volume.array.shape, np.uint8)
    for number, segment in enumerate(segmentation, start=1):
        labels[segment.box][segment.mask] = number
    path = tmp_path_factory.mktemp("labels") / f"labels{request.param}"
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetDirection((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    SimpleITK.WriteImage(image, str(path))
    return path, [int(number) for number in np.unique(labels) if number]


def test_a_label_map_is_read_and_measured_twenty_times_faster_than_label_by_label(benchmark, case, label_map):
    volume, _ = case
    path, numbers = label_map
    names = {number: f"region {number}" for number in numbers}

    def ours():
        return region_metrics(volume, read_mask_file(path, names))

    def theirs():
        labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        return {names[number]: by_boolean_mask(volume, labels == number) for number in numbers}

    result = benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    start = time.perf_counter()
    expected = theirs()
    seconds = time.perf_counter() - start
    for name, values in expected.items():
        found = result[name]
        own = (found.mean, found.sd, found.minimum, found.maximum, found.median, *found.percentiles.values())
        np.testing.assert_allclose((*own, found.volume_mL, found.total), values, rtol=1e-6)
    record(benchmark, f"numpy, label by label ({path.name})", seconds / benchmark.stats["median"], 20.0)
