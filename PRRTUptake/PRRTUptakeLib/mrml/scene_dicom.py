"""What was measured in a scene as DICOM: the source series are looked up in the application's DICOM database."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.dicom.series import group_files
from PRRTUptakeLib.mrml.dicom_results import write_dicom
from PRRTUptakeLib.mrml.images import ANATOMY, image_rows
from PRRTUptakeLib.mrml.manual_shifts import manual_shifts_within
from PRRTUptakeLib.mrml.outcome import CaseOutcome, SceneVisit, VisitImages
from PRRTUptakeLib.mrml.transforms import from_world, placed_volume
from PRRTUptakeLib.mrml.volumes import PROVENANCE_ATTRIBUTE, NodeError, native_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.case import Case
    from PRRTUptakeLib.study.measurements import Measurement

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"  # Slicer's own name


@dataclass(frozen=True, eq=False)
class SceneImage:
    """A measured image, its visit and cycle, and the segments (in the world) that it was measured with.

    ``maps`` are volumes by name that were made from it and lie where it lies in the world, such as a dose map.
    """

    node: Any
    visit: str
    cycle: int
    segmentation: Segmentation
    maps: tuple[tuple[str, Volume], ...] = ()


def write_scene_dicom(
    folder: Path, case: Case, rows: Sequence[Measurement], images: Sequence[SceneImage], database: Any
) -> list[Path]:
    """Write segments (SEG), measurements (SR) and maps to ``folder``, one folder per visit; returns the files.

    Parameters
    ----------
    folder : is made.
    case : protocol and patient.
    rows : what was measured.
    images : the measured images.
    database : the application's DICOM database (``slicer.dicomDatabase``), which knows the files of each series.

    Raises
    ------
    PRRTError
        If the database does not know an image's files, or no image tells where the segments lie.
    """
    visits, scene = [], []
    drawn: Segmentation | None = None
    for one in images:
        measured = source_series(one.node, database)
        study = f"cycle {one.cycle} {one.visit}"
        contours = None
        if one.segmentation is not drawn:
            drawn = one.segmentation
            contours = _contour_series(one, database)
        point_map, manual_shifts = from_world(one.node), manual_shifts_within(one.node)
        visits.append(
            VisitImages(one.visit, one.cycle, study, measured, contours, point_map, manual_shifts=manual_shifts)
        )
        placed, own = placed_volume(one.node)[0], native_volume(one.node)
        back = own.ijk_to_ras @ np.linalg.inv(placed.ijk_to_ras)
        shown = ((one.node.GetName(), placed), *one.maps)
        volumes = tuple((name, _native(volume, back, measured.uid)) for name, volume in shown)
        scene.append(SceneVisit(study, volumes, drawn if drawn is one.segmentation and contours else None))
    outcome = CaseOutcome(case, "", tuple(rows), (), (), (), tuple(scene), (), (), (), tuple(visits))
    return write_dicom(outcome, folder)


def source_series(node: Any, database: Any) -> Series:
    """The DICOM series that a volume node was loaded from.

    Raises
    ------
    NodeError
        If the database does not know its files.
    """
    files = _files_of(node, database)
    found = group_files(Path(file) for file in files).series if files else ()
    if len(found) != 1:
        raise NodeError(
            f"The DICOM files of '{node.GetName()}' are not in Slicer's DICOM database: import them in the DICOM "
            "module, or export without DICOM."
        )
    return found[0]


def _files_of(node: Any, database: Any) -> list[str]:
    text = node.GetAttribute(PROVENANCE_ATTRIBUTE)
    uid = json.loads(text).get("series_uid") if text else None
    if database is None:
        return []
    if uid:
        files = list(database.filesForSeries(uid))
    else:
        files = [database.fileForInstance(one) for one in (node.GetAttribute(INSTANCES_ATTRIBUTE) or "").split()]
    return [file for file in files if file and Path(file).is_file()]


def _contour_series(one: SceneImage, database: Any) -> Series:
    """An image that lies where the segments lie: unmoved, best of the same visit, CT or MRI before the emission."""
    rows = [row for row in image_rows() if row.role == ANATOMY]
    nodes = [row.node for row in sorted(rows, key=lambda row: row.visit != one.visit)]
    for node in (*nodes, one.node):
        if node.GetParentTransformNode() is None:
            try:
                return source_series(node, database)
            except NodeError:
                continue
    raise NodeError(
        "No image of the DICOM database lies where the segments were drawn, so that they cannot be placed as DICOM: "
        "import the CT or MRI on which they were drawn, or export without DICOM."
    )


def _native(volume: Volume, back: np.ndarray, series_uid: str) -> Volume:
    """The volume where its series has it, and named after that series."""
    provenance = {**volume.provenance, "series_uid": series_uid}
    return replace(volume, ijk_to_ras=back @ volume.ijk_to_ras, provenance=provenance)
