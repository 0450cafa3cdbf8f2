"""How the images of a cycle, and the cycles of a patient, come onto one image: given, the same frame, or registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.registration.deformable import bent_where_better
from PRRTUptakeLib.registration.engine import RegistrationOptions
from PRRTUptakeLib.registration.result import (
    Registration,
    given_registration,
    identity_registration,
)
from PRRTUptakeLib.registration.rigid import rigid_registration

from PRRTDosimetryLib.dosimetry.errors import DosimetryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.study.model import VisitImages
    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.settings import DoseSettings


def visit_registrations(
    ordered: Sequence[VisitResult], images: dict[str, VisitImages], settings: DoseSettings, same_person: bool = False
) -> dict[str, Registration]:
    """Where each visit's images show the points of the first visit: given, the same, or by registration of the CTs.

    Raises
    ------
    DosimetryError
        If a visit has another frame of reference, no transform, and no CT or MRI to register.
    RegistrationError
        If a registration fails.
    """
    first = ordered[0]
    base = images[first.labels.visit]
    found = {first.labels.visit: identity_registration("the cycle's first visit")}
    for visit in ordered[1:]:
        name = visit.labels.visit
        found[name] = _between((first, base), (visit, images[name]), settings, same_person)
    return found


def cycle_registration(
    first: tuple[VisitResult, VisitImages],
    other: tuple[VisitResult, VisitImages],
    settings: DoseSettings,
    same_person: bool = False,
) -> Registration:
    """Where the first visit of a later cycle shows the points of the first cycle's, as visits of one cycle are matched.

    With ``accumulate`` "deformable" the liver is bent after a rigid registration, where that fits better. A transform
    of the settings that names the later visit is taken as it is.

    Raises
    ------
    PRRTError
        As `visit_registrations`.
    """
    rigid = _between(first, other, settings, same_person)
    if settings.accumulate != "deformable" or rigid.kind != "rigid":
        return rigid
    fixed, moving = anatomy_of(*first), anatomy_of(*other)
    livers = (liver_of(first[0], fixed.grid), liver_of(other[0], moving.grid))
    return bent_where_better(rigid, fixed, moving, livers, force=same_person)


def _between(
    first: tuple[VisitResult, VisitImages],
    other: tuple[VisitResult, VisitImages],
    settings: DoseSettings,
    same_person: bool,
) -> Registration:
    base, images = first[1], other[1]
    given = settings.transforms.get(visit_key(other[0]))
    if given is not None:
        return given.registration(first[0].image.grid)
    if _frame(base) and _frame(base) == _frame(images):
        return identity_registration("both images name the same frame of reference")
    if _contours_of(base) == _contours_of(images) and not (_bends(base) or _bends(images)):
        return _by_contours(base, images)
    fixed, moving = anatomy_of(*first), anatomy_of(*other)
    return rigid_registration(
        fixed,
        moving,
        fixed_liver=liver_of(first[0], fixed.grid),
        moving_liver=liver_of(other[0], moving.grid),
        options=RegistrationOptions(force=same_person),
    )


def _frame(images: VisitImages) -> str:
    return images.measured.frame_of_reference_uid if images.measured is not None else ""


def _contours_of(images: VisitImages) -> tuple[int, str]:
    """Cycle and name of the visit whose contours a visit was measured with."""
    return images.drawn_on or (images.cycle, images.visit)


def _bends(images: VisitImages) -> bool:
    """Whether the contours were bent on their way to a visit; then its images are registered rigidly by themselves."""
    return callable(images.ras_transform)


def _by_contours(base: VisitImages, images: VisitImages) -> Registration:
    """Two visits measured with the same contours were brought together with them: one registration after the other."""
    found = [np.eye(4) if one.ras_transform is None else one.ras_transform for one in (base, images)]
    to_base, to_visit = (np.asarray(one, dtype=np.float64) for one in found)
    return given_registration(to_visit @ np.linalg.inv(to_base), "registrations of the contours to both visits")


def anatomy_of(visit: VisitResult, images: VisitImages) -> Volume:
    """The CT or MRI that a visit's contours were drawn on."""
    if images.anatomy is None:
        raise DosimetryError(
            f"Visit '{visit.labels.visit}' has another frame of reference than the first and no CT on the grid of its "
            f"segments: give its transform as '{visit_key(visit)}' under 'transforms'."
        )
    return images.anatomy.load()


def liver_of(visit: VisitResult, grid: Grid) -> np.ndarray | None:
    """The liver on the grid of its CT, bool [k, j, i]; None where the segments' voxels are ordered another way."""
    segmentation = visit.prepared.segmentation
    livers = segmentation.having(structure="liver")
    if not livers or not segmentation.grid.matches(grid):
        return None
    return livers[0].full_mask(grid.shape)


def visit_key(visit: VisitResult) -> str:
    """A visit as settings name it, CYCLE/VISIT."""
    return f"{visit.labels.cycle}/{visit.labels.visit}"
