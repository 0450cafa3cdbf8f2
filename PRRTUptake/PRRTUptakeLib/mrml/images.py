"""The scene's volumes as the trial sees them: role, visit, quantity, time after injection, and what is lacking."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import (
    PROVENANCE_ATTRIBUTE,
    REFERENCE_TIME_ATTRIBUTE,
    quantity_and_units,
    set_quantity_and_units,
)

ROLE_ATTRIBUTE, VISIT_ATTRIBUTE = "PRRT.ImageRole", "PRRT.Visit"
HOURS_ATTRIBUTE, PATIENT_ATTRIBUTE = "PRRT.HoursAfterInjection", "PRRT.Patient"
RATE_ATTRIBUTE = "PRRT.ObservedRate_cps"  # count rate that the camera showed, for its dead time
ROUTE_ATTRIBUTE = "PRRT.Route"  # IA or IV
SEGMENTATION_ROLE = "PRRT.Segmentation"  # node reference from an image to the segments drawn for it alone
LOBE_PLANE_ROLE = "PRRT.LobePlane"  # node reference from segments to the plane that parts their lobes
ROUTES = ("IA", "IV")
MEASURED, ANATOMY, UNUSED = "measured", "anatomy", "unused"
IMAGE_ROLES = (MEASURED, ANATOMY, UNUSED)
# Units that can be measured in, with the quantity that they imply.
MEASURABLE_UNITS = {
    "Bq/ml": "activity concentration",
    "kBq/ml": "activity concentration",
    "MBq/ml": "activity concentration",
    "g/ml{SUVbw}": "SUVbw",
}
LACKS_UNITS, LACKS_VISIT, LACKS_TIME = "units", "visit", "time after injection"


@dataclass(frozen=True)
class ImageRow:
    """One volume of the scene.

    Attributes
    ----------
    node : the vtkMRMLScalarVolumeNode.
    name, role, visit, quantity, units, patient : words; role is one of IMAGE_ROLES, "" for what is missing.
    hours : from injection to scan; None where it is missing.
    lacks : what a measured image still needs, words among LACKS_*.
    """

    node: Any
    name: str
    role: str
    visit: str
    quantity: str
    units: str
    patient: str
    hours: float | None
    lacks: tuple[str, ...]


def image_rows() -> tuple[ImageRow, ...]:
    """Every scalar volume of the scene with voxels (label maps are none), in the order of the scene."""
    nodes = session().GetNodesByClass("vtkMRMLScalarVolumeNode")
    found = [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]
    nodes.UnRegister(None)
    shown = [node for node in found if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()]
    return tuple(image_row(node) for node in shown if node.GetImageData() is not None)


def image_row(node: Any) -> ImageRow:
    """What is known of one volume; an image of activity or SUV counts as measured until the user says otherwise."""
    quantity, units = quantity_and_units(node)
    role = node.GetAttribute(ROLE_ATTRIBUTE) or (MEASURED if units in MEASURABLE_UNITS else ANATOMY)
    visit = node.GetAttribute(VISIT_ATTRIBUTE) or ""
    text = node.GetAttribute(HOURS_ATTRIBUTE)
    hours = float(text) if text else None
    lacks = []
    if role == MEASURED:
        lacks = [
            word
            for word, there in (
                (LACKS_UNITS, units in MEASURABLE_UNITS),
                (LACKS_VISIT, visit),
                (LACKS_TIME, hours is not None),
            )
            if not there
        ]
    return ImageRow(node, node.GetName(), role, visit, quantity, units, patient_of(node), hours, tuple(lacks))


def patient_of(node: Any) -> str:
    """Whose image it is, as its DICOM said; "" where nothing is stated."""
    note = node.GetAttribute(PATIENT_ATTRIBUTE)
    if note:
        return str(note)
    provenance = node.GetAttribute(PROVENANCE_ATTRIBUTE)
    return str(json.loads(provenance).get("patient_id", "")) if provenance else ""


def describe_image(
    node: Any,
    role: str | None = None,
    visit: str | None = None,
    units: str | None = None,
    hours: float | None = None,
    route: str | None = None,
    rate_cps: float | None = None,
) -> None:
    """Note on a volume what the user states of it; None leaves as it was, "" for ``route`` and 0 take it back.

    Raises
    ------
    NodeError
        If the role, the units or the route are not known, or time or count rate are negative.
    """
    if rate_cps is not None:
        if rate_cps < 0:
            raise NodeError(f"The count rate is {rate_cps:g} counts per second: correct it.")
        node.SetAttribute(RATE_ATTRIBUTE, f"{rate_cps:g}" if rate_cps > 0 else None)
    if route is not None:
        if route not in ("", *ROUTES):
            raise NodeError(f"The route of an injection is one of {', '.join(ROUTES)}, not '{route}'.")
        node.SetAttribute(ROUTE_ATTRIBUTE, route or None)
    if role is not None:
        if role not in IMAGE_ROLES:
            raise NodeError(f"The role of an image is one of {', '.join(IMAGE_ROLES)}, not '{role}'.")
        node.SetAttribute(ROLE_ATTRIBUTE, role)
    if visit is not None:
        node.SetAttribute(VISIT_ATTRIBUTE, visit.strip() or None)
    if units is not None:
        if units not in MEASURABLE_UNITS:
            raise NodeError(f"'{node.GetName()}' cannot have the units '{units}': use {', '.join(MEASURABLE_UNITS)}.")
        set_quantity_and_units(node, MEASURABLE_UNITS[units], units)
    if hours is not None:
        if hours < 0:
            raise NodeError(f"The scan is {-hours:g} h before the injection: correct the time.")
        node.SetAttribute(HOURS_ATTRIBUTE, f"{hours:g}" if hours > 0 else None)


def propose_visits() -> tuple[str, ...]:
    """Name the visits of images in use that have no name; returns all names, in the order of the scene.

    A measured image is named by its route, else by its time after injection, else by the day of its scan; CT and MRI
    get the name of the only measured image of their day, or else their day.
    """
    rows = [row for row in image_rows() if row.role != UNUSED]
    for row in (row for row in rows if row.role == MEASURED and not row.visit):
        route = row.node.GetAttribute(ROUTE_ATTRIBUTE) or ""
        name = route or (f"{row.hours:.0f}h" if row.hours is not None else _day(row.node))
        describe_image(row.node, visit=name)
    measured = [image_row(row.node) for row in rows if row.role == MEASURED]
    for row in (row for row in rows if row.role != MEASURED and not row.visit):
        day = _day(row.node)
        same = {other.visit for other in measured if day and _day(other.node) == day}
        describe_image(row.node, visit=same.pop() if len(same) == 1 else day)
    return tuple(dict.fromkeys(name for row in rows if (name := image_row(row.node).visit)))


def patient_of_all() -> str:
    """The patient that all images in use are of, "" where none is known or they contradict each other."""
    known = {row.patient for row in image_rows() if row.role != UNUSED and row.patient}
    return known.pop() if len(known) == 1 else ""


def _day(node: Any) -> str:
    """The day of a scan as its series has it, year first; "" where it is not known."""
    time = node.GetAttribute(REFERENCE_TIME_ATTRIBUTE)
    if time:
        return str(time)[:10]
    provenance = node.GetAttribute(PROVENANCE_ATTRIBUTE)
    return str(json.loads(provenance).get("started", ""))[:10] if provenance else ""


def check_one_patient(rows: tuple[ImageRow, ...]) -> None:
    """Refuse to mix patients.

    Raises
    ------
    NodeError
        If two images are of different patients.
    """
    notes = [row for row in rows if row.patient]
    for row in notes[1:]:
        if row.patient != notes[0].patient:
            raise NodeError(
                f"'{notes[0].name}' is of patient {notes[0].patient}, but '{row.name}' of patient {row.patient}: "
                "set the other patient's image to unused, or close the scene."
            )
