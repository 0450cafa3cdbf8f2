"""Tables whose times are in minutes, hours or days give the same curves."""

from __future__ import annotations

import json

import pytest
from PRRTDosimetryLib.commands import main

HOURS = (2.0, 24.0, 72.0, 168.0)
MBQ = (10.0, 8.0, 4.0, 1.2)


def table(path, name, times, extra=""):
    rows = [f"kidney,{time!r},{activity}" for time, activity in zip(times, MBQ, strict=True)]
    path.write_text("\n".join([f"region,{name},activity_MBq", *rows]) + "\n", encoding="utf-8")
    return path


def integrate(capsys, path):
    assert main(["tiac", str(path), "--nuclide", "Lu-177", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("name", "factor", "unit"), [("time_min", 60.0, "minutes"), ("time_d", 1 / 24, "days")])
def test_other_units_give_the_same_integral(capsys, tmp_path, name, factor, unit):
    hours = integrate(capsys, table(tmp_path / "h.csv", "time_h", HOURS))
    other = integrate(capsys, table(tmp_path / "o.csv", name, [factor * time for time in HOURS]))
    assert hours["time_unit"] == "hours"
    assert other["time_unit"] == unit
    expected = hours["regions"]["kidney"]["tia_MBq_h"]
    assert other["regions"]["kidney"]["tia_MBq_h"] == pytest.approx(expected, rel=1e-9)


def test_the_unit_is_reported_to_people(capsys, tmp_path):
    assert main(["tiac", str(table(tmp_path / "c.csv", "time_min", HOURS)), "--nuclide", "Lu-177"]) == 0
    assert "Times of c.csv in minutes." in capsys.readouterr().out


def test_two_time_columns_are_refused(capsys, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("region,time_h,time_min,activity_MBq\nkidney,1,60,3\n", encoding="utf-8")
    assert main(["tiac", str(path), "--nuclide", "Lu-177"]) == 1
    assert "gives the times in time_h and time_min: keep one of them" in capsys.readouterr().err


def test_an_unknown_unit_of_time_is_named_and_activity_is_not_blamed(capsys, tmp_path):
    assert main(["tiac", str(table(tmp_path / "c.csv", "time_s", HOURS)), "--nuclide", "Lu-177"]) == 1
    notes = capsys.readouterr().err
    assert "it has time_s, so convert that to hours" in notes
    assert "convert that to MBq" not in notes


def test_a_bad_time_is_named_by_its_column(capsys, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("region,time_min,activity_MBq\nkidney,soon,3\n", encoding="utf-8")
    assert main(["tiac", str(path), "--nuclide", "Lu-177"]) == 1
    assert "time_min 'soon' is not a number" in capsys.readouterr().err
