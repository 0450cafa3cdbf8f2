"""SUVpeak, total uptake and T/N of one segment in one image, for Slicer's Segment Statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.own_segments import check_together
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.volumes import volume_from_node
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.uptake.metrics import region_metrics
from PRRTUptakeLib.uptake.peak import suv_peak
from PRRTUptakeLib.uptake.ratios import tn_ratio

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment

PEAK, TOTAL, RATIO = "suv_peak", "total_uptake", "tn_ratio"


def segment_statistics(
    segmentationNode: Any, segmentID: str, imageNode: Any, keys: tuple[str, ...]
) -> dict[str, float]:
    """Measures of one segment; one that has no value here (no reference for T/N, say) is left out.

    Parameters
    ----------
    segmentationNode, segmentID : the segment.
    imageNode : vtkMRMLScalarVolumeNode of activity or SUV.
    keys : among PEAK, TOTAL (image units times mL) and RATIO.

    Raises
    ------
    PRRTError
        If the nodes cannot be used.
    """
    segment_node = segmentationNode.GetSegmentation().GetSegment(segmentID)
    if segment_node is None:
        raise NodeError(f"'{segmentationNode.GetName()}' has no segment {segmentID}.")
    check_together(segmentationNode, imageNode)
    segmentation, image = segmentation_from_node(segmentationNode), volume_from_node(imageNode)
    segment = segmentation[segment_node.GetName()]
    found: dict[str, float] = {}
    for key in keys:
        try:
            found[key] = _MEASURES[key](image, segmentation, segment)
        except PRRTError:  # a segment outside the image, or without reference: Segment Statistics shows no value
            continue
    return found


def _mean_and_total(image: Volume, segmentation: Segmentation, segment: Segment) -> tuple[float, float]:
    metrics = region_metrics(image, Segmentation(segmentation.grid, (segment,)))[segment.name]
    return metrics.mean, metrics.total


def _peak(image: Volume, segmentation: Segmentation, segment: Segment) -> float:
    return suv_peak(image, segment, segmentation.grid).value


def _total(image: Volume, segmentation: Segmentation, segment: Segment) -> float:
    return _mean_and_total(image, segmentation, segment)[1]


def _ratio(image: Volume, segmentation: Segmentation, segment: Segment) -> float:
    """T/N with the healthy liver of the segment's lobe, else of the whole liver."""
    references = segmentation.having(role="reference")
    same = [one for one in references if one.lobe == segment.lobe and one.lobe in ("left", "right", "caudate")]
    whole = [one for one in references if one.name == "reference whole liver"]
    if not (same or whole):
        raise NodeError("There is no reference region: make it in PRRT Uptake, section 4.")
    reference = (same or whole)[0]
    tumour, _ = _mean_and_total(image, segmentation, segment)
    healthy, _ = _mean_and_total(image, segmentation, reference)
    return tn_ratio(tumour, healthy, segment.name).value


_MEASURES = {PEAK: _peak, TOTAL: _total, RATIO: _ratio}
