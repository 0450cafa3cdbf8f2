"""Voxel S-values by transport (ompmc) beside those of our kernels: the table of Docs/physics.md.

``PYTHONPATH=Tools:PRRTUptake:PRRTDosimetry python -m transport_table [HISTORIES [NUCLIDE ...]]`` prints it; 150000
take 15
minutes of one core.
"""

from __future__ import annotations

import sys
from itertools import permutations, product

import numpy as np
from PRRTDosimetryLib.dose.point_kernel import nuclides_with_kernel
from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel
from PRRTDosimetryLib.transport.emissions import emissions
from PRRTDosimetryLib.transport.engine import Engine, Phantom, engine_version
from PRRTDosimetryLib.transport.sampling import Sources, sampled

EDGES_mm = (2.2, 3.0, 4.8)
TARGETS = {"self": (0, 0, 0), "face": (0, 0, 1), "edge": (0, 1, 1), "corner": (1, 1, 1), "second face": (0, 0, 2)}
DENSITY_g_per_mL = 1.04
_HALF = 5  # voxels beside the source voxel; the outermost is wide, so that photons come back as from unbounded tissue
_WIDE_mm = 150.0
_PHOTONS = 4  # times the histories: most leave the phantom at once, and the far voxels are theirs


def s_values(
    nuclide: str, edge_mm: float, histories: int, chunks: int = 5, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """S-values in mGy/(MBq s) of TARGETS with their statistical standard uncertainties, by transport.

    Voxels that symmetry makes equal are averaged.
    """
    size = 2 * _HALF + 1
    edges = np.arange(size + 1) * edge_mm
    edges[0], edges[-1] = edges[1] - _WIDE_mm, edges[-2] + _WIDE_mm
    engine = Engine(Phantom((edges,) * 3, np.full((size,) * 3, DENSITY_g_per_mL)))
    source = np.zeros((size,) * 3)
    source[_HALF, _HALF, _HALF] = 1.0
    places = Sources.from_map(source, (edge_mm,) * 3)
    known = emissions(nuclide)
    photons = [one for one in known.photons if not (one.pairs and known.positrons)]  # positrons make their own
    mean, variance = np.zeros(len(TARGETS)), np.zeros(len(TARGETS))
    for number, one in enumerate((*photons, *known.electrons, *known.positrons)):
        if one.emitted_keV < 1e-3:
            continue
        count = histories * (_PHOTONS if one in photons else 1) // chunks // 2 * 2
        per_decay = 1e9 * one.number_per_decay * (2.0 if one.pairs else 1.0)  # and from Gy a decay to mGy/(MBq s)
        found = []
        for chunk in range(chunks):
            random = np.random.default_rng([seed, number, chunk])
            dose = engine.dose_per_particle_Gy(sampled(one, places, count, random), (seed, 100 * number + chunk + 1))
            found.append([_mean_of_equals(dose, target) for target in TARGETS.values()])
        mean += per_decay * np.mean(found, axis=0)
        variance += per_decay**2 * np.var(found, axis=0, ddof=1) / chunks
    return mean, np.sqrt(variance)


def kernel_s_values(nuclide: str, edge_mm: float) -> np.ndarray:
    """The same by our kernels."""
    octant = voxel_kernel(nuclide, (edge_mm,) * 3, DENSITY_g_per_mL, range_mm=4 * edge_mm).octant_mGy_per_MBq_s
    return np.array([octant[target] for target in TARGETS.values()])


def _mean_of_equals(dose: np.ndarray, target: tuple[int, int, int]) -> float:
    places = {
        tuple(_HALF + step * sign for step, sign in zip(order, signs, strict=True))
        for order in permutations(target)
        for signs in product((1, -1), repeat=3)
    }
    return float(np.mean([dose[place] for place in places]))


def main() -> None:
    """Print the table; further words are the nuclides wanted."""
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    nuclides = sys.argv[2:] or nuclides_with_kernel()
    print(f"ompmc {engine_version()}, {histories} histories; transport over kernel with one standard uncertainty\n")
    print("| nuclide | edge mm | self, mGy/(MBq s) | " + " | ".join(TARGETS) + " |")
    print("| --- " * (len(TARGETS) + 3) + "|")
    for nuclide, edge_mm in product(nuclides, EDGES_mm):
        value, u = s_values(nuclide, edge_mm, histories)
        kernel = kernel_s_values(nuclide, edge_mm)
        ratios = " | ".join(f"{a / c:.3f} ± {b / c:.3f}" for a, b, c in zip(value, u, kernel, strict=True))
        print(f"| {nuclide} | {edge_mm:g} | {value[0]:.4g} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
