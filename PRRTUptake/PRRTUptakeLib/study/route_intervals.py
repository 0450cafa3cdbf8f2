"""95 % intervals of SUV after each route and of their ratios: how well SUV repeats, and what is known of the means.

SUVmax and SUVpeak have the repeatability that the protocol states in them, and what noise adds to a maximum: their
intervals join those of the value as measured and of the value without it (``uptake.maximum_bias``). Means have their
draws too (camera resolution, place of the contour, contour, noise, and the loss expected of them), in which the ratio
of the two images cancels what they share: resolution and contour. Noise is in both, in the repeatability as well, which
makes intervals of means a little wider than need be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.eligibility import log_ratio_sd
from PRRTUptakeLib.study.visit_uptakes import VisitResolution, visit_uptakes
from PRRTUptakeLib.uptake.maximum_bias import maximum_biases
from PRRTUptakeLib.uptake.transfer_uncertainty import Normals
from PRRTUptakeLib.uptake.uncertainty import UncertainValue, ratio, uncorrected_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.study.route_uptake import RoutedImage
    from PRRTUptakeLib.study.visit_uptakes import VisitUptakes
    from PRRTUptakeLib.uptake.uncertainty import DrawnValue

Z95 = 1.959964  # of the normal distribution, 95 % two-sided
REPEATS = "how well SUV repeats"
IN_THEM = (
    "In the 95 % intervals: how well SUV repeats; of means also camera resolution, place of the contour, contour and "
    "the loss by partial volume. That loss is not in SUVmax and SUVpeak; a ratio of two images has little of it where "
    "both have the same resolution. What noise adds to a maximum is in theirs where the noise of the image is known."
)


@dataclass(frozen=True, kw_only=True)
class RegionIntervals:
    """Of one region by metric: after each route, and of the ratio."""

    ia: Mapping[str, UncertainValue] = field(default_factory=dict)
    iv: Mapping[str, UncertainValue] = field(default_factory=dict)
    ratio: Mapping[str, UncertainValue] = field(default_factory=dict)


def drawn_means(
    prepared: Prepared, shown: RoutedImage, protocol: Protocol
) -> tuple[VisitUptakes | None, tuple[str, ...]]:
    """Draws of all regions' means in one image; None and the reason as a sentence where they cannot be had."""
    imaging = protocol.imaging
    resolution = VisitResolution(mode="none", fwhm_mm=imaging.fwhm_mm, fwhm_u=imaging.fwhm_u_percent / 100.0)
    kind = protocol.reference.kind
    try:
        found = visit_uptakes(prepared, shown.placed, shown.image, resolution, name=shown.visit, reference_kind=kind)
    except PRRTError as error:
        return None, (f"{shown.visit}: partial volume is not in the intervals of SUVmean: {error}",)
    return found, ()


def added_by_noise(regions: Iterable[str], uptakes: VisitUptakes | None) -> dict[str, dict[str, float]]:
    """Log of what noise adds to SUVmax and SUVpeak of regions, by name; nothing where the noise is not known."""
    if uptakes is None or uptakes.noise is None:
        return {}
    known = [uptakes.image.regions[one] for one in regions if one in uptakes.image.regions and uptakes.covers(one)]
    found = maximum_biases(known, uptakes.image.corrected, uptakes.noise)
    return {name: {"suv_max": one.voxel, "suv_peak": one.sphere} for name, one in found.items()}


def region_intervals(
    region: str,
    values: tuple[Mapping[str, float], Mapping[str, float]],
    means: tuple[VisitUptakes | None, VisitUptakes | None],
    added: tuple[Mapping[str, Mapping[str, float]], Mapping[str, Mapping[str, float]]],
    protocol: Protocol,
) -> RegionIntervals:
    """Intervals of one region.

    Parameters
    ----------
    region : its name.
    values : SUVs by metric after the intra-arterial and the intravenous injection.
    means : draws of the means in the two images, see `drawn_means`.
    added : what noise adds to maxima in the two images, see `added_by_noise`.
    """
    sd = log_ratio_sd(protocol.repeatability)
    noise = [one.get(region, {}) for one in added]
    once = [
        {metric: _repeating(value, sd / math.sqrt(2.0), more.get(metric, 0.0)) for metric, value in one.items()}
        for one, more in zip(values, noise, strict=True)
    ]
    apart = {metric: one - noise[1].get(metric, one) for metric, one in noise[0].items()}
    ratios = {
        metric: _repeating(values[0][metric] / values[1][metric], sd, apart.get(metric, 0.0)) for metric in values[0]
    }
    drawn = [_mean(region, one) for one in means]
    for number, one in enumerate(drawn):
        if one is not None:
            once[number]["suv_mean"] = _with_repeats(one, region, sd / math.sqrt(2.0))
    if drawn[0] is not None and drawn[1] is not None:
        ratios["suv_mean"] = _with_repeats(ratio(drawn[0], drawn[1]), region, sd)
    return RegionIntervals(ia=once[0], iv=once[1], ratio=ratios)


def _repeating(value: float, log_sd: float, log_added: float = 0.0) -> UncertainValue:
    """By repeatability; what noise added to the value, as a logarithm, may or may not be in the truth."""
    factor, without = math.exp(Z95 * log_sd), value * math.exp(-log_added)
    low, high = min(value, without), max(value, without)
    u = math.hypot(value * log_sd, value - without)
    words = f"{REPEATS}, what noise adds to a maximum" if log_added else REPEATS
    return UncertainValue(value=value, u=u, lower=low / factor, upper=high * factor, contents=words)


def _with_repeats(drawn: DrawnValue, region: str, log_sd: float) -> UncertainValue:
    normals = Normals(drawn.own.size, 1, "").of("repeatability", region)[:, 0]
    return uncorrected_value(drawn.with_shared(log_sd, normals, REPEATS))


def _mean(region: str, uptakes: VisitUptakes | None) -> DrawnValue | None:
    if uptakes is None or region not in uptakes.image.regions or not uptakes.covers(region):
        return None
    return uptakes.image.uptake(region)
