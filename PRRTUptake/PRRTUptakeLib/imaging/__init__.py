"""Volumes on their grids, and images of ITK."""
