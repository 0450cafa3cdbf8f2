"""The images of one cycle in the order of time, and what the injection was, as the scene knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import (
    MEASURED,
    RATE_ATTRIBUTE,
    SEGMENTATION_ROLE,
    check_one_patient,
    describe_image,
    image_row,
    image_rows,
)

if TYPE_CHECKING:
    from PRRTUptakeLib.mrml.images import ImageRow

ACTIVITY_ATTRIBUTE, NUCLIDE_ATTRIBUTE, SEX_ATTRIBUTE = "PRRT.AdministeredActivity_MBq", "PRRT.Nuclide", "PRRT.Sex"


@dataclass(frozen=True)
class TimePoint:
    """One activity image and the segments to measure in it; ``own`` where they were drawn for this image alone."""

    row: ImageRow
    segmentation: Any
    own: bool

    @property
    def node(self) -> Any:
        """The volume node."""
        return self.row.node


def time_points(segmentation: Any) -> tuple[TimePoint, ...]:
    """The measured images, the earliest first, those without a time last.

    Parameters
    ----------
    segmentation : for all images that name none of their own; may be None.
    """
    rows = [row for row in image_rows() if row.role == MEASURED]
    rows.sort(key=lambda row: (row.hours is None, row.hours or 0.0))
    found = []
    for row in rows:
        own = row.node.GetNodeReference(SEGMENTATION_ROLE)
        found.append(TimePoint(row, own if own is not None else segmentation, own is not None))
    return tuple(found)


def check_time_points(points: tuple[TimePoint, ...]) -> None:
    """Refuse time points that cannot make a curve.

    Raises
    ------
    NodeError
        Saying which image lacks what.
    """
    if not points:
        raise NodeError("There is no activity image: load the SPECT images of one cycle, in Bq/ml.")
    check_one_patient(tuple(point.row for point in points))
    for point in points:
        if point.row.units != "Bq/ml":
            raise NodeError(f"'{point.row.name}' is in '{point.row.units or 'no units'}': dosimetry needs Bq/ml.")
        if point.row.hours is None:
            raise NodeError(f"'{point.row.name}' does not state its time after injection: set it.")
        if point.segmentation is None:
            raise NodeError(f"'{point.row.name}' has no segments: choose a segmentation.")
    hours = [point.row.hours for point in points]
    twice = next((time for time in hours if hours.count(time) > 1), None)
    if twice is not None:
        raise NodeError(f"Two images were taken {twice:g} h after injection: set one of them to unused, or its time.")


def set_segmentation(image: Any, segmentation: Any) -> None:
    """Say which segments were drawn for one image alone; None for those of all images."""
    image.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation.GetID() if segmentation is not None else None)


def set_hours(image: Any, hours: float) -> None:
    """State the time after injection of an image."""
    describe_image(image, hours=hours)


def set_rate(image: Any, rate_cps: float) -> None:
    """State the count rate that the camera showed during an image; 0 for not known."""
    describe_image(image, rate_cps=rate_cps)


def observed_rate(image: Any) -> float | None:
    """The count rate in counts per second; None where it is not stated."""
    text = image.GetAttribute(RATE_ATTRIBUTE)
    return float(text) if text else None


@dataclass(frozen=True)
class ImageFacts:
    """What all images agree on of the injection; None where they do not state it or contradict each other."""

    nuclide: str | None
    activity_MBq: float | None
    sex: str | None


def image_facts(points: tuple[TimePoint, ...]) -> ImageFacts:
    """What the images state of the injection."""

    def agreed(attribute: str) -> str | None:
        values = {point.node.GetAttribute(attribute) for point in points}
        return values.pop() if len(values) == 1 else None

    activity = agreed(ACTIVITY_ATTRIBUTE)
    return ImageFacts(agreed(NUCLIDE_ATTRIBUTE), float(activity) if activity else None, agreed(SEX_ATTRIBUTE))


def lacks_calibration(image: Any) -> bool:
    """Whether an image holds counts that need a calibration."""
    return not image_row(image).units
