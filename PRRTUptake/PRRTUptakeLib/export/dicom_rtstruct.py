"""Segments as RT Structure Set (PS3.3 A.19), for planning systems and whatever does not read SEG.

Outlines follow the edges of pixels, on the planes of the image that the contours were drawn on, so that the masks come
back pixel by pixel. Names, codes, role and lobe go with each structure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.writing import item_of
from PRRTUptakeLib.export.dicom_codes import coded
from PRRTUptakeLib.export.dicom_objects import MANUFACTURER, MODEL, SERIAL, copy_patient_and_study, finish, frame_uid
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.export.outlines import outlines
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.segmentation.codes import structure
from PRRTUptakeLib.segmentation.errors import SegmentError
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

STRUCTURES_NUMBER = 9006
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, what the standard's own text refers to here
_INTERPRETED = {"lesion": "GTV", "target": "GTV", "organ": "ORGAN"}


def structure_set(segmentation: Segmentation, series: Series, description: str = "PRRT segments") -> Dataset:
    """An RT Structure Set of all segments that are not empty.

    Parameters
    ----------
    segmentation : the segments, with the voxels of the series.
    series : the CT or MR image on which they were drawn.

    Raises
    ------
    ExportError
        If there is nothing in the segments, they have other voxels than the series, or it has no frame of reference.
    """
    arranged = arrange(series)
    try:
        placed = regrid(segmentation, Grid(arranged.shape, arranged.ijk_to_ras))
    except SegmentError as error:
        raise ExportError(
            f"The segments do not have the voxels of {series.label}, on whose planes an RT Structure Set is drawn: "
            "leave out --rtstruct."
        ) from error
    segments = [segment for segment in placed if segment.voxel_count]
    if not segments:
        raise ExportError("There is no segment with a voxel in it: nothing to write as RT Structure Set.")
    images = [
        item_of(
            ReferencedSOPClassUID=frame.header.dataset.SOPClassUID,
            ReferencedSOPInstanceUID=frame.header.dataset.SOPInstanceUID,
        )
        for frame in arranged.frames
    ]
    source = arranged.frames[0].header.dataset
    frame_of_reference = frame_uid(source, series.label)
    ds = _new_object(source)
    ds.FrameOfReferenceUID = frame_of_reference
    ds.ReferencedFrameOfReferenceSequence = [_referenced(series, frame_of_reference, images)]
    numbered = list(enumerate(segments, start=1))
    ds.StructureSetROISequence = [_named(segment, n, frame_of_reference) for n, segment in numbered]
    ds.ROIContourSequence = [_contoured(segment, n, placed.grid, images) for n, segment in numbered]
    ds.RTROIObservationsSequence = [_observed(segment, n) for n, segment in numbered]
    ds = finish(ds, source, description)
    del ds.ContentDate, ds.ContentTime
    ds.StructureSetLabel, ds.StructureSetName = "PRRT", description[:64]
    ds.StructureSetDate, ds.StructureSetTime = ds.SeriesDate, ds.SeriesTime
    ds.ApprovalStatus = "UNAPPROVED"
    return ds


def _new_object(source: Dataset) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = highdicom.UID()
    copy_patient_and_study(ds, source)
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = "RTSTRUCT", highdicom.UID(), STRUCTURES_NUMBER
    ds.InstanceNumber, ds.OperatorsName = 1, ""
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL
    ds.DeviceSerialNumber, ds.SoftwareVersions = SERIAL, VERSION
    return ds


def _referenced(series: Series, frame_of_reference: str, images: Sequence[Dataset]) -> Dataset:
    each = list({str(image.ReferencedSOPInstanceUID): image for image in images}.values())
    own = item_of(SeriesInstanceUID=series.uid, ContourImageSequence=each)
    study = item_of(
        ReferencedSOPClassUID=_STUDY_CLASS,
        ReferencedSOPInstanceUID=series.study_uid,
        RTReferencedSeriesSequence=[own],
    )
    return item_of(FrameOfReferenceUID=frame_of_reference, RTReferencedStudySequence=[study])


def _named(segment: Segment, number: int, frame_of_reference: str) -> Dataset:
    return item_of(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=frame_of_reference,
        ROIName=segment.name[:64],
        ROIDescription=f"role={segment.role}; lobe={segment.lobe}",
        ROIGenerationAlgorithm="SEMIAUTOMATIC",
    )


def _contoured(segment: Segment, number: int, grid: Grid, images: Sequence[Dataset]) -> Dataset:
    lps = LPS_TO_RAS @ grid.ijk_to_ras
    first_k, first_j, first_i = segment.origin
    contours = []
    for k, plane in enumerate(segment.mask, start=first_k):
        for ring in outlines(plane):
            ijk = np.column_stack([ring + np.array([first_i, first_j]), np.full(len(ring), k), np.ones(len(ring))])
            points = (ijk @ lps.T)[:, :3]
            contours.append(
                item_of(
                    ContourImageSequence=[images[k]],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(points),
                    ContourData=[f"{value:.4f}" for value in points.ravel()],
                )
            )
    color = [round(255 * part) for part in segment.color]
    return item_of(ROIDisplayColor=color, ContourSequence=contours, ReferencedROINumber=number)


def _observed(segment: Segment, number: int) -> Dataset:
    observed = item_of(
        ObservationNumber=number,
        ReferencedROINumber=number,
        RTROIInterpretedType=_INTERPRETED.get(segment.role, ""),
        ROIInterpreter="",
    )
    if segment.structure:
        observed.RTROIIdentificationCodeSequence = [coded(structure(segment.structure).code)]
    if segment.lesion_id:
        observed.ROIObservationLabel = segment.lesion_id[:16]
    return observed
