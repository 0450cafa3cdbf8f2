"""A CT of whole Hounsfield units is kept as int16 where it is only registered, looked at and written."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from builders.dicom_builders import write_slices
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.registration.preprocessing import coarse_and_body

SHAPE = (5, 6, 7)


def _read(folder, values, **changes):
    write_slices(folder, values, changes=changes)
    (series,) = find_series(folder)
    return read_volume(series), read_volume(series, compact=True)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_whole_numbers_take_two_bytes_and_have_the_same_values(tmp_path, dtype):
    stored = np.random.default_rng(0).integers(0, 4096, SHAPE).astype(dtype)
    full, compact = _read(tmp_path, stored)  # the intercept is -1024
    assert (full.array.dtype, compact.array.dtype) == (np.float32, np.int16)
    np.testing.assert_array_equal(compact.array, full.array)
    np.testing.assert_array_equal(full.array, stored.astype(int) - 1024)


@pytest.mark.parametrize(
    "changes", [{"RescaleSlope": 0.5}, {"RescaleIntercept": 0.25}, {"RescaleIntercept": 40_000}, {"RescaleSlope": 2}]
)
def test_what_int16_cannot_hold_is_read_as_it_was(tmp_path, changes):
    full, compact = _read(tmp_path, np.full(SHAPE, 3, dtype=np.uint16), **changes)
    assert compact.array.dtype == np.float32
    np.testing.assert_array_equal(compact.array, full.array)


def test_other_values_of_a_compact_volume_are_floats():
    compact = Volume(np.zeros(SHAPE, dtype=np.int16), np.eye(4), "attenuation", "[hnsf'U]", compact=True)
    assert compact.with_values(compact.array * 0.5).array.dtype == np.float32
    with pytest.raises(ImagingError, match="int16"):
        Volume(np.zeros(SHAPE), np.eye(4), compact=True)


def test_the_coarse_image_of_a_volume_is_made_once_and_goes_with_it():
    values = np.full((30, 40, 40), -1000, dtype=np.int16)
    values[5:25, 10:30, 10:30] = 40
    volume = Volume(values, np.diag([2.0, 2.0, 2.0, 1.0]), "attenuation", "[hnsf'U]", compact=True)
    coarse, body = coarse_and_body(volume)
    assert coarse_and_body(volume)[0] is coarse
    assert coarse_and_body(volume)[1] is body
    gone = weakref.ref(volume)
    del volume
    gc.collect()
    assert gone() is None
