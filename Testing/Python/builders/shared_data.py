"""Where the reference figures lie that nobody on this project produced; tests skip when they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3].parent / "shared"


def shared_file(*parts: str) -> Path:
    """Path below the folder ``shared`` beside the checkout (or below ``$PRRT_SHARED``); skips the test if absent."""
    path = Path(os.environ.get("PRRT_SHARED", _BESIDE)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data absent: shared/{'/'.join(parts)} is not beside the checkout")
    return path
