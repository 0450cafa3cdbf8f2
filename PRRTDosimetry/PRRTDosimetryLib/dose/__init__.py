"""Absorbed dose: point kernels, voxels, organs, spheres, marrow."""
