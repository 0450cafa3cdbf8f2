"""A phantom's pose fitted to the walls of all its spheres at once, on the CT's own voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from PRRTDosimetryLib.camera.sphere_match import Pose
from PRRTDosimetryLib.camera.sphere_search import evidence_of, neighbourhood, wall_score

if TYPE_CHECKING:
    from collections.abc import Collection

    from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom
    from PRRTUptakeLib.imaging.volume import Volume

    from PRRTDosimetryLib.camera.sphere_search import Neighbourhood

_REACH_mm = 5.0  # by which a sphere may move
_ARM_mm = 60.0  # turns a rotation into a length
_STEP_mm = 1.2
_MOST_STEPS = 260


def refined_pose(
    ct: Volume, phantom: CameraPhantom, pose: Pose, left_out: Collection[int] = ()
) -> tuple[Pose, float, np.ndarray]:
    """The pose near a first one at which the walls fit best.

    Parameters
    ----------
    ct : HU.
    phantom, pose : what is there, and about where.
    left_out : numbers of spheres whose walls do not show, such as those with air.

    Returns
    -------
    The pose, the log-likelihood of all spheres that count, and the correlation of each sphere's wall, (n,).
    """
    places = phantom.centres_mm
    used = [n for n in range(len(places)) if n not in left_out]
    around = [
        neighbourhood(ct, centre, sphere.diameter_mm / 2.0 + phantom.wall_mm + 3.0 + _REACH_mm)
        for centre, sphere in zip(pose.place(places), phantom.spheres, strict=True)
    ]

    def moved(p: np.ndarray) -> Pose:
        turn = Rotation.from_rotvec(p[:3] / _ARM_mm).as_matrix()
        middle = pose.place(places).mean(axis=0)
        scale = float(np.exp(p[6] / _ARM_mm)) if p.size > 6 else 1.0
        shift = scale * turn @ (pose.shift_mm - middle) + middle + p[3:6]
        return Pose(turn @ pose.rotation, shift, scale * pose.scale)

    def loss(p: np.ndarray) -> float:
        return -_evidence(phantom, moved(p).place(places), around, used)[0]

    start = np.zeros(6 if phantom.ring_known else 7)
    simplex = np.vstack([start, _STEP_mm * np.eye(start.size)])
    found = minimize(
        loss,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": _MOST_STEPS, "xatol": 0.05, "fatol": 0.2},
    )
    best = moved(found.x)
    total, _ = _evidence(phantom, best.place(places), around, used)
    _, scores = _evidence(phantom, best.place(places), around, range(len(places)))
    return best, total, scores


def _evidence(
    phantom: CameraPhantom, centres: np.ndarray, around: list[Neighbourhood], used: Collection[int]
) -> tuple[float, np.ndarray]:
    scores = np.zeros(len(centres))
    total = 0.0
    for n in used:
        score, voxels = wall_score(around[n], centres[n], phantom.spheres[n].diameter_mm, phantom.wall_mm)
        scores[n] = score
        total += evidence_of(score, voxels)
    return total, scores
