"""What a run writes: nobody's name, id, date or UID in any byte with ``--deidentify``; Excel; all of it or nothing.

For a full disk the operating system refuses to write past a size that the test sets, in the middle of a file, so that
every library meets the failure in its own way.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.util import find_spec

import pydicom
import pytest
from builders.identity_search import everything, identifying
from builders.patient_fixture import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.selftest import self_test_checks
from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.export.deidentify import Deidentifier
from PRRTUptakeLib.export.deidentify_text import Identity
from PRRTUptakeLib.export.excel import write_excel
from PRRTUptakeLib.export.pdf import find_converter
from PRRTUptakeLib.study.measurements import COLUMNS, Measurement
from pydicom.dataset import Dataset

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

KEY = bytes(range(32))
TOO_LARGE = os.strerror(errno.EFBIG)
OPERATOR, SITE_ID = "Dr J. Roe", "Bordeaux-017"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the command writes for a patient whom the case file names otherwise than the DICOM."""
    place = tmp_path_factory.mktemp("run")
    case, _ = measured_patient()
    content = json.loads(case.read_text(encoding="utf-8"))
    visit = content["visits"][0]
    visit.update({key: str(case.parent / visit[key]) for key in ("dicom", "segments")})
    content["patient"] = SITE_ID
    (place / "case.json").write_text(json.dumps(content), encoding="utf-8")
    (place / "key").write_text(KEY.hex(), encoding="ascii")
    words = ["run", str(place / "case.json"), "-o", str(place / "out"), "--dicom", "--operator", OPERATOR]
    excel = ["--excel"] if find_spec("openpyxl") else []
    assert main([*words, *excel, "--deidentify", "--key", str(place / "key")]) == 0
    return place / "out"


def words_of_identity():
    """Every name, id, date and UID in the headers of the patient's images."""
    images = measured_patient()[1].images[0]
    headers = [header.dataset for one in (images.measured, images.contours) for header in one.headers]
    return identifying(headers, {OPERATOR, SITE_ID})


def test_no_byte_of_any_file_states_whose_results_they_are(folder):
    words = words_of_identity()
    assert len(words) > 50
    assert measured_patient()[1].input.patient in words
    for path in folder.rglob("*"):
        assert not [word for word in words if word in str(path.relative_to(folder))]
        if path.is_file():
            content = list(everything(path.read_bytes()))
            assert not [word for word in words if any(word.encode() in data for data in content)], path.name


def test_the_same_search_finds_them_where_they_are_left_in():
    """The search can fail: what was written without the option is full of them."""
    results = measured_patient()[0].parents[1] / "results"
    for name in ("report.html", "provenance.json", "patient.mrb", "dicom/cycle_1_24h/SEG.dcm"):
        content = list(everything((results / name).read_bytes()))
        assert [word for word in words_of_identity() if any(word.encode() in data for data in content)], name


def test_one_subject_shift_and_mapping_in_every_file(folder):
    key, (_, outcome) = Deidentifier(KEY), measured_patient()
    patient_id = outcome.images[0].measured.patient_id
    subject = key.subject(patient_id)
    with (folder / "measurements.csv").open(encoding="utf-8") as stream:
        assert {row["patient"] for row in csv.DictReader(stream)} == {subject}
    assert subject in (folder / "report.html").read_text(encoding="utf-8")
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert facts["deidentified"]
    assert "case" not in facts["parameters"]
    assert [one["uid"] for one in facts["series"]] == [
        key.uid(outcome.images[0].measured.uid),
        key.uid(outcome.images[0].contours.uid),
    ]
    scanned = outcome.contents[0].volumes[0][1].reference_time - timedelta(days=key.days(patient_id))
    assert f"The values hold at {scanned.isoformat()}." in facts["series"][0]["decisions"]
    for path in (folder / "dicom").rglob("*.dcm"):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        assert (ds.PatientID, ds.PatientName) == (subject, subject)
        assert ds.StudyInstanceUID == key.uid(outcome.images[0].measured.study_uid)
        shifted = datetime.strptime(ds.StudyDate, "%Y%m%d") + timedelta(days=key.days(patient_id))
        assert shifted.strftime("%Y%m%d") == outcome.images[0].measured.headers[0].dataset.StudyDate
        assert (ds.PatientIdentityRemoved, ds.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
        codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113104", "113105", "113107"]


def test_segments_measurements_and_maps_still_refer_to_each_other(folder):
    key, (_, outcome) = Deidentifier(KEY), measured_patient()
    objects = {path.stem: pydicom.dcmread(path) for path in (folder / "dicom").rglob("*.dcm")}
    assert set(objects) == {"SEG", "SEG_fractions", "SR", "SUV"}
    tracking = {str(item.TrackingUID) for item in objects["SEG"].SegmentSequence}
    used = {str(e.value) for e in objects["SR"].iterall() if e.VR == "UI"}
    assert objects["SEG"].SOPInstanceUID in used
    assert tracking <= used
    for name, image in (("SEG", outcome.images[0].contours), ("SUV", outcome.images[0].measured)):
        assert objects[name].ReferencedSeriesSequence[0].SeriesInstanceUID == key.uid(image.uid)


def test_validators_find_no_error_in_them(folder):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    for path in (folder / "dicom").rglob("*.dcm"):
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), (path.name, done.stderr)


def test_the_numbers_are_those_of_the_run_with_names(folder):
    rows = list(csv.DictReader((folder / "measurements.csv").open(encoding="utf-8")))
    named = measured_patient()[1].rows
    assert [(row["region"], row["metric"], float(row["value"])) for row in rows] == [
        (row.region, row.metric, row.value) for row in named
    ]


def test_a_bundle_of_it_says_so_and_is_not_cleaned_twice(folder, tmp_path, capsys):
    assert main(["bundle", str(folder), "-o", str(tmp_path / "a.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["deidentified"] is True
        assert "case.json" not in archive.namelist()
    assert main(["bundle", str(folder), "-o", str(tmp_path / "b.zip"), "--deidentify"]) == 1
    assert "is de-identified already" in capsys.readouterr().err
    assert not (tmp_path / "b.zip").exists()


def test_a_key_without_the_option_is_wrong_use(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "case.json", "-o", str(tmp_path / "out"), "--key", str(tmp_path / "key")])
    assert ended.value.code == 2
    assert "--key goes with --deidentify" in capsys.readouterr().err


def test_text_is_cleared_of_names_ids_dates_and_uids():
    ds = Dataset()
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.StudyDate = "12345", "Jansen^Max", "19590102", "20240307"
    cleaner = Deidentifier(KEY).cleaner(Identity.of([ds], "UMC-7"))
    who = cleaner.subject
    assert cleaner.text("Jansen, Max: jansen_liver of UMC-7") == f"{who}: {who}_liver of {who}"
    assert cleaner.text("Jansens 912345") == "Jansens 912345"  # another name and another number
    assert cleaner.text("suv_max") == "suv_max"  # a given name that is a word of ours cannot be distinguished from it
    day = (datetime(2024, 3, 7) - cleaner.shift).date()
    assert cleaner.text("at 2024-03-07T10:10:00+01:00, 20240307") == f"at {day}T10:10:00+01:00, {day:%Y%m%d}"
    assert cleaner.text("2024-13-77, version 3.11.7") == "2024-13-77, version 3.11.7"
    uid = "1.2.826.0.1.3680043.8.498.1234567"
    assert cleaner.text(f"series {uid}.") == f"series {Deidentifier(KEY).uid(uid)}."
    picture = '<img src="data:image/png;base64,AB12345/Jansen" aria-label="Jansen: CT">12345</img>'
    assert cleaner.html(picture) == (
        f'<img src="data:image/png;base64,AB12345/Jansen" aria-label="{who}: CT">{who}</img>'
    )


def test_names_are_found_however_they_are_spelt():
    ds = Dataset()
    ds.PatientID, ds.PatientName = "123", "Müller-Lüdenscheidt^Jörg"
    ds.PerformingPhysicianName, ds.InstitutionName = "O'Brien^Ann", "Klinikum St. Ägidius"
    ds.PatientBirthDate = "19481231"
    with pytest.warns(UserWarning, match="Invalid value"):
        ds.StudyDate = "00000000"  # no date, and not looked for
    cleaner = Deidentifier(KEY).cleaner(Identity.of([ds]))
    who, born = cleaner.subject, datetime(1948, 12, 31) - cleaner.shift
    for text in (
        "Müller-Lüdenscheidt, Jörg",
        "Herr Müller",
        "Mueller-Luedenscheidt",
        "MULLER",
        "Mu\u0308ller",
        "Joerg",
    ):
        assert who in cleaner.text(text)
        assert not [word for word in ("ller", "denscheidt", "rg") if word in cleaner.text(text).lower()], text
    assert cleaner.html("<p>O&#x27;Brien of Klinikum St. Agidius</p>") == f"<p>{who} of {who}</p>"
    assert cleaner.text("31.12.1948, 12/31/1948") == f"{born:%d.%m.%Y}, {born:%m/%d/%Y}"
    assert cleaner.text("0.123 Gy, 123.5 mL, no. 123") == f"0.123 Gy, 123.5 mL, no. {who}"  # an id in digits


@pytest.mark.slow
def test_nobody_is_named_in_a_folder_or_segment(tmp_path):
    """The operator typed the name into a visit's name, and into the label of a segment."""
    case, outcome = measured_patient()
    seg = pydicom.dcmread(case.parents[1] / "results" / "dicom" / "cycle_1_24h" / "SEG.dcm")
    name = str(outcome.images[0].measured.headers[0].dataset.PatientName).split("^")[1]
    seg.SegmentSequence[0].SegmentLabel = seg.SegmentSequence[0].TrackingID = f"aorta of {name}"
    seg.save_as(tmp_path / f"{name}.dcm")
    content = json.loads(case.read_text(encoding="utf-8"))
    visit = content["visits"][0]
    visit.update(dicom=str(case.parent / visit["dicom"]), segments=f"{name}.dcm", visit=f"24h ({name})")
    (tmp_path / "case.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(tmp_path / "case.json"), "-o", str(tmp_path / "out"), "--dicom", "--deidentify"]) == 0
    for path in (tmp_path / "out").rglob("*"):
        assert name not in str(path.relative_to(tmp_path))
        if path.is_file():
            assert not [data for data in everything(path.read_bytes()) if name.encode() in data], path.name


def test_a_bundle_takes_the_names_from_the_images_that_were_measured(tmp_path, capsys):
    """Without DICOM results nothing else states them; where the images are gone too, it is refused."""
    case, outcome = measured_patient()
    name = str(outcome.images[0].measured.headers[0].dataset.PatientName).split("^")[1]
    results = tmp_path / "results"
    shutil.copytree(case.parents[1] / "results", results, ignore=shutil.ignore_patterns("dicom"))
    table = (results / "measurements.csv").read_text(encoding="utf-8")
    (results / "measurements.csv").write_text(table.replace(",spleen,", f",spleen {name},"), encoding="utf-8")
    assert main(["bundle", str(results), "-o", str(tmp_path / "a.zip"), "--deidentify"]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        cleaned = archive.read("measurements.csv").decode()
    assert name not in cleaned
    values = [[row["value"] for row in csv.DictReader(io.StringIO(one))] for one in (table, cleaned)]
    assert values[0] == values[1]
    facts = (results / "provenance.json").read_text(encoding="utf-8")
    (results / "provenance.json").write_text(facts.replace(case.as_posix(), "/gone/case.json"), encoding="utf-8")
    capsys.readouterr()
    assert main(["bundle", str(results), "-o", str(tmp_path / "b.zip"), "--deidentify"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "Nothing states the patient's name" in line
    assert not (tmp_path / "b.zip").exists()


def test_excel_holds_the_numbers_as_numbers_and_text_as_text(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    rows = [
        Measurement(
            "=cmd|' /C calc'!A0", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 7.25, "1", 0.5, 6.5, 8.0
        ),
        Measurement("P01", 2, "24h", "SPECT", "spleen", "organ", "none", "", "mean", 1e-3, "Bq/ml"),
    ]
    write_excel(rows, tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["measurements", "dictionary"]
    shown = list(book["measurements"].iter_rows(values_only=True))
    assert shown[0] == COLUMNS
    assert shown[1] == (
        "=cmd|' /C calc'!A0",
        1,
        "24h",
        "SPECT",
        "L1",
        "target",
        "left",
        "L1",
        "tn_ratio",
        7.25,
        "1",
        0.5,
        6.5,
        8.0,
        None,
    )
    assert shown[2][9:] == (0.001, "Bq/ml", None, None, None, None)
    assert book["measurements"]["A2"].data_type == "s"  # a name is never a formula
    explained = {row[1]: row[3] for row in book["dictionary"].iter_rows(values_only=True)}
    assert set(COLUMNS) | {"tn_ratio", "mean"} <= set(explained)
    write_excel(rows, tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_the_command_writes_excel(folder):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    shown = list(openpyxl.load_workbook(folder / "measurements.xlsx")["measurements"].iter_rows(values_only=True))
    rows = list(csv.reader((folder / "measurements.csv").open(encoding="utf-8")))
    assert len(shown) == len(rows)
    for cells, row in zip(shown[1:], rows[1:], strict=True):
        assert isinstance(cells[9], (int, float))
        assert cells[9] == pytest.approx(float(row[9]), rel=1e-14)  # openpyxl writes 16 digits
        assert [str(cell or "") for cell in cells[2:9]] == row[2:9]


def test_excel_without_openpyxl_is_reported_before_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    monkeypatch.setattr("PRRTUptakeLib.export.excel.find_spec", lambda name: None)
    case, _ = measured_patient()
    assert main(["run", str(case), "-o", str(tmp_path / "out"), "--excel"]) == 1
    note = capsys.readouterr().err.strip().splitlines()
    assert note == ["prrt run: A table for Excel needs the package openpyxl: install it, or use measurements.csv."]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_up_to(size):
    """No file may grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def place(tmp_path):
    """A folder for results alone."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.mark.parametrize(
    ("size", "words", "named"),
    [
        (1_000_000, ["--dicom"], "SEG.dcm was not written"),
        (20_000, [], "failed"),
    ],
    ids=["dicom", "tables"],
)
def test_a_run_writes_all_or_nothing(place, capsys, size, words, named):
    case, _ = measured_patient()
    capsys.readouterr()
    with files_up_to(size):
        assert main(["run", str(case), "-o", str(place / "new" / "out"), *words]) == 1
    (notes,) = [line for line in capsys.readouterr().err.splitlines() if line and not line.startswith("[")]
    assert notes.startswith("prrt run: ")
    assert named in notes
    assert list(place.iterdir()) == []


def test_results_of_an_earlier_run_stay(place, capsys):
    case, _ = measured_patient()
    shutil.copytree(case.parents[1] / "results", place / "out", ignore=shutil.ignore_patterns("dicom"))
    before = {path.name: path.read_bytes() for path in (place / "out").iterdir()}
    capsys.readouterr()
    with files_up_to(len(before["patient.mrb"]) - 1000):
        assert main(["run", str(case), "-o", str(place / "out")]) == 1
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line and not line.startswith("[")]
    assert note.endswith("patient.mrb: is the disk full?")
    assert {path.name: path.read_bytes() for path in (place / "out").iterdir()} == before
    assert [path.name for path in place.iterdir()] == ["out"]


def commands(results, place):
    yield ["bundle", str(results), "-o", str(place / "a.zip")]
    yield ["bundle", str(results), "-o", str(place / "a.zip"), "--deidentify"]
    yield ["selftest", "--html", str(place / "a.html")]
    yield ["demo", "-o", str(place / "demo")]
    yield ["cohort", str(measured_patient()[0].parent), "-o", str(place / "cohort")]
    yield ["run", str(results / "none.json"), "-o", str(place / "out"), "--deidentify", "--key", str(place / "key")]
    if find_converter():
        yield ["pdf", str(results / "report.html"), "-o", str(place / "a.pdf")]


def test_every_other_file_is_whole_or_not_there(place, capsys, monkeypatch):
    monkeypatch.setattr(self_test_checks, "GROUPS", {"SUV": self_test_checks.suv_checks})
    results = measured_patient()[0].parents[1] / "results"
    for words in commands(results, place):
        if words[0] == "cohort":
            continue  # keeps the patients that are done, and reports each that is not
        limit = 20 if words[0] in ("run", "selftest") else 4_000
        if words[0] == "pdf":
            continue  # the converter itself would be refused; its copy is written as the others are
        capsys.readouterr()
        with files_up_to(limit):
            assert main(words) == 1, words
        notes = [line for line in capsys.readouterr().err.splitlines() if line and not line.startswith("[")]
        assert len(notes) == 1, (words, notes)
        assert TOO_LARGE in notes[0], words
        assert list(place.iterdir()) == [], words


def test_a_folder_that_cannot_be_written_to_is_reported(place, capsys, monkeypatch):
    """Root may write everywhere, so that a file is where the folder should be."""
    monkeypatch.setattr(self_test_checks, "GROUPS", {"SUV": self_test_checks.suv_checks})
    results = measured_patient()[0].parents[1] / "results"
    blocked = place / "file"
    blocked.write_text("mine", encoding="ascii")
    for words in commands(results, blocked):
        assert main(words) == 1, words
        notes = [line for line in capsys.readouterr().err.splitlines() if line and not line.startswith("[")]
        assert len(notes) == 1, (words, notes)
        assert str(blocked) in notes[0], words
    assert [path.name for path in place.iterdir()] == ["file"]
    assert blocked.read_text(encoding="ascii") == "mine"


def test_the_reason_is_found_behind_a_traceback():
    wrapped = OSError("With tag (7FE0,0010) got exception\nTraceback (most recent call last):\n  ...")
    wrapped.__cause__ = OSError(28, "No space left on device")
    assert reason(wrapped) == "No space left on device"
    assert reason(OSError("first\nsecond")) == "first"
