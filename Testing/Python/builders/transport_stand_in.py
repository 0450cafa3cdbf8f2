"""A stand-in for ompmc that leaves all energy where a particle starts, so that the dose is known exactly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.uptake.occupancy import Occupancy

RECORD = np.dtype([("kind", "i1"), *((name, "<f4") for name in ("E", "X", "Y", "Z", "U", "V"))])
SPACING = (4.0, 5.0, 6.0)


def volume(array, units="MBq.h/ml"):
    return Volume(array, np.diag([*SPACING, 1.0]), "", units)


class StandIn:
    """What this software calls of ompmc, with all energy left where a particle starts."""

    Physics = SimpleNamespace

    @staticmethod
    def Geometry(x, y, z, materials, density, material):
        assert density.flags.f_contiguous
        assert material.flags.f_contiguous
        return SimpleNamespace(edges=(x, y, z), density=density, material=material, materials=materials)

    @staticmethod
    def PhaseSpaceSource(path):
        return SimpleNamespace(path=Path(path))

    @staticmethod
    def data_path():
        return Path("data")

    @staticmethod
    def calc_forward_phsp(geometry, source, physics, *, n_histories, n_batches, progress):
        records = np.frombuffer(source.path.with_suffix(".IAEAphsp").read_bytes(), dtype=RECORD)
        assert len(records) == n_histories
        header = source.path.with_suffix(".IAEAheader").read_text(encoding="ascii")
        assert "$RECORD_LENGTH:\n25\n" in header
        assert f"$PARTICLES:\n{n_histories}\n" in header
        place = np.stack([records[name] for name in "XYZ"], axis=1)
        energy, _ = np.histogramdd(place, bins=geometry.edges, weights=np.abs(records["E"]))
        edges = [np.diff(one) for one in geometry.edges]
        mass_g = edges[0][:, None, None] * edges[1][:, None] * edges[2] * geometry.density
        if not progress(1.0):
            raise KeyboardInterrupt
        return energy * 1e3 * GY_PER_KEV_PER_G / mass_g / n_histories, None, None


def region(mask, grid):
    indices = np.flatnonzero(mask)
    return Occupancy("L1", grid, indices, np.ones(indices.size), np.ones(indices.size, dtype=bool))
