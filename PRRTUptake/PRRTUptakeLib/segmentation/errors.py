"""Errors of `segmentation`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class SegmentationError(PRRTError):
    """Segments do not allow what was asked of them."""


class SegmentError(SegmentationError):
    """A segment is impossible, or is not there."""


class LobeError(SegmentationError):
    """The liver cannot be divided into its lobes."""


class OrganError(SegmentationError):
    """No region of an organ can be measured."""


class ReferenceRegionError(SegmentationError):
    """There is no such reference region, or it is too small."""


class ResponseError(SegmentationError):
    """Response cannot be assessed."""
