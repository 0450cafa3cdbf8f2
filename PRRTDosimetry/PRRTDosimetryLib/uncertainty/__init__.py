"""Propagation of uncertainty and its budget."""
