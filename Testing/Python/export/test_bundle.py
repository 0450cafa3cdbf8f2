"""Frozen bundles: they hold what was found, show when they were touched, come out again, and go out without names."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from builders.patient_fixture import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.export.bundle import read_bundle, write_bundle
from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.deidentify import Deidentifier
from PRRTUptakeLib.export.errors import BundleError, ExportError
from PRRTUptakeLib.export.pdf import find_converter, html_to_pdf
from PRRTUptakeLib.export.verify import _compare_tables
from PRRTUptakeLib.mrml.run import verify_case_bundle
from PRRTUptakeLib.study.measurements import COLUMNS, OPTIONAL_COLUMNS, Measurement, to_csv
from PRRTUptakeLib.vocabulary import METRICS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def results():
    return measured_patient()[0].parents[1] / "results"


@pytest.fixture(scope="module")
def bundle(results, tmp_path_factory):
    return write_bundle(results, tmp_path_factory.mktemp("bundle") / "frozen.zip")


@pytest.fixture(scope="module")
def anonymous(results, tmp_path_factory):
    return write_bundle(results, tmp_path_factory.mktemp("bundle") / "anonymous.zip", Deidentifier(KEY))


def objects(path):
    return {n: pydicom.dcmread(io.BytesIO(d)) for n, d in read_bundle(path).items() if n.endswith(".dcm")}


def changed(bundle, name, data, to):
    members = {**zip_members(bundle), name: data}
    with zipfile.ZipFile(to, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return to


def zip_members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_holds_the_results_and_is_the_same_each_time(bundle, results, tmp_path):
    members = read_bundle(bundle)
    for name in ("measurements.csv", "protocol.json", "provenance.json", "dicom/cycle_1_24h/SEG.dcm"):
        assert members[name] == (results / name).read_bytes()
    assert members["case.json"] == measured_patient()[0].read_bytes()
    assert write_bundle(results, tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_the_command_runs_a_bundle_again(bundle, capsys):
    assert main(["run", "--verify", str(bundle)]) == 0
    out = capsys.readouterr().out
    rows = csv.DictReader(read_bundle(bundle)["measurements.csv"].decode().splitlines())
    numbers = sum(bool(row[name]) for row in rows for name in ("value", *OPTIONAL_COLUMNS))
    assert f"verified: {numbers} numbers" in out


def test_a_touched_bundle_is_reported(bundle, tmp_path):
    table = read_bundle(bundle)["measurements.csv"].replace(b"tn_ratio,", b"tn_ratio,1", 1)
    touched = changed(bundle, "measurements.csv", table, tmp_path / "touched.zip")
    with pytest.raises(BundleError, match=r"not as it was frozen: measurements\.csv differs"):
        read_bundle(touched)
    with pytest.raises(BundleError, match=r"frozen: more\.txt was added"):
        read_bundle(changed(bundle, "more.txt", b"more", tmp_path / "more.zip"))
    with zipfile.ZipFile(tmp_path / "less.zip", "w") as archive:
        for name, data in zip_members(bundle).items():
            if not name.endswith("SR.dcm"):
                archive.writestr(name, data)
    with pytest.raises(BundleError, match=r"SR\.dcm is missing"):
        read_bundle(tmp_path / "less.zip")
    with pytest.raises(BundleError, match=r"cannot be read \(No such file"):
        read_bundle(tmp_path / "none.zip")
    with pytest.raises(BundleError, match="is not a bundle"):
        read_bundle(measured_patient()[0])


def test_a_number_that_does_not_come_out_again_is_reported(results, tmp_path, capsys):
    """The table was changed before it was frozen, so that the hashes agree: only the second run can show it."""
    forged = tmp_path / "forged"
    shutil.copytree(results, forged, ignore=shutil.ignore_patterns("dicom"))
    lines = (forged / "measurements.csv").read_text(encoding="utf-8").splitlines()
    row = next(n for n, line in enumerate(lines) if ",tn_ratio," in line)
    cells = lines[row].split(",")
    cells[9] = str(float(cells[9]) * 1.00001)
    lines[row] = ",".join(cells)
    (forged / "measurements.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    main(["bundle", str(forged), "-o", str(tmp_path / "b.zip")])
    assert main(["run", "--verify", str(tmp_path / "b.zip")]) == 1
    notes = capsys.readouterr().err.strip().splitlines()[-1]
    assert "NOT verified" in notes
    assert "tn_ratio" in notes


@pytest.mark.slow
def test_a_map_a_report_and_an_uncertainty_that_do_not_come_out_again_are_reported(results, tmp_path, capsys):
    """Each was changed before it was frozen; all three are reported in one run, the objects by name."""
    forged = tmp_path / "forged"
    shutil.copytree(results, forged)
    (folder,) = (forged / "dicom").iterdir()
    suv = pydicom.dcmread(folder / "SUV.dcm")
    values = np.frombuffer(suv.FloatPixelData, "<f4").copy()
    values[values.argmax()] *= 1.001
    suv.FloatPixelData = values.tobytes()
    suv.save_as(folder / "SUV.dcm")
    report = pydicom.dcmread(folder / "SR.dcm")
    number = next(one for one in report.iterall() if one.keyword == "FloatingPointValue")
    number.value *= 1.001
    report.save_as(folder / "SR.dcm")
    lines = (forged / "measurements.csv").read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ",0.5"
    (forged / "measurements.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = verify_case_bundle(write_bundle(forged, tmp_path / "b.zip")).differences
    assert len(found) == 3
    assert "(shared_uncertainty) was 0.5 and is absent" in found[0]
    assert any(f"in dicom/{folder.name}/SR.dcm was" in one for one in found)
    assert any(one.startswith(f"dicom/{folder.name}/SUV.dcm differs by up to") for one in found)


def test_a_bundle_of_an_older_build_is_compared_by_the_columns_that_it_has(tmp_path):
    row = Measurement("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 12.5, "1", 1.0, 10.0, 15.0)
    new = to_csv([row])
    old = "\n".join(line.rsplit(",", 3)[0] for line in new.splitlines()) + "\n"
    (tmp_path / "measurements.csv").write_text(new, encoding="utf-8")
    assert _compare_tables({"measurements.csv": old.encode()}, tmp_path, False) == (2, [])
    assert _compare_tables({"measurements.csv": new.encode()}, tmp_path, False) == (4, [])
    (tmp_path / "measurements.csv").write_text(to_csv([replace(row, upper_95=16.0)]), encoding="utf-8")
    assert _compare_tables({"measurements.csv": old.encode()}, tmp_path, False)[1] == []
    (notes,) = _compare_tables({"measurements.csv": new.encode()}, tmp_path, False)[1]
    assert "(upper_95) was 15.0 and is 16.0" in notes


def test_nobody_is_named_in_a_deidentified_bundle(anonymous, bundle):
    before, after = objects(bundle), objects(anonymous)
    patient = next(iter(before.values()))
    names = {str(patient.PatientID), *str(patient.PatientName).split("^"), patient.PatientBirthDate, patient.StudyDate}
    uids = {
        str(e.value)
        for ds in before.values()
        for e in ds.iterall()
        if e.VR == "UI" and e.keyword.endswith("InstanceUID")
    }
    content = b"".join(data for name, data in read_bundle(anonymous).items())
    words = content.split(b"PRRT")  # our own name is not the patient's
    for name in names - {"PRRT"}:
        assert not any(name.encode() in part for part in words), name
    assert not [uid for uid in uids if uid.encode() in content]
    assert "case.json" not in read_bundle(anonymous)
    for ds in after.values():
        assert (ds.PatientIdentityRemoved, ds.PatientBirthDate, ds.PatientSex) == ("YES", "", "")
        assert ds.PatientID == Deidentifier(KEY).subject(patient.PatientID)
        assert "PatientWeight" not in ds


def test_dates_are_shifted_together_and_references_still_agree(anonymous, bundle):
    before, after = objects(bundle), objects(anonymous)
    shifts = set()
    for name, ds in before.items():
        for keyword in ("StudyDate", "ContentDate", "SeriesDate"):
            shifts.add(day(ds[keyword].value) - day(after[name][keyword].value))
    assert len(shifts) == 1
    assert shifts.pop().days == Deidentifier(KEY).days(next(iter(before.values())).PatientID) >= 30
    seg, sr = (after[f"dicom/cycle_1_24h/{name}.dcm"] for name in ("SEG", "SR"))
    tracking = {str(item.TrackingUID) for item in seg.SegmentSequence}
    used = {str(e.value) for e in sr.iterall() if e.VR == "UI"}
    assert seg.SOPInstanceUID in used
    assert len(tracking & used) > 10
    assert (seg.SOPClassUID, seg.file_meta.MediaStorageSOPInstanceUID) == (
        before["dicom/cycle_1_24h/SEG.dcm"].SOPClassUID,
        seg.SOPInstanceUID,
    )


def day(value):
    from datetime import datetime

    return datetime.strptime(value, "%Y%m%d")


def test_deidentified_objects_are_valid(anonymous, tmp_path):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    for name, data in read_bundle(anonymous).items():
        if name.endswith(".dcm"):
            (tmp_path / "a.dcm").write_bytes(data)
            done = subprocess.run(["dciodvfy", tmp_path / "a.dcm"], capture_output=True, text=True, check=False)
            assert "Error" not in done.stdout + done.stderr, name


def test_a_deidentified_bundle_is_verified_with_the_case_at_hand(results, tmp_path, capsys):
    tables = tmp_path / "tables"
    shutil.copytree(results, tables, ignore=shutil.ignore_patterns("dicom"))
    anonymous = write_bundle(tables, tmp_path / "anonymous.zip", Deidentifier(KEY))
    assert main(["run", "--verify", str(anonymous)]) == 1
    assert "give the case file too" in capsys.readouterr().err
    assert main(["run", str(measured_patient()[0]), "--verify", str(anonymous)]) == 0
    rows = list(csv.DictReader(io.StringIO(read_bundle(anonymous)["measurements.csv"].decode())))
    assert {row["patient"] for row in rows} == {Deidentifier(KEY).subject(measured_patient()[1].input.patient)}


def test_a_key_file_is_made_once_and_kept(tmp_path):
    one, two = (Deidentifier.from_file(tmp_path / "key") for _ in range(2))
    assert one.subject("P01") == two.subject("P01") != Deidentifier.from_file(None).subject("P01")
    assert one.subject("P01") != one.subject("P02")
    (tmp_path / "short").write_text("00ff", encoding="ascii")
    with pytest.raises(ExportError, match="at least 16 bytes"):
        Deidentifier.from_file(tmp_path / "short")
    assert one.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"


def test_a_date_that_is_none_is_refused(results):
    ds = pydicom.dcmread(results / "dicom" / "cycle_1_24h" / "SR.dcm")
    ds.add_new("AcquisitionDate", "DA", "")
    ds["AcquisitionDate"]._value = "noon"
    with pytest.raises(ExportError, match="'noon', which is not a date"):
        Deidentifier(KEY).dataset(ds)


def test_what_cannot_be_bundled_is_reported_and_nothing_is_left(results, tmp_path, monkeypatch):
    with pytest.raises(BundleError, match="run the case first"):
        write_bundle(tmp_path, tmp_path / "a.zip")
    with pytest.raises(BundleError, match="choose another folder"):
        write_bundle(results, results / "report.html" / "a.zip")

    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(BundleError, match="No space left on device"):
        write_bundle(results, tmp_path / "new" / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_the_data_dictionary_describes_the_table(results):
    schema = json.loads((results / "measurements.schema.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader((results / "measurements.csv").open(encoding="utf-8")))
    fields = {field["name"]: field for field in schema["schema"]["fields"]}
    assert list(fields) == list(rows[0]) == list(COLUMNS)
    assert all(field["description"] for field in fields.values())
    keys = [tuple(row[name] for name in schema["schema"]["primaryKey"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        for name, field in fields.items():
            assert row[name] or not field["constraints"]["required"], (name, row)
            assert row[name] in field["constraints"].get("enum", [row[name]])
    metrics = {one["name"]: one["units"] for one in schema["metrics"]}
    for row in rows:
        assert row["unit"] in metrics[row["metric"].split(":")[0]]


def test_frictionless_finds_the_table_as_the_dictionary_says(results, tmp_path):
    """By the reference implementation of Frictionless Data; a letter in a number is found."""
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    found = frictionless.validate(results / "measurements.schema.json", type="resource")
    assert found.valid, found.flatten(["rowNumber", "fieldName", "message"])
    for name in ("measurements.csv", "measurements.schema.json"):
        shutil.copy(results / name, tmp_path)
    lines = (results / "measurements.csv").read_text(encoding="utf-8").splitlines()
    lines[4] = lines[4].replace(",1,", ",one,", 1)
    (tmp_path / "measurements.csv").write_text("\n".join(lines), encoding="utf-8")
    wrong = frictionless.validate(tmp_path / "measurements.schema.json", type="resource")
    assert wrong.flatten(["rowNumber", "fieldName", "type"]) == [[5, "cycle", "type-error"]]


def test_every_metric_of_a_run_is_described(results):
    schema = json.loads((results / "measurements.schema.json").read_text(encoding="utf-8"))
    assert {one["name"] for one in schema["metrics"]} <= set(METRICS)


def test_the_data_dictionary_names_metrics_that_it_does_not_know():
    row = Measurement("P", 1, "a", "CT", "r", "", "none", "", "new_word", 1.0, "mm")
    assert measurements_schema([row])["metrics"] == [{"name": "new_word", "units": ["mm"], "description": "new word"}]


def test_a_report_becomes_pdf(results, tmp_path):
    if not find_converter():
        pytest.skip("no converter to PDF (chromium, wkhtmltopdf, weasyprint) is installed")
    made = html_to_pdf(results / "report.html", tmp_path / "report.pdf")
    assert made.read_bytes().startswith(b"%PDF-")
    assert made.stat().st_size > 20_000


def test_pdf_states_what_is_missing(results, tmp_path, monkeypatch):
    with pytest.raises(ExportError, match="run the case first"):
        html_to_pdf(tmp_path / "none.html", tmp_path / "a.pdf")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="No converter to PDF is installed"):
        html_to_pdf(results / "report.html", tmp_path / "a.pdf")
    failing = tmp_path / "weasyprint"
    failing.write_text("#!/bin/sh\necho no fonts >&2\nexit 3\n", encoding="ascii")
    failing.chmod(0o755)
    with pytest.raises(ExportError, match=r"weasyprint could not convert .* \(no fonts\)"):
        html_to_pdf(results / "report.html", tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()
