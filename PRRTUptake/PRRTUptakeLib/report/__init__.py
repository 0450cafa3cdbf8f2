"""Pages, plots and pictures of a result."""
