"""Which found place is which sphere of a phantom: by size and by place, however the phantom is turned.

Every three spheres and every three places that are as far apart give a pose (least squares, Kabsch, Acta Cryst 1976;
A32:922-923, doi:10.1107/S0567739476001873); the pose that the CT speaks for most, all spheres together, is taken if no
other naming of the spheres comes near to it. Spheres that the CT does not show are placed by the others.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom

    from PRRTDosimetryLib.camera.sphere_search import Candidate

NEAR_mm = 4.0  # of a place to where a sphere should be
_RING_mm = (30.0, 90.0)  # where the ring's radius is not known
_OFF_mm = 1.2  # from its place, beyond which a sphere does not count for the pose
_LEAST_EVIDENCE = 30.0  # of all spheres together, in logs
_MARGIN = 8.0  # in logs, to the next best naming
_MOST_POSES = 400
_OTHERS = 4  # namings that are kept for a second look
_ROUNDS = 3  # of pose and of which places are near to it


@dataclass(frozen=True, eq=False)
class Pose:
    """From the phantom's frame to RAS: point = scale * rotation @ place + shift."""

    rotation: np.ndarray
    shift_mm: np.ndarray
    scale: float = 1.0

    def place(self, points: np.ndarray) -> np.ndarray:
        """RAS mm of points (..., 3) of the phantom's frame."""
        return np.asarray(self.scale * points @ self.rotation.T + self.shift_mm)

    @property
    def axis(self) -> np.ndarray:
        """Direction of the phantom's z in RAS."""
        return np.asarray(self.rotation[:, 2])


@dataclass(frozen=True)
class FoundSphere:
    """One sphere in the image.

    Attributes
    ----------
    name, diameter_mm : of the phantom.
    centre_mm : RAS.
    seen : whether its place was found itself; False if it follows from the others.
    score : correlation of the wall with the CT; nan where it was not seen there.
    measured_mm : inner diameter by the CT; nan where there is none.
    """

    name: str
    diameter_mm: float
    centre_mm: tuple[float, float, float]
    seen: bool
    score: float = math.nan
    measured_mm: float = math.nan

    @property
    def radius_mm(self) -> float:
        """Inner radius."""
        return self.diameter_mm / 2.0

    @property
    def volume_mL(self) -> float:
        """Inner volume by the phantom's diameter."""
        return math.pi / 6.0 * self.diameter_mm**3 / 1000.0


@dataclass(frozen=True, eq=False)
class Match:
    """All spheres of a phantom in the image.

    Attributes
    ----------
    spheres : in the order of the phantom.
    pose : of the phantom.
    evidence : log-likelihood that the image gives the naming, and ``margin`` that to the next best one.
    residual_mm : root mean square distance of the places that were seen from the phantom's.
    others : poses of the next best namings.
    """

    spheres: tuple[FoundSphere, ...]
    pose: Pose
    evidence: float
    margin: float
    residual_mm: float
    others: tuple[Pose, ...] = ()


def kabsch(places: np.ndarray, points: np.ndarray, free_scale: bool = False) -> Pose:
    """The proper rotation, shift and, if asked, scale that take ``places`` (n, 3) best to ``points`` (n, 3)."""
    a, b = places.mean(axis=0), points.mean(axis=0)
    u, s, vt = np.linalg.svd((points - b).T @ (places - a))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = float((s * np.diag(flip)).sum() / ((places - a) ** 2).sum()) if free_scale else 1.0
    return Pose(rotation, b - scale * rotation @ a, scale)


def match_spheres(phantom: CameraPhantom, candidates: Sequence[Sequence[Candidate]]) -> Match:
    """Name the spheres.

    Parameters
    ----------
    phantom : with the places of its spheres.
    candidates : for each sphere, the places that look like it.

    Raises
    ------
    CameraError
        If no three places fit the phantom.
    """
    ranked = sorted(
        (_judged(phantom, candidates, pose) for pose in _poses(phantom, candidates)), key=lambda one: -one[0]
    )
    if not ranked or ranked[0][0] < _LEAST_EVIDENCE or len(ranked[0][1]) < min(3, len(phantom.spheres)):
        raise CameraError(f"The spheres of the {phantom.title} were not found.")
    evidence, chosen, pose = ranked[0]
    for _ in range(_ROUNDS):
        pose = _refined(phantom, candidates, chosen, pose)
        evidence, chosen, pose = _judged(phantom, candidates, pose)
    here = pose.place(phantom.centres_mm)
    others = _other_namings(phantom, ranked, here)
    margin = evidence - (others[0][0] if others else 0.0)
    found = tuple(
        FoundSphere(
            sphere.name,
            sphere.diameter_mm,
            _point(here[n]),
            n in chosen,
            candidates[n][chosen[n]].score if n in chosen else math.nan,
        )
        for n, sphere in enumerate(phantom.spheres)
    )
    apart = [math.dist(here[n], candidates[n][c].centre_mm) for n, c in chosen.items()]
    residual = math.sqrt(float(np.mean(np.square(apart)))) if apart else math.nan
    return Match(found, pose, evidence, margin, residual, tuple(one for _, one in others))


def require_decided(match: Match, phantom: CameraPhantom) -> Match:
    """The same match.

    Raises
    ------
    CameraError
        If another way to name the spheres fits nearly as well.
    """
    if match.margin < _MARGIN:
        raise CameraError(
            f"It cannot be decided which sphere of the {phantom.title} is which: two ways to name them fit alike. "
            "Scan it with thinner slices."
        )
    return match


def _other_namings(
    phantom: CameraPhantom, ranked: Sequence[tuple[float, dict[int, int], Pose]], here: np.ndarray
) -> list[tuple[float, Pose]]:
    """The next best poses that put some sphere elsewhere, each elsewhere than the others too."""
    found: list[tuple[float, Pose]] = []
    seen = [here]
    for worth, _, pose in ranked:
        there = pose.place(phantom.centres_mm)
        if all(_other_naming(one, there) for one in seen):
            found.append((worth, pose))
            seen.append(there)
        if len(found) == _OTHERS:
            break
    return found


def with_pose(
    match: Match, phantom: CameraPhantom, pose: Pose, evidence: float, margin: float, scores: np.ndarray
) -> Match:
    """The same spheres at a better pose, with the correlation (n,) of each one's wall."""
    centres = pose.place(phantom.centres_mm)
    spheres = tuple(
        replace(one, centre_mm=_point(centre), score=float(score))
        for one, centre, score in zip(match.spheres, centres, scores, strict=True)
    )
    return replace(match, spheres=spheres, pose=pose, evidence=evidence, margin=margin)


def with_sizes(match: Match, sizes: Sequence[tuple[float, float]]) -> Match:
    """The same with each sphere's diameter by the CT and the correlation of its wall."""
    spheres = tuple(
        replace(one, measured_mm=size, score=score) for one, (size, score) in zip(match.spheres, sizes, strict=True)
    )
    return replace(match, spheres=spheres)


def _point(ras: np.ndarray) -> tuple[float, float, float]:
    return float(ras[0]), float(ras[1]), float(ras[2])


def _other_naming(here: np.ndarray, there: np.ndarray) -> bool:
    """Whether two poses put some sphere at different places."""
    return bool((np.linalg.norm(here - there, axis=1) > 2 * NEAR_mm).any())


def _poses(phantom: CameraPhantom, candidates: Sequence[Sequence[Candidate]]) -> list[Pose]:
    """Poses from three spheres and three places that are as far apart as these, the best spoken for first."""
    places = phantom.centres_mm
    points = [np.array([one.centre_mm for one in some]).reshape(-1, 3) for some in candidates]
    evidence = [np.array([one.evidence for one in some]) for some in candidates]
    found: list[tuple[float, Pose]] = []
    for triple in itertools.combinations(range(len(places)), 3):
        if min(len(points[n]) for n in triple) == 0:
            continue
        wanted = [float(np.linalg.norm(places[a] - places[b])) for a, b in itertools.combinations(triple, 2)]
        if max(wanted) > sum(wanted) - max(wanted) - 1.0:
            continue  # in one line
        for chosen in _fitting(phantom, [points[n] for n in triple], wanted):
            pose = kabsch(
                places[list(triple)],
                np.array([points[n][c] for n, c in zip(triple, chosen, strict=True)]),
                not phantom.ring_known,
            )
            worth = float(sum(evidence[n][c] for n, c in zip(triple, chosen, strict=True)))
            found.append((worth, pose))
    found.sort(key=lambda one: -one[0])
    return [pose for _, pose in found[:_MOST_POSES]]


def pose_fits(phantom: CameraPhantom, points: np.ndarray) -> list[Pose]:
    """Every pose by which three spheres are at three of the points (n, 3), whichever they are."""
    places = phantom.centres_mm
    found = []
    for triple in list(itertools.combinations(range(len(places)), 3))[-4:]:  # of the larger spheres
        wanted = [float(np.linalg.norm(places[a] - places[b])) for a, b in itertools.combinations(triple, 2)]
        if max(wanted) > sum(wanted) - max(wanted) - 1.0:
            continue
        for chosen in _fitting(phantom, [points] * 3, wanted):
            if len(set(chosen)) == 3:
                found.append(kabsch(places[list(triple)], points[chosen], not phantom.ring_known))
    return found


def _fitting(phantom: CameraPhantom, points: list[np.ndarray], wanted: list[float]) -> np.ndarray:
    """Index triples of places whose distances are those wanted, or in their proportion."""
    first = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)[:, :, None]
    second = np.linalg.norm(points[0][:, None] - points[2][None], axis=-1)[:, None, :]
    third = np.linalg.norm(points[1][:, None] - points[2][None], axis=-1)[None, :, :]
    scale: np.ndarray | float = 1.0
    fits: np.ndarray = np.ones(np.broadcast_shapes(first.shape, second.shape, third.shape), dtype=bool)
    if not phantom.ring_known:
        scale = (first + second + third) / sum(wanted)
        ring = float(np.linalg.norm(phantom.centres_mm[0]))
        fits &= (scale * ring > _RING_mm[0]) & (scale * ring < _RING_mm[1])
    for apart, distance in zip((first, second, third), wanted, strict=True):
        fits = fits & (np.abs(apart - scale * distance) < NEAR_mm)
    return np.argwhere(fits)


def _judged(
    phantom: CameraPhantom, candidates: Sequence[Sequence[Candidate]], pose: Pose
) -> tuple[float, dict[int, int], Pose]:
    """Evidence of all spheres for a pose, and which candidate is at each sphere's place."""
    chosen: dict[int, int] = {}
    total = 0.0
    for n, place in enumerate(pose.place(phantom.centres_mm)):
        near = [(one.evidence, c) for c, one in enumerate(candidates[n]) if math.dist(one.centre_mm, place) <= NEAR_mm]
        if near:
            worth, chosen[n] = max(near)
            total += worth
    return total, chosen, pose


def _refined(
    phantom: CameraPhantom, candidates: Sequence[Sequence[Candidate]], chosen: dict[int, int], pose: Pose
) -> Pose:
    """The pose by all spheres that were seen, without one that is off its place, as a bubble makes it seem."""
    if len(chosen) < 3:
        return pose
    used = list(chosen)
    while True:
        places = phantom.centres_mm[used]
        points = np.array([candidates[n][chosen[n]].centre_mm for n in used])
        pose = kabsch(places, points, not phantom.ring_known)
        apart = np.linalg.norm(pose.place(places) - points, axis=1)
        worst = int(np.argmax(apart))
        if len(used) <= 4 or apart[worst] < _OFF_mm or apart[worst] < 2.0 * float(np.median(apart)):
            return pose
        used.pop(worst)
