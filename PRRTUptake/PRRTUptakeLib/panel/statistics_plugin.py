"""Slicer's Segment Statistics with SUVpeak, total uptake and T/N."""

from __future__ import annotations

from typing import Any

import slicer
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase
from slicer.i18n import tr as _

PEAK, TOTAL, RATIO = "suv_peak", "total_uptake", "tn_ratio"


class PRRTSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
    """Measures of uptake that the trials report, for any segment in any image."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "PRRT uptake"
        self.title = _("PRRT uptake")
        self.keys = [PEAK, TOTAL, RATIO]
        self.defaultKeys = [PEAK, TOTAL, RATIO]

    def computeStatistics(self, segmentID: str) -> dict[str, float]:
        """The requested measures of one segment; empty without an image."""
        keys = tuple(self.getRequestedKeys())
        segmentation, image = self._node("Segmentation"), self._node("ScalarVolume")
        if not keys or segmentation is None or image is None:
            return {}
        from PRRTUptakeLib.mrml.segment_statistics import segment_statistics

        return segment_statistics(segmentation, segmentID, image, keys)

    def getMeasurementInfo(self, key: str) -> dict[str, Any] | None:
        """Name, description, units and DICOM codes of a measure."""
        image = self._node("ScalarVolume")
        units = image.GetVoxelValueUnits() if image is not None else None
        quantity = image.GetVoxelValueQuantity() if image is not None else None
        unit = (units.GetCodeMeaning() or units.GetCodeValue() or "") if units is not None else ""
        if key == PEAK:
            return self.createMeasurementInfo(
                "SUVpeak",
                _("SUVpeak"),
                _("Highest mean of a sphere of 1 mL whose centre is in the segment"),
                unit,
                quantity.GetAsString() if quantity is not None else "",
                units.GetAsString() if units is not None else "",
            )
        if key == TOTAL:
            return self.createMeasurementInfo(
                "Total uptake", _("Total uptake"), _("Integral of the image over the segment"), f"{unit} mL".strip()
            )
        if key == RATIO:
            return self.createMeasurementInfo(
                "T/N",
                _("T/N"),
                _("Mean over the mean of the healthy liver reference of the same lobe, else of the whole liver"),
                "1",
                unitsDicomCode=self.createCodedEntry("1", "UCUM", "no units", True),
            )
        return None

    def _node(self, parameter: str) -> Any:
        parameters = self.getParameterNode()
        identifier = parameters.GetParameter(parameter) if parameters is not None else ""
        return slicer.mrmlScene.GetNodeByID(identifier) if identifier else None


def register() -> None:
    """Add the measures to Segment Statistics."""
    import SegmentStatistics

    SegmentStatistics.SegmentStatisticsLogic.registerPlugin(PRRTSegmentStatisticsPlugin())
