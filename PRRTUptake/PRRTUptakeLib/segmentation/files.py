"""Read masks from files: a folder with one NIfTI mask per structure (as TotalSegmentator writes), or a label map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


class MaskFileError(PRRTError):
    """A mask file cannot be used."""


def read_segment_folder(folder: Path, only: Collection[str] | None = None) -> Segmentation:
    """Read one mask per file; the file name without its ending becomes the segment's name.

    Parameters
    ----------
    folder : holds ``liver.nii.gz``, ``kidney_left.nii.gz`` and so on, all on one grid.
    only : names to read; all if None. Reading few of TotalSegmentator's 117 masks saves most of the time.

    Returns
    -------
    Segmentation on the masks' grid. A structure outside the field of view gives an empty segment;
    ``blocks.remarks`` tells which are empty.

    Raises
    ------
    MaskFileError
        For a missing folder, no mask, a name in ``only`` without a file, a file that is not readable, has no three
        dimensions, is not binary, or lies on another grid than the first.
    """
    if not folder.is_dir():
        raise MaskFileError(f"There is no folder {folder}: give the folder that holds the masks.")
    files = {_stem(path): path for path in sorted(folder.iterdir()) if path.name.lower().endswith(SUFFIXES)}
    missing = sorted(set(only or ()) - set(files))
    if missing:
        raise MaskFileError(f"{folder} has no mask '{missing[0]}'; it has {', '.join(files) or 'none'}.")
    wanted = [name for name in files if only is None or name in only]
    if not wanted:
        raise MaskFileError(
            f"{folder} holds no mask ({', '.join(SUFFIXES)}): give the folder with one file per structure."
        )
    values, grid = _read(files[wanted[0]])
    segments = [Segment.from_full(wanted[0], _binary(values, files[wanted[0]]))]
    for name in wanted[1:]:
        values, own = _read(files[name])
        if not grid.matches(own):
            raise MaskFileError(
                f"{files[name].name} lies on another grid ({own.described()}) than {files[wanted[0]].name} "
                f"({grid.described()}): resample the masks to one image first."
            )
        segments.append(Segment.from_full(name, _binary(values, files[name])))
    return Segmentation(grid, tuple(segments))


def read_labelmap(path: Path, names: Mapping[int, str]) -> Segmentation:
    """Read a label map: every voxel holds the number of its structure, 0 is none.

    Parameters
    ----------
    path : NIfTI, NRRD or MetaImage file.
    names : name of each number; a name without voxels gives an empty segment.

    Raises
    ------
    MaskFileError
        If the file is not readable, holds numbers that are not whole, or numbers without a name.
    """
    values, grid = _read(path)
    labels = values.astype(np.int64)
    if not np.array_equal(labels, values):
        raise MaskFileError(f"{path.name} holds values that are not whole numbers: give a label map, not an image.")
    strangers = sorted(set(np.unique(labels).tolist()) - {0} - set(names))
    if strangers:
        raise MaskFileError(f"{path.name} holds the label {strangers[0]} without a name: add it to the names.")
    return Segmentation(grid, tuple(Segment.from_full(name, labels == label) for label, name in names.items()))


def read_mask(path: Path) -> tuple[np.ndarray, Grid]:
    """Read one mask: voxels inside [k, j, i], and the grid of the file.

    Raises
    ------
    MaskFileError
        If the file is not readable, has no three dimensions, or is not binary.
    """
    values, grid = _read(path)
    return _binary(values, path), grid


def grid_of_image(image: SimpleITK.Image) -> Grid:
    """The grid of a SimpleITK image (LPS) in RAS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    i, j, k = image.GetSize()
    return Grid((k, j, i), LPS_TO_RAS @ matrix)


def _stem(path: Path) -> str:
    lower = path.name.lower()
    suffix = next(suffix for suffix in SUFFIXES if lower.endswith(suffix))
    return path.name[: -len(suffix)]


def _read(path: Path) -> tuple[np.ndarray, Grid]:
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise MaskFileError(f"{path.name} is not a readable mask: write it again as NIfTI or NRRD.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise MaskFileError(f"{path.name} is not a mask of three dimensions with one value per voxel.")
    return SimpleITK.GetArrayFromImage(image), grid_of_image(image)


def _binary(values: np.ndarray, path: Path) -> np.ndarray:
    """Voxels above 0, if there is only one value beside 0."""
    inside = values != 0
    found = values[inside]
    if found.size and (found.min() != found.max() or not found[0] > 0):
        raise MaskFileError(
            f"{path.name} is not a mask: beside 0 it holds values from {found.min()} to {found.max()}. "
            "Give one file per structure, or read it as a label map with names."
        )
    return inside
