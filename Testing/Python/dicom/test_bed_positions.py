"""Two bed positions become one volume on one grid at one moment, or are refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from builders.dicom_builders import mapping, write_nm
from PRRTUptakeLib.dicom.bed_positions import join_beds
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides, Quantified
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
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


CALIBRATED = OperatorOverrides(calibration=Calibration(10.0, "total"))
LATER = {"RotationInformationSequence.ActualFrameDuration": 10000, "AcquisitionTime": "112000"}


def beds_of_one_series(folder, first_plane=4, **changes):
    """Two tomograms of 4 planes in one series: the same activity, the second for half as long and 20 min later."""
    uid = pydicom.dcmread(write_nm(folder / "a.dcm", np.full((4, 6, 6), 1000, np.uint16))).SeriesInstanceUID
    origin = (-10.0, -20.0, 30.0 + 5.0 * first_plane)
    write_nm(
        folder / "b.dcm",
        np.full((4, 6, 6), 500, np.uint16),
        origin=origin,
        changes={"SeriesInstanceUID": uid, **LATER, **changes},
    )
    (series,) = find_series(folder)
    return series


@pytest.mark.parametrize("first_plane", [4, 3])
def test_bed_positions_in_one_series_are_each_read_by_their_own_time(tmp_path, first_plane):
    """The second bed was 1000 counts in 1200 s as the first, seen for 600 s: it was half of the truth before."""
    found = quantify(beds_of_one_series(tmp_path, first_plane), CALIBRATED)
    truth = 1000 / (10e-6 * 0.08 * 1200)
    later = 2 ** (15 * 60 / HALF_LIFE_S)  # from the middle of one acquisition to that of the other
    assert found.volume.array.shape == (4 + first_plane, 6, 6)
    np.testing.assert_allclose(found.volume.array[:3], truth, rtol=1e-6)
    np.testing.assert_allclose(found.volume.array[4:], truth * later, rtol=1e-6)
    assert any("b.dcm: Bq/ml = counts x 2083.33" in one for one in found.decisions)


def test_parts_of_one_series_that_are_no_beds_and_differ_are_refused(tmp_path):
    """Four hours apart they are no bed positions of one scan."""
    series = beds_of_one_series(tmp_path, AcquisitionTime="150000")
    with pytest.raises(DicomError, match=r"Acquisition Time .* differs between a.dcm and b.dcm .* each bed position"):
        quantify(series, CALIBRATED)


def test_a_mapping_for_each_slice_is_refused_instead_of_the_first_for_all(tmp_path):
    uid = None
    for n in range(3):
        path = write_nm(
            tmp_path / f"{n}.dcm",
            np.full((1, 6, 6), 1000, np.uint16),
            origin=(-10.0, -20.0, 30.0 + 5.0 * n),
            mappings=[mapping(1.0 + n)],
            changes={"SeriesInstanceUID": uid} if uid else {},
        )
        uid = pydicom.dcmread(path).SeriesInstanceUID
    with pytest.raises(DicomError, match=r"Real World Value Slope\) differs between 0.dcm and 1.dcm of one series"):
        quantify(find_series(tmp_path)[0])
