"""What a reader must know of the doses of a cycle: assumptions, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.vocabulary import LOBES

from PRRTDosimetryLib.dose.phantom import RED_MARROW, TOTAL_BODY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from PRRTDosimetryLib.dose.phantom import Phantom
    from PRRTDosimetryLib.dosimetry.regions import Region
    from PRRTDosimetryLib.kinetics.integral import Integral
    from PRRTDosimetryLib.uncertainty.chain import ChainInputs


def without_healthy(region: Region, lobes: Collection[str]) -> bool:
    """Whether a region is a lesion of a lobe without a dose of its healthy liver."""
    return region.kind == "lesion" and region.lobe in LOBES and region.lobe not in lobes


def scaling_note(scaled: Sequence[Integral]) -> tuple[str, ...]:
    """What was assumed of curves of one image that were scaled from an earlier cycle."""
    if not scaled:
        return ()
    regions = "; ".join(f"{one.region}: {one.choice}" for one in scaled)
    return (f"one image, so on the assumption that uptake and clearance are unchanged: {regions}",)


def tail_note(integrals: Mapping[str, Integral]) -> tuple[str, ...]:
    """What of slow tails after the last image is in the intervals, and the most that they could be."""
    more = {name: one.without_later_clearance_MBq_h / one.tia_MBq_h - 1.0 for name, one in integrals.items()}
    if not more:
        return ()
    least, most = min(more, key=lambda name: more[name]), max(more, key=lambda name: more[name])
    reach = f"{100 * more[most]:.0f} % ({most})"
    if len(more) > 1:
        reach = f"{100 * more[least]:.0f} % ({least}) to {reach}"
    return (
        "slow tails that no image shows are in the intervals only as far as the stated assumptions have them; with no "
        f"clearance after the last image but decay, the time-integrated activities would be {reach} larger",
    )


_MARROW_WORDS = {
    "blood": "red marrow by the blood-based method (EANM guideline, doi:10.1007/s00259-010-1422-4)",
    "vertebrae": "red marrow by the image-based method, from {vertebrae} (EANM guideline, "
    "doi:10.1007/s00259-010-1422-4), with the reference adult's share of it in them, whose error is in no interval",
}


def dose_notes(
    regions: Mapping[str, Region],
    sources: tuple[float | None, Mapping[str, float]],
    chain: ChainInputs | None,
    body: Phantom,
) -> tuple[str, ...]:
    """Assumptions behind the doses, and what is missing.

    ``sources`` are the time-integrated activities of the remainder of the body (None if not known) and by organ.
    """
    remainder, by_organ = sources
    notes = []
    if body.self_only:
        notes.append(
            f"no table of organ S-values for {body.nuclide}: {body.source}; cross dose, remainder of the body and red "
            "marrow are not in them"
        )
    elif remainder is None:
        notes.append(
            "no curve of the whole body, so no remainder: the doses of total body and red marrow are lower bounds"
        )
    others = [organ for organ in body.targets if organ not in (*by_organ, RED_MARROW, TOTAL_BODY)]
    if others and remainder is None and not body.self_only:
        notes.append(f"no curve of {', '.join(others)}: their doses are cross dose alone, lower bounds")
    if RED_MARROW not in by_organ and not body.self_only:
        notes.append("no curve of blood, vertebrae or marrow: the red marrow's dose is cross dose alone, a lower bound")
    healthy = {region.lobe for region in regions.values() if region.kind == "lobe"} & set(LOBES)
    alone = [name for name, region in regions.items() if healthy and without_healthy(region, healthy)]
    if alone:
        notes.append(f"no dose of the healthy liver of their lobe, so no therapeutic index: {', '.join(alone)}")
    notes += [
        _MARROW_WORDS[region.kind].format(vertebrae=region.vertebrae)
        for region in regions.values()
        if region.kind in _MARROW_WORDS
    ]
    if chain is None:
        notes.append("no uncertainties of calibration, volume, recovery and S-values: u holds that of the TIA alone")
    if any(region.kind == "lobe" for region in regions.values()) and "liver" not in {
        region.organ for region in regions.values() if region.kind == "organ"
    }:
        notes.append("no curve of the whole liver: its activity is that of the lobes' regions and lesions")
    with_lesions = [name for name, region in regions.items() if region.contains_lesions]
    if with_lesions and any(region.kind == "lesion" for region in regions.values()):
        notes.append(
            f"{', '.join(with_lesions)} includes its lesions; healthy tissue alone is in the reference regions"
        )
    return tuple(notes)
