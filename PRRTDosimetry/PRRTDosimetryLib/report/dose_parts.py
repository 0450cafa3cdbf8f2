"""How the parts that dosimetry adds to a result are rendered; importing this registers it (`report.study_report`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.report.registration_report import registration_sections
from PRRTUptakeLib.report.study_report import part_sections, part_text

from PRRTDosimetryLib.dosimetry.cycle import CycleDoses, TotalDoses
from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap
from PRRTDosimetryLib.dosimetry.dose_rows import dose_table
from PRRTDosimetryLib.dosimetry.summed_map import SummedDoseMap
from PRRTDosimetryLib.report.dose_maps_report import dose_map_sections, dose_map_table, summed_map_section
from PRRTDosimetryLib.report.dose_report import dose_sections, total_section, total_text

if TYPE_CHECKING:
    from PRRTUptakeLib.study.model import StudyResult


@part_sections.register(CycleDoses)
def _(part: CycleDoses, result: StudyResult) -> list[str]:
    return dose_sections(part.dosimetry, f"Cycle {part.cycle}", part.kept, part.recovered)


@part_text.register(CycleDoses)
def _(part: CycleDoses, result: StudyResult) -> list[str]:
    return [f"Absorbed dose, cycle {part.cycle}", dose_table(part.dosimetry, part.recovered)]


@part_sections.register(TotalDoses)
def _(part: TotalDoses, result: StudyResult) -> list[str]:
    return [total_section(part.totals, part.missing)]


@part_text.register(TotalDoses)
def _(part: TotalDoses, result: StudyResult) -> list[str]:
    return ["Absorbed dose and effect, all cycles", *total_text(part.totals, part.missing)]


@part_sections.register(CycleDoseMap)
def _(part: CycleDoseMap, result: StudyResult) -> list[str]:
    title = f"Cycle {part.cycle}"
    sections = dose_map_sections(part.made, title, part.method, part.by_region, part.known, part.levels)
    return [*sections, *registration_sections(part.shown, f"{title}: the visits on each other")]


@part_text.register(CycleDoseMap)
def _(part: CycleDoseMap, result: StudyResult) -> list[str]:
    return [
        f"Dose in every voxel, cycle {part.cycle}",
        dose_map_table(part.made, part.by_region["dose"], part.known, part.levels),
    ]


@part_sections.register(SummedDoseMap)
def _(part: SummedDoseMap, result: StudyResult) -> list[str]:
    return [summed_map_section(part)]


@part_text.register(SummedDoseMap)
def _(part: SummedDoseMap, result: StudyResult) -> list[str]:
    cells = [
        [name, one.histogram.mean_Gy, one.effect.bed.mean_Gy if one.effect is not None else "", 100.0 * one.untrusted]
        for name, one in part.regions.items()
    ]
    title = f"Dose in every voxel, cycles {', '.join(map(str, part.cycles))}"
    return [title, plain_table(["region", "mean Gy", "mean BED Gy", "not trusted %"], cells)]
