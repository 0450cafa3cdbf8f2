"""Self-dose S-values of organs from our own kernels and the reference masses, for nuclides without a table.

Organs are ellipsoids of their reference mass: of an affine image of a ball, the share of points at distance r in the
direction u that are still inside is the ball's at the distance r |A^-1 u|, so the mean over directions is exact
for any half axes. Doses of one organ to another are not in them, and the user is shown that.
"""

from __future__ import annotations

import math
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G, PointKernel, nuclides_with_kernel, point_kernel
from PRRTDosimetryLib.dose.tables import read_table
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML
from PRRTDosimetryLib.dose.voxel_kernel import octant_directions

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPES: Mapping[str, tuple[tuple[float, float, float], int]] = MappingProxyType(
    {
        "liver": ((1.0, 1.0, 1.0), 1),
        "kidneys": ((4.5, 1.5, 5.5), 2),
        "spleen": ((3.5, 2.0, 6.0), 1),
    }
)
"""Half axes by their ratio, and how many of them there are; kidneys and spleen of the phantom of Cristy and Eckerman
(ORNL/TM-8381, 1987), the liver, which is no ellipsoid there, as a ball."""
_DIRECTIONS = 24
_MGY_PER_MBQ_S = 1e9  # of a Gy per Bq s: 1e6 decays, 1e3 mGy


def absorbed_in_ellipsoid_keV(kernel: PointKernel, half_axes_mm: tuple[float, float, float], density: float) -> float:
    """Energy absorbed in a uniform ellipsoid per decay in it, in keV.

    Examples
    --------
    >>> from PRRTDosimetryLib.dose.spheres import absorbed_in_sphere_keV
    >>> kernel = point_kernel("Lu-177", "photons")
    >>> ball = absorbed_in_ellipsoid_keV(kernel, (40.0, 40.0, 40.0), 1.0)
    >>> bool(abs(ball / absorbed_in_sphere_keV(kernel, 40.0) - 1.0) < 1e-6)
    True
    """
    unit, weight = octant_directions(_DIRECTIONS)
    stretch = np.linalg.norm(unit / np.array(half_axes_mm)[:, None], axis=0)
    radius = (kernel.radius_mm[1:] + kernel.radius_mm[:-1]) / 2.0 / density
    part = np.minimum(radius[:, None] * stretch, 2.0)
    inside = (1.0 - 0.75 * part + part**3 / 16.0) @ weight
    return float(np.diff(kernel.within_keV) @ inside)


def self_S_mGy_per_MBq_s(nuclide: str, organ: str, mass_g: float) -> float:
    """Self-dose S-value of an organ of ``SHAPES`` with ``mass_g`` (of both kidneys together)."""
    ratio, number = SHAPES[organ]
    density = DENSITY_G_PER_ML[organ]
    volume_mm3 = 1e3 * mass_g / number / density
    scale = (3.0 * volume_mm3 / (4.0 * math.pi * math.prod(ratio))) ** (1.0 / 3.0)
    axes = (ratio[0] * scale, ratio[1] * scale, ratio[2] * scale)
    absorbed = absorbed_in_ellipsoid_keV(point_kernel(nuclide, "all"), axes, density)
    return absorbed * GY_PER_KEV_PER_G / mass_g * _MGY_PER_MBQ_S


@cache
def kernel_S_values(sex: str, nuclide: str) -> Mapping[tuple[str, str], float]:
    """Self-dose S-values by (organ, organ), mGy/(MBq s), of the reference masses of a sex; empty without a kernel."""
    if nuclide not in nuclides_with_kernel():
        return MappingProxyType({})
    masses = {row["organ"]: float(row[f"{sex}_g"]) for row in read_table("SValues", "reference_masses.csv")}
    return MappingProxyType({(organ, organ): self_S_mGy_per_MBq_s(nuclide, organ, masses[organ]) for organ in SHAPES})
