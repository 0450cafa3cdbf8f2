"""The review as an application of trame: what the page asks for, and what it is shown; no arithmetic of its own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.review import tables
from PRRTUptakeLib.review.access import Idle
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.page import STYLE, template
from PRRTUptakeLib.review.panels import (
    VIEWS,
    Look,
    Panel,
    colour_bar,
    data_uri,
    default_look,
    drawing,
    drawn_plane,
    grabbed,
    moved,
    picture,
    projection,
    start_of,
)
from PRRTUptakeLib.review.slices import AXES, moved_plane, turned_plane
from PRRTUptakeLib.study.readings.adjudication import adjudicate, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from PRRTUptakeLib.review.blinding import Blinding
    from PRRTUptakeLib.review.case_review import CaseReview
    from PRRTUptakeLib.review.live_plane import LiveNumbers, LivePlane
    from PRRTUptakeLib.review.slices import Frame
    from PRRTUptakeLib.review.source import ReadingRoom
    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.study.readings.adjudication import ComparedCase

VisitKey = tuple[int, str]

_TEXTS = (
    *("title", "progress", "status", "problem", "label_0", "label_1", "visit_0", "visit_1", "values_0", "values_1"),
    *("img_mip", "img_3d", "curve_points", "curve_title", "bar", "bar_top", "bar_unit", "overlay", "reader", "why"),
    *("chosen", "dropped", "taken", "target_reason", "shifted", "shift_reason", "comment", "withdraw_reason"),
    *("case_status", "opens_in"),
)
_LISTS = ("items", "visits", "compared", "differences", "readers", "overlays", "summary", "lesions", "regions")
_FLAGS = ("shown_0", "shown_1", "has_more", "live", "confirmed", "can_finish", "can_decide")


class ReviewApplication:
    """The page of one reader; a process has one."""

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
        self._live: LivePlane | None = None
        self._three_d: Any = None
        self._comparison: dict[str, ComparedCase] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._set_up_state()
        self._set_up_triggers()

    # The page

    def _set_up_state(self) -> None:
        for name in _TEXTS:
            self.state[name] = ""
        for name in (*_LISTS, "doses", "warnings", "decided"):
            self.state[name] = []
        for name in _FLAGS:
            self.state[name] = False
        self.state.update({"opacity": 0.5, "top_share": 1.0, "colours": "hot", "low": -100, "high": 200})
        self.state.update({"shift_x": 0, "shift_y": 0, "shift_z": 0, "case_place": 1, "ratio_word": "T/N"})
        self.state.update({f"{kind}_{n}_{view}": None for kind in ("img", "svg") for n in (0, 1) for view in VIEWS})
        self.state.trame__title = "Review"

    def build(self) -> None:
        """Give the server its page; needs trame."""
        from trame.ui.html import DivLayout
        from trame.widgets import client

        with DivLayout(self.server) as layout:
            client.Style(STYLE)
            layout.root.add_child(template())

    def _set_up_triggers(self) -> None:
        asked: dict[str, Callable[..., Any]] = {
            "pointer": self.pointer,
            "wheel": self.wheel,
            "key": self.key,
            "lesion": self.go_to,
            "open": self.open_place,
            "next": self.open_next,
            "visit": self.choose_visit,
            "look": self.set_look,
            "overlay": self.set_overlay,
            "projection": self.to_projection,
            "three_d": self.show_three_d,
            "turn": self.turn_three_d,
            "replace": self.replace_target,
            "shift": self.shift_lesion,
            "comment": lambda text: self._required().comment(str(text)),
            "confirm": lambda: self._required().confirm_targets(),
            "undo": self.undo,
            "finish": self.finish,
            "withdraw": self.withdraw,
            "decide": self.decide,
        }
        for name, function in asked.items():
            self.server.trigger(name)(self._answering(function))

    def _answering(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A sign of life; a refusal is shown in the page."""

        def answer(*given: Any) -> None:
            self.idle.seen(time.monotonic())
            try:
                function(*given)
                self.state.problem = ""
            except PRRTError as error:
                self.state.problem = self._words(str(error))
            self._show_decisions()

        return answer

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

    # Cases

    def start(self) -> None:
        """Open the first case that is not read."""
        self._compare()
        listed = self.room.worklist()
        first = listed.next_open() or listed.items[0]
        if self._comparison:
            case = next(iter(self._comparison))
            first = next(one for one in listed.items if one.case == case)
        self._answering(self.open_place)(first.place)

    def open_next(self) -> None:
        """Open the next case that is not complete."""
        found = self.room.worklist().next_open(self.review.case if self.review is not None else "")
        if found is None:
            raise ReviewError("All cases are read.")
        self.open_place(found.place)

    def open_place(self, place: int) -> None:
        """Open a case of the worklist by its place; its images first, its numbers when they are measured."""
        item = next((one for one in self.room.worklist().items if one.place == int(place)), None)
        if item is None:
            raise ReviewError(f"The worklist has no case {place}.")
        self._forget()
        self.place = item.place
        self.review, self.blinding = self.room.open(item.case)
        self.state.title = item.label if self.blinding is not None else f"{item.case} ({self.review.study.patient})"
        keys = self.review.keys
        labels = {key: self._visit_label(key) for key in keys}
        ordered = sorted(keys, key=lambda key: labels[key]) if self.blinding is not None else keys
        self.state.visits = [{"key": str(keys.index(key)), "label": labels[key]} for key in ordered]
        with_images = [key for key in ordered if self.review.study.visit(key).emission is not None] or list(ordered)
        self.panels = [self._panel(key) for key in with_images[:2]]
        self.look = default_look(self.panels[0])
        self.full_top = self.look.top
        self.middle, self.fov_mm = start_of(self.panels[0])
        self.cross = self.middle.copy()
        self._show_look()
        self._show_all()
        self._show_differences(item.case)
        self._measure_soon()

    def _forget(self) -> None:
        """Leave nothing of the case before."""
        self.review, self.blinding, self._live, self._drag = None, None, None, None
        self.panels = []
        for name in ("img_mip", "img_3d", "curve_points", "chosen", "problem", "comment"):
            self.state[name] = ""
        for name in ("summary", "lesions", "regions", "doses", "warnings", "decided"):
            self.state[name] = []

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

    def choose_visit(self, n: int, number: str) -> None:
        """Show another visit in a panel."""
        keys = self._required().keys
        self.panels[int(n)] = self._panel(keys[int(number)])
        self._show_all()

    # Measuring

    def _measure_soon(self) -> None:
        if not self._measuring:
            self._measuring = True
            self._task(self._measure())

    async def _measure(self) -> None:
        """Measure until the numbers are those of the decisions; the page answers meanwhile."""
        loop = asyncio.get_event_loop()
        try:
            while (review := self.review) is not None and not review.is_measured:
                reading = review.reading
                with self.state:
                    self.state.status = "measuring..."
                    self.state.can_finish = False
                try:
                    result = await loop.run_in_executor(None, review.measure, reading)
                except PRRTError as error:
                    with self.state:
                        self.state.status, self.state.problem = "not measured", self._words(str(error))
                    if review is self.review and reading is review.reading:
                        return
                    continue
                if review is not self.review:
                    continue
                if reading is review.reading or reading.plain()["visits"] == review.reading.plain()["visits"]:
                    review.take(result, reading)
                    with self.state:
                        self._show_measured()
                    await self._prepare_live(review)
        finally:
            self._measuring = False

    async def _prepare_live(self, review: CaseReview) -> None:
        panel = next((one for one in self.panels if one.plane is not None), None)
        if panel is None:
            return
        try:
            found = await asyncio.get_event_loop().run_in_executor(None, review.live, panel.images.drawn_on)
        except PRRTError:  # numbers follow once the plane is let go
            found = None
        if review is self.review:
            self._live = found

    def _show_measured(self) -> None:
        review = self._required()
        result = review.result
        assert result is not None
        for panel in self.panels:
            key = panel.images.key
            panel.images = replace(panel.images, drawn_on=review.drawn_key(key))
            panel.segmentation, panel.to_segments = review.segmentation(key), review.to_segments(key)
            panel.plane = review.plane(panel.images.drawn_on)
        self.state.status = "measured"
        self.state.warnings = [self._words(text) for text in result.warnings]
        self._show_numbers()
        self._show_overlays()
        self._show_all()
        self._show_decisions()

    # What is shown

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
                        self.state[f"img_{n}_{view}"] = data_uri(picture(panel, frame, self.look))
                    shown = drawing(panel, frame, self.cross, chosen)
                else:
                    before = self.state[f"svg_{n}_{view}"] or {}
                    shown = {**before, "cross": drawing_cross(panel, frame, self.cross)}
                self.state[f"svg_{n}_{view}"] = {**shown, "plane": drawn_plane(panel, frame)}
            self.state[f"values_{n}"] = self._value_text(panel)

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

    def set_look(self) -> None:
        """Take window, opacity and colours from the page."""
        state = self.state
        low, high = float(state.low), max(float(state.high), float(state.low) + 1.0)
        top = max(float(state.top_share), 0.01) * self.full_top
        self.look = Look(low=low, high=high, top=top, opacity=float(state.opacity), colours=str(state.colours))
        self._show_look()
        self._show_views(VIEWS)

    def _show_overlays(self) -> None:
        """Emission image and dose maps of the first panel's visit."""
        review, panel = self._required(), self.panels[0]
        contents = review.contents(panel.images.key)
        found = {"uptake": panel.images.emission}
        maps = [one for one in (review.result.contents if review.result else ()) if one is not contents]
        for one in maps:
            found |= {name: volume for name, volume in one.volumes if "ose" in name}
        self._overlays = {name: volume for name, volume in found.items() if volume is not None}
        self.state.overlays = list(self._overlays)
        self.state.overlay = self.state.overlay if self.state.overlay in self._overlays else "uptake"

    def set_overlay(self) -> None:
        """Show a dose map or the uptake."""
        self.panels[0].overlay = self._overlays.get(str(self.state.overlay), self.panels[0].images.emission)
        self.full_top = default_look(self.panels[0]).top
        self.look = Look(**{**vars(self.look), "top": self.full_top})
        self._show_look()
        self._show_views(VIEWS)

    def _show_numbers(self) -> None:
        review = self._required()
        assert review.result is not None
        blind = self.blinding is not None
        visit = next(
            (one for one in (tables.visit_result(review.result, p.images.key) for p in self.panels) if one is not None),
            None,
        )
        self.state.live = False
        if visit is None:
            shown = self.panels[0].images.key
            self.state.lesions = tables.lesion_rows_of(review.result, shown, blind)
            self.state.summary, self.state.regions = [], []
            self.state.ratio_word = "" if blind else "ratio"
        else:
            self.state.lesions = tables.measured_lesions(visit)
            self.state.summary = tables.measured_summary(visit, blind)
            self.state.regions = tables.regions(visit)

    def _show_live(self, numbers: LiveNumbers) -> None:
        self.state.problem = self._words(numbers.problem)
        if numbers.problem:
            return
        treated = self._required().study.treated_lobe
        name = "left/right" if not treated else "treated/control"
        self.state.live = True
        self.state.lesions = tables.live_lesions(numbers)
        self.state.summary = tables.live_summary(numbers, name)

    def _show_projection(self) -> None:
        overlay = self.panels[0].overlay if self.panels else None
        self.state.has_more = overlay is not None
        if overlay is not None and not self.state.img_mip:
            self.state.img_mip = data_uri(projection(overlay, self.full_top / 2))

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
        source = review.study.source
        shown = source is not None and self.blinding is None
        self.state.opens_in = (
            f"In Slicer: prrt run {source} -o RESULTS, then open RESULTS/patient.mrb." if shown else ""
        )

    # Moving about

    def pointer(self, kind: str, n: int, view: str, u: float, v: float) -> None:
        """The mouse in a slice: a handle of the plane is dragged, or the crosshair."""
        if int(n) >= len(self.panels) or view not in AXES:
            return
        panel = self.panels[int(n)]
        if kind == "down":
            self.view = view
            self._drag = (int(n), view, grabbed(panel, self._frame(panel, view), (u, v)))
        if self._drag is None or self._drag[:2] != (int(n), view):
            return
        self._pending = (min(max(float(u), 0.0), 1.0), min(max(float(v), 0.0), 1.0))
        if kind == "up":
            self._follow_once()
            handle, self._drag = self._drag[2], None
            if handle and panel.plane is not None:
                self._required().set_plane(panel.images.drawn_on, panel.plane)
                self._measure_soon()
        elif not self._following:
            self._following = True
            self._task(self._follow())

    async def _follow(self) -> None:
        """Follow the mouse to where it is last; places in between are left out where they come too fast."""
        try:
            while self._pending is not None:
                with self.state:
                    self._follow_once()
                await asyncio.sleep(0.001)
        finally:
            self._following = False

    def _follow_once(self) -> None:
        if self._pending is None or self._drag is None:
            return
        (n, view, handle), place, self._pending = self._drag, self._pending, None
        panel = self.panels[n]
        frame = self._frame(panel, view)
        plane = panel.shown_plane()
        if not handle or plane is None:
            self._move_cross(panel.to_segments, frame.to_ras(*place), view)
            return
        new = moved_plane(plane, frame, place) if handle == "middle" else turned_plane(plane, frame, place)
        self._take_plane(panel, moved(new, panel.to_segments))

    def _take_plane(self, panel: Panel, plane: Plane) -> None:
        for other in self.panels:
            if other.images.drawn_on == panel.images.drawn_on:
                other.plane = plane
        self._show_planes()
        if self._live is not None:
            self._show_live(self._live.at(plane))

    def _move_cross(self, to_segments: np.ndarray, place: np.ndarray, view: str = "") -> None:
        self.cross = to_segments[:3, :3] @ place + to_segments[:3, 3]
        self._show_views(tuple(one for one in VIEWS if one != view))

    def wheel(self, n: int, view: str, step: float, zoom: bool) -> None:
        """The next slice, or nearer and farther."""
        if zoom:
            self.fov_mm = min(max(self.fov_mm * (1.15 if step > 0 else 1 / 1.15), 40.0), 900.0)
            self._show_views(VIEWS)
            return
        self.view = view
        self._step(1.0 if step < 0 else -1.0)

    def _step(self, sign: float) -> None:
        panel = self.panels[0]
        frame = self._frame(panel, self.view)
        image = panel.images.anatomy or panel.images.emission
        spacing = 3.0
        if image is not None:
            spacing = float(np.abs(image.ijk_to_ras[:3, :3].T @ frame.normal).max())
        towards = np.array({"axial": (0, 0, 1), "coronal": (0, 1, 0), "sagittal": (1, 0, 0)}[self.view], dtype=float)
        self.cross = self.cross + sign * spacing * towards
        self._show_views((self.view,))

    def key(self, name: str) -> None:
        """A key of the page."""
        if name in ("ArrowUp", "ArrowDown"):
            self._step(1.0 if name == "ArrowUp" else -1.0)
        elif name in ("n", "p"):
            names = [one["id"] for one in self.state.lesions]
            if names:
                at = names.index(self.state.chosen) if self.state.chosen in names else (-1 if name == "n" else 0)
                self.go_to(names[(at + (1 if name == "n" else -1)) % len(names)])
        elif name == "o":
            hidden = self.look.opacity == 0
            self.last_opacity = self.look.opacity or self.last_opacity
            self.look = Look(**{**vars(self.look), "opacity": self.last_opacity if hidden else 0.0})
            self._show_look()
            self._show_views(VIEWS)
        elif name == "r":
            self.middle, self.fov_mm = start_of(self.panels[0])
            self.cross = self.middle.copy()
            self._show_views(VIEWS)

    def go_to(self, name: str) -> None:
        """Move the crosshair to the middle of a lesion or region, and show its curve and doses."""
        segmentation = self.panels[0].segmentation
        if segmentation is None or name not in segmentation:
            return
        segment = segmentation[name]
        places = np.argwhere(segment.mask) + segment.origin
        if not len(places):
            return
        middle = places.mean(axis=0)
        nearest = places[int(np.argmin(((places - middle) ** 2).sum(axis=1)))]
        self.state.chosen = name
        self.cross = segmentation.grid.to_ras(nearest[None, ::-1].astype(np.float64))[0]
        self._show_views(VIEWS)
        review = self._required()
        points = tables.curve(review.result, name)
        self.state.curve_points = curve_polyline(points) if len(points) > 1 else ""
        self.state.curve_title = f"{name}: mean against hours after injection" if len(points) > 1 else ""
        self.state.doses = tables.doses(review.result, name)

    def to_projection(self, u: float, v: float) -> None:
        """Move to the highest uptake behind a place of the picture from the front."""
        overlay, panel = self.panels[0].overlay, self.panels[0]
        if overlay is None:
            return
        matrix = overlay.ijk_to_ras[:3, :3]
        sizes = np.array(overlay.array.shape[::-1])
        axis_of = [int(np.argmax(np.abs(matrix[row]))) for row in range(3)]
        index = np.zeros(3, dtype=int)
        for row, share in ((0, u), (2, v)):
            axis = axis_of[row]
            along = 1.0 - share if matrix[row, axis] > 0 else share
            index[axis] = int(min(max(along, 0.0), 0.999) * sizes[axis])
        line: list[Any] = [int(n) for n in index]
        line[axis_of[1]] = slice(None)
        index[axis_of[1]] = int(np.argmax(overlay.array[tuple(line[::-1])]))
        self._move_cross(panel.to_segments, overlay.grid.to_ras(index[None].astype(np.float64))[0])

    # Three dimensions

    def show_three_d(self) -> None:
        """Lobes and lesions as surfaces; brings Slicer's core, which takes a moment."""
        try:
            from PRRTUptakeLib.mrml.review_3d import SurfaceView
        except ImportError as error:
            raise ReviewError(f"The view in three dimensions needs trame-slicer ({error}).") from error
        if self._three_d is None:
            self._three_d = SurfaceView()
        segmentation = self.panels[0].segmentation
        if segmentation is not None:
            self._three_d.show(segmentation)
            self.state.img_3d = data_uri(self._three_d.pixels())

    def turn_three_d(self, across: float, down: float) -> None:
        """Turn the surfaces by a movement of the mouse in pixels."""
        if self._three_d is not None and self.state.img_3d:
            self._three_d.turn(float(across), float(down))
            self.state.img_3d = data_uri(self._three_d.pixels())

    # Decisions

    def _drawn_key(self) -> VisitKey:
        return self.panels[0].images.drawn_on

    def replace_target(self, dropped: str, chosen: str, reason: str) -> None:
        """Keep a change of targets, and measure with it; taken back where the protocol does not allow it."""
        review = self._required()
        if not dropped or not chosen:
            raise ReviewError("Choose the target that is dropped and the lesion in its place.")
        if self._live is not None and self.panels[0].plane is not None:
            review.check_replacement(self._drawn_key(), dropped, chosen, reason, self.panels[0].plane)
        review.replace_target(self._drawn_key(), dropped, chosen, reason)
        self._live, self.state.target_reason = None, ""
        self._measure_soon()

    def shift_lesion(self, lesion: str, x: float, y: float, z: float, reason: str) -> None:
        """Keep a manual shift, and measure with it."""
        if not lesion:
            raise ReviewError("Choose the lesion that is shifted.")
        shift = (float(x or 0), float(y or 0), float(z or 0))
        self._required().shift_lesion(self.panels[0].images.key, str(lesion), shift, str(reason))
        self._live, self.state.shift_reason = None, ""
        self._measure_soon()

    def undo(self) -> None:
        """Take back all decisions on the visits that are shown."""
        for panel in self.panels:
            for key in {panel.images.key, panel.images.drawn_on}:
                if not self._required().reading.of(key).is_empty:
                    self._required().undo(key)
        for panel in self.panels:
            panel.plane = self._required().plane(panel.images.drawn_on)
        self._show_planes()
        self._live = None
        self._measure_soon()

    def finish(self) -> None:
        """Keep the reading as final, and go on to the next case."""
        self._required().complete(blinded=self.blinding is not None, place=self.place)
        self._comparison = {}
        following = self.room.worklist().next_open(self._required().case)
        if following is not None:
            self.open_place(following.place)
        else:
            self.state.status = "All cases are read."

    def withdraw(self, reason: str) -> None:
        """Withdraw the reading of this case; it may be read again."""
        if self.room.journal is None:
            raise ReviewError("A review without a reader keeps nothing.")
        self.room.journal.withdraw(self._required().case, str(reason))
        self.state.withdraw_reason = ""

    # Adjudication

    def _compare(self) -> None:
        if len(self.room.others) != 2:
            return
        first, second = self.room.others.values()
        found = compare(first, second)
        self._comparison = {one.case: one for one in found.cases if one.case in self.room.source.cases}
        places = {one.case: one for one in self.room.worklist().items}
        self.state.readers = list(self.room.others)
        self.state.compared = [
            {
                "place": places[case].place,
                "label": places[case].label,
                "words": "agree"
                if one.agree
                else f"{len(one.differences)} differences, up to {one.largest_ratio:.2f} x",
            }
            for case, one in self._comparison.items()
        ]

    def _show_differences(self, case: str) -> None:
        found = self._comparison.get(case)
        self.state.differences = [
            {"what": self._words(one.what), "first": self._words(one.first), "second": self._words(one.second)}
            for one in (found.differences if found is not None else ())
        ]

    def decide(self, name: str, why: str) -> None:
        """Take one of the two readings, or with "" what is shown."""
        journal, review = self.room.journal, self._required()
        if journal is None or len(self.room.others) != 2:
            raise ReviewError("There are no two readings to decide between.")
        readers = list(self.room.others)
        if name:
            state = self.room.others[name].get(review.case)
            if state is None:
                raise ReviewError(f"{name} has not read this case.")
            ordered = [name, *(one for one in readers if one != name)]
            adjudicate(journal, state.reading, state.rows, ordered, str(why))
        else:
            rows = review.measured_rows()
            adjudicate(journal, review.reading, rows, readers, str(why))
        self.state.why = ""


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


def curve_polyline(points: list[dict[str, float]]) -> str:
    """Points of a curve for an SVG of 320 by 320, from zero."""
    longest = max(one["hours"] for one in points) or 1.0
    highest = max(one["value"] for one in points) or 1.0
    return " ".join(f"{20 + 280 * p['hours'] / longest:.1f},{300 - 260 * p['value'] / highest:.1f}" for p in points)
