"""Archive, case, run, send, read: the numbers that come back are those of the direct run, for each design."""

from __future__ import annotations

import json

import pytest
from builders.coarse_patients import WRITERS, write_coarse
from builders.other_programs import asked
from builders.running_archives import fill_orthanc, needs_packages, orthanc
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.archive.answers import answer_case
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.table_file import read_table

pytestmark = pytest.mark.slow
KEYS = ("patient", "cycle", "visit", "image", "region", "role", "lobe", "lesion", "metric", "unit")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    needs_packages()
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


def numbers(results):
    rows = read_table(results / "measurements.csv", KEYS).rows
    return {tuple(row.text(key) for key in KEYS): row.text("value") for row in rows}


def as_a_person_adds(case, direct):
    """What no archive knows: where the lobes are parted."""
    content = json.loads(case.read_text(encoding="utf-8"))
    theirs = json.loads(direct.read_text(encoding="utf-8"))
    planes = {one["visit"]: one.get("lobe_plane") for one in theirs["visits"]}
    for visit in content["visits"]:
        if "segments" in visit and planes.get(visit["visit"]):
            visit["lobe_plane"] = planes[visit["visit"]]
    if "treated_lobe" in theirs:
        content["treated_lobe"] = theirs["treated_lobe"]
    case.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("kind", WRITERS)
def test_what_comes_back_from_the_archive_is_what_was_measured(archive, tmp_path, capsys, kind):
    direct = write_coarse(kind, tmp_path / "patient")
    assert main(["run", str(direct), "-o", str(tmp_path / "direct")]) == 0
    fill_orthanc_with_images(archive, tmp_path / "patient")
    patient = load_case(direct).patient
    case = tmp_path / "case.json"
    assert main(["case", archive.web, "-o", str(case), "--patient", patient, "--protocol", kind]) == 0
    assert answer_case(case) == 0
    as_a_person_adds(case, direct)
    results = tmp_path / "results"
    assert main(["run", str(case), "-o", str(results), "--dicom"]) == 0
    assert numbers(results) == numbers(tmp_path / "direct")
    assert len(numbers(results)) > 20

    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(b"%PDF-1.4\n%%EOF\n")
    send = ["send", str(results), "--to", archive.web, "--pdf", str(pdf), "--json"]
    capsys.readouterr()
    assert main(send) == 0
    first = json.loads(capsys.readouterr().out)["objects"]
    assert {one["status"] for one in first} == {"sent"}
    assert first[-1]["name"] == "report.html"
    assert main(send) == 0
    second = json.loads(capsys.readouterr().out)["objects"]
    assert {one["status"] for one in second} == {"already there"}
    assert [one["instance_uid"] for one in second] == [one["instance_uid"] for one in first]
    reports = [one for one in first if one["name"].endswith("SR.dcm")]
    assert reports
    for one in reports:
        compare_report(archive, one["instance_uid"], results, tmp_path, capsys)


def fill_orthanc_with_images(archive, folder):
    """The DICOM of a synthetic patient, which is next to its masks and case file."""
    for place in sorted(folder.rglob("*")):
        if place.is_dir() and (place.name == "DICOM" or place.name.endswith("-segments")):
            fill_orthanc(archive, place)


def compare_report(archive, instance, results, tmp_path, capsys):
    """What `prrt read` says of the report that the archive gives back is in the table of the run."""
    found = json.loads(asked(f"{archive.rest}/tools/lookup", instance.encode()))
    file = tmp_path / "back.dcm"
    file.write_bytes(asked(f"{archive.rest}/instances/{found[0]['ID']}/file"))
    capsys.readouterr()
    assert main(["read", str(file), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)["content"]
    rows = read_table(results / "measurements.csv", KEYS).rows
    known = {}
    for row in rows:
        name = row.text("lesion") or row.text("region")
        known.setdefault((name, row.text("metric"), row.text("unit")), set()).add(row.number("value"))
    assert len(content) > 10
    for one in content:
        assert one["value"] in known[one["region"], one["metric"], one["unit"]]
