"""Time-activity curves: times after injection, decay correction, tables, and what is refused."""

import math
from datetime import datetime, timedelta, timezone

import pytest
from PRRTDosimetryLib.kinetics.curve_table import read_curves
from PRRTDosimetryLib.kinetics.curves import (
    Curve,
    looks_decay_corrected,
    times_after_injection,
    to_decayed,
)
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTUptakeLib.nuclides.radionuclides import nuclide

LU177 = nuclide("Lu-177")
START = datetime(2024, 5, 2, 10, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(("time_zero", "hours"), [("start", 24.0), ("mid", 23.75), ("end", 23.5)])
def test_time_zero_is_what_the_protocol_says(time_zero, hours):
    scan = START + timedelta(hours=24)
    assert times_after_injection([scan], START, START + timedelta(minutes=30), time_zero) == (hours,)


def test_times_across_time_zones_and_summer_time_are_elapsed_hours():
    scan = datetime(2024, 5, 3, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert times_after_injection([scan], START, START, "start") == (24.0,)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([START], START, START, "middle"), "time zero 'middle'"),
        (([START.replace(tzinfo=None)], START, START, "start"), "no time zone"),
        (([START], START, START - timedelta(hours=1), "start"), "swap them"),
        (([START - timedelta(hours=1)], START, START, "start"), "before the injection"),
    ],
)
def test_impossible_times_are_refused(arguments, word):
    with pytest.raises(KineticsError, match=word):
        times_after_injection(*arguments)


def test_decay_correction_to_the_injection_is_undone_and_stated():
    time = (0.0, LU177.half_life_h, 2 * LU177.half_life_h)
    corrected = Curve("Liver", time, (100.0, 100.0, 100.0), (4.0, 4.0, 4.0))
    decayed = to_decayed(corrected, "ADMIN", LU177)
    assert decayed.activity_MBq == pytest.approx((100.0, 50.0, 25.0), rel=1e-12)
    assert decayed.u_activity_MBq == pytest.approx((4.0, 2.0, 1.0), rel=1e-12)
    assert "corrected to the injection" in decayed.decay
    assert to_decayed(corrected, "NONE", LU177).activity_MBq == corrected.activity_MBq
    with pytest.raises(KineticsError, match="NONE, START, ADMIN"):
        to_decayed(corrected, "CORRECTED", LU177)


def test_a_curve_flatter_than_decay_is_pointed_out():
    assert looks_decay_corrected(Curve("Liver", (24.0, 96.0), (50.0, 40.0)), LU177)
    assert not looks_decay_corrected(Curve("Liver", (24.0, 96.0), (50.0, 36.0)), LU177)


def test_a_concentration_needs_the_volume():
    curve = Curve("Spleen", (4.0, 24.0), (36.0, 18.0), volume_mL=180.0)
    assert curve.concentration_Bq_per_mL == pytest.approx((2e5, 1e5))
    with pytest.raises(KineticsError, match="Spleen has no volume"):
        _ = Curve("Spleen", (4.0,), (36.0,)).concentration_Bq_per_mL


@pytest.mark.parametrize(
    ("time", "activity", "word"),
    [
        ((), (), "no points"),
        ((4.0,), (1.0, 2.0), "1 times, but 2 activities"),
        ((24.0, 4.0), (1.0, 2.0), "out of order"),
        ((4.0, 4.0), (1.0, 2.0), "out of order"),
        ((-1.0, 4.0), (1.0, 2.0), "-1 h is not a time"),
        ((4.0, 24.0), (1.0, -2.0), "negative"),
        ((4.0, 24.0), (1.0, math.nan), "not a finite number"),
        ((4.0, 24.0), (0.0, 0.0), "every activity is 0"),
    ],
)
def test_impossible_curves_are_refused_in_one_sentence(time, activity, word):
    with pytest.raises(KineticsError, match=word) as error:
        Curve("Liver", time, activity)
    assert str(error.value).count(". ") == 0
    assert "Liver" in str(error.value)


def _file(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_keeps_regions_apart_and_in_order(tmp_path):
    text = "region,time_h,activity_MBq,uncertainty\nB,4,10,1\nA,4,20,2\nB,24,5,0.5\n\nA,24,12,1\n"
    curves = read_curves(_file(tmp_path, text), LU177)
    assert [curve.region for curve in curves] == ["B", "A"]
    assert curves[0].activity_MBq == (10.0, 5.0)
    assert curves[1].u_activity_MBq == (2.0, 1.0)


def test_a_column_says_that_the_table_is_decay_corrected(tmp_path):
    text = f"region,time_h,activity_MBq,decay_correction,volume_mL\nA,{LU177.half_life_h},100,ADMIN,50\n"
    (curve,) = read_curves(_file(tmp_path, text), LU177)
    assert curve.activity_MBq == pytest.approx((50.0,))
    assert curve.volume_mL == 50.0
    with pytest.raises(KineticsError, match="second time"):
        read_curves(_file(tmp_path, text), LU177, "ADMIN")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("region,time_h,activity_kBq\nA,4,10\n", "activity_kBq, so convert"),
        ("region,time_h,activity_MBq,activity_kBq\nA,4,10,\n", "mixed units"),
        ("region,time_h,activity_MBq,unit\nA,4,10,MBq\nA,24,5000,kBq\n", "several values in the column unit"),
        ("region,time_h,activity_MBq,unit\nA,4,10,kBq\nA,24,5,kBq\n", "'kBq'"),
        ("region,time_h,activity_MBq\nA,4,98\nA,24,73000\nA,96,25\n", "units were mixed"),
        ("region,time_h,activity_MBq\nA,4,98000\nA,24,73\nA,96,25\n", "units were mixed"),
        ("region,time_h,activity_MBq,decay_correction\nA,4,10,NONE\nA,24,5,ADMIN\n", "several values"),
        ("region,time_h,activity_MBq\nA,4,10 MBq\n", "line 2: activity_MBq '10 MBq'"),
        ("region,time_h,activity_MBq\n,4,10\n", "line 2: the region is empty"),
        ("region,time_h,activity_MBq\n", "no points"),
        ("", "is empty"),
        ("region,time_h,activity_MBq,uncertainty\nA,4,10,0\n", "uncertainty 0 MBq at 4 h"),
    ],
)
def test_tables_that_cannot_be_used_say_why(tmp_path, text, word):
    with pytest.raises(KineticsError, match=word):
        read_curves(_file(tmp_path, text), LU177)


def test_noise_at_the_end_of_a_curve_is_not_taken_for_another_unit(tmp_path):
    text = "region,time_h,activity_MBq\nA,4,100\nA,24,80\nA,72,23\nA,168,0.04\n"
    assert len(read_curves(_file(tmp_path, text), LU177)) == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KineticsError, match=r"absent\.csv"):
        read_curves(tmp_path / "absent.csv", LU177)
