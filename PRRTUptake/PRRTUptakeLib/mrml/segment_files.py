"""Segments of a visit from wherever the case file says: a folder of masks, a ``.seg.nrrd`` file, or DICOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.mrml.segmentations import read_segmentation_file
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import is_mask_file, read_mask_file, read_segment_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segmentation


def read_segments(
    path: Path, series: Sequence[Series] = (), labels: Mapping[int, str] | str | None = None
) -> Segmentation:
    """Segments from a folder of masks, a label map, a ``.seg.nrrd`` file, or DICOM: a SEG or RTSTRUCT, or a folder.

    ``series`` are the visit's images, among which is the one that the DICOM contours were drawn on; ``labels`` the
    names of a label map's numbers, see ``segmentation.files.read_mask_file``.
    """
    if path.is_dir():
        masks = any(is_mask_file(item) for item in path.iterdir())
        slicer = sorted(path.glob("*.seg.nrrd"))
        if len(slicer) == 1 and not masks:
            return read_segmentation_file(slicer[0])
        return read_segment_folder(path) if masks or not contour_files(path) else read_contours(path, series)
    if is_mask_file(path):
        return read_mask_file(path, labels)
    return read_contours(path, series) if path.suffix.lower() in (".dcm", "") else read_segmentation_file(path)


def segment_files(path: Path) -> list[Path]:
    """The files behind `read_segments`."""
    return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
