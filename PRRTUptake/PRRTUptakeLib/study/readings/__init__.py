"""Readings of a case by a person: what was decided, kept append-only, compared, and turned into settings or tables."""
