"""From a folder or an archive to a case file, and the results back."""
