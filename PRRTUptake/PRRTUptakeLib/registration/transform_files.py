"""Transforms from other tools: ITK transform files as Slicer, BRAINS, ANTs or Elastix (through Slicer) write them.

A file that registered ``moving`` onto ``fixed`` holds the mapping of points of the fixed image to the moving one, in
the LPS frame of DICOM and ITK (ITK Software Guide, 3.9). That is the direction of ``Registration.fixed_to_moving``. A
transform node of Slicer that moves the moving image onto the fixed one is stored so, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.file_checks import check_metaimage, check_nrrd, check_stated_place
from PRRTUptakeLib.imaging.itk_images import affine_from_itk, itk_image
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.registration.errors import RegistrationError
from PRRTUptakeLib.registration.result import DisplacementField, Registration, RegistrationQuality, given_registration
from PRRTUptakeLib.registration.transform_extent import COVERED, share_covered, widened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIELD_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")

_FIELD_SPACING_mm = 5.0
_LINEAR_mm = 1e-3  # a transform that is a matrix to within this, over a body, is taken as one
_LARGEST_STRETCH = 1.5


def read_registration(path: Path, fixed: Grid, inverse: bool = False) -> Registration:
    """The registration that a transform file holds.

    Parameters
    ----------
    path : ITK transform file (.tfm, .txt, .h5, .mat, .xfm) or a displacement field as an image (.nii.gz, .nrrd, .mha).
    fixed : grid of the fixed image, on which was drawn; a transform that bends is sampled there.
    inverse : the file maps points of the moving image to the fixed one instead; linear transforms only.

    Raises
    ------
    RegistrationError
        If the file is missing, is none of these, flattens or stretches the patient, or bends and is to be inverted.
    """
    transform = _read(path)
    linear = _linear_part(transform, fixed)
    if linear is not None:
        matrix = np.linalg.inv(_checked(linear, path)) if inverse else _checked(linear, path)
        return given_registration(matrix, f"file {path.name}{', inverted' if inverse else ''}")
    if inverse:
        raise RegistrationError(
            f"The transform file {path.name} bends space and so has no simple inverse: export it in the other "
            "direction, from the image on which was drawn to that of the visit."
        )
    return _bent(transform, fixed, path)


def _read(path: Path) -> sitk.Transform:
    if not path.is_file():
        raise RegistrationError(f"There is no transform file {path}: correct the path.")
    name = path.name.lower()
    try:
        if name.endswith(FIELD_SUFFIXES):
            _check_place(path)
            image = sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
            if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 3:
                raise RegistrationError(f"{path.name} is an image, but no field of displacements with three parts.")
            return sitk.DisplacementFieldTransform(image)
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise RegistrationError(
            f"{path.name} is no transform file of ITK (.tfm, .txt, .h5, .mat) or displacement field: export it from "
            "Slicer's Transforms module; parameter files of Elastix are converted by opening them there."
        ) from error
    if transform.GetDimension() != 3:
        raise RegistrationError(f"{path.name} is a transform in {transform.GetDimension()} dimensions, not in 3.")
    return transform


def _check_place(path: Path) -> None:
    """A field must say where it is; in NRRD its displacements are along the axes of its space, for ITK those of LPS."""
    name = path.name.lower()
    try:
        if name.endswith((".nrrd", ".nhdr")):
            space = (check_nrrd if name.endswith(".nrrd") else check_stated_place)(path)["space"].lower()
            if space not in ("left-posterior-superior", "lps"):
                raise RegistrationError(
                    f"{path.name} states 'space: {space}': along which axes its displacements are is not certain; "
                    "export it in left-posterior-superior."
                )
        elif name.endswith(".mha"):
            check_metaimage(path)
        elif name.endswith(".mhd"):
            check_stated_place(path)
    except ImagingError as error:
        raise RegistrationError(str(error)) from error


def _linear_part(transform: sitk.Transform, fixed: Grid) -> np.ndarray | None:
    """The RAS 4x4 of a transform that is linear over the fixed image, None if it bends there."""
    points = _corners(fixed)
    if not transform.IsLinear() and not _is_composite_of_linear(transform):
        return None
    matrix = affine_from_itk(transform)
    note = _mapped(transform, points)
    apart = np.abs(points @ matrix[:3, :3].T + matrix[:3, 3] - note).max()
    return matrix if apart <= _LINEAR_mm else None


def _is_composite_of_linear(transform: sitk.Transform) -> bool:
    if transform.GetTransformEnum() != sitk.sitkComposite:
        return False
    parts = sitk.CompositeTransform(transform)
    return all(parts.GetNthTransform(n).IsLinear() for n in range(parts.GetNumberOfTransforms()))


def _checked(matrix: np.ndarray, path: Path) -> np.ndarray:
    """The matrix, if it leaves the patient of about the same size and not mirrored."""
    if not np.isfinite(matrix).all():
        raise RegistrationError(f"The transform file {path.name} holds numbers that are not finite: export it again.")
    stretches = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if (
        np.linalg.det(matrix[:3, :3]) <= 0
        or stretches.max() > _LARGEST_STRETCH
        or stretches.min() < 1 / _LARGEST_STRETCH
    ):
        raise RegistrationError(
            f"The transform file {path.name} mirrors, flattens or stretches the patient (factors "
            f"{', '.join(f'{one:.2f}' for one in stretches)}): check what it was made for."
        )
    return matrix


def _bent(transform: sitk.Transform, fixed: Grid, path: Path) -> Registration:
    """A transform that bends as matrix (its least-squares linear part) and displacements on a lattice of 5 mm."""
    transform = widened(transform)
    covered = share_covered(transform, fixed)
    lattice = _sample_grid(fixed)
    image = itk_image(np.zeros(lattice.shape, dtype=np.uint8), lattice)
    field = sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        image.GetSize(),
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
    )
    territory_overrides = sitk.GetArrayFromImage(field).reshape(-1, 3) * np.diag(LPS_TO_RAS)[:3]
    points = _points(lattice)
    targets = points + territory_overrides
    design = np.column_stack([points, np.ones(len(points))])
    solved, *_ = np.linalg.lstsq(design, targets, rcond=None)
    matrix = np.eye(4)
    matrix[:3] = solved.T
    matrix = _checked(matrix, path)
    made = _field(lattice, targets, matrix)
    partly = f"The transform file {path.name} covers {covered:.0%} of the image the contours were drawn on"
    if covered < COVERED and made.smallest_jacobian() <= 0:
        raise RegistrationError(f"{partly} and folds the patient at its edge: export it over the whole image.")
    if made.smallest_jacobian() <= 0:
        raise RegistrationError(f"The transform file {path.name} folds the patient onto itself: register again.")
    doubts = () if covered >= COVERED else (f"{partly}: beyond it nothing is bent.",)
    return Registration(
        "given",
        matrix,
        RegistrationQuality(warnings=doubts),
        displacement=made,
        provenance={"source": f"file {path.name}", "bends": True},
    )


def displacements(point_map: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray, fixed: Grid) -> DisplacementField:
    """What remains of a mapping of points after a matrix, on a lattice of 5 mm over the fixed image.

    Parameters
    ----------
    carry : function of RAS points (n, 3) of the fixed image to the moving one.
    matrix : 4x4, its linear part: ``carry(x) = matrix (x + displacement(x))``.
    fixed : grid of the fixed image.
    """
    lattice = _sample_grid(fixed)
    return _field(lattice, point_map(_points(lattice)), matrix)


def _points(lattice: Grid) -> np.ndarray:
    k, j, i = np.indices(lattice.shape).reshape(3, -1)
    return lattice.to_ras(np.stack([i, j, k], axis=-1))


def _field(lattice: Grid, targets: np.ndarray, matrix: np.ndarray) -> DisplacementField:
    back = np.linalg.inv(matrix)
    vectors = targets @ back[:3, :3].T + back[:3, 3] - _points(lattice)
    return DisplacementField(lattice, vectors.reshape(*lattice.shape, 3))


def _sample_grid(fixed: Grid) -> Grid:
    """A coarser grid of about 5 mm that spans the fixed one."""
    spacing = np.array(fixed.spacing_mm)
    extent = (np.array(fixed.shape[::-1]) - 1.0) * spacing
    counts = np.maximum(np.ceil(extent / _FIELD_SPACING_mm).astype(int), 1) + 1
    matrix = fixed.ijk_to_ras.copy()
    matrix[:3, :3] = fixed.ijk_to_ras[:3, :3] / spacing * np.maximum(extent / (counts - 1), 1e-6)
    i, j, k = (int(n) for n in counts)
    return Grid((k, j, i), matrix)


def _corners(grid: Grid) -> np.ndarray:
    top = np.array(grid.shape[::-1]) - 1.0
    return grid.to_ras(np.array(np.meshgrid(*[[0.0, n / 2, n] for n in top])).reshape(3, -1).T)


def _mapped(transform: sitk.Transform, points_ras: np.ndarray) -> np.ndarray:
    signs = np.diag(LPS_TO_RAS)[:3]
    return np.asarray(np.array([transform.TransformPoint((point * signs).tolist()) for point in points_ras]) * signs)
