"""Do the emission image and the CT of one session match? Nothing is moved: a shift is only reported.

SPECT or PET and CT of one session share a frame of reference, so that contours of the CT are used without registration.
A patient who moved in between, or a misaligned gantry, breaks that silently. Here the emission image is shifted against
the CT over a search range, and the mutual information of the two is compared. Two measures make it robust against few
very hot lesions: emission values are replaced by their ranks, and the CT's classes are parted by whether they lie
in the liver, looking at the liver and its surroundings only (mutual information: Maes et al., IEEE Trans Med Imaging
1997;16:187, doi:10.1109/42.563664). Shifts are whole voxels, so that no interpolation favours any; a parabola through
the neighbours gives the rest. Without a liver the body alone says little along its length: then only shifts across
it are sought.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import grid_of, shrunk_array
from PRRTUptakeLib.registration.errors import RegistrationError
from PRRTUptakeLib.registration.preprocessing import (
    COMPARED_mm,
    bounding_box,
    check_overlap,
    checked_mask,
    coarse_and_body,
    count_not_finite,
    cropped,
    dilated,
    is_ct,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PRRTUptakeLib.imaging.volume import Volume

# Free breathing puts the mean position of the liver some millimetres from where a CT shows it; a shift beyond is not
# that, and costs a 30 mm sphere two fifths of its overlap.
SHIFT_WARNING_mm = 8.0
LEAST_GAIN = 0.1  # of the best shift over none, as part of what 20 mm off the best one lose
SEARCH_mm = 40.0

_SPACING_mm = 4.8
_LIVER_SURROUNDINGS_mm, _BODY_SURROUNDINGS_mm = 20.0, 15.0
_LEAST_SEARCH_mm = 20.0
_LEAST_SEEN = 0.5  # share of the liver with its surroundings that the emission image must show
_OFF_BEST_mm = 20.0
_RANKS = 32
_TOGETHER = 50_000  # voxels of several shifts that are compared at once: more do not fit into a core's cache
_HU_EDGES = np.array([-700.0, -300, -150, -60, 0, 40, 80, 120, 200, 400])
_LIVER_EDGES = np.array([0.1, 0.5, 0.9])
_UNKNOWN = -4000.0
_WORDS = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))  # R, A, S positive first

Shift = tuple[int, ...]  # k, j, i in voxels


@dataclass(frozen=True)
class SessionCheck:
    """How well the emission image matches the CT of its session.

    Attributes
    ----------
    agreement, best_agreement : mutual information in nats as the images are, and at the best shift.
    gain : best agreement minus that without shift, as part of what 20 mm off the best shift lose; 0 without shift.
    shift_mm : R, A, S: where the emission image shows the patient as against the CT, by the best shift.
    searched_mm : R, A, S: how far shifts were tried, the shorter way of each axis.
    compared : "liver" or "body".
    """

    agreement: float
    best_agreement: float
    gain: float
    shift_mm: tuple[float, float, float]
    searched_mm: tuple[float, float, float]
    compared: str

    @property
    def length_mm(self) -> float:
        """Length of the best shift."""
        return float(np.linalg.norm(self.shift_mm))

    @property
    def is_aligned(self) -> bool:
        """Whether nothing contradicts using the images as they are."""
        return self.length_mm <= SHIFT_WARNING_mm or self.gain < LEAST_GAIN

    @property
    def words(self) -> str:
        """The best shift with its directions, for instance "12 mm left, 3 mm superior"."""
        return shift_words(self.shift_mm)

    def warning(self, image: str, reference: str = "the CT of its session") -> str:
        """One sentence if the images do not lie on each other, else ""."""
        if self.is_aligned:
            return ""
        return (
            f"{image} seems to lie {self.length_mm:.0f} mm ({self.words}) from {reference}: look at both images on "
            "each other, then register them, give a transform, or move the lesions by hand; nothing was shifted."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        return {
            "compared": self.compared,
            "agreement_nats": round(self.agreement, 5),
            "best_agreement_nats": round(self.best_agreement, 5),
            "gain": round(self.gain, 3),
            "best_shift_ras_mm": [round(one, 2) for one in self.shift_mm],
            "searched_ras_mm": [round(one, 1) for one in self.searched_mm],
            "threshold_mm": SHIFT_WARNING_mm,
            "aligned": self.is_aligned,
        }


def shift_words(shift_mm: tuple[float, float, float]) -> str:
    """Directions of a shift in R, A, S mm, parts below 1 mm left out.

    Examples
    --------
    >>> shift_words((-12.2, 0.3, 3.0)), shift_words((0.1, 0.0, -0.4))
    ('12 mm left, 3 mm superior', 'less than 1 mm')
    """
    parts = [
        f"{abs(one):.0f} mm {words[0] if one > 0 else words[1]}"
        for one, words in zip(shift_mm, _WORDS, strict=True)
        if abs(one) >= 1.0
    ]
    return ", ".join(parts) or "less than 1 mm"


def check_session(
    emission: Volume, anatomy: Volume, liver: np.ndarray | None = None, tissue: Tissue | None = None
) -> SessionCheck:
    """Compare an emission image with the CT (or MRI) of the same session, as they are and shifted.

    Parameters
    ----------
    emission : SPECT or PET, any unit.
    anatomy : CT (quantity "attenuation", HU) or MRI in the same frame of reference.
    liver : bool [k, j, i] on the anatomical grid; without it only shifts across the body are sought.

    Raises
    ------
    PRRTError
        If the images do not overlap, the liver's mask is empty or not of the image's shape, the emission image is
        uniform, or it shows too little of what is compared.
    """
    mask = checked_mask(liver, anatomy.grid, "liver")
    check_overlap(anatomy.grid, emission.grid, np.eye(4))
    if count_not_finite(emission.array) or count_not_finite(anatomy.array):
        raise RegistrationError("An image of the session holds values that are not finite (NaN): correct it first.")
    tissue = tissue or tissue_of(emission, anatomy)
    image = tissue.compared(emission)
    classes, domain = tissue.parted(anatomy, mask)
    seen, ranges, spacing = search_of(image, domain, mask is not None)
    best, values = _best_shift(sitk.GetArrayViewFromImage(image), classes, seen, ranges, spacing)
    axes = grid_of(image).ijk_to_ras[:3, :3] / grid_of(image).spacing_mm
    moved = axes @ (np.asarray(best) * spacing)[::-1]
    reach = np.abs(axes) @ (np.minimum(-ranges[:, 0], ranges[:, 1]) * spacing)[::-1]
    return SessionCheck(*values, _three(moved), _three(reach), "liver" if mask is not None else "body")


def search_of(image: sitk.Image, domain: np.ndarray, with_liver: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What of the domain every shift sees, the shifts that are tried (see ``_ranges``), and spacing [k, j, i] in mm.

    Raises
    ------
    RegistrationError
        If the emission image shows too little of what is compared.
    """
    spacing = np.array(grid_of(image).spacing_mm[::-1])
    seen = _with_room(domain, spacing)
    if np.count_nonzero(seen) < _LEAST_SEEN * np.count_nonzero(domain) or not seen.any():
        raise RegistrationError(
            f"The emission image shows too little of the {'liver' if with_liver else 'body'} to be compared with the "
            "CT: check that both show the same part of the patient."
        )
    return seen, _ranges(seen, spacing, along=with_liver), spacing


def _three(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(one) for one in vector)
    return x, y, z


@dataclass(frozen=True, eq=False)
class Tissue:
    """The CT (or MRI) on the emission image's grid, arrays [k, j, i].

    Attributes
    ----------
    emission : the image on whose grid the tissue is.
    image : the same in voxels in which it is compared.
    classes : class of tissue of each voxel.
    known : whether the CT shows the voxel.
    near : whether it is within the body's outline or 15 mm around.
    """

    emission: Volume
    image: sitk.Image
    classes: np.ndarray
    known: np.ndarray
    near: np.ndarray
    _kept: dict[str, Any] = field(default_factory=dict)

    def compared(self, emission: Volume) -> sitk.Image:
        """An emission image on the grid of the tissue, in voxels in which it is compared."""
        return self.image if emission is self.emission else _compared(emission)

    def coarse_liver(self, anatomy: Volume, liver: np.ndarray) -> sitk.Image:
        """A mask [k, j, i] on the grid of ``anatomy`` as shares of voxels of about 3 mm; the last one is kept."""
        if self._kept.get("liver") is not liver:
            self._kept.update(liver=liver, coarse=shrunk_array(liver, anatomy.grid, COMPARED_mm), parted=None)
        found: sitk.Image = self._kept["coarse"]
        return found

    def parted(self, anatomy: Volume, liver: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Classes of tissue [k, j, i], and the voxels compared (bool): the liver and its surroundings, or the body.

        ``liver`` is a mask [k, j, i] on the grid of ``anatomy``. The last answer is kept: two checks ask for it.
        """
        if liver is None:
            return self.classes, self.known & self.near
        coarse = self.coarse_liver(anatomy, liver)
        if self._kept["parted"] is None:
            grown = dilated(coarse, _LIVER_SURROUNDINGS_mm)
            around = _onto(cropped(grown, grown), self.image, sitk.sitkNearestNeighbor, 0.0) > 0
            share = _onto(cropped(coarse, grown), self.image, sitk.sitkLinear, 0.0)
            classes = parted_by_liver(self.classes, share)
            self._kept["parted"] = (classes, self.known & self.near & around)
        found: tuple[np.ndarray, np.ndarray] = self._kept["parted"]
        return found


def _compared(emission: Volume) -> sitk.Image:
    return shrunk_array(emission.array, emission.grid, _SPACING_mm)


def tissue_of(emission: Volume, anatomy: Volume) -> Tissue:
    """The tissue of each voxel of an emission image, once for all checks of a session.

    Raises
    ------
    PRRTError
        If the two do not overlap.
    """
    check_overlap(anatomy.grid, emission.grid, np.eye(4))
    image = _compared(emission)
    fine, body = coarse_and_body(anatomy)
    outline = dilated(body, _BODY_SURROUNDINGS_mm)
    near = _onto(cropped(outline, outline), image, sitk.sitkNearestNeighbor, 0.0) > 0
    values = _onto(_smoothed(cropped(fine, outline, 4.0 * _SPACING_mm)), image, sitk.sitkLinear, _UNKNOWN)
    seen = np.where(near, values, _onto(fine, image, sitk.sitkNearestNeighbor, _UNKNOWN))
    known = seen > _UNKNOWN / 2.0 if is_ct(anatomy) else seen > _UNKNOWN
    edges = _HU_EDGES if is_ct(anatomy) else np.quantile(values[known & near], np.linspace(0, 1, 12)[1:-1])
    classes = np.zeros(values.shape, dtype=np.intp)
    classes[near] = _counts_reached(values[near], edges)
    return Tissue(emission, image, classes, known, near)


def _smoothed(image: sitk.Image) -> sitk.Image:
    """Smoothed by a Gaussian to the voxels in which images are compared; the edges go on beyond the image."""
    from scipy.ndimage import gaussian_filter

    sigma = _SPACING_mm / 2.0 / np.array(image.GetSpacing()[::-1])
    found = sitk.GetImageFromArray(gaussian_filter(sitk.GetArrayViewFromImage(image), sigma, mode="nearest"))
    found.CopyInformation(image)
    return found


def parted_by_liver(classes: np.ndarray, liver: np.ndarray) -> np.ndarray:
    """Classes of tissue, parted by how much of each voxel is liver, 0 to 1, of the same shape."""
    return np.asarray(classes + (int(classes.max()) + 1) * _counts_reached(liver, _LIVER_EDGES))


def _counts_reached(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """How many of the ascending ``limits`` each value reaches, as whole numbers of the same shape.

    By comparisons with few limits, since a search takes three times as long. Single precision is compared as such, so
    each limit becomes the least such number that is not below it.
    """
    if values.dtype == np.float32:
        rounded = limits.astype(np.float32)
        limits = np.where(rounded < limits, np.nextafter(rounded, np.float32(np.inf)), rounded)
    compared, counts = np.ascontiguousarray(values), np.zeros(values.shape, dtype=np.uint8)
    for limit in limits:
        counts += (compared >= limit).view(np.uint8)
    return counts.astype(np.intp)


def _onto(image: sitk.Image, grid: sitk.Image, how: int, outside: float) -> np.ndarray:
    """``image`` on another grid, array [k, j, i]; only the part of the grid that the image reaches is worked on."""
    low, size = _reached(grid, image)
    found = np.full(grid.GetSize()[::-1], outside, dtype=sitk.GetArrayViewFromImage(image).dtype)
    if min(size) > 0:
        origin, axes = grid.TransformContinuousIndexToPhysicalPoint(low), grid.GetDirection()
        part = sitk.Resample(image, size, sitk.Transform(), how, origin, grid.GetSpacing(), axes, outside)
        box = tuple(slice(start, start + n) for start, n in zip(low[::-1], size[::-1], strict=True))
        found[box] = sitk.GetArrayViewFromImage(part)
    return found


def _reached(grid: sitk.Image, image: sitk.Image) -> tuple[list[int], list[int]]:
    """First index i, j, k and size of the part of a grid that has its voxel centres in an image's voxels."""
    ends = np.stack(np.meshgrid(*[[-0.5, n - 0.5] for n in image.GetSize()]), axis=-1).reshape(-1, 3)
    places = grid_of(grid).to_ijk(grid_of(image).to_ras(ends))
    low = np.clip(np.floor(places.min(axis=0)), 0, grid.GetSize()).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)) + 1, low, grid.GetSize()).astype(int)
    return low.tolist(), (high - low).tolist()


def _with_room(domain: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The domain where the emission image reaches the least search further, so that every shift sees the same."""
    room = np.ceil(_LEAST_SEARCH_mm / spacing).astype(int)
    inner = tuple(slice(n, size - n) for n, size in zip(room, domain.shape, strict=True))
    kept = np.zeros_like(domain)
    kept[inner] = domain[inner]
    return kept


def _ranges(domain: np.ndarray, spacing: np.ndarray, along: bool) -> np.ndarray:
    """Least and largest shift in voxels by axis [k, j, i]: the search range, as far as the image reaches."""
    box = bounding_box(domain)
    most = np.floor(SEARCH_mm / spacing).astype(int)
    low = [max(-n, -part.start) for n, part in zip(most, box, strict=True)]
    high = [min(n, size - part.stop) for n, part, size in zip(most, box, domain.shape, strict=True)]
    if not along:
        low[0] = high[0] = 0
    return np.stack([low, high], axis=1)


def roughly_best_agreement(image: np.ndarray, classes: np.ndarray, domain: np.ndarray, ranges: np.ndarray) -> float:
    """The agreement at the best shift, on every other voxel [k, j, i]: sought in steps of four, then climbed to."""
    coarse = np.zeros_like(domain)
    coarse[::2, ::2, ::2] = domain[::2, ::2, ::2]
    agreement = Agreement(image, classes, coarse, ranges)
    steps = [np.unique([*range(0, low - 1, -4), *range(0, high + 1, 4)]) for low, high in ranges]
    return agreement(_climb(agreement, agreement.best_of(product(*(map(int, axis) for axis in steps))), ranges))


def _best_shift(
    image: np.ndarray, classes: np.ndarray, domain: np.ndarray, ranges: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Best shift [k, j, i] in voxels and fractions; agreement as it is, at its best, and the relative gain."""
    coarse_domain = np.zeros_like(domain)
    coarse_domain[::2, ::2, ::2] = domain[::2, ::2, ::2]
    coarse, fine = (Agreement(image, classes, part, ranges) for part in (coarse_domain, domain))
    steps = [np.unique([*range(0, low - 1, -2), *range(0, high + 1, 2)]) for low, high in ranges]
    best = coarse.best_of(product(*(map(int, axis) for axis in steps)))
    best = _climb(fine, best, ranges)
    offset, top = np.zeros(3), fine(best)
    for axis in range(3):
        low, high = (tuple(np.add(best, sign * np.eye(3, dtype=int)[axis])) for sign in (-1, 1))
        if ranges[axis, 0] < best[axis] < ranges[axis, 1]:
            below, above = fine(low), fine(high)
            if below + above < 2.0 * top:
                offset[axis] = 0.5 * (below - above) / (below - 2.0 * top + above)
    standing = fine((0, 0, 0))
    loss = top - np.mean([fine(one) for one in _off_best(best, ranges, spacing)])
    return best + offset, (standing, top, float((top - standing) / loss) if loss > 0 else 0.0)


def _climb(agreement: Agreement, start: Shift, ranges: np.ndarray) -> Shift:
    """The local maximum over whole voxels next to ``start``; it rises with each step, so it ends."""
    best = start
    while True:
        around = [np.arange(max(low, n - 1), min(high, n + 1) + 1) for n, (low, high) in zip(best, ranges, strict=True)]
        following = agreement.best_of(product(*(map(int, axis) for axis in around)))
        if agreement(following) <= agreement(best):
            return best
        best = following


def _off_best(best: Shift, ranges: np.ndarray, spacing: np.ndarray) -> list[Shift]:
    """Shifts 20 mm off the best one along each axis, as far as the range goes."""
    found: list[Shift] = []
    for axis, sign in product(range(3), (-1, 1)):
        moved = list(best)
        moved[axis] += sign * round(_OFF_BEST_mm / spacing[axis])
        moved[axis] = int(np.clip(moved[axis], *ranges[axis]))
        if moved[axis] != best[axis]:
            found.append(tuple(moved))
    return found


def ranks_within(image: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Emission values of ``image`` by their rank among those of ``domain``, both [k, j, i].

    Raises
    ------
    RegistrationError
        If all values of the domain are the same.
    """
    values = image[domain]
    if not values.max() > values.min():
        raise RegistrationError("The emission image is uniform over the patient: there is nothing to compare.")
    limits = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _RANKS + 1)[1:-1]))
    return _counts_reached(image, limits)


def mutual_information(ranks: np.ndarray, classes: np.ndarray) -> float:
    """Of ranks (``ranks_within``) and tissue classes of the same voxels, arrays of one shape, in nats."""
    return float(_informations(ranks.reshape(1, -1), classes.ravel())[0])


def _informations(ranks: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mutual information in nats of ranks (m, n) with classes (n,), m times."""
    shape = (len(ranks), int(classes.max()) + 1, _RANKS)
    first = np.arange(shape[0])[:, None] * (shape[1] * shape[2])
    cells = ranks + classes * _RANKS + first
    joint = np.bincount(cells.ravel(), minlength=shape[0] * shape[1] * shape[2]).reshape(shape) / classes.size
    of_joint = _entropies(joint.reshape(shape[0], -1))
    return np.asarray(_entropies(joint.sum(axis=1)) + _entropies(joint.sum(axis=2)) - of_joint)


class Agreement:
    """Mutual information of emission ranks and tissue classes as a function of the emission's shift; remembers.

    ``image``, ``classes`` and ``domain`` are [k, j, i]; ``ranges`` (3, 2) are the least and largest shift of each axis
    that will be asked for.
    """

    def __init__(self, image: np.ndarray, classes: np.ndarray, domain: np.ndarray, ranges: np.ndarray) -> None:
        box = bounding_box(domain)
        reach = tuple(slice(part.start + low, part.stop + high) for part, (low, high) in zip(box, ranges, strict=True))
        self._inside = np.flatnonzero(domain[reach])
        self._ranks = ranks_within(image[reach], domain[reach]).ravel()
        self._tissue = classes[domain]
        _, rows, columns = (part.stop - part.start for part in reach)
        self._strides = np.array([rows * columns, columns, 1])
        self._known: dict[Shift, float] = {}

    def __call__(self, shift: Shift) -> float:
        """Mutual information in nats at one shift."""
        return self._at([shift])[0]

    def best_of(self, shifts: Iterable[Shift]) -> Shift:
        """The shift at which the images agree best, the first if there are several."""
        tried = list(shifts)
        values = self._at(tried)
        return tried[values.index(max(values))]

    def _at(self, shifts: list[Shift]) -> list[float]:
        new = [shift for shift in shifts if shift not in self._known]
        step = max(1, _TOGETHER // self._inside.size)
        for start in range(0, len(new), step):
            some = new[start : start + step]
            moved = self._ranks[(np.array(some) @ self._strides)[:, None] + self._inside]
            self._known.update(zip(some, _informations(moved, self._tissue).tolist(), strict=True))
        return [self._known[shift] for shift in shifts]


def _entropies(shares: np.ndarray) -> np.ndarray:
    """Of each row of shares (m, n)."""
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1))
