"""What each design of a trial measures in the images of a scene: lobe against lobe, or intra-arterial against IV."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.dicom_nodes import injection_from_node
from PRRTUptakeLib.mrml.images import MEASURABLE_UNITS
from PRRTUptakeLib.mrml.manual_shifts import manual_shifts_of
from PRRTUptakeLib.mrml.registration import registration_of
from PRRTUptakeLib.mrml.registration_figures import shown_registrations
from PRRTUptakeLib.mrml.session_alignment import check_sessions
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.volumes import NodeError
from PRRTUptakeLib.progress import sub_progress
from PRRTUptakeLib.report.alignment_report import alignment_section
from PRRTUptakeLib.report.enhancement_report import enhancement_sections
from PRRTUptakeLib.report.patient_report import ReportedVisit, visit_sections
from PRRTUptakeLib.report.registration_report import registration_sections
from PRRTUptakeLib.study.measurement_rows import measurement_rows
from PRRTUptakeLib.study.route_uptake import RoutedImage, compare_routes, enhancement_rows
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.study.route_uptake import EnhancementResult
    from PRRTUptakeLib.study.session_alignment import CheckedVisit
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.mapping import PointMap

ROUTES = ("IA", "IV")


@dataclass(frozen=True, eq=False)
class MeasuredImage:
    """One image to measure: its node, the name of its visit, and the volume as it lies in the world.

    ``bending`` carries world points to where the volume shows them, if its transform bends; None if it is linear.
    ``nudges`` are lesions that were moved by hand in it.
    """

    node: Any
    visit: str
    volume: Volume
    bending: PointMap | None = None
    manual_shifts: tuple[ManualShift, ...] = ()


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes
    ----------
    labels : patient, cycle and treated lobe; those of the first image.
    protocol, prepared, images : what went in.
    rows, warnings : what came out.
    visits : of a lobe-against-lobe trial.
    enhancement : of an intra-arterial-against-intravenous trial.
    registrations : by visit, for the report.
    checked : whether each image lies on the CT of its session, where there is one.
    """

    labels: VisitLabels
    protocol: Protocol
    prepared: Prepared
    images: tuple[MeasuredImage, ...]
    rows: tuple[Measurement, ...]
    warnings: tuple[str, ...]
    visits: tuple[VisitResult, ...] = ()
    enhancement: EnhancementResult | None = None
    registrations: Mapping[str, Registration] = field(default_factory=dict)
    checked: tuple[CheckedVisit, ...] = ()

    def sections(self, anatomy: Mapping[str, Volume]) -> list[str]:
        """The report's sections; ``anatomy`` gives the images for its pictures by visit, "" for all other visits."""
        told = []
        if self.registrations:
            moved = [one for one in self.images if one.visit in self.registrations]
            told += registration_sections(shown_registrations(moved, self.prepared.segmentation))
        if self.checked:
            told.append(alignment_section(self.checked))
        if self.enhancement is not None:
            return [*enhancement_sections(self.enhancement, self.protocol), *told]
        shown = [ReportedVisit(one, anatomy.get(one.labels.visit, anatomy.get(""))) for one in self.visits]
        return [*(part for visit in shown for part in visit_sections(visit)), *told]

    def alignment(self) -> list[dict[str, Any]]:
        """Registrations and nudges as plain values for the provenance."""
        moved = [{"visit": visit, "what": "registration", **one.facts()} for visit, one in self.registrations.items()]
        shifted_lesions = [manual_shift.facts(one.visit) for one in self.images for manual_shift in one.manual_shifts]
        return [*(one.facts() for one in self.checked), *moved, *shifted_lesions]


def measurable(node: Any, visit: str) -> MeasuredImage:
    """An image node as it can be measured.

    Raises
    ------
    NodeError
        If it is no image of activity or SUV.
    """
    volume, bending = placed_volume(node)
    if volume.units not in MEASURABLE_UNITS:
        raise NodeError(
            f"'{node.GetName()}' has the units '{volume.units or 'none'}', not a concentration or SUV: "
            "load it with the PRRT reader, or set its units."
        )
    return MeasuredImage(node, visit, volume, bending, manual_shifts_of(node))


def measure_prepared(
    prepared: Prepared, images: Sequence[MeasuredImage], protocol: Protocol, labels: VisitLabels, progress: Progress
) -> Measured:
    """Measure images by the protocol's design.

    Parameters
    ----------
    prepared : labelled segments, in the world.
    images : all of one patient.
    protocol : its design says what is compared.
    labels : patient, cycle and treated lobe; visit and image are each image's own.
    progress : told how far it is.

    Raises
    ------
    PRRTError
        If the data do not allow an answer.
    """
    measure = _routes if protocol.design == "ia-versus-iv" else _lobes
    found = measure(prepared, tuple(images), protocol, labels, sub_progress(progress, 0.0, 0.8))
    progress(0.8, "Checking that the images lie on the CT of their session")
    checked = check_sessions(images, prepared.segmentation)
    told = [text for one in checked for text in one.warnings]
    for visit, registration in found.registrations.items():
        told += [f"{visit}: {text}" for text in registration.quality.warnings]
    return replace(found, checked=checked, warnings=(*told, *found.warnings))


def _lobes(
    prepared: Prepared,
    images: tuple[MeasuredImage, ...],
    protocol: Protocol,
    labels: VisitLabels,
    progress: Progress,
) -> Measured:
    visits = []
    for number, one in enumerate(images):
        progress(number / len(images), f"Measuring {one.visit}")
        own = VisitLabels(labels.patient, labels.cycle, one.visit, one.node.GetName(), labels.treated_lobe)
        placed = replace(prepared, bending=one.bending)
        injection = injection_from_node(one.node)
        visits.append(measure_visit(placed, one.volume, protocol, own, injection, manual_shifts=one.manual_shifts))
    rows = tuple(row for visit in visits for row in measurement_rows(visit))
    warnings = tuple(f"{visit.labels.visit}: {text}" for visit in visits for text in visit.warnings)
    moved = _registrations(one for one in images if one.node.GetParentTransformNode() is not None)
    return Measured(visits[0].labels, protocol, prepared, images, rows, warnings, tuple(visits), registrations=moved)


def _routes(
    prepared: Prepared,
    images: tuple[MeasuredImage, ...],
    protocol: Protocol,
    labels: VisitLabels,
    progress: Progress,
) -> Measured:
    routed = {}
    for route in ROUTES:
        of_route = [one for one in images if route in re.split(r"[^A-Za-z]+", one.visit.upper())]
        if len(of_route) != 1:
            raise NodeError(
                f"The protocol compares one IA image with one IV image, but {len(of_route)} visits are called {route}: "
                "name the visits of the two images IA and IV."
            )
        routed[route] = of_route[0]
    progress(0.1, "Measuring IA and IV")
    ia, iv = (_routed(route, one) for route, one in routed.items())
    result = compare_routes(prepared, ia, iv, protocol)
    rows = enhancement_rows(result, labels.patient, labels.cycle)
    warnings = (*prepared.warnings, *result.warnings)
    return Measured(labels, protocol, prepared, images, rows, warnings, (), result, _registrations(routed.values()))


def _registrations(images: Iterable[MeasuredImage]) -> dict[str, Registration]:
    return {one.visit: registration_of(one.node) for one in images}


def _routed(route: str, one: MeasuredImage) -> RoutedImage:
    injection = injection_from_node(one.node)
    if injection is None:
        raise NodeError(
            f"'{one.node.GetName()}' does not tell what was injected: load it from DICOM by the PRRT reader, "
            "that tells activity, nuclide and injection time."
        )
    return RoutedImage(route, one.visit, one.volume, one.bending, injection, one.manual_shifts)
