"""Is the emission image, or the mask of the liver, mirrored against the CT of its session? Nothing is turned.

A converter that reverses rows, columns or slices leaves every size right and every side wrong: lobes change places.
Here the emission image is reversed along each combination of its axes, about the middle of its grid as such a converter
would do, and its mutual information with the CT is compared as in ``session_check``, each time at the best shift. The
mask of the liver is reversed likewise, and what it adds to the CT in explaining the emission image is compared. Without
a mask only the body is compared, which is nearly the same mirrored left to right: then less is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import affine_to_itk
from PRRTUptakeLib.registration.preprocessing import checked_mask
from PRRTUptakeLib.registration.session_check import (
    mutual_information,
    parted_by_liver,
    ranks_within,
    roughly_best_agreement,
    search_of,
    tissue_of,
)

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.registration.session_check import Tissue

Flip = tuple[bool, bool, bool]  # of k, j, i
AS_IT_IS: Flip = (False, False, False)
# Of a mirrored image over the image as it is, as part of the agreement as it is. With the liver, images as they are
# lose more than half by mirroring in the synthetic patients, and mirrored ones gain more than once their agreement.
LEAST_GAIN, LEAST_GAIN_OF_BODY = 0.3, 0.05
LEAST_INSIDE = 0.85  # share of the activity within the outline of the body, 15 mm around included
_FLIPS: tuple[Flip, ...] = tuple((k, j, i) for k in (False, True) for j in (False, True) for i in (False, True))
_AXIS_WORDS = ("left to right", "front to back", "head to foot")


@dataclass(frozen=True)
class OrientationCheck:
    """How well an emission image agrees with the CT as it is and mirrored.

    Attributes
    ----------
    agreement : by flip of the image's axes [k, j, i]; mutual information in nats, each at its best shift.
    mask_agreement : by flip of the liver's mask; empty without one.
    inside : share of the activity that is within the outline of the body on the CT.
    mask_is_even : whether the CT is more even in the mask as it is than mirrored along the best flip: then it is on the
        liver, and what agrees better is other organs.
    image_axes, mask_axes : for each axis [k, j, i] the patient's axis it is nearest to, as an index into R, A, S.
    """

    agreement: dict[Flip, float]
    mask_agreement: dict[Flip, float]
    inside: float
    image_axes: tuple[int, int, int]
    mask_axes: tuple[int, int, int]
    mask_is_even: bool = False

    @property
    def flip(self) -> Flip:
        """The axes of the image along which it agrees clearly better when mirrored; none if it is best as it is."""
        return _clearly_best(self.agreement, LEAST_GAIN if self.mask_agreement else LEAST_GAIN_OF_BODY)

    @property
    def mask_flip(self) -> Flip:
        """The same for the mask of the liver."""
        if not self.mask_agreement or self.mask_is_even:
            return AS_IT_IS
        return _clearly_best(self.mask_agreement, LEAST_GAIN)

    def warnings(self, image: str, reference: str) -> tuple[str, ...]:
        """Sentences for the report; none if image and mask are best as they are and within the body."""
        found = []
        if self.flip != AS_IT_IS:
            found.append(
                f"{image} seems to be mirrored {_words(self.flip, self.image_axes)} against {reference}: mirrored it "
                f"agrees {100 * _gain(self.agreement, self.flip):.0f} % better; look at both on each other and export "
                "the image again; nothing was turned."
            )
        if self.mask_flip != AS_IT_IS and self.flip == AS_IT_IS:
            found.append(
                f"The mask of the liver seems to be mirrored {_words(self.mask_flip, self.mask_axes)} against {image}: "
                "look at it on the CT and export the segments again; nothing was turned."
            )
        if self.inside < LEAST_INSIDE:
            found.append(
                f"{100 * (1 - self.inside):.0f} % of the activity of {image} is outside the body of {reference}: are "
                "both of one patient and session?"
            )
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        return {
            "agreement_nats_by_flip_kji": {_key(flip): round(value, 5) for flip, value in self.agreement.items()},
            "mask_agreement_nats_by_flip_kji": {_key(flip): round(v, 5) for flip, v in self.mask_agreement.items()},
            "activity_inside_body": round(self.inside, 4),
            "mirrored": self.flip != AS_IT_IS or self.mask_flip != AS_IT_IS,
        }


def check_orientation(
    emission: Volume, anatomy: Volume, liver: np.ndarray | None = None, tissue: Tissue | None = None
) -> OrientationCheck:
    """Compare an emission image with the CT of its session, as it is and mirrored along each combination of axes.

    Parameters
    ----------
    emission : SPECT or PET, any unit.
    anatomy : CT (quantity "attenuation", HU) or MRI in the same frame of reference.
    liver : bool [k, j, i] on the anatomical grid.
    tissue : of ``anatomy`` on the emission image (``session_check.tissue_of``), where it is known already.

    Raises
    ------
    PRRTError
        As ``session_check.check_session``.
    """
    mask = checked_mask(liver, anatomy.grid, "liver")
    tissue = tissue or tissue_of(emission, anatomy)
    image = tissue.compared(emission)
    values = sitk.GetArrayViewFromImage(image)
    classes, domain = tissue.parted(anatomy, mask)
    seen, ranges, _ = search_of(image, domain, mask is not None)
    found = {flip: roughly_best_agreement(_mirrored(values, flip), classes, seen, ranges) for flip in _FLIPS}
    of_mask = _mask_agreement(image, tissue, anatomy, mask) if mask is not None else {}
    even = bool(of_mask) and mask is not None and _more_even(anatomy, mask, _clearly_best(of_mask, LEAST_GAIN))
    inside, axes = _inside(values, tissue), (_nearest_axes(emission), _nearest_axes(anatomy))
    return OrientationCheck(found, of_mask, inside, *axes, mask_is_even=even)


def _more_even(anatomy: Volume, mask: np.ndarray, flip: Flip) -> bool:
    """Whether the CT or MRI scatters less in the mask than in the mask mirrored along ``flip``; False for no flip.

    Hot organs on the other side, such as spleen and kidneys, can let a mirrored mask explain more of the emission image
    than the right one does. The liver itself is one tissue on the CT, and what a wrong mask covers is several.
    """
    if flip == AS_IT_IS:
        return False
    as_it_is, mirrored = (float(np.std(anatomy.array[one], dtype=np.float64)) for one in (mask, _mirrored(mask, flip)))
    return as_it_is < mirrored


def _mask_agreement(image: sitk.Image, tissue: Tissue, anatomy: Volume, mask: np.ndarray) -> dict[Flip, float]:
    """What the mask, mirrored each way, shows of the emission image over the whole body, beyond what the CT shows."""
    every = (slice(None, None, 2),) * 3
    domain = (tissue.known & tissue.near)[every]
    ranks = ranks_within(sitk.GetArrayViewFromImage(image)[every], domain)[domain]
    classes, places = tissue.classes[every][domain], image[::2, ::2, ::2]
    without = mutual_information(ranks, classes)
    liver, found = tissue.coarse_liver(anatomy, mask), {}
    for flip in _FLIPS:
        turned = sitk.Resample(liver, places, _reflection(anatomy.grid, flip), sitk.sitkLinear, 0.0)
        part = sitk.GetArrayViewFromImage(turned)[domain]
        found[flip] = mutual_information(ranks, parted_by_liver(classes, part)) - without
    return found


def _reflection(grid: Grid, flip: Flip) -> sitk.AffineTransform:
    """Maps each point to where it is when an array on ``grid`` is reversed along the axes of ``flip``."""
    mirror = np.eye(4)
    for axis, (turned, size) in enumerate(zip(flip[::-1], grid.shape[::-1], strict=True)):
        if turned:
            mirror[axis, axis], mirror[axis, 3] = -1.0, size - 1.0
    return affine_to_itk(grid.ijk_to_ras @ mirror @ grid.ras_to_ijk)


def _inside(values: np.ndarray, tissue: Tissue) -> float:
    """Share of the activity that is within the body's outline, of what the CT shows."""
    positive = np.maximum(values, 0.0)
    shown = float(positive[tissue.known].sum(dtype=np.float64))
    return float(positive[tissue.known & tissue.near].sum(dtype=np.float64)) / shown if shown > 0 else 1.0


def _mirrored(array: np.ndarray, flip: Flip) -> np.ndarray:
    return array[tuple(slice(None, None, -1 if turned else 1) for turned in flip)]


def _clearly_best(agreement: dict[Flip, float], least_gain: float) -> Flip:
    best = max(agreement, key=lambda flip: agreement[flip])
    return best if _gain(agreement, best) > least_gain else AS_IT_IS


def _gain(agreement: dict[Flip, float], flip: Flip) -> float:
    plain = agreement[AS_IT_IS]
    return (agreement[flip] - plain) / plain if plain > 0 else 0.0


def _nearest_axes(volume: Volume) -> tuple[int, int, int]:
    directions = np.abs(volume.ijk_to_ras[:3, :3] / np.linalg.norm(volume.ijk_to_ras[:3, :3], axis=0))
    i, j, k = (int(directions[:, axis].argmax()) for axis in range(3))
    return k, j, i


def _words(flip: Flip, axes: tuple[int, int, int]) -> str:
    named = [_AXIS_WORDS[axis] for axis, turned in zip(axes, flip, strict=True) if turned]
    return " and ".join(reversed(named))


def _key(flip: Flip) -> str:
    return "".join(letter if turned else "-" for letter, turned in zip("kji", flip, strict=True))
