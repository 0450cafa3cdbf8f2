"""How much of an image a transform that bends covers: beyond a field of displacements or splines ITK moves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.volume import LPS_TO_RAS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PRRTUptakeLib.imaging.volume import Grid

COVERED = 0.95  # of the image's points: less is said
_EDGE = 2  # voxels of a field by which its edge is continued, since fields are coarser than images
_STEPS = 9  # points along each axis of the image


def widened(transform: sitk.Transform) -> sitk.Transform:
    """The same transform, its fields of displacements continued at their edges by two of their voxels."""
    if transform.GetTransformEnum() == sitk.sitkDisplacementField:
        field = sitk.DisplacementFieldTransform(transform).GetDisplacementField()
        pads = [_EDGE] * 3
        return sitk.DisplacementFieldTransform(sitk.ZeroFluxNeumannPad(field, pads, pads))
    if transform.GetTransformEnum() == sitk.sitkComposite:
        parts = sitk.CompositeTransform(transform)
        return sitk.CompositeTransform(
            [widened(parts.GetNthTransform(n)) for n in range(parts.GetNumberOfTransforms())]
        )
    return transform


def share_covered(transform: sitk.Transform, fixed: Grid) -> float:
    """Share of points spread over the fixed image at which every part of a transform that bends is defined."""
    ends = np.array(fixed.shape[::-1]) - 1.0
    steps = np.stack(np.meshgrid(*[np.linspace(0.0, end, _STEPS) for end in ends]), axis=-1).reshape(-1, 3)
    points = fixed.to_ras(steps) * np.diag(LPS_TO_RAS)[:3]
    inside = np.ones(len(points), dtype=bool)
    for part in _in_order(transform):
        inside &= _within(part, points)
        points = np.array([part.TransformPoint(point.tolist()) for point in points])
    return float(inside.mean())


def _in_order(transform: sitk.Transform) -> Iterator[sitk.Transform]:
    """The parts of a transform in the order in which they act: of a composite, the last acts first."""
    if transform.GetTransformEnum() != sitk.sitkComposite:
        yield transform
        return
    parts = sitk.CompositeTransform(transform)
    for n in reversed(range(parts.GetNumberOfTransforms())):
        yield from _in_order(parts.GetNthTransform(n))


def _within(part: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Whether LPS points (n, 3) are where a part is defined; everywhere for what is no field and no spline."""
    if part.GetTransformEnum() == sitk.sitkDisplacementField:
        field = sitk.DisplacementFieldTransform(part).GetDisplacementField()
        low, high = -0.5, np.array(field.GetSize()) - 0.5
        origin, direction, scale = field.GetOrigin(), field.GetDirection(), np.array(field.GetSpacing())
    elif part.GetTransformEnum() == sitk.sitkBSplineTransform:
        spline = sitk.BSplineTransform(part)
        low, high = 0.0, np.ones(3)
        origin, direction = spline.GetTransformDomainOrigin(), spline.GetTransformDomainDirection()
        scale = np.array(spline.GetTransformDomainPhysicalDimensions())
    else:
        return np.ones(len(points), dtype=bool)
    places = (points - np.array(origin)) @ np.reshape(direction, (3, 3)) / scale
    return np.asarray(((places >= low - 1e-6) & (places <= high + 1e-6)).all(axis=1))
