"""Segments of a visit from wherever the case file says: a folder of masks, a ``.seg.nrrd`` file, or DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.headers import number
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import is_mask_file, read_mask_file, read_segment_folder
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.dicom.series import Series

SegmentationReader = Callable[[Path], Segmentation]
"""Reads a ``.seg.nrrd`` file: Slicer's own reader, which the node layer gives (`mrml.segmentations`)."""


def no_reader(path: Path) -> Segmentation:
    """Refuse a ``.seg.nrrd`` file where no reader of Slicer is at hand."""
    raise StudyError(f"{path} needs Slicer's libraries: install slicer-core, or give a folder of masks.")


def read_segments(
    path: Path,
    series: Sequence[Series] = (),
    read_file: SegmentationReader = no_reader,
    labels: Mapping[int, str] | str | None = None,
    same_patient: str = "",
) -> Segmentation:
    """Segments from a folder of masks, a label map, a ``.seg.nrrd`` file, or DICOM: a SEG or RTSTRUCT, or a folder.

    ``series`` are the visit's images, among which is the one that the DICOM contours were drawn on; ``labels`` the
    names of a label map's numbers, see ``segmentation.files.read_mask_file``; ``same_patient`` says why DICOM and
    images of different patient ids are of one person, "" refuses them.

    Raises
    ------
    StudyError
        If there are labels, but no label map.
    """
    if labels is not None and not is_label_source(path):
        raise StudyError(f"'labels' are the names of a label map's numbers, but {path} is none: remove them.")
    return _uncropped(_read(path, series, read_file, (labels, same_patient)), series)


def _read(
    path: Path,
    series: Sequence[Series],
    read_file: SegmentationReader,
    said: tuple[Mapping[int, str] | str | None, str],
) -> Segmentation:
    labels, same_patient = said
    if path.is_dir():
        masks = any(is_mask_file(item) for item in path.iterdir())
        slicer = sorted(path.glob("*.seg.nrrd"))
        if len(slicer) == 1 and not masks:
            return read_file(slicer[0])
        return (
            read_segment_folder(path, labels=labels)
            if masks or not contour_files(path)
            else read_contours(path, series, same_patient)
        )
    if is_mask_file(path):
        return read_mask_file(path, labels)
    return read_contours(path, series, same_patient) if path.suffix.lower() in (".dcm", "") else read_file(path)


def _uncropped(segmentation: Segmentation, series: Sequence[Series]) -> Segmentation:
    """Segments that were cropped, on the whole grid of the CT or MR whose voxels they have.

    Where a mask ends is no end of the liver's surroundings: its rim is no healthy liver there either.
    """
    anatomical = [one for one in series if one.modality in ("CT", "MR")]
    if any(_size(one) == sorted(segmentation.grid.shape) for one in anatomical):
        return segmentation
    for one in anatomical:
        try:
            arranged = arrange(one)
            return regrid(segmentation, Grid(arranged.shape, arranged.ijk_to_ras))
        except PRRTError:  # another image, or one that is no volume: what needs it says so
            continue
    return segmentation


def _size(series: Series) -> list[int]:
    """Rows, columns and number of planes of a series, in order of size, by its headers."""
    first = series.headers[0].dataset
    planes = sum(int(number(one.dataset, "NumberOfFrames", series.label) or 1) for one in series.headers)
    return sorted([planes, *(int(number(first, name, series.label) or 0) for name in ("Rows", "Columns"))])


def is_label_source(path: Path) -> bool:
    """Whether a path is a mask or label map, or a folder that holds one."""
    return is_mask_file(path) or (path.is_dir() and any(is_mask_file(item) for item in path.iterdir()))
