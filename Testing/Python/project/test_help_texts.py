"""Help texts in one style: lower case, no full stop; a subcommand's line begins with what it does."""

from __future__ import annotations

import argparse
import re

import pytest
from PRRTDosimetryLib import commands as dosimetry
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib import commands as uptake
from PRRTUptakeLib.command_line import argument_parser
from PRRTUptakeLib.versions import VERSION

ALL = (*uptake.COMMANDS, *dosimetry.COMMANDS)
VERBS = {
    *("bundle", "check", "compare", "compute", "fit", "freeze", "integrate", "list", "make", "measure", "open", "plan"),
    *("print", "read", "run", "send", "show", "turn", "validate", "write"),
}


def helps():
    parser = argument_parser(ALL)
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, sub in subparsers.choices.items():
        for action in sub._actions:
            if action.help and "-h" not in action.option_strings:
                yield f"{name} {'/'.join(action.option_strings) or action.dest}", action.help


@pytest.mark.parametrize(("option", "words"), list(helps()))
def test_help_of_an_option(option, words):
    first = words.split()[0].strip(",:")
    assert first[0].islower() or not first[0].isalpha() or first.isupper() or re.fullmatch("[A-Z]{2,}s?", first), words
    assert not words.rstrip().endswith("."), words


@pytest.mark.parametrize("command", ALL, ids=lambda one: one.name)
def test_help_of_a_command(command):
    assert command.summary.split()[0] in VERBS, command.summary
    assert not command.summary.endswith(".")


def test_every_option_has_help():
    parser = argument_parser(ALL)
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    missing = [
        f"{name} {action.dest}"
        for name, sub in subparsers.choices.items()
        for action in sub._actions
        if not action.help
    ]
    assert not missing


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"prrt {VERSION} (SlicerPRRT)\n"
