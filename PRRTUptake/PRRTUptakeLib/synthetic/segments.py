"""The contours of a synthetic patient: one mask per organ and lesion, named as TotalSegmentator names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.itk_images import write_mask
from PRRTUptakeLib.synthetic.phantom_anatomy import LUMBAR
from PRRTUptakeLib.synthetic.simulation import Posture, region_labels

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.synthetic.phantom import SyntheticPatient


def segment_regions(patient: SyntheticPatient, lesions_apart: bool = False) -> dict[str, tuple[str, ...]]:
    """Segments and the painted regions that each consists of.

    The liver includes its lesions and leaves out its vessels and the gallbladder. All liver lesions are one segment, or
    each its own with ``lesions_apart``: on a coarse grid neighbours touch.
    """
    inside = tuple(item.name for item in patient.lesions if item.lobe != "none")
    outside = tuple(item.name for item in patient.lesions if item.lobe == "none")
    parts: dict[str, tuple[str, ...]] = {
        "liver": ("liver_left", "liver_right", *inside),
        "gallbladder": ("gallbladder",),
        "inferior_vena_cava": ("inferior_vena_cava",),
        "portal_vein_and_splenic_vein": ("portal_vein",),
        "kidney_left": ("kidney_left",),
        "kidney_right": ("kidney_right",),
        "spleen": ("spleen",),
        "aorta": ("aorta",),
    }
    for name in LUMBAR:
        parts[f"vertebrae_{name}"] = tuple(f"vertebra_{name}_{part}" for part in ("process", "cortex", "marrow"))
    if inside and lesions_apart:
        parts.update({f"liver_{name}": (name,) for name in inside})
    elif inside:
        parts["liver_lesions"] = inside
    if outside:
        parts["extrahepatic_lesions"] = outside
    return parts


def write_segments(
    patient: SyntheticPatient, grid: Grid, folder: Path, posture: Posture | None = None, lesions_apart: bool = False
) -> None:
    """Write each segment to NAME.nii.gz on ``grid``; a voxel belongs to it if its centre does."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = region_labels(patient, grid, posture)
    names = [region.name for region in patient.regions]
    for segment, parts in segment_regions(patient, lesions_apart).items():
        member = np.zeros(len(names) + 1, dtype=np.uint8)
        member[[names.index(part) + 1 for part in parts]] = 1
        write_mask(member.take(labels), grid, folder / f"{segment}.nii.gz")
