"""Split the liver into lobes: by a plane, a curved cut, Couinaud segments, or the Cantlie plane.

Every voxel of the liver belongs to exactly one lobe; a voxel centre exactly on the cut goes to the right lobe.
"Left" and "right" are the patient's; in RAS the left lobe is at smaller x, so the cut must not be so flat that it
parts front from back or head from foot only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import BoundingBox, common_box, distance_mm, mask_in, segment_in, volume_mL
from PRRTUptakeLib.segmentation.errors import LobeError
from PRRTUptakeLib.segmentation.segments import UNDIVIDED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

_ONE_SLICE_mm = 1.0  # points of one slice differ by rounding only
SMALLEST_LATERAL_PART = 0.2  # of a unit normal; a cut flatter than about 12 degrees has no left and right side


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in RAS millimetres; ``how`` says where it comes from."""

    origin_ras: np.ndarray
    normal_ras: np.ndarray
    how: str = "placed by the user"

    def __post_init__(self) -> None:
        origin = np.array(self.origin_ras, dtype=np.float64)
        normal = np.array(self.normal_ras, dtype=np.float64)
        length = float(np.linalg.norm(normal)) if normal.shape == (3,) else 0.0
        if origin.shape != (3,) or not np.isfinite(origin).all() or not np.isfinite(length) or length < 1e-9:
            raise LobeError(
                "A plane needs a point and a direction of three finite numbers each, the direction not zero."
            )
        object.__setattr__(self, "origin_ras", origin)
        object.__setattr__(self, "normal_ras", normal / length)

    def to_the_right(self) -> Plane:
        """The same plane with its normal towards the patient's right.

        Raises
        ------
        LobeError
            If the plane does not part left from right.
        """
        lateral = self.normal_ras[0]
        if abs(lateral) < SMALLEST_LATERAL_PART:
            raise LobeError(
                "The plane does not part the patient's left from right (its normal is nearly at right angles to "
                "the left-right axis): turn it upright."
            )
        return Plane(self.origin_ras, self.normal_ras * np.sign(lateral), self.how)


@dataclass(frozen=True)
class LobeVolume:
    """Volume of one lobe and its share of the liver."""

    lobe: str
    volume_mL: float
    fraction: float


def find_liver(segmentation: Segmentation) -> Segment:
    """The liver of a segmentation whose structures are recognised.

    Raises
    ------
    LobeError
        If there is none, more than one, or it is empty.
    """
    livers = segmentation.having(structure="liver")
    if not livers:
        names = ", ".join(segment.name for segment in segmentation) or "none"
        raise LobeError(f"This segmentation has no liver (its segments: {names}): add one or say which one it is.")
    if len(livers) > 1:
        raise LobeError(f"'{livers[0].name}' and '{livers[1].name}' are both called the liver: keep one.")
    if not livers[0].voxel_count:
        raise LobeError(f"The liver segment '{livers[0].name}' is empty: draw it.")
    return livers[0]


def split_by_plane(grid: Grid, liver: Segment, plane: Plane) -> tuple[Segment, Segment]:
    """Left and right lobe on the two sides of ``plane``.

    Raises
    ------
    LobeError
        If the liver is empty, the plane misses it, or it does not part left from right.
    """
    plane = plane.to_the_right()
    box = _filled_box(grid, liver)
    return _halves(liver, box, _signed_distance(grid, box, plane.origin_ras, plane.normal_ras))


def split_by_points(grid: Grid, liver: Segment, points_ras: np.ndarray) -> tuple[Segment, Segment]:
    """Left and right lobe on the two sides of a smooth surface through points, (n, 3), n at least 3.

    The surface is a thin-plate spline (J. Duchon 1977, doi:10.1007/BFb0086566): height over the points' mean plane.
    Three points give the plane through them. Points in one axial slice, as a curve drawn there has, are a curve that
    goes on alike above and below: a natural cubic spline in the slice, extruded along its normal.

    Raises
    ------
    LobeError
        For fewer than three points, points in one line, points of which two lie above each other, or a cut that misses
        the liver.
    """
    points = np.asarray(points_ras, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3 or not np.isfinite(points).all():
        raise LobeError(f"A curved cut needs at least 3 points of three numbers, not an array of {points.shape}.")
    if in_one_axial_slice(points):
        return _split_by_extruded_curve(grid, liver, points)
    centre = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - centre, full_matrices=True)
    if spread[1] < 1e-3 * max(spread[0], 1e-9):
        raise LobeError("The points of the cut lie in one line: place at least one beside it.")
    normal = Plane(centre, axes[2]).to_the_right().normal_ras
    box = _filled_box(grid, liver)
    height = _signed_distance(grid, box, centre, normal)
    surface = _surface_heights(points - centre, np.column_stack([axes[0], axes[1], normal]))
    inside = mask_in(liver, box)
    u = _signed_distance(grid, box, centre, axes[0])[inside]
    v = _signed_distance(grid, box, centre, axes[1])[inside]
    height[inside] -= surface(u, v)
    return _halves(liver, box, height)


def in_one_axial_slice(points_ras: np.ndarray) -> bool:
    """Whether points, (n, 3) RAS mm, are in one axial slice: their heights differ by less than a millimetre."""
    return bool(np.ptp(points_ras[:, 2]) < _ONE_SLICE_mm)


def _split_by_extruded_curve(grid: Grid, liver: Segment, points: np.ndarray) -> tuple[Segment, Segment]:
    """Both sides of a curve in an axial slice that is the same in every other slice."""
    centre = points.mean(axis=0)
    flat = points[:, :2] - centre[:2]
    along = np.append(np.linalg.svd(flat, full_matrices=True)[2][0], 0.0)
    normal = Plane(centre, np.array([-along[1], along[0], 0.0])).to_the_right().normal_ras
    place, height = flat @ along[:2], flat @ normal[:2]
    if np.diff(np.sort(place)).min() < 1.0:
        raise LobeError("Two points of the curve are next to each other or the curve turns back: move or remove one.")
    from scipy.interpolate import RBFInterpolator

    spline = RBFInterpolator(place[:, None], height, kernel="cubic", degree=1)
    box = _filled_box(grid, liver)
    distance = _signed_distance(grid, box, centre, normal)
    inside = mask_in(liver, box)
    u = _signed_distance(grid, box, centre, along)[inside]
    mesh = np.arange(u.min() - 1.0, u.max() + 1.5, 0.5)
    distance[inside] -= np.interp(u, mesh, spline(mesh[:, None]))
    return _halves(liver, box, distance)


def lobe_volumes(grid: Grid, lobes: Sequence[Segment]) -> tuple[LobeVolume, ...]:
    """Volume of each lobe and its fraction of all lobes together."""
    volumes = [volume_mL(grid, lobe) for lobe in lobes]
    total = sum(volumes)
    if not total:
        raise LobeError("The lobes are empty: split a liver that has voxels.")
    return tuple(LobeVolume(lobe.lobe, volume, volume / total) for lobe, volume in zip(lobes, volumes, strict=True))


def cantlie_plane(grid: Grid, gallbladder: Segment, vena_cava: Segment, liver: Segment) -> Plane:
    """The plane through the gallbladder fossa and the inferior vena cava, along the vena cava's course by the liver.

    J. Cantlie, Proc Anat Soc Great Britain Ireland 1897;32:iv: the line from the gallbladder's fossa to the vena cava
    parts the right from the left liver. The fossa is the part of the gallbladder within 5 mm of its point nearest to
    the liver; of the vena cava only the slices that the liver reaches count.

    Raises
    ------
    LobeError
        If the gallbladder is empty, the vena cava does not pass the liver, or all lie in one line.
    """
    if not gallbladder.voxel_count:
        raise LobeError(f"The gallbladder segment '{gallbladder.name}' is empty: place the plane by hand.")
    fossa = _points_ras(grid, gallbladder, _fossa_mask(grid, gallbladder, liver)).mean(axis=0)
    course = _points_ras(grid, vena_cava, vena_cava.mask)
    up = np.array([0.0, 0.0, 1.0])
    heights = _signed_distance(grid, _filled_box(grid, liver), np.zeros(3), up)[liver.cropped().mask]
    course = course[(course[:, 2] >= heights.min()) & (course[:, 2] <= heights.max())]
    if len(course) < 2:
        raise LobeError(f"The vena cava '{vena_cava.name}' does not pass by the liver: place the plane by hand.")
    middle = course.mean(axis=0)
    axis = _course_direction(course - middle)
    normal = np.cross(axis, fossa - middle)
    if np.linalg.norm(normal) < 5.0:  # mm between the fossa and the vena cava's line
        raise LobeError("Gallbladder fossa and vena cava lie in one line: place the plane by hand.")
    how = f"Cantlie plane through the fossa of '{gallbladder.name}' and along '{vena_cava.name}'"
    return Plane(middle, normal, how).to_the_right()


def _fossa_mask(grid: Grid, gallbladder: Segment, liver: Segment) -> np.ndarray:
    box = common_box(grid, [gallbladder], margin_mm=30.0)
    away = distance_mm(grid, mask_in(liver, box))
    inside = mask_in(gallbladder, box)
    nearest = float(away[inside].min())
    if not np.isfinite(nearest):
        raise LobeError(
            f"The gallbladder '{gallbladder.name}' is more than 30 mm from the liver: place the plane by hand."
        )
    fossa = segment_in("fossa", inside & (away <= nearest + 5.0), box)
    return mask_in(fossa, gallbladder.box)


def _course_direction(offsets: np.ndarray) -> np.ndarray:
    """Direction of a vessel, from the offsets (n, 3) of its voxels from its middle: x and y regressed on height.

    The foot-head axis if it spans less than 20 mm of height.
    """
    height = offsets[:, 2]
    if np.ptp(height) < 20.0:
        return np.array([0.0, 0.0, 1.0])
    slopes = offsets[:, :2].T @ height / (height @ height)
    direction = np.array([*slopes, 1.0])
    return np.asarray(direction / np.linalg.norm(direction))


def _points_ras(grid: Grid, segment: Segment, mask: np.ndarray) -> np.ndarray:
    return grid.to_ras((np.argwhere(mask) + segment.origin)[:, ::-1])


def _filled_box(grid: Grid, liver: Segment) -> BoundingBox:
    if not liver.voxel_count:
        raise LobeError(f"The liver segment '{liver.name}' is empty: draw it.")
    return common_box(grid, [liver])


def _signed_distance(grid: Grid, box: BoundingBox, origin_ras: np.ndarray, normal_ras: np.ndarray) -> np.ndarray:
    """Distance in mm of every voxel centre of ``block`` along the normal, float64 [k, j, i]."""
    k, j, i = (np.arange(part.start, part.stop, dtype=np.float64) for part in box)
    slope = normal_ras @ grid.ijk_to_ras[:3, :3]
    offset = normal_ras @ (grid.ijk_to_ras[:3, 3] - origin_ras)
    return np.asarray((slope[2] * k + offset)[:, None, None] + (slope[1] * j)[:, None] + slope[0] * i)


def _surface_heights(points: np.ndarray, axes: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Height of the surface over (u, v); points (n, 3) from their centre, axes as columns u, v, normal.

    The spline is evaluated on a mesh of 2 mm and interpolated in between: a surface as smooth as this one departs from
    that by hundredths of a millimetre, at a hundredth of the time.
    """
    flat = points @ axes
    apart = np.hypot(*(flat[:, None, :2] - flat[None, :, :2]).T) + np.diag(np.full(len(flat), np.inf))
    if apart.min() < 1.0:
        raise LobeError("Two points of the cut lie above each other or in one place: move or remove one of them.")
    if len(points) == 3:
        return lambda u, v: np.zeros_like(u)
    from scipy.interpolate import RBFInterpolator, RegularGridInterpolator

    spline = RBFInterpolator(flat[:, :2], flat[:, 2], kernel="thin_plate_spline")

    def heights(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        mesh = [np.arange(part.min() - 2.0, part.max() + 4.0, 2.0) for part in (u, v)]
        nodes = np.stack(np.meshgrid(*mesh, indexing="ij"), axis=-1)
        values = spline(nodes.reshape(-1, 2)).reshape(nodes.shape[:2])
        return np.asarray(RegularGridInterpolator(mesh, values)(np.column_stack([u, v])))

    return heights


def _halves(liver: Segment, box: BoundingBox, to_the_right_mm: np.ndarray) -> tuple[Segment, Segment]:
    inside = mask_in(liver, box)
    right = inside & (to_the_right_mm >= 0)
    left = inside & ~right
    for lobe, mask, sign in (("left", left, 1.0), ("right", right, -1.0)):
        if not mask.any():
            gap = float((sign * to_the_right_mm[inside]).min())
            raise LobeError(
                f"The cut misses the liver '{liver.name}' by {gap:.0f} mm, so the {lobe} lobe would be empty: "
                "move it into the liver."
            )
    return lobe_segment("left", left, box), lobe_segment("right", right, box)


def whole_liver_as(liver: Segment, lobe: str) -> Segment:
    """The whole liver as its one lobe, after a hemihepatectomy or where the user says so.

    ``lobe`` is "left", "right" or "caudate"; UNDIVIDED ("liver") stands for a liver that is not to be divided.

    Raises
    ------
    LobeError
        If the liver is empty, or there is no such lobe.
    """
    if not liver.voxel_count:
        raise LobeError(f"The liver segment '{liver.name}' is empty: draw it.")
    if lobe == UNDIVIDED:
        return liver.relabelled(name="undivided liver", role="lobe", lobe=UNDIVIDED, structure="liver")
    if lobe not in codes.LOBE_STRUCTURES:
        raise LobeError(f"The liver cannot be the lobe '{lobe}' alone: say {', '.join(codes.LOBE_STRUCTURES)} or none.")
    return lobe_segment(lobe, liver.mask, liver.box)


def lobe_segment(lobe: str, mask: np.ndarray, box: BoundingBox) -> Segment:
    """A labelled lobe from a mask [k, j, i] over ``box``."""
    item = codes.structure(codes.LOBE_STRUCTURES[lobe])
    return segment_in(item.name, mask, box, role="lobe", lobe=lobe, structure=item.key, color=item.color)
