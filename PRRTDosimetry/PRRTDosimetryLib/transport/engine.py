"""ompMC as the transport engine: particles into its phase space file, its dose back.

ompMC (E. Doerner, N. Wahl and others) is free software of others under the GNU General Public License 3. It is an
extra (``pip install slicerprrt[transport]``), imported here and nowhere else, and nothing of it is part of this
software. Its phase space source starts particles inside the phantom where they are, so it serves internal dosimetry.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.progress import Progress, no_progress

from PRRTDosimetryLib.transport.emissions import ELECTRON, PHOTON, POSITRON
from PRRTDosimetryLib.transport.errors import TransportError
from PRRTDosimetryLib.transport.materials import MEDIA, media_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LICENCE = "ompMC, GNU General Public License 3, is software of others and no part of this one"
ELECTRON_CUT_MeV, PHOTON_CUT_MeV = 0.521, 0.010  # total energy of electrons, so 10 keV for both
_BATCHES = 2  # the engine's fewest; uncertainties come from the chunks
_PEGS = "521icru.pegs4dat"
_WORDS = {PHOTON: "PHOTONS", ELECTRON: "ELECTRONS", POSITRON: "POSITRONS"}
# One particle of an IAEA phase space (IAEA report INDC(NDS)-0484, 2006): kind with the sign of the third direction
# cosine, energy in MeV with a sign for a new history, place in cm, two direction cosines.
_RECORD = np.dtype([("kind", "i1"), *((name, "<f4") for name in ("E", "X", "Y", "Z", "U", "V"))])


@dataclass(frozen=True, eq=False)
class Phantom:
    """A box of voxels for the transport: edges of voxels along i, j, k in mm, and densities [k, j, i] in g/mL."""

    edges_mm: tuple[np.ndarray, np.ndarray, np.ndarray]
    density_g_per_mL: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along k, j, i."""
        k, j, i = self.density_g_per_mL.shape
        return k, j, i

    def mass_g(self) -> np.ndarray:
        """Mass of every voxel, [k, j, i]."""
        i, j, k = (np.diff(edges) for edges in self.edges_mm)
        mass: np.ndarray = k[:, None, None] * j[:, None] * i * self.density_g_per_mL / 1000.0
        return mass


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles of one kind: energies in keV (n,), places in mm and directions along i, j, k (n, 3)."""

    kind: int
    energy_keV: np.ndarray
    place_mm: np.ndarray
    direction: np.ndarray


def require_engine() -> Any:
    """The module ompmc.

    Raises
    ------
    TransportError
        If it is not installed, with the remedy and the licence.
    """
    try:
        import ompmc
    except ImportError as error:
        raise TransportError(
            "Transport needs the package ompmc, which is not installed: run 'pip install \"ompmc>=0.4\"' (in Slicer's "
            f"Python console slicer.packaging.pip_install('ompmc>=0.4')), or choose another dose map. {LICENCE}."
        ) from error
    return ompmc


def engine_version() -> str:
    """Version of ompmc, "" where it is not installed."""
    try:
        return version("ompmc")
    except PackageNotFoundError:
        return ""


class Engine:
    """Transports particles through one phantom; the phantom is handed over once.

    Raises
    ------
    TransportError
        If ompmc is not installed.
    """

    def __init__(self, phantom: Phantom) -> None:
        self._ompmc = require_engine()
        self.phantom = phantom
        density = np.ascontiguousarray(phantom.density_g_per_mL, dtype=np.float64)
        x, y, z = (np.ascontiguousarray(edges / 10.0) for edges in phantom.edges_mm)
        self._geometry = self._ompmc.Geometry(
            x, y, z, list(MEDIA), density.transpose(2, 1, 0), np.ascontiguousarray(media_of(density)).transpose(2, 1, 0)
        )

    def dose_per_particle_Gy(
        self, particles: Particles, seeds: tuple[int, int], progress: Progress = no_progress
    ) -> np.ndarray:
        """Mean dose per particle in Gy, float32 [k, j, i]; the same seeds give the same dose.

        Raises
        ------
        TransportError
            If the engine fails.
        Cancelled
            If ``progress`` raises it.
        """
        count = particles.energy_keV.size // _BATCHES * _BATCHES
        physics = self._ompmc.Physics(
            pegs_file=self._ompmc.data_path() / "pegs4" / _PEGS,
            global_ecut=ELECTRON_CUT_MeV,
            global_pcut=PHOTON_CUT_MeV,
            n_split=1,
            seeds=seeds,
        )
        stopped: list[BaseException] = []
        silence = _Silence()

        def report(share: float) -> bool:
            try:
                with silence.broken():
                    progress(share, "Transport")
            except BaseException as error:
                stopped.append(error)
            return not stopped

        with tempfile.TemporaryDirectory(prefix="prrt-transport-") as folder:
            source = _written(particles, count, Path(folder) / "source")
            try:
                with silence:
                    dose, _, _ = self._ompmc.calc_forward_phsp(
                        self._geometry,
                        self._ompmc.PhaseSpaceSource(source),
                        physics,
                        n_histories=count,
                        n_batches=_BATCHES,
                        progress=report,
                    )
            except (RuntimeError, ValueError) as error:
                raise TransportError(f"The transport code ompmc failed: {error}.") from error
            except KeyboardInterrupt:
                if not stopped:
                    raise
        if stopped:
            raise stopped[0]
        return np.asarray(dose, dtype=np.float32).transpose(2, 1, 0)


def _written(particles: Particles, count: int, base: Path) -> Path:
    """Write the first ``count`` particles as an IAEA phase space; one particle is one history."""
    records = np.zeros(count, dtype=_RECORD)
    direction = particles.direction[:count]
    records["kind"] = np.where(direction[:, 2] < 0.0, -particles.kind, particles.kind)
    records["E"] = -particles.energy_keV[:count] / 1000.0
    for name, place in zip("XYZ", particles.place_mm[:count].T, strict=True):
        records[name] = place / 10.0
    records["U"], records["V"] = direction[:, 0], direction[:, 1]
    base.with_suffix(".IAEAphsp").write_bytes(records.tobytes())
    stored = "\n".join(f"    {flag}     // {name}" for name, flag in _STORED)
    keys = {
        "IAEA_INDEX": "0",
        "TITLE": "decays in a patient",
        "FILE_TYPE": "0",
        "CHECKSUM": f"{records.nbytes}",
        "RECORD_CONTENTS": stored,
        "RECORD_CONSTANT": "    1.0000     // weight",
        "RECORD_LENGTH": f"{_RECORD.itemsize}",
        "BYTE_ORDER": "1234",
        "ORIG_HISTORIES": f"{count}",
        "PARTICLES": f"{count}",
        _WORDS[particles.kind]: f"{count}",
    }
    text = "\n".join(f"${key}:\n{value}" for key, value in keys.items())
    base.with_suffix(".IAEAheader").write_text(text + "\n", encoding="ascii")
    return base


_STORED = (
    *((f"{name} is stored", 1) for name in ("X", "Y", "Z", "U", "V", "W")),
    *((f"{name} stored", 0) for name in ("weight is", "extra floats are", "extra longs are")),
)


def _flush_c() -> None:
    with suppress(OSError, AttributeError):
        (ctypes.CDLL("ucrtbase") if sys.platform == "win32" else ctypes.CDLL(None)).fflush(None)


class _Silence:
    """Keeps what the engine prints from standard output, where ``--json`` has its one object, and standard error."""

    def __enter__(self) -> _Silence:
        """Begin."""
        self._kept: dict[int, int] = {}
        _flush_c()
        for number in (1, 2):
            with suppress(OSError):  # there is none in an application with windows
                self._kept[number] = os.dup(number)
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        self._turn(off=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End; what C still keeps goes nowhere too."""
        _flush_c()
        self._turn(off=False)
        for one in (*self._kept.values(), self._nowhere):
            os.close(one)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Let the caller's own progress be seen."""
        _flush_c()
        self._turn(off=False)
        try:
            yield
        finally:
            self._turn(off=True)

    def _turn(self, off: bool) -> None:
        for number, kept in self._kept.items():
            os.dup2(self._nowhere if off else kept, number)
