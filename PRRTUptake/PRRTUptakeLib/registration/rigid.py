"""Rigid registration of CT to CT, or MRI to CT: where the anatomy of one image is in another.

Mutual information (Mattes et al., IEEE Trans Med Imaging 2003;22:120, doi:10.1109/TMI.2003.809072) from coarse to fine:
the body first, from many starts, then, if a liver is given, the liver alone, because it moves with breathing while the
spine does not. Images are compared at about 3 mm; that finds the pose to a tenth of it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.imaging.itk_images import affine_to_itk
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.registration.engine import FINE_mm, Livers, MIDDLE_mm, Pair, RegistrationOptions, Window
from PRRTUptakeLib.registration.preprocessing import (
    BODY_WINDOW_HU,
    LIVER_WINDOW_HU,
    check_overlap,
    check_pair,
    dilated,
    mask_points,
)
from PRRTUptakeLib.registration.quality import (
    centroid_distance_mm,
    cut_off_warnings,
    mask_overlap,
    metric_warnings,
    quality_warnings,
)
from PRRTUptakeLib.registration.result import Registration, RegistrationQuality

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

_BREATHING_mm = 10.0  # how far the liver may have moved against the rest of the body


def rigid_registration(
    fixed: Volume,
    moving: Volume,
    *,
    fixed_liver: np.ndarray | None = None,
    moving_liver: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    options: RegistrationOptions | None = None,
    progress: Progress = no_progress,
) -> Registration:
    """Find the rigid pose of the patient in ``moving`` as against ``fixed``.

    Parameters
    ----------
    fixed : CT or MRI on which the contours were drawn; values of quantity "attenuation" are taken as HU.
    moving : CT or MRI of another visit.
    fixed_liver : bool [k, j, i] on the fixed grid; the last steps then look at the liver only.
    moving_liver : bool [k, j, i] on the moving grid, for the assessment only.
    initial : 4x4 RAS, fixed to moving, to start from; by default several starts are tried.
    options : see ``RegistrationOptions``.
    progress : called at every step with the progress; what it raises, such as `Cancelled`, ends the registration.

    Raises
    ------
    RegistrationError
        For images of different patients (unless forced), without geometry or overlap, an empty mask, or a registration
        that diverged.
    """
    options = options or RegistrationOptions()
    notes = check_pair(fixed, moving, options.force)
    livers = Livers.of(fixed.grid, fixed_liver, moving.grid, moving_liver)
    if not options.align_centres:
        check_overlap(fixed.grid, moving.grid, np.eye(4) if initial is None else initial)
    progress(0.0, "Preparing the images")
    pair = Pair.of(fixed, moving)
    begin = np.eye(4) if initial is None else np.asarray(initial, dtype=np.float64)
    start, doubts = pair.best_start(initial, options, sub_progress(progress, 0.1, 0.5))
    pose = pair.refined(start, pair.fixed_body, MIDDLE_mm, BODY_WINDOW_HU, options, sub_progress(progress, 0.5, 0.6))
    region, window = region_of_interest(pair, livers, options.liver_margin_mm)
    if livers.fixed is not None:
        around, step = dilated(livers.fixed, _BREATHING_mm), sub_progress(progress, 0.6, 0.7)
        pose = pair.refined(pose, around, MIDDLE_mm, BODY_WINDOW_HU, options, step)
    pose = pair.refined(pose, region, FINE_mm, window, options, sub_progress(progress, 0.7, 0.9))
    progress(0.9, "Assessing the registration")
    before, after = pair.checked_metrics((begin, start, pose), region, window, options)
    found = Registration("rigid", pose, provenance={"method": "mutual information", **asdict(options)})
    quality = assess(pair, livers, Registration("given", begin), found)
    warnings = (
        *notes,
        *doubts,
        *quality.warnings,
        *metric_warnings(after, livers.fixed is not None, quality.liver_overlap),
    )
    return found.with_quality(replace(quality, metric_before=before, metric_after=after, warnings=warnings))


def assess_registration(
    fixed: Volume,
    moving: Volume,
    registration: Registration,
    *,
    fixed_liver: np.ndarray | None = None,
    moving_liver: np.ndarray | None = None,
    force: bool = False,
) -> Registration:
    """The registration with its quality: for one from another tool, or one that was changed by hand.

    Parameters and errors as in ``rigid_registration``; the livers are masks [k, j, i] of the images' shapes.
    """
    notes = check_pair(fixed, moving, force)
    livers = Livers.of(fixed.grid, fixed_liver, moving.grid, moving_liver)
    pair = Pair.of(fixed, moving)
    region, window = region_of_interest(pair, livers, RegistrationOptions().liver_margin_mm)
    before, after = (
        pair.metric(transform, region, window) for transform in (affine_to_itk(np.eye(4)), registration.to_itk())
    )
    quality = assess(pair, livers, Registration("identity", np.eye(4)), registration)
    warnings = (*notes, *quality.warnings, *metric_warnings(after, livers.fixed is not None, quality.liver_overlap))
    return registration.with_quality(replace(quality, metric_before=before, metric_after=after, warnings=warnings))


def region_of_interest(pair: Pair, livers: Livers, margin_mm: float) -> tuple[sitk.Image, Window]:
    """Mask and window of the last step: the liver and a little around it if given, else the body."""
    if livers.fixed is None:
        return pair.fixed_body, BODY_WINDOW_HU
    return dilated(livers.fixed, margin_mm), LIVER_WINDOW_HU


def assess(pair: Pair, livers: Livers, before: Registration, after: Registration) -> RegistrationQuality:
    """Overlaps of bodies and livers before and after, and the offset of the livers."""
    bodies = [mask_overlap(pair.fixed_body, pair.moving_body, one.to_itk()) for one in (before, after)]
    overlaps, offset, shown = [math.nan, math.nan], math.nan, 1.0
    if livers.fixed is not None:
        shown = pair.inside(after.map_points(mask_points(dilated(livers.fixed, 0.0))))
    if livers.fixed is not None and livers.moving is not None:
        masks = [sitk.Cast(image >= 0.5, sitk.sitkUInt8) for image in (livers.fixed, livers.moving)]
        overlaps = [mask_overlap(masks[0], masks[1], one.to_itk()) for one in (before, after)]
        offset = centroid_distance_mm(livers.fixed, livers.moving, after)
    return RegistrationQuality(
        body_overlap_before=bodies[0],
        body_overlap=bodies[1],
        liver_overlap_before=overlaps[0],
        liver_overlap=overlaps[1],
        liver_offset_mm=offset,
        warnings=(*quality_warnings(bodies[1], offset, overlaps[1]), *cut_off_warnings(shown)),
    )
