"""The flow of patients through a trial, as CONSORT asks for it (doi:10.1136/bmj.c332)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from PRRTUptakeLib.report.svg import text_width_px
from PRRTUptakeLib.study.cohort.cohort_result import ANALYSED, EXCLUDED, NOT_MEASURED, SCREENED_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.cohort.cohort_result import FlowEntry

_LINE_PX, _PAD_PX, _GAP_PX, _LONGEST = 17, 10, 28, 75


@dataclass(frozen=True)
class _Box:
    lines: tuple[str, ...]

    @property
    def width(self) -> float:
        return max(text_width_px(line) for line in self.lines) + 2 * _PAD_PX

    @property
    def height(self) -> float:
        return _LINE_PX * len(self.lines) + 2 * _PAD_PX

    def svg(self, x: float, y: float) -> str:
        rows = "".join(
            f'<text x="{x + _PAD_PX:g}" y="{y + _PAD_PX + 13 + n * _LINE_PX:g}">{escape(line)}</text>'
            for n, line in enumerate(self.lines)
        )
        box = f'<rect x="{x:g}" y="{y:g}" width="{self.width:g}" height="{self.height:g}" fill="#fff" stroke="#666"/>'
        return box + rows


def flow_chart(flow: Sequence[FlowEntry], everybody: int | None = None) -> str:
    """Boxes from all patients screened to those analysed, with losses and their reasons to the right, as SVG.

    ``everybody`` is the number of the intention-to-treat analysis, where there is one beside that per protocol.
    """
    count = Counter(entry.state for entry in flow)
    entered = len(flow) - count[SCREENED_OUT]
    middle = [_Box((f"Entered: {entered} patients",)), _Box((f"Measured: {entered - count[NOT_MEASURED]} patients",))]
    losses = [_loss(flow, NOT_MEASURED, "Not measured"), _loss(flow, EXCLUDED, "Excluded")]
    if count[SCREENED_OUT]:
        middle.insert(0, _Box((f"Screened: {len(flow)} patients",)))
        losses.insert(0, _loss(flow, SCREENED_OUT, "Failed screening"))
    last = [f"Analysed: {count[ANALYSED]} patients"]
    if everybody is not None:
        last = [f"Analysed per protocol: {count[ANALYSED]} patients", f"by intention to treat: {everybody} patients"]
    middle.append(_Box(tuple(last)))
    left_width = max(box.width for box in middle)
    centre, right = 10 + left_width / 2, 10 + left_width + 40
    parts, y = [], 10.0
    for n, box in enumerate(middle):
        parts.append(box.svg(centre - box.width / 2, y))
        y += box.height
        if n == len(losses):
            break
        loss = losses[n]
        end = y + max(_GAP_PX, loss.height + 16 if loss else 0)
        parts.append(_arrow(centre, y, centre, end))
        if loss:
            level = (y + end) / 2
            parts += [_arrow(centre, level, right, level), loss.svg(right, level - loss.height / 2)]
        y = end
    width = right + max((loss.width for loss in losses if loss), default=0.0) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Flow of patients" width="{width:.0f}" '
        f'height="{y + 10:.0f}" viewBox="0 0 {width:.0f} {y + 10:.0f}" font-family="sans-serif" font-size="12">'
        f'<title>Flow of patients</title><rect width="{width:.0f}" height="{y + 10:.0f}" fill="#ffffff"/>'
        f"{''.join(parts)}</svg>"
    )


def _loss(flow: Sequence[FlowEntry], state: str, title: str) -> _Box | None:
    reasons = Counter(entry.reason for entry in flow if entry.state == state)
    if not reasons:
        return None
    lines = [f"{title}: {sum(reasons.values())}"]
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        words = reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"
        lines.append(f"{number} × {words}")
    return _Box(tuple(lines))


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    down = x1 == x2
    head = ((x2, y2), (x2 - 4, y2 - 7), (x2 + 4, y2 - 7)) if down else ((x2, y2), (x2 - 7, y2 - 4), (x2 - 7, y2 + 4))
    points = " ".join(f"{x:g},{y:g}" for x, y in head)
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#666"/><polygon points="{points}" fill="#666"/>'
    )
