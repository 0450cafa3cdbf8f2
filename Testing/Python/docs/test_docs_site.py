"""The documentation site has a page for every room and page; it builds without a warning where mkdocs is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NOT_SHOWN = {"panel"}  # widgets, which nobody imports


@pytest.mark.parametrize(("module", "word"), [("PRRTUptake", "uptake"), ("PRRTDosimetry", "dosimetry")])
def test_every_room_has_a_page(module, word):
    library = ROOT / module / f"{module}Lib"
    rooms = {path.parent.name for path in library.glob("*/__init__.py")} - NOT_SHOWN
    for room in rooms:
        page = f"api/{word}-{room}.md"
        assert f"- {room}: {page}\n" in SITE
        assert f"::: {module}Lib.{room}\n" in (ROOT / "Docs" / page).read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    pages = {path.relative_to(ROOT / "Docs").as_posix() for path in (ROOT / "Docs").rglob("*.md")}
    assert pages == set(re.findall(r"\S+\.md", SITE))


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("mkdocs") is None, reason="mkdocs is not installed (extra docs); make docs builds the site"
)
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "site" / "api" / "uptake-nuclides" / "index.html").is_file()
