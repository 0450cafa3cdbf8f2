"""The patient of two cycles (`builders/two_cycles.py`), for the tests that do not make one of their own."""

import pytest
from builders import two_cycles


@pytest.fixture(scope="module")
def folder():
    """Where the patient and its results are."""
    return two_cycles.made()[0]


@pytest.fixture(scope="module")
def made():
    """The result with doses."""
    return two_cycles.made()[1]


@pytest.fixture(scope="module")
def measured():
    """The result before doses were added."""
    return two_cycles.measured()
