"""The dose sections of a report, from results only."""
