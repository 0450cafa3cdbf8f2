"""Rigid registration of CT to CT, or MRI to CT: where the anatomy of one image lies in another.

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

from PRRTUptakeLib.imaging.itk_images import affine_to_itk, itk_image, shrunk
from PRRTUptakeLib.imaging.registration_engine import FINE_mm, MIDDLE_mm, Pair, RegistrationOptions
from PRRTUptakeLib.imaging.registration_input import (
    BODY_WINDOW_HU,
    LIVER_WINDOW_HU,
    check_overlap,
    check_pair,
    checked_mask,
    dilated,
)
from PRRTUptakeLib.imaging.registration_quality import centroid_ras, mask_overlap, quality_warnings
from PRRTUptakeLib.imaging.registration_result import Registration, RegistrationQuality
from PRRTUptakeLib.progress import Progress, part_of, silent

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume


def rigid_registration(
    fixed: Volume,
    moving: Volume,
    *,
    fixed_liver: np.ndarray | None = None,
    moving_liver: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    options: RegistrationOptions | None = None,
    progress: Progress = silent,
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
    progress : told at every step how far it is; what it raises, such as `Cancelled`, ends the registration.

    Raises
    ------
    RegistrationError
        For images of different patients (unless forced), without geometry or overlap, an empty mask, or a registration
        that diverged.
    """
    options = options or RegistrationOptions()
    check_pair(fixed, moving, options.force)
    livers = (
        checked_mask(fixed_liver, fixed.grid, "fixed liver"),
        checked_mask(moving_liver, moving.grid, "moving liver"),
    )
    if not options.align_centres:
        check_overlap(fixed.grid, moving.grid, np.eye(4) if initial is None else initial)
    progress(0.0, "Preparing the images")
    pair = Pair.of(fixed, moving)
    begin = np.eye(4) if initial is None else np.asarray(initial, dtype=np.float64)
    start, doubts = pair.best_start(initial, options, part_of(progress, 0.1, 0.5))
    pose = pair.refined(start, pair.fixed_body, MIDDLE_mm, BODY_WINDOW_HU, options, part_of(progress, 0.5, 0.6))
    region, window = pair.fixed_body, BODY_WINDOW_HU
    if livers[0] is not None:
        liver = shrunk(itk_image(livers[0].astype(np.float32), fixed.grid), FINE_mm)
        step = part_of(progress, 0.6, 0.7)
        pose = pair.refined(pose, dilated(liver, 10.0), MIDDLE_mm, BODY_WINDOW_HU, options, step)
        region, window = dilated(liver, options.liver_margin_mm), LIVER_WINDOW_HU
    pose = pair.refined(pose, region, FINE_mm, window, options, part_of(progress, 0.7, 0.9))
    progress(0.9, "Assessing the registration")
    before, after = pair.checked_metrics((begin, start, pose), region, window, options)
    quality = assessed(pair, (fixed, moving), livers, begin, pose)
    quality = replace(quality, metric_before=before, metric_after=after, warnings=(*doubts, *quality.warnings))
    return Registration("rigid", pose, quality, provenance={"method": "mutual information", **asdict(options)})


def assessed(
    pair: Pair,
    volumes: tuple[Volume, Volume],
    livers: tuple[np.ndarray | None, np.ndarray | None],
    begin: np.ndarray,
    result: np.ndarray,
) -> RegistrationQuality:
    """Overlaps of bodies and livers before and after, and the offset of the livers; 4x4 RAS, fixed to moving."""
    bodies = [mask_overlap(pair.fixed_body, pair.moving_body, affine_to_itk(m)) for m in (begin, result)]
    overlaps, offset = [math.nan, math.nan], math.nan
    if livers[0] is not None and livers[1] is not None:
        images = [
            sitk.Cast(shrunk(itk_image(mask.astype(np.float32), v.grid), FINE_mm) >= 0.5, sitk.sitkUInt8)
            for mask, v in zip(livers, volumes, strict=True)
            if mask is not None
        ]
        overlaps = [mask_overlap(images[0], images[1], affine_to_itk(m)) for m in (begin, result)]
        mapped = result[:3, :3] @ centroid_ras(livers[0], volumes[0].grid) + result[:3, 3]
        offset = float(np.linalg.norm(mapped - centroid_ras(livers[1], volumes[1].grid)))
    return RegistrationQuality(
        body_overlap_before=bodies[0],
        body_overlap=bodies[1],
        liver_overlap_before=overlaps[0],
        liver_overlap=overlaps[1],
        liver_offset_mm=offset,
        warnings=quality_warnings(bodies[1], offset, overlaps[1]),
    )
