"""Every registration of a case: what was brought onto what, overlaps and metric before and after, checkerboards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.formatting import cell_text
from PRRTUptakeLib.registration.result import Registration, identity_registration
from PRRTUptakeLib.report.checkerboard import checkerboard_pictures, views
from PRRTUptakeLib.report.page import paragraph, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.visit_registration import VisitRegistration


def registration_table(named: Sequence[tuple[str, Registration]]) -> str:
    """One row per registration, by name: how it was made, how far it moves the patient, and how good it is."""
    rows = []
    for name, one in named:
        quality = one.quality
        rows.append(
            [
                name,
                how_made(one),
                _pair(quality.metric_before, quality.metric_after),
                _pair(quality.body_overlap_before, quality.body_overlap),
                _pair(quality.liver_overlap_before, quality.liver_overlap),
                quality.liver_offset_mm,
            ]
        )
    header = [
        "visit",
        "how",
        "metric before → metric after",
        "body overlap",
        "liver overlap",
        "liver offset mm",
    ]
    return table(header, rows, "Before → after registration; metric: mutual information in nats; overlap: Dice.")


def registration_sections(shown: Sequence[VisitRegistration], heading: str = "Registration") -> list[str]:
    """A section with the table and, for each registration but those within one frame of reference, checkerboards."""
    if not shown:
        return []
    pictures = "".join(_pictures(one) for one in shown if one.registration.kind != "identity" or _stated(one))
    words = (
        "Checkerboards: grey tiles show the image on which was drawn (fixed), amber tiles that of the visit (moving); "
        "edges must run on across the tiles. Blue: the liver as drawn on the fixed image. Axial as seen from the feet, "
        "coronal from the front: the patient's right (R) is on the left. Liver overlap and offset need the liver drawn "
        "on both images."
    )
    legend = paragraph(words, "small") if pictures else ""
    return [section(heading, registration_table([(_name(one), one.registration) for one in shown]), legend, pictures)]


def how_made(one: Registration) -> str:
    """How a registration was made, and how far it moves."""
    if one.kind == "identity":
        return f"identity: {one.provenance.get('reason', '')}"
    matrix = one.fixed_to_moving
    turn = math.degrees(math.acos(float(np.clip((np.trace(_rotation(matrix)) - 1.0) / 2.0, -1.0, 1.0))))
    source = f" ({one.provenance['source']})" if "source" in one.provenance else ""
    bends = ", bends" if one.displacement is not None else ""
    return f"{one.kind}{source}{bends}, turned by {turn:.1f}°"


def _rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotation nearest to the matrix."""
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    return np.asarray(u @ vt)


def _pair(before: float, after: float) -> str:
    if math.isnan(after):
        return ""
    return f"{cell_text(before)} → {cell_text(after)}" if math.isfinite(before) else cell_text(after)


def _name(one: VisitRegistration) -> str:
    return f"{one.visit}: {one.names[0]} to {one.names[1]}"


def _stated(one: VisitRegistration) -> bool:
    return "stated" in one.registration.provenance


def _pictures(one: VisitRegistration) -> str:
    """Axial and coronal, each before and after."""
    images, shown = (one.fixed, one.load_moving()), [(one.registration, "after")]
    if one.registration.kind != "identity":
        shown.insert(0, (identity_registration("before registration"), "before"))
    parts = []
    for view in views(one.fixed, one.liver):
        captions = [(registration, f"{one.visit}, {view.name}: {word}") for registration, word in shown]
        parts += checkerboard_pictures(images, captions, view, one.liver)
    return f'<div class="pictures pairs">{"".join(parts)}</div>'
