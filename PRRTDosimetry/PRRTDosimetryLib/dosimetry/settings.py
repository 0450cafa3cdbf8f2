"""What a case file may say on dosimetry: its key ``dosimetry``; whatever is left out has a stated default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.registration_rule import REGISTER, RegistrationRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.study.visit import VisitResult

DOSE_MAPS = ("kernel", "local")


class SettingsError(PRRTError):
    """The dosimetry settings of a case have an unknown key or an impossible value."""


@dataclass(frozen=True)
class DoseSettings:
    """How doses are calculated.

    Attributes
    ----------
    model : for all curves; "auto" chooses by AICc.
    sex : "M" or "F", where the images do not tell it.
    teff_h : effective half-life by region ("" for all others) for cycles with one image; a region without one keeps
        the form of its full curve in an earlier cycle.
    calibration_u, counts_u, s_value_u : relative standard uncertainties of the chain (Gear et al. 2018,
        doi:10.1007/s00259-018-4136-7): activity calibration, counts of a region in one image, S-value. The defaults
        are of the order of that guidance's example and are no measurement of this camera: give your own.
    contour_fwhm_mm : resolution of the image on which regions are drawn.
    image_fwhm_mm : resolution of the emission images as measured for this camera, from which the expected recovery of
        every region and what its volume costs in counts follow; 0 takes the protocol's.
    dose_map : dose in every voxel too: "kernel" (voxel S-values), "local" (electrons where they arise), "" for none.
    transforms : for the dose map, by "CYCLE/VISIT" (such as "1/72h"), from the patient as in the cycle's first visit
        to that visit, in any form that a visit's ``registration`` may have (a transform file of another tool, a 4x4 in
        RAS mm, the identity with its reason). Visits that are not named are registered, unless they share the frame of
        reference or were measured with contours that were registered already.
    """

    model: str = "auto"
    sex: str = ""
    teff_h: Mapping[str, float] = field(default_factory=dict)
    calibration_u: float = 0.05
    counts_u: float = 0.02
    s_value_u: float = 0.05
    contour_fwhm_mm: float = 1.0
    image_fwhm_mm: float = 0.0
    dose_map: str = ""
    transforms: Mapping[str, RegistrationRule] = field(default_factory=dict)

    @classmethod
    def from_case(cls, content: Mapping[str, Any], base: Path | None = None) -> DoseSettings:
        """Read the key ``dosimetry`` of a case file; paths in it are relative to ``base``.

        Raises
        ------
        SettingsError
            For an unknown key or an impossible value.
        """
        known = {item.name for item in fields(cls)}
        for key, value in content.items():
            if key not in known:
                raise SettingsError(f"dosimetry: unknown key '{key}'; known are {', '.join(sorted(known))}.")
            if key.endswith(("_u", "_mm")) and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise SettingsError(f"dosimetry: '{key}' must be a number, not {value!r}.")
            if key.endswith("_mm") and not 0 <= value < math.inf:
                raise SettingsError(f"dosimetry: '{key}' must not be negative, but is {value}.")
            if key.endswith("_u") and not 0 <= value < 1:
                raise SettingsError(f"dosimetry: '{key}' must lie between 0 and 1 (0.05 is 5 %), not {value}.")
        if content.get("sex", "") not in ("", "M", "F"):
            raise SettingsError(f"dosimetry: 'sex' must be M or F, for the phantom, not {content['sex']!r}.")
        if content.get("dose_map", "") not in ("", *DOSE_MAPS):
            raise SettingsError(
                f"dosimetry: 'dose_map' must be {' or '.join(DOSE_MAPS)}, or be left out, not {content['dose_map']!r}."
            )
        return cls(**{**content, "transforms": _transforms(content.get("transforms", {}), base or Path())})

    def resolution_mm(self, visit: VisitResult) -> float:
        """Full width at half maximum of a visit's emission image, stated here or by the protocol."""
        return self.image_fwhm_mm or visit.protocol.imaging.fwhm_mm


def _transforms(content: Any, base: Path) -> dict[str, RegistrationRule]:
    if not isinstance(content, dict):
        raise SettingsError(
            f"dosimetry: 'transforms' must be an object of 4x4 matrices or transform files, not {content!r}."
        )
    found = {}
    for name, stated in content.items():
        try:
            rule = RegistrationRule.from_case(stated, base, "'transforms'")
        except PRRTError as error:
            raise SettingsError(f"dosimetry: the transform of '{name}' is not usable: {error}") from error
        if isinstance(rule, str) and rule != REGISTER:
            raise SettingsError(f"dosimetry: the transform of '{name}' must be a file or a matrix, not {rule!r}.")
        if isinstance(rule, RegistrationRule):  # "register" is what happens to a visit that is not named
            found[name] = rule
    return found
