"""Builders of what the tests measure: images, series, scenes and patients."""
