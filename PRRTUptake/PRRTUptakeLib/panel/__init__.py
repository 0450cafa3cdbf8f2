"""Sections of the panels: widgets to parameters and logic, and back; thin, no arithmetic."""
