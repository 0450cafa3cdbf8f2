"""Errors of `study`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class StudyError(PRRTError):
    """A patient or a cohort cannot be measured as asked."""


class InputFileError(StudyError):
    """A file that a person wrote has an unknown key, or a value that cannot be."""


class ImageError(StudyError):
    """An image of a study cannot be read."""


class PreparationError(StudyError):
    """The segments of a visit cannot be prepared for measuring."""


class LockError(StudyError):
    """Another program holds the readings."""
