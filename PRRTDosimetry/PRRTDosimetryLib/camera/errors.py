"""What can go wrong in the commissioning of a camera."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class CameraError(PRRTError):
    """The images of a phantom do not give the camera's numbers."""
