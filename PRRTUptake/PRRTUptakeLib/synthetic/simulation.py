"""Images of the synthetic patient: exact voxel averages, Gaussian resolution, Poisson noise, CT.

The patient is evaluated on a lattice finer than the image, cells of at most 1.2 mm. Along each axis one matrix then
takes the cells to the voxels: the integral over the voxel of the cells convolved with a Gaussian. It is analytic, so
that blur and averaging do not alias, and activity is conserved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation
from scipy.special import ndtr

from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.synthetic.errors import SyntheticError
from PRRTUptakeLib.synthetic.phantom_anatomy import APPEARANCE, Region
from PRRTUptakeLib.synthetic.phantom_shapes import Shifted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PRRTUptakeLib.synthetic.phantom import SyntheticPatient

SPECT_FWHM_mm = 12.0
PET_FWHM_mm = 6.0
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_CELL_mm = 1.2
_TISSUE_CELL_mm = 1.7  # CT and MRI need no better partial volumes
_REACH = 5.0  # a Gaussian is followed to this many standard deviations: 6e-7 of it is beyond
_SLAB_CELLS = 4_000_000
_PIECE_CELLS = 1 << 16


def axial_grid(size: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre_ras_mm: np.ndarray) -> Grid:
    """A grid of axial slices from feet to head as scanners write them: i to the patient's left, j to the back.

    ``size`` is (columns, rows, slices), ``spacing_mm`` in the same order.
    """
    axes = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2]])
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = np.asarray(centre_ras_mm, dtype=float) - axes @ ((np.array(size) - 1) / 2.0)
    return Grid((size[2], size[1], size[0]), matrix)


# The liver reaches from z = -63 to 82 mm, the kidneys down to -115 mm: every grid holds them with a margin.
SPECT_GRID = axial_grid((128, 128, 80), (4.8, 4.8, 4.8), np.array([0.0, 0.0, 0.0]))
CONTRAST_CT_GRID = axial_grid((256, 256, 104), (1.5, 1.5, 3.0), np.array([0.0, 0.0, -12.0]))
LOW_DOSE_CT_GRID = axial_grid((192, 192, 77), (2.5, 2.5, 5.0), np.array([0.0, 0.0, 0.0]))
PET_GRID = axial_grid((128, 128, 104), (4.0, 4.0, 3.0), np.array([0.0, 0.0, -12.0]))
_WHOLE_BODY_GRID = axial_grid((228, 154, 428), (1.5, 1.5, 1.5), np.array([0.0, 0.0, 0.0]))
MR_GRID = axial_grid((240, 216, 88), (1.7, 1.7, 3.5), np.array([0.0, 0.0, -8.0]))


@dataclass(frozen=True, eq=False)
class Posture:
    """How the patient lies in one scan.

    ``phantom_to_ras`` is a rigid 4x4 from the phantom's own frame to the scanner's RAS (mm); ``breathing_mm`` moves
    what hangs on the diaphragm (liver with its lesions, gallbladder, spleen, kidneys) along the body, upwards positive.
    """

    phantom_to_ras: np.ndarray = field(default_factory=lambda: np.eye(4))
    breathing_mm: float = 0.0

    def __post_init__(self) -> None:
        matrix = np.asarray(self.phantom_to_ras, dtype=float)
        if matrix.shape != (4, 4) or not np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9):
            raise SyntheticError(f"A posture is a rigid 4x4 matrix, not {matrix.tolist()}.")
        object.__setattr__(self, "phantom_to_ras", matrix)

    @property
    def liver_to_ras(self) -> np.ndarray:
        """Rigid 4x4 of what moves with breathing."""
        shift = np.eye(4)
        shift[2, 3] = self.breathing_mm
        return self.phantom_to_ras @ shift


def random_posture(random: np.random.Generator, shift_mm: float, rotation_deg: float, breathing_mm: float) -> Posture:
    """A posture whose shift and turn about each axis, and breathing, are uniform between minus and plus the limits."""
    matrix = np.eye(4)
    angles = random.uniform(-rotation_deg, rotation_deg, 3)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = random.uniform(-shift_mm, shift_mm, 3)
    return Posture(matrix, float(random.uniform(-breathing_mm, breathing_mm)))


def regions_in_posture(patient: SyntheticPatient, posture: Posture) -> tuple[Region, ...]:
    """The patient's regions in the phantom's frame, moved by breathing."""
    if posture.breathing_mm == 0.0:
        return patient.regions
    shift = (0.0, 0.0, posture.breathing_mm)
    return tuple(replace(r, shape=Shifted(r.shape, shift)) if r.breathes else r for r in patient.regions)


def region_labels(patient: SyntheticPatient, grid: Grid, posture: Posture | None = None) -> np.ndarray:
    """Which region the centre of each voxel is in: uint8 [k, j, i], 0 air, n the n-th of ``patient.regions``."""
    posture = posture or Posture()
    regions = regions_in_posture(patient, posture)
    ijk_to_phantom = np.linalg.inv(posture.phantom_to_ras) @ grid.ijk_to_ras
    return _paint(regions, ijk_to_phantom, ((0, grid.shape[0]), (0, grid.shape[1]), (0, grid.shape[2])))


def region_volumes_mL(patient: SyntheticPatient) -> dict[str, float]:
    """Volume of what is visible of each region, counted on a lattice of 1.5 mm over the whole phantom.

    Parts that a later region covers do not count: the lobes are without their lesions. Good to about 0.3 % for organs;
    the volume of a lesion is better had from its shape.
    """
    edge_mm = 1.5
    counts = np.bincount(region_labels(patient, _WHOLE_BODY_GRID).ravel(), minlength=len(patient.regions) + 1)
    return {
        region.name: float(count) * edge_mm**3 / 1000.0
        for region, count in zip(patient.regions, counts[1:], strict=True)
    }


def _paint(regions: tuple[Region, ...], ijk_to_phantom: np.ndarray, span: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Labels of the lattice points whose index (k, j, i) is within ``span``, each region within its own box."""
    labels = np.zeros(tuple(stop - start for start, stop in span), dtype=np.uint8)
    for label, region in enumerate(regions, start=1):
        box = _index_box(region, ijk_to_phantom, span)
        if box is None:
            continue
        for piece in _pieces(box):
            x, y, z = _coordinates(ijk_to_phantom, piece)
            part = labels[tuple(slice(a - s[0], b - s[0]) for (a, b), s in zip(piece, span, strict=True))]
            part[np.broadcast_to(region.shape.contains(x, y, z), part.shape)] = label
    return labels


def _pieces(box: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """A box divided along k into pieces whose coordinates fit into a core's cache."""
    (first, last), *others = box
    step = max(1, _PIECE_CELLS // math.prod(stop - start for start, stop in others))
    for start in range(first, last, step):
        yield ((start, min(start + step, last)), *others)


def _index_box(
    region: Region, ijk_to_phantom: np.ndarray, span: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...] | None:
    """The part of ``span`` that the region's bounding box can reach, or None."""
    low, high = (np.clip(corner, -1e4, 1e4) for corner in region.shape.bounds())
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), axis=-1).reshape(-1, 3)
    inverse = np.linalg.inv(ijk_to_phantom)
    ijk = corners @ inverse[:3, :3].T + inverse[:3, 3]
    first, last = np.floor(ijk.min(axis=0) + 1e-6)[::-1], np.ceil(ijk.max(axis=0) - 1e-6)[::-1]
    box = tuple(
        (max(start, int(a)), min(stop, int(b) + 1)) for (start, stop), a, b in zip(span, first, last, strict=True)
    )
    return box if all(start < stop for start, stop in box) else None


def _coordinates(ijk_to_phantom: np.ndarray, box: tuple[tuple[int, int], ...]) -> list[np.ndarray]:
    """x, y, z of the lattice points of ``box``, broadcastable: an axis that plays no part keeps length 1."""
    k, j, i = (part.astype(np.float32) for part in np.ogrid[tuple(slice(start, stop) for start, stop in box)])
    coordinates = []
    for row in ijk_to_phantom[:3]:
        weights = [(np.float32(w), index) for w, index in zip(row[:3], (i, j, k), strict=True) if abs(w) > 1e-12]
        offset = np.full((1, 1, 1), row[3], dtype=np.float32)
        coordinates.append(reduce(np.add, (weight * index for weight, index in weights), offset))
    return coordinates


def averaging_matrix(voxels: int, per_voxel: int, spacing_mm: float, sigma_mm: float, margin: int = 0) -> np.ndarray:
    """Weights (voxels, cells) that take cell values along one axis to averages over Gaussian-blurred voxels.

    With constant cells [f0, f1] and voxels [c0, c1] the weight is the integral of the Gaussian over both, divided by
    the voxel: four values of its second antiderivative u Phi(u/s) + s phi(u/s). ``margin`` voxels of cells lie on
    either side of the image. Each row adds up to 1 but for what is further than the margin.

    Examples
    --------
    >>> np.abs(averaging_matrix(2, 2, 4.0, 0.0)).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    voxel_edges = np.arange(voxels + 1) * spacing_mm
    cell_edges = (np.arange((voxels + 2 * margin) * per_voxel + 1) / per_voxel - margin) * spacing_mm
    distance = voxel_edges[:, None] - cell_edges[None, :]
    if sigma_mm > 0:
        u = distance / sigma_mm
        second = sigma_mm * (u * ndtr(u) + np.exp(-0.5 * u**2) / math.sqrt(2.0 * math.pi))
    else:
        second = np.maximum(distance, 0.0)
    weights = -np.diff(np.diff(second, axis=0), axis=1) / spacing_mm
    middle = (cell_edges[:-1] + cell_edges[1:]) / 2 - (voxel_edges[:-1] + voxel_edges[1:])[:, None] / 2
    return np.where(np.abs(middle) <= _REACH * sigma_mm + spacing_mm, weights, 0.0)  # 0: only rounding is left


def voxel_averages(
    patient: SyntheticPatient,
    grid: Grid,
    values: Mapping[str, float],
    *,
    fwhm_mm: float = 0.0,
    posture: Posture | None = None,
    supersampling: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Average of a region-wise constant quantity over each voxel, after Gaussian blur: float32 [k, j, i].

    Parameters
    ----------
    patient : who is imaged.
    grid : the image; its axes must be perpendicular to each other, in any direction.
    values : value by region name, and of "air" (0 if left out).
    fwhm_mm : full width at half maximum of the resolution; 0 for none.
    posture : how the patient lies; as the phantom does by default.
    supersampling : cells per voxel along i, j, k; by default so many that none exceeds 1.2 mm.

    Raises
    ------
    SyntheticError
        If a region has no value, the resolution is negative, or the grid is sheared.
    """
    posture = posture or Posture()
    table = _value_table(patient, values)
    spacing = np.array(grid.spacing_mm)
    directions = grid.ijk_to_ras[:3, :3] / spacing
    if fwhm_mm < 0 or not np.allclose(directions.T @ directions, np.eye(3), atol=1e-6):
        raise SyntheticError("Images are simulated on grids with perpendicular axes and a resolution of at least 0 mm.")
    cells = np.array(supersampling or np.ceil(spacing / _CELL_mm - 1e-9), dtype=int)
    sigma = fwhm_mm / FWHM_PER_SIGMA
    margin = np.ceil(_REACH * sigma / spacing).astype(int)
    weights = [
        sparse.csr_array(averaging_matrix(n, int(c), float(s), sigma, int(m)).astype(np.float32))
        for n, c, s, m in zip(grid.shape[::-1], cells, spacing, margin, strict=True)
    ]
    lattice = np.diag([*(1.0 / cells), 1.0])
    lattice[:3, 3] = (0.5 / cells) - 0.5 - margin  # cell 0 is ``margin`` voxels before the image
    ijk_to_phantom = np.linalg.inv(posture.phantom_to_ras) @ grid.ijk_to_ras @ lattice
    return np.asarray(
        _reduce(regions_in_posture(patient, posture), table - table[0], ijk_to_phantom, weights) + table[0]
    )


def _value_table(patient: SyntheticPatient, values: Mapping[str, float]) -> np.ndarray:
    missing = [region.name for region in patient.regions if region.name not in values]
    if missing:
        raise SyntheticError(f"The region '{missing[0]}' has no value: give one for each region.")
    return np.array([values.get("air", 0.0), *(values[region.name] for region in patient.regions)], dtype=np.float32)


def _reduce(
    regions: tuple[Region, ...], table: np.ndarray, ijk_to_phantom: np.ndarray, weights: list[sparse.csr_array]
) -> np.ndarray:
    """Paint the lattice slab by slab and contract it along j, i and at last k."""
    weights_i, weights_j, weights_k = weights
    shape = (weights_k.shape[0], weights_j.shape[0], weights_i.shape[0])
    span = tuple((0, matrix.shape[1]) for matrix in (weights_k, weights_j, weights_i))
    body = _index_box(regions[0], ijk_to_phantom, span)  # the first region is the whole body: all else is air
    if body is None:
        return np.zeros(shape, dtype=np.float32)
    (k0, k1), (j0, j1), (i0, i1) = body
    weights_k, weights_j, weights_i = weights_k[:, k0:k1], weights_j[:, j0:j1], weights_i[:, i0:i1]
    planes = np.empty((k1 - k0, shape[2], shape[1]), dtype=np.float32)
    step = max(1, _SLAB_CELLS // ((j1 - j0) * (i1 - i0)))
    for start in range(k0, k1, step):
        stop = min(start + step, k1)
        for k, plane in enumerate(_paint(regions, ijk_to_phantom, ((start, stop), (j0, j1), (i0, i1))), start - k0):
            planes[k] = weights_i @ (weights_j @ table.take(plane)).T
    flat = weights_k @ planes.reshape(k1 - k0, -1)
    return np.ascontiguousarray(flat.reshape(shape[0], shape[2], shape[1]).swapaxes(1, 2))


def concentrations(patient: SyntheticPatient, time_h: float) -> dict[str, float]:
    """Activity concentration (Bq/mL) of each region ``time_h`` after injection."""
    return {region.name: patient.concentration_Bq_per_mL(region.name, time_h) for region in patient.regions}


@dataclass(frozen=True)
class PoissonNoise:
    """Counts by ``sensitivity_cps_per_MBq`` over ``duration_s``: each voxel holds a Poisson number of its mean counts.

    Voxels are independent of each other, which reconstructed images are not quite. The defaults are the order of a
    two-headed camera on 208 keV (20 cps/MBq in the photopeak) and 20 minutes.
    """

    random: np.random.Generator
    sensitivity_cps_per_MBq: float = 20.0
    duration_s: float = 1200.0

    def counts_per_Bq(self) -> float:
        """Mean counts of a voxel per Bq in it."""
        return self.sensitivity_cps_per_MBq * 1e-6 * self.duration_s

    def apply(self, concentration_Bq_per_mL: np.ndarray, voxel_volume_mL: float) -> np.ndarray:
        """The same image with noise, float64, Bq/mL."""
        scale = self.counts_per_Bq() * voxel_volume_mL
        mean = np.maximum(concentration_Bq_per_mL, 0.0).astype(np.float64) * scale
        return np.asarray(self.random.poisson(mean) / scale)


def activity_image(
    patient: SyntheticPatient,
    grid: Grid,
    time_h: float,
    *,
    fwhm_mm: float = SPECT_FWHM_mm,
    noise: PoissonNoise | None = None,
    posture: Posture | None = None,
) -> Volume:
    """SPECT or PET of the patient, Bq/mL at ``time_h`` after injection."""
    array = voxel_averages(patient, grid, concentrations(patient, time_h), fwhm_mm=fwhm_mm, posture=posture)
    array = np.maximum(array, 0.0)
    if noise is not None:
        array = noise.apply(array, grid.voxel_volume_mL)
    return Volume(
        array,
        grid.ijk_to_ras,
        "activity concentration",
        "Bq/ml",
        patient.injection.time + timedelta(hours=time_h),
        {"simulated": {"fwhm_mm": fwhm_mm, "noise": noise is not None}},
    )


def tissue_image(
    patient: SyntheticPatient,
    grid: Grid,
    kind: str,
    *,
    noise_sd: float = 0.0,
    random: np.random.Generator | None = None,
    posture: Posture | None = None,
) -> Volume:
    """CT (``contrast_HU``, ``native_HU``; HU) or MRI (``t1_signal``; no units) with Gaussian noise.

    Raises
    ------
    SyntheticError
        If the kind is unknown, or noise is wanted without random numbers.
    """
    if kind not in ("contrast_HU", "native_HU", "t1_signal"):
        raise SyntheticError(f"A tissue image is contrast_HU, native_HU or t1_signal, not '{kind}'.")
    if noise_sd > 0 and random is None:
        raise SyntheticError("Noise needs random numbers: give a generator.")
    values = {region.name: float(getattr(APPEARANCE[region.tissue], kind)) for region in patient.regions}
    values["air"] = float(getattr(APPEARANCE["air"], kind))
    cells = tuple(max(2, math.ceil(spacing / _TISSUE_CELL_mm - 1e-9)) for spacing in grid.spacing_mm)
    array = voxel_averages(patient, grid, values, posture=posture, supersampling=(cells[0], cells[1], cells[2]))
    if noise_sd > 0 and random is not None:
        array = array + noise_sd * random.standard_normal(array.shape, dtype=np.float32)
    is_ct = kind.endswith("HU")
    if not is_ct:
        array = np.maximum(array, 0.0)
    return Volume(array, grid.ijk_to_ras, "attenuation" if is_ct else "MR signal", "[hnsf'U]" if is_ct else "1")
