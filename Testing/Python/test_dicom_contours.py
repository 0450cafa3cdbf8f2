"""Contours drawn elsewhere come in as segments: SEG and RT structure sets, with what they are."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
from measured_patient import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.report.dicom_objects import save_object
from PRRTUptakeLib.report.dicom_seg import segmentation_object
from PRRTUptakeLib.segmentation.dicom_contours import ContourError, read_contours
from PRRTUptakeLib.segmentation.polygons import fill_polygons
from PRRTUptakeLib.segmentation.segments import Segmentation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid


@pytest.fixture(scope="module")
def images():
    return measured_patient()[1].images[0]


@pytest.fixture(scope="module")
def series(images):
    return [images.measured, images.contours]


@pytest.fixture(scope="module")
def grid(images):
    arranged = arrange(images.contours)
    return Grid(arranged.shape, arranged.ijk_to_ras)


@pytest.fixture(scope="module")
def drawn():
    return measured_patient()[1].scene[0].segmentation


@pytest.fixture(scope="module")
def seg_file(drawn, images, tmp_path_factory):
    return save_object(segmentation_object(drawn, images.contours), tmp_path_factory.mktemp("seg") / "seg.dcm")


def structure_set(series, regions, path):
    """An RT structure set; ``regions`` maps names to lists of contours (n, 3) in LPS mm."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientID, ds.Modality, ds.SeriesInstanceUID = series.patient_id, "RTSTRUCT", generate_uid()
    image = Dataset()
    image.SeriesInstanceUID = series.uid
    study = Dataset()
    study.RTReferencedSeriesSequence = [image]
    frame = Dataset()
    frame.FrameOfReferenceUID = series.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = series.frame_of_reference_uid
        ds.StructureSetROISequence.append(roi)
        holder = Dataset()
        holder.ReferencedROINumber, holder.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
            holder.ContourSequence.append(contour)
        ds.ROIContourSequence.append(holder)
    ds.save_as(path, enforce_file_format=True)
    return path


def circle(grid, centre_ijk, radius_mm, count=720):
    """A circle in a plane of the grid, LPS mm."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    centre = grid.to_ras(np.array(centre_ijk, float))
    points = centre + radius_mm * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    return points * [-1, -1, 1]


def test_a_segmentation_comes_back_as_it_went(seg_file, series, drawn, grid):
    read = read_contours(seg_file, series)
    assert read.grid.matches(grid)
    for segment in drawn:
        if not segment.voxel_count:
            continue
        back = read[segment.name]
        assert np.array_equal(back.full_mask(grid.shape), segment.full_mask(grid.shape)), segment.name
        assert (back.structure, back.role, back.lobe) == (segment.structure, segment.role, segment.lobe), segment.name
        assert back.lesion_id == segment.lesion_id


def test_a_segmentation_without_our_words_is_recognised_by_its_codes(seg_file, series, tmp_path):
    """Another program's object: neither Segment Description nor names that mean anything."""
    ds = pydicom.dcmread(seg_file)
    codes = {}
    for item in ds.SegmentSequence:
        del item.SegmentDescription
        code = item.SegmentedPropertyTypeCodeSequence[0].CodeValue
        item.SegmentLabel = f"Region no. {item.SegmentNumber}"
        codes[item.SegmentLabel] = code
    ds.save_as(tmp_path / "plain.dcm")
    read = read_contours(tmp_path / "plain.dcm", series)
    structures = {name: read[name].structure for name in codes}
    assert {structures[name] for name, code in codes.items() if code == "78961009"} == {"spleen"}
    assert {structures[name] for name, code in codes.items() if code == "14799000"} == {"liver_lesion"}
    kidneys = {structures[name] for name, code in codes.items() if code == "64033007"}
    assert {"kidney_left", "kidney_right"} <= kidneys


def test_polygons_follow_the_centre_of_each_pixel():
    """Against the distance of each pixel's centre, for a ring whose hole is a second polygon, off centre."""
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    circles = [
        np.stack([20.3 + r * np.cos(angle + 0.1), 17.8 + r * np.sin(angle + 0.1)], axis=-1) for r in (14.25, 6.4)
    ]
    j, i = np.mgrid[:40, :44]
    away = np.hypot(i - 20.3, j - 17.8)
    assert np.array_equal(fill_polygons(circles, (40, 44)), (away < 14.25) & (away > 6.4))


def test_polygons_reaching_out_of_the_image_are_clipped():
    square = np.array([[-5.0, -5.0], [2.5, -5.0], [2.5, 60.0], [-5.0, 60.0]])
    wanted = np.zeros((4, 6), bool)
    wanted[:, :3] = True
    assert np.array_equal(fill_polygons([square], (4, 6)), wanted)


def test_a_structure_set_has_the_volume_that_was_drawn(series, images, grid, tmp_path):
    planes = range(40, 50)
    ring = [circle(grid, (130, 120, k), r) for k in planes for r in (30.0, 12.0)]
    disc = [circle(grid, (180, 120, k), 11.0) for k in planes]
    path = structure_set(images.contours, {"Leber": ring, "GTV liver metastasis 1": disc}, tmp_path / "rt.dcm")
    read = read_contours(path, series)
    area = np.pi * (30.0**2 - 12.0**2)
    assert read["Leber"].voxel_count * grid.voxel_volume_mL == pytest.approx(area * 30.0 / 1000, rel=0.01)
    assert (read["Leber"].structure, read["Leber"].origin[0]) == ("liver", 40)
    lesion = read["GTV liver metastasis 1"]
    inside = lesion.full_mask(grid.shape)
    k, j, i = np.argwhere(inside).mean(axis=0)
    assert (i, j, k) == pytest.approx((180, 120, 44.5), abs=0.02)


def test_a_case_may_name_dicom_contours(drawn, images, tmp_path):
    """The same organs and lesions as SEG give the same ratio as the masks did."""
    case, outcome = measured_patient()
    chosen = [s for s in drawn if s.role in ("target", "lesion") or s.structure in ("liver", "gallbladder")]
    plain = [s.relabelled(role="", lobe="") for s in chosen]
    folder = tmp_path / "drawn"
    save_object(segmentation_object(Segmentation(drawn.grid, tuple(plain)), images.contours), folder / "a.dcm")
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0].update(dicom=str(case.parent / "DICOM"), segments="drawn")
    (tmp_path / "case.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(tmp_path / "case.json"), "-o", str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8").splitlines()
    tumours = {row.split(",")[7]: float(row.split(",")[9]) for row in rows if ",mean," in row and ",target," in row}
    assert tumours == {one.lesion_id: one.tumour for one in outcome.lobe_visits[0].targets}


def test_contours_of_another_patient_are_refused_in_one_sentence(seg_file, series, tmp_path, capsys):
    ds = pydicom.dcmread(seg_file)
    ds.PatientID = "SOMEBODY-ELSE"
    ds.save_as(tmp_path / "other.dcm")
    with pytest.raises(ContourError, match="is of patient 'SOMEBODY-ELSE', but the images are of patient"):
        read_contours(tmp_path / "other.dcm", series)
    case, _ = measured_patient()
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0].update(dicom=str(case.parent / "DICOM"), segments="other.dcm")
    (tmp_path / "case.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(tmp_path / "case.json"), "-o", str(tmp_path / "out")]) == 1
    assert "SOMEBODY-ELSE" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_contours_that_cannot_be_placed_are_refused(images, series, grid, tmp_path):
    drawn = {"liver": [circle(grid, (130, 120, 40.5), 20.0)]}
    path = structure_set(images.contours, drawn, tmp_path / "between.dcm")
    with pytest.raises(ContourError, match="between the planes"):
        read_contours(path, series)
    with pytest.raises(ContourError, match="not among the visit's DICOM"):
        read_contours(path, [images.measured])
    ds = pydicom.dcmread(path)
    ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"
    ds.save_as(tmp_path / "frame.dcm")
    with pytest.raises(ContourError, match="another frame of reference"):
        read_contours(tmp_path / "frame.dcm", series)
    with pytest.raises(ContourError, match="holds no DICOM segmentation"):
        read_contours(images.measured.files[0], series)
