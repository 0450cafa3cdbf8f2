"""Errors of `dicom`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class DicomError(PRRTError):
    """A DICOM series or object cannot be read, quantified or written."""


class HeaderError(DicomError):
    """An attribute of a header is missing, or its value is impossible."""


class OverrideError(DicomError):
    """A value that the operator stated is impossible."""


class CalibrationError(DicomError):
    """Counts have no calibration, or one that does not fit them."""


class TimeError(DicomError):
    """A date, time or time zone cannot be read."""
