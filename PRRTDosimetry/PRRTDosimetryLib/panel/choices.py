"""What the dosimetry panel lets the user choose among; the words are in ``label``."""

from __future__ import annotations

import enum

from slicer.i18n import tr as _


class Sex(enum.Enum):
    """Of the phantom."""

    NOT_STATED = ""
    FEMALE = "F"
    MALE = "M"
    NOT_TOLD = NOT_STATED  # scenes of earlier builds keep this name

    def label(self) -> str:
        """The words in the panel."""
        return {"": _("not stated"), "F": _("female"), "M": _("male")}[self.value]


class Method(enum.Enum):
    """How doses are calculated."""

    S_VALUES = "s-values"
    KERNEL = "kernel"
    LOCAL = "local"

    def label(self) -> str:
        """The words in the panel."""
        return {
            "s-values": _("S-values of organs and spheres"),
            "kernel": _("dose map by voxel S-values, and S-values"),
            "local": _("dose map by local deposition, and S-values"),
        }[self.value]


class Density(enum.Enum):
    """Of the tissue in a dose map."""

    UNIFORM = "uniform"
    CT = "ct"

    def label(self) -> str:
        """The words in the panel."""
        return {"uniform": _("the same everywhere"), "ct": _("of the CT, in soft tissue")}[self.value]
