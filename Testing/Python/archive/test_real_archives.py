"""Cases from real archives: Orthanc by DICOMweb and DIMSE, dcmqrscp by DIMSE; interrupted, refused, full."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import sys

import pydicom
import pytest
from builders.running_archives import dcmqrscp, fill_by_dimse, fill_orthanc, free_port, needs_packages, orthanc
from builders.small_archive import another_person, subject, write_therapy
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.archive import download as downloading
from PRRTUptakeLib.archive.address import archive_address
from PRRTUptakeLib.archive.download import RECORD, download
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.reach import archive_at
from PRRTUptakeLib.study.case import load_case

pytestmark = pytest.mark.slow
OWN_PORT = free_port()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Five patients, two of one name, four visits each with distractors; the truth of the first."""
    needs_packages()
    place = tmp_path_factory.mktemp("cohort")
    truth = write_therapy(place / "1", subject(1), cycles=(1, 2), hours=(24.0, 96.0))
    people = [another_person(subject(1), 2), *(subject(n, f"Patient^{n}") for n in (3, 4, 5))]
    for n, who in enumerate(people, start=2):
        write_therapy(place / str(n), who, cycles=(1, 2), hours=(24.0, 96.0), distractors=False)
    return place, truth


@pytest.fixture(scope="module")
def archive(cohort, tmp_path_factory):
    with orthanc(tmp_path_factory.mktemp("orthanc"), own_port=OWN_PORT) as running:
        fill_orthanc(running, cohort[0])
        yield running


@pytest.fixture(scope="module")
def second(cohort, tmp_path_factory):
    with dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as running:
        fill_by_dimse(running.dimse, cohort[0] / "1")
        yield running


def case_of(address, tmp_path, *more):
    case = tmp_path / "case.json"
    assert main(["case", address, "-o", str(case), "--patient", "PAT001", "--protocol", "lutia", *more]) == 0
    return case


def same_as_from_the_folder(case, cohort, tmp_path):
    """The case is that of the folder: the same visits and the same images, pixel by pixel."""
    direct = tmp_path / "direct" / "case.json"
    assert main(["case", str(cohort[0] / "1"), "-o", str(direct), "--protocol", "lutia"]) == 0
    ours, theirs = load_case(case), load_case(direct)
    assert [(one.cycle, one.visit, one.drawn_on) for one in ours.visits] == [
        (one.cycle, one.visit, one.drawn_on) for one in theirs.visits
    ]
    for one, other in zip(ours.visits, theirs.visits, strict=True):
        assert contents(one.dicom) == contents(other.dicom)


def contents(folder):
    found = (pydicom.dcmread(path) for path in folder.rglob("*.dcm"))
    return {
        str(one.SOPInstanceUID): (str(one.SeriesInstanceUID), hashlib.sha256(one.PixelData).hexdigest())
        for one in found
    }


def test_a_case_by_DICOMweb_is_that_of_the_folder(archive, cohort, tmp_path, capsys):
    case = case_of(archive.web, tmp_path)
    same_as_from_the_folder(case, cohort, tmp_path)
    assert not (tmp_path / "case_received").exists()
    assert "SR series" in capsys.readouterr().out  # what was not fetched is said
    assert json.loads(case.read_text(encoding="utf-8"))["notes"]["assembled"]["source"] == archive.web


def test_a_case_by_C_GET_is_that_of_the_folder(archive, cohort, tmp_path):
    same_as_from_the_folder(case_of(archive.dimse, tmp_path), cohort, tmp_path)


def test_a_case_by_C_MOVE_is_that_of_the_folder(archive, cohort, tmp_path):
    same_as_from_the_folder(case_of(archive.dimse, tmp_path, "--listen", str(OWN_PORT)), cohort, tmp_path)


def test_a_case_from_another_archive_is_that_of_the_folder(second, cohort, tmp_path):
    same_as_from_the_folder(case_of(second.dimse, tmp_path), cohort, tmp_path)


def test_patients_of_one_name_stay_apart(archive, tmp_path):
    out = tmp_path / "cohort"
    names = ["PAT001", "PAT002", "PAT005"]
    assert main(["case", archive.web, "--cohort", "-o", str(out), "--patient", *names, "--protocol", "lutia"]) == 0
    for name in names:
        case = load_case(out / name / "case.json")
        assert case.expected_patient_id == name
        assert len(case.visits) == 4
        found = {str(pydicom.dcmread(path).PatientID) for one in case.visits for path in one.dicom.rglob("*.dcm")}
        assert found == {name}


def test_an_interrupted_download_goes_on_where_it_was(cohort, tmp_path, monkeypatch):
    ports = free_port(), free_port()
    place = tmp_path / "orthanc"
    case = tmp_path / "case.json"
    kept = []
    with orthanc(place, ports=ports) as running:
        fill_orthanc(running, cohort[0] / "1")
        real = downloading._keep

        def until_it_dies(*arguments):
            if len(kept) == 9:
                running.stop()
            kept.append(real(*arguments))
            return kept[-1]

        monkeypatch.setattr(downloading, "_keep", until_it_dies)
        words = ["case", running.web, "-o", str(case), "--patient", "PAT001", "--protocol", "lutia"]
        assert main(words) == 1
    received = tmp_path / "case_received"
    first = (received / RECORD).read_text(encoding="utf-8").splitlines()
    assert len(first) >= 9
    broken = received / json.loads(first[0])["file"]
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")  # what a failing disk does is fetched again
    kept.clear()
    monkeypatch.setattr(downloading, "_keep", lambda *arguments: kept.append(real(*arguments)) or kept[-1])
    with orthanc(place, ports=ports) as running:
        assert main(words) == 0
    total = len([one for one in (cohort[0] / "1").rglob("I*") if pydicom.dcmread(one).Modality in ("CT", "NM")])
    assert len(kept) == total - len(first) + 1
    same_as_from_the_folder(case, cohort, tmp_path)


def said_by(capsys):
    """The one sentence that a failing command ends with."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("prrt "), lines
    assert "Traceback" not in "\n".join(lines)
    return lines[-1]


def test_a_wrong_password_is_one_sentence_and_never_shown(cohort, tmp_path, capsys, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    words = ["-o", str(tmp_path / "case.json"), "--patient", "PAT001", "--protocol", "lutia"]
    with orthanc(tmp_path / "orthanc", users={"reader": "right-word"}) as running:
        monkeypatch.setenv("PRRT_ARCHIVE_USER", "reader")
        monkeypatch.setenv("PRRT_ARCHIVE_PASSWORD", "wrong-word")
        assert main(["case", running.web, *words]) == 1
        assert "refuses the name or password (HTTP 401)" in said_by(capsys)
        monkeypatch.setenv("PRRT_ARCHIVE_PASSWORD", "right-word")
        assert main(["case", running.web, *words]) == 1  # let in, but the archive is empty
        assert "no images of the Patient ID 'PAT001'" in said_by(capsys)
    for word in ("right-word", "wrong-word"):
        assert word not in caplog.text
        assert not any(word.encode() in path.read_bytes() for path in tmp_path.rglob("*received*") if path.is_file())


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_a_netrc_file_is_used_only_if_nobody_else_can_read_it(tmp_path, capsys, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login reader password right-word\n", encoding="ascii")
    monkeypatch.setenv("PRRT_NETRC", str(file))
    words = ["-o", str(tmp_path / "case.json"), "--patient", "PAT001"]
    needs_packages()
    with orthanc(tmp_path / "orthanc", users={"reader": "right-word"}) as running:
        file.chmod(0o644)
        assert main(["case", running.web, *words]) == 1
        assert "can be read by others: run 'chmod 600" in said_by(capsys)
        file.chmod(0o600)
        assert main(["case", running.web, *words]) == 1
        assert "no images of the Patient ID" in said_by(capsys)


def test_unknown_titles_are_one_sentence(archive, second, tmp_path, capsys, monkeypatch):
    words = ["-o", str(tmp_path / "case.json"), "--patient", "PAT001"]
    assert main(["case", archive.dimse.replace("ORTHANC", "NOBODY"), *words]) == 1
    assert "rejects the connection of PRRT" in said_by(capsys)
    assert main(["case", second.dimse.replace("ARCHIVE", "NOBODY"), *words]) == 1
    assert "rejects the connection of PRRT" in said_by(capsys)
    words += ["--listen", str(OWN_PORT), "--aet", "STRANGER"]
    assert main(["case", archive.dimse, *words]) == 1
    assert "has its administrator entered the title STRANGER" in said_by(capsys)


def test_a_full_disk_is_one_sentence_and_what_came_is_kept(archive, tmp_path, capsys, monkeypatch):
    real, count = downloading._keep, []

    def full(*arguments):
        count.append(1)
        if len(count) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(downloading, "_keep", full)
    words = ["case", archive.web, "-o", str(tmp_path / "case.json"), "--patient", "PAT001", "--protocol", "lutia"]
    assert main(words) == 1
    assert "No space left on device): make room, then run the same command again" in said_by(capsys)
    assert len((tmp_path / "case_received" / RECORD).read_text(encoding="utf-8").splitlines()) == 5


def test_an_archive_wants_the_patient_named(archive, tmp_path, capsys):
    assert main(["case", archive.web, "-o", str(tmp_path / "case.json")]) == 1
    assert "name the one that you want by --patient ID, or several by --cohort" in said_by(capsys)


def test_letters_that_stand_for_any_find_nobody(archive, tmp_path):
    reached = archive_at(archive_address(archive.web))
    with pytest.raises(ArchiveError, match=r"no images of the Patient ID 'PAT\*'"):
        download(reached, ["PAT*"], tmp_path / "received")


def test_a_folder_of_another_download_is_not_mixed_in(archive, tmp_path):
    reached = archive_at(archive_address(archive.web))
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / "source.json").write_text('{"source": "https://other.example"}', encoding="utf-8")
    (tmp_path / "received" / RECORD).write_text("{}\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match=r"holds images from https://other.example"):
        download(reached, ["PAT001"], tmp_path / "received")
