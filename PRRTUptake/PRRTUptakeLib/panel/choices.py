"""What both panels let the user choose among."""

from __future__ import annotations

import enum

from slicer.i18n import tr as _


class TreatedLobe(enum.Enum):
    """Which lobe's artery was infused; is not stated while the analysis is blinded."""

    BLINDED = ""
    LEFT = "left"
    RIGHT = "right"

    def label(self) -> str:
        """The words in the panel."""
        return {"": _("blinded"), "left": _("left"), "right": _("right")}[self.value]


class Delineation(enum.Enum):
    """How lesions are delineated at points; the values are those of ``segmentation.delineation``."""

    PERCENT = "percent-of-maximum"
    ADAPTED = "background-adapted"
    FIXED = "fixed-threshold"
    GRADIENT = "gradient"

    def label(self) -> str:
        """The words in the panel."""
        return {
            "percent-of-maximum": _("share of the maximum"),
            "background-adapted": _("share above background"),
            "fixed-threshold": _("fixed threshold"),
            "gradient": _("steepest slope"),
        }[self.value]


def role_words(role: str) -> str:
    """A segment's role in the words of the panel; another word stays as it is."""
    words = {
        "target": _("target"),
        "lesion": _("lesion"),
        "lobe": _("lobe"),
        "organ": _("organ"),
        "reference": _("reference"),
    }
    return words.get(role, role)


def lobe_words(lobe: str) -> str:
    """A lobe in the words of the panel; another word stays as it is."""
    words = {"left": _("left"), "right": _("right"), "caudate": _("caudate"), "none": _("none")}
    return words.get(lobe, lobe)
