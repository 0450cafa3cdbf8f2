"""Programs that nobody of this project wrote take the objects: an archive (Orthanc) and dcmqi's readers."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders.other_programs import asked, program, running_archive
from builders.patient_fixture import measured_patient
from PRRTUptakeLib.export.dicom_maps import parametric_map
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_rtdose import dose_object
from PRRTUptakeLib.segmentation.files import grid_of_image
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


@pytest.fixture(scope="module")
def folder():
    return measured_patient()[0].parents[1] / "results" / "dicom" / "cycle_1_24h"


@pytest.fixture(scope="module")
def objects(folder, tmp_path_factory):
    """What a run writes, and a dose map and a map of activity."""
    outcome = measured_patient()[1]
    image, series = outcome.contents[0].volumes[0][1], outcome.images[0].measured
    made = tmp_path_factory.mktemp("maps")
    dose = image.with_values(image.array * 2e-5, quantity="absorbed dose", units="Gy", reference_time=None)
    maps = {"dose": dose_object(dose, series), "activity": parametric_map(image, series)}
    return [*sorted(folder.iterdir()), *(save_object(ds, made / f"{name}.dcm") for name, ds in maps.items())]


@pytest.fixture
def archive(tmp_path):
    """The address of an Orthanc that lives as long as the test."""
    with running_archive(tmp_path) as address:
        yield address


def test_an_archive_stores_and_returns_every_object_unchanged(archive, objects):
    for path in objects:
        notes = json.loads(asked(f"{archive}/instances", path.read_bytes()))
        assert notes["Status"] == "Success", path.name
        assert asked(f"{archive}/instances/{notes['ID']}/file") == path.read_bytes(), path.name
    studies = json.loads(asked(f"{archive}/studies"))
    assert len(studies) == 1  # all in the patient's own study
    series = {one["MainDicomTags"]["Modality"] for one in json.loads(asked(f"{archive}/series?expand"))}
    assert series == {"SEG", "SR", "RTDOSE", "OT"}


def test_dcmqi_reads_the_segments_where_they_were(folder, tmp_path):
    tool = program("segimage2itkimage")
    subprocess.run(
        [tool, "--inputDICOM", folder / "SEG.dcm", "--outputDirectory", tmp_path, "-t", "nrrd"],
        check=True,
        capture_output=True,
    )
    drawn = measured_patient()[1].contents[0].segmentation
    numbers = {str(i.SegmentLabel): int(i.SegmentNumber) for i in pydicom.dcmread(folder / "SEG.dcm").SegmentSequence}
    for name in ("L1", "R1", "liver_lobe_left", "spleen"):
        segment = next(one for one in drawn if name in (one.name, one.structure))
        image = sitk.ReadImage(str(tmp_path / f"{numbers[segment.name]}.nrrd"))
        read = Segment.from_full("read", sitk.GetArrayFromImage(image) > 0)
        (placed,) = regrid(Segmentation(grid_of_image(image), (read,)), drawn.grid)
        assert placed.origin == segment.cropped().origin
        assert np.array_equal(placed.mask, segment.cropped().mask)


def test_dcmqi_reads_the_measurements(folder, tmp_path):
    tool = program("tid1500reader")
    subprocess.run(
        [tool, "--inputDICOM", folder / "SR.dcm", "--outputMetadata", tmp_path / "sr.json"],
        check=True,
        capture_output=True,
    )
    groups = json.loads((tmp_path / "sr.json").read_text(encoding="utf-8"))["Measurements"]
    found = {
        (
            group["TrackingIdentifier"],
            item["quantity"]["CodeValue"],
            item.get("derivationModifier", {}).get("CodeMeaning"),
        ): (float(item["value"]), item["units"]["CodeValue"])
        for group in groups
        for item in group["measurementItems"]
    }
    rows = {(row.lesion or row.region, row.metric): row for row in measured_patient()[1].rows}
    for lesion in ("L1", "R1"):
        for code, derivation, metric in (
            ("126039", None, "tn_ratio"),
            ("126377", "Mean", "mean"),
            ("126377", "Maximum", "max"),
            ("118565006", None, "volume"),
            ("103339001", None, "longest_axial_diameter"),
        ):
            value, unit = found[lesion, code, derivation]
            assert (value, unit) == (pytest.approx(rows[lesion, metric].value, rel=1e-12), rows[lesion, metric].unit)
