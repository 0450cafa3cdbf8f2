"""One scan of a phantom measured: its spheres found and named, calibration, resolution, recovery, image quality."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.camera_phantoms import camera_phantom, phantom_names
from scipy import ndimage

from PRRTDosimetryLib.camera.blur_match import (
    UNFILLED,
    BlurMatch,
    SphereImage,
    background_part,
    match_blur,
    shared_voxels,
    wet_mask,
)
from PRRTDosimetryLib.camera.body import Body, beyond, find_body
from PRRTDosimetryLib.camera.calibration import SPHERES, UNIFORM, WHOLE, CalibrationFactor, Way, combined
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.image_search import match_on_image
from PRRTDosimetryLib.camera.pose_refinement import refined_pose
from PRRTDosimetryLib.camera.recovery import Filling, SphereRecovery, image_quality, recoveries
from PRRTDosimetryLib.camera.sphere_match import (
    FoundSphere,
    Match,
    Pose,
    match_spheres,
    require_decided,
    with_pose,
    with_sizes,
)
from PRRTDosimetryLib.camera.sphere_search import neighbourhood, sphere_candidates, wall_diameter_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom
    from PRRTUptakeLib.imaging.volume import Volume

_SPILL_mm = 45.0  # around the phantom, within which its counts are
_EDGE_mm = 25.0  # of a uniform part to anything else, more than twice the resolution
_WRONG_mm = 1.6  # between the diameter by the CT and the phantom's, for spheres from ``_SIZED_mm``
_SIZED_mm = 14.0
_WITHOUT_CT_U = 0.04  # of the resolution: walls, insert and ends of the phantom are not seen; an assumption
_CLEAR = 40.0  # margin to the next naming, in logs, from which there is no doubt
LEAST_WALL = 0.15  # correlation of the CT with a sphere's wall, from which it shows
_BUBBLE = 0.01  # part of a sphere that is air, from which it does not count
_UNEVEN = 0.25  # of the mean, by which places of a uniform phantom may differ


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What was filled, at the moment for which the image holds.

    Attributes
    ----------
    background, sphere : MBq/mL; 0 for none.
    total_MBq : all activity in the phantom; nan where it is not known.
    u_volume : relative standard uncertainty of a volume of solution.
    """

    background: float = 0.0
    sphere: float = 0.0
    total_MBq: float = math.nan
    u_volume: float = 0.005


@dataclass(frozen=True, eq=False)
class PhantomScan:
    """A scan's images.

    Attributes
    ----------
    name : for messages.
    phantom : what was scanned.
    image : MBq/mL for a calibration factor of 1.
    ct : None if there is none.
    filled : at ``image``'s moment.
    """

    name: str
    phantom: CameraPhantom
    image: Volume
    ct: Volume | None
    filled: Filled


@dataclass(frozen=True, eq=False)
class ScanResult:
    """What one scan gives.

    Attributes
    ----------
    scan : its images.
    match, blur : spheres and resolution; None for a phantom without spheres.
    ways : to the calibration factor.
    spheres : recovery of each, once the calibration is known; see `with_recovery`.
    notes : by sphere, the part of its volume that is filled, whether it counts for the curve, and why not.
    warnings : sentences.
    body : the phantom on its CT; None without one.
    """

    scan: PhantomScan
    match: Match | None
    blur: BlurMatch | None
    ways: tuple[Way, ...]
    notes: dict[str, tuple[float, bool, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    body: Body | None = None


def measure_scan(scan: PhantomScan) -> ScanResult:
    """Find the spheres, and all that does not need the calibration of other scans.

    Raises
    ------
    CameraError
        If spheres are not found or cut off, the phantom is another, or the image shows no activity.
    """
    body = find_body(scan.ct) if scan.ct is not None else None
    warnings: list[str] = []
    if body is None:
        warnings.append(
            f"{scan.name}: there is no CT; spheres were found on the emission image, and bubbles, walls and the "
            "phantom's size were not looked at."
        )
    if not scan.phantom.spheres:
        return _uniform_scan(scan, body, warnings)
    match = find_spheres(scan, body)
    _complete(scan, match)
    notes = _air(scan, match)
    background = None
    if scan.filled.background > 0 and body is not None:
        background = background_part(body, scan.image.grid, scan.phantom.body_wall_mm, match.spheres)
    elif scan.filled.background > 0:
        background = np.ones(scan.image.grid.shape, dtype=np.float32)
    scene = SphereImage(scan.image, match.spheres, scan.phantom.wall_mm, background)
    blur = match_blur(scene, [name for name, note in notes.items() if not note[1]])
    if body is None:
        blur = replace(blur, u_fwhm_mm=math.hypot(blur.u_fwhm_mm, _WITHOUT_CT_U * blur.fwhm_mm))
    notes |= _unfilled(blur)
    warnings += [f"{scan.name}: {note[2]}" for note in notes.values()]
    shift = float(np.linalg.norm(blur.shift_mm))
    if body is not None and shift > 0.5 * min(scan.image.grid.spacing_mm):
        warnings.append(
            f"{scan.name}: emission image and CT are {shift:.1f} mm apart; spheres were measured where the emission "
            "image has them, but contours of patients will be off by as much."
        )
    ways, remarks = _ways(scan, body, match, blur)
    return ScanResult(scan, match, blur, ways, notes, (*warnings, *remarks), body)


def find_spheres(scan: PhantomScan, body: Body | None) -> Match:
    """The spheres on the CT, or on the image where there is none.

    Raises
    ------
    CameraError
        If they are not found, naming the phantom that the CT shows instead, if it is a known one.
    """
    phantom = scan.phantom
    if body is None or scan.ct is None:
        return _on_image(scan)
    try:
        match = match_on_ct(scan.ct, body, phantom)
        wrong = _wrong_sizes(match)
        if not wrong:
            return match
        reason = f"{', '.join(wrong)}"
    except CameraError as error:
        reason = str(error).rstrip(".")
    other = _another_phantom(scan.ct, body, phantom)
    if other:
        raise CameraError(
            f"{scan.name}: the phantom is stated as {phantom.title}, but the CT shows the {other} ({reason}): correct "
            "'phantom', or the folder."
        )
    raise CameraError(
        f"{scan.name}: the CT does not show the {phantom.title} ({reason}): check 'phantom', that the CT holds all "
        "spheres, and that its slices are 5 mm or thinner."
    )


def _on_image(scan: PhantomScan) -> Match:
    try:
        return match_on_image(scan.image, scan.phantom)
    except CameraError as error:
        raise CameraError(f"{scan.name}: {error}") from error


def match_on_ct(ct: Volume, body: Body, phantom: CameraPhantom) -> Match:
    """The spheres of one phantom on a CT, each with its diameter there.

    Raises
    ------
    CameraError
        If they are not there.
    """
    candidates = sphere_candidates(body, [one.diameter_mm for one in phantom.spheres], phantom.wall_mm)
    match = match_spheres(phantom, candidates)
    looks = [_second_look(ct, phantom, pose) for pose in (match.pose, *match.others)[: 1 if _plain(match) else None]]
    order = sorted(range(len(looks)), key=lambda n: -looks[n][1])
    pose, evidence, scores = looks[order[0]]
    margin = evidence - looks[order[1]][1] if len(looks) > 1 else match.margin
    airy = _airy(ct, phantom, pose)
    shown = sum(score >= LEAST_WALL for score in scores)
    if shown < min(3, len(phantom.spheres)) or shown < len(phantom.spheres) / 2 - len(airy):
        raise CameraError(
            f"only {shown} of the {len(scores)} spheres of the {phantom.title} show a wall at their place."
        )
    match = require_decided(with_pose(match, phantom, pose, evidence, margin, scores), phantom)
    sizes = [
        wall_diameter_mm(ct, np.array(one.centre_mm), one.diameter_mm, phantom.wall_mm)
        if not beyond(ct.grid, np.array(one.centre_mm), one.radius_mm)
        else (math.nan, math.nan)
        for one in match.spheres
    ]
    return with_sizes(match, sizes)


def _plain(match: Match) -> bool:
    """Whether all spheres were seen and no other naming comes near, so that one look is enough."""
    return match.margin > _CLEAR and sum(one.seen for one in match.spheres) >= len(match.spheres) - 1


def _second_look(ct: Volume, phantom: CameraPhantom, pose: Pose) -> tuple[Pose, float, np.ndarray]:
    return refined_pose(ct, phantom, pose, _airy(ct, phantom, pose))


def _airy(ct: Volume, phantom: CameraPhantom, pose: Pose) -> set[int]:
    """Numbers of spheres with air, which hides a part of their walls."""
    centres = pose.place(phantom.centres_mm)
    return {
        n
        for n, (centre, one) in enumerate(zip(centres, phantom.spheres, strict=True))
        if _air_in(ct, centre, one.diameter_mm / 2.0) > _BUBBLE
    }


def _wrong_sizes(match: Match) -> list[str]:
    """Spheres whose diameter on the CT is another; one alone may be a bubble."""
    wrong = [
        f"{one.name} measures {one.measured_mm:.1f} mm"
        for one in match.spheres
        if one.seen and one.diameter_mm >= _SIZED_mm and abs(one.measured_mm - one.diameter_mm) > _WRONG_mm
    ]
    seen = sum(one.seen for one in match.spheres)
    return wrong if len(wrong) > 1 or seen < min(3, len(match.spheres)) else []


def _another_phantom(ct: Volume, body: Body, stated: CameraPhantom) -> str:
    """Title of another known phantom that the CT shows, "" if none."""
    for name in phantom_names():
        other = camera_phantom(name)
        if name == stated.name or not other.spheres:
            continue
        try:
            match = match_on_ct(ct, body, other)
        except CameraError:
            continue
        if not _wrong_sizes(match):
            return other.title
    return ""


def _complete(scan: PhantomScan, match: Match) -> None:
    for sphere in match.spheres:
        centre = np.array(sphere.centre_mm)
        reach = sphere.radius_mm + max(scan.image.grid.spacing_mm)
        if beyond(scan.image.grid, centre, reach) or (
            scan.ct is not None and beyond(scan.ct.grid, centre, sphere.radius_mm)
        ):
            raise CameraError(
                f"{scan.name}: the sphere of {sphere.name} is cut off by the end of the image: scan the phantom with "
                "all spheres in the field of view."
            )


def _air(scan: PhantomScan, match: Match) -> dict[str, tuple[float, bool, str]]:
    """Spheres with air in them, by the CT."""
    found: dict[str, tuple[float, bool, str]] = {}
    if scan.ct is None:
        return found
    for sphere in match.spheres:
        share = _air_in(scan.ct, sphere.centre_mm, sphere.radius_mm)
        if share > _BUBBLE:
            found[sphere.name] = (
                1.0 - share,
                False,
                f"the sphere of {sphere.name} holds air, about {100 * share:.0f} % of its volume: it is left out of "
                "the curve; fill it up.",
            )
    return found


def _air_in(ct: Volume, centre_mm: Sequence[float] | np.ndarray, radius_mm: float) -> float:
    return air_share(neighbourhood(ct, centre_mm, radius_mm, (-1000.0, 0.0)).values)


def air_share(values_HU: np.ndarray) -> float:
    """Part of a volume of water that is air, from its CT values (n,); what is above -150 HU is water with noise.

    Examples
    --------
    >>> air_share(np.array([0.0, 10.0, -500.0, -20.0]))
    0.125
    """
    if not values_HU.size:
        return 0.0
    return float(np.where(values_HU < -150.0, np.clip(-values_HU / 1000.0, 0.0, 1.0), 0.0).mean())


def _unfilled(blur: BlurMatch) -> dict[str, tuple[float, bool, str]]:
    return {
        name: (
            1.0,
            False,
            f"the sphere of {name} is not filled as the others: it holds {100 * max(contrast, 0.0):.0f} % of their "
            "contrast; it is left out.",
        )
        for name, contrast in blur.contrasts.items()
        if contrast <= UNFILLED
    }


def _ways(
    scan: PhantomScan, body: Body | None, match: Match, blur: BlurMatch
) -> tuple[tuple[Way, ...], tuple[str, ...]]:
    filled, ways, notes = scan.filled, [], []
    whole, reason = _whole(scan, body, match)
    if whole is not None:
        ways.append(whole)
    elif reason:
        notes.append(f"{scan.name}: {reason}")
    if filled.background > 0 and body is not None:
        uniform = _uniform(scan, body, match.spheres)
        if uniform is not None:
            ways.append(uniform)
    if filled.sphere > 0:
        own = math.hypot(blur.u_level / blur.level, filled.u_volume)
        ways.append(Way(f"{scan.name}: {SPHERES}", blur.level / filled.sphere, own))
    return tuple(ways), tuple(notes)


def _whole(scan: PhantomScan, body: Body | None, match: Match | None) -> tuple[Way | None, str]:
    """By all counts, if the total is known and the image holds the phantom; else the reason why not."""
    if math.isnan(scan.filled.total_MBq):
        return None, ""
    grid = scan.image.grid
    cut: tuple[slice, ...] = tuple(slice(0, n) for n in grid.shape)
    if body is not None:
        corners = body.grid.to_ras(np.argwhere(body.mask)[:, ::-1])
        ijk = grid.to_ijk(corners)
        low, high = ijk.min(axis=0), ijk.max(axis=0)
        size = np.array(grid.shape[::-1])
        if (low < -0.5).any() or (high > size - 0.5).any():
            return None, "the image does not hold the whole phantom, so that its counts as a whole give no calibration."
        reach = _SPILL_mm / np.array(grid.spacing_mm)
        first = np.maximum(np.floor(low - reach).astype(int), 0)[::-1]
        last = np.minimum(np.ceil(high + reach).astype(int) + 1, size)[::-1]
        cut = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    held = float(scan.image.array[cut].sum(dtype=np.float64)) * grid.voxel_volume_mL
    return Way(f"{scan.name}: {WHOLE}", float(held / scan.filled.total_MBq), scan.filled.u_volume), ""


def depth_mm(body: Body, wall_mm: float, spheres: Sequence[FoundSphere]) -> np.ndarray:
    """Distance of every place in the solution from walls, air and spheres, mm, float32 [k, j, i] on the body's grid."""
    wet = wet_mask(body, wall_mm)
    for sphere in spheres:
        _carve(wet, body, sphere.centre_mm, sphere.radius_mm + 2.0)
    return np.asarray(ndimage.distance_transform_edt(wet) * body.grid.spacing_mm[0], dtype=np.float32)


def _carve(wet: np.ndarray, body: Body, centre_mm: Sequence[float], radius_mm: float) -> None:
    middle = body.grid.to_ijk(np.array(centre_mm))[::-1]
    reach = radius_mm / body.grid.spacing_mm[0]
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, wet.shape)
    cut = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    index = np.array(np.mgrid[cut]) - middle.reshape(3, 1, 1, 1)
    wet[cut] &= np.sqrt((index**2).sum(axis=0)) > reach


def _uniform(scan: PhantomScan, body: Body, spheres: Sequence[FoundSphere]) -> Way | None:
    """By the mean of what is far from everything."""
    values, _ = uniform_values(scan, body, spheres)
    if values.size < 30:
        return None
    spread = float(values.std(ddof=1)) / math.sqrt(values.size) * math.sqrt(shared_voxels(scan.image.grid.spacing_mm))
    mean = float(values.mean())
    own = math.hypot(spread / mean if mean > 0 else 0.0, scan.filled.u_volume)
    return Way(f"{scan.name}: {UNIFORM}", float(mean / scan.filled.background), own)


def uniform_values(scan: PhantomScan, body: Body, spheres: Sequence[FoundSphere] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Values (n,) of the voxels ``_EDGE_mm`` or more away from walls, air and spheres, and RAS (n, 3) of each."""
    depth = depth_mm(body, scan.phantom.body_wall_mm, spheres)
    places = np.argwhere(depth > _EDGE_mm)
    if not places.size:
        return np.zeros(0), np.zeros((0, 3))
    grid = scan.image.grid
    ijk = grid.to_ijk(body.grid.to_ras(places[:, ::-1]))
    low = np.maximum(np.floor(ijk.min(axis=0)).astype(int), 0)[::-1]
    high = np.minimum(np.ceil(ijk.max(axis=0)).astype(int)[::-1] + 1, grid.shape)
    cut = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    k, j, i = (one.astype(np.float64) for one in np.mgrid[cut])
    ras = grid.to_ras(np.stack([i, j, k], axis=-1)).reshape(-1, 3)
    inside = ndimage.map_coordinates(depth, body.grid.to_ijk(ras).T[::-1], order=1, mode="constant") > _EDGE_mm
    return scan.image.array[cut].reshape(-1)[inside].astype(np.float64), ras[inside]


def _uniform_scan(scan: PhantomScan, body: Body | None, warnings: list[str]) -> ScanResult:
    if body is None:
        whole, reason = _whole(scan, None, None)
        notes = (f"{scan.name}: {reason}",) if reason else ()
        return ScanResult(scan, None, None, (whole,) if whole else (), {}, (*warnings, *notes))
    _is_uniform(scan, body)
    ways, notes_list = [], []
    whole, reason = _whole(scan, body, None)
    if whole is not None:
        ways.append(whole)
    elif reason:
        notes_list.append(f"{scan.name}: {reason}")
    if scan.filled.background > 0:
        uniform = _uniform(scan, body, ())
        if uniform is not None:
            ways.append(uniform)
    return ScanResult(scan, None, None, tuple(ways), {}, (*warnings, *notes_list), body)


def _is_uniform(scan: PhantomScan, body: Body) -> None:
    """Refuse a phantom with hot or cold places where a uniform one is stated."""
    smooth = ndimage.gaussian_filter(scan.image.array, 6.0 / np.array(scan.image.grid.spacing_mm[::-1]))
    blurred = PhantomScan(scan.name, scan.phantom, scan.image.with_values(smooth), scan.ct, scan.filled)
    values, _ = uniform_values(blurred, body)
    if values.size < 30:
        raise CameraError(f"{scan.name}: the phantom has no part that is 25 mm from its walls: it is too small.")
    mean = float(np.median(values))
    if mean <= 0:
        raise CameraError(f"{scan.name}: the image shows no activity in the phantom: check which image was given.")
    low, high = (float(one) for one in np.quantile(values, (0.001, 0.999)))
    if low < (1 - _UNEVEN) * mean or high > (1 + _UNEVEN) * mean:
        other = _another_phantom(scan.ct, body, scan.phantom) if scan.ct is not None else ""
        shown = f"the CT shows the {other}" if other else "its spheres, bubbles or mixing show"
        raise CameraError(
            f"{scan.name}: the phantom is stated as uniform, but the image goes from {low / mean:.2f} to "
            f"{high / mean:.2f} of its median within it ({shown}): correct 'phantom', or mix it."
        )


def with_recovery(result: ScanResult, calibration: CalibrationFactor) -> tuple[SphereRecovery, ...]:
    """Recovery and image quality of a scan's spheres, by the calibration of all scans; none without spheres."""
    scan, match, blur = result.scan, result.match, result.blur
    if match is None or blur is None or scan.filled.sphere <= 0:
        return ()
    filling = Filling(
        sphere=scan.filled.sphere,
        background=scan.filled.background,
        factor=calibration.factor,
        image_background=blur.background / calibration.factor,
        noise=blur.residual * blur.level / calibration.factor,
        shared_voxels=shared_voxels(scan.image.grid.spacing_mm, blur.fwhm_mm),
    )
    found = recoveries(scan.image, match.spheres, blur.shift_mm, filling, result.notes)
    if result.body is None or scan.filled.background <= 0:
        return found
    depth = depth_mm(result.body, scan.phantom.body_wall_mm, match.spheres)
    ratio = scan.filled.sphere / scan.filled.background
    return image_quality(scan.image, match, blur.shift_mm, depth, result.body.grid, found, ratio)


def factor_of(results: Sequence[ScanResult], u_activity: float, u_time: float) -> CalibrationFactor:
    """The calibration factor by all scans together."""
    return combined([way for one in results for way in one.ways], u_activity, u_time)
