"""Broken NM and enhanced PET headers: the right number, or an error, or a doubt; none is silently different."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from builders.nm_mutations import STORED, kinds, mutate, write
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError

RIGHT = 0.01


def outcome(folder, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (series,) = find_series(folder)
            return suv(series, inputs=inputs)
        except PRRTError as error:
            return str(error)


@pytest.mark.parametrize("name", kinds())
def test_each_header_is_right_before_it_is_broken(name, tmp_path):
    write(name, tmp_path / "image.dcm")
    found = outcome(tmp_path, kinds()[name][1])
    assert not isinstance(found, str), found
    np.testing.assert_allclose(found.volume.array, STORED / 100, rtol=1e-4)


def check(seed, folder):
    """What became of one mutation: error, right, reported or skipped."""
    rng = np.random.default_rng(seed)
    name = list(kinds())[seed % len(kinds())]
    path = folder / "image.dcm"
    ds = write(name, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = mutate(ds, rng)
        if made is None:
            return "skipped"
        ds.save_as(path, enforce_file_format=True)
    found = outcome(folder, kinds()[name][1])
    if isinstance(found, str):
        return "error"
    array = found.volume.array
    same = array.shape == STORED.shape
    if same and np.abs(np.sort(array.ravel()) / np.sort(STORED.ravel() / 100) - 1).max() <= RIGHT:
        return "right"
    note = any(word in sentence for word in ("Doubtful", "beyond", "taken as counts") for sentence in found.decisions)
    assert note, f"seed {seed}, {name}: {made[1]} silently gives {array.max() / (STORED.max() / 100):.5g} of the right"
    return "reported"


def tally(folder, seeds):
    outcomes = [check(seed, folder) for seed in seeds]
    done = [one for one in outcomes if one != "skipped"]
    assert len(done) > 0.7 * len(outcomes)
    share = {word: done.count(word) / len(done) for word in ("error", "right", "reported")}
    assert 0.3 < share["error"] < 0.9
    assert share["reported"] < 0.15
    return share


def test_mutated_headers(tmp_path):
    tally(tmp_path, range(240))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_10000_mutated_headers(tmp_path, block):
    print(tally(tmp_path, range(2500 * block, 2500 * (block + 1))))
