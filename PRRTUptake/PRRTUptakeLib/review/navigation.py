"""Moving about on the page: the mouse in slices, the plane that is dragged, keys, lesions, three dimensions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.review import tables
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.page_state import PageState, curve_picture, shown_unit
from PRRTUptakeLib.review.panels import (
    VIEWS,
    Look,
    Panel,
    data_uri,
    grabbed,
    moved,
    start_of,
)
from PRRTUptakeLib.review.slices import AXES, moved_plane, turned_plane

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.lobes import Plane

VisitKey = tuple[int, str]


class Navigation(PageState):
    """How the page moves; nothing is kept but the plane that is let go."""

    def pointer(self, kind: str, n: int, view: str, u: float, v: float) -> None:
        """The mouse in a slice: a handle of the plane is dragged, or the crosshair."""
        if int(n) >= len(self.panels) or view not in AXES:
            return
        panel = self.panels[int(n)]
        if kind == "down":
            self.view = view
            if self.focus != int(n):
                self.focus = int(n)
                self._show_numbers()
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
        live = self._lives.get(panel.images.drawn_on)
        if live is not None:
            self._show_live(live.at(plane))

    def _show_dragged(self, key: VisitKey) -> None:
        """The numbers of a plane that was dragged before they could follow: the mouse may rest by now."""
        if self._drag is None or not self._drag[2]:
            return
        panel = self.panels[self._drag[0]]
        if panel.images.drawn_on == key and panel.plane is not None:
            self._show_live(self._lives[key].at(panel.plane))

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
        segmentation = self.focused.segmentation
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
        unit = shown_unit(self.panels[0].images.emission.units) if self.panels[0].images.emission is not None else ""
        self.state.curve = curve_picture(points, unit) if len(points) > 1 else None
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
