"""Dose map by Monte Carlo: photons through the patient's CT, electrons by density-scaled kernel or transported too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress

from PRRTDosimetryLib.dose.density import DENSITY_UNITS, AIR_BELOW_g_per_mL, scaled_to_density
from PRRTDosimetryLib.dose.dose_map import DOSE_UNITS, kernel_dose, require_right_angles, require_tia
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import DECAYS_PER_MBQ_H, GY_PER_KEV_PER_G
from PRRTDosimetryLib.transport.emissions import Emission, Emissions, emissions
from PRRTDosimetryLib.transport.engine import (
    LICENCE,
    Engine,
    Phantom,
    PHOTON_CUT_MeV,
    engine_version,
)
from PRRTDosimetryLib.transport.errors import TransportError
from PRRTDosimetryLib.transport.options import TransportOptions
from PRRTDosimetryLib.transport.sampling import Sources, sampled

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy

CHUNKS = 10
"""Fewest independent parts of each kind of radiation: their scatter is the statistical uncertainty."""
MOST_PER_CHUNK = 50_000  # 5 MB of particles, with the engine's file
MOST_VOXELS = 30_000_000  # of the phantom: the engine needs 13 maps of it in single precision, 1.6 GB
_CUT_keV = 1000.0 * PHOTON_CUT_MeV


@dataclass(frozen=True, eq=False)
class TransportedDose:
    """A dose map with the statistical uncertainty of the transport.

    Attributes
    ----------
    dose, uncertainty : Gy; the uncertainty is one standard deviation of the mean, of each voxel.
    regions : by name mean dose and its statistical standard uncertainty in Gy (voxels of a region are correlated).
    facts : engine, version, licence, histories, seed, energy, plain values for the provenance.
    """

    dose: Volume
    uncertainty: Volume
    regions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def transport_dose(
    tia: Volume,
    nuclide: str,
    density: Volume,
    options: TransportOptions | None = None,
    regions: Mapping[str, Occupancy] | None = None,
    progress: Progress = no_progress,
    fine: Volume | None = None,
) -> TransportedDose:
    """Dose map in Gy through the densities of a CT.

    Parameters
    ----------
    tia : time-integrated activity in MBq.h/mL, on the grid of ``density``.
    density : mass density in g/mL; below `AIR_BELOW_g_per_mL` it is air, also around the body.
    regions : placed on the same grid, whose statistical uncertainty is wanted.
    progress : gets how far it is; may raise `Cancelled`.
    fine : the same densities on a grid that divides each voxel by `TransportOptions.divided`; None where it is 1. A
        voxel's dose is then the energy of its parts over their mass.

    Raises
    ------
    TransportError
        If ompmc is not installed or fails, there is no activity, or the phantom has too many voxels.
    PRRTError
        If the maps do not fit, or the nuclide has no emission table.
    """
    used = options or TransportOptions()
    _require_maps(tia, density)
    box = _box((density.array >= AIR_BELOW_g_per_mL) | (tia.array > 0.0))
    phantom, parts_of = _phantom(tia, density, box, used, fine)
    decays = float(tia.array.sum(dtype=np.float64)) * tia.grid.voxel_volume_mL * DECAYS_PER_MBQ_H
    parts, spot_keV = _parts(emissions(nuclide), used)
    tally = _Tally(density.array[box].shape, {name: _in_box(one, box) for name, one in (regions or {}).items()})
    engine = Engine(phantom)
    sources = Sources.from_map(tia.array[box], tia.spacing_mm)
    histories = _histories(parts, used.histories)
    done, total = 0, sum(histories)
    for number, (emission, count) in enumerate(zip(parts, histories, strict=True)):
        step = sub_progress(progress, done / total, (done + count) / total)
        per_decay = emission.number_per_decay * (2.0 if emission.pairs else 1.0)
        run = (count, used.seed, number)
        _transport(engine, sources, emission, run, per_decay * decays, (tally, parts_of), step)
        done += count
    del engine  # and its maps
    rest = _rest(_cropped(tia, box), nuclide, _cropped(density, box), spot_keV, used)
    absorbed_keV = parts_of.absorbed_Gy_g(tally.dose, tia.grid.voxel_volume_mL) / GY_PER_KEV_PER_G / decays
    return _result(tia, rest, tally, box, regions or {}, _facts(used, total, parts, absorbed_keV))


@dataclass(frozen=True, eq=False)
class _Parts:
    """How the phantom's voxels are parts of the image's: their number along k, j, i, and densities in g/mL of both."""

    divided: tuple[int, int, int]
    fine: np.ndarray
    whole: np.ndarray

    def together(self, dose_Gy: np.ndarray) -> np.ndarray:
        """Dose of the image's voxels, the energy of their parts over their mass, float32."""
        if self.divided == (1, 1, 1):
            return dose_Gy
        dose_Gy *= self.fine
        energy = _mean_of_parts(dose_Gy, self.divided)
        energy /= self.whole
        return energy

    def absorbed_Gy_g(self, dose_Gy: np.ndarray, voxel_mL: float) -> float:
        """Energy in the box in Gy g, plane by plane."""
        return (
            math.fsum(
                float(np.vdot(dose.astype(np.float64), density))
                for dose, density in zip(dose_Gy, self.whole, strict=True)
            )
            * voxel_mL
        )


def _mean_of_parts(array: np.ndarray, divided: tuple[int, int, int]) -> np.ndarray:
    """Means over the parts of each voxel, float32."""
    k, j, i = (size // parts for size, parts in zip(array.shape, divided, strict=True))
    found: np.ndarray = array.reshape(k, divided[0], j, divided[1], i, divided[2]).mean(
        axis=(1, 3, 5), dtype=np.float32
    )
    return found


def _phantom(
    tia: Volume, density: Volume, box: tuple[slice, slice, slice], options: TransportOptions, fine: Volume | None
) -> tuple[Phantom, _Parts]:
    """The phantom of the box, and how its voxels are parts of the image's."""
    divided = options.divided(tia.spacing_mm)
    values = density.array[box]
    if divided != (1, 1, 1):
        if fine is None:
            raise TransportError("The transport's finer grid needs the densities on it: give the CT.")
        values = fine.array[tuple(slice(p.start * n, p.stop * n) for p, n in zip(box, divided, strict=True))]
    if values.size > MOST_VOXELS:
        raise TransportError(
            f"'transport.grid_mm' {options.grid_mm:g} makes a phantom of {values.size / 1e6:.0f} million voxels, of "
            f"which the engine takes {MOST_VOXELS / 1e6:.0f} million: choose a wider one."
        )
    # In double precision, as the engine takes it: then it is there once.
    phantom = Phantom(_edges_mm(tia, box, divided), np.maximum(values, 1e-5, dtype=np.float64))
    known = phantom.density_g_per_mL
    return phantom, _Parts(divided, known, values if divided == (1, 1, 1) else _mean_of_parts(known, divided))


def _require_maps(tia: Volume, density: Volume) -> None:
    require_tia(tia)
    require_right_angles(tia)
    if density.units != DENSITY_UNITS:
        raise DoseError(f"A density map is in {DENSITY_UNITS}, but this one has the unit '{density.units}'.")
    if not tia.grid.matches(density.grid):
        raise DoseError("The density map is on another grid than the activity: resample the CT to the SPECT first.")
    if not (tia.array > 0.0).any():
        raise TransportError("There is no activity in the map, so there is nothing to transport: check the images.")


def _box(inside: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box around body and activity with a margin of a voxel; beyond it is nothing to transport."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        found.append(slice(max(int(hit[0]) - 1, 0), int(hit[-1]) + 2))
    return found[0], found[1], found[2]


def _cropped(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    """The part of a volume in the box, a view."""
    moved = volume.ijk_to_ras.copy()
    moved[:3, 3] = volume.grid.to_ras(np.array([part.start for part in box[::-1]], dtype=np.float64))
    return replace(volume, array=volume.array[box], ijk_to_ras=moved, outside_field=None)


def _edges_mm(
    tia: Volume, box: tuple[slice, slice, slice], divided: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k, j, i = (
        np.arange((min(part.stop, size) - part.start) * parts + 1) * spacing / parts
        for part, size, spacing, parts in zip(box, tia.array.shape, tia.spacing_mm[::-1], divided, strict=True)
    )
    return i, j, k


def _parts(found: Emissions, options: TransportOptions) -> tuple[list[Emission], float]:
    """What is transported, and the energy in keV per decay of lines below the engine's cut, which stays on the spot.

    A transported positron makes its own annihilation photons.
    """
    kinds = [one for one in found.photons if not (one.pairs and options.electrons == "monte-carlo")]
    if options.electrons == "monte-carlo":
        kinds += [*found.electrons, *found.positrons]
    parts, spot = [], 0.0
    for one in kinds:
        low = np.array([energies.size == 1 and energies[0] < _CUT_keV for energies in one.energies_keV])
        if low.any():
            kept = [energies for energies, is_low in zip(one.energies_keV, low, strict=True) if not is_low]
            high = replace(one, per_decay=one.per_decay[~low], energies_keV=tuple(kept))
            spot += one.emitted_keV - (high.emitted_keV if kept else 0.0)
            one = high
        if one.energies_keV and one.emitted_keV > 0.0:
            parts.append(one)
    return parts, spot


def _histories(parts: list[Emission], wanted: int) -> list[int]:
    """Particles of each part: shared by energy among the parts of a kind, an even number for each chunk."""
    found = []
    for part in parts:
        same = sum(one.emitted_keV for one in parts if one.kind == part.kind)
        count = max(int(wanted * part.emitted_keV / same), 2 * CHUNKS * 100)
        found.append(count // (2 * CHUNKS) * 2 * CHUNKS)
    return found


def _transport(
    engine: Engine,
    sources: Sources,
    emission: Emission,
    run: tuple[int, int, int],
    particles: float,
    into: tuple[_Tally, _Parts],
    progress: Progress,
) -> None:
    """Transport one emission in chunks; ``run`` is (histories, seed, number of the emission)."""
    (count, seed, number), (tally, parts) = run, into
    chunks = max(CHUNKS, math.ceil(count / MOST_PER_CHUNK))
    each = count // chunks // 2 * 2
    tally.begin()
    for chunk in range(chunks):
        random = np.random.default_rng([seed, number, chunk])
        step = sub_progress(progress, chunk / chunks, (chunk + 1) / chunks)
        mean = engine.dose_per_particle_Gy(
            sampled(emission, sources, each, random), (seed + 1, 1000 * number + chunk + 1), step
        )
        mean *= particles
        tally.add(parts.together(mean))
    tally.end(chunks)


class _Tally:
    """Sums over chunks: dose and variance of the mean per voxel and per region."""

    def __init__(self, shape: tuple[int, int, int], regions: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self._shape = shape
        self._done: tuple[np.ndarray, np.ndarray] | None = None  # dose and variance, once an emission is closed
        self._regions = regions
        self.region_variance = dict.fromkeys(regions, 0.0)

    def begin(self) -> None:
        """Begin an emission."""
        self._sum = np.zeros(self._shape, dtype=np.float32)
        self._squares = np.zeros(self._shape, dtype=np.float32)
        self._means: dict[str, list[float]] = {name: [] for name in self._regions}

    def add(self, dose_Gy: np.ndarray) -> None:
        """Add what one chunk says; its array is used up."""
        self._sum += dose_Gy
        for name, (indices, fraction) in self._regions.items():
            values = dose_Gy[np.unravel_index(indices, dose_Gy.shape)]
            self._means[name].append(float(values @ fraction))
        np.square(dose_Gy, out=dose_Gy)
        self._squares += dose_Gy

    def end(self, chunks: int) -> None:
        """Close an emission: the mean of its chunks, and the variance of that mean."""
        self._sum /= np.float32(chunks)
        self._squares /= np.float32(chunks)
        for mean, square in zip(self._sum, self._squares, strict=True):  # plane by plane
            square -= np.square(mean)
        np.maximum(self._squares, 0.0, out=self._squares)
        self._squares /= np.float32(chunks - 1)
        if self._done is None:
            self._done = self._sum, self._squares
        else:
            self._done[0][...] += self._sum
            self._done[1][...] += self._squares
        for name, values in self._means.items():
            self.region_variance[name] += float(np.var(values, ddof=1)) / chunks
        del self._sum, self._squares

    @property
    def dose(self) -> np.ndarray:
        """Dose of all emissions, Gy."""
        return self._done[0] if self._done is not None else np.zeros(self._shape, dtype=np.float32)

    @property
    def variance(self) -> np.ndarray:
        """Variance of that mean, Gy squared."""
        return self._done[1] if self._done is not None else np.zeros(self._shape, dtype=np.float32)


def _in_box(region: Occupancy, box: tuple[slice, slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """A region's flat indices in the box and the shares of its volume; what is outside the box has no dose."""
    k, j, i = np.unravel_index(region.indices, region.grid.shape)
    shape = tuple(min(part.stop, size) - part.start for part, size in zip(box, region.grid.shape, strict=True))
    local = [index - part.start for index, part in zip((k, j, i), box, strict=True)]
    inside = np.logical_and.reduce([(one >= 0) & (one < size) for one, size in zip(local, shape, strict=True)])
    flat = np.ravel_multi_index(tuple(one[inside] for one in local), shape)
    return flat, region.fraction[inside] / region.fraction.sum()


def _rest(tia: Volume, nuclide: str, density: Volume, spot_keV: float, options: TransportOptions) -> np.ndarray:
    """Dose in the box of what is not transported: electrons by kernel, lines below the cut on the spot; float32."""
    rho = np.maximum(density.array, np.float32(AIR_BELOW_g_per_mL))
    rest: np.ndarray = tia.array * np.float32(spot_keV * GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H) / rho
    if options.electrons == "kernel":
        rest += scaled_to_density(kernel_dose(tia, nuclide, radiation="electrons"), density).array
    return rest


def _facts(
    options: TransportOptions,
    histories: int,
    parts: list[Emission],
    absorbed_keV: float,
) -> dict[str, Any]:
    emitted_keV = sum(part.emitted_keV for part in parts)
    if options.electrons == "monte-carlo":  # annihilation photons are made in flight
        emitted_keV += sum(2.0 * 510.99895 * part.number_per_decay for part in parts if part.kind == 3)
    return {
        "engine": f"ompmc {engine_version()}",
        "licence": LICENCE,
        "electrons": options.electrons,
        "histories": histories,
        "seed": options.seed,
        "grid_mm": options.grid_mm or "that of the image",
        "transported_keV_per_decay": round(emitted_keV, 3),
        "absorbed_in_the_image_keV_per_decay": round(absorbed_keV, 3),
    }


def _result(
    tia: Volume,
    rest: np.ndarray,
    tally: _Tally,
    box: tuple[slice, slice, slice],
    regions: Mapping[str, Occupancy],
    facts: dict[str, Any],
) -> TransportedDose:
    total, u = (np.zeros(tia.array.shape, dtype=np.float32) for _ in range(2))
    np.add(rest, tally.dose, out=total[box])
    np.sqrt(tally.variance, out=u[box])
    method = f"transport through the CT by {facts['engine']}, electrons by {facts['electrons'].replace('-', ' ')}"
    provenance = {**tia.provenance, "dose method": method, "density": "that of the CT", "transport": facts}
    changes: dict[str, Any] = {"units": DOSE_UNITS, "reference_time": None, "provenance": provenance}
    dose = tia.with_values(total, quantity="absorbed dose", **changes)
    uncertainty = tia.with_values(u, quantity="standard uncertainty of absorbed dose (statistical)", **changes)
    means = {
        name: (
            float(one.values(dose) @ one.fraction / one.fraction.sum()),
            math.sqrt(tally.region_variance[name]),
        )
        for name, one in regions.items()
    }
    return TransportedDose(dose, uncertainty, means, facts)
