"""The section of a patient's report on dose in every voxel: histograms, and how its means compare with other doses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.report.page import paragraph, plain_table, section, table
from PRRTUptakeLib.report.plots import Series, line_chart
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTDosimetryLib.mrml.dose_maps_run import CycleMap, RegionMap

_HOW = {
    "kernel": "Voxel S-values: electrons and photons of every voxel reach their surroundings, in tissue of 1.04 g/mL.",
    "local": "Local deposition: electrons give up their energy in their voxel, photons none; tissue of 1.04 g/mL.",
}
_WHY = {
    "kernel": "The energy step holds what the region's own method lacks or has otherwise. Lesions: their S-value is "
    "that of a sphere alone, whereas in the map photons from the rest of the body arrive too, which raises the dose "
    "where the surroundings hold much activity. Organs: the phantom's S-values have its shapes, distances and cross "
    "doses, the map has the patient's. Both: the kernel carries electrons and photons across borders, and the map has "
    "1.04 g/mL everywhere, where region masses have 1.03 to 1.06 g/mL.",
    "local": "The energy step holds what the region's own method has otherwise. The map has no photons at all, which "
    "lowers it by 1 to 2 % in lesions and small organs and by 4 % or more in the liver, and by what photons of other "
    "organs bring; it has 1.04 g/mL everywhere, where region masses have 1.03 to 1.06 g/mL.",
}
_TIA_STEP = (
    "The difference of the means is taken apart in two steps. Integral: the map fits every voxel of the registered "
    "images within the first visit's contour, the region's dose fits the mean of each visit's own contour, with the "
    "model chosen for the region; noise, movement and contours show here. Energy: from integral to dose. "
)
_LIMIT = (
    "Neither is corrected for the blur of the image: D98 and D2 of a region less than two or three times as wide as "
    "the resolution tell more of the blur than of the dose."
)


def dose_map_sections(
    made: CycleMap, title: str, method: str, doses_Gy: Mapping[str, float], tia_MBq_h: Mapping[str, float]
) -> list[str]:
    """HTML section on one cycle's dose map; ``doses_Gy`` and ``tia_MBq_h`` are those by regions."""
    return [
        section(
            f"{title}: dose in every voxel",
            paragraph(_HOW[method]),
            _registration_table(made),
            table(_HEADER, _histogram_rows(made, doses_Gy), "Dose-volume histograms, partial voxels by their part"),
            f'<div class="pictures">{_charts(made, doses_Gy)}</div>',
            table(
                ["region", "voxel mean Gy", "by region Gy", "difference %", "of it integral %", "of it energy %"],
                _comparison(made, doses_Gy, tia_MBq_h),
                "Voxel means beside the doses of regions",
            ),
            paragraph(_TIA_STEP + _WHY[method], "small"),
            paragraph(_LIMIT, "small"),
        )
    ]


_HEADER = ["region", "volume mL", "mean Gy", "D98 Gy", "D50 Gy", "D2 Gy", "by region Gy"]


def dose_map_table(made: CycleMap, doses_Gy: Mapping[str, float]) -> str:
    """The same figures for a terminal."""
    return plain_table(_HEADER, _histogram_rows(made, doses_Gy))


def _histogram_rows(made: CycleMap, doses_Gy: Mapping[str, float]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, region in made.regions.items():
        found = region.histogram
        levels = [found.dose_at_volume_Gy(percent) for percent in (98, 50, 2)]
        rows.append([name, found.total_volume_mL, found.mean_Gy, *levels, doses_Gy.get(name, math.nan)])
    return rows


def _comparison(made: CycleMap, doses_Gy: Mapping[str, float], tia_MBq_h: Mapping[str, float]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, region in made.regions.items():
        if name not in doses_Gy or name not in tia_MBq_h:
            continue
        ratio = region.histogram.mean_Gy / doses_Gy[name]
        integral = region.tia_MBq_h / tia_MBq_h[name]
        shares = [100.0 * (value - 1.0) for value in (ratio, integral, ratio / integral)]
        rows.append([name, region.histogram.mean_Gy, doses_Gy[name], *shares])
    return rows


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
    curves = [Series(n, dose_Gy, region.histogram.cumulative(dose_Gy), marked=False) for n, region in regions.items()]
    return line_chart(f"Dose-volume histogram: {words}", curves, "absorbed dose (Gy)", "volume with at least that (%)")
