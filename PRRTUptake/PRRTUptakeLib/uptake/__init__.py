"""What is measured in a region: uptake metrics, ratios, recovery."""
