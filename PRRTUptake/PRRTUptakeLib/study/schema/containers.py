"""Values that hold others: objects of known keys, lists, objects keyed by names, and one of several forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.schema.fields import Field, Text, described

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.place import Place

Rule = Callable[[dict[str, Any], "Place"], None]


@dataclass(frozen=True, kw_only=True)
class Record:
    """An object whose keys are known.

    Attributes
    ----------
    required, optional : field of each key.
    rules : look at the values together, or complete them; each raises the place's error through the place.
    make : from the values by name to the object that is wanted; a dict if None. A PRRTError of it gets the place.
    raw : return what the file holds once it was checked, for a reader that comes later.
    wanted : ends the message "but must be ..." where the value is no object.
    more : what rules say, as far as JSON Schema can say it too.
    """

    about: str = ""
    required: Mapping[str, Field] = field(default_factory=dict)
    optional: Mapping[str, Field] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    make: Callable[..., Any] | None = None
    raw: bool = False
    wanted: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, Field]:
        """Every key."""
        return {**self.required, **self.optional}

    @property
    def allowed(self) -> str:
        """What it must be."""
        names = ", ".join(self.required or self.optional)
        return self.wanted or f"an object with the key{'s' * (len(self.required or self.optional) > 1)} {names}"

    def fits(self, value: Any) -> bool:
        """An object with the first of the required keys."""
        return isinstance(value, dict) and (not self.required or next(iter(self.required)) in value)

    def read(self, value: Any, place: Place) -> Any:
        """The values by key, or what is made of them."""
        if not isinstance(value, dict):
            place.refuse(value, self.allowed)
        known = self.keys
        for key in value:
            if key not in known:
                place.unknown(key, known)
        for key, item in self.required.items():
            if key not in value:
                place.stop(f"the key {place.key(key).name} is missing: it must be {item.allowed}.")
        values = {key: known[key].read(item, place.key(key)) for key, item in value.items()}
        for rule in self.rules:
            rule(values, place)
        if self.raw:
            return value
        if self.make is None:
            return values
        try:
            return self.make(**values)
        except PRRTError as error:
            place.stop(f"{place.name}: {error}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        properties = {key: item.schema() for key, item in self.keys.items()}
        found = described(self.about, type="object", properties=properties)
        return {**found, "required": list(self.required), "additionalProperties": False, **self.more}


@dataclass(frozen=True, kw_only=True)
class ListOf:
    """A list of like items, read as a tuple; ``unit`` for a list of numbers, ``wanted`` for messages."""

    item: Field
    least: int = 0
    most: int = 1000
    about: str = ""
    wanted: str = ""

    @property
    def allowed(self) -> str:
        """What it must be."""
        if self.wanted:
            return self.wanted
        if not self.least:
            return f"a list, each item of it {self.item.allowed}"
        number = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"a list of {number} items, each {self.item.allowed}"

    def fits(self, value: Any) -> bool:
        """Any list."""
        return isinstance(value, list)

    def read(self, value: Any, place: Place) -> tuple[Any, ...]:
        """The items."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            place.refuse(value, self.allowed)
        return tuple(self.item.read(one, place.item(n)) for n, one in enumerate(value))

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, type="array", items=self.item.schema(), minItems=self.least, maxItems=self.most)


@dataclass(frozen=True, kw_only=True)
class MapOf:
    """An object whose keys are names that the file chooses, such as regions, each with a like value."""

    item: Field
    about: str = ""
    names: Field = field(default_factory=Text)
    empty_name: bool = False
    least: int = 0
    keyed_by: str = "region"

    @property
    def allowed(self) -> str:
        """What it must be."""
        return f"an object with a {self.keyed_by} as each key, and its value {self.item.allowed}"

    def fits(self, value: Any) -> bool:
        """Any object."""
        return isinstance(value, dict)

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        """The values by name."""
        if not isinstance(value, dict) or len(value) < self.least:
            place.refuse(value, self.allowed)
        found: dict[str, Any] = {}
        for key, one in value.items():
            name = key if key == "" and self.empty_name else self.names.read(key, place.key(key))
            if name in found:
                place.stop(f"{place.name} has the {self.keyed_by} {name!r} twice: keep one.")
            found[name] = self.item.read(one, place.key(key))
        return found

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        found = described(self.about, type="object", additionalProperties=self.item.schema())
        return {**found, "minProperties": self.least} if self.least else found


@dataclass(frozen=True, kw_only=True)
class AnyOf:
    """One of several forms; the first that a value fits reads it. ``wanted`` lists them for messages."""

    forms: tuple[Field, ...]
    wanted: str
    about: str = ""

    @property
    def allowed(self) -> str:
        """The forms."""
        return self.wanted

    def fits(self, value: Any) -> bool:
        """What one of the forms takes."""
        return any(form.fits(value) for form in self.forms)

    def read(self, value: Any, place: Place) -> Any:
        """What the form makes of it."""
        form = next((one for one in self.forms if one.fits(value)), None)
        if form is None:
            place.refuse(value, self.wanted)
        return form.read(value, place)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, anyOf=[form.schema() for form in self.forms])
