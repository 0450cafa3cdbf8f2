"""Names, ids and dates in prose: whatever form somebody typed them in, they do not go out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from PRRTUptakeLib.export.deidentify import Deidentifier
from PRRTUptakeLib.export.deidentify_dates import DateShift
from PRRTUptakeLib.export.deidentify_text import Identity
from pydicom.dataset import Dataset

SHIFT = DateShift(timedelta(days=366), frozenset(["20240417"]))


@pytest.mark.parametrize(
    "form",
    [
        "%d.%m.%Y",
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%Y_%m_%d",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%Y%m%d",
        "%d.%m.%y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%Y%m%d123456",
        "%Y%m%d123456.000000",
        "%d%m%Y",
    ],
)
def test_a_known_date_is_moved_in_the_form_in_which_it_was_written(form):
    day = datetime(2024, 4, 17)
    assert SHIFT.text(f"SPECT {day:{form}} 24h") == f"SPECT {day - SHIFT.shift:{form}} 24h"


@pytest.mark.parametrize(
    "written",
    [
        "17 Apr 2024",
        "17-APR-2024",
        "April 17, 2024",
        "Apr 17 2024",
        "17. April 2024",
        "17 avril 2024",
        "17APR2024",
        "17. März 2024",
        "17 août 2024",
        "17 dic 2024",
        "17 mei 2024",
        "Oct 17th, 2024",
        "17.4.2024",
        "2024-4-17",
        "16.05.2024",
        "2023/11/02",
    ],
)
def test_any_date_with_a_full_year_is_moved(written):
    found = SHIFT.text(f"seen {written}.")
    assert "2024" not in found.replace("17 April 2023", "")
    assert re.search(r"20(23|22)", found)


@pytest.mark.parametrize(
    "text",
    [
        "170424 counts",
        "1.2.3.4",
        "EJNMMI 2024;51:1121",
        "doi:10.1016/j.ejca.2008.10.02",
        "16.04.24",
        "12.2024",
        "3/4",
        "45.13.2024",
        "2024 patients",
        "window 0 to 20240417.5 Bq/ml",
    ],
)
def test_what_is_no_date_of_the_patient_stays(text):
    assert SHIFT.text(text) == text


def test_names_without_a_space_and_ids_behind_letters_are_found():
    ds = Dataset()
    ds.PatientID, ds.PatientName = "0012345", "Müller^Hans"
    cleaner = Deidentifier(b"x" * 32).cleaner(Identity.of([ds]))
    subject = cleaner.subject
    for text in ("HansMueller", "MuellerHans", "Müller's", "ID12345", "MRN00012345", "Hans_Müller"):
        assert set(re.sub(f"{subject}|_|ID|MRN", "", cleaner.text(text))) == set(), text
    for text in ("912345", "0.12345", "12345.6"):
        assert cleaner.text(text) == text
