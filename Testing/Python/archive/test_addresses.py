"""Addresses and passwords that are not usable end in one sentence, before anything is asked of an archive."""

from __future__ import annotations

import pytest
from builders.running_archives import needs_packages
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.archive.address import WebAddress, archive_address
from PRRTUptakeLib.archive.credentials import Credentials, credentials_for
from PRRTUptakeLib.archive.errors import ArchiveError

PACS = WebAddress("https://pacs.example/dicom-web")


def said_by(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://127.0.0.1:9/dicom-web", "does not answer"),
        ("NOBODY@127.0.0.1:9", "does not answer: check machine, port and network"),
        ("https://reader:word@pacs.example/dicom-web", "An address must not hold a name or password"),
        ("PACS@pacs.example:99999", "ports are from 1 to 65535"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(tmp_path, capsys, address, sentence):
    needs_packages()
    assert main(["case", address, "-o", str(tmp_path / "case.json"), "--patient", "PAT001"]) == 1
    said = said_by(capsys)
    assert sentence in said
    assert "word@" not in said


def test_a_password_does_not_travel_without_TLS(tmp_path, capsys, monkeypatch):
    needs_packages()
    monkeypatch.setenv("PRRT_ARCHIVE_USER", "reader")
    monkeypatch.setenv("PRRT_ARCHIVE_PASSWORD", "right-word")
    assert main(["case", "http://pacs.example/dicom-web", "-o", str(tmp_path / "c.json"), "--patient", "P"]) == 1
    assert "not protected by TLS" in said_by(capsys)


@pytest.mark.parametrize("words", ["/data/P01", "data", "C:\\data\\P01", "a@b", "x@host:port", "folder@host:"])
def test_paths_are_no_addresses(words):
    assert archive_address(words) is None


def test_a_secure_connection_is_part_of_the_address():
    assert archive_address("tls:PACS@pacs.example:2762").tls


def test_half_a_pair_is_refused():
    with pytest.raises(ArchiveError, match="PRRT_ARCHIVE_PASSWORD is not set"):
        credentials_for(PACS, {"PRRT_ARCHIVE_USER": "reader"})


def test_a_password_never_shows_itself():
    found = credentials_for(PACS, {"PRRT_ARCHIVE_USER": "reader", "PRRT_ARCHIVE_PASSWORD": "right-word"})
    assert found.password == "right-word"
    assert "right-word" not in repr(found)
    assert "right-word" not in repr(Credentials(token="right-word"))


def test_a_broken_netrc_file_is_named_without_its_content(tmp_path):
    file = tmp_path / "netrc"
    file.write_text("machine pacs.example login reader passwort right-word\n", encoding="ascii")
    file.chmod(0o600)
    with pytest.raises(ArchiveError, match="cannot be read as a netrc file") as refused:
        credentials_for(PACS, {"PRRT_NETRC": str(file)})
    assert "right-word" not in str(refused.value)


def test_a_machine_without_an_entry_has_no_password(tmp_path):
    file = tmp_path / "netrc"
    file.write_text("machine other.example login reader password right-word\n", encoding="ascii")
    assert not credentials_for(PACS, {"PRRT_NETRC": str(file)})
