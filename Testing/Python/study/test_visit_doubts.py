"""An image that is another than the visit's name or the protocol say is warned of."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from PRRTUptakeLib.dicom.injection import Injection
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.visit_doubts import hours_after_injection, visit_doubts

LUTIA, ROUTES = load_protocol("lutia"), load_protocol("ia-versus-iv")
START = datetime(2025, 3, 28, 23, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("visit", "protocol", "nuclide", "hours", "alone", "words"),
    [
        ("24h", LUTIA, "Lu-177", 24.0, True, []),
        ("24h", LUTIA, "Lu-177", 19.5, True, []),
        ("96 h p.i.", LUTIA, "Lu-177", 92.0, False, []),
        ("SPECT", LUTIA, "Lu-177", 26.0, True, []),
        ("day 4", LUTIA, "Lu-177", 96.0, False, []),
        ("24h", LUTIA, "", math.nan, True, []),
        ("IA", ROUTES, "Ga-68", 1.2, True, []),
        ("24h", LUTIA, "Lu-177", 96.0, True, ["taken 96 h after the injection, but the visit is called '24h'"]),
        ("72h", LUTIA, "Lu-177", 96.0, False, ["taken 96 h after"]),
        ("SPECT", LUTIA, "Lu-177", 96.0, True, ["taken 96 h after the injection, the protocol", "plans 24 h"]),
        ("24h", LUTIA, "I-131", 24.0, True, ["is of I-131", "of Lu-177"]),
        ("IV", ROUTES, "Ga-68", 3.0, True, ["plans 60 min"]),
    ],
)
def test_doubts(visit, protocol, nuclide, hours, alone, words):
    found = visit_doubts(visit, protocol, nuclide, hours, alone)
    assert len(found) == min(len(words), 1)
    assert all(word in found[0] for word in words)


def test_hours_are_those_to_the_scan_where_values_are_corrected_to_the_injection():
    given = Injection(7400.0, START, "Lu-177", "M")
    scan = START + timedelta(hours=24)
    plain = SimpleNamespace(provenance={}, reference_time=scan)
    corrected = SimpleNamespace(provenance={"scanned_at": scan.isoformat()}, reference_time=START)
    assert hours_after_injection(plain, given) == hours_after_injection(corrected, given) == 24.0
    assert math.isnan(hours_after_injection(SimpleNamespace(provenance={}, reference_time=None), given))
