"""Answers to what an assembled case left open: written in the file, or asked for in the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN = "unknown"
_YES = ("yes", "y", "ja", "oui", "si", "sí")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_WHOLE, _REAL = ("cycle",), ("activity_MBq",)
_REASON = "stated when the case was assembled"
Asker = Callable[[str], str]
"""Shows a question and returns what was typed; "" leaves it open. Raises EOFError where nobody is there."""


def answer_case(path: Path, ask: Asker | None = None) -> int:
    """Take the answers that were written into a case file, ask for the rest if wished; returns how many stay open.

    Raises
    ------
    ArchiveError
        If an answer is none that the question allows, or the case would not be one with it; the file is as it was.
    """
    place = Place(file=path.name, base=path.parent, error=ArchiveError)
    content = read_json_file(path, place)
    load_case(path)
    left = []
    for n, question in enumerate(content.get("questions", []), start=1):
        answer = str(question.get("answer", "")).strip()
        if not answer and ask is not None:
            try:
                answer = ask(_shown(n, question)).strip()
            except EOFError:
                ask = None
        if not answer or not _apply(content, question, answer):
            left.append({key: value for key, value in question.items() if key != "answer"})
    if left:
        content["questions"] = left
    else:
        content.pop("questions", None)
    with atomic_file(path) as work:
        work.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        try:
            load_case(work)
        except PRRTError as error:
            raise ArchiveError(str(error).replace(work.name, path.name)) from error
    return len(left)


def _shown(number: int, question: dict[str, Any]) -> str:
    """A question for a terminal, with its choices numbered."""
    lines = [f"{number}. {question['question']}"]
    for n, one in enumerate(question.get("choices", []), start=1):
        lines.append(f"   {n}) {one['answer']}: {one['meaning']}")
    proposed = f" [{question['proposed']}]" if question.get("proposed") else ""
    hint = "number, answer" if question.get("choices") else "answer" if question.get("key") else "yes"
    return "\n".join([*lines, f"   {hint}, '=' for what is proposed{proposed}, or Enter to leave it open: "])


def _apply(content: dict[str, Any], question: dict[str, Any], answer: str) -> bool:
    """Put an answer where it belongs; whether the question is settled."""
    choices = [str(one["answer"]) for one in question.get("choices", [])]
    if answer == "=":
        answer = str(question.get("proposed", ""))
    elif answer.isdecimal() and answer not in choices and 0 < int(answer) <= len(choices):
        answer = choices[int(answer) - 1]
    key = str(question.get("key", ""))
    if not key:
        return answer.lower() in _YES
    if not answer:
        return False
    if answer.lower() == UNKNOWN and ".quantification." in key:
        return True
    if choices and answer not in choices:
        raise ArchiveError(f"'{answer}' is no answer to '{question['question']}': give one of {', '.join(choices)}.")
    _set(content, key, answer)
    return True


def _set(content: dict[str, Any], key: str, answer: str) -> None:
    """Set the value at a path such as ``visits[0].quantification.nuclide``; objects between are made."""
    steps = [name or int(number) for name, number in _STEP.findall(key)]
    holder: Any = content
    try:
        for step in steps[:-1]:
            if isinstance(step, str) and step == "quantification":
                holder = holder.setdefault(step, {"reason": _REASON})
            else:
                holder = holder[step]
        last = steps[-1]
        value: Any = answer
        if last in _WHOLE:
            value = int(answer)
        elif last in _REAL:
            value = float(answer.replace(",", "."))
        holder[last] = value
    except (KeyError, IndexError, TypeError):
        raise ArchiveError(f"A question goes to '{key}', which the case does not have: correct the file.") from None
    except ValueError:
        raise ArchiveError(f"'{answer}' is no number, which '{key}' needs: correct the answer.") from None
