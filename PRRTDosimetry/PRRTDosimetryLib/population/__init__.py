"""Kinetics that borrow strength: a centre's own patients as the prior of a patient with few images, and planning."""
