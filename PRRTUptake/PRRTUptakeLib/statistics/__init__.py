"""What patients' values mean together: ties, ranks, paired values, agreement, power, mixed model, who counts."""
