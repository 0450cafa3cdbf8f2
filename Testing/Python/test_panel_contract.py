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
from shared_data import shared_file

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("PRRTUptake", "PRRTDosimetry")

_IMPORT = """
import sys, time
sys.path[:0] = {paths!r}
from slicer_standin.application import running_slicer, load_module
with running_slicer():
    start = time.perf_counter()
    loaded = load_module({path!r})
    seconds = time.perf_counter() - start
    loaded.widgetRepresentation()  # nothing heavy when the panel opens either
    roots = {{name.split(".")[0] for name in sys.modules}}
    heavy = sorted(roots & {{"scipy", "SimpleITK", "pydicom", "highdicom", "matplotlib"}})
    print(seconds, *heavy)
"""


@pytest.mark.parametrize("module", MODULES)
def test_module_import_is_light(module, slicer_application):
    paths = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]
    code = _IMPORT.format(paths=paths, path=str(ROOT / module / f"{module}.py"))
    for _ in range(3):  # on a busy machine one run says little
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, *heavy = done.stdout.split()
        if float(seconds) < 0.2:
            break
    assert not heavy
    assert float(seconds) < 0.2


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
        "item setHorizontalHeaderLabels",
        "QComboBox": "itemData currentIndex count clear addItem findData setCurrentIndex blockSignals",
        "QProgressDialog": "labelText value wasCanceled close deleteLater modal",
        "QPushButton": "enabled toolTip click connect",
    }
    for cls, members in used.items():
        for member in members.split():
            assert member in known.ALWAYS or known.kind(cls, member) not in ("unknown", "hidden"), f"{cls}.{member}"


def test_catalog_entry():
    """The Extension Index's entry has the keys of its schema 1.0.1 and agrees with CMakeLists.txt."""
    entry = json.loads((ROOT / "SlicerPRRT.json").read_text(encoding="utf-8"))
    optional = {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled", "tier"}
    assert {"$schema", "category", "scm_url"} <= set(entry) <= {"$schema", "category", "scm_url"} | optional
    assert 1 <= entry["tier"] <= 5
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in cmake
    assert "EXTENSION_DICOM_SUPPORT_RULE \"Modality == 'PT' or Modality == 'NM'\"" in cmake
    urls = re.search(r'EXTENSION_SCREENSHOTURLS "(.*?)"', cmake)[1].split()
    for url in urls:
        picture = ROOT / "Docs" / "screenshots" / url.rsplit("/", 1)[1]
        assert picture.is_file(), f"{picture} is named in CMakeLists.txt: run Tools/panel_pictures.py"
        assert picture.stat().st_size < 150_000
