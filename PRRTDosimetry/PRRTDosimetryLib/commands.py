"""The subcommands of dosimetry, and ``prrt`` itself: both sets joined."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, execute
from PRRTUptakeLib.commands import COMMANDS as UPTAKE_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: tuple[Command, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``prrt`` with ``arguments`` (``sys.argv`` by default); returns the exit status."""
    return execute((*UPTAKE_COMMANDS, *COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
