"""A result of the scene gets its DICOM series: they are looked up in the application's DICOM database."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.series import group_files
from PRRTUptakeLib.mrml.dicom_nodes import stated_values
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import ANATOMY, image_rows
from PRRTUptakeLib.mrml.volumes import PROVENANCE_ATTRIBUTE

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.inputs import SceneStudy
    from PRRTUptakeLib.study.model import StudyResult, VisitContents, VisitImages

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"  # Slicer's own name


def with_series(result: StudyResult, scene: SceneStudy, database: Any) -> StudyResult:
    """A result of the scene that can be written as DICOM (`export.dicom_results`).

    Parameters
    ----------
    result : of `scene`.
    database : the application's DICOM database (``slicer.dicomDatabase``), which knows the files of each series.

    Raises
    ------
    PRRTError
        If the database does not know an image's files, or no image of it shares the space of the segments.
    """
    measured = {key: source_series(node, database) for key, node in scene.images.items()}
    images: list[VisitImages] = []
    for one in result.images:
        contours = None
        if any(contents.study == one.study and contents.prepared is not None for contents in result.contents):
            contours = _contour_series(scene, one.key, database)
        found = measured.get(one.key) or contours
        stated = stated_values(scene.images[one.key]) if one.key in scene.images else None
        images.append(replace(one, measured=found, contours=contours, stated=stated))
    contents = tuple(_named(one, scene, measured) for one in result.visit_contents)
    first = measured[next(iter(measured))]
    parts = tuple(
        replace(part, contents=tuple(_of_series(one, first) for one in part.contents)) for part in result.parts
    )
    return replace(result, images=tuple(images), visit_contents=contents, parts=parts)


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


def _contour_series(scene: SceneStudy, key: tuple[int, str], database: Any) -> Series:
    """An image that shares the space of a visit's segments: moved alike, of this visit first, CT or MRI before others.

    Raises
    ------
    NodeError
        If there is none.
    """
    segments, visit = scene.segmentations[key], key[1]
    rows = sorted((row for row in image_rows() if row.role == ANATOMY), key=lambda row: row.visit != visit)
    own = [scene.images[key]] if key in scene.images else []
    for node in (*(row.node for row in rows), *own):
        if node.GetTransformNodeID() == segments.GetTransformNodeID():
            try:
                return source_series(node, database)
            except NodeError:
                continue
    raise NodeError(
        "No image of the DICOM database shares the space of the segments, so that they cannot be placed as DICOM: "
        "import the CT or MRI that they were drawn on, or export without DICOM."
    )


def _named(contents: VisitContents, scene: SceneStudy, measured: dict[tuple[int, str], Series]) -> VisitContents:
    """The contents with the measured volume named after its series."""
    key = next((key for key in measured if key[1] == contents.visit), None)
    if key is None or not contents.volumes:
        return contents
    (name, volume), *others = contents.volumes
    known: Volume = replace(volume, provenance={**volume.provenance, "series_uid": measured[key].uid})
    return replace(contents, volumes=((name, known), *others))


def _of_series(contents: VisitContents, first: Series) -> VisitContents:
    """Maps that do not know their series are on the grid of the first image."""
    named = [
        (name, replace(volume, provenance={"series_uid": first.uid, **volume.provenance}))
        for name, volume in contents.volumes
    ]
    return replace(contents, volumes=tuple(named))
