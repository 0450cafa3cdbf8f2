"""The uptake of every region of an image, measured and corrected for partial volume, with its interval.

One call for one image: ``region_uptakes``. A protocol's ``partial_volume`` says which value is the result: ``none`` (as
measured; the interval includes the expected loss), ``gtm`` (geometric transfer matrix) or ``recovery`` (a phantom's
recovery curve, for the lesions that it covers; what it does not cover is reported as with ``none``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.image_shift import region_places, shifted_to_image
from PRRTUptakeLib.uptake.noise import ImageNoise
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve
from PRRTUptakeLib.uptake.region_model import BACKGROUND, box_of, region_model
from PRRTUptakeLib.uptake.transfer_matrix import CorrectedRegions, correct_regions, spread_regions
from PRRTUptakeLib.uptake.transfer_uncertainty import (
    CAUSES,
    DRAWS,
    OWN,
    Normals,
    RegionDraws,
    TransferUncertainties,
    region_draws,
)
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, UncertainValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy

MODES = ("none", "gtm", "recovery")
DEFAULT_FWHM_U = 0.15
DEFAULT_REGISTRATION_MM = 2.0

RESOLUTION = "camera resolution"
_WORDS = {
    "resolution": RESOLUTION,
    "registration": "place of the contour on the image",
    "contour": "contour",
    "noise": "counting noise",
    "phantom": "the phantom's recovery curve",
}


@dataclass(frozen=True, kw_only=True)
class PartialVolumeSettings:
    """What the correction of an image needs to know.

    Attributes
    ----------
    mode : one of MODES: which value is the result.
    fwhm_mm : resolution of the emission image; of a camera file, else the protocol's.
    fwhm_u : its relative standard uncertainty, by default 15 % (not measured with this reconstruction).
    registration_mm : standard uncertainty of a contour's place on the image, on each axis. The default of 2 mm is an
        assumption for SPECT/CT and PET/CT of one session, not a measurement: give your own.
    contour_mm : of a contour's surface, see ``partial_volume.contour_uncertainty_mm``; one value or by region.
    own_contours : whether regions were drawn on every image anew, so that their errors differ between images.
    form : of the transfer matrix, see ``transfer_matrix.FORMS``.
    draws, seed : of the Monte Carlo; equal for all images of a patient.
    phantom : recovery curve, for the mode ``recovery``.
    surroundings : by region, the region around it that the phantom's curve needs; the body background if not named.
    """

    mode: str
    fwhm_mm: float
    fwhm_u: float = DEFAULT_FWHM_U
    registration_mm: float = DEFAULT_REGISTRATION_MM
    contour_mm: float | Mapping[str, float] = 0.5
    own_contours: bool = False
    form: str = "rousset"
    draws: int = DRAWS
    seed: int = 1
    phantom: RecoveryCurve | None = None
    surroundings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise RecoveryError(f"partial_volume is '{self.mode}', but must be one of {', '.join(MODES)}.")
        if self.mode == "recovery" and self.phantom is None:
            raise RecoveryError("partial_volume is 'recovery', but no phantom's recovery curve is given: add it.")


@dataclass(frozen=True, eq=False)
class ImageUptakes:
    """All regions of one image.

    Attributes
    ----------
    settings, corrected, draws : what was assumed, both values of each region, and the draws of all together.
    regions : by name, as placed.
    measured : mean of each region as the image shows it; a region that holds others is measured without them.
    """

    settings: PartialVolumeSettings
    corrected: CorrectedRegions
    draws: RegionDraws
    regions: Mapping[str, Occupancy]
    measured: Mapping[str, float]

    @property
    def sentence(self) -> str:
        """What was done about partial volume: the first line of a report."""
        fwhm = f"{self.settings.fwhm_mm:g} mm FWHM ± {100 * self.settings.fwhm_u:.0f} %"
        if self.settings.mode == "none":
            return (
                "Uptakes are not corrected for partial volume: small regions read too low, and their intervals include "
                f"the loss that is expected at {fwhm}."
            )
        if self.settings.mode == "gtm":
            return (
                f"Uptakes are corrected for partial volume by the geometric transfer matrix at {fwhm} (Rousset 1998); "
                "uncorrected values are given too."
            )
        phantom = self.settings.phantom
        assert phantom is not None
        low, high = phantom.volume_range_mL
        return (
            f"Uptakes of lesions of {low:.3g} to {high:.3g} mL are corrected by a phantom's recovery curve; all others "
            "are not corrected, and their intervals include the expected loss."
        )

    def is_corrected(self, name: str) -> bool:
        """Whether the result of a region is its corrected value."""
        if self.settings.mode == "recovery":
            return name in self.settings.surroundings and self._covered(name)
        return self.settings.mode == "gtm"

    def uptake(self, name: str) -> DrawnValue:
        """Both values of a region and their draws.

        Raises
        ------
        RecoveryError
            If the region was not placed, or its corrected value is not positive.
        """
        corrected = self.corrected.value(name)
        causes = {_WORDS[cause]: self.draws.of_cause(name, cause) for cause in CAUSES}
        if self.settings.mode == "recovery" and self.is_corrected(name):
            del causes[_WORDS["resolution"]]
            corrected, causes[_WORDS["phantom"]] = self._by_phantom(name)
        causes = {word: draws for word, draws in causes.items() if np.any(draws)}
        truth = np.sum([np.zeros(self.settings.draws), *causes.values()], axis=0)
        own = self.draws.measured_noise(name)
        return DrawnValue(self.measured[name], corrected, own, truth, ", ".join(causes), causes)

    def result(self, name: str) -> UncertainValue:
        """What is reported for a region."""
        return self.uptake(name).result(self.is_corrected(name))

    def _covered(self, name: str) -> bool:
        phantom = self.settings.phantom
        return phantom is not None and self.regions[name].volume_mL >= phantom.volume_range_mL[0]

    def _by_phantom(self, name: str) -> tuple[float, np.ndarray]:
        """B + (T - B)/RC, and the log of what the curve's uncertainty makes of it."""
        phantom, around = self.settings.phantom, self.settings.surroundings[name]
        assert phantom is not None
        background = self.corrected.uncorrected(BACKGROUND) if around == BACKGROUND else self.measured[around]
        volume_mL = self.regions[name].volume_mL
        recovery, _ = phantom.recovery(volume_mL)
        contrast = (self.measured[name] - background) / recovery
        value = background + contrast
        if not value > 0:
            raise RecoveryError(f"The phantom's curve leaves nothing of region '{name}' ({value:.3g}): check it.")
        z = Normals(self.settings.draws, self.settings.seed, "").of("phantom", "", 2)
        drawn = background + contrast * np.exp(-phantom.log_draws(volume_mL, z))
        return value, np.log(np.clip(drawn / value, 0.01, 100.0))


def region_uptakes(
    image: Volume,
    regions: Sequence[Occupancy],
    settings: PartialVolumeSettings,
    *,
    noise: ImageNoise | Mapping[str, float] | None = None,
    body: np.ndarray | None = None,
    sampled: Mapping[str, Occupancy] | None = None,
    name: str = "",
) -> ImageUptakes:
    """Measure all regions of an image together.

    Parameters
    ----------
    image : activity concentration or SUV.
    regions : in order of precedence: lesions, organs, reference regions, then the liver (with or without its lesions).
        Every hot structure near them should be among them: what is not counts as body background.
    settings : mode and uncertainties.
    noise : of the image, or the relative standard uncertainty of each region's mean; None leaves counting noise out.
    body, sampled : [k, j, i], and regions; see ``region_model.region_model``.
    name : of the image among those of the patient.

    Raises
    ------
    RecoveryError
        If the regions cannot be distinguished at this resolution, or the image does not belong to them.
    """
    if body is None and image.outside_field is not None:
        body = ~image.outside_field  # no background where nothing was measured
    model = region_model(regions, body, sampled)
    spread = shifted_to_image(image, spread_regions(model, settings.fwhm_mm), settings.registration_mm)
    corrected = correct_regions(image, spread, settings.form)
    measuring = [(sampled or {}).get(region.name, region) for region in regions]
    by_name = {region.name: region for region in regions}
    measured = {
        region.name: corrected.uncorrected(region.name)
        if model.inside[number] and measuring[number] is region
        else float(measuring[number].fraction @ measuring[number].values(image) / measuring[number].fraction.sum())
        for number, region in enumerate(regions)
    }
    uncertainties = TransferUncertainties(
        fwhm_relative=settings.fwhm_u,
        registration_mm=settings.registration_mm,
        contour_mm=settings.contour_mm,
        noise=_noise_of(
            {region.name: where for region, where in zip(regions, measuring, strict=True)}, measured, noise
        ),
        places=region_places(image, corrected, settings.registration_mm) if settings.registration_mm > 0 else {},
    )
    own = (*OWN, "contour") if settings.own_contours else OWN
    drawn = region_draws(corrected, uncertainties, draws=settings.draws, seed=settings.seed, image=name, own=own)
    return ImageUptakes(settings, corrected, drawn, by_name, measured)


def _noise_of(
    measuring: Mapping[str, Occupancy], measured: Mapping[str, float], noise: ImageNoise | Mapping[str, float] | None
) -> dict[str, float]:
    """Relative noise of each region's mean, from the voxels in which it is measured."""
    if noise is None:
        return {}
    if isinstance(noise, ImageNoise):
        return {
            name: noise.relative_u(box_of(where), measured[name])
            for name, where in measuring.items()
            if measured[name] != 0
        }
    return {name: float(noise.get(name, 0.0)) for name in measuring}
