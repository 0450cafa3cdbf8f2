"""What a case file may say on the registration of a visit: register, a transform that is known, or the same place.

    "registration": "register"                                      by mutual information; so, too, if left out
    "registration": "deformable"                                    then the liver is bent, where that fits better
    "registration": {"transform": "ct_to_pet.h5"}                    ITK file of another tool (its name alone will do)
    "registration": {"transform": "pet_to_ct.tfm", "inverse": true}  made in the other direction
    "registration": {"matrix": [[1, 0, 0, 0], ...], "source": "read off Slicer"}   4x4, RAS mm (the rows alone will do)
    "registration": {"identity": "one scan, two exports"}            nothing has moved, and why this is known

All lead from the image on which was drawn (fixed) to that of the visit (moving); paths are relative to the case file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.registration.result import Registration, given_registration, identity_registration
from PRRTUptakeLib.registration.transform_files import read_registration
from PRRTUptakeLib.uptake.mapping import as_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Grid

REGISTER, DEFORMABLE = "register", "deformable"
_FORMS = (
    '"register", "deformable", {"transform": FILE}, {"matrix": 4 rows of 4 numbers, "source": TEXT} or '
    '{"identity": REASON}'
)


class RegistrationRuleError(PRRTError):
    """A case file says something impossible on a registration."""


@dataclass(frozen=True, eq=False)
class RegistrationRule:
    """How a visit is brought together with the image on which was drawn; one of file, matrix, or identity's reason."""

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
        RegistrationRuleError
            For an unknown key or form, a file that is not there, or a matrix that is none; ``where`` names the place.
        """
        if content in (REGISTER, DEFORMABLE):
            return str(content)
        if isinstance(content, str):
            content = {"transform": content}
        elif isinstance(content, list):
            content = {"matrix": content}
        if not isinstance(content, dict):
            raise RegistrationRuleError(f"{where}: 'registration' must be {_FORMS}, not {content!r}.")
        main = [key for key in ("transform", "matrix", "identity") if key in content]
        allowed = {"transform": {"inverse"}, "matrix": {"source"}, "identity": set[str]()}
        if len(main) != 1 or not set(content) <= {main[0], *allowed[main[0]]}:
            raise RegistrationRuleError(f"{where}: 'registration' must be {_FORMS}, not {content!r}.")
        return getattr(cls, f"_from_{main[0]}")(content, base, where)

    @classmethod
    def _from_transform(cls, content: dict[str, Any], base: Path, where: str) -> RegistrationRule:
        path, inverse = base / str(content["transform"]), content.get("inverse", False)
        if not isinstance(inverse, bool):
            raise RegistrationRuleError(f"{where}: 'inverse' of a transform must be true or false, not {inverse!r}.")
        if not path.is_file():
            raise RegistrationRuleError(f"{where}: the transform file {path} does not exist: correct the path.")
        return cls(file=path, inverse=inverse)

    @classmethod
    def _from_matrix(cls, content: dict[str, Any], base: Path, where: str) -> RegistrationRule:
        try:
            matrix = as_matrix(np.array(content["matrix"], dtype=np.float64))
        except (PRRTError, TypeError, ValueError) as error:
            raise RegistrationRuleError(f"{where}: the matrix of 'registration' is not usable: {error}") from error
        return cls(matrix=matrix, source=str(content.get("source", "matrix in the case file")))

    @classmethod
    def _from_identity(cls, content: dict[str, Any], base: Path, where: str) -> RegistrationRule:
        reason = content["identity"]
        if not isinstance(reason, str) or not reason.strip():
            raise RegistrationRuleError(
                f"{where}: say under 'identity' why nothing has moved between the images; the reason is kept."
            )
        return cls(identity=reason.strip())

    @property
    def files(self) -> tuple[Path, ...]:
        """The files behind it, for the provenance."""
        return (self.file,) if self.file is not None else ()

    def registration(self, fixed: Grid) -> Registration:
        """The registration that is stated; ``fixed`` is the grid of the image on which was drawn.

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
