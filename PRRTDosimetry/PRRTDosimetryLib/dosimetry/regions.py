"""What the dosimetry of a patient needs: the patient, and what each curve's region is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.bounding_box import common_box, mask_in, union_in
from PRRTUptakeLib.segmentation.reference import WHOLE_LIVER_REFERENCE
from PRRTUptakeLib.study.errors import InputFileError

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.marrow import lumbar_words
from PRRTDosimetryLib.dose.phantom import TOTAL_BODY
from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML, mass_from_volume_g
from PRRTDosimetryLib.effect.bed import KIDNEY, Tissue

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.protocol import Protocol

    from PRRTDosimetryLib.kinetics.curves import Curve

KINDS = ("organ", "lobe", "lesion", "blood", "vertebrae", "whole-body")
"""What a region can be; a lobe is (part of) the healthy liver of one lobe, or of the whole liver without a side."""


@dataclass(frozen=True)
class Region:
    """What a curve's region is.

    Attributes
    ----------
    kind : one of ``KINDS``.
    organ : the phantom's organ that it is or is in: "liver", "kidneys" (each kidney is one region of it) and so on;
        for a lesion the organ around it, "" outside all organs with S-values.
    lobe, lesion, role : as in measurements.csv: left, right, caudate or ""; identifier; target, lesion or reference.
    mass_g : its mass; nan takes the curve's volume times the density.
    density_g_per_mL : nan takes that of the organ, or of lesions.
    contains_lesions : an organ whose activity includes that of the lesions in it.
    vertebrae : for the kind vertebrae: which, such as L2-L4.
    """

    kind: str
    organ: str = ""
    lobe: str = ""
    lesion: str = ""
    role: str = ""
    mass_g: float = math.nan
    density_g_per_mL: float = math.nan
    contains_lesions: bool = False
    vertebrae: str = "L2-L4"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DoseError(f"A region of kind '{self.kind}' is not known; use {', '.join(KINDS)}.")
        if self.kind in ("organ", "lobe") and self.organ in ("", TOTAL_BODY):
            raise DoseError(f"A region of kind {self.kind} must name its organ, such as liver; the body is whole-body.")

    @property
    def density(self) -> float:
        """Density in g/mL, as given or by tissue."""
        if not math.isnan(self.density_g_per_mL):
            return self.density_g_per_mL
        name = "lesion" if self.kind == "lesion" else self.organ
        if name not in DENSITY_G_PER_ML:
            raise DoseError(f"The density of {name} is not known; give it in g/mL, or the mass.")
        return DENSITY_G_PER_ML[name]

    def mass_of(self, curve: Curve) -> float:
        """Mass in g: as given, or from the curve's volume.

        Raises
        ------
        DoseError
            If neither is there.
        """
        if math.isnan(self.mass_g):
            return mass_from_volume_g(curve.region, curve.volume_mL, self.density)
        if not 0 < self.mass_g < math.inf:
            raise DoseError(f"{curve.region}: a mass of {self.mass_g:g} g is not possible; give its volume or mass.")
        return self.mass_g


def sphere_from_kernel(
    nuclide_name: str, density_g_per_mL: float = DENSITY_G_PER_ML["lesion"]
) -> Callable[[float], float]:
    """Self-dose S-value by mass in g, Gy/(Bq s), from the point kernels that the voxel dose uses too."""
    return lambda mass_g: sphere_dose(nuclide_name, mass_g, density_g_per_mL).S_Gy_per_Bq_s


@dataclass(frozen=True)
class Patient:
    """The patient and what was given.

    Attributes
    ----------
    sex : male or female, for the phantom.
    administered_MBq : activity given in this cycle.
    nuclide, cycle : what was given, in which cycle.
    treated_lobe : left, right, or "" while blinded.
    marrow_to_blood_ratio, blood_density_g_per_mL : for blood-based marrow dose.
    marrow_fat_fraction : of the patient's lumbar marrow, which scales the mass of red marrow; None for the reference.
    tissues : radiosensitivity by organ, "lesions" or region; effects are calculated for these.
    sphere_S_Gy_per_Bq_s : sphere model by mass in g; None takes the point kernels.
    """

    sex: str
    administered_MBq: float
    nuclide: str = "Lu-177"
    cycle: int = 1
    treated_lobe: str = ""
    marrow_to_blood_ratio: float = 1.0
    blood_density_g_per_mL: float = DENSITY_G_PER_ML["blood"]
    marrow_fat_fraction: float | None = None
    tissues: Mapping[str, Tissue] = field(default_factory=lambda: {"kidneys": KIDNEY})
    sphere_S_Gy_per_Bq_s: Callable[[float], float] | None = None


KIDNEYS, KIDNEYS_APART = "kidneys", ("kidney_left", "kidney_right")
"""The structure of both kidneys drawn as one, which counts where none is drawn apart, and those of each."""

_OF_VERTEBRA = 0.2  # of its voxels that are marrow, from which a vertebra counts; more is a border drawn over the next
_ORGANS = {**dict.fromkeys(KIDNEYS_APART, KIDNEYS), "spleen": "spleen"}


def marrow_vertebrae(segments: Segmentation, stated: Mapping[str, Any]) -> str:
    """Which vertebrae the marrow is of: those drawn that it is in, or else as stated, L2-L4 where nothing is.

    Raises
    ------
    InputFileError
        If other vertebrae are stated than those that it is in.
    """
    marrow = [one for one in segments.having(structure="marrow") if one.voxel_count]
    levels = []
    for level in range(1, 6) if marrow else ():
        box = common_box(segments.grid, marrow)
        for one in segments.having(structure=f"vertebrae_L{level}"):
            inside = int((union_in(marrow, box) & mask_in(one, box)).sum())
            levels += [level] if inside > _OF_VERTEBRA * one.voxel_count else []
    said = stated.get("vertebrae", "")
    drawn = lumbar_words(levels) if levels else ""
    if said and drawn and said != drawn:
        raise InputFileError(
            f"the case, 'dosimetry.marrow.vertebrae' is {said}, but by the drawn vertebrae the marrow is of {drawn}: "
            "correct one of them, or leave the key out."
        )
    return drawn or said or "L2-L4"


def region_of(segment: Segment, protocol: Protocol, vertebrae: str) -> Region | None:
    """What a segment is to dosimetry; None if it is nothing to it.

    ``vertebrae`` are those that the marrow's segment is of.
    """
    if segment.structure in _ORGANS:
        return Region("organ", _ORGANS[segment.structure])
    if segment.structure == "liver":
        return Region("organ", "liver", contains_lesions=True)
    if segment.structure == "marrow":
        return Region("vertebrae", vertebrae=vertebrae)
    if segment.role in ("target", "lesion"):
        inside = segment.lobe not in ("none", "")
        lobe = segment.lobe if inside else ""
        return Region("lesion", "liver" if inside else "", lobe, segment.lesion_id, segment.role)
    if segment.role == "reference" and segment.lobe in ("left", "right"):
        return Region("lobe", "liver", segment.lobe)
    if segment.name == WHOLE_LIVER_REFERENCE and not protocol.rules.by_lobe:
        return Region("lobe", "liver", role="reference")
    return None
