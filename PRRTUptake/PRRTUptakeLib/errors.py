"""The one base of every error that a user can mend."""

from __future__ import annotations


class PRRTError(ValueError):
    """The data do not allow an answer.

    The message is one sentence (two at most) for a physician: it names the value, file or segment that is wrong and
    the remedy. The command line prints it and exits with status 1; the panels show it. Each module of the science
    layer derives its own class, so that a caller can distinguish them.
    """


class Cancelled(PRRTError):  # noqa: N818  (an outcome that the user chose, not an error)
    """The user stopped the work; nothing was written."""


class AtomicWriteError(PRRTError):
    """A folder or file cannot be written where it was asked for."""


class TableError(PRRTError):
    """A table cannot be read, or a cell of it is not what its column holds."""


def reason(error: OSError) -> str:
    """The system's words for a failure, in one line.

    Libraries wrap them, pydicom with a whole traceback: the first error behind ``error`` that has a number gives the
    reason.

    Examples
    --------
    >>> reason(OSError(28, "No space left on device"))
    'No space left on device'
    """
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, OSError) and behind.strerror:
            return behind.strerror
        behind = behind.__cause__ or behind.__context__
    return next(iter(str(error).splitlines()), type(error).__name__)
