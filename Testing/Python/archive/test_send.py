"""Results go into an archive once each, with a status, and never into the study of another patient."""

from __future__ import annotations

import contextlib
import json
import subprocess

import pydicom
import pytest
from builders.other_programs import asked, program
from builders.running_archives import dcmqrscp, free_port, needs_packages, orthanc, wait_for
from builders.small_archive import subject
from builders.small_results import PDF, write_results
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.archive.send import result_objects
from pydicom.uid import EncapsulatedPDFStorage


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    needs_packages()
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    needs_packages()
    with dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as running:
        yield running


def sent(results, address, capsys, status=0, *more):
    capsys.readouterr()
    words = ["send", str(results), "--to", address, "--pdf", str(results.parent / "report.pdf"), "--json", *more]
    assert main(words) == status
    said = capsys.readouterr()
    return [one["status"] for one in json.loads(said.out)["objects"]] if said.out else said.err.strip().splitlines()[-1]


def test_the_report_is_an_object_of_the_study_with_the_same_uid_each_time(tmp_path):
    results = write_results(tmp_path / "results")
    made = [result_objects(results, tmp_path / "report.pdf")[0][-1] for _ in range(2)]
    assert made[0].SOPClassUID == EncapsulatedPDFStorage
    assert made[0].SOPInstanceUID == made[1].SOPInstanceUID
    assert made[0].PatientID == "PAT001"
    assert bytes(made[0].EncapsulatedDocument).startswith(PDF)
    assert made[0].EncapsulatedDocumentLength == len(PDF)


def test_the_report_object_is_valid(tmp_path):
    tool = program("dciodvfy")
    results = write_results(tmp_path / "results")
    result_objects(results, tmp_path / "report.pdf")[0][-1].save_as(tmp_path / "r.dcm", enforce_file_format=True)
    checked = subprocess.run([tool, tmp_path / "r.dcm"], capture_output=True, text=True, check=False)
    assert "Error" not in checked.stderr, checked.stderr


def test_results_without_DICOM_are_one_sentence(tmp_path, capsys):
    (tmp_path / "results").mkdir()
    assert main(["send", str(tmp_path / "results"), "--to", "https://pacs.example/dicom-web"]) == 1
    assert "run the case with 'prrt run --dicom'" in capsys.readouterr().err


def test_nothing_is_sent_without_a_destination(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["send", str(write_results(tmp_path / "results"))])
    assert ended.value.code == 2
    assert main(["send", str(tmp_path / "results"), "--to", "somewhere"]) == 1
    assert "'somewhere' is no address" in capsys.readouterr().err


def test_anonymous_and_named_objects_are_not_sent_together(tmp_path, capsys):
    results = write_results(tmp_path / "results")
    one = next((results / "dicom").rglob("*.dcm"))
    ds = pydicom.dcmread(one)
    ds.PatientIdentityRemoved = "YES"
    ds.save_as(one)
    assert main(["send", str(results), "--to", "https://pacs.example/dicom-web"]) == 1
    assert "mixes de-identified and identified objects" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("way", ["web", "dimse"])
def test_a_second_sending_repeats_nothing_and_an_interrupted_one_goes_on(archive, tmp_path, capsys, way):
    results = write_results(tmp_path / "results", subject(1), count=2, study=way)
    address = getattr(archive, way)
    assert sent(results, address, capsys) == ["sent", "sent", "sent"]
    assert sent(results, address, capsys) == ["already there"] * 3
    uid = str(pydicom.dcmread(next((results / "dicom").rglob("object1.dcm"))).SOPInstanceUID)
    (known,) = json.loads(asked(f"{archive.rest}/tools/lookup", uid.encode()))
    delete(f"{archive.rest}/instances/{known['ID']}")
    assert sent(results, address, capsys) == ["already there", "sent", "already there"]


def delete(url):
    import urllib.request

    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=20):
        pass


@pytest.mark.slow
def test_dcmqrscp_takes_them_too(second, tmp_path, capsys):
    results = write_results(tmp_path / "results")
    assert sent(results, second.dimse, capsys) == ["sent"] * 4
    assert sent(results, second.dimse, capsys) == ["already there"] * 4


@pytest.mark.slow
def test_a_anonymous_result_never_enters_the_study_of_the_patient(archive, tmp_path, capsys):
    patient = write_results(tmp_path / "named" / "results", subject(3), count=1)
    assert sent(patient, archive.web, capsys) == ["sent", "sent"]
    anonymous = write_results(tmp_path / "anonymous" / "results", subject(77, "SUBJECT"), anonymous=True, count=1)
    for address in (archive.web, archive.dimse):
        said = sent(anonymous, address, capsys, status=1)
        assert "under another Patient ID: de-identified results do not go into it; nothing was sent" in said
    other = write_results(tmp_path / "other" / "results", subject(4), count=1)
    assert "results of patient 'PAT004' do not go into it" in sent(other, archive.web, capsys, status=1)


@contextlib.contextmanager
def store_only(place):
    """An archive that takes objects and answers no question (dcmtk's storescp)."""
    port = free_port()
    process = subprocess.Popen(
        [program("storescp"), "-od", place, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"STORE@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.slow
def test_an_archive_without_queries_gets_each_object_once_and_nothing_anonymous(tmp_path, capsys):
    needs_packages()
    place = tmp_path / "taken"
    place.mkdir()
    with store_only(place) as address:
        results = write_results(tmp_path / "results")
        assert sent(results, address, capsys) == ["sent"] * 4
        assert sent(results, address, capsys) == ["already there"] * 4
        assert len(list(place.iterdir())) == 4
        anonymous = write_results(tmp_path / "anonymous" / "results", anonymous=True)
        assert "cannot be asked whether the study" in sent(anonymous, address, capsys, status=1)
        assert len(list(place.iterdir())) == 4


@pytest.mark.slow
def test_what_an_archive_refuses_is_said_object_by_object(archive, tmp_path, capsys):
    results = write_results(tmp_path / "results", subject(9), count=1)
    path = next((results / "dicom").rglob("*.dcm"))
    ds = pydicom.dcmread(path)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.3.4"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    ds.StudyInstanceUID = "1.2.3.4.6"
    ds.save_as(path)
    statuses = sent(results, archive.dimse, capsys, 1, "--no-report")
    assert statuses == ["refused: the archive does not take 1.2.3.4"]
