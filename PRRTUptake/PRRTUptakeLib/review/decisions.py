"""Decisions of the reader, and of the one who decides between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.navigation import Navigation
from PRRTUptakeLib.study.readings.adjudication import adjudicate, compare

if TYPE_CHECKING:
    pass

VisitKey = tuple[int, str]


class Decisions(Navigation):
    """What is kept in the reader's file."""

    def _drawn_key(self) -> VisitKey:
        return self.focused.images.drawn_on

    def replace_target(self, dropped: str, chosen: str, reason: str) -> None:
        """Keep a change of targets, and measure with it; taken back where the protocol does not allow it."""
        review = self._required()
        if not dropped or not chosen:
            raise ReviewError("Choose the target that is dropped and the lesion in its place.")
        if self._drawn_key() in self._lives and self.focused.plane is not None:
            review.check_replacement(self._drawn_key(), dropped, chosen, reason, self.focused.plane)
        review.replace_target(self._drawn_key(), dropped, chosen, reason)
        self._lives, self.state.target_reason = {}, ""
        self._measure_soon()

    def shift_lesion(self, lesion: str, x: float, y: float, z: float, reason: str) -> None:
        """Keep a manual shift, and measure with it."""
        if not lesion:
            raise ReviewError("Choose the lesion that is shifted.")
        shift = (float(x or 0), float(y or 0), float(z or 0))
        self._required().shift_lesion(self.focused.images.key, str(lesion), shift, str(reason))
        self._lives, self.state.shift_reason = {}, ""
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
        self._lives = {}
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
