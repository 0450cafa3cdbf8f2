"""Panels against what Slicer really offers: widget members, import times, and the stand-in itself."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders.shared_data import shared_file

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("PRRTUptake", "PRRTDosimetry")

_IMPORT = """
import sys
sys.path[:0] = {paths!r}
from slicer_standin.application import running_slicer, load_module
with running_slicer():
    loaded = load_module({path!r})
    loaded.widgetRepresentation()  # nothing heavy when the panel opens either
    roots = {{name.split(".")[0] for name in sys.modules}}
    heavy = sorted(roots & {{"scipy", "SimpleITK", "pydicom", "highdicom", "matplotlib"}})
    print(*heavy)
"""


@pytest.mark.parametrize("module", MODULES)
def test_module_import_is_light(module, slicer_application):
    paths = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]
    code = _IMPORT.format(paths=paths, path=str(ROOT / module / f"{module}.py"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("module", MODULES)
def test_contract(module):
    checker = shared_file("panel_contract", "check_panel.py")
    done = subprocess.run(
        [sys.executable, str(checker), str(ROOT / module)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def contract():
    path = shared_file("panel_contract", "check_panel.py")
    spec = importlib.util.spec_from_file_location("check_panel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_standin_shows_nothing_that_slicer_hides(slicer_application):
    from PySide6.QtCore import Property
    from slicer_standin import widgets

    known = contract()
    for name, cls in (widgets.CTK | widgets.MRML).items():
        for member, value in vars(cls).items():
            if type(value) is Property:
                assert known.kind(name, member) == "property", f"{name}.{member}"
        for member in cls.INVOKABLE:
            assert known.kind(name, member) == "method", f"{name}.{member}"
        for signature in cls.SIGNALS:
            assert known.normal(signature) in known.signatures(name, "signals"), f"{name}.{signature}"
        for flag in getattr(cls, "FLAGS", {}):
            assert known.kind(name, flag) == "enum", f"{name}.{flag}"


FACES = sorted([*ROOT.glob("PRRT*/*.py"), *ROOT.glob("PRRT*/PRRT*Lib/panel/*.py")])


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.name)
def test_strings_can_be_translated(path):
    """lupdate finds literals only; what is filled in must be a named placeholder."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            assert len(node.args) == 1, node.lineno
            assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}: no literal"
            assert "{}" not in node.args[0].value, f"{path.name}:{node.lineno}: name the placeholder"


def test_members_used_through_helpers_exist():
    """The contract checks ``self.ui.NAME.MEMBER``; what helpers call on any table or combo box is checked here."""
    known = contract()
    used = {
        "QTableWidget": "currentRow setRowCount setItem resizeColumnsToContents selectRow blockSignals columnCount "
        "item setHorizontalHeaderLabels horizontalHeader columnWidth setColumnWidth setColumnHidden",
        "QHeaderView": "sectionSizeHint",
        "QComboBox": "itemData currentIndex count clear addItem findData setCurrentIndex blockSignals",
        "QProgressDialog": "labelText value wasCanceled close deleteLater modal",
        "QPushButton": "enabled toolTip click connect",
    }
    for cls, members in used.items():
        for member in members.split():
            assert member in known.ALWAYS or known.kind(cls, member) not in ("unknown", "hidden"), f"{cls}.{member}"


# The entry's schema 1.0.2: which keys there may be, and of what type; the first three must be there.
ENTRY = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "dicom_support_rule": str,
    "enabled": bool,
    "tier": int,
}


def test_catalog_entry():
    """The Extension Index's entry has the keys of its schema and agrees with CMakeLists.txt."""
    entry = json.loads((ROOT / "PRRT.json").read_text(encoding="utf-8"))
    assert set(list(ENTRY)[:3]) <= set(entry) <= set(ENTRY)
    for key, value in entry.items():
        assert type(value) is ENTRY[key], key
    assert re.search(r"slicer-extension-catalog-entry-schema-v1\.0\.2\.json#$", entry["$schema"])
    assert entry["scm_type"] in ("git", "local")
    assert entry["scm_url"].endswith(".git")
    assert 1 <= entry["tier"] <= 5
    assert all(isinstance(name, str) for name in entry["build_dependencies"])
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in cmake
    assert f'set(EXTENSION_DICOM_SUPPORT_RULE "{entry["dicom_support_rule"]}")' in cmake
    assert {"PT", "NM"} == set(re.findall(r"Modality == '(\w+)'", entry["dicom_support_rule"]))
    urls = re.search(r'EXTENSION_SCREENSHOTURLS "(.*?)"', cmake)[1].split()
    for url in urls:
        picture = ROOT / "Docs" / "screenshots" / url.rsplit("/", 1)[1]
        assert picture.is_file(), f"{picture} is named in CMakeLists.txt: run Tools/panel_pictures.py"
        assert picture.stat().st_size < 150_000


@pytest.mark.parametrize("path", [ROOT / "PRRT.png", *sorted(ROOT.glob("PRRT*/Resources/Icons/PRRT*.png"))])
def test_icons_are_as_large_as_the_catalogue_wants(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    assert width == height >= 128, f"{path.name} has {width} x {height} pixels"


def test_readme_shows_pictures_that_are_there():
    """Pictures and pages that the readme and the tutorial point to; how to cite, and the licence."""
    for page in (ROOT / "README.md", ROOT / "Docs" / "tutorial.md"):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "CITATION.cff" in readme
    assert "Apache" in readme
    cff = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    keys = {line.split(":")[0] for line in cff.splitlines() if re.match(r"[a-z-]+:", line)}
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= keys
    assert 'version: "0.1.0"' in cff
    assert 'version = "0.1.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
