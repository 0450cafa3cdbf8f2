"""How images lie on each other: the check of each session, and the quality of each registration with its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.registration.session_check import LEAST_GAIN, SHIFT_WARNING_mm
from PRRTUptakeLib.report.page import paragraph, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.session_alignment import CheckedVisit


def alignment_section(checked: Sequence[CheckedVisit]) -> str:
    """The table "Alignment of emission image and CT": agreement as they stand, and where it would be best."""
    rows: list[list[object]] = []
    for one in checked:
        names = [one.visit, f"{one.image} on {one.reference}"]
        if one.check is None:
            rows.append([*names, "–", "–", "–", f"not checked: {one.refusal}"])
            continue
        check = one.check
        verdict = "aligned" if check.is_aligned else "shifted: see the warning"
        if check.compared == "body":
            names[1] += " (no liver: across the body only)"
        rows.append([*names, check.agreement, check.best_agreement, check.words, verdict])
    header = ["visit", "images", "agreement", "at best", "best shift", "verdict"]
    words = (
        "Agreement as the images stand, and at the best shift of the emission image: the mutual "
        "information (nats) of the emission image's ranks and the tissues of the CT in and "
        f"around the liver, for shifts up to 40 mm. A warning is given above {SHIFT_WARNING_mm:g} mm if the best shift "
        f"gains {LEAST_GAIN:.0%} or more of what 20 mm cost; less is within free breathing. Nothing was shifted, and "
        "no number depends on it."
    )
    return section("Alignment of emission image and CT", table(header, rows), paragraph(words, "small"))
