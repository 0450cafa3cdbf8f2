"""JSON as a person wrote it, read strictly: no key twice, no NaN, no number beyond sense, no half of a character."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.study.schema.place import Place

MOST_BYTES = 16_000_000
_DEEPEST = 40
_MOST_DIGITS = 300  # of a whole number; longer ones are a slip of the hand


class _Object(dict[str, Any]):
    """An object of JSON that remembers which keys were written more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


@dataclass(frozen=True)
class _Unusable:
    """A number that is none."""

    text: str

    def __repr__(self) -> str:
        return self.text


def read_json_file(path: Path, place: Place) -> Any:
    """Content of a JSON file: dict, list, str, int, float, bool or None, nothing twice and nothing impossible in it.

    Raises
    ------
    PRRTError
        Of the place's kind, if the file cannot be read, is no JSON, or has a key twice, NaN, Infinity, a number too
        large for a computer or half of a surrogate pair, each with the path of its key.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            place.stop(f"the file has more than {MOST_BYTES // 1_000_000} MB: name the file that you wrote.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        place.stop(f"{path} cannot be read as JSON ({error.strerror or error}): check its path.")
    except UnicodeDecodeError as error:
        place.stop(f"{path} cannot be read as JSON ({error.reason} at byte {error.start}): save it as UTF-8.")
    return parsed_json(text, place)


def parsed_json(text: str, place: Place) -> Any:
    """Content of JSON text; see `read_json_file`."""
    try:
        content = json.loads(
            text, object_pairs_hook=_Object, parse_constant=_Unusable, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        place.stop(
            f"cannot be read as JSON ({error.msg}, line {error.lineno}, column {error.colno}): correct it there."
        )
    except RecursionError:
        place.stop("cannot be read as JSON: its lists or objects are nested too deeply.")
    return _checked(content, place, 0)


def _float(text: str) -> float | _Unusable:
    value = float(text)
    return value if math.isfinite(value) else _Unusable(text)


def _int(text: str) -> int | _Unusable:
    return int(text) if len(text) <= _MOST_DIGITS else _Unusable(f"{text[:12]}... ({len(text)} digits)")


def _checked(value: Any, place: Place, depth: int) -> Any:
    """The value as plain dicts and lists."""
    if depth > _DEEPEST:
        place.stop(f"{place.name} is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, _Unusable):
        place.refuse(value, "a finite number that a computer can hold")
    if isinstance(value, str) and _broken(value):
        place.refuse(value, "text of whole letters (it has one half of a surrogate pair)")
    if isinstance(value, _Object):
        for key in value.twice:
            place.stop(f"the key {place.key(key).name} is written twice: keep one of them.")
        for key in value:
            if _broken(key):
                place.key(key).stop(f"the key {place.key(key).name} has one half of a surrogate pair: write it again.")
        return {key: _checked(item, place.key(key), depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_checked(item, place.item(n), depth + 1) for n, item in enumerate(value)]
    return value


def _broken(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)
