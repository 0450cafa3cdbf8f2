"""What the report says of a transport: engine, grid, statistics, and that dose rates were integrated."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from PRRTDosimetryLib.report.dose_maps_report import _rates, _transport_words

FACTS = {"engine": "ompmc 0.4.0", "licence": "GPL", "histories": 2000, "seed": 3, "electrons": "monte-carlo"}


@pytest.mark.parametrize(("grid", "words"), [(2.5, "voxels of 2.5 mm at most"), ("that of the image", "the image")])
def test_grid_and_statistics_of_a_transport(grid, words):
    region = SimpleNamespace(histogram=SimpleNamespace(mean_Gy=2.0), u_Gy=0.05)
    made = SimpleNamespace(facts={**FACTS, "grid_mm": grid}, regions={"liver": region})
    page = _transport_words(made)
    assert words in page
    assert "2.500" in page  # per cent
    assert "monte carlo" in page


def test_dose_rates_are_named_and_other_maps_say_nothing():
    assert "dose rate of each image" in _rates(SimpleNamespace(facts={"integration": "dose-rate"}))
    plain = SimpleNamespace(facts={}, regions={"liver": SimpleNamespace(u_Gy=math.nan)})
    assert _rates(plain) == ""
    assert _transport_words(plain) == ""
