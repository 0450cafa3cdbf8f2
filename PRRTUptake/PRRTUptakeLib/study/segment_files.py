"""Segments of a visit from wherever the case file says: a folder of masks, a ``.seg.nrrd`` file, or DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import SUFFIXES, read_segment_folder
from PRRTUptakeLib.segmentation.segments import Segmentation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series

SegmentationReader = Callable[[Path], Segmentation]
"""Reads a ``.seg.nrrd`` file: Slicer's own reader, which the node layer gives (`mrml.segmentations`)."""


class SegmentFileError(PRRTError):
    """Segments cannot be read from what the case file names."""


def no_reader(path: Path) -> Segmentation:
    """Refuse a ``.seg.nrrd`` file where no reader of Slicer is at hand."""
    raise SegmentFileError(f"{path} needs Slicer's libraries: install slicer-core, or give a folder of masks.")


def read_segments(path: Path, series: Sequence[Series] = (), read_file: SegmentationReader = no_reader) -> Segmentation:
    """Segments from a folder of masks, a ``.seg.nrrd`` file, or DICOM: a SEG or RTSTRUCT, or a folder of them.

    ``series`` are the visit's images, among which is the one that the DICOM contours were drawn on.
    """
    if path.is_dir():
        masks = any(item.name.lower().endswith(SUFFIXES) for item in path.iterdir())
        return read_segment_folder(path) if masks or not contour_files(path) else read_contours(path, series)
    return read_contours(path, series) if path.suffix.lower() in (".dcm", "") else read_file(path)
