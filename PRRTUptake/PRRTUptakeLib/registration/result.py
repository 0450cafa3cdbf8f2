"""What a registration gives: where the points of one image lie in the other, and how good that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.imaging.itk_images import affine_to_itk
from PRRTUptakeLib.imaging.points import affine_points
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Grid
from PRRTUptakeLib.registration.errors import RegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import SimpleITK as sitk


@dataclass(frozen=True)
class RegistrationQuality:
    """How well two images agree; nan where it could not be assessed.

    Attributes
    ----------
    metric_before, metric_after : mutual information in nats, higher is better, over the region that was registered.
    body_overlap_before, body_overlap : Dice coefficient of the bodies where both images reach.
    liver_overlap_before, liver_overlap : Dice coefficient of the livers, where both were given.
    liver_offset_mm : distance of the livers' centroids after registration.
    warnings : sentences for the user.
    """

    metric_before: float = math.nan
    metric_after: float = math.nan
    body_overlap_before: float = math.nan
    body_overlap: float = math.nan
    liver_overlap_before: float = math.nan
    liver_overlap: float = math.nan
    liver_offset_mm: float = math.nan
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Displacements ``vectors_mm`` [k, j, i, 3] (RAS) at the voxel centres of ``grid``; none beyond its edges."""

    grid: Grid
    vectors_mm: np.ndarray

    def __post_init__(self) -> None:
        vectors = np.asarray(self.vectors_mm, dtype=np.float32)
        if vectors.shape != (*self.grid.shape, 3) or not np.isfinite(vectors).all():
            raise RegistrationError(
                f"A displacement field of {self.grid.shape} voxels has three finite numbers each, not {vectors.shape}."
            )
        object.__setattr__(self, "vectors_mm", vectors)

    def at(self, points_ras: np.ndarray) -> np.ndarray:
        """Displacements (n, 3) at RAS points (n, 3), trilinear."""
        from scipy.ndimage import map_coordinates

        kji = self.grid.to_ijk(points_ras).T[::-1]
        parts = [map_coordinates(self.vectors_mm[..., axis], kji, order=1, cval=0.0) for axis in range(3)]
        return np.stack(parts, axis=-1)

    def smallest_jacobian(self) -> float:
        """Smallest determinant of the deformation x + u(x) on the grid: 0 or less where it folds."""
        by_axis = list(np.gradient(self.vectors_mm.astype(np.float64), axis=(2, 1, 0)))
        gradients = np.stack(by_axis, axis=-1)  # d u / d ijk
        jacobian = np.eye(3) + gradients @ np.linalg.inv(self.grid.ijk_to_ras[:3, :3])
        return float(np.linalg.det(jacobian).min())


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the fixed image's points lie in the moving image: RAS x -> matrix (x + displacement(x)), in mm.

    Contours are drawn on the fixed image; ``ras_transform`` carries them to the moving one (see ``uptake.occupancy``).
    In Slicer, ``fixed_to_moving`` is the "to parent" matrix of a transform node for the fixed image and its segments.

    Attributes
    ----------
    kind : "identity", "rigid", "deformable" or "given".
    fixed_to_moving : 4x4.
    displacement : in the fixed frame, before the matrix; None if there is none.
    provenance : how it was made, plain JSON values.
    """

    kind: str
    fixed_to_moving: np.ndarray
    quality: RegistrationQuality = field(default_factory=RegistrationQuality)
    displacement: DisplacementField | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        matrix = np.array(self.fixed_to_moving, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
            raise RegistrationError(f"A registration needs a finite, invertible 4x4 matrix, not {matrix.tolist()}.")
        matrix.setflags(write=False)
        object.__setattr__(self, "fixed_to_moving", matrix)

    @property
    def moving_to_fixed(self) -> np.ndarray:
        """Inverse of the matrix (without the displacement)."""
        return np.linalg.inv(self.fixed_to_moving)

    @property
    def ras_transform(self) -> np.ndarray | Callable[[np.ndarray], np.ndarray]:
        """What ``occupancy`` takes: the 4x4 if there is no displacement, else the function of points."""
        return self.fixed_to_moving if self.displacement is None else self.map_points

    def map_points(self, points_ras: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the fixed image, RAS mm, in the moving image."""
        points = np.asarray(points_ras, dtype=np.float64)
        if self.displacement is not None:
            points = points + self.displacement.at(points)
        return affine_points(points, self.fixed_to_moving)

    def to_itk(self) -> sitk.Transform:
        """The same mapping as a SimpleITK transform of LPS points, as ``sitk.Resample`` takes it."""
        import SimpleITK as sitk

        from PRRTUptakeLib.imaging.itk_images import itk_image

        linear = affine_to_itk(self.fixed_to_moving)
        if self.displacement is None:
            return linear
        lps = self.displacement.vectors_mm.astype(np.float64) * np.diag(LPS_TO_RAS)[:3]
        scalar = itk_image(np.zeros(self.displacement.grid.shape), self.displacement.grid)
        image = sitk.GetImageFromArray(lps, isVector=True)
        image.CopyInformation(scalar)
        return sitk.CompositeTransform([linear, sitk.DisplacementFieldTransform(image)])  # the last acts first

    def facts(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        quality = {
            name: round(float(value), 5)
            for name, value in vars(self.quality).items()
            if isinstance(value, float) and math.isfinite(value)
        }
        return {
            "kind": self.kind,
            "fixed_to_moving_ras": [[round(float(one), 6) for one in row] for row in self.fixed_to_moving],
            "bends": self.displacement is not None,
            "quality": {**quality, "warnings": list(self.quality.warnings)},
            "made": dict(self.provenance),
        }

    def with_quality(self, quality: RegistrationQuality) -> Registration:
        """A copy with another assessment."""
        return replace(self, quality=quality)


def identity_registration(reason: str) -> Registration:
    """Both images share their frame; ``reason`` says why this is so and is recorded."""
    return Registration("identity", np.eye(4), provenance={"reason": reason})


def given_registration(fixed_to_moving: np.ndarray, source: str) -> Registration:
    """A 4x4 from another tool (Elastix or BRAINS in Slicer, a person) instead; ``source`` is recorded."""
    return Registration("given", fixed_to_moving, provenance={"source": source})
