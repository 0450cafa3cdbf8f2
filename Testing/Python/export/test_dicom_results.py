"""What goes into a DICOM object comes out of it, by another reader where there is one; validators are content."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
from builders.patient_fixture import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.export.dicom_maps import parametric_map, read_map
from PRRTUptakeLib.export.dicom_objects import save_object, tracking_uid
from PRRTUptakeLib.export.dicom_results import map_object, write_dicom
from PRRTUptakeLib.export.dicom_rtdose import dose_object, read_dose
from PRRTUptakeLib.export.dicom_seg import occupancy_object, segmentation_object
from PRRTUptakeLib.export.dicom_sr import measurement_report, read_report
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.model import CONCENTRATION
from PRRTUptakeLib.uptake.occupancy import occupancy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

TAKES_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate")


@pytest.fixture(scope="module")
def outcome():
    return measured_patient()[1]


@pytest.fixture(scope="module")
def images(outcome):
    return outcome.images[0]


@pytest.fixture(scope="module")
def segments(outcome):
    """A few segments are enough here; lobes overlap lesions."""
    whole = outcome.contents[0].segmentation
    chosen = [s for s in whole if s.role in ("target", "lesion", "lobe") or s.structure == "kidney_left"]
    return Segmentation(whole.grid, tuple(chosen))


@pytest.fixture(scope="module")
def activity(outcome):
    return outcome.contents[0].volumes[0][1]


@pytest.fixture(scope="module")
def written(outcome, images, segments, activity, tmp_path_factory):
    """Every kind of object in a folder, by name."""
    folder = tmp_path_factory.mktemp("objects")
    seg = segmentation_object(segments, images.contours)
    fractions = [(s, occupancy(s, segments.grid, activity.grid)) for s in segments.having(role="target")]
    rows = [row for row in outcome.rows if row.region in segments or row.region == "patient"]
    objects = {
        "seg": seg,
        "fractions": occupancy_object(fractions, images.measured),
        "sr": measurement_report(rows, segments, seg, images.measured, "24h"),
        "dose": dose_object(dose_of(activity), images.measured),
        "dose32": dose_object(dose_of(activity), images.measured, bits=32),
        "tia": parametric_map(
            activity.with_values(activity.array * 1e-4, quantity="time-integrated activity", units="MBq.h/ml"),
            images.measured,
        ),
        "suv": parametric_map(
            activity.with_values(activity.array * 3e-5, quantity="SUVbw", units="g/ml{SUVbw}"), images.measured
        ),
    }
    return {name: save_object(ds, folder / f"{name}.dcm") for name, ds in objects.items()}


def dose_of(activity):
    return activity.with_values(activity.array * 2e-5, quantity="absorbed dose", units="Gy", reference_time=None)


def positions(ds):
    return [
        np.array(g.PlanePositionSequence[0].ImagePositionPatient, float) for g in ds.PerFrameFunctionalGroupsSequence
    ]


def test_a_segmentation_holds_the_voxels_where_they_were(written, segments):
    """Read frame by frame with pydicom alone: each frame's mask and place against the segment's."""
    ds = pydicom.dcmread(written["seg"])
    assert (ds.Rows, ds.Columns) == segments.grid.shape[1:]
    frames = ds.pixel_array
    numbers = [
        int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for g in ds.PerFrameFunctionalGroupsSequence
    ]
    labels = {int(item.SegmentNumber): str(item.SegmentLabel) for item in ds.SegmentSequence}
    found = {name: np.zeros(segments.grid.shape, bool) for name in labels.values()}
    for frame, number, place in zip(frames, numbers, positions(ds), strict=True):
        i, j, k = segments.grid.to_ijk(place * [-1, -1, 1])
        assert (i, j, k - round(k)) == pytest.approx((0, 0, 0), abs=1e-4)
        found[labels[number]][round(k)] = frame
    assert set(found) == {segment.name for segment in segments}
    for segment in segments:
        assert np.array_equal(found[segment.name], segment.full_mask(segments.grid.shape)), segment.name


def test_a_segmentation_says_what_its_segments_are(written, segments, images):
    ds = pydicom.dcmread(written["seg"])
    items = {str(item.SegmentLabel): item for item in ds.SegmentSequence}
    left = items["L1"]
    assert left.SegmentedPropertyTypeCodeSequence[0].CodeValue == "14799000"
    assert [code.CodeValue for code in left.AnatomicRegionSequence] == ["69842003"]
    assert left.TrackingID == "L1"
    assert left.TrackingUID == tracking_uid(images.measured.patient_id, "L1")
    kidney = next(item for name, item in items.items() if segments[name].structure == "kidney_left")
    code = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (code.CodeValue, code.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue) == ("64033007", "7771000")
    (referenced,) = ds.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == images.contours.uid


def test_occupied_fractions_come_back_on_the_measured_grid(written, segments, activity):
    seg = highdicom.seg.segread(written["fractions"])
    assert (seg.SegmentationType, seg.SegmentationFractionalType) == ("FRACTIONAL", "OCCUPANCY")
    for item in seg.SegmentSequence:
        wanted = occupancy(segments[item.SegmentLabel], segments.grid, activity.grid)
        volume = 0.0
        for frame, group, place in zip(
            seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, positions(seg), strict=True
        ):
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == item.SegmentNumber:
                k = round(float(activity.grid.to_ijk(place * [-1, -1, 1])[2]))
                assert np.abs(frame / 255 - wanted.full_fraction()[k]).max() <= 0.5 / 255 + 1e-6
                volume += frame.sum() / 255 * activity.grid.voxel_volume_mL
        assert volume == pytest.approx(wanted.volume_mL, rel=2e-3)


def test_the_report_holds_every_number_under_the_tracking_uid_of_the_segmentation(written, outcome, segments):
    uids = {str(i.TrackingID): str(i.TrackingUID) for i in pydicom.dcmread(written["seg"]).SegmentSequence}
    values = read_report(written["sr"])
    found = {(one.tracking_id, one.metric): one for one in values}
    rows = [r for r in outcome.rows if ":" not in r.metric and (r.region in segments or r.region == "patient")]
    assert len(rows) == len(values) == len(found) > 30
    for row in rows:
        one = found[row.lesion or row.region, row.metric]
        assert (one.value, one.unit) == (row.value, row.unit)
        if row.region in segments:
            assert one.tracking_uid == uids[row.lesion or row.region]
    assert {"mean", "tn_ratio", "volume", "longest_axial_diameter", "treated_control_ratio"} <= {
        v.metric for v in values
    }


def test_our_own_codes_are_declared(written):
    """PS3.3 C.12.1.1.1: what is in a private scheme, the object says whose it is."""
    for name, path in written.items():
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        used = {e.value for e in ds.iterall() if e.keyword == "CodingSchemeDesignator"}
        declared = [item.CodingSchemeDesignator for item in ds.get("CodingSchemeIdentificationSequence", [])]
        assert declared == (["99PRRT"] if name in ("sr", "tia") else []), name
        assert {"99PRRT"} & used == {"99PRRT"} & set(declared), name


def test_doses_and_uncertainties_are_reported(outcome, segments, images, tmp_path):
    row = next(r for r in outcome.rows if r.lesion == "L1")
    dose = replace(row, metric="dose", value=41.25, unit="Gy", uncertainty=3.5, lower_95=math.nan, upper_95=math.nan)
    seg = segmentation_object(segments, images.contours)
    ds = measurement_report([dose], segments, seg, images.measured, "24h")
    (one,) = read_report(save_object(ds, tmp_path / "sr.dcm"))
    assert (one.metric, one.value, one.unit, one.uncertainty) == ("dose", 41.25, "Gy", 3.5)
    shown = str(pydicom.dcmread(tmp_path / "sr.dcm"))
    assert "128513" in shown
    assert shown.count("'Gy'") == 3  # the value and both of its uncertainties


def test_an_interval_that_is_not_symmetric_is_reported_by_its_limits(outcome, segments, images, tmp_path):
    """As properties, so that no reader takes a limit for the value, and read back with it, mean and dose alike."""
    row = next(r for r in outcome.rows if r.lesion == "L1")
    known = replace(row, value=41.25, uncertainty=3.5, lower_95=38.0, upper_95=55.5)
    rows = [replace(known, metric="dose", unit="Gy"), replace(known, metric="mean"), replace(known, metric="dvh_d98")]
    rows[2] = replace(rows[2], unit="Gy", lower_95=math.nan, upper_95=math.nan)
    seg = segmentation_object(segments, images.contours)
    ds = measurement_report(rows, segments, seg, images.measured, "24h")
    found = {one.metric: one for one in read_report(save_object(ds, tmp_path / "sr.dcm"))}
    assert set(found) == {"dose", "mean", "dvh_d98"}
    for metric in ("dose", "mean"):
        one = found[metric]
        assert (one.value, one.uncertainty, one.lower_95, one.upper_95) == (41.25, 3.5, 38.0, 55.5)
    assert math.isnan(found["dvh_d98"].lower_95)
    shown = str(pydicom.dcmread(tmp_path / "sr.dcm"))
    assert shown.count("Lower limit of the 95 % interval") == shown.count("Upper limit of the 95 % interval") == 2


def test_a_value_that_a_region_does_not_have_is_left_out_and_an_infinite_one_refused(
    outcome, segments, images, tmp_path
):
    """A lesion smaller than a voxel may have no voxel centre in it, and so no minimum."""
    row = next(r for r in outcome.rows if r.lesion == "L1")
    rows = [replace(row, metric="min", value=math.nan), replace(row, metric="mean", value=3.0)]
    seg = segmentation_object(segments, images.contours)
    ds = measurement_report(rows, segments, seg, images.measured, "24h")
    (one,) = read_report(save_object(ds, tmp_path / "sr.dcm"))
    assert (one.metric, one.value) == ("mean", 3.0)
    with pytest.raises(ExportError, match="is inf, which a report cannot hold"):
        measurement_report([replace(row, value=math.inf)], segments, seg, images.measured, "24h")


def test_dose_is_physical_and_comes_back(written, activity):
    dose = dose_of(activity)
    ds = pydicom.dcmread(written["dose32"])
    assert (ds.DoseUnits, ds.DoseType, ds.Modality) == ("GY", "PHYSICAL", "RTDOSE")
    assert np.abs(ds.pixel_array * float(ds.DoseGridScaling) - dose.array).max() < 1e-8 * dose.array.max()
    lps = np.array(ds.ImagePositionPatient, float)
    assert lps * [-1, -1, 1] == pytest.approx(dose.ijk_to_ras[:3, 3], abs=1e-4)
    back = read_dose(written["dose"])
    assert back.grid.matches(dose.grid)
    assert np.abs(back.array - dose.array).max() <= 0.51 * dose.array.max() / 65535  # half a step, and rounding


def test_a_map_of_effect_is_no_physical_dose(activity, images, tmp_path):
    """BED and EQD2 are in Gy too; a map of uncertainty, for which there is no type, has no object."""
    bed = replace(dose_of(activity), quantity="biologically effective dose")
    kind, ds = map_object(bed, images.measured, "BED")
    assert (kind, ds.DoseType) == ("RTDOSE", "EFFECTIVE")
    assert read_dose(save_object(ds, tmp_path / "bed.dcm")).quantity == "biologically effective dose"
    spread = replace(dose_of(activity), quantity="standard uncertainty of absorbed dose (statistical)")
    assert map_object(spread, images.measured, "u") == ("", None)
    assert map_object(dose_of(activity), images.measured, "dose")[1].DoseType == "PHYSICAL"


@pytest.mark.parametrize(("name", "units", "factor"), [("tia", "MBq.h/ml", 1e-4), ("suv", "g/ml{SUVbw}", 3e-5)])
def test_maps_come_back_float_for_float(written, activity, name, units, factor):
    back = read_map(written[name])
    assert (back.units, back.grid.matches(activity.grid)) == (units, True)
    assert np.array_equal(back.array, activity.with_values(activity.array * factor).array)


def test_patient_and_study_are_copied_and_uids_are_own(written, images):
    source = images.measured.headers[0].dataset
    objects = [pydicom.dcmread(path) for path in written.values()]
    for ds in objects:
        assert all(ds[key].value == source[key].value for key in TAKES_PATIENT)
        assert ds.SeriesInstanceUID not in (images.measured.uid, images.contours.uid)
    assert len({ds.SOPInstanceUID for ds in objects}) == len(objects)
    assert {ds.get("FrameOfReferenceUID") for ds in objects} <= {images.measured.frame_of_reference_uid, None}


@pytest.mark.parametrize("name", ["seg", "fractions", "sr", "dose", "tia", "suv"])
def test_dciodvfy_finds_no_error(written, name):
    """The 32-bit dose differs from the 16-bit one in its pixels alone, on which this validator stops."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    done = subprocess.run(["dciodvfy", written[name]], capture_output=True, text=True, check=False)
    assert not [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Abort" in line]
    assert done.returncode == 0


def test_dsrdump_finds_no_error(written):
    if not shutil.which("dsrdump"):
        pytest.skip("dsrdump (Debian package dcmtk) is not installed")
    done = subprocess.run(["dsrdump", written["sr"]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]
    assert "Lesion to Background SUV Ratio" in done.stdout


def test_run_writes_a_folder_of_dicom(outcome):
    case, _ = measured_patient()
    folder = case.parents[1] / "results" / "dicom" / "cycle_1_24h"
    assert {path.name for path in folder.iterdir()} == {"SEG.dcm", "SEG_fractions.dcm", "SR.dcm", "SUV.dcm"}
    evidence = str(pydicom.dcmread(folder / "SR.dcm").CurrentRequestedProcedureEvidenceSequence)
    assert pydicom.dcmread(folder / "SEG.dcm").SOPInstanceUID in evidence
    assert outcome.images[0].measured.uid in evidence


def test_a_report_with_unknown_codes_is_refused_in_one_sentence(written, tmp_path):
    ds = pydicom.dcmread(written["sr"])
    for element in ds.iterall():
        if element.keyword == "CodeValue" and element.value == "118565006":
            element.value = "999999"
    ds.save_as(tmp_path / "strange.dcm")
    with pytest.raises(ExportError, match=r"code SCT 999999 \(Volume\), which is not known"):
        read_report(tmp_path / "strange.dcm")
    with pytest.raises(ExportError, match="is not a measurement report"):
        read_report(written["seg"])


def test_the_command_reads_every_kind_of_object(written, segments, activity, outcome, capsys, tmp_path):
    def notes(name):
        capsys.readouterr()
        assert main(["read", str(written[name]), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    values = notes("sr")
    rows = {(row.lesion or row.region, row.metric): row.value for row in outcome.rows}
    assert values["kind"] == "SR"
    assert all(rows[one["region"], one["metric"]] == one["value"] for one in values["content"])
    found = {one["segment"]: one for one in notes("seg")["content"]}
    assert set(found) == {segment.name for segment in segments}
    assert found["L1"]["volume_mL"] == pytest.approx(segments["L1"].voxel_count * segments.grid.voxel_volume_mL)
    assert notes("dose32")["content"][0]["max"] == pytest.approx(float(dose_of(activity).array.max()), rel=1e-6)
    assert notes("suv")["content"][0]["units"] == "g/ml{SUVbw}"
    assert main(["read", str(written["sr"])]) == 0
    assert "treated_control_ratio" in capsys.readouterr().out


def test_the_command_refuses_what_it_does_not_know_in_one_sentence(written, outcome, tmp_path, capsys):
    strange = pydicom.dcmread(written["sr"])
    for element in strange.iterall():
        if element.keyword == "CodeValue" and element.value == "118565006":
            element.value = "999999"
    strange.save_as(tmp_path / "strange.dcm")
    (tmp_path / "text.dcm").write_text("not DICOM", encoding="ascii")
    cases = {
        tmp_path / "strange.dcm": "code SCT 999999",
        tmp_path / "text.dcm": "is not a readable DICOM file",
        tmp_path / "none.dcm": "is not a readable DICOM file",
        outcome.images[0].measured.files[0]: "name another",
    }
    for path, words in cases.items():
        capsys.readouterr()
        assert main(["read", str(path)]) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line


def test_nothing_half_written_stays_behind(written, tmp_path, monkeypatch):
    ds = pydicom.dcmread(written["dose"])

    def full(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    with pytest.raises(ExportError, match="No space left on device"):
        save_object(ds, tmp_path / "dose.dcm")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_write_its_dicom_writes_nothing(tmp_path, monkeypatch, capsys):
    def full(self, path, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    case, _ = measured_patient()
    assert main(["run", str(case), "-o", str(tmp_path / "out"), "--dicom"]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].endswith("(No space left on device).")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": "mGy"}, "in Gy"),
        ({"array": np.full((2, 2, 2), -1.0)}, "at least 0"),
        ({"array": np.full((2, 2, 2), np.nan)}, "finite"),
    ],
)
def test_what_is_no_dose_is_refused(activity, images, change, message):
    dose = dose_of(activity)
    bad = dose.with_values(change.get("array", dose.array), units=change.get("units", "Gy"))
    with pytest.raises(ExportError, match=message):
        dose_object(bad, images.measured)


def test_the_suv_map_of_a_scene_is_of_the_image_and_injection_that_were_measured(outcome, tmp_path):
    """A camera file halves the image, the panel states another activity: both are in the map, not the header's."""
    (visit,) = outcome.input.visits
    found = {}
    for name, (gain, dose) in {"as read": (1.0, 1.0), "as stated": (0.5, 1.25)}.items():
        loaded = visit.emission.load(CONCENTRATION)
        image = loaded.volume.with_values(loaded.volume.array * np.float32(gain))
        given = replace(loaded.injection, activity_MBq=loaded.injection.activity_MBq * dose)
        changed = replace(loaded, volume=image, injection=given)
        emission = replace(visit.emission, load=lambda kind, changed=changed: changed)
        study = replace(outcome.input, source=None, visits=(replace(visit, emission=emission),))
        write_dicom(replace(outcome, input=study), tmp_path / name)
        (path,) = (tmp_path / name).rglob("SUV.dcm")
        found[name] = read_map(path).array
    np.testing.assert_allclose(found["as read"], suv(outcome.images[0].measured).volume.array, rtol=1e-6)
    np.testing.assert_allclose(found["as stated"], found["as read"] * 0.5 / 1.25, rtol=1e-6)
