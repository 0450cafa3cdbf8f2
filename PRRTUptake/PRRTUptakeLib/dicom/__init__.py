"""DICOM in: series, geometry, times, and what the stored PET, SPECT and CT values mean."""
