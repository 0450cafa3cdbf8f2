"""What the page shows of one visit: three slices and what is drawn on them, as plain values of the page's state."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.review.slices import (
    AXES,
    COLOUR_MAPS,
    Frame,
    coloured,
    fused,
    mask_on,
    outline,
    plane_line,
    sampled,
    value_at,
    window_grey,
)
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.vocabulary import LOBE_COLORS

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.review.case_review import VisitImages
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

PIXELS = 320
UPTAKE = "uptake"
"""What the overlay of a panel is called where it is no dose map."""
ROLE_COLOURS = {"target": "#ffe600", "lesion": "#ff7fd0", "organ": "#b9b9b9", "reference": "#ffffff"}
LOBE_COLOURS = {**LOBE_COLORS, "liver": "#7fd0d0"}
_MODEST = ("liver", "spleen", "kidney_left", "kidney_right")  # organs whose outline is drawn


@dataclass(kw_only=True, eq=False)
class Panel:
    """One visit on the page.

    Attributes
    ----------
    images, segmentation, plane, to_segments : see `CaseReview`; ``plane`` in the space of the segments.
    label : what the visit is called on the page.
    overlay : image above the anatomy: the emission image, or a dose map.
    top : where the colours of the overlay end where nobody has said so, in its unit; found when first wanted.
    """

    images: VisitImages
    label: str
    segmentation: Segmentation | None = None
    plane: Plane | None = None
    to_segments: np.ndarray = field(default_factory=lambda: np.eye(4))
    overlay: Volume | None = None
    _top: tuple[Volume, float] | None = None

    @property
    def top(self) -> float:
        """See the class."""
        if self.overlay is None:
            return 1.0
        if self._top is None or self._top[0] is not self.overlay:
            found = float(np.percentile(self.overlay.array, 99.9))
            self._top = self.overlay, found if found > 0 else 1.0
        return self._top[1]

    @property
    def from_segments(self) -> np.ndarray:
        """4x4, from positions of the segments to those of the image."""
        return np.linalg.inv(self.to_segments)

    def frame(self, view: str, middle: np.ndarray, cross: np.ndarray, fov_mm: float) -> Frame:
        """The slice of a view through the crosshair; both positions in the space of the segments."""
        matrix = self.from_segments
        return Frame(view, _moved(middle, matrix), fov_mm, PIXELS).through(_moved(cross, matrix))

    def shown_plane(self) -> Plane | None:
        """The plane in the space of the image."""
        return None if self.plane is None else moved(self.plane, self.from_segments)

    def values(self, cross: np.ndarray) -> dict[str, float | None]:
        """Values of the voxels under the crosshair, by "anatomy" and "overlay"."""
        place = _moved(cross, self.from_segments)
        shown = {"anatomy": self.images.anatomy, "overlay": self.overlay}
        return {name: None if image is None else value_at(image, place) for name, image in shown.items()}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How images are shown: window of the anatomy, top of the overlay, its opacity and colours."""

    low: float = -100.0
    high: float = 200.0
    top: float = 1.0
    opacity: float = 0.5
    colours: str = "hot"


def moved(plane: Plane, matrix: np.ndarray) -> Plane:
    """A plane through a rigid 4x4 matrix."""
    origin = matrix[:3, :3] @ plane.origin_ras + matrix[:3, 3]
    return Plane(origin, np.linalg.inv(matrix[:3, :3]).T @ plane.normal_ras, plane.how)


def _moved(point: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[:3, :3] @ point + matrix[:3, 3])


def picture(panel: Panel, frame: Frame, look: Look) -> np.ndarray:
    """Anatomy and overlay of a frame, uint8 (rows, columns, 3)."""
    anatomy, overlay = panel.images.anatomy, panel.overlay
    grey = None if anatomy is None else window_grey(sampled(anatomy, frame), look.low, look.high)
    if overlay is None:
        return fused(np.zeros((PIXELS, PIXELS), np.uint8) if grey is None else grey, None, None, 0.0)
    values = sampled(overlay, frame)
    share = np.clip(np.nan_to_num(values) / max(look.top, 1e-9), 0.0, 1.0)
    strength = None if grey is None else np.minimum(1.0, 3.0 * share)
    opacity = look.opacity if grey is not None else 1.0
    return fused(grey, coloured(values, 0.0, look.top, look.colours), strength, opacity)


def data_uri(pixels: np.ndarray, quality: int = 82) -> str:
    """A picture [row, column, RGB] as the source of an image element."""
    from PIL import Image  # of the extra 'review'

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def drawing(panel: Panel, frame: Frame, cross: np.ndarray, chosen: str = "") -> dict[str, Any]:
    """What is drawn over a frame: outlines, labels of lesions, crosshair (3,); places in pixels."""
    found: dict[str, Any] = {"outlines": [], "labels": [], "liver": "", "cross": _pixels(frame, panel, cross)}
    segmentation = panel.segmentation
    for segment in segmentation if segmentation is not None else ():
        colour, width = _style(segment, panel.plane is not None)
        is_liver = segment.structure == "liver" and segment.role != "lobe"
        if not colour and not is_liver:
            continue
        assert segmentation is not None
        mask = mask_on(segment, segmentation.grid, frame, panel.to_segments)
        if not mask.any():
            continue
        if is_liver:
            found["liver"] = outline(mask)
            continue
        is_chosen = bool(chosen) and segment.name == chosen
        found["outlines"].append(
            {"name": segment.name, "d": outline(mask), "colour": colour, "width": width + 1.5 * is_chosen}
        )
        if segment.role in ("target", "lesion"):
            rows, columns = np.nonzero(mask)
            label = {
                "text": segment.lesion_id or segment.name,
                "x": float(columns.max()) + 4,
                "y": float(rows.min()) - 3,
            }
            found["labels"].append({**label, "colour": colour})
    return found


def _style(segment: Segment, has_plane: bool) -> tuple[str, float]:
    """Colour and width of a segment's outline; "" for one that is not drawn."""
    if segment.role == "lobe":
        return ("" if has_plane else LOBE_COLOURS.get(segment.lobe, "")), 1.2
    if segment.role in ("target", "lesion"):
        return ROLE_COLOURS[segment.role], 1.6
    if segment.role == "reference":
        return (ROLE_COLOURS["reference"] if segment.lobe in ("left", "right") else ""), 0.5
    if segment.role == "organ" and segment.structure in _MODEST and segment.structure != "liver":
        return ROLE_COLOURS["organ"], 0.8
    return "", 0.0


def _pixels(frame: Frame, panel: Panel, cross: np.ndarray) -> list[float]:
    u, v = frame.to_screen(_moved(cross, panel.from_segments))
    return [round(u * PIXELS, 2), round(v * PIXELS, 2)]


def drawn_plane(panel: Panel, frame: Frame) -> dict[str, Any] | None:
    """The plane's line and handles in a frame, in pixels; None where it is not seen."""
    plane = panel.shown_plane()
    line = plane_line(plane, frame) if plane is not None else None
    if line is None:
        return None
    named = {name: [round(n * PIXELS, 2) for n in getattr(line, name)] for name in ("first", "last", "middle")}
    turns = {name: [round(n * PIXELS, 2) for n in getattr(line, name)] for name in ("turn_first", "turn_last")}
    right = " ".join(f"{u * PIXELS:.2f},{v * PIXELS:.2f}" for u, v in line.right_side)
    return {**named, **turns, "right": right}


def grabbed(panel: Panel, frame: Frame, place: tuple[float, float], reach: float = 12.0) -> str:
    """Which handle of the plane is at a place (0 to 1): "middle", "turn_first", "turn_last" or ""."""
    shown = drawn_plane(panel, frame)
    if shown is None:
        return ""
    here = np.array(place) * PIXELS
    apart = {name: float(np.linalg.norm(here - shown[name])) for name in ("middle", "turn_first", "turn_last")}
    nearest = min(apart, key=lambda name: apart[name])
    return nearest if apart[nearest] <= reach else ""


def start_of(panel: Panel) -> tuple[np.ndarray, float]:
    """Where a review begins: the middle (3,) of the liver or of all segments, and the field of view in mm."""
    segmentation = panel.segmentation
    segments = [s for s in segmentation or () if s.voxel_count]
    livers = [s for s in segments if s.structure == "liver" or s.name == "liver"] or segments
    if segmentation is None or not livers:
        image = panel.images.emission or panel.images.anatomy
        assert image is not None
        middle = image.grid.to_ras((np.array(image.array.shape[::-1]) - 1)[None] / 2.0)[0]
        return middle, float(np.max(np.array(image.array.shape[::-1]) * image.grid.spacing_mm))
    low = np.min([s.origin for s in livers], axis=0)
    high = np.max([np.add(s.origin, s.mask.shape) for s in livers], axis=0) - 1
    corners = segmentation.grid.to_ras(np.array([low[::-1], high[::-1]], dtype=np.float64))
    return corners.mean(axis=0), float(np.abs(corners[1] - corners[0]).max() * 1.35)


def default_look(panel: Panel) -> Look:
    """A window that suits the images: soft tissue on CT, 2nd to 98th percentile of an MRI, the top of the uptake."""
    look = Look()
    anatomy = panel.images.anatomy
    if anatomy is not None and float(np.min(anatomy.array[::4, ::8, ::8])) > -200.0:
        low, high = np.percentile(anatomy.array[::2, ::4, ::4], (2.0, 98.0))
        look = replace(look, low=float(low), high=float(high))
    return replace(look, top=panel.top)


def colour_bar(name: str) -> str:
    """A colour map as a gradient of a style sheet, from below to above."""
    nodes = COLOUR_MAPS[name]
    return f"linear-gradient(to top, {', '.join(f'rgb({r},{g},{b})' for r, g, b in nodes)})"


def projection(volume: Volume, top: float) -> np.ndarray:
    """Maximum of an image seen from the front, dark on white, uint8 (rows, columns, 3); the right is on the left.

    For images whose axes are nearly those of the patient; others are seen along the axis nearest to front-back.
    """
    matrix = volume.ijk_to_ras[:3, :3]
    axis_of = [int(np.argmax(np.abs(matrix[row]))) for row in range(3)]  # ijk axis of x, y and z
    array = np.transpose(volume.array, [2 - axis_of[2], 2 - axis_of[1], 2 - axis_of[0]])  # z, y, x
    seen = array.max(axis=1)
    if matrix[2, axis_of[2]] > 0:
        seen = seen[::-1]
    if matrix[0, axis_of[0]] > 0:
        seen = seen[:, ::-1]
    spacing = np.linalg.norm(matrix, axis=0)
    rows = max(1, round(float(spacing[axis_of[2]] / spacing[axis_of[0]] * seen.shape[0])))
    seen = seen[np.minimum((np.arange(rows) * seen.shape[0]) // rows, seen.shape[0] - 1)]
    return np.repeat((255 - window_grey(seen, 0.0, top))[..., None], 3, axis=-1)


VIEWS = tuple(AXES)
