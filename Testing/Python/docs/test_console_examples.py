"""The examples in Docs/shell.md and Docs/console.md do what they show."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from PRRTDosimetryLib.commands import main

DOCS = Path(__file__).resolve().parents[3] / "Docs"
PAGE, CONSOLE = DOCS / "shell.md", DOCS / "console.md"
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


def python_examples() -> list[doctest.Example]:
    blocks = re.findall(r"^```python\n(.*?)^```$", CONSOLE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [example for block in blocks for example in doctest.DocTestParser().get_examples(block)]


def test_the_console_page_holds_python_and_no_commands():
    text = CONSOLE.read_text(encoding="utf-8")
    assert "```console" not in text
    assert len(python_examples()) >= 9
    for subject in ("doses", "ER "):
        assert subject in text


@pytest.mark.slow
def test_every_example_of_the_python_console_prints_what_the_page_shows(scene, tmp_path, monkeypatch):
    """As in the console: one session from top to bottom."""
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTest(python_examples(), {}, "console.md", str(CONSOLE), 0, "")
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=told.append)
    assert not runner.summarize(verbose=False).failed, "".join(told)


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
