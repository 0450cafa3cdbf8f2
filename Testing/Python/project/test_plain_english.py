"""Plain English where people read: words that are not used in docstrings, messages and pages (see CONTRIBUTING.md).

Code is not prose: literals without a space, ``code spans`` and names of keys (``nudges``) are left out.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BANNED = {
    r"\btold\b|\btells?\b": "says, reports, states; 'not told' is 'missing'",
    r"\bstands?\b(?!-in| out| for)": "is",
    r"(?<!patient )\blies\b": "is (a position); a patient may lie",
    r"\bspeaks? against\b": "contradicts",
    r"\bbeside its\b": "next to its",
    r"\bfreed\b": "without, removed",
    r"\bnudg(e|es|ed|ing)\b": "manual shift, shifted by hand",
    r"\bcalm spheres?\b": "minimum-variance sphere",
    r"\bwhole folders?\b": "atomic write",
    r"\bcontours? (are |is )?carried\b|\bcarr(y|ies|ied|ying) (the )?(contours?|segments?)\b": "propagate",
    r"\bluckiest\b|\bin vain\b|\bnobody need\b": "plain words",
}
# The same for names of files, functions, classes, variables and tests. Public words stay: the case key ``nudges`` and
# the metrics ``nudge_right`` and so on are strings, which are not looked at here.
BANNED_PARTS = {
    "told",
    "tell",
    "tells",
    "telling",
    "nudge",
    "nudges",
    "nudged",
    "carry",
    "carries",
    "carried",
    "carrying",
}
BANNED_PARTS |= {"calm", "freed", "stands", "lies", "hybrid"}
NAMES_THAT_STAY = {"NOT_TOLD"}  # of scenes that earlier builds saved
GLOSSARY = "CONTRIBUTING.md"  # names the banned words


def _files() -> list[Path]:
    python = [path for folder in ("PRRTUptake", "PRRTDosimetry", "Tools") for path in (ROOT / folder).rglob("*.py")]
    pages = [*ROOT.glob("*.md"), *(ROOT / "Docs").rglob("*.md"), *ROOT.glob("PRRT*/Resources/UI/*.ui")]
    return [path for path in sorted([*python, *pages]) if path.name != GLOSSARY]


def prose(path: Path) -> list[tuple[int, str]]:
    """Line and text of everything that a person reads in a file, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found = [
            (node.lineno, node.value)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    elif path.suffix == ".ui":
        found = [(0, words) for words in re.findall(r"<string[^>]*>([^<]*)</string>", text)]
    else:
        shown = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
        found = list(enumerate(shown.splitlines(), start=1))
    without_code = [(line, re.sub(r"`+[^`]*`+|'nudges'|\"nudges\"", "", words)) for line, words in found]
    return [(line, words) for line, words in without_code if " " in words.strip()]


def banned(words: str) -> list[str]:
    return [
        f"'{found[0]}' (say: {better})"
        for pattern, better in BANNED.items()
        for found in re.finditer(pattern, words, re.I)
    ]


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_banned_word(path):
    problems = [f"line {line}: {problem}" for line, words in prose(path) for problem in banned(words)]
    assert not problems, "\n".join(problems)


def names(tree: ast.AST) -> set[str]:
    """Names that a module gives: functions, classes, arguments, variables and attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def banned_parts(name: str) -> list[str]:
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return [part for part in parts if part.lower() in BANNED_PARTS]


def test_no_name_has_a_banned_word():
    problems = []
    for folder in ("PRRTUptake", "PRRTDosimetry", "Tools", "Testing"):
        for path in (ROOT / folder).rglob("*.py"):
            given = {path.stem} | names(ast.parse(path.read_text(encoding="utf-8")))
            problems += [f"{path.relative_to(ROOT)}: {name}" for name in given - NAMES_THAT_STAY if banned_parts(name)]
    assert not problems, "\n".join(sorted(problems))


def test_banned_parts_of_names_are_found():
    assert banned_parts("test_what_is_missing_is_told") == ["told"]
    assert banned_parts("TestCarriedOver") == ["Carried"]
    assert banned_parts("understands_standard_untold") == []


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("The time is not told.", 1),
        ("It stands where the image tells", 2),
        ("a stand-in for Slicer, a standard that understands", 0),
        ("The point lies outside", 1),
        ("a lesion that was nudged", 1),
        ("contours are carried to the PET", 1),
        ("He carried out the measurement on the liver", 0),
    ],
)
def test_what_is_found(words, number):
    assert len(banned(words)) == number
