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
from PRRTUptakeLib.imaging.volume import Grid
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
    first = min(segment.origin[0] for segment in segments)
    last = max(segment.origin[0] + segment.mask.shape[0] for segment in segments)
    values = np.zeros((last - first, *placed.grid.shape[1:], len(segments)), dtype=np.uint8)
    for n, segment in enumerate(segments):
        k, j, i = segment.box
        values[k.start - first : k.stop - first, j, i, n] = segment.mask
    return _object(values, placed.grid, first, segments, series, "BINARY", (SEG_NUMBER, description))


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
    places = [np.unravel_index(region.indices, grid.shape) for _, region in regions]
    first, last = min(int(place[0].min()) for place in places), max(int(place[0].max()) for place in places) + 1
    values = np.zeros((last - first, *grid.shape[1:], len(regions)), dtype=np.float32)
    for n, ((k, j, i), (_, region)) in enumerate(zip(places, regions, strict=True)):
        values[k - first, j, i, n] = np.clip(region.fraction, 0.0, 1.0)
    segments = [segment for segment, _ in regions]
    return _object(values, grid, first, segments, series, "FRACTIONAL", (FRACTION_NUMBER, description))


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
    values: np.ndarray,
    grid: Grid,
    first: int,
    segments: Sequence[Segment],
    series: Series,
    kind: str,
    names: tuple[int, str],
) -> Dataset:
    sources = source_images(series)
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=as_volume(values, grid, frame_uid(sources[0], series.label), first),
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
    return finish(seg, sources[0], names[1])


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
