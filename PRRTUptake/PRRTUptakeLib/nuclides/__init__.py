"""Radionuclides: half-lives, energies, codes and windows, from one table."""
