"""Labelled segments: lobes, lesions, sizes, reference regions."""
