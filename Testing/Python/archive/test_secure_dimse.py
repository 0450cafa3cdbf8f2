"""DICOM over TLS: objects go to an archive whose certificate is trusted, and to no other; else a sentence says why."""

from __future__ import annotations

import json
import ssl
import subprocess

import pytest
from builders.other_programs import program
from builders.running_archives import free_port, needs_packages
from builders.small_results import write_results
from PRRTDosimetryLib.commands import main

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def certificate(place, name, subject_name):
    """A self-made certificate with its key."""
    key, cert = place / f"{name}.key", place / f"{name}.pem"
    subprocess.run(
        [
            *(
                program("openssl"),
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={subject_name}"),
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    place = tmp_path_factory.mktemp("certificates")
    return {
        name: certificate(place, name, where)
        for name, where in (("ours", "IP:127.0.0.1"), ("stranger", "IP:127.0.0.1"), ("elsewhere", "DNS:pacs.example"))
    }


def archive_with(key, cert, stored):
    """A storage and query service over TLS on a free port; it has no studies yet."""
    from pynetdicom import AE, evt

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    ours = AE(ae_title="SECURE")
    ours.add_supported_context(FIND)
    ours.add_supported_context(CAPTURE)

    def keep(event):
        stored.append(str(event.dataset.SOPInstanceUID))
        return 0

    handlers = [(evt.EVT_C_STORE, keep), (evt.EVT_C_FIND, lambda event: iter(()))]
    port = free_port()
    return ours.start_server(("127.0.0.1", port), block=False, ssl_context=context, evt_handlers=handlers), port


@pytest.fixture
def sent(tmp_path, certificates, monkeypatch, capsys):
    """Sends results to an archive with one certificate while another file is trusted."""
    needs_packages()
    results = write_results(tmp_path / "results", count=2)

    def run(own, trusted):
        stored = []
        server, port = archive_with(*certificates[own], stored)
        monkeypatch.setenv("PRRT_CA_FILE", str(trusted))
        try:
            words = ["send", str(results), "--to", f"tls:SECURE@127.0.0.1:{port}", "--no-report", "--json"]
            status = main(words)
        finally:
            server.shutdown()
        said = capsys.readouterr()
        return status, stored, said.out if not status else said.err.strip().splitlines()[-1]

    return run


def test_objects_arrive_over_TLS(sent, certificates):
    status, stored, said = sent("ours", certificates["ours"][1])
    assert status == 0
    objects = json.loads(said)["objects"]
    assert [one["status"] for one in objects] == ["sent", "sent"]
    assert sorted(stored) == sorted(one["instance_uid"] for one in objects)


@pytest.mark.slow
@pytest.mark.parametrize("own", ["stranger", "elsewhere"])
def test_a_certificate_that_is_not_trusted_or_of_another_machine_is_one_sentence(sent, certificates, own):
    status, stored, said = sent(own, certificates["ours" if own == "stranger" else own][1])
    assert (status, stored) == (1, [])
    assert "its certificate is not trusted (" in said
    assert "set PRRT_CA_FILE to the file of your hospital's authority" in said


@pytest.mark.slow
def test_an_archive_without_TLS_at_the_port_is_one_sentence(tmp_path, capsys):
    from pynetdicom import AE

    plain = AE(ae_title="PLAIN")
    plain.add_supported_context(FIND)
    port = free_port()
    server = plain.start_server(("127.0.0.1", port), block=False)
    server.socket.settimeout(2)
    try:
        results = write_results(tmp_path / "results", count=1)
        assert main(["send", str(results), "--to", f"tls:PLAIN@127.0.0.1:{port}", "--no-report"]) == 1
    finally:
        server.shutdown()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "does not speak TLS" in said or "does not answer" in said


@pytest.mark.parametrize("way", ["tls:SECURE@127.0.0.1:9", "https://pacs.example/dicom-web"])
def test_a_file_of_authorities_that_is_none_is_one_sentence(tmp_path, capsys, monkeypatch, way):
    needs_packages()
    results = write_results(tmp_path / "results", count=1)
    for path, why in ((tmp_path / "missing.pem", "No such file"), (results / "report.html", "no certificates")):
        monkeypatch.setenv("PRRT_CA_FILE", str(path))
        assert main(["send", str(results), "--to", way, "--no-report"]) == 1
        assert f"PRRT_CA_FILE names {path}, which cannot be used ({why}" in capsys.readouterr().err
