"""Broken PET headers: each gives the right number, or an error that names the attribute; none is silently different."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from builders.header_mutations import STORED, build, headers, mutate, names_of, syntax_of
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError

RIGHT = 0.01  # relative; the rule by which a post-processed series is read is itself not better


def outcome(folder, images):
    for k, ds in enumerate(images):
        ds.save_as(folder / f"{k}", enforce_file_format=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about the very values that this test puts there
        try:
            (series,) = find_series(folder)
            return suv(series)
        except PRRTError as error:
            return str(error)


@pytest.mark.parametrize("name", headers())
def test_each_header_is_right_before_it_is_broken(name, tmp_path):
    found = outcome(tmp_path, build(name))
    assert not isinstance(found, str), found
    np.testing.assert_allclose(found.volume.array, STORED / 100, rtol=1e-4)


def check(seed, folder):
    rng = np.random.default_rng(seed)
    name = list(headers())[seed % len(headers())]
    images = build(name, syntax_of(rng))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        description, keys = mutate(images, rng)
        found = outcome(folder, images)
    note = f"seed {seed}, {name}: {description}"
    if isinstance(found, str):
        assert any(word in found for word in names_of(keys)), f"{note} gives an error without its name: {found}"
        return "error"
    array = found.volume.array
    ratio = np.sort(array.ravel()) / (np.sort(STORED.ravel()) / 100)
    if array.shape == STORED.shape and np.abs(ratio - 1).max() <= RIGHT:
        return "right"
    assert _is_reported(found.decisions, names_of(keys)) or _is_standard(name, keys), (
        f"{note} silently gives {ratio.min():.5g} to {ratio.max():.5g} of the right number"
    )
    return "reported"


def _is_reported(decisions, names):
    """A sentence that begins with Doubtful or says that two statements differ, and names the attribute."""
    return any(
        ("Doubtful" in sentence or "differ by" in sentence) and any(word in sentence for word in names)
        for sentence in decisions
    )


def _is_standard(name, keys):
    """DICOM itself says that GML without SUV Type is SUVbw: an emptied SUV Type cannot be distinguished from that."""
    return name == "lean" and "SUVType" in keys


def tally(folder, seeds):
    outcomes = [check(seed, folder) for seed in seeds]
    share = {word: outcomes.count(word) / len(outcomes) for word in ("error", "right", "reported")}
    assert 0.5 < share["error"] < 0.9  # neither refuses all nor accepts all
    assert share["reported"] < 0.01


def test_mutated_headers(tmp_path):
    tally(tmp_path, range(500))


@pytest.mark.slow
@pytest.mark.parametrize("box", range(4))
def test_2000_mutated_headers(tmp_path, box):
    tally(tmp_path, range(500 * box, 500 * (box + 1)))
