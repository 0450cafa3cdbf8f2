"""Bring the translation files (Qt Linguist's .ts) in line with the panels' strings.

    python Tools/translations.py            adds new strings as unfinished, drops those that are gone, keeps the rest

The context of a string is the class of its .ui file; of Python files what ``slicer.i18n.tr`` takes: the name of the
file, with that of its folder before it where it is part of a package (``panel.images``).
"""

from __future__ import annotations

import ast
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("PRRTUptake", "PRRTDosimetry")
LANGUAGES = ("fr-FR",)
_NOT_WORDS = "vtkMRML"  # names of classes in .ui files


def strings_of_module(module: str) -> dict[str, list[str]]:
    """What is to be translated of a module, by context; each string once, sorted."""
    folder = ROOT / module
    found: dict[str, set[str]] = {}
    files = [*folder.glob("*.py"), *(folder / f"{module}Lib" / "panel").glob("*.py")]
    for path in files:
        package = (path.parent / "__init__.py").is_file()
        context = f"{path.parent.name}.{path.stem}" if package else path.stem
        found.setdefault(context, set()).update(_marked(path))
    for path in (folder / "Resources" / "UI").glob("*.ui"):
        top = ElementTree.parse(path).getroot()
        words = {item.text for item in top.iter("string") if item.get("notr") != "true" and (item.text or "").strip()}
        found.setdefault(top.findtext("class") or path.stem, set()).update(
            word for word in words if word and not word.startswith(_NOT_WORDS)
        )
    return {context: sorted(words) for context, words in sorted(found.items()) if words}


def _marked(path: Path) -> set[str]:
    """Strings within ``_()`` of a Python file."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    marked = (call.args[0] for call in calls if getattr(call.func, "id", "") == "_" and call.args)
    return {item.value for item in marked if isinstance(item, ast.Constant) and isinstance(item.value, str)}


def translation_file(module: str, language: str) -> Path:
    """Where the translations of a module are."""
    return ROOT / module / "Resources" / "Translations" / f"{module}_{language}.ts"


def read_translations(path: Path) -> dict[tuple[str, str], str]:
    """Finished translations by context and source."""
    if not path.is_file():
        return {}
    found = {}
    for context in ElementTree.parse(path).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            if translation is not None and translation.get("type") != "unfinished" and translation.text:
                found[context.findtext("name") or "", message.findtext("source") or ""] = translation.text
    return found


def write_translations(path: Path, language: str, strings: dict[str, list[str]], known: dict[str, str]) -> None:
    """Write a .ts file; what has no translation is unfinished."""
    top = ElementTree.Element("TS", version="2.1", language=language.replace("-", "_"), sourcelanguage="en")
    for name, words in strings.items():
        context = ElementTree.SubElement(top, "context")
        ElementTree.SubElement(context, "name").text = name
        for word in words:
            message = ElementTree.SubElement(context, "message")
            ElementTree.SubElement(message, "source").text = word
            translation = ElementTree.SubElement(message, "translation")
            if word in known:
                translation.text = known[word]
            else:
                translation.set("type", "unfinished")
    ElementTree.indent(top, " ")
    text = ElementTree.tostring(top, encoding="unicode")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{text}\n', encoding="utf-8")


def main() -> None:
    """Rewrite every file in place."""
    for language in LANGUAGES:
        known: dict[str, str] = {}
        for module in MODULES:
            known |= {
                source: text for (_, source), text in read_translations(translation_file(module, language)).items()
            }
        for module in MODULES:
            write_translations(translation_file(module, language), language, strings_of_module(module), known)


if __name__ == "__main__":
    main()
