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
    TRANSPORT = "transport"

    def label(self) -> str:
        """The words in the panel."""
        return {
            "s-values": _("S-values of organs and spheres"),
            "kernel": _("dose map by voxel S-values, and S-values"),
            "local": _("dose map by local deposition, and S-values"),
            "transport": _("dose map by transport through the CT (ompmc), and S-values"),
        }[self.value]


class Density(enum.Enum):
    """Of the tissue in a dose map."""

    UNIFORM = "uniform"
    CT = "ct"

    def label(self) -> str:
        """The words in the panel."""
        return {"uniform": _("the same everywhere"), "ct": _("of the CT")}[self.value]


class Curve(enum.Enum):
    """From Hounsfield values to density; a centre's own is given in a case file."""

    SCHNEIDER = "schneider-2000"
    WATER = "water"

    def label(self) -> str:
        """The words in the panel."""
        return {"schneider-2000": _("Schneider et al. 2000"), "water": _("water, for phantoms")}[self.value]


class Integration(enum.Enum):
    """What is integrated in every voxel."""

    PROTOCOL = ""
    ACTIVITY = "activity"
    DOSE_RATE = "dose-rate"

    def label(self) -> str:
        """The words in the panel."""
        return {
            "": _("as the protocol says, else activity"),
            "activity": _("activity"),
            "dose-rate": _("dose rate of each image in its own tissues"),
        }[self.value]


class Accumulation(enum.Enum):
    """Whether and how dose maps of cycles are summed."""

    PROTOCOL = ""
    NONE = "none"
    RIGID = "rigid"
    DEFORMABLE = "deformable"

    def label(self) -> str:
        """The words in the panel."""
        return {
            "": _("as the protocol says, else not"),
            "none": _("not summed"),
            "rigid": _("by rigid registration"),
            "deformable": _("by deformable registration"),
        }[self.value]


class Electrons(enum.Enum):
    """How a transport treats electrons."""

    KERNEL = "kernel"
    MONTE_CARLO = "monte-carlo"

    def label(self) -> str:
        """The words in the panel."""
        return {"kernel": _("kernel, scaled by density"), "monte-carlo": _("Monte Carlo (90Y, 68Ga, lung)")}[self.value]
