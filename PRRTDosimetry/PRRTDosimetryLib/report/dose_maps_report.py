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
from PRRTDosimetryLib.dose.dose_levels import PERCENTS
from PRRTDosimetryLib.dosimetry.dose_intervals import interval_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

    from PRRTDosimetryLib.dosimetry.dose_maps import CycleMap, RegionMap
    from PRRTDosimetryLib.dosimetry.summed_map import SummedDoseMap
    from PRRTDosimetryLib.effect.voxels import VoxelEffect

_HOW = {
    "kernel": "Voxel S-values: electrons and photons of every voxel reach their surroundings.",
    "local": "Local deposition: electrons give up their energy in their voxel, photons none.",
    "transport": "Transport: photons are followed through the densities and tissues of the CT, air around the body.",
}
_WHY = {
    "kernel": "Lesions: the region's S-value is that of a sphere alone, whereas in the map photons of the surroundings "
    "arrive too, the more the smaller the lesion and the hotter what is around it. Organs: the phantom's S-values have "
    "its shapes, distances and cross doses, the map has the patient's. Electrons that cross the border matter little: "
    "in the image the border is blurred over more than their range.",
    "transport": "Lesions: the region's S-value is that of a sphere alone, whereas in the map photons of the "
    "surroundings arrive too. Organs: the phantom's S-values have its shapes, distances and cross doses, the map has "
    "the patient's, with the body's surface and lungs.",
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
    levels: Mapping[tuple[str, int], UncertainValue] | None = None,
) -> list[str]:
    """HTML section on one cycle's dose map.

    ``by_region`` holds dose (Gy), tia (MBq.h) and mass (g) of regions; ``known`` the intervals of the map's means,
    ``levels`` those of D98, D50 and D2 by region and percent.
    """
    doses_Gy = by_region["dose"]
    return [
        section(
            f"{title}: dose in every voxel",
            paragraph(f"{_HOW[method]} {_tissue(made)}{_rates(made)}"),
            _transport_words(made),
            _registration_table(made),
            table(
                _HEADER,
                _histogram_rows(made, doses_Gy, known or {}, levels or {}),
                "Dose-volume histograms, partial voxels by their part",
            ),
            f'<div class="pictures">{_charts(made, doses_Gy)}</div>',
            table(
                ["region", "voxel mean Gy", "by region Gy", "difference %", "of it activity %", "of it energy %"],
                _comparison(made, by_region),
                "Voxel means beside the doses of regions",
            ),
            _cross_fire_table(made, doses_Gy),
            paragraph(_STEPS + _WHY[method], "small"),
            paragraph(_LIMIT + _INTERVALS, "small"),
        ),
        *([_effect_section(made.effects.regions, title)] if made.effects is not None else []),
    ]


def _tissue(made: CycleMap) -> str:
    if math.isnan(made.density_g_per_mL):
        return "Tissues have the density of the CT, voxel by voxel."
    return f"Tissue of {made.density_g_per_mL:g} g/mL everywhere."


def _rates(made: CycleMap) -> str:
    """That dose rates were integrated, "" where activity was."""
    if made.facts.get("integration") != "dose-rate":
        return ""
    return " The dose rate of each image, in the tissues of its own time, was integrated in every voxel."


def _transport_words(made: CycleMap) -> str:
    """Engine, licence and statistics of a transport, "" for other methods."""
    if "engine" not in made.facts:
        return ""
    facts = made.facts
    grid = facts.get("grid_mm", 0.0)
    voxels = f"voxels of {grid:g} mm at most" if isinstance(grid, float) and grid > 0 else "the image's voxels"
    words = (
        f"{facts['engine']} ({facts['licence']}); {facts['histories']} particles, seed {facts['seed']}, electrons by "
        f"{facts['electrons'].replace('-', ' ')}, through {voxels}."
    )
    rows = [
        [name, one.histogram.mean_Gy, one.u_Gy, 100.0 * one.u_Gy / one.histogram.mean_Gy]
        for name, one in made.regions.items()
        if not math.isnan(one.u_Gy) and one.histogram.mean_Gy > 0
    ]
    header = ["region", "mean Gy", "statistical u Gy", "statistical u %"]
    return paragraph(words, "small") + table(header, rows, "Statistical uncertainty of the transport")


def _cross_fire_table(made: CycleMap, doses_Gy: Mapping[str, float]) -> str:
    """Photons from outside each lesion and organ, beside the dose by curves."""
    rows: list[list[object]] = []
    for name, cross_Gy in made.cross_fire_Gy.items():
        lesion = made.regions[name].segment.role in ("target", "lesion")
        dose = doses_Gy.get(name, math.nan)
        rows.append([name, cross_Gy, dose, dose + cross_Gy if lesion else ""])
    header = ["region", "from outside Gy", "by region Gy", "sphere with cross-fire Gy"]
    return table(header, rows, "Cross-fire: photons from activity outside the region") if rows else ""


def _effect_section(effects: Mapping[str, VoxelEffect], title: str) -> str:
    """Biological effect of every region with a stated radiosensitivity."""
    return section(
        f"{title}: biological effect in every voxel",
        table(_EFFECT_HEADER, effect_table_rows(effects), "BED-volume histograms"),
        paragraph(_EFFECT_WORDS, "small"),
    )


_EFFECT_HEADER = [
    *("region", "α/β Gy", "repair h", "mean BED Gy", "BED98 Gy", "BED50 Gy", "BED2 Gy", "mean EQD2 Gy", "EUD Gy"),
    *("TCP", "source"),
]
_EFFECT_WORDS = (
    "BED of each voxel is D (1 + G D/(α/β)), G by the region's own course; EUD is the generalised equivalent uniform "
    "dose of the EQD2 by the stated exponent; TCP is a Poisson model with the stated parameters, without growth, and "
    "no forecast for one patient. Blurred images smooth the histograms."
)


def effect_table_rows(effects: Mapping[str, VoxelEffect]) -> list[list[object]]:
    """One row per region; blank where nothing is stated."""
    rows: list[list[object]] = []
    for name, one in effects.items():
        levels = [one.bed.dose_at_volume_Gy(percent) for percent in (98, 50, 2)]
        stated = ["" if math.isnan(value) else value for value in (one.eud_Gy, one.tumour_control)]
        tissue = one.tissue
        numbers = [tissue.alpha_beta_Gy, tissue.repair_half_time_h, one.bed.mean_Gy, *levels, one.eqd2_mean_Gy]
        rows.append([name, *numbers, *stated, tissue.source])
    return rows


def summed_map_section(part: SummedDoseMap) -> str:
    """HTML section on the dose maps of all cycles on the first cycle's image."""
    cycles = ", ".join(map(str, part.cycles))
    header = ["region", "mean Gy", "D98 Gy", "D2 Gy", "mean BED Gy", "not trusted %"]
    rows: list[list[object]] = []
    for name, one in part.regions.items():
        levels = [one.histogram.dose_at_volume_Gy(percent) for percent in (98, 2)]
        bed = one.effect.bed.mean_Gy if one.effect is not None else ""
        rows.append([name, one.histogram.mean_Gy, *levels, bed, 100.0 * one.untrusted])
    words = (
        f"Cycles {cycles} on the image of cycle {part.cycles[0]}: energy over mass of the tissue that the registration "
        "puts into each voxel. Not trusted are voxels outside a cycle's image, stretched by more than 30 to 40 %, or "
        "on tissue of another density; the scene marks them."
    )
    return section("All cycles: dose in every voxel", paragraph(words), table(header, rows))


_INTERVALS = (
    " The 95 % interval of a mean is that of the region's dose, from the same images, with the loss by partial volume "
    "in it. D98, D50 and D2 have in theirs what the region's voxels share (as the mean), the noise of the voxels, "
    "which widens a histogram, and the blur: they reach from what the image shows without noise to what the region has "
    "if it is sharp or uniform in truth. Cold or hot parts smaller than the resolution are not in them; regions that "
    "are not corrected together with the others (a liver with its lesions) have none."
)
_HEADER = [
    *("region", "volume mL", "mean Gy", "95 % Gy", "D98 Gy", "95 % Gy", "D50 Gy", "95 % Gy", "D2 Gy", "95 % Gy"),
    "by region Gy",
]


def dose_map_table(
    made: CycleMap,
    doses_Gy: Mapping[str, float],
    known: Mapping[str, UncertainValue] | None = None,
    levels: Mapping[tuple[str, int], UncertainValue] | None = None,
) -> str:
    """The same figures for a terminal."""
    return plain_table(_HEADER, _histogram_rows(made, doses_Gy, known or {}, levels or {}))


def _histogram_rows(
    made: CycleMap,
    doses_Gy: Mapping[str, float],
    known: Mapping[str, UncertainValue],
    levels: Mapping[tuple[str, int], UncertainValue],
) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, region in made.regions.items():
        found = region.histogram
        cells: list[object] = [found.mean_Gy, interval_text(known.get(name))]
        for percent in PERCENTS:
            cells += [found.dose_at_volume_Gy(percent), interval_text(levels.get((name, percent)))]
        rows.append([name, found.total_volume_mL, *cells, doses_Gy.get(name, math.nan)])
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
