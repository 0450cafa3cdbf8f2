"""Sections of the dosimetry panel: widgets to parameters and logic, and back; thin, no arithmetic."""
