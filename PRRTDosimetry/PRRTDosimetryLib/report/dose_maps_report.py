"""The section of a patient's report on dose in every voxel: histograms, and how its means compare with other doses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.report.page import paragraph, section, table
from PRRTUptakeLib.report.plots import Series, line_chart
from scipy.spatial.transform import Rotation

from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dosimetry.dose_intervals import interval_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

    from PRRTDosimetryLib.dosimetry.dose_maps import CycleMap, RegionMap

_HOW = {
    "kernel": "Voxel S-values: electrons and photons of every voxel reach their surroundings.",
    "local": "Local deposition: electrons give up their energy in their voxel, photons none.",
}
_WHY = {
    "kernel": "Lesions: the region's S-value is that of a sphere alone, whereas in the map photons of the surroundings "
    "arrive too, the more the smaller the lesion and the hotter what is around it. Organs: the phantom's S-values have "
    "its shapes, distances and cross doses, the map has the patient's. Electrons that cross the border matter little: "
    "in the image the border is blurred over more than their range.",
    "local": "The map has no photons at all: 1 to 2 % less in lesions and small organs, 4 % or more in the liver, and "
    "what photons of other organs bring to the region is missing too.",
}
_STEPS = (
    "The difference is taken apart in two steps, which multiply. Activity: time-integrated activity per mass. The map "
    "fits every voxel of the registered images within the first visit's contour, the region's dose fits the mean "
    "within each visit's own contour, with the model chosen for the region and the mean volume; so noise, movement, "
    "contours, models and density (that of the map against that of the region) show here. Energy: absorbed per decay. "
)
_LIMIT = (
    "Neither is corrected for the blur of the image: D98 and D2 of a region less than two or three times as wide as "
    "the resolution show more of the blur than of the dose."
)


def dose_map_sections(
    made: CycleMap,
    title: str,
    method: str,
    by_region: Mapping[str, Mapping[str, float]],
    known: Mapping[str, UncertainValue] | None = None,
) -> list[str]:
    """HTML section on one cycle's dose map.

    ``by_region`` holds dose (Gy), tia (MBq.h) and mass (g) of regions; ``known`` the intervals of the map's means.
    """
    doses_Gy = by_region["dose"]
    return [
        section(
            f"{title}: dose in every voxel",
            paragraph(f"{_HOW[method]} {_tissue(made)}"),
            _registration_table(made),
            table(
                _HEADER,
                _histogram_rows(made, doses_Gy, known or {}),
                "Dose-volume histograms, partial voxels by their part",
            ),
            f'<div class="pictures">{_charts(made, doses_Gy)}</div>',
            table(
                ["region", "voxel mean Gy", "by region Gy", "difference %", "of it activity %", "of it energy %"],
                _comparison(made, by_region),
                "Voxel means beside the doses of regions",
            ),
            paragraph(_STEPS + _WHY[method], "small"),
            paragraph(_LIMIT + _INTERVALS, "small"),
        )
    ]


def _tissue(made: CycleMap) -> str:
    if math.isnan(made.density_g_per_mL):
        return "Soft tissue has the density of the CT, voxel by voxel."
    return f"Tissue of {made.density_g_per_mL:g} g/mL everywhere."


_INTERVALS = (
    " The 95 % interval of a mean is that of the region's dose, from the same images, with the loss by partial volume "
    "in it; D98, D50 and D2 have none."
)
_HEADER = ["region", "volume mL", "mean Gy", "95 % Gy", "D98 Gy", "D50 Gy", "D2 Gy", "by region Gy"]


def dose_map_table(
    made: CycleMap, doses_Gy: Mapping[str, float], known: Mapping[str, UncertainValue] | None = None
) -> str:
    """The same figures for a terminal."""
    return plain_table(_HEADER, _histogram_rows(made, doses_Gy, known or {}))


def _histogram_rows(
    made: CycleMap, doses_Gy: Mapping[str, float], known: Mapping[str, UncertainValue]
) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, region in made.regions.items():
        found = region.histogram
        levels = [found.dose_at_volume_Gy(percent) for percent in (98, 50, 2)]
        mean = [found.mean_Gy, interval_text(known.get(name))]
        rows.append([name, found.total_volume_mL, *mean, *levels, doses_Gy.get(name, math.nan)])
    return rows


def _comparison(made: CycleMap, by_region: Mapping[str, Mapping[str, float]]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, region in made.regions.items():
        if any(name not in by_region[metric] for metric in ("dose", "tia", "mass")):
            continue
        dose_Gy, tia_MBq_h, mass_g = (by_region[metric][name] for metric in ("dose", "tia", "mass"))
        total, activity, energy = difference_steps(region, dose_Gy, tia_MBq_h, mass_g, made.density_g_per_mL)
        shares = [100.0 * (ratio - 1.0) for ratio in (total, activity, energy)]
        rows.append([name, region.histogram.mean_Gy, dose_Gy, *shares])
    return rows


def difference_steps(
    region: RegionMap,
    dose_Gy: float,
    tia_MBq_h: float,
    mass_g: float,
    map_density_g_per_mL: float = SOFT_TISSUE_g_per_mL,
) -> tuple[float, float, float]:
    """Voxel mean over the region's dose, and its two factors: activity per mass, and energy absorbed per decay.

    The factors are nan where the map's density is, since the map then has no one density.
    """
    total = region.histogram.mean_Gy / dose_Gy
    in_map = region.tia_MBq_h / (region.histogram.total_volume_mL * map_density_g_per_mL)
    activity = in_map / (tia_MBq_h / mass_g)
    return total, activity, total / activity


def _registration_table(made: CycleMap) -> str:
    rows: list[list[object]] = []
    for visit, one in made.registrations.items():
        turn = math.degrees(Rotation.from_matrix(one.fixed_to_moving[:3, :3]).magnitude())
        centre = made.dose.grid.to_ras((np.array(made.dose.grid.shape[::-1]) - 1) / 2)
        shift = float(np.linalg.norm(one.map_points(centre[None])[0] - centre))
        rows.append([visit, one.kind, shift, turn, one.quality.body_overlap, one.quality.liver_overlap])
    header = ["visit", "brought to the first by", "shift of the centre mm", "turn °", "body Dice", "liver Dice"]
    return table(header, rows, "Registration")


def _charts(made: CycleMap, doses_Gy: Mapping[str, float]) -> str:
    """One chart for lesions, one for other regions of which a dose is wanted (all if none is): theirs are far lower."""
    lesions = {n: r for n, r in made.regions.items() if r.segment.role in ("target", "lesion")}
    others = {n: r for n, r in made.regions.items() if n not in lesions}
    wanted = {n: r for n, r in others.items() if n in doses_Gy} or others
    return "".join(
        f"<figure>{_chart(words, regions)}</figure>"
        for words, regions in (("lesions", lesions), ("organs and healthy liver", wanted))
        if regions
    )


def _chart(words: str, regions: Mapping[str, RegionMap]) -> str:
    end = max(region.histogram.dose_at_volume_Gy(1.0) for region in regions.values())
    dose_Gy = np.linspace(0.0, end, 81)
    curves = [
        Series(name, dose_Gy.tolist(), region.histogram.cumulative(dose_Gy).tolist(), marked=False)
        for name, region in regions.items()
    ]
    return line_chart(f"Dose-volume histogram: {words}", curves, "absorbed dose (Gy)", "volume with at least that (%)")
