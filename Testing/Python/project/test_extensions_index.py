"""The rules of Slicer's Extensions Index, in our own words: what keeps an extension out of the catalogue.

The program of the index (``scripts/check_description_files.py`` of Slicer/ExtensionsIndex) checks these, and that
all addresses answer.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENTRY = ROOT / "PRRT.json"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
CODE = "\n".join(line for line in CMAKE.splitlines() if not line.lstrip().startswith("#"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def value(name: str) -> str:
    """The quoted value of a CMake variable, on one line as the index's program reads it."""
    found = re.search(rf'^set\({name} "([^"]+)"\)$', CODE, re.MULTILINE)
    assert found, f"CMakeLists.txt has no {name}"
    return found[1]


def entry() -> dict[str, object]:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def test_one_description_file_whose_name_is_that_of_the_project():
    made_here = "bench.json"  # by `make bench`, not in the repository
    assert [path.name for path in ROOT.glob("*.json") if path.name != made_here] == [ENTRY.name]
    assert re.findall(r"project\s*\(\s*([^\s)]+)", CODE) == [ENTRY.stem]


def test_the_extension_is_not_called_slicer_but_the_repository_is():
    assert not ENTRY.stem.lower().startswith("slicer")
    address = urlsplit(str(entry()["scm_url"]))
    assert address.scheme in ("https", "git")
    assert "slicer" in address.path.rsplit("/", 1)[1].lower()


def test_the_category_is_known_to_the_catalogue():
    assert entry()["category"] == value("EXTENSION_CATEGORY") == "Nuclear Medicine"


def test_contributors_are_people_with_their_institutions():
    """Placeholders for now; what matters is that it is no group without names."""
    for person in re.split(r",\s*(?![^(]*\))", value("EXTENSION_CONTRIBUTORS")):
        assert re.fullmatch(r"[^()]+ [^()]+ \([^()]+\)", person), person
        assert "developers" not in person.lower()


@pytest.mark.parametrize("name", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_have_addresses_and_are_in_the_repository(name):
    addresses = value(name).split()
    assert addresses
    for address in addresses:
        parts = urlsplit(address)
        assert parts.scheme == "https"
        assert parts.path.endswith((".png", ".jpg"))
        assert (ROOT / parts.path.split("/main/", 1)[1]).is_file(), address


def test_the_licence_has_a_name_that_is_looked_for():
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")


def test_the_readme_says_what_each_module_does_and_names_the_licence():
    for title in ("PRRT Uptake", "PRRT Dosimetry"):
        assert re.search(rf"\*\*{title}\*\* [a-z]", README), f"a sentence on {title}"
    assert "Apache License 2.0" in README
    assert "doi:" in README


def test_every_suite_is_registered_to_run_inside_slicer():
    folder = ROOT / "Testing" / "Python"
    listed = re.findall(r"slicer_add_python_unittest\(SCRIPT (\S+)\)", (folder / "CMakeLists.txt").read_text("utf-8"))
    there = sorted(path.relative_to(folder).as_posix() for path in (folder / "in_slicer").glob("*.py"))
    assert sorted(listed) == there
    assert "add_subdirectory(Testing)" in CODE
    assert "add_subdirectory(Python)" in (ROOT / "Testing" / "CMakeLists.txt").read_text("utf-8")
