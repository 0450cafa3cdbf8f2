"""Are these two images fit to be registered, and what of them is looked at?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.dilation import grown_mask
from PRRTUptakeLib.imaging.itk_images import grid_of, itk_image, shrunk_array
from PRRTUptakeLib.registration.errors import RegistrationError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume

BODY_WINDOW_HU = (-200.0, 300.0)  # air to bone
LIVER_WINDOW_HU = (-100.0, 200.0)  # fat to enhanced organs: on a native CT wider classes lose the liver's edge

_BODY_HU = -250.0
COMPARED_mm = 3.0  # images are compared in voxels of about this size
_COARSE: WeakKeyDictionary[Volume, tuple[sitk.Image, sitk.Image]] = WeakKeyDictionary()  # gone with their volumes


def check_pair(fixed: Volume, moving: Volume, force: bool) -> tuple[str, ...]:
    """Refuse images of different patients (unless forced), without geometry, or with values that are not finite.

    Returns
    -------
    Notes on what was forced.

    Raises
    ------
    RegistrationError
        Naming the image and the reason.
    """
    patients = [str(volume.provenance.get("patient_id", "")) for volume in (fixed, moving)]
    notes: tuple[str, ...] = ()
    if all(patients) and patients[0] != patients[1]:
        which = f"The images belong to different patients ('{patients[0]}' and '{patients[1]}')"
        if not force:
            raise RegistrationError(
                f"{which}: choose images of one patient, or, if both names mean one person, say why under "
                "'same_patient' in the case file (console: force)."
            )
        notes = (f"{which}; the registration was forced.",)
    for name, volume in (("fixed", fixed), ("moving", moving)):
        what = f"The {name} image ({volume.quantity or 'of unknown quantity'})"
        if _lacks_geometry(volume.grid):
            raise RegistrationError(
                f"{what} has no geometry: voxels of exactly 1 mm from the origin on along the axes mean that position "
                "and spacing were lost, so load it from DICOM."
            )
        if bad := count_not_finite(volume.array):
            raise RegistrationError(
                f"{what} holds {bad} values that are not finite (NaN or infinite): export it again, or fill them in."
            )
        if min(volume.array.shape) < 4:
            raise RegistrationError(
                f"{what} has only {volume.array.shape} voxels (k, j, i): choose a volume of at least 4 slices."
            )
    return notes


def count_not_finite(array: np.ndarray) -> int:
    """How many values of an image [k, j, i] are NaN or infinite; whole numbers need no look."""
    if array.dtype.kind in "iu":
        return 0
    return sum(plane.size - int(np.count_nonzero(np.isfinite(plane))) for plane in array)


def check_overlap(fixed: Grid, moving: Grid, fixed_to_moving: np.ndarray) -> None:
    """Refuse images whose boxes do not meet under the starting transform, a 4x4.

    Raises
    ------
    RegistrationError
        With their distance.
    """
    low, high = zip(
        *(_extent(grid, matrix) for grid, matrix in ((fixed, fixed_to_moving), (moving, np.eye(4)))), strict=True
    )
    gap = np.maximum(low[0] - high[1], low[1] - high[0]).max()
    if gap > 0:
        raise RegistrationError(
            f"The images do not overlap (they lie {gap:.0f} mm apart): check that they show the same part of the body, "
            "or start with their centres aligned."
        )


def checked_mask(mask: np.ndarray | None, grid: Grid, name: str) -> np.ndarray | None:
    """The mask as bool [k, j, i]; None stays None.

    Raises
    ------
    RegistrationError
        If it is empty or has another shape than the image.
    """
    if mask is None:
        return None
    inside = np.asarray(mask, dtype=bool)
    if inside.shape != grid.shape:
        raise RegistrationError(
            f"The mask of the {name} has {inside.shape} voxels, its image {grid.shape}: match them."
        )
    if not inside.any():
        raise RegistrationError(f"The mask of the {name} is empty: draw it, or register without it.")
    return inside


def is_ct(volume: Volume) -> bool:
    """Whether the values are Hounsfield units."""
    return volume.quantity == "attenuation"


def usual_window(image: sitk.Image) -> tuple[float, float]:
    """The 1st and the 99.5th percentile of an image without a unit."""
    low, high = np.percentile(sitk.GetArrayViewFromImage(image), [1.0, 99.5])
    return float(low), float(high)


def windowed(image: sitk.Image, window: tuple[float, float]) -> sitk.Image:
    """The image limited to ``window``.

    Raises
    ------
    RegistrationError
        If there is only one value.
    """
    limited = sitk.Clamp(image, lowerBound=window[0], upperBound=window[1])
    values = sitk.GetArrayViewFromImage(limited)
    if not values.max() > values.min():
        raise RegistrationError("One of the images is uniform: there is nothing to register.")
    return limited


def body_mask(image: sitk.Image, ct: bool, name: str = "given") -> sitk.Image:
    """The patient's body on a coarse image (about 3 mm or more): uint8, holes such as lungs filled slice by slice.

    ``name`` is the image's, for the error.

    Raises
    ------
    RegistrationError
        If nothing stands out against air.
    """
    bright = image > _BODY_HU if ct else sitk.OtsuThreshold(image, 0, 1, 128)
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(_opened(bright)))
    array = sitk.GetArrayFromImage(parts) == 1
    if not array.any():
        raise RegistrationError(f"No body stands out against air in the {name} image: check what it shows.")
    return itk_image(_filled(array), grid_of(image))


def coarse_and_body(volume: Volume, name: str = "given") -> tuple[sitk.Image, sitk.Image]:
    """A CT or MRI at about 3 mm and the body on it; made once, since a session's check and a registration ask for it.

    ``name`` and errors as in `body_mask`.
    """
    found = _COARSE.get(volume)
    if found is None:
        image = shrunk_array(volume.array, volume.grid, COMPARED_mm)
        found = _COARSE[volume] = (image, body_mask(image, is_ct(volume), name))
    return found


def _filled(body: np.ndarray) -> np.ndarray:
    """The body [k, j, i] with what it encloses in each slice: all that is not connected with the slice's edge."""
    from scipy.ndimage import label

    air = np.pad(~body, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = [[False, True, False], [True, True, True], [False, True, False]]
    parts, count = label(air, in_plane)
    enclosed = np.ones(count + 1, dtype=bool)
    enclosed[parts[:, 0, 0]] = False
    return np.asarray(enclosed[parts[:, 1:-1, 1:-1]])


def _opened(bright: sitk.Image) -> sitk.Image:
    """Opened by 3 x 3 voxels in every slice, which parts the table from the back; beyond the image nothing is bright.

    By slices of arrays, since sitk.BinaryMorphologicalOpening takes ten times as long.
    """
    opened = sitk.GetArrayFromImage(bright) > 0
    for combine in (np.logical_and, np.logical_or):
        for axis in (1, 2):
            wide = np.pad(opened, [(int(n == axis),) * 2 for n in range(3)], constant_values=combine is np.logical_and)
            before, middle, after = (np.moveaxis(wide, axis, 0)[n : wide.shape[axis] - 2 + n] for n in range(3))
            opened = np.moveaxis(combine(combine(before, middle), after), 0, axis)
    found = sitk.GetImageFromArray(opened.astype(np.uint8))
    found.CopyInformation(bright)
    return found


def distance_mm(mask: sitk.Image) -> sitk.Image:
    """Distance to a mask, negative inside; ``mask`` may hold fractions, half and more counts as inside."""
    fractions = sitk.Cast(mask, sitk.sitkFloat32)  # compared with whole numbers, 0.5 becomes 0 and all is inside
    inside = sitk.Cast(fractions >= 0.5, sitk.sitkUInt8)
    return sitk.SignedMaurerDistanceMap(inside, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)


def dilated(mask: sitk.Image, margin_mm: float) -> sitk.Image:
    """The mask grown by ``margin_mm``, uint8."""
    inside = sitk.GetArrayViewFromImage(mask) >= 0.5
    found = np.zeros(inside.shape, dtype=np.uint8)
    if inside.any():  # distances are needed near the mask only
        steps = np.ceil(np.maximum(margin_mm, 0.0) / np.array(mask.GetSpacing()[::-1])).astype(int) + 1
        near = tuple(
            slice(max(0, part.start - step), part.stop + step)
            for part, step in zip(bounding_box(inside), steps, strict=True)
        )
        found[near] = grown_mask(inside[near], mask.GetSpacing()[::-1], margin_mm)
    grown = sitk.GetImageFromArray(found)
    grown.CopyInformation(mask)
    return grown


def cropped(image: sitk.Image, mask: sitk.Image, margin_mm: float = 0.0) -> sitk.Image:
    """The part of an image around a mask on the same grid, with a margin as far as the image reaches."""
    box = bounding_box(sitk.GetArrayViewFromImage(mask) > 0)[::-1]
    margin = np.ceil(margin_mm / np.array(image.GetSpacing())).astype(int)
    low = np.maximum([part.start for part in box] - margin, 0)
    high = np.minimum([part.stop for part in box] + margin, image.GetSize())
    return sitk.RegionOfInterest(image, (high - low).tolist(), low.tolist())


def bounding_box(inside: np.ndarray) -> tuple[slice, ...]:
    """The smallest box [k, j, i] that holds all that is true; something must be."""
    rows = np.asarray(inside.any(axis=2))
    where = (rows.any(axis=1), rows.any(axis=0), inside.any(axis=(0, 1)))
    ends = [np.flatnonzero(one)[[0, -1]].tolist() for one in where]
    return tuple(slice(first, last + 1) for first, last in ends)


def mask_points(mask: sitk.Image, at_most: int = 4000) -> np.ndarray:
    """RAS points (n, 3) spread evenly over a mask."""
    kji = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)
    step = max(1, len(kji) // at_most)
    return grid_of(mask).to_ras(kji[::step, ::-1])


def _lacks_geometry(grid: Grid) -> bool:
    linear, origin = grid.ijk_to_ras[:3, :3], grid.ijk_to_ras[:3, 3]
    return bool((np.abs(linear) == np.eye(3)).all() and (origin == 0).all())


def _extent(grid: Grid, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    top = np.array(grid.shape[::-1]) - 0.5
    corners = np.stack(np.meshgrid(*[[-0.5, n] for n in top]), axis=-1).reshape(-1, 3)
    points = grid.to_ras(corners) @ matrix[:3, :3].T + matrix[:3, 3]
    return points.min(axis=0), points.max(axis=0)
