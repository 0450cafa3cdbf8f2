"""A patient of the application's DICOM database as images and segments of the scene, as `archive.assemble` proposes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.assemble import Wishes, assemble
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.scan import Scan, scan_files
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.dicom_nodes import EMISSION, node_from_series, node_from_stored_values
from PRRTUptakeLib.mrml.images import (
    ANATOMY,
    MEASURED,
    SEGMENTATION_ROLE,
    UNUSED,
    VISIT_ATTRIBUTE,
    describe_image,
)
from PRRTUptakeLib.mrml.scene import place_in_study, take_out
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.study.inputs import ROUTES
from PRRTUptakeLib.study.protocol import load_protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.archive.draft import CaseDraft, DraftVisit
    from PRRTUptakeLib.dicom.series import Series

_MODALITY_WORDS = {"NM": "SPECT", "PT": "PET", "CT": "CT", "MR": "MRI"}


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedPatient:
    """What came into the scene, and what sections of the panel take over.

    Attributes
    ----------
    nodes : images and segments, the first visit's first.
    segmentation : the first segmentation node, None if there is none.
    patient, protocol, cycle : of the case; cycles : those that the database has.
    open : what is left to decide, and what was left out, in sentences.
    """

    nodes: tuple[Any, ...]
    segmentation: Any
    patient: str
    protocol: str
    cycle: int
    cycles: tuple[int, ...]
    open: tuple[str, ...]


def load_from_database(
    database: Any, patient: str, protocol: str = "", cycle: int = 1, progress: Progress = no_progress
) -> LoadedPatient:
    """Load one cycle of a patient; if anything raises, the scene is as it was.

    Parameters
    ----------
    database : the application's DICOM database.
    patient : its row in the database.
    protocol : taken if the images are of the kind that it measures, else one is proposed.
    cycle : which of the patient's cycles; the first if there is no such one.
    progress : called with how far it is.

    Raises
    ------
    PRRTError
        If the database has no image of the patient that could be measured.
    """
    files = [
        Path(file)
        for study in database.studiesForPatient(patient)
        for series in database.seriesForStudy(study)
        for file in database.filesForSeries(series)
    ]
    scan = scan_files([file for file in files if file.is_file()], sub_progress(progress, 0.0, 0.3))
    if not scan.series:
        raise ArchiveError("The files of this patient are not there any more: import them again in the DICOM module.")
    draft = _draft(scan, protocol)
    cycles = tuple(sorted({visit.cycle for visit in draft.visits}))
    chosen = cycle if cycle in cycles else cycles[0]
    known = {one.series.files[0]: one.series for one in scan.series}
    nodes: list[Any] = []
    visits = [visit for visit in draft.visits if visit.cycle == chosen]
    try:
        for n, visit in enumerate(visits):
            progress(0.3 + 0.7 * n / len(visits), f"Loading {visit.name}")
            nodes += _load_visit(visit, draft, known)
    except Exception:
        take_out(nodes)
        raise
    segmentation = next((node for node in nodes if node.IsA("vtkMRMLSegmentationNode")), None)
    return LoadedPatient(
        nodes=tuple(nodes),
        segmentation=segmentation,
        patient=draft.patient_id,
        protocol=draft.protocol,
        cycle=chosen,
        cycles=cycles,
        open=_open(draft, chosen, protocol, segmentation),
    )


def _draft(scan: Scan, protocol: str) -> CaseDraft:
    """The proposal by the wished protocol, or by another if that measures other images."""
    try:
        return assemble(scan, Wishes(protocol=protocol))
    except ArchiveError:
        return assemble(scan, Wishes())


def _open(draft: CaseDraft, cycle: int, wished: str, segmentation: Any) -> tuple[str, ...]:
    """Questions on this cycle; those on segments are answered in section 4."""
    own = [n for n, visit in enumerate(draft.visits) if visit.cycle == cycle]
    found = [
        one.question
        for one in draft.all_questions
        if not one.key.endswith(".segments")
        and not (one.key == "protocol" and not wished)
        and (not one.key.startswith("visits[") or any(one.key.startswith(f"visits[{n}].") for n in own))
    ]
    if segmentation is None:
        found.append("No segments were found: draw or load them in section 4.")
    return (*found, *draft.remarks)


def _load_visit(visit: DraftVisit, draft: CaseDraft, known: dict[Path, Series]) -> list[Any]:
    series = [known[files[0]] for files in visit.images]
    route = ROUTES.get(visit.keys.get("route", ""), "")
    stated = "route" if any(one.key == "route" for one in visit.questions) else ""
    as_suv = load_protocol(draft.protocol).rules.routes
    nodes, measured = [], None
    beds, series = series[: visit.bed_count], [series[0], *series[visit.bed_count :]] if series else []
    for one in series:
        node = _image(one, visit.name, as_suv, beds[1:] if one in beds else ())
        nodes.append(node)
        if one.modality not in EMISSION:
            describe_image(node, role=ANATOMY, visit=visit.name)
        elif measured is None:
            measured = node
            describe_image(node, role=MEASURED, visit=visit.name, route=route if not stated else "")
        else:
            describe_image(node, role=UNUSED, visit=visit.name)
    if visit.contours:
        segmentation = read_contours(visit.contours[0][0], [*series, *beds[1:]])
        drawn = node_from_segmentation(segmentation, f"Segments {visit.name}")
        drawn.SetAttribute(VISIT_ATTRIBUTE, visit.name)
        if measured is not None:
            measured.SetNodeReferenceID(SEGMENTATION_ROLE, drawn.GetID())
        nodes.append(drawn)
    place_in_study(draft.patient_id or "Patient", f"Cycle {visit.cycle} {visit.name}", nodes)
    return nodes


def _image(series: Series, visit: str, as_suv: bool, beds: Sequence[Series] = ()) -> Any:
    """A volume node; without units where the header does not allow more, so that the panel can ask for them."""
    words = _MODALITY_WORDS.get(series.modality, series.modality)
    name = " ".join(dict.fromkeys([words, series.description, visit]))
    try:
        return node_from_series(series, name, as_suv, beds=beds)
    except PRRTError:
        if series.modality not in EMISSION or beds:
            raise
        return node_from_stored_values(series, name)
