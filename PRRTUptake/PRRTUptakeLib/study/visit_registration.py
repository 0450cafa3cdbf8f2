"""How the image on which was drawn and a visit's CT come together: stated, in one frame of reference, or registered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from PRRTUptakeLib.registration.deformable import bent_where_better
from PRRTUptakeLib.registration.engine import RegistrationOptions
from PRRTUptakeLib.registration.preprocessing import check_pair, coarse_and_body
from PRRTUptakeLib.registration.quality import mask_overlap, quality_warnings
from PRRTUptakeLib.registration.result import Registration, identity_registration
from PRRTUptakeLib.registration.rigid import rigid_registration
from PRRTUptakeLib.segmentation.bounding_box import resampled
from PRRTUptakeLib.study.model import KnownPlacement
from PRRTUptakeLib.study.registration_rule import DEFORMABLE, RegistrationRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.model import ImageInput, VisitInput


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitRegistration:
    """One registration as it was used: from ``fixed``, on which was drawn, to an image of the visit.

    ``load_moving`` reads that image, which is not kept for the pictures of the report; ``names`` are what the two are
    called; ``liver`` the fixed image's liver with its grid, None if there is none.
    """

    visit: str
    registration: Registration
    fixed: Volume
    load_moving: Callable[[], Volume]
    names: tuple[str, str]
    liver: tuple[Segment, Grid] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Doubts, with the visit's name."""
        return tuple(f"{self.visit}: {text}" for text in self.registration.quality.warnings)

    def facts(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        names = {"fixed": self.names[0], "moving": self.names[1]}
        return {"visit": self.visit, "what": "registration", **names, **self.registration.facts()}


def anatomy_in_frame(found: Sequence[Series], emission: Series) -> Series | None:
    """The CT of the SPECT/CT or PET/CT: it shares the emission image's frame of reference; None if there is none."""
    frame = emission.frame_of_reference_uid
    return next((one for one in found if one.modality == "CT" and one.frame_of_reference_uid == frame), None)


def visit_registration(
    visit: VisitInput,
    fixed: tuple[ImageInput, Volume],
    moving: tuple[ImageInput, Volume],
    segmentation: Segmentation,
    force: bool = False,
) -> VisitRegistration:
    """Bring a visit together with the image the contours were drawn on.

    Parameters
    ----------
    visit : its ``registration`` is what is stated; "" registers unless both images share the frame of reference,
        "register" in any case, "deformable" bends the liver after that.
    fixed, moving : the image the contours were drawn on, and the visit's CT.
    segmentation : drawn on the fixed image; its liver is what is registered in the end.
    force : register images of several patient ids too: the case says why they are of one person.

    Raises
    ------
    PRRTError
        If the images are of two patients, cannot be registered, or a stated transform is not usable.
    """
    livers = segmentation.having(structure="liver")
    liver = (livers[0], segmentation.grid) if livers and livers[0].voxel_count else None
    mask = None
    if liver is not None:
        mask = resampled(liver[0], liver[1], fixed[1].grid).full_mask(fixed[1].grid.shape)
    assert not isinstance(visit.registration, KnownPlacement)
    found = _found(visit.registration, fixed, moving, (mask, None), force)
    return VisitRegistration(
        visit=visit.visit,
        registration=found,
        fixed=fixed[1],
        load_moving=(lambda: moving[1]) if moving[1] is fixed[1] else moving[0].compact,
        names=(fixed[0].name, moving[0].name),
        liver=liver,
    )


def image_name(series: Series) -> str:
    """What an image is called in the report."""
    return f"{series.modality} '{series.description}'" if series.description else series.modality


def _found(
    rule: RegistrationRule | str,
    fixed: tuple[ImageInput, Volume],
    moving: tuple[ImageInput, Volume],
    livers: tuple[np.ndarray | None, np.ndarray | None],
    force: bool,
) -> Registration:
    if isinstance(rule, RegistrationRule):
        return assessed_overlap(rule.registration(fixed[1].grid), fixed[1], moving[1], force)
    frames = {one[0].frame_of_reference_uid for one in (fixed, moving)}
    if not rule and len(frames) == 1 and frames != {""}:
        return identity_registration("both images name the same frame of reference")
    options = RegistrationOptions(force=force)
    rigid = rigid_registration(fixed[1], moving[1], fixed_liver=livers[0], moving_liver=livers[1], options=options)
    if rule != DEFORMABLE:
        return rigid
    return bent_where_better(rigid, fixed[1], moving[1], livers, force)


def assessed_overlap(registration: Registration, fixed: Volume, moving: Volume, force: bool = False) -> Registration:
    """A registration from elsewhere with the overlap of the bodies before and after it, and doubts.

    Raises
    ------
    RegistrationError
        If the images are of different patients (unless forced), lack their geometry, or show no body.
    """
    notes = check_pair(fixed, moving, force)
    bodies = [coarse_and_body(one)[1] for one in (fixed, moving)]
    before, after = (mask_overlap(bodies[0], bodies[1], how) for how in (sitk.Transform(), registration.to_itk()))
    quality = replace(registration.quality, body_overlap_before=before, body_overlap=after)
    return registration.with_quality(
        replace(quality, warnings=(*notes, *quality.warnings, *quality_warnings(after, 0.0, 1.0)))
    )
