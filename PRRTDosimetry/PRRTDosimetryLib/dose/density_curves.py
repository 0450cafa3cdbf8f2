"""From Hounsfield values to mass density: shipped curves, and a centre's own from the calibration of its CT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from PRRTUptakeLib.resources import resource_path

from PRRTDosimetryLib.dose.errors import DoseError

DEFAULT_CURVE = "schneider-2000"


@dataclass(frozen=True)
class DensityCurve:
    """Straight lines between corners; beyond the ends the last value.

    Attributes
    ----------
    name, source : for the report: what it is called, and where it is from.
    hounsfield : rising.
    density_g_per_mL : at each of them.
    """

    name: str
    hounsfield: tuple[float, ...]
    density_g_per_mL: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        values, densities = np.array(self.hounsfield), np.array(self.density_g_per_mL)
        if values.size != densities.size or values.size < 3:
            raise DoseError(
                f"The density curve '{self.name}' has {values.size} Hounsfield values and {densities.size} densities: "
                "give three or more of each, one density for each value."
            )
        if not (np.diff(values) > 0.0).all():
            raise DoseError(f"The Hounsfield values of the density curve '{self.name}' do not rise: sort them.")
        if not ((densities > 0.0) & (densities < 25.0)).all():
            raise DoseError(f"The density curve '{self.name}' leaves 0 to 25 g/mL: give densities in g/mL.")
        if densities[-1] <= densities[0] or (np.diff(densities) < -0.1 * densities[:-1]).any():
            raise DoseError(f"The density curve '{self.name}' falls by more than a tenth: check its order.")

    def density(self, hounsfield: np.ndarray) -> np.ndarray:
        """Density in g/mL of each value, float64 of the same shape.

        Examples
        --------
        >>> shipped_curve("water").density(np.array([-1000.0, -500.0, 50.0])).round(3).tolist()
        [0.001, 0.501, 1.05]
        """
        found: np.ndarray = np.interp(hounsfield, self.hounsfield, self.density_g_per_mL)
        return found


def shipped_curves() -> tuple[str, ...]:
    """Names of the curves in ``Resources/Density/ct_density_curves.json``."""
    return tuple(_curves())


def shipped_curve(name: str = DEFAULT_CURVE) -> DensityCurve:
    """A curve by its name.

    Raises
    ------
    DoseError
        If there is none of that name.
    """
    if name not in _curves():
        raise DoseError(f"There is no density curve '{name}': use {', '.join(shipped_curves())}, or give your own.")
    return _curves()[name]


@cache
def _curves() -> dict[str, DensityCurve]:
    path = resource_path(__file__, "Density", "ct_density_curves.json")
    found = json.loads(path.read_text(encoding="utf-8"))["curves"]
    return {
        one["name"]: DensityCurve(one["name"], tuple(one["hounsfield"]), tuple(one["density_g_per_mL"]), one["source"])
        for one in found
    }
