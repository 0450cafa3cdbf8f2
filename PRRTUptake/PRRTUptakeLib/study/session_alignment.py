"""Whether the emission image of a visit is where its contours were drawn: one check per visit, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.registration.orientation_check import OrientationCheck, check_orientation
from PRRTUptakeLib.registration.session_check import SessionCheck, check_session, tissue_of
from PRRTUptakeLib.segmentation.bounding_box import resampled
from PRRTUptakeLib.study.contour_propagation import moved_grid

if TYPE_CHECKING:
    import numpy as np

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segmentation


@dataclass(frozen=True)
class CheckedVisit:
    """The check of one visit; without ``check`` a ``refusal`` says why there is none."""

    visit: str
    image: str
    reference: str
    check: SessionCheck | None
    refusal: str = ""
    orientation: OrientationCheck | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that must be seen first; none if the images lie on each other."""
        if self.check is None:
            pair = f"{self.image} and {self.reference}"
            return (f"Visit '{self.visit}': whether {pair} lie on each other was not checked. {self.refusal}",)
        text = self.check.warning(f"The {self.image} of visit '{self.visit}'", f"its {self.reference}")
        notes = (text,) if text else ()
        if self.orientation is None:
            return notes
        found = self.orientation.warnings(f"the {self.image} of visit '{self.visit}'", f"its {self.reference}")
        return (*(one[0].upper() + one[1:] for one in found), *notes)

    def facts(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        common = {"visit": self.visit, "what": "session check", "image": self.image, "reference": self.reference}
        mirrors = {"orientation": self.orientation.as_dict()} if self.orientation else {}
        return {**common, **(self.check.as_dict() if self.check else {"not checked": self.refusal}), **mirrors}


def check_visit(
    visit: str,
    images: tuple[str, Volume],
    reference: tuple[str, Volume],
    segmentation: Segmentation,
    drawn_to_visit: np.ndarray | None = None,
) -> CheckedVisit:
    """Check one visit; images that cannot be compared are reported, not raised: no number depends on this.

    Parameters
    ----------
    images, reference : what the emission image and the CT are called, and the two.
    segmentation : with the liver, in the space of the CT or, with ``drawn_to_visit`` (4x4 RAS), in that of another.
    """
    (image, emission), (name, anatomy) = images, reference
    grid = segmentation.grid if drawn_to_visit is None else moved_grid(segmentation.grid, drawn_to_visit)
    livers = [one for one in segmentation.having(structure="liver") if one.voxel_count]
    mask = None
    if len(livers) == 1:
        mask = resampled(livers[0], grid, anatomy.grid).full_mask(anatomy.grid.shape)
    try:
        tissue = tissue_of(emission, anatomy)
        found = check_session(emission, anatomy, mask, tissue)
        return CheckedVisit(visit, image, name, found, "", check_orientation(emission, anatomy, mask, tissue))
    except PRRTError as error:
        return CheckedVisit(visit, image, name, None, str(error))
