"""A small CT and contour objects on it as other programs write them: RT structure sets and segmentations."""

from __future__ import annotations

from datetime import date, datetime, timezone

import numpy as np
from PRRTUptakeLib.dicom import writing
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.writing import Subject, write_ct
from PRRTUptakeLib.imaging.volume import Grid, Volume
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, SegmentationStorage, generate_uid

LABELMAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"


def small_ct(folder, shape=(12, 40, 44), spacing=(2.0, 1.5, 3.0), turn=None):
    """One CT series of water in ``folder``; ``spacing`` along i, j, k."""
    axes = np.diag([-1.0, -1.0, 1.0]) if turn is None else np.asarray(turn)
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3], ijk_to_ras[:3, 3] = axes * spacing, [41.0, 33.5, -20.0]
    moment = datetime(2024, 3, 6, 10, tzinfo=timezone.utc)
    series = writing.Series(
        Subject("C-1", "Contour", "F", date(1960, 1, 1), 70.0, 1.7), ("s",), 2, "small CT", moment, moment, ("f",)
    )
    write_ct(Volume(np.zeros(shape, np.float32), ijk_to_ras, "attenuation", "[hnsf'U]"), folder, series)
    return find_series(folder)


def grid_of(series):
    """The grid of the one series."""
    arranged = arrange(series[0])
    return Grid(arranged.shape, arranged.ijk_to_ras)


def instances(series):
    """SOP instance UIDs in the order of the planes."""
    return [str(frame.header.dataset.SOPInstanceUID) for frame in arrange(series[0]).frames]


def lps(grid, ij, k):
    """Polygon corners (n, 2) in pixels of plane ``k`` as LPS points (n, 3)."""
    points = np.column_stack([np.asarray(ij, float), np.full(len(ij), float(k))])
    return grid.to_ras(points) * [-1.0, -1.0, 1.0]


def circle(centre, radius, count=120, start=0.0):
    """A circle in pixels (n, 2)."""
    angle = start + np.arange(count) * 2 * np.pi / count
    return np.asarray(centre) + np.asarray(radius) * np.column_stack([np.cos(angle), np.sin(angle)])


def item(**values):
    """A dataset with these attributes."""
    made = Dataset()
    for key, value in values.items():
        setattr(made, key, value)
    return made


def _start(series, sop_class, modality):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientID, ds.Modality = series[0].patient_id, modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID = series[0].study_uid, generate_uid()
    return ds


def structure_set(path, series, structures, edit=None):
    """An RT structure set; ``structures`` are (name, [(LPS points, type)]); ``edit`` has the last word."""
    ds = _start(series, RTStructureSetStorage, "RTSTRUCT")
    frame = series[0].frame_of_reference_uid
    study = item(
        ReferencedSOPInstanceUID=series[0].study_uid,
        RTReferencedSeriesSequence=[item(SeriesInstanceUID=series[0].uid)],
    )
    ds.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])]
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures, start=1):
        roi = item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=frame)
        ds.StructureSetROISequence.append(roi)
        drawn = [
            item(
                ContourGeometricType=kind,
                NumberOfContourPoints=len(points),
                ContourData=[f"{value:.4f}" for value in np.ravel(points)],
            )
            for points, kind in contours
        ]
        ds.ROIContourSequence.append(item(ReferencedROINumber=number, ContourSequence=drawn))
    if edit is not None:
        edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def code(value, scheme, meaning):
    """A code item."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


LIVER, MASS = ("10200004", "SCT", "Liver"), ("4147007", "SCT", "Mass")


def segmentation_file(path, series, segments, kind="BINARY", thickness=3.0, between=None, edit=None, order=None):
    """A DICOM SEG; ``segments`` are (number, label, type code, {plane: array [j, i]}) on the planes of the CT."""
    ds = _start(series, LABELMAP_STORAGE if kind == "LABELMAP" else SegmentationStorage, "SEG")
    ds.FrameOfReferenceUID, ds.SegmentationType = series[0].frame_of_reference_uid, kind
    ds.ReferencedSeriesSequence = [item(SeriesInstanceUID=series[0].uid)]
    grid = grid_of(series)
    ds.SegmentSequence = [
        item(SegmentNumber=number, SegmentLabel=label, SegmentedPropertyTypeCodeSequence=[code(*meaning)])
        for number, label, meaning, _ in segments
    ]
    frames = [(number, k, array) for number, _, _, planes in segments for k, array in planes.items()]
    frames = [frames[n] for n in order] if order else frames
    ds.PerFrameFunctionalGroupsSequence = [_frame_groups(grid, number, k, kind) for number, k, _ in frames]
    measures = item(PixelSpacing=[grid.spacing_mm[1], grid.spacing_mm[0]])
    if thickness:
        measures.SliceThickness = thickness
    if between:
        measures.SpacingBetweenSlices = between
    axes = (np.diag([-1.0, -1.0, 1.0]) @ grid.ijk_to_ras[:3, :2] / grid.spacing_mm[:2]).T.ravel()
    turn = item(ImageOrientationPatient=[round(float(value), 9) + 0.0 for value in axes])
    ds.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[turn])]
    _pixels(ds, np.stack([array for _, _, array in frames]), kind)
    if edit is not None:
        edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def _frame_groups(grid, number, k, kind):
    place = grid.to_ras(np.array([0.0, 0.0, float(k)])) * [-1.0, -1.0, 1.0]
    groups = item(PlanePositionSequence=[item(ImagePositionPatient=[round(float(v), 6) for v in place])])
    if kind != "LABELMAP":
        groups.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=number)]
    return groups


def _pixels(ds, values, kind):
    ds.NumberOfFrames, ds.Rows, ds.Columns = values.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    if kind == "BINARY":
        data = np.packbits(values.astype(bool).ravel(), bitorder="little").tobytes()
    else:
        data = values.astype(np.uint8).tobytes()
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "OCCUPANCY", 255
    ds.PixelData = data + b"\0" * (len(data) % 2)
