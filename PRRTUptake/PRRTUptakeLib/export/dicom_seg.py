"""Segments as DICOM Segmentation objects (PS3.3 A.51): binary on the grid they were drawn on, or occupied fractions.

Lesions and regions carry tracking UIDs, codes and, in Segment Description, role and lobe, so that they come back as
they went (see ``segmentation.dicom_contours``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept

from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.export.dicom_codes import coded
from PRRTUptakeLib.export.dicom_frames import (
    Box,
    overlapping,
    planes_of_frames,
    planes_with_content,
    region_frames,
    set_frames,
    sources_of_one_voxel,
)
from PRRTUptakeLib.export.dicom_objects import (
    MODEL,
    as_volume,
    equipment,
    finish,
    frame_uid,
    own_uids,
    source_images,
    tracking_uid,
)
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.segmentation.codes import SPATIAL, Code, structure
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.uptake.occupancy import Occupancy

SEG_NUMBER, FRACTION_NUMBER = 9001, 9002  # series numbers, above those of scanners
MAXIMUM_FRACTION = 255  # a stored fraction is right to 1/510
_UNKNOWN = Code("85756007", "Tissue")
_LOBES = {key: structure(f"liver_lobe_{key}").code for key in ("left", "right", "caudate")}


def segmentation_object(segmentation: Segmentation, series: Series, description: str = "PRRT segments") -> Dataset:
    """A binary SEG of all segments that are not empty.

    Parameters
    ----------
    segmentation : the segments; in the voxel order of the series if they have its voxels, else on their own grid.
    series : the images on which they were drawn, or with which they share the frame of reference.

    Raises
    ------
    ExportError
        If there is nothing in the segments, or the series has no frame of reference.
    """
    arranged = arrange(series)
    grid = Grid(arranged.shape, arranged.ijk_to_ras)
    placed = _in_order_of(segmentation, grid)
    segments = [segment for segment in placed if segment.voxel_count]
    if not segments:
        raise ExportError("There is no segment with a voxel in it: nothing to write as DICOM SEG.")
    boxes = [(segment.box, segment.mask.view(np.uint8)) for segment in segments]
    return _object(boxes, placed.grid, segments, series, "BINARY", (SEG_NUMBER, description))


def occupancy_object(
    regions: Sequence[tuple[Segment, Occupancy]], series: Series, description: str = "PRRT occupied fractions"
) -> Dataset:
    """A fractional SEG (OCCUPANCY) on the grid of the measured image: which part of each voxel a region occupies.

    Fractions are stored in steps of 1/255.

    Raises
    ------
    ExportError
        If there is no region, or the regions lie on different grids.
    """
    if not regions:
        raise ExportError("There is no region that was measured by occupancy: nothing to write as DICOM SEG.")
    grid = regions[0][1].grid
    if any(not grid.matches(region.grid) for _, region in regions):
        raise ExportError("The regions were measured on different images: write one SEG for each image.")
    boxes = [_stored_fractions(region) for _, region in regions]
    segments = [segment for segment, _ in regions]
    return _object(boxes, grid, segments, series, "FRACTIONAL", (FRACTION_NUMBER, description))


def _stored_fractions(region: Occupancy) -> tuple[Box, np.ndarray]:
    """A region's fractions in steps of 1/255, uint8 [k, j, i], within its box."""
    places = np.unravel_index(region.indices, region.grid.shape)
    k, j, i = (slice(int(place.min()), int(place.max()) + 1) for place in places)
    values = np.zeros((k.stop - k.start, j.stop - j.start, i.stop - i.start), dtype=np.uint8)
    fractions = np.clip(region.fraction, 0.0, 1.0).astype(np.float32)
    values[places[0] - k.start, places[1] - j.start, places[2] - i.start] = np.around(fractions * MAXIMUM_FRACTION)
    return (k, j, i), values


def segment_numbers(seg: Dataset) -> dict[str, int]:
    """Segment Number of each segment label of a SEG."""
    return {str(item.SegmentLabel): int(item.SegmentNumber) for item in seg.SegmentSequence}


def _in_order_of(segmentation: Segmentation, grid: Grid) -> Segmentation:
    from PRRTUptakeLib.segmentation.errors import SegmentError

    try:
        return regrid(segmentation, grid)
    except SegmentError:
        return segmentation  # drawn on another image of the same frame of reference


def _object(
    boxes: Sequence[tuple[Box, np.ndarray]],
    grid: Grid,
    segments: Sequence[Segment],
    series: Series,
    kind: str,
    names: tuple[int, str],
) -> Dataset:
    """Made by highdicom of one voxel a plane, which says where there are frames; they are then put in one by one."""
    first, last = min(k.start for (k, _, _), _ in boxes), max(k.stop for (k, _, _), _ in boxes)
    sources = source_images(series)
    planes = as_volume(
        planes_with_content(boxes, first, last - first), grid, frame_uid(sources[0], series.label), first
    )
    seg = highdicom.seg.Segmentation(
        source_images=sources_of_one_voxel(sources) if _matches(sources[0], grid) else sources,
        pixel_array=planes,
        segmentation_type=kind,
        segment_descriptions=[describe(segment, n, series.patient_id) for n, segment in enumerate(segments, start=1)],
        fractional_type="OCCUPANCY",
        max_fractional_value=MAXIMUM_FRACTION,
        series_number=names[0],
        instance_number=1,
        content_label="PRRT",
        content_description=names[1],
        **own_uids(),
        **equipment(),
    )
    if kind == "BINARY":
        seg.SegmentsOverlap = "YES" if overlapping(boxes) else "NO"
    else:
        seg.SegmentsOverlap = "UNDEFINED" if len(boxes) > 1 else "NO"
    lps = LPS_TO_RAS @ grid.ijk_to_ras
    places = zip(_regions_of_frames(seg), planes_of_frames(seg, lps[:3, 3], lps[:3, 2]), strict=True)
    rows, columns = grid.shape[1:]
    set_frames(seg, region_frames(places, boxes, (rows, columns)), (rows, columns))
    return finish(seg, sources[0], names[1])


def _matches(source: Dataset, grid: Grid) -> bool:
    """Whether frames on a grid are as large as those of the source images."""
    return bool((source.Rows, source.Columns) == grid.shape[1:])


def _regions_of_frames(seg: Dataset) -> list[int]:
    """Which region each frame of a SEG shows, from 0; a single one is stated once for all."""
    frames = seg.PerFrameFunctionalGroupsSequence
    if len(seg.SegmentSequence) == 1:
        return [0] * len(frames)
    return [int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber) - 1 for frame in frames]


def describe(segment: Segment, number: int, patient_id: str) -> highdicom.seg.SegmentDescription:
    """What a SEG says of one segment: codes, tracking, colour, role and lobe."""
    item = structure(segment.structure) if segment.structure else None
    region = _LOBES.get(segment.lobe) or (
        item.region if item else None
    )  # one only (PS3.3 Table 10-7): the lobe says more
    about = {"anatomic_regions": [coded(region)]} if region is not None and _has_site(segment) else {}
    words = segment.lesion_id or segment.name
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:64],
        segmented_property_category=coded(item.category if item else SPATIAL),
        segmented_property_type=coded(item.code if item else _UNKNOWN),
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=_algorithm(),
        tracking_uid=tracking_uid(patient_id, words),
        tracking_id=words[:64],
        **about,
    )
    if item and item.modifier:
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            coded(item.modifier)
        ]
    red, green, blue = (round(255 * part) for part in segment.color)
    described.RecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(red, green, blue).value)
    described.SegmentDescription = f"role={segment.role}; lobe={segment.lobe}"
    return described


def _has_site(segment: Segment) -> bool:
    """Anatomy says where it is by its own code; lesions and regions of an organ need a site."""
    return segment.role not in ("lobe", "organ", "") or segment.structure == "marrow"


def _algorithm() -> highdicom.AlgorithmIdentificationSequence:
    return highdicom.AlgorithmIdentificationSequence(
        name=MODEL, family=CodedConcept("123104", "DCM", "Morphological Operations"), version=VERSION
    )
