"""What a case file may say on the registration of a visit: register, a transform that is known, or the same place.

    "registration": "register"                                      by mutual information; so, too, if left out
    "registration": "deformable"                                    then the liver is bent, where that fits better
    "registration": {"transform": "ct_to_pet.h5"}                    ITK file of another tool (its name alone will do)
    "registration": {"transform": "pet_to_ct.tfm", "inverse": true}  made in the other direction
    "registration": {"matrix": [[1, 0, 0, 0], ...], "source": "read off Slicer"}   4x4, RAS mm (the rows alone will do)
    "registration": {"identity": "one scan, two exports"}            nothing has moved, and why this is known

All lead from the image that the contours were drawn on (fixed) to that of the visit (moving); paths are relative to the
case file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.registration.result import Registration, given_registration, identity_registration
from PRRTUptakeLib.registration.transform_files import read_registration
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.shared_keys import REGISTRATION
from PRRTUptakeLib.uptake.mapping import as_matrix

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid

REGISTER, DEFORMABLE = "register", "deformable"


@dataclass(frozen=True, eq=False, kw_only=True)
class RegistrationRule:
    """How a visit and the image its contours were drawn on come together; one of file, matrix, or identity's reason."""

    file: Path | None = None
    inverse: bool = False
    matrix: np.ndarray | None = None
    source: str = ""
    identity: str = ""

    @classmethod
    def from_case(cls, content: Any, base: Path, where: str) -> RegistrationRule | str:
        """Read the value of ``registration``; "register" and "deformable" stay words.

        Raises
        ------
        InputFileError
            For an unknown key or form, a file that is not there, or a matrix that is none; ``where`` names the place.
        """
        place = Place(file=where, path="registration", base=base)
        return registration_rule(REGISTRATION.read(content, place), place)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files behind it, for the provenance."""
        return (self.file,) if self.file is not None else ()

    def registration(self, fixed: Grid) -> Registration:
        """The registration that is stated; ``fixed`` is the grid of the image that the contours were drawn on.

        Raises
        ------
        RegistrationError
            If its file is not usable.
        """
        if self.file is not None:
            return read_registration(self.file, fixed, self.inverse)
        if self.matrix is not None:
            return given_registration(self.matrix, self.source)
        same = identity_registration(self.identity)
        return replace(same, provenance={**same.provenance, "stated": "in the case file"})


def registration_rule(checked: Any, place: Place) -> RegistrationRule | str:
    """The rule behind a value of ``registration`` that `REGISTRATION` has read; the words stay words.

    Raises
    ------
    PRRTError
        Of the place's kind, for a matrix that cannot be inverted or whose last row is not 0 0 0 1.
    """
    if isinstance(checked, str):
        return checked
    if isinstance(checked, Path):
        checked = {"transform": checked}
    elif isinstance(checked, tuple):
        checked = {"matrix": checked}
    if "transform" in checked:
        return RegistrationRule(file=checked["transform"], inverse=checked.get("inverse", False))
    if "identity" in checked:
        return RegistrationRule(identity=checked["identity"])
    try:
        matrix = as_matrix(np.array(checked["matrix"], dtype=np.float64))
    except PRRTError as error:
        place.stop(f"the matrix of {place.name} is not usable: {error}")
    return RegistrationRule(matrix=matrix, source=checked.get("source", "matrix in the case file"))
