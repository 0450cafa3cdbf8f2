"""Every object of every kind of synthetic patient, by programs and readers of others.

Long, therefore run by .ci/run; the quick tests of single objects are in test_dicom_results and test_dicom_exchange.
What is compared is read by pydicom, highdicom, dcmqi and frictionless alone, against the table of measurements.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders.other_programs import asked, program, running_archive
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.synthetic import cases as synthetic_case
from pydicom.sr._concepts_dict import concepts

pytestmark = pytest.mark.slow

KINDS = {
    "lutia": {"SEG", "SEG_fractions", "SR", "SUV"},
    "ia-versus-iv": {"SEG", "SEG_fractions", "SR", "SUV"},
    "serial": {"SEG", "SEG_fractions", "SR", "SUV", "RTDOSE", "TIA"},
}
WRITERS = {
    "lutia": synthetic_case.write_synthetic_lutia,
    "ia-versus-iv": synthetic_case.write_synthetic_ia_versus_iv,
    "serial": synthetic_case.write_synthetic_serial,
}
DOSES = {"kidney_left": 3.3, "spleen": 5.1, "L1": 9.2, "R1": 11.8}  # Gy, of the intravenous cycle


def asked_for_more(kind, content):
    """The case with all that it can have: dose map of two images, predicted doses."""
    if kind == "serial":
        return {**content, "visits": content["visits"][::2], "dosimetry": {"dose_map": "kernel"}}
    if kind == "ia-versus-iv":
        return {**content, "iv_cycle": {"activity_MBq": 7400, "dose_Gy": DOSES}}
    return content


# Of SNOMED CT, RFC 5646 and UMLS; the rest of what we use is in pydicom's own dictionary of PS3.16.
KNOWN_ELSEWHERE = {
    ("SCT", "48521005"): "Right lobe of liver",
    ("SCT", "69842003"): "Left lobe of liver",
    ("SCT", "71133005"): "Caudate lobe of liver",
    ("RFC5646", "en-US"): "English (United States)",
    ("UMLS", "C2348792"): "Time Point",
}


@pytest.fixture(scope="module", params=KINDS)
def results(request, tmp_path_factory):
    """Name of the kind and its folder of results."""
    place = tmp_path_factory.mktemp(request.param)
    case = WRITERS[request.param](place / "patient", seed=3)
    content = asked_for_more(request.param, json.loads(case.read_text(encoding="utf-8")))
    case.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(case), "-o", str(place / "out"), "--dicom"]) == 0
    return request.param, place / "out"


def objects(folder, kind="*"):
    return sorted((folder / "dicom").rglob(f"{kind}.dcm"))


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


def table(folder):
    with (folder / "measurements.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if ":" not in row["metric"]]


def test_every_kind_of_object_is_there(results):
    kind, folder = results
    assert {path.stem for path in objects(folder)} == KINDS[kind]


def test_dciodvfy_finds_no_error_in_any(results):
    tool = program("dciodvfy")
    for path in objects(results[1]):
        done = run(tool, path)
        wrong = [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Abort" in line]
        assert (done.returncode, wrong) == (0, []), path


def test_dsrdump_finds_no_error_in_any_report(results):
    tool = program("dsrdump")
    for path in objects(results[1], "SR"):
        done = run(tool, path)
        assert done.returncode == 0, path
        assert not [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))], path


def test_an_archive_returns_every_object_unchanged(results, tmp_path):
    with running_archive(tmp_path) as address:
        for path in objects(results[1]):
            notes = json.loads(asked(f"{address}/instances", path.read_bytes()))
            assert notes["Status"] == "Success", path
            assert asked(f"{address}/instances/{notes['ID']}/file") == path.read_bytes(), path


def numbers_of(content):
    """Every NUM item of a report: tracking id and UID of its group, value, unit (pydicom alone)."""
    for item in content:
        inner = item.get("ContentSequence", [])
        about = {str(one.ConceptNameCodeSequence[0].CodeValue): one for one in inner}
        if "112039" in about:
            for one in inner:
                if one.ValueType == "NUM":
                    measured = one.MeasuredValueSequence[0]
                    unit = str(measured.MeasurementUnitsCodeSequence[0].CodeValue)
                    yield about["112039"].TextValue, about["112040"].UID, float(measured.FloatingPointValue), unit
        else:
            yield from numbers_of(inner)


def test_reports_hold_the_table_under_the_tracking_uids_of_the_segments(results):
    tracking = {}
    for path in objects(results[1], "SEG*"):
        for item in pydicom.dcmread(path, stop_before_pixels=True).SegmentSequence:
            assert tracking.setdefault(str(item.TrackingID), item.TrackingUID) == item.TrackingUID
    found = Counter()
    for path in objects(results[1], "SR"):
        for name, uid, value, unit in numbers_of(pydicom.dcmread(path).ContentSequence):
            assert tracking.get(name, uid) == uid
            found[name, value, unit] += 1
    assert found == Counter((r["lesion"] or r["region"], float(r["value"]), r["unit"]) for r in table(results[1]))


def test_every_code_is_one_of_the_standard_or_declared(results):
    known = {(scheme, code) for scheme, words in concepts.items() for one in words.values() for code in one}
    for path in objects(results[1]):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        declared = {item.CodingSchemeDesignator for item in ds.get("CodingSchemeIdentificationSequence", [])}
        items = [item for element in ds.iterall() if element.VR == "SQ" for item in element.value]
        for item in (one for one in items if "CodeValue" in one):
            code = (item.CodingSchemeDesignator, item.CodeValue)
            if code[0] == "UCUM":
                assert code[1] in UNITS, (path, code)
            else:
                assert code in known or KNOWN_ELSEWHERE.get(code) == item.CodeMeaning or code[0] in declared, code


UNITS = {
    "1",
    "mL",
    "mm",
    "g",
    "h",
    "Gy",
    "MBq",
    "MBq.h",
    "MBq.h/ml",
    "Bq/ml",
    "g/ml{SUVbw}",
    "{SUVbw}g/ml",
    "{ratio}",
    "%",
}


def test_segments_have_their_volumes_by_highdicom_and_dcmqi(results, tmp_path):
    """To a thousandth for those that the measured image may cut off."""
    tool = program("segimage2itkimage")
    rows = {(r["region"], float(r["value"])) for r in table(results[1]) if r["metric"] == "volume"}
    for n, path in enumerate(objects(results[1], "SEG")):
        seg, out = highdicom.seg.segread(path), tmp_path / str(n)
        out.mkdir()
        assert run(tool, "--inputDICOM", path, "--outputDirectory", out, "-t", "nrrd").returncode == 0
        volume = seg.get_volume(combine_segments=False)
        for item in seg.SegmentSequence:
            name, number = item.SegmentLabel, int(item.SegmentNumber)
            mine = float(volume.array[..., number - 1].sum() * np.prod(volume.spacing) / 1000)
            image = sitk.ReadImage(str(out / f"{number}.nrrd"))
            theirs = np.count_nonzero(sitk.GetArrayViewFromImage(image)) * np.prod(image.GetSpacing()) / 1000
            assert theirs == pytest.approx(mine, rel=1e-6)
            notes = [value for region, value in rows if region == name]
            assert not notes or min(abs(value / mine - 1) for value in notes) < 3e-3, name


def test_dcmqi_reads_fractions_reports_and_maps(results, tmp_path):
    """Fractions sum to the volumes, and the programs stop at no object."""
    segments, report, maps = map(program, ("segimage2itkimage", "tid1500reader", "paramap2itkimage"))
    for path in objects(results[1], "SEG_fractions"):
        assert run(segments, "--inputDICOM", path, "--outputDirectory", tmp_path, "-t", "nrrd").returncode == 0
    for path in objects(results[1], "SR"):
        assert run(report, "--inputDICOM", path, "--outputMetadata", tmp_path / "sr.json").returncode == 0
        groups = json.loads((tmp_path / "sr.json").read_text(encoding="utf-8"))["Measurements"]
        values = {float(item["value"]) for group in groups for item in group["measurementItems"]}
        wanted = {one[2] for one in numbers_of(pydicom.dcmread(path).ContentSequence)}
        regional = {v for v in wanted if any(np.isclose(v, one, rtol=1e-9) for one in values)}
        assert len(regional) > 0.8 * len(wanted)  # groups without a segment are not in its list
    for path in (*objects(results[1], "SUV"), *objects(results[1], "TIA")):
        assert run(maps, "--inputDICOM", path, "--outputDirectory", tmp_path, "-t", "nrrd").returncode == 0


def test_the_table_is_as_its_dictionary_says(results):
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    found = frictionless.validate(results[1] / "measurements.schema.json", type="resource")
    assert found.valid, found.flatten(["rowNumber", "fieldName", "message"])


@pytest.mark.parametrize("results", ["serial"], indirect=True)
def test_a_bundle_of_it_comes_out_again(results, tmp_path, capsys):
    """Registration, fits and maps included, which the quick test of a bundle has not."""
    bundle = tmp_path / "b.zip"
    assert main(["bundle", str(results[1]), "-o", str(bundle)]) == 0
    assert main(["run", "--verify", str(bundle)]) == 0
    assert "The bundle is verified" in capsys.readouterr().out
