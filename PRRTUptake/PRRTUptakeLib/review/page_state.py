"""What the page shows: the keys of its state, filled from the panels, the result and the decisions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.review import tables
from PRRTUptakeLib.review.access import Idle
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.panels import (
    UPTAKE,
    VIEWS,
    Look,
    Panel,
    colour_bar,
    data_uri,
    default_look,
    drawing,
    drawn_plane,
    picture,
    projection,
)
from PRRTUptakeLib.review.slices import COLOUR_MAPS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.review.blinding import Blinding
    from PRRTUptakeLib.review.case_review import CaseReview
    from PRRTUptakeLib.review.live_plane import LiveNumbers, LivePlane
    from PRRTUptakeLib.review.slices import Frame
    from PRRTUptakeLib.review.source import ReadingRoom
    from PRRTUptakeLib.study.model import StudyResult
    from PRRTUptakeLib.study.readings.adjudication import ComparedCase

VisitKey = tuple[int, str]

_TEXTS = (
    *("title", "progress", "status", "problem", "label_0", "label_1", "visit_0", "visit_1", "values_0", "values_1"),
    *("img_mip", "img_3d", "curve_title", "numbers_of", "bar", "bar_top", "bar_unit", "overlay", "reader", "why"),
    *("chosen", "dropped", "taken", "target_reason", "shifted", "shift_reason", "comment", "withdraw_reason"),
    *("case_status", "mip_title", "focus_label"),
)
_LISTS = ("items", "visits", "compared", "differences", "readers", "overlays", "summary", "lesions", "regions")
_FLAGS = ("shown_0", "shown_1", "has_more", "live", "confirmed", "can_finish", "can_decide", "can_open_slicer")


class PageState:
    """The state of one reader's page; `application.ReviewApplication` is the whole."""

    def __init__(self, server: Any, room: ReadingRoom, idle: Idle) -> None:
        self.server, self.room, self.idle = server, room, idle
        self.state = server.state
        self.review: CaseReview | None = None
        self.blinding: Blinding | None = None
        self.panels: list[Panel] = []
        self.look = Look()
        self.cross = self.middle = np.zeros(3)
        self.fov_mm, self.full_top, self.view, self.last_opacity = 300.0, 1.0, "axial", 0.5
        self.place = 0
        self._drag: tuple[int, str, str] | None = None
        self._pending: tuple[float, float] | None = None
        self._following = self._measuring = False
        self.focus = 0  # the panel whose numbers are shown, and whose visit is decided on
        self._lives: dict[VisitKey, LivePlane] = {}  # by the visit whose segments a plane cuts
        self._overlays: dict[str, Volume] = {}  # dose maps by name
        self._map_on: dict[str, VisitKey] = {}  # by the name of a dose map: the visit whose image it has the grid of
        self._three_d: Any = None
        self._comparison: dict[str, ComparedCase] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._set_up_state()

    def _set_up_state(self) -> None:
        for name in _TEXTS:
            self.state[name] = ""
        for name in (*_LISTS, "doses", "warnings", "decided"):
            self.state[name] = []
        for name in _FLAGS:
            self.state[name] = False
        self.state.curve = None
        self.state.update({"opacity": 0.5, "top_share": 1.0, "colours": "hot", "low": -100, "high": 200})
        self.state.update({"shift_x": 0, "shift_y": 0, "shift_z": 0, "case_place": 1, "ratio_word": "T/N"})
        self.state.update({f"{kind}_{n}_{view}": None for kind in ("img", "svg") for n in (0, 1) for view in VIEWS})
        self.state.trame__title = "Review"

    def _words(self, text: str) -> str:
        return self.blinding.text(text) if self.blinding is not None else text

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_event_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _required(self) -> CaseReview:
        if self.review is None:
            raise ReviewError("No case is open: choose one.")
        return self.review

    def open_place(self, place: int) -> None:
        """Open a case of the worklist by its place."""
        raise NotImplementedError

    def _measure_soon(self) -> None:
        raise NotImplementedError

    @property
    def focused(self) -> Panel:
        """The panel whose numbers are shown, and whose visit is decided on."""
        return self.panels[self.focus if self.focus < len(self.panels) else 0]

    def _visit_label(self, key: VisitKey) -> str:
        if self.blinding is not None:
            return self.blinding.visits[key]
        return f"cycle {key[0]}, {key[1]}"

    def _panel(self, key: VisitKey) -> Panel:
        review = self._required()
        images = review.images(key)
        return Panel(
            images=images,
            label=self._visit_label(key),
            segmentation=review.segmentation(key),
            plane=review.plane(images.drawn_on),
            to_segments=review.to_segments(key),
            overlay=images.emission,
        )

    def _frame(self, panel: Panel, view: str) -> Frame:
        return panel.frame(view, self.middle, self.cross, self.fov_mm)

    def _show_all(self) -> None:
        for n in (0, 1):
            shown = n < len(self.panels)
            self.state[f"shown_{n}"] = shown
            if shown:
                panel = self.panels[n]
                self.state[f"label_{n}"] = panel.label
                self.state[f"visit_{n}"] = str(self._required().keys.index(panel.images.key))
        self._show_views(VIEWS)
        self._show_projection()

    def _show_views(self, views: tuple[str, ...], with_images: bool = True) -> None:
        chosen = self.state.chosen
        for n, panel in enumerate(self.panels):
            for view in VIEWS:
                frame = self._frame(panel, view)
                if view in views:
                    if with_images:
                        self.state[f"img_{n}_{view}"] = data_uri(picture(panel, frame, self._look_of(panel)))
                    shown = drawing(panel, frame, self.cross, chosen)
                else:
                    before = self.state[f"svg_{n}_{view}"] or {}
                    shown = {**before, "cross": drawing_cross(panel, frame, self.cross)}
                self.state[f"svg_{n}_{view}"] = {**shown, "plane": drawn_plane(panel, frame)}
            self.state[f"values_{n}"] = self._value_text(panel)

    def _look_of(self, panel: Panel) -> Look:
        """The look; a panel whose overlay has another unit than the first one's has the same share of its own top."""
        first = self.panels[0].overlay
        if first is None or panel.overlay is None or first.units == panel.overlay.units or not self.full_top:
            return self.look
        return replace(self.look, top=panel.top * self.look.top / self.full_top)

    def _show_planes(self) -> None:
        """The plane alone, while it is dragged."""
        for n, panel in enumerate(self.panels):
            for view in VIEWS:
                shown = self.state[f"svg_{n}_{view}"] or {}
                self.state[f"svg_{n}_{view}"] = {**shown, "plane": drawn_plane(panel, self._frame(panel, view))}

    def _value_text(self, panel: Panel) -> str:
        values = panel.values(self.cross)
        parts = [", ".join(f"{axis}" for axis in np.round(self.cross, 1)) + " mm"]
        if values["overlay"] is not None and panel.overlay is not None:
            parts.append(f"{number(values['overlay'], 4)} {shown_unit(panel.overlay.units)}")
        if values["anatomy"] is not None:
            parts.append(f"{values['anatomy']:.0f} below")
        return "   ".join(parts)

    def _show_look(self) -> None:
        look = self.look
        self.state.update(
            {"opacity": look.opacity, "colours": look.colours, "low": round(look.low), "high": round(look.high)}
        )
        self.state.top_share = round(look.top / self.full_top, 2) if self.full_top else 1.0
        self.state.bar = colour_bar(look.colours)
        self.state.bar_top = number(look.top, 3)
        overlay = self.panels[0].overlay if self.panels else None
        self.state.bar_unit = shown_unit(overlay.units) if overlay is not None else ""

    def set_look(self, opacity: float, top_share: float, colours: str, low: float, high: float) -> None:
        """Take window, opacity and colours from the page."""
        if colours not in COLOUR_MAPS:
            raise ReviewError(f"The colours are '{colours}', but must be one of {', '.join(COLOUR_MAPS)}.")
        top = max(float(top_share), 0.01) * self.full_top
        high = max(float(high), float(low) + 1.0)
        self.look = Look(low=float(low), high=high, top=top, opacity=float(opacity), colours=colours)
        self._show_look()
        self._show_views(VIEWS)

    def _show_overlays(self) -> None:
        """Emission image and dose maps; a map has the grid of the first image of its cycle."""
        result = self._required().result
        self._overlays, self._map_on = {}, {}
        for part in result.parts if result is not None else ():
            for one in part.contents:
                for name, volume in one.volumes:
                    on = _first_visit(result, getattr(part, "cycle", None))
                    if volume.units == "Gy" and on is not None:
                        self._overlays[name], self._map_on[name] = volume, on
        self.state.overlays = [UPTAKE, *self._overlays]
        if self.state.overlay in self._overlays:
            self.panels[0].overlay = self._overlays[self.state.overlay]
        else:
            self.state.overlay = UPTAKE

    def set_overlay(self, name: str) -> None:
        """Show a dose map, on the visit whose image it has the grid of, or the uptake."""
        panel = self.panels[0]
        on = self._map_on.get(name)
        if on is not None and panel.images.key != on:
            self.panels[0] = panel = self._panel(on)
        panel.overlay = self._overlays.get(name, panel.images.emission)
        self.state.overlay = name if name in self._overlays else UPTAKE
        self.full_top = default_look(self.panels[0]).top
        self.look = Look(**{**vars(self.look), "top": self.full_top})
        self._show_look()
        self.state.img_mip = ""
        self._show_all()
        self._show_numbers()

    def _show_numbers(self) -> None:
        review, panel = self._required(), self.focused
        if review.result is None:
            return
        blind = self.blinding is not None
        visit = tables.visit_result(review.result, panel.images.key)
        self.state.live, self.state.numbers_of = False, panel.label
        if visit is None:
            sized = review.prepared(panel.images.drawn_on)
            lesions = sized.lesions if sized is not None else ()
            self.state.lesions = tables.lesion_rows_of(review.result, panel.images.key, blind, lesions)
            self.state.summary, self.state.regions = tables.route_summary(review.result, blind), []
            self.state.ratio_word = "IA/IV" if review.study.protocol.rules.routes and not blind else ""
        else:
            self.state.lesions, self.state.ratio_word = tables.measured_lesions(visit), "T/N"
            self.state.summary = tables.measured_summary(visit, blind)
            self.state.regions = tables.regions(visit)

    def _show_live(self, numbers: LiveNumbers) -> None:
        self.state.problem = self._words(numbers.problem)
        if numbers.problem:
            return
        review = self._required()
        name = "left/right" if not review.study.treated_lobe else "treated/control"
        self.state.live, self.state.numbers_of = True, self.focused.label
        if review.study.protocol.rules.routes:  # uptake and its ratio do not depend on the plane; lobes and targets do
            blind = self.blinding is not None
            self.state.lesions = tables.live_route_lesions(numbers, review.result, self.focused.images.key, blind)
            self.state.summary = tables.live_volumes(numbers)
            return
        self.state.lesions = tables.live_lesions(numbers)
        self.state.summary = tables.live_summary(numbers, name)

    def _show_projection(self) -> None:
        overlay = self.panels[0].overlay if self.panels else None
        self.state.has_more = overlay is not None
        if overlay is not None and not self.state.img_mip:
            self.state.img_mip = data_uri(projection(overlay, self.full_top / 2))
            self.state.mip_title = "dose from the front" if overlay.units == "Gy" else "uptake from the front"

    def _show_decisions(self) -> None:
        listed = self.room.worklist()
        self.state.items = [
            {"place": one.place, "label": one.label if self.room.is_blinded else one.case, "status": one.status}
            for one in listed.items
        ]
        item = next((one for one in listed.items if one.place == self.place), None)
        self.state.reader = self.room.reader
        self.state.progress = listed.progress if self.room.reader else ""
        self.state.case_place = self.place
        self.state.case_status = item.status if item is not None else ""
        review = self.review
        if review is None:
            return
        reading = review.reading
        self.state.decided = [self._words(text) for text in decided_words(reading)]
        self.state.comment, self.state.confirmed = reading.comment, reading.targets_confirmed
        complete = item is not None and item.status == "complete"
        self.state.can_finish = review.is_measured and reading.targets_confirmed and not complete
        self.state.can_decide = review.is_measured
        self.state.focus_label = self.focused.label if self.panels else ""
        self.state.can_open_slicer = self.room.opens_slicer and review.is_measured


def drawing_cross(panel: Panel, frame: Frame, cross: np.ndarray) -> list[float]:
    """Where the crosshair (3,) is in a frame, in pixels."""
    return list(drawing(Panel(images=panel.images, label="", to_segments=panel.to_segments), frame, cross)["cross"])


def shown_unit(unit: str) -> str:
    """A unit as readers know it.

    Examples
    --------
    >>> shown_unit("Bq/ml"), shown_unit("g/ml{SUVbw}"), shown_unit("Gy")
    ('Bq/mL', 'SUV', 'Gy')
    """
    if "SUV" in unit:
        return "SUV"
    return "Bq/mL" if unit.lower() == "bq/ml" else unit


def decided_words(reading: Any) -> list[str]:
    """What was decided, in sentences."""
    found = []
    for visit in reading.visits:
        name = f"cycle {visit.cycle}, {visit.visit}"
        if visit.lobe_plane is not None:
            found.append(f"{name}: the plane was moved by hand.")
        found += [f"{name}: {one.chosen} in place of {one.dropped}: {one.reason}" for one in visit.target_overrides]
        found += [f"{name}: {one.sentence}" for one in visit.manual_shifts]
    return found


def _first_visit(result: StudyResult | None, cycle: int | None) -> VisitKey | None:
    """The first measured visit of a cycle, or of all; maps of a cycle have the grid of its image."""
    visits = sorted(result.visits, key=lambda one: one.labels.cycle) if result is not None else []
    found = next((one.labels for one in visits if cycle is None or one.labels.cycle == cycle), None)
    return None if found is None else (found.cycle, found.visit)


def curve_picture(points: list[dict[str, float]], unit: str) -> dict[str, Any]:
    """A curve from zero for an SVG of 320 by 320: line, dots and the labels of both axes, as places and texts."""
    line = curve_polyline(points)
    places = [place.split(",") for place in line.split()]
    hours = [{"x": place[0], "text": f"{one['hours']:.0f}"} for place, one in zip(places, points, strict=True)]
    highest = max(one["value"] for one in points)
    return {
        "line": line,
        "dots": [{"x": x, "y": y, "text": number(one["value"], 4)} for (x, y), one in zip(places, points, strict=True)],
        "hours": hours,
        "highest": f"{number(highest, 3)} {unit}",
    }


def curve_polyline(points: list[dict[str, float]]) -> str:
    """Points of a curve for an SVG of 320 by 320, from zero."""
    longest = max(one["hours"] for one in points) or 1.0
    highest = max(one["value"] for one in points) or 1.0
    return " ".join(f"{20 + 280 * p['hours'] / longest:.1f},{300 - 260 * p['value'] / highest:.1f}" for p in points)
