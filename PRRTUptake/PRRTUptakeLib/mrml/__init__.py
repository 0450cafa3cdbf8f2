"""MRML nodes to science objects and back; the logic classes."""
