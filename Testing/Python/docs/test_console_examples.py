"""The examples in Docs/console.md do what they show."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from PRRTDosimetryLib.commands import main

PAGE = Path(__file__).resolve().parents[3] / "Docs" / "console.md"
BLOCK = re.compile(r"^```(console|csv)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_example_prints_what_the_page_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    boxes = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(boxes) > 8
    for kind, name, content in boxes:
        if kind == "csv":
            Path(name).write_text(content, encoding="utf-8")
            continue
        command, _, shown = content.partition("\n")
        words = shlex.split(command)
        assert words[:2] == ["$", "prrt"], command
        status = main(words[2:])
        note = capsys.readouterr()
        assert status == 0, (command, note.err)
        check = doctest.OutputChecker()
        if not check.check_output(tidy(shown), tidy(note.out), doctest.ELLIPSIS):
            pytest.fail(f"{command}\nshown:\n{shown}\nprinted:\n{note.out}")
    made = {path.name for path in tmp_path.iterdir()}
    assert {"demo", "results", "patient.zip", "anonymous.zip", "key", "selftest.html"} <= made


def tidy(text):
    """Without spaces at line ends."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def test_every_picture_and_page_that_the_pages_name_is_there():
    for page in PAGE.parent.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).is_file(), f"{page.name} names {target}"
    for picture in (PAGE.parent / "screenshots").iterdir():
        assert picture.stat().st_size < 200_000, picture.name
