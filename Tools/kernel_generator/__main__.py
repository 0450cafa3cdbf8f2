"""Write the point kernels of all or some nuclides."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel_generator.simulation import Emission, simulate
from kernel_generator.tally import radii_mm

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "PRRTDosimetry" / "Resources" / "Kernels"
METHOD = (
    "Monte Carlo in unbounded water. Electrons: condensed histories, Bethe stopping power with I = 78 eV, "
    "Goudsmit-Saunderson deflections, steps of 4 % energy loss, collisions above 10 keV one by one, cut-off 5 keV; "
    "bremsstrahlung photons followed. Photons: analog, photoelectric absorption and Klein-Nishina scattering, cut-off "
    "1 keV, coherent scattering neglected; positrons annihilate where they stop. See Docs/physics.md."
)
SOURCES = (
    "Spectra: ICRP Publication 107 (2008). Photon cross sections: xraylib, doi:10.1016/j.sab.2011.09.011. "
    "Radiative stopping power and density effect: NIST ESTAR, doi:10.18434/T4NC7P."
)


def table(nuclide: str, emissions: dict[str, Emission], histories: dict[str, int], seed: int) -> dict[str, Any]:
    """What the file holds: energies in keV per decay and shell, their standard errors, what left the table."""
    return {
        "nuclide": nuclide,
        "method": METHOD,
        "sources": SOURCES,
        "made": date.today().isoformat(),
        "software": {name: version(name) for name in ("icrp107-database", "xraylib", "numpy")},
        "histories": histories,
        "seed": seed,
        "density_g_per_mL": 1.0,
        "radius_mm": _short(radii_mm()),
        "emissions": {
            name: {
                "emitted_keV": float(f"{emission.emitted_keV:.8g}"),
                "beyond_keV": float(f"{emission.deposited_keV[-1]:.4g}"),
                "deposited_keV": _short(emission.deposited_keV[:-1]),
                "standard_error_keV": _short(emission.standard_error_keV[:-1], 2),
            }
            for name, emission in emissions.items()
        },
    }


def _short(values: np.ndarray, digits: int = 6) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]


def main() -> None:
    """Read the command line and write one file per nuclide."""
    sys.path.append(str(ROOT / "PRRTUptake"))  # where it is not installed
    from PRRTUptakeLib.nuclides.radionuclides import nuclides_for_kernels

    nuclides = nuclides_for_kernels()
    parser = argparse.ArgumentParser(prog="kernel_generator", description=__doc__)
    parser.add_argument("nuclide", nargs="*", default=nuclides, help=f"default: {' '.join(nuclides)}")
    parser.add_argument("--electrons", type=int, default=100_000, help="histories for each kind of electron")
    parser.add_argument("--photons", type=int, default=4_000_000, help="photon histories")
    parser.add_argument("--seed", type=int, default=177)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    for nuclide in chosen.nuclide:
        begin = time.perf_counter()
        emissions = simulate(nuclide, chosen.electrons, chosen.photons, chosen.seed)
        histories = {"electrons": chosen.electrons, "photons": chosen.photons}
        text = json.dumps(table(nuclide, emissions, histories, chosen.seed))
        for key in ("radius_mm", "emissions", "beta", "conversion_auger", "photon"):  # lines that a diff can show
            text = text.replace(f' "{key}": [', f'\n"{key}": [').replace(f'"{key}": {{', f'\n"{key}": {{')
        path = chosen.output / f"point_kernel_{nuclide}.json"
        path.write_text(text + "\n", encoding="utf-8")
        print(f"{path.name}: {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
