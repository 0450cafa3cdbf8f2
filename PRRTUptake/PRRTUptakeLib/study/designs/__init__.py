"""The designs of trials: one object per file, found by the name that a protocol gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.study.designs.lobe_comparison import LOBE_COMPARISON
from PRRTUptakeLib.study.designs.route_comparison import ROUTE_COMPARISON
from PRRTUptakeLib.study.designs.single_arm import SINGLE_ARM
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from PRRTUptakeLib.study.designs.base import Design
    from PRRTUptakeLib.study.protocol import Protocol

DESIGNS: tuple[Design, ...] = (LOBE_COMPARISON, ROUTE_COMPARISON, SINGLE_ARM)


def design_names() -> tuple[str, ...]:
    """Every name that a protocol may give, those of protocols first."""
    return tuple(name for one in DESIGNS for name in (*one.aliases, one.name))


def design_named(name: str) -> Design:
    """The design of a name or alias.

    Raises
    ------
    StudyError
        If there is none.

    Examples
    --------
    >>> design_named("lobe-against-lobe").name
    'lobe-comparison'
    """
    found = next((one for one in DESIGNS if name in (one.name, *one.aliases)), None)
    if found is None:
        raise StudyError(f"There is no design '{name}': use one of {', '.join(design_names())}.")
    return found


def design_of(protocol: Protocol) -> Design:
    """The design that a protocol names."""
    return design_named(protocol.design)
