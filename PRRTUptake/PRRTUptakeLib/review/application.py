"""The review as an application of trame: what the page asks for, and what it is shown; no arithmetic of its own."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.review.access import Idle
from PRRTUptakeLib.review.decisions import Decisions
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.page import STYLE, template
from PRRTUptakeLib.review.panels import (
    UPTAKE,
    default_look,
    start_of,
)
from PRRTUptakeLib.review.to_slicer import to_slicer
from PRRTUptakeLib.review.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.review.case_review import CaseReview
    from PRRTUptakeLib.review.source import ReadingRoom

VisitKey = tuple[int, str]


class ReviewApplication(Decisions):
    """The page of one reader; a process has one."""

    def __init__(self, server: Any, room: ReadingRoom, idle: Idle) -> None:
        super().__init__(server, room, idle)
        self._worker = Worker()  # what is measured is measured one after the other
        self._set_up_triggers()

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
            "slicer": self.open_slicer,
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
            except Exception as error:
                self.state.problem = self._words(_said_of(error))
            self._show_decisions()

        return answer

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
        self.review, self.blinding, self._drag = None, None, None
        self._lives, self._overlays, self._map_on, self.focus, self.state.curve = {}, {}, {}, 0, None
        self.panels = []
        texts = ("status", "img_mip", "img_3d", "curve_title", "chosen", "problem", "comment", "numbers_of", "overlay")
        for name in texts:
            self.state[name] = ""
        for name in ("summary", "lesions", "regions", "doses", "warnings", "decided", "overlays"):
            self.state[name] = []

    def choose_visit(self, n: int, number: str) -> None:
        """Show another visit in a panel."""
        keys = self._required().keys
        n = int(n)
        if not 0 <= n < len(self.panels) or not 0 <= int(number) < len(keys):
            raise ReviewError("There is no such visit.")
        self.panels[n] = self._panel(keys[int(number)])
        if n == 0:
            self.state.overlay, self.state.img_mip = UPTAKE, ""
            self.full_top = default_look(self.panels[0]).top
            self.look = replace(self.look, top=self.full_top)
            self._show_look()
        self._show_all()
        self._show_numbers()
        if self._required().is_measured:
            self._task(self._prepare_live(self._required()))

    def open_slicer(self) -> None:
        """Run the case with what was decided, and open the scene in Slicer where there is one."""
        if not self.room.opens_slicer or self.place == 0:
            raise ReviewError("Slicer is opened from a review of this machine without a reader.")
        self._task(self._to_slicer(self._required()))

    async def _to_slicer(self, review: CaseReview) -> None:
        with self.state:
            self.state.status = "writing the scene for Slicer..."
        path = self.room.source.cases[review.case]
        work = functools.partial(to_slicer, path, review.reading)
        try:
            said = await asyncio.get_event_loop().run_in_executor(None, work)
        except (PRRTError, OSError) as error:
            said = str(error)
        with self.state:
            self.state.status, self.state.problem = "measured" if review.is_measured else "", said

    # Measuring

    def _measure_soon(self) -> None:
        if not self._measuring:
            self._measuring = True
            self._task(self._measure())

    async def _measure(self) -> None:
        """Measure until the numbers are those of the decisions; the page answers meanwhile."""
        try:
            while (review := self.review) is not None and not review.is_measured:
                if not await self._measure_once(review):
                    return
        finally:
            self._measuring = False

    async def _measure_once(self, review: CaseReview) -> bool:
        """Whether it is worth trying again: not where the decisions that are shown allow no answer."""
        reading = review.reading
        with self.state:
            self.state.status = "measuring..."
            self.state.can_finish = False
        try:
            result = await asyncio.get_event_loop().run_in_executor(self._worker, review.measure, reading)
            if review is not self.review:
                return True
            if reading is review.reading or reading.plain()["visits"] == review.reading.plain()["visits"]:
                review.take(result, reading)
                with self.state:
                    self._show_measured()
                await self._prepare_live(review)
        except Exception as error:  # a fault of the program, too, is said: else the page says "measuring..." for ever
            with self.state:
                self.state.status, self.state.problem = "not measured", self._words(_said_of(error))
            return review is not self.review or reading is not review.reading
        return True

    async def _prepare_live(self, review: CaseReview) -> None:
        for key in dict.fromkeys(one.images.drawn_on for one in self.panels if one.plane is not None):
            try:
                found = await asyncio.get_event_loop().run_in_executor(self._worker, review.live, key)
            except PRRTError:  # numbers follow once the plane is let go
                continue
            if review is self.review:
                self._lives[key] = found
                with self.state:
                    self._show_dragged(key)

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


def _said_of(error: Exception) -> str:
    """What the page says of an error; the place of a fault of the program goes to the terminal."""
    if isinstance(error, PRRTError):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    return f"The program failed ({type(error).__name__}: {error}): reload the page, and report what the terminal shows."
