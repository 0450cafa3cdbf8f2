"""Contours drawn elsewhere come in as segments: SEG and RT structure sets, with what they are."""

from __future__ import annotations

import json
import zlib
from datetime import date, datetime, timezone
from io import BytesIO

import numpy as np
import pydicom
import pytest
import vtk
from builders.patient_fixture import measured_patient
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom import writing
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.polygons import fill_polygons
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.writing import Subject, write_ct
from PRRTUptakeLib.export.deidentify import Deidentifier
from PRRTUptakeLib.export.dicom_maps import read_map
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_seg import occupancy_object, segmentation_object
from PRRTUptakeLib.export.dicom_sr import read_report
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.mrml.dicom_exchange import export_dicom, import_contours
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.manual_shifts import shift_lesion
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node
from PRRTUptakeLib.mrml.tables import table_from_measurements
from PRRTUptakeLib.mrml.volumes import node_from_volume
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.uptake.occupancy import occupancy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, RTStructureSetStorage, generate_uid
from scipy.spatial.transform import Rotation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them


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
    return measured_patient()[1].contents[0].segmentation


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
    assert tumours == {one.lesion_id: one.tumour for one in outcome.visits[0].targets}


def test_contours_of_another_patient_are_refused_in_one_sentence(seg_file, series, tmp_path, capsys):
    ds = pydicom.dcmread(seg_file)
    ds.PatientID = "SOMEBODY-ELSE"
    ds.save_as(tmp_path / "other.dcm")
    with pytest.raises(DicomError, match="is of patient 'SOMEBODY-ELSE', but the images are of patient"):
        read_contours(tmp_path / "other.dcm", series)
    case, _ = measured_patient()
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0].update(dicom=str(case.parent / "DICOM"), segments="other.dcm")
    (tmp_path / "case.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(tmp_path / "case.json"), "-o", str(tmp_path / "out")]) == 1
    assert "SOMEBODY-ELSE" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_lesions_of_other_programs_are_known_by_code_and_site(seg_file, series, tmp_path):
    """Coded as a mass or neoplasm of the liver, with a name that means nothing; of another organ it is extrahepatic."""
    ds = pydicom.dcmread(seg_file)
    (left,) = (item for item in ds.SegmentSequence if item.SegmentLabel == "L1")
    (right,) = (item for item in ds.SegmentSequence if item.SegmentLabel == "R1")
    for item, code, meaning, site in ((left, "108369006", "Neoplasm", None), (right, "4147007", "Mass", "78961009")):
        del item.SegmentDescription
        item.SegmentLabel = f"Region {item.SegmentNumber}"
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        kind.CodeValue, kind.CodeMeaning = code, meaning
        if site:
            item.AnatomicRegionSequence[0].CodeValue, item.AnatomicRegionSequence[0].CodeMeaning = site, "Spleen"
    ds.save_as(tmp_path / "other.dcm")
    read = read_contours(tmp_path / "other.dcm", series)
    assert read[left.SegmentLabel].structure == "liver_lesion"
    assert read[right.SegmentLabel].structure == "extrahepatic_lesion"


def test_fractions_come_in_where_at_least_half_is_inside(drawn, images, series, tmp_path):
    image = measured_patient()[1].contents[0].volumes[0][1]
    wanted = occupancy(drawn["L1"], drawn.grid, image.grid)
    made = occupancy_object([(drawn["L1"], wanted)], images.measured)
    read = read_contours(save_object(made, tmp_path / "fractions.dcm"), series)
    assert read.grid.matches(image.grid)
    stored = np.rint(wanted.full_fraction() * 255)
    assert np.array_equal(read["L1"].full_mask(image.grid.shape), stored >= 127.5)


def test_contours_on_an_oblique_image(tmp_path):
    """A sphere cut by the tilted planes of its CT has the sphere's volume and centre."""
    turn = Rotation.from_euler("xyz", [12, -20, 31], degrees=True).as_matrix()
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3], ijk_to_ras[:3, 3] = turn * [-1.5, -1.5, 3.0], [60.0, 40.0, -30.0]
    volume = Volume(np.zeros((30, 64, 64), np.float32), ijk_to_ras, "attenuation", "HU")
    write_ct(volume, tmp_path / "ct", written_series())
    series = find_series(tmp_path / "ct")
    grid, centre = volume.grid, np.array([31.0, 33.0, 15.0])
    discs = []
    for k in range(30):
        height = (k - centre[2]) * 3.0
        if abs(height) < 20.0:
            angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
            radius = np.sqrt(20.0**2 - height**2) / 1.5
            ij = centre[:2] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            discs.append(grid.to_ras(np.column_stack([ij, np.full(360, k)])) * [-1, -1, 1])
    read = read_contours(structure_set(series[0], {"liver": discs}, tmp_path / "rt.dcm"), series)
    inside = read["liver"].full_mask(grid.shape)
    assert inside.sum() * grid.voxel_volume_mL == pytest.approx(4 / 3 * np.pi * 8.0, rel=0.02)
    assert np.argwhere(inside).mean(axis=0)[::-1] == pytest.approx(centre, abs=0.05)


def test_a_stride_between_contoured_planes_is_filled_and_said(series, images, grid, tmp_path):
    every_second = [circle(grid, (130, 120, k), 20.0) for k in range(40, 50, 2)]
    path = structure_set(images.contours, {"liver": every_second}, tmp_path / "stride.dcm")
    read = read_contours(path, series)
    volume = read["liver"].voxels_inside * grid.voxel_volume_mL
    assert volume == pytest.approx(np.pi * 20.0**2 * 9 * 3.0 / 1000, rel=0.01)
    assert "filled between their neighbours: 'liver' on 4 plane(s)" in read.warnings[0]


def test_contours_come_into_the_scene(seg_file, series, drawn, grid, images, tmp_path, scene):
    """SEG and structure set by one call of the console, with roles as tags of the segments."""
    node = import_contours(seg_file, series, "drawn elsewhere")
    assert node.GetName() == "drawn elsewhere"
    back = segmentation_from_node(node)
    for name in ("L1", "R1", "spleen"):
        segment = next(one for one in drawn if name in (one.name, one.structure))
        found = back[segment.name]
        assert (found.role, found.lobe, found.lesion_id) == (segment.role, segment.lobe, segment.lesion_id)
        assert found.voxel_count == segment.voxel_count
    discs = [circle(grid, (130, 120, k), 25.0) for k in range(40, 50)]
    path = structure_set(images.contours, {"Leber": discs}, tmp_path / "rt.dcm")
    same = import_contours(path, series, node=node)
    assert (same.GetID(), same.GetName()) == (node.GetID(), "rt")
    assert segmentation_from_node(same)["Leber"].structure == "liver"


def test_the_scene_goes_out_as_dicom(drawn, images, series, tmp_path, scene):
    """Segments, measurements and references of nodes, read back; and cleared of the patient's identity."""
    outcome = measured_patient()[1]
    image = node_from_volume(outcome.contents[0].volumes[0][1], "SPECT 24h")
    segments = node_from_segmentation(drawn, "segments")
    rows = [row for row in outcome.rows if row.lesion == "L1"]
    written = export_dicom(tmp_path / "out", segments, image, rows, series, "24h")
    assert {path.name for path in written} == {"SEG.dcm", "SEG_fractions.dcm", "SR.dcm"}
    values = {one.metric: one for one in read_report(tmp_path / "out" / "SR.dcm")}
    assert {name: one.value for name, one in values.items()} == {r.metric: r.value for r in rows if ":" not in r.metric}
    tracking = {i.TrackingID: i.TrackingUID for i in pydicom.dcmread(tmp_path / "out" / "SEG.dcm").SegmentSequence}
    assert {one.tracking_uid for one in values.values()} == {tracking["L1"]}
    table = table_from_measurements(rows, "table")
    headers = [str(header.dataset) for one in series for header in one.headers]
    export_dicom(tmp_path / "free", segments, image, table, series, deidentifier=Deidentifier(bytes(32)))
    cleaned = {one.metric: one.value for one in read_report(tmp_path / "free" / "SR.dcm")}
    assert cleaned == pytest.approx({name: one.value for name, one in values.items()}, rel=5e-6)
    content = b"".join(path.read_bytes() for path in (tmp_path / "free").iterdir())
    assert outcome.input.patient.encode() not in content
    assert [str(header.dataset) for one in series for header in one.headers] == headers  # those stay as they were
    image.SetAttribute("PRRT.Provenance", None)
    with pytest.raises(NodeError, match="does not know its DICOM series"):
        export_dicom(tmp_path / "none", segments, image, rows, series)
    assert not (tmp_path / "none").exists()


def test_a_moved_image_goes_out_where_its_series_is(drawn, images, series, tmp_path, scene):
    """A node under a transform: its map keeps the place of the series, the fractions are where it was measured."""
    outcome = measured_patient()[1]
    activity = outcome.contents[0].volumes[0][1]
    volume = activity.with_values(activity.array * 1e-5, quantity="SUVbw", units="g/ml{SUVbw}")
    image, segments = node_from_volume(volume, "SUV 24h"), node_from_segmentation(drawn, "segments")
    rows = [row for row in outcome.rows if row.lesion == "L1"]
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 2 * volume.spacing_mm[2])
    transform.SetMatrixTransformToParent(matrix)
    shares = []
    for parent in (None, transform.GetID()):
        image.SetAndObserveTransformNodeID(parent)
        export_dicom(tmp_path / "out", segments, image, rows, series)
        assert read_map(tmp_path / "out" / "SUV.dcm").grid.matches(volume.grid)
        shares.append(read_contours(tmp_path / "out" / "SEG_fractions.dcm", ()))
    places = [one.grid.to_ras(np.array(one["L1"].origin[::-1])) for one in shares]
    np.testing.assert_allclose(places[1] - places[0], [0.0, 0.0, -2 * volume.spacing_mm[2]], atol=1e-3)
    assert (shares[1]["L1"].mask == shares[0]["L1"].mask).all()
    shift_lesion(image, "L1", (0.0, 0.0, 2 * volume.spacing_mm[2]), "it was the segments that lay too low")
    export_dicom(tmp_path / "out", segments, image, rows, series)
    shifted_lesions = read_contours(tmp_path / "out" / "SEG_fractions.dcm", ())
    np.testing.assert_allclose(
        shifted_lesions.grid.to_ras(np.array(shifted_lesions["L1"].origin[::-1])), places[0], atol=1e-3
    )


def written_series():
    moment = datetime(2024, 3, 6, 10, tzinfo=timezone.utc)
    patient = Subject("T-1", "Test", "F", date(1960, 1, 1), 70.0, 1.7)
    return writing.Series(patient, ("oblique",), 2, "oblique CT", moment, moment, ("oblique",))


def test_contours_that_cannot_be_placed_are_refused(images, series, grid, tmp_path):
    drawn = {"liver": [circle(grid, (130, 120, 40.5), 20.0)]}
    path = structure_set(images.contours, drawn, tmp_path / "between.dcm")
    assert "planes that are not those of the image" in read_contours(path, series).warnings[0]
    with pytest.raises(DicomError, match="not among the visit's DICOM"):
        read_contours(path, [images.measured])
    ds = pydicom.dcmread(path)
    ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"
    ds.save_as(tmp_path / "frame.dcm")
    with pytest.raises(DicomError, match="another frame of reference"):
        read_contours(tmp_path / "frame.dcm", series)
    with pytest.raises(DicomError, match="holds no DICOM segmentation"):
        read_contours(images.measured.files[0], series)


def test_a_segmentation_with_compressed_frames_is_the_same(seg_file, series, grid, tmp_path):
    """Deflated Image Frame Compression of DICOM Supplement 244, which pydicom 3.0 does not know."""
    plain = read_contours(seg_file, series)
    ds = pydicom.dcmread(seg_file)
    frames = np.atleast_3d(ds.pixel_array.reshape(-1, ds.Rows, ds.Columns))
    packed = []
    for frame in frames:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        bits = np.packbits(frame.ravel(), bitorder="little").tobytes()
        packed.append(packer.compress(bits) + packer.flush())
    ds.PixelData = encapsulate(packed)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1  # pydicom writes only what it knows; of the same length
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds)
    content = buffer.getvalue().replace(b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.8.1\0", 1)
    (tmp_path / "deflated.dcm").write_bytes(content)
    read = read_contours(tmp_path / "deflated.dcm", series)
    assert [one.name for one in read] == [one.name for one in plain]
    assert all(np.array_equal(read[s.name].full_mask(grid.shape), s.full_mask(grid.shape)) for s in plain)
