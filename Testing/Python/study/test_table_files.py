"""Tables of any spreadsheet are read alike, or refused by row and column; cells that go out are harmless."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import pytest
from PRRTDosimetryLib.kinetics.curve_table import read_curves
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.excel import write_excel
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.statistics.allocation import read_allocation
from PRRTUptakeLib.statistics.shared_uncertainty import own_uncertainty, shared_note
from PRRTUptakeLib.statistics.subgroups import read_subgroups
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import COLUMNS, REQUIRED_COLUMNS, Measurement, canonical_sha256, read_csv, to_csv
from PRRTUptakeLib.table_file import csv_text, harmless, read_table

LU = nuclide("Lu-177")
ROWS = [
    Measurement("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 12.5, "1", 0.25),
    Measurement("Müller, A", 1, "24h", "SPECT", 'R "1"', "target", "right", "R1", "tn_ratio", 1 / 3, "1"),
    Measurement("=P2", 1, "24h", "SPECT", "-L", "target", "left", "@1", "mean", -1.5e-7, "Bq/ml"),
]


def put(tmp_path, data, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, ends):
    path = put(tmp_path, to_csv(ROWS).replace("\n", ends).encode(encoding))
    assert canonical_sha256(read_csv(path)) == canonical_sha256(ROWS)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tmp_path, separator):
    header = separator.join((*REQUIRED_COLUMNS, "uncertainty"))
    line = ["P1", "1", "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", "12,5", "1", "0,25"]
    (row,) = read_csv(put(tmp_path, f"{header}\n{separator.join(line)}\n"))
    assert (row.value, row.uncertainty) == (12.5, 0.25)
    (curve,) = read_curves(
        put(tmp_path, "region;time_h;activity_MBq;u_MBq\nKidney;4,5;98,5;1,234\nKidney;24;73,2;1\n"), LU
    )
    assert (curve.time_h[0], curve.activity_MBq[0], curve.u_activity_MBq[0]) == (4.5, 98.5, 1.234)


KNOWN = Measurement("P1", 1, "", "SPECT", "L1", "target", "left", "L1", "dose", 50.0, "Gy", 5.0, 41.0, 61.5, 3.5)


def test_intervals_go_through_the_table_and_stay_empty_where_nothing_is_known(tmp_path):
    text = to_csv([KNOWN, ROWS[1]])
    assert text.splitlines()[1].endswith("50.0,Gy,5.0,41.0,61.5,3.5")
    assert text.splitlines()[2].endswith(",1,,,,")
    assert "nan" not in text
    read, empty = read_csv(put(tmp_path, text))
    assert read == KNOWN
    assert math.isnan(empty.lower_95)
    assert math.isnan(empty.shared_uncertainty)


def test_tables_of_an_older_build_are_read_and_keep_their_sum(tmp_path):
    old = ["patient,cycle,visit,image,region,role,lobe,lesion,metric,value,unit,uncertainty"]
    old.append("P1,1,24h,SPECT,L1,target,left,L1,tn_ratio,12.5,1,0.25")
    (row,) = read_csv(put(tmp_path, "\n".join(old) + "\n"))
    assert row.uncertainty == 0.25
    assert math.isnan(row.upper_95)
    older = "\x1f".join(["P1", "1", "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", f"{12.5:.9e}", "1"])
    assert canonical_sha256([row]) == hashlib.sha256(f"{older}\x1f{0.25:.9e}".encode()).hexdigest()
    assert canonical_sha256([replace(row, upper_95=13.0)]) != canonical_sha256([replace(row, lower_95=13.0)])


def test_an_interval_upside_down_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"line 2: lower_95 \(61.5\) is above upper_95"):
        read_csv(put(tmp_path, to_csv([replace(KNOWN, lower_95=61.5, upper_95=41.0)])))


def test_a_row_states_what_of_its_uncertainty_is_shared():
    assert own_uncertainty(KNOWN) == pytest.approx((5.0**2 - 3.5**2) ** 0.5)
    assert shared_note([KNOWN]) == ()
    assert "taken as shared" in shared_note([replace(KNOWN, shared_uncertainty=math.nan)])[0]


def test_a_separator_that_excel_states(tmp_path):
    table = read_table(put(tmp_path, "sep=;\nregion;time_h\nA;1,5\n"), ("region", "time_h"))
    assert table.rows[0].number("time_h") == 1.5
    assert table.rows[0].line == 3


def test_quotes(tmp_path):
    table = read_table(put(tmp_path, 'a,b\n"x, ""y""\nz","98,5"\nq,2\n'), ("a", "b"))
    assert table.rows[0].text("a") == 'x, "y"\nz'
    assert table.rows[0].number("b") == 98.5
    assert table.rows[1].line == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("region,time_h,activity_MBq\nA,4,98,5\n", "line 2: 4 cells for 3 columns"),
        ("region,time_h,activity_MBq\nA,4,98.5\nA,24,73,2\n", "line 3: 4 cells"),
        ("region,time_h,activity_MBq,u_MBq\nA,4,98,5\nA,24,73,2\nA,96,21,7\n", "line 2: 98,5 may be one number"),
        ("region time_h activity_MBq\nA 4 98\n", "no separator of columns"),
        ("region|time_h|activity_MBq\nA|4|98\n", "no separator of columns"),
        ("region,time_h,activity_MBq\nA,4,1e300\n", "line 2: activity_MBq '1e300' is beyond"),
        ("region,time_h,activity_MBq\nA,4,NaN\n", "line 2: activity_MBq 'NaN' is not a number or not finite"),
        ("region,time_h,activity_MBq\nA,inf,3\n", "line 2: time_h 'inf'"),
        ("region,time_h,activity_MBq\nA,4,1_0\n", "line 2: activity_MBq '1_0'"),
        ('region,time_h,activity_MBq\nA,4,"1,234"\n', "may mean 1.234 or 1234"),
        ("region;time_h;activity_MBq\nA;4;1.234,5\n", "line 2: activity_MBq '1.234,5'"),
        ('region,time_h,activity_MBq\n"A,4,98\n', "quote"),
        ("region,time_h,time_h,activity_MBq\nA,4,5,98\n", "'time_h' twice"),
        ("region,time_h,activity_MBq\nA,,3\n", "line 2: time_h '' is not a number"),
        (b"region,time_h\0\n", "bytes of 0"),
        ("", "is empty"),
    ],
)
def test_curves_that_are_refused(tmp_path, text, words):
    with pytest.raises(PRRTError, match=words):
        read_curves(put(tmp_path, text), LU)


def test_whole_numbers_that_rise_like_uncertainties_are_read(tmp_path):
    text = "region,time_h,activity_MBq,u_MBq\nA,4,98,5\nA,24,73,4\nA,96,21,1\n"
    assert read_curves(put(tmp_path, text), LU)[0].u_activity_MBq == (5, 4, 1)


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "."])
def test_missing_values(tmp_path, missing):
    text = f"region,time_h,activity_MBq\nA,4,98.5\nA,24,{missing}\nA,96,21\n"
    assert read_curves(put(tmp_path, text), LU)[0].time_h == (4, 96)
    content = to_csv(ROWS[:2]).replace("0.3333333333333333", missing)
    assert [row.patient for row in read_csv(put(tmp_path, content))] == ["P1"]
    content = to_csv(ROWS[:1]).replace("0.25", missing)
    assert math.isnan(read_csv(put(tmp_path, content))[0].uncertainty)


def test_a_unit_that_is_the_end_of_a_number(tmp_path):
    line = "P1,1,24h,SPECT,L1,target,left,L1,tn_ratio,20,5,1"
    with pytest.raises(PRRTError, match=r"line 2: the unit is '5'.*decimal comma"):
        read_csv(put(tmp_path, ",".join(COLUMNS) + "\n" + line + "\n"))


def test_excel_of_our_own_is_read_back(tmp_path):
    pytest.importorskip("openpyxl")
    write_excel(ROWS, tmp_path / "m.xlsx")
    assert canonical_sha256(read_csv(tmp_path / "m.xlsx")) == canonical_sha256(ROWS)
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(PRRTError, match="not a readable table of Excel"):
        read_csv(tmp_path / "broken.xlsx")


def test_allocation_and_subgroups(tmp_path):
    one = read_allocation(put(tmp_path, "patient,treated_lobe\nP1,left\nMüller,right\n"))
    other = read_allocation(put(tmp_path, "\ufeffpatient;treated_lobe\r\nMüller;right\r\nP1;Left\r\n"))
    assert one == other
    assert read_allocation(put(tmp_path, "patient;lobe\nMüller;right\nP1;left\n".encode("cp1252"))) == one
    groups = read_subgroups(put(tmp_path, "patient;grade;sex\nP1;G1;NA\nMüller;G2;F\n".encode("cp1252")))
    assert groups == {"grade": {"P1": "G1", "Müller": "G2"}, "sex": {"Müller": "F"}}


def test_the_hash_is_of_what_is_said(tmp_path):
    changed = [*ROWS[:1], *ROWS[2:], ROWS[1]]
    nearly = [Measurement(**{**row.__dict__, "value": math.nextafter(row.value, math.inf)}) for row in changed]
    assert canonical_sha256(nearly) == canonical_sha256(ROWS)
    other = [Measurement(**{**ROWS[0].__dict__, "value": 12.50001}), *ROWS[1:]]
    assert canonical_sha256(other) != canonical_sha256(ROWS)


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "'=1"])
def test_formulas_go_out_as_text_and_come_back(tmp_path, cell):
    assert harmless(cell)[0] == "'"
    path = put(tmp_path, csv_text(["a", "b"], [[cell, -5.25]]))
    row = read_table(path, ("a", "b")).rows[0]
    assert row.text("a") == cell
    assert row.number("b") == -5.25


@pytest.mark.parametrize("cell", ["-5.2", "-1e-7", "+3", "-12.5 %", "-3.1 to 2.0", "P-1", "-", ""])
def test_numbers_stay_numbers(cell):
    assert harmless(cell) == cell


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("Region,Time [h],Activity (MBq)", "Kidney,24,80"),
        ("REGION;time (h);Activity [MBq]", "Kidney;24;80,0"),
        ("Region\ttime / min\tactivity_MBq", "Kidney\t1440\t80"),
    ],
)
def test_columns_are_found_however_a_unit_is_written(tmp_path, header, first):
    (curve,) = read_curves(put(tmp_path, f"{header}\n{first}\n"), nuclide("Lu-177"))
    assert (curve.time_h, curve.activity_MBq) == ((24.0,), (80.0,))


@pytest.mark.parametrize("name", ["u_percent", "u_kBq", "sd", "SD [kBq]", "error", "sigma (%)"])
def test_an_uncertainty_that_is_not_read_is_refused(tmp_path, name):
    with pytest.raises(PRRTError, match="looks like an uncertainty"):
        read_curves(put(tmp_path, f"region,time_h,activity_MBq,{name}\nk,4,95,5\nk,24,75,4\n"), nuclide("Lu-177"))


def test_two_uncertainties_are_refused(tmp_path):
    text = "region,time_h,activity_MBq,u_MBq,uncertainty\nk,4,95,5,1\nk,24,75,4,1\n"
    with pytest.raises(PRRTError, match=r"uncertainty and u_MBq: keep one"):
        read_curves(put(tmp_path, text), nuclide("Lu-177"))


def test_a_point_for_thousands_beside_decimal_commas_is_refused(tmp_path):
    text = "region;time_h;activity_MBq\nk;4;1.950\nk;24;1.751\nk;72;990,5\n"
    with pytest.raises(PRRTError, match=r"may mean 1\.950 or 1950"):
        read_curves(put(tmp_path, text), nuclide("Lu-177"))
    with_points = text.replace("990,5", "0.990")
    (curve,) = read_curves(put(tmp_path, with_points), nuclide("Lu-177"))
    assert curve.activity_MBq == (1.95, 1.751, 0.99)


def test_words_of_ours_count_with_capitals_too(tmp_path):
    row = ROWS[0]
    text = to_csv([row]).replace("metric,value", "Metric,Value").replace(",1,", ",1.0,", 1)
    for word in (row.role, row.lobe, row.metric):
        text = text.replace(f",{word},", f",{word.capitalize()},")
    (found,) = read_csv(put(tmp_path, text))
    assert (found.cycle, found.role, found.lobe, found.metric) == (1, row.role, row.lobe, row.metric)


def test_two_columns_of_an_allocation_that_contradict_are_refused(tmp_path):
    text = "patient,lobe,treated_lobe\nP1,Left,left\nP2,{},right\n"
    assert read_allocation(put(tmp_path, text.format("right"))).treated == {"P1": "left", "P2": "right"}
    with pytest.raises(PRRTError, match="P2 is 'right' by treated_lobe and 'left' by lobe"):
        read_allocation(put(tmp_path, text.format("left")))


CURVE = "region;time_h;activity_MBq\nKidney;4;{}\nKidney;24;{}\nKidney;96;{}\n"


@pytest.mark.parametrize("values", [("1.100", "980", "300"), ("2.950", "1.080", "998")])
def test_points_that_may_separate_thousands_are_refused(tmp_path, values):
    with pytest.raises(PRRTError, match=r"line 2: activity_MBq '\d\.\d{3}' may mean"):
        read_curves(put(tmp_path, CURVE.format(*values)), LU)


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (("1.100", "0.980", "0.300"), 1.1),  # no whole number
        (("1.100", "980.5", "300"), None),  # a sure decimal point: 1.1 MBq, and 980.5 a thousandfold
        (("101.125", "98.5", "30"), 101.125),
        (("1 100", "980", "300"), 1100.0),
        (("1\u202f100,5", "980", "300"), 1100.5),  # as French spreadsheets write it
        (("1'100", "980", "300"), 1100.0),  # as Swiss ones do
    ],
)
def test_thousands_and_decimals_of_spreadsheets(tmp_path, values, first):
    path = put(tmp_path, CURVE.format(*values))
    if first is None:
        with pytest.raises(PRRTError, match="units were mixed"):
            read_curves(path, LU)
    else:
        assert read_curves(path, LU)[0].activity_MBq[0] == first


@pytest.mark.parametrize("cell", ["98 5", "1 1000", "1'10", "9 8.5"])
def test_a_blank_within_a_number_is_no_thousands_separator(tmp_path, cell):
    with pytest.raises(PRRTError, match="is not a number"):
        read_curves(put(tmp_path, CURVE.format(cell, "80", "30")), LU)


@pytest.mark.parametrize("other", ["kidney", "KIDNEY", "Kidney  left"])
def test_two_spellings_of_a_region_are_refused(tmp_path, other):
    first = "Kidney left" if " " in other else "Kidney"
    text = f"region,time_h,activity_MBq\n{first},4,100\n{other},24,80\n"
    with pytest.raises(PRRTError, match="differ in capitals or blanks only"):
        read_curves(put(tmp_path, text), LU)
