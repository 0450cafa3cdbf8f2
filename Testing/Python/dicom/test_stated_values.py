"""What a case file states about a visit: keys, units, zones, reasons; and what reaches the quantification."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest
from builders.dicom_builders import mapping, write_nm
from PRRTUptakeLib.dicom.errors import OverrideError
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.stated_values import StatedValues

COUNTS = np.arange(1, 13, dtype=np.uint16).reshape(3, 2, 2)
GOOD = {
    "calibration": {"cps_per_MBq": 9.4, "time_basis": "total"},
    "activity_MBq": 7400,
    "injection_time": "2025-02-28T11:00",
    "time_zone": "Europe/Amsterdam",
    "weight_kg": 71.5,
    "reason": "the header was anonymised",
}


def stated(**changes):
    content = {**GOOD, **changes}
    return StatedValues.from_mapping({k: v for k, v in content.items() if v is not None}, "case.json, visits[0].inputs")


def series(tmp_path, **settings):
    write_nm(tmp_path / "nm", COUNTS, **settings)
    return find_series(tmp_path)[0]


def test_counts_become_activity_from_a_case(tmp_path):
    one = series(tmp_path)
    inputs = stated().for_series(one)
    np.testing.assert_allclose(quantify(one, inputs).volume.array, COUNTS / 1200 / 9.4 * 1e6 / 0.08, rtol=1e-6)
    assert inputs.injection_time == datetime(2025, 2, 28, 10, tzinfo=timezone.utc)  # 11:00 at +0100


def test_without_a_zone_that_of_the_series_holds(tmp_path):
    one = series(tmp_path, changes={"TimezoneOffsetFromUTC": "-0500"}, mappings=[mapping(2.0)])
    inputs = stated(time_zone=None, calibration=None).for_series(one)
    assert inputs.injection_time == datetime(2025, 2, 28, 16, tzinfo=timezone.utc)
    later = stated(time_zone=None, injection_time="2025-02-28T11:00+02:00").for_series(one)
    assert later.injection_time == datetime(2025, 2, 28, 9, tzinfo=timezone.utc)
    named = stated(calibration=None).for_series(one)
    assert named.injection_time == datetime(2025, 2, 28, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cps_per_MBq": 9.4}, "unknown key 'cps_per_MBq'"),
        ({"calibration": {"cps_per_MBq": 9.4}}, r"inputs\.calibration: the key 'time_basis' is missing"),
        ({"calibration": {"cps_per_MBq": "9,4", "time_basis": "total"}}, r"calibration\.cps_per_MBq must be a number"),
        ({"calibration": {"cps_per_MBq": -1, "time_basis": "total"}}, "must be above 0"),
        ({"calibration": {"cps_per_MBq": 9.4, "time_basis": "views"}}, "not 'views'"),
        ({"calibration": 9.4}, "must be an object"),
        ({"time_zone": "Europe/Utopia"}, "'Europe/Utopia' is not a time zone"),
        ({"weight_kg": "71"}, r"inputs\.weight_kg must be a number"),
        ({"weight_kg": 715}, "weight .kg. is 715"),
        ({"weight_kg": True}, "must be a number"),
        ({"height_cm": 1.76}, "height .cm. is 1.76"),
        ({"activity_MBq": 7.4e9}, "administered activity"),
        ({"sex": "W"}, "Sex is M, F or O"),
        ({"reason": None}, "the key 'reason' is missing"),
        ({"reason": " "}, "must be text"),
        ({"confirmed": ["time_zone"]}, "cannot be confirmed"),
        ({"confirmed": "activity_MBq"}, "must be a list"),
        ({"units": "furlong"}, "unit 'furlong'"),
        ({"dead_time": {"model": "none", "tau_us": 1, "observed_cps": 1}}, "dead-time model"),
        ({"residual_MBq": 10}, "needs the time"),
    ],
)
def test_what_is_refused(changes, words):
    with pytest.raises(OverrideError, match=words):
        stated(**changes)


def test_a_time_that_is_none(tmp_path):
    from PRRTUptakeLib.errors import PRRTError

    with pytest.raises(PRRTError, match=r"inputs\.injection_time '28\.2\.2025'"):
        stated(injection_time="28.2.2025").for_series(series(tmp_path))


def test_what_is_kept_for_the_record():
    one = stated(confirmed=["activity_MBq"])
    assert one.facts()["calibration"] == {
        "sensitivity_cps_per_MBq": 9.4,
        "time_basis": "total",
        "acquisition_time_s": None,
    }
    assert "Reason: the header was anonymised." in one.sentences[0]
    assert not StatedValues()
    assert StatedValues().sentences == ()
