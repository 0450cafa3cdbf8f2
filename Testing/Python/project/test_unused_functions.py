"""No dead code: every public function is called by the product, or a page says that scripts may call it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "Docs" / "functions.md"


def _used(path: Path) -> set[str]:
    """Names that a file uses; those of strings count, since commands name their functions so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found |= set(re.findall(r"[A-Za-z_]\w*", node.value))
    return found


def _unused(files: list[Path], callers: list[Path]) -> dict[str, Path]:
    """Public functions of ``files`` that no file of ``callers`` uses."""
    used = set().union(*map(_used, callers))
    defined = {
        node.name: path
        for path in files
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    return {name: path for name, path in defined.items() if name not in used}


def _product() -> list[Path]:
    return [path for folder in ("PRRTUptake", "PRRTDosimetry") for path in sorted((ROOT / folder).rglob("*.py"))]


def _documented() -> dict[str, str]:
    """Functions of the page, with their module."""
    rows = re.findall(r"^\| (`.+?) \| `([\w.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: module for names, module in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_public_function_has_a_caller_or_is_for_scripts():
    libraries = [path for path in _product() if "Lib/" in path.as_posix()]
    unused = _unused(libraries, _product())
    forgotten = {name: str(path.relative_to(ROOT)) for name, path in unused.items() if name not in _documented()}
    assert not forgotten, f"Called by nobody: delete them, give them a caller, or add them to {PAGE.name}: {forgotten}"


def test_the_page_names_functions_that_exist():
    for name, module in _documented().items():
        library = "PRRTUptake" if module.startswith("PRRTUptake") else "PRRTDosimetry"
        path = (ROOT / library).joinpath(*module.split(".")).with_suffix(".py")
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert name in [node.name for node in body if isinstance(node, ast.FunctionDef)], f"{module}.{name}"


def test_a_function_without_caller_is_found(tmp_path):
    (tmp_path / "a.py").write_text("def one():\n    return 1\n\n\ndef two():\n    return one()\n")
    assert list(_unused([tmp_path / "a.py"], [tmp_path / "a.py"])) == ["two"]
