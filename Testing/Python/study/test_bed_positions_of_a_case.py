"""Two bed positions in the folder of a visit are measured as the whole scan; what is no bed position is not joined."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from builders.patient_fixture import measured_patient
from PRRTUptakeLib.dicom.bed_positions import continue_each_other
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.export.dicom_results import write_dicom
from PRRTUptakeLib.mrml.run import measure_case
from PRRTUptakeLib.mrml.segmentations import read_segmentation_file
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.check import check_case
from PRRTUptakeLib.study.errors import ImageError
from PRRTUptakeLib.study.images import emission_series
from PRRTUptakeLib.study.inputs import study_input
from PRRTUptakeLib.study.model import CONCENTRATION
from pydicom.uid import generate_uid


def part(path, whole, first, last):
    """Planes ``first`` to ``last`` (excluded) of an NM tomogram as a series of its own."""
    ds = pydicom.dcmread(whole)
    frames = np.frombuffer(ds.PixelData, np.uint16).reshape(-1, ds.Rows, ds.Columns)[first:last]
    detector = ds.DetectorInformationSequence[0]
    cosines = np.array(detector.ImageOrientationPatient, float)
    normal = np.cross(cosines[:3], cosines[3:])
    step = normal * float(ds.SpacingBetweenSlices) * first
    detector.ImagePositionPatient = [round(v, 6) for v in np.array(detector.ImagePositionPatient, float) + step]
    ds.NumberOfFrames = ds.NumberOfSlices = last - first
    ds.SliceVector = list(range(1, last - first + 1))
    ds.PixelData = frames.tobytes()
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The synthetic patient, the path of its NM file, and that file's number of planes."""
    source, outcome = measured_patient()
    patient = tmp_path_factory.mktemp("beds") / "patient"
    shutil.copytree(source.parent, patient)
    series = next(one for one in find_series(patient / "DICOM") if one.modality == "NM")
    return patient / "case.json", series.files[0], int(pydicom.dcmread(series.files[0]).NumberOfFrames), outcome


def split(whole, tmp_path, *spans):
    case, file, _, _ = whole
    shutil.copytree(case.parent, tmp_path / "patient")
    moved = tmp_path / "patient" / file.relative_to(case.parent)
    for n, (first, last) in enumerate(spans):
        part(moved.with_name(f"bed{n}.dcm"), moved, first, last)
    moved.unlink()
    return tmp_path / "patient" / "case.json"


def test_two_beds_hold_what_the_whole_scan_holds(whole, tmp_path):
    _, _, planes, outcome = whole
    case = load_case(split(whole, tmp_path, (0, planes // 2 + 2), (planes // 2 - 2, planes)))
    visit = study_input(case, read_segmentation_file).visits[0]
    loaded = visit.emission.load(CONCENTRATION)
    image = outcome.visits[0].image
    np.testing.assert_allclose(loaded.volume.array, image.array, rtol=1e-5, atol=1e-3 * float(image.array.max()) * 1e-3)
    np.testing.assert_allclose(loaded.volume.ijk_to_ras, image.ijk_to_ras, atol=1e-4)
    assert any("2 bed positions are joined" in one and "seams at planes" in one for one in loaded.decisions)
    assert any("+0.0 % there" in one or "-0.0 % there" in one for one in loaded.decisions)
    assert any("2 bed positions are joined" in one for one in check_case(case.path).visits[0].warnings)


@pytest.mark.slow
def test_what_goes_out_as_dicom_names_both_beds(whole, tmp_path):
    _, _, planes, outcome = whole
    case = split(whole, tmp_path, (0, planes // 2 + 2), (planes // 2 - 2, planes))
    found = measure_case(case)
    written = {path.stem: path for path in write_dicom(found, tmp_path / "out")}
    beds = {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in case.parent.rglob("bed*.dcm")
    }
    assert len(beds) == 2
    assert set(written) == {"SEG", "SEG_fractions", "SR"}
    for name in ("SEG_fractions", "SR"):
        ds = pydicom.dcmread(written[name])
        assert beds <= {str(one.value) for one in ds.iterall() if one.keyword == "ReferencedSOPInstanceUID"}, name
        if shutil.which("dciodvfy"):
            done = subprocess.run(["dciodvfy", written[name]], capture_output=True, text=True, check=False)
            assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), (name, done.stderr)
    rows = {(row.region, row.metric): row.value for row in outcome.rows}
    again = {(row.region, row.metric): row.value for row in found.rows}
    assert again["L1", "tn_ratio"] == pytest.approx(rows["L1", "tn_ratio"], rel=1e-3)


def test_two_reconstructions_of_one_bed_are_not_joined(whole, tmp_path):
    planes = whole[2]
    case = split(whole, tmp_path, (0, planes), (0, planes))
    series = find_series(case.parent / "DICOM")
    with pytest.raises(ImageError, match="has several SPECT series: name one as 'image'"):
        emission_series(series, "SPECT", "24h")
    assert not continue_each_other([one for one in series if one.modality == "NM"])


def test_a_gap_between_beds_is_not_joined(whole, tmp_path):
    planes = whole[2]
    case = split(whole, tmp_path, (0, planes // 2 - 2), (planes // 2 + 2, planes))
    with pytest.raises(ImageError, match="has several SPECT series"):
        emission_series(find_series(case.parent / "DICOM"), "SPECT", "24h")


def test_one_bed_may_be_named(whole, tmp_path):
    planes = whole[2]
    path = split(whole, tmp_path, (0, planes // 2 + 2), (planes // 2 - 2, planes))
    beds = [one for one in find_series(path.parent / "DICOM") if one.modality == "NM"]
    content = json.loads(path.read_text(encoding="utf-8"))
    content["visits"][0]["image"] = beds[1].uid
    path.write_text(json.dumps(content), encoding="utf-8")
    emission = study_input(load_case(path), read_segmentation_file).visits[0].emission
    assert (emission.series.uid, emission.beds) == (beds[1].uid, ())
