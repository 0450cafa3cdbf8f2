"""Radiobiological effect: BED, EQD2, cumulation over cycles."""
