"""Statistics of paired values: endpoints, power, agreement, mixed model, subgroups, allocation."""
