"""Commissioning of a camera from phantom images: calibration, recovery, resolution, dead time, drift."""
