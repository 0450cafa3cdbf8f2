"""Isodose levels as typed; light, since panels import it when they open."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class IsodoseError(PRRTError):
    """A profile or isodose cannot be drawn."""


def levels_from_text(text: str) -> tuple[float, ...]:
    """Levels in Gy typed with spaces or commas between them; none for no text.

    Raises
    ------
    IsodoseError
        If a word is no number above 0, or a level is given twice.

    Examples
    --------
    >>> levels_from_text("10, 40.5")
    (10.0, 40.5)
    """
    found = []
    for word in text.replace(",", " ").replace(";", " ").split():
        try:
            level = float(word)
        except ValueError:
            level = 0.0
        if not 0.0 < level < 1e6:
            raise IsodoseError(f"The isodose '{word}' is not a number above 0: type levels in Gy, such as 10 40.")
        found.append(level)
    if len(set(found)) < len(found):
        raise IsodoseError(f"An isodose level is given twice in '{text.strip()}': keep one.")
    return tuple(sorted(found))
