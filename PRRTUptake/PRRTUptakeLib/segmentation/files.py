"""Read masks from files: one mask per structure (as TotalSegmentator writes), or all structures in one label map.

Every file is checked to be whole before its voxels are used: a mask that was cut short looks like a small lesion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.file_checks import check_metaimage, check_nrrd
from PRRTUptakeLib.imaging.nifti import read_nifti, straightened
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.segmentation.bounding_box import resampled, volume_mL
from PRRTUptakeLib.segmentation.errors import SegmentationError, SegmentError
from PRRTUptakeLib.segmentation.label_boxes import Box, label_boxes
from PRRTUptakeLib.segmentation.label_tables import names_beside, names_in_header
from PRRTUptakeLib.segmentation.regrid import covering_grid, regrid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.segmentation.totalsegmentator import TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_LARGEST_CHANGE = 0.05  # of a mask's volume, when it is brought to the voxels of the others


@dataclass(frozen=True, eq=False)
class MaskFile:
    """Voxels [k, j, i] of a file on its grid, names of labels that it brings, and sentences on its geometry."""

    values: np.ndarray
    grid: Grid
    labels: dict[int, str]
    remarks: tuple[str, ...] = ()


def read_segment_folder(
    folder: Path, only: Collection[str] | None = None, labels: Mapping[int, str] | str | None = None
) -> Segmentation:
    """Read one mask per file; the file name without its ending becomes the segment's name.

    A file with several labels and a table of their names gives a segment for each. Masks on other voxels than the first
    are turned to them, or resampled to the finest grid of the folder, and that is said.

    Parameters
    ----------
    folder : holds ``liver.nii.gz``, ``kidney_left.nii.gz`` and so on.
    only : names to read; all if None. Reading few of TotalSegmentator's 117 masks saves most of the time.
    labels : names of the numbers of the one label map in the folder, see `read_mask_file`.

    Returns
    -------
    Segmentation on the masks' grid. A structure outside the field of view gives an empty segment.

    Raises
    ------
    SegmentationError
        For a missing folder, no mask, a name in ``only`` without a file, or a file that is damaged, has no three
        dimensions, is not binary and has no names for its labels, or changes on the grid of the others.
    """
    if not folder.is_dir():
        raise SegmentationError(f"There is no folder {folder}: give the folder that holds the masks.")
    paths = [path for path in sorted(folder.iterdir()) if is_mask_file(path)]
    stems = [_stem(path) for path in paths]
    files = {
        path.name if stems.count(stem) > 1 else stem: path for stem, path in zip(stems, paths, strict=True)
    }  # liver.nii.gz beside liver.nrrd: both are kept, by their whole names
    missing = sorted(set(only or ()) - set(files))
    if missing:
        raise SegmentationError(f"{folder} has no mask '{missing[0]}'; it has {', '.join(files) or 'none'}.")
    wanted = [name for name in files if only is None or name in only]
    if not wanted:
        raise SegmentationError(
            f"{folder} holds no mask ({', '.join(SUFFIXES)}): give the folder with one file per structure."
        )
    if labels is not None:
        if len(wanted) > 1:
            raise SegmentationError(
                f"{folder} holds {len(wanted)} masks, but 'labels' are the names of one label map: name its file."
            )
        return read_mask_file(files[wanted[0]], labels)
    return _on_one_grid([_segments_of(files[name], name) for name in wanted])


def is_mask_file(path: Path) -> bool:
    """Whether a file is a mask or label map by its name (a Slicer segmentation, .seg.nrrd, is none of them)."""
    name = path.name.lower()
    return path.is_file() and name.endswith(SUFFIXES) and not name.endswith(".seg.nrrd") and not name.startswith(".")


def read_mask_file(path: Path, labels: Mapping[int, str] | str | None = None) -> Segmentation:
    """Read one file: a label map with several structures, or a mask of one.

    Parameters
    ----------
    path : NIfTI, NRRD or MetaImage file.
    labels : name of each number, or the name of a table ("total", "total_v3" of TotalSegmentator); None for the table
        in the file's header, or in a file beside it, see `label_tables`.

    Raises
    ------
    SegmentationError
        If the file is damaged, or holds several labels without names.
    """
    if isinstance(labels, str):
        if labels not in TABLES:
            raise SegmentationError(
                f"There is no table of labels '{labels}': give {' or '.join(TABLES)}, or the names."
            )
        labels = TABLES[labels]
    if labels is not None:
        return read_labelmap(path, labels)
    return _segments_of(path, _stem(path))


def read_labelmap(path: Path, names: Mapping[int, str]) -> Segmentation:
    """Read a label map: every voxel holds the number of its structure, 0 is none.

    Parameters
    ----------
    path : NIfTI, NRRD or MetaImage file.
    names : name of each number; a name without voxels gives an empty segment.

    Raises
    ------
    SegmentationError
        If the file is not readable, holds numbers that are not whole, or numbers without a name.
    """
    found = read_voxels(path)
    return _labelled(found, names, path, _boxes(found.values, path))


def read_voxels(path: Path) -> MaskFile:
    """Values and grid of a file that was checked to be whole.

    Raises
    ------
    SegmentationError
        If it is damaged or cut short, not of a known kind, or has no three dimensions with one value per voxel.
    """
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            nifti = read_nifti(path)
            return MaskFile(nifti.values, nifti.grid, nifti.labels, nifti.remarks)
        if name.endswith(".nrrd"):
            check_nrrd(path)
        elif name.endswith(".mha"):
            check_metaimage(path)
        image = SimpleITK.ReadImage(str(path))
    except PRRTError as error:
        raise SegmentationError(str(error)) from error
    except RuntimeError as error:
        raise SegmentationError(f"{path.name} is not a readable mask: write it again as NIfTI or NRRD.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise SegmentationError(f"{path.name} is not a mask of three dimensions with one value per voxel.")
    grid, sheared = straightened(grid_of_image(image), path.name)
    labels = names_in_header({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()})
    return MaskFile(SimpleITK.GetArrayFromImage(image), grid, labels, sheared)


def grid_of_image(image: SimpleITK.Image) -> Grid:
    """The grid of a SimpleITK image (LPS) in RAS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    i, j, k = image.GetSize()
    return Grid((k, j, i), LPS_TO_RAS @ matrix)


def _stem(path: Path) -> str:
    lower = path.name.lower()
    suffix = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def _segments_of(path: Path, name: str) -> Segmentation:
    """The segments of one file: those of its labels if names for them are there, else the one mask."""
    found = read_voxels(path)
    names = found.labels or names_beside(path, _stem(path))
    if names and not _has_one_broken_value(found.values):
        boxes = _boxes(found.values, path)
        if len(boxes) + (not found.values.all()) > 2:
            return _labelled(found, names, path, boxes)
    segment = Segment.from_full(name, binary(found.values, path))
    return Segmentation(found.grid, (segment,), found.remarks)


def _has_one_broken_value(values: np.ndarray) -> bool:
    """Whether values of a broken type are 0 and one other that is no whole number, as scaled masks have it."""
    if values.dtype.kind != "f" or not values.size:
        return False
    top = values.max()
    return bool(top != np.floor(top)) and bool(((values == 0) | (values == top)).all())


def _labelled(found: MaskFile, names: Mapping[int, str], path: Path, boxes: Mapping[int, Box]) -> Segmentation:
    strangers = [label for label in boxes if label not in names]
    if strangers:
        raise SegmentationError(f"{path.name} holds the label {strangers[0]} without a name: add it to the names.")
    used = list(names.values())
    segments = []
    for label, name in names.items():
        unique = f"{name} ({label})" if used.count(name) > 1 else name
        if label in boxes:
            box = boxes[label]
            k, j, i = (part.start for part in box)
            segments.append(Segment(unique, found.values[box] == label, (k, j, i)))
        else:
            background = found.values == 0 if label == 0 else np.zeros((0, 0, 0), dtype=bool)
            segments.append(Segment.from_full(unique, background))
    return Segmentation(found.grid, tuple(segments), found.remarks)


def _boxes(values: np.ndarray, path: Path) -> dict[int, Box]:
    try:
        return label_boxes(values)
    except ValueError as error:
        raise SegmentationError(
            f"{path.name} holds values that are not whole numbers: give a label map, not an image."
        ) from error


def _on_one_grid(read: list[Segmentation]) -> Segmentation:
    """All segments on one grid: that of the first file, unless another is finer than it."""
    grid = read[0].grid
    if any(not one.grid.matches(grid) for one in read):
        grid = covering_grid(
            min((one.grid for one in read), key=lambda one: round(one.voxel_volume_mL, 9)), [one.grid for one in read]
        )
    segments: list[Segment] = []
    remarks: list[str] = []
    moved: list[str] = []
    for one in read:
        remarks += one.warnings
        try:
            segments += regrid(one, grid).segments
        except SegmentError:
            for segment in one:
                segments.append(_resampled(segment, one.grid, grid))
                moved.append(f"'{segment.name}'")
    if moved:
        remarks.append(f"{', '.join(moved)} had other voxels than the other masks and were resampled to theirs.")
    return Segmentation(grid, _unique(segments), tuple(dict.fromkeys(remarks)))


def _unique(segments: list[Segment]) -> tuple[Segment, ...]:
    names = [segment.name for segment in segments]
    return tuple(
        segment.relabelled(name=f"{segment.name} ({names[: n + 1].count(segment.name)})")
        if names.count(segment.name) > 1
        else segment
        for n, segment in enumerate(segments)
    )


def _resampled(segment: Segment, own: Grid, grid: Grid) -> Segment:
    placed = resampled(segment, own, grid)
    before, after = volume_mL(own, segment), volume_mL(grid, placed)
    if abs(after - before) > _LARGEST_CHANGE * before:
        raise SegmentationError(
            f"'{segment.name}' ({own.described()}) has {before:.2f} mL, but {after:.2f} mL on the grid of the "
            f"other masks ({grid.described()}): give all masks on the grid of one image."
        )
    return placed


def binary(values: np.ndarray, path: Path) -> np.ndarray:
    """Voxels above 0, of the same shape, if there is only one value beside 0."""
    if values.dtype == np.uint8 and values.size and values.max() <= 1:  # as nearly all are: nothing to be made
        return values.view(bool)
    inside = values != 0
    found = values[inside]
    if found.size and (found.min() != found.max() or not 0 < found[0] < np.inf):
        raise SegmentationError(
            f"{path.name} is not a mask: beside 0 it holds values from {found.min()} to {found.max()}. "
            "Give one file per structure, or the names of its labels ('labels' in the case file)."
        )
    return np.asarray(inside)
