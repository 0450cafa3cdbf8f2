"""The one base of every error that a user can mend."""

from __future__ import annotations


class PRRTError(ValueError):
    """The data do not allow an answer.

    The message is one sentence (two at most) for a physician: it names the value, file or segment that is wrong and
    the remedy. The command line prints it and exits with status 1; the panels show it. Each module of the science
    layer derives its own class, so that a caller can tell them apart.
    """
