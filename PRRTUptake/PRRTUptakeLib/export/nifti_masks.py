"""The segments of a result as NIfTI masks, one file each, as TotalSegmentator writes them and `prrt run` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK

from PRRTUptakeLib.imaging.volume import LPS_TO_RAS

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import StudyResult


def write_result_masks(result: StudyResult, folder: Path) -> list[Path]:
    """The segments of every visit that has its own, in a folder each; returns the files."""
    written = []
    for contents in result.contents:
        if contents.segmentation:
            written += write_masks(contents.segmentation, folder / _file_name(contents.study))
    return written


def write_masks(segmentation: Segmentation, folder: Path) -> list[Path]:
    """One file ``NAME.nii.gz`` per segment that is not empty, 1 inside and 0 outside, on the grid of the segments.

    Characters of a name that file systems refuse become ``_``; names that are then alike get a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for segment in segmentation:
        if not segment.voxel_count:
            continue
        image = _image(segment.full_mask(segmentation.grid.shape), segmentation.grid)
        name = _file_name(segment.name)
        taken = sum(path.name.startswith(f"{name}.nii.gz") for path in written)
        written.append(folder / (f"{name}_{taken + 1}.nii.gz" if taken else f"{name}.nii.gz"))
        SimpleITK.WriteImage(image, str(written[-1]), True)
    return written


def _image(mask: np.ndarray, grid: Grid) -> SimpleITK.Image:
    lps = LPS_TO_RAS @ grid.ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _file_name(words: str) -> str:
    """For file systems; letters of other alphabets stay."""
    return re.sub(r"[^\w.-]+", "_", words).strip("._") or "segment"
