"""Write what each nuclide with a dose kernel emits, for Monte Carlo in a patient.

``PYTHONPATH=Tools python -m kernel_generator.emission_tables``. Spectra of ICRP Publication 107 (2008) in short form: a
beta spectrum by its quantiles, lines that hold more than 1e-5 of the energy of their kind. What is left out is stated
and is added to the nearest kept line, so that no energy is lost.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any

import numpy as np

from kernel_generator.__main__ import ROOT
from kernel_generator.spectra import Lines, Spectrum, decay

FOLDER = ROOT / "PRRTDosimetry" / "Resources" / "Emissions"
QUANTILES = 400
LEAST_SHARE = 1e-5  # of the energy of its kind


def table(nuclide: str) -> dict[str, Any]:
    """What the file holds: energies in keV, numbers per decay."""
    found = decay(nuclide)
    return {
        "nuclide": nuclide,
        "source": "ICRP Publication 107 (2008)",
        "software": {"icrp107-database": version("icrp107-database")},
        "beta": [_beta(one) for one in found.betas],
        "conversion_auger": _lines(found.electrons),
        "photon": _lines(found.photons),
        "annihilation_pairs": float(f"{found.annihilation.per_decay.sum() / 2:.6g}"),
    }


def _beta(spectrum: Spectrum) -> dict[str, Any]:
    """Energies at equal steps of probability; their straight lines have the mean energy of the publication."""
    fine = spectrum.sample(200_000, np.random.default_rng(1))
    ends = np.linspace(0.0, 1.0, QUANTILES + 1)
    energy = 1e3 * np.quantile(fine, ends)
    mean = (energy[1:] + energy[:-1]).mean() / 2.0
    energy *= 1e3 * spectrum.emitted_MeV / spectrum.per_decay / mean
    return {
        "charge": 1 if spectrum.positrons else -1,
        "per_decay": float(f"{spectrum.per_decay:.6g}"),
        "quantiles_keV": [float(f"{value:.5g}") for value in energy],
    }


def _lines(lines: Lines) -> dict[str, Any]:
    energy, number = 1e3 * lines.energy_MeV, lines.per_decay
    share = energy * number
    kept = share >= LEAST_SHARE * max(float(share.sum()), 1e-9)
    number = number.copy()
    for n in np.flatnonzero(~kept):  # its energy goes to the nearest kept line
        nearest = np.flatnonzero(kept)[np.abs(energy[kept] - energy[n]).argmin()]
        number[nearest] += share[n] / energy[nearest]
    return {
        "energy_keV": [float(f"{value:.6g}") for value in energy[kept]],
        "per_decay": [float(f"{value:.6g}") for value in number[kept]],
    }


def main() -> None:
    """Write one file per nuclide."""
    sys.path.append(str(ROOT / "PRRTUptake"))  # where it is not installed
    from PRRTUptakeLib.nuclides.radionuclides import nuclides_for_kernels

    FOLDER.mkdir(parents=True, exist_ok=True)
    for nuclide in nuclides_for_kernels():
        text = json.dumps(table(nuclide))
        for key in ("beta", "conversion_auger", "photon", "annihilation_pairs"):  # lines that a diff can show
            text = text.replace(f' "{key}": ', f'\n"{key}": ')
        (FOLDER / f"emissions_{nuclide}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
