"""Time-activity curves, their fits and integrals."""
