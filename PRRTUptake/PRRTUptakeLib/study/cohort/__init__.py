"""Many patients: jobs, workers, and the cohort's result."""
