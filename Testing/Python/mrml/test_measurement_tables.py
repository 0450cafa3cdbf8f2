"""Tables of measurements in a scene: with intervals, and those of older builds that have none."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from PRRTUptakeLib.study.measurements import COLUMNS, OPTIONAL_COLUMNS, Measurement

LABELS = ("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1")
ROWS = (
    Measurement(*LABELS, "mean", 5000.0, "Bq/ml", 400.0, 4300.0, 5900.0),
    Measurement(*LABELS, "tn_ratio", 12.5, "1", 1.0, 10.5, 15.0),
    Measurement(*LABELS, "volume", 22.0, "mL"),
)
OF_OLDER_BUILDS = [COLUMNS[: len(COLUMNS) - n] for n in range(len(OPTIONAL_COLUMNS) + 1)]


def table(columns):
    from PRRTUptakeLib.mrml.tables import table_from_columns

    return table_from_columns({name: [getattr(row, name) for row in ROWS] for name in columns}, "table")


def test_intervals_are_in_the_table_and_come_back(scene):
    from PRRTUptakeLib.mrml.dicom_exchange import _rows
    from PRRTUptakeLib.mrml.results import is_measurement_table
    from PRRTUptakeLib.mrml.tables import table_from_measurements

    node = table_from_measurements(ROWS, "table")
    assert is_measurement_table(node)
    back = _rows(node)
    known = [replace(row, shared_uncertainty=0.0) for row in back[:2]]  # nan is not equal to itself
    assert known == [replace(row, shared_uncertainty=0.0) for row in ROWS[:2]]
    assert math.isnan(back[2].lower_95)


@pytest.mark.parametrize("columns", OF_OLDER_BUILDS, ids=len)
def test_a_table_of_an_older_build_is_still_one(scene, columns):
    from PRRTUptakeLib.mrml.dicom_exchange import _rows
    from PRRTUptakeLib.mrml.results import is_measurement_table, target_table

    node = table(columns)
    assert is_measurement_table(node)
    (target,) = target_table(node).rows
    assert (target.lesion, target.ratio, target.first) == ("L1", 12.5, 5.0)
    assert [row.value for row in _rows(node)] == [row.value for row in ROWS]
    assert math.isnan(_rows(node)[0].upper_95) == ("upper_95" not in columns)


def test_other_tables_are_not(scene):
    from PRRTUptakeLib.mrml.results import is_measurement_table

    assert not is_measurement_table(table(COLUMNS[:8]))
    assert not is_measurement_table(table((*COLUMNS[1:], COLUMNS[0])))
