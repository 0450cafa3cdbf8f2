"""Two bed positions become one volume on one grid at one moment, or are refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PRRTUptakeLib.dicom.bed_positions import join_beds
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.operator_overrides import Quantified
from PRRTUptakeLib.imaging.volume import Volume

HALF_LIFE_S = 574_301.0
START = datetime(2025, 3, 1, 11, tzinfo=timezone.utc)
TRUTH = np.random.default_rng(7).uniform(100, 200, (14, 4, 5))


def bed(first, last, minutes=0.0, **changes):
    """Planes ``first`` to ``last`` of the truth, as they were ``minutes`` later."""
    matrix = np.diag([4.8, 4.8, 4.8, 1.0])
    matrix[2, 3] = 4.8 * first
    values = TRUTH[first:last] * 2 ** (-60 * minutes / HALF_LIFE_S)
    facts = {"patient_id": "P1", "frame_of_reference_uid": "1.2", "series_uid": f"1.3.{first}"}
    moment = START + timedelta(minutes=minutes)
    made = Volume(values.astype(np.float32), matrix, "activity concentration", "Bq/ml", moment, facts)
    return replace(Quantified(made, ("decided",), "Lu-177", HALF_LIFE_S), **changes)


def moved(one, shift_mm):
    matrix = one.volume.ijk_to_ras.copy()
    matrix[:3, 3] += shift_mm
    return replace(one, volume=Volume(one.volume.array, matrix, "x", "Bq/ml", START, one.volume.provenance))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("minutes", [0.0, 25.0])
def test_beds_that_overlap_give_the_truth(order, minutes):
    beds = [bed(0, 8), bed(6, 14, minutes)]
    found = join_beds([beds[n] for n in order], [("low", "high")[n] for n in order])
    np.testing.assert_allclose(found.volume.array, TRUTH, rtol=1e-5)
    assert found.volume.reference_time == START
    assert found.volume.provenance["series_uid"] == ("1.3.0", "1.3.6")[order[0]]  # of the one that was given first
    assert any("overlaps the bed before it by 2 planes" in one for one in found.decisions)
    assert any("seams at planes 6 of 14" in one for one in found.decisions)
    assert found.doubts == ()


def test_beds_that_only_touch():
    np.testing.assert_allclose(join_beds([bed(0, 7), bed(7, 14)], ["a", "b"]).volume.array, TRUTH, rtol=1e-6)


def test_beds_that_disagree_are_a_doubt():
    high = bed(6, 14)
    high = replace(high, volume=high.volume.with_values(high.volume.array * 1.3))
    assert "+30.0 %" in join_beds([bed(0, 8), high], ["low", "high"]).doubts[0]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: bed(9, 14), "planes are missing"),
        (lambda: bed(6, 14, 300.0), "5.0 hours apart"),
        (lambda: moved(bed(6, 14), (0, 0, 2.0)), "not on the grid"),
        (lambda: moved(bed(6, 14), (2.4, 0, 0)), "not on the grid"),
        (lambda: replace(bed(6, 14), nuclide="Tc-99m"), "different radionuclides"),
    ],
)
def test_what_is_not_joined(other, words):
    with pytest.raises(DicomError, match=words):
        join_beds([bed(0, 8), other()], ["low", "high"])
    with pytest.raises(DicomError, match="two series or more"):
        join_beds([bed(0, 8)], ["low"])
