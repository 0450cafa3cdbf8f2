"""Volumes on their grids, radionuclides, registration and the synthetic patient."""
