"""Isodose levels as they are typed in the panel."""

from __future__ import annotations

import pytest
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.isodose import levels_from_text


def test_levels_are_separated_by_spaces_or_commas():
    assert levels_from_text(" 5, 10 20,40 ") == (5.0, 10.0, 20.0, 40.0)
    assert levels_from_text("  ") == ()


@pytest.mark.parametrize("text", ["5 x", "0", "-3", "5 5", "inf", "nan"])
def test_what_is_no_dose_is_refused_by_its_word(text):
    with pytest.raises(DoseError, match=text.split()[-1]):
        levels_from_text(text)
