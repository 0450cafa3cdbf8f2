"""The subcommands of uptake and trial. Thin: read the arguments, call the science, print.

Imports of the science stand inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

from PRRTUptakeLib.command_line import Command

COMMANDS: tuple[Command, ...] = ()
