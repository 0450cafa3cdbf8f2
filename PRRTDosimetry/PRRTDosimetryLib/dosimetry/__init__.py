"""The dosimetry of a patient: curves, doses of a cycle, dose maps, settings."""
