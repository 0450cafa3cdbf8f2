"""Nodes and DICOM objects: contours drawn elsewhere into the scene, and what was measured in the scene out of it.

>>> segmentationNode = import_contours("RTSTRUCT.dcm", "DICOM")  # doctest: +SKIP
>>> export_dicom("results", segmentationNode, imageNode, tableNode, "DICOM")  # doctest: +SKIP
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.dicom.series import Series, find_series
from PRRTUptakeLib.export.deidentify_text import Identity
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_results import fractions_of, map_object
from PRRTUptakeLib.export.dicom_seg import occupancy_object, segmentation_object
from PRRTUptakeLib.export.dicom_sr import measurement_report
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.manual_shifts import manual_shifts_within
from PRRTUptakeLib.mrml.own_segments import check_together
from PRRTUptakeLib.mrml.segmentations import native_segmentation, node_from_segmentation
from PRRTUptakeLib.mrml.tables import rows_of_table
from PRRTUptakeLib.mrml.transforms import segments_to_image
from PRRTUptakeLib.mrml.volumes import native_volume
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.study.images import contour_series
from PRRTUptakeLib.study.measurements import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.export.deidentify import Deidentifier


def import_contours(path: str | Path, images: str | Path | Sequence[Series], name: str = "", node: Any = None) -> Any:
    """DICOM SEG and RTSTRUCT as a segmentation node whose segments know role, lobe and lesion as far as the file says.

    Parameters
    ----------
    path : a file, or a folder of them.
    images : the DICOM of the patient, as a folder or as series; the image on which was drawn gives the grid.
    name : of the node; that of the file by default.
    node : a segmentation node to overwrite; a new one is made if None.

    Raises
    ------
    PRRTError
        If the contours are of another patient or frame of reference, or cannot be placed.
    """
    segmentation = read_contours(Path(path), _series(images))
    return node_from_segmentation(segmentation, name or Path(path).stem, node)


def export_dicom(
    folder: str | Path,
    segmentationNode: Any,
    imageNode: Any,
    measurements: Any,
    images: str | Path | Sequence[Series],
    visit: str = "",
    deidentifier: Deidentifier | None = None,
) -> list[Path]:
    """Write segments (SEG), measurements (SR) and, if the image is a map of SUV, dose or TIA, the map itself.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced; it appears whole or not at all.
    segmentationNode, imageNode : what was measured, and in what.
    measurements : what came out: a table node (six digits, as tables in Slicer have) or `Measurement` rows.
    images : the DICOM of the patient, as a folder or as series, to which the objects refer.
    visit : which visit's rows of the table to write; all by default.
    deidentifier : frees the objects of the patient's identity; None leaves it in.

    Raises
    ------
    PRRTError
        If the image does not know its series, the series is not among ``images``, or nothing can be written.
    """
    series = _series(images)
    if imageNode is None:
        raise NodeError("No image is chosen: choose the one that was measured.")
    volume = native_volume(imageNode)  # where its series has it, whatever moves the node
    measured = _measured_series(imageNode, volume.provenance.get("series_uid", ""), series)
    segmentation = native_segmentation(segmentationNode)  # where the image they were drawn on has them
    check_together(segmentationNode, imageNode)
    placement = segments_to_image(segmentationNode, segmentation.grid, imageNode)
    drawn_on = contour_series(series, segmentation.grid)
    seg = segmentation_object(segmentation, drawn_on or measured)
    rows = [row for row in _rows(measurements) if visit in ("", row.visit)]
    objects: dict[str, Dataset] = {"SEG": seg}
    moved = imageNode.GetParentTransformNode() is not None
    if drawn_on is not None and (moved or drawn_on.frame_of_reference_uid == measured.frame_of_reference_uid):
        transform = placement.ras_transform if placement is not None else None
        fractions = fractions_of(segmentation, volume, transform, manual_shifts_within(imageNode))
        if fractions:
            objects["SEG_fractions"] = occupancy_object(fractions, measured)
    objects["SR"] = measurement_report(rows, segmentation, seg, measured, visit or imageNode.GetName())
    kind, made = map_object(volume, measured, imageNode.GetName())
    if made is not None:
        objects[kind] = made
    identity = Identity.of([measured.headers[0].dataset], *{row.patient for row in rows})
    with atomic_directory(folder) as out:
        for name, ds in objects.items():
            save_object(deidentifier.dataset(ds, identity) if deidentifier else ds, out / f"{name}.dcm")
    return [Path(folder) / f"{name}.dcm" for name in objects]


def _series(images: str | Path | Sequence[Series]) -> Sequence[Series]:
    return find_series(images) if isinstance(images, (str, Path)) else images


def _measured_series(node: Any, uid: str, series: Sequence[Series]) -> Series:
    if not uid:
        raise NodeError(f"'{node.GetName()}' does not know its DICOM series: load it by the PRRT reader, then measure.")
    found = next((one for one in series if one.uid == uid), None)
    if found is None:
        raise NodeError(
            f"The series of '{node.GetName()}' ({uid}) is not among the DICOM: name the folder that has it."
        )
    return found


def _rows(node: Any) -> Sequence[Measurement]:
    """The rows of a table of measurements, unless they are rows already.

    Raises
    ------
    NodeError
        If a column is missing.
    """
    if isinstance(node, (list, tuple)):
        return node
    found = rows_of_table(node)
    missing = [name for name in REQUIRED_COLUMNS if found and name not in found[0]]
    if not found or missing:
        note = f"has no column '{missing[0]}'" if missing else "is empty"
        raise NodeError(f"The table '{node.GetName()}' {note}: choose a table of measurements.")
    return [_row(one) for one in found]


def _row(values: dict[str, Any]) -> Measurement:
    texts = {name: str(values[name]) for name in REQUIRED_COLUMNS if name not in ("cycle", "value")}
    cells = {name: values.get(name, "") for name in OPTIONAL_COLUMNS}
    known = {name: float(cell) if str(cell).strip() else math.nan for name, cell in cells.items()}
    given: dict[str, Any] = {**texts, "cycle": int(values["cycle"]), "value": float(values["value"]), **known}
    return Measurement(**given)
