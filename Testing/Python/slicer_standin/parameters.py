"""``slicer.parameterNodeWrapper`` as far as the panels use it.

Parameters lie in the node as strings, nodes as references under the parameter's name, enums by name, lists as
``name.0``, ``name.1``, ``name.len``. Values are kept and read anew only when the node reports that it changed: while a
node is being removed its parameter still gives it. Bound widgets are taken by their exact type; both directions follow.
"""

from __future__ import annotations

import enum
import pathlib
import typing
import weakref
from collections.abc import MutableSequence
from dataclasses import dataclass

import slicer
import vtk

from slicer_standin.pythonqt import qt_class

PROPERTY = "SlicerParameterName"


@dataclass
class WithinRange:
    """A number between two limits."""

    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum:
    """A number not below a limit."""

    minimum: float

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"Value must be >= {self.minimum}, is {value}")


class Choice:
    """One of some values."""

    def __init__(self, choices):
        self.choices = list(choices)

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value}")


class ObservedList(MutableSequence):
    """A list that writes itself to the node when it is changed."""

    def __init__(self, values, write):
        self._values, self._write = list(values), write

    def __getitem__(self, index):
        return self._values[index]

    def __setitem__(self, index, value):
        self._values[index] = value
        self._write(self._values)

    def __delitem__(self, index):
        del self._values[index]
        self._write(self._values)

    def __len__(self):
        return len(self._values)

    def insert(self, index, value):
        self._values.insert(index, value)
        self._write(self._values)

    def __eq__(self, other):
        return list(self) == list(other)

    def __repr__(self):
        return repr(self._values)


class _Kind:
    """How values of one type are checked, written, read and what they are at first."""

    def __init__(self, annotated):
        self.annotations = getattr(annotated, "__metadata__", ())
        self.type = typing.get_args(annotated)[0] if self.annotations else annotated
        self.item = _Kind(typing.get_args(self.type)[0]) if typing.get_origin(self.type) is list else None
        known = isinstance(self.type, type) and (
            self.type in (int, float, str, bool)
            or issubclass(self.type, (enum.Enum, pathlib.PurePath, slicer.vtkMRMLNode))
        )
        if self.item is None and not known:
            raise Exception(f"Unable to create serializer for type: {self.type}")
        self.is_node = self.item is None and issubclass(self.type, slicer.vtkMRMLNode)

    def first(self):
        if self.item is not None:
            return []
        if self.is_node:
            return None
        return next(iter(self.type)) if issubclass(self.type, enum.Enum) else self.type()

    def check(self, value):
        wanted = (int, float) if self.type is float else list if self.item else self.type
        if self.item is not None and isinstance(value, ObservedList):
            return
        if not (value is None and self.is_node) and not isinstance(value, wanted):
            raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}' value '{value}'")
        for rule in self.annotations:
            rule.validate(value)
        for one in value if self.item else ():
            self.item.check(one)

    def is_in(self, node, name):
        return bool(node.HasParameter(f"{name}.len" if self.item else name))

    def write(self, node, name, value):
        self.check(value)
        if self.item is not None:
            for number in range(len(value)):
                self.item.write(node, f"{name}.{number}", value[number])
            node.SetParameter(f"{name}.len", str(len(value)))
        elif self.is_node:
            node.SetParameter(name, "")
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node, name):
        if self.item is not None:
            values = [self.item.read(node, f"{name}.{n}") for n in range(int(node.GetParameter(f"{name}.len")))]
            return ObservedList(values, lambda changed: self.write(node, name, changed))
        if self.is_node:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)


class _OptionalKind:
    """How ``Optional[X]`` is kept: a value under ``name.0``, None under ``name.1``."""

    annotations, is_node, item = (), False, None

    def __init__(self, annotated):
        self.type = annotated
        self._some = _Kind(typing.get_args(annotated)[0])

    def first(self):
        return None

    def check(self, value):
        if value is not None:
            self._some.check(value)

    def is_in(self, node, name):
        return self._some.is_in(node, f"{name}.0") or bool(node.HasParameter(f"{name}.1"))

    def write(self, node, name, value):
        self.check(value)
        node.UnsetParameter(f"{name}.{0 if value is None else 1}")
        if value is None:
            node.SetParameter(f"{name}.1", "None")
        else:
            self._some.write(node, f"{name}.0", value)

    def read(self, node, name):
        return self._some.read(node, f"{name}.0") if self._some.is_in(node, f"{name}.0") else None


def _kind_of(annotated):
    parts = typing.get_args(annotated)
    return (_OptionalKind if len(parts) == 2 and parts[1] is type(None) else _Kind)(annotated)


class _Kept:
    """The values of a parameter node as they were when it last changed."""

    def __init__(self, node, kinds, defaults):
        self.node, self.kinds, self.defaults, self.writing = node, kinds, defaults, set()
        for name, kind in kinds.items():
            if not kind.is_in(node, name):
                kind.write(node, name, defaults[name])
        self.values = {name: self.fresh(name) for name in kinds}
        own = weakref.ref(self)  # so that it is let go, and the observer with it
        self.tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: own().follow())

    def __del__(self):
        self.node.RemoveObserver(self.tag)

    def fresh(self, name):
        """Read from the node; what was wiped, as by closing the scene, gets its default again."""
        kind = self.kinds[name]
        if not kind.is_in(self.node, name):
            kind.write(self.node, name, self.defaults[name])
        return kind.read(self.node, name)

    def follow(self):
        for name in self.kinds:
            if name not in self.writing:
                self.values[name] = self.fresh(name)

    def write(self, name, value):
        self.writing.add(name)
        try:
            with slicer.util.NodeModify(self.node):  # observers hear of it when the new value can be read
                self.kinds[name].write(self.node, name, value)
                self.values[name] = self.fresh(name)
        finally:
            self.writing.discard(name)


RESERVED = ("allParameters", "default", "isCached", "dataType", "getValue", "setValue", "connectGui", "disconnectGui")
RESERVED += ("connectParametersToGui", "StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified")


def parameterNodeWrapper(cls):
    """Make a class of annotated fields a typed view of a vtkMRMLScriptedModuleNode."""
    kinds = {name: _kind_of(kind) for name, kind in typing.get_type_hints(cls, include_extras=True).items()}
    defaults = {name: getattr(cls, name, kind.first()) for name, kind in kinds.items()}
    for name, kind in kinds.items():
        kind.check(defaults[name])
    for name in RESERVED:
        if name in kinds or hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")

    def __init__(self, node):
        self.parameterNode, self._kinds, self._bound, self._tag = node, kinds, {}, 0
        self._kept, self._updating = _Kept(node, kinds, defaults), False

    members = {name: _property(name) for name in kinds}
    members.update(
        __init__=__init__,
        allParameters=kinds,
        connectGui=_connect_gui,
        disconnectGui=_disconnect_gui,
        getValue=lambda self, name: getattr(self, name),
        setValue=lambda self, name, value: setattr(self, name, value),
        StartModify=lambda self: self.parameterNode.StartModify(),
        EndModify=lambda self, was: self.parameterNode.EndModify(was),
        Modified=lambda self: self.parameterNode.Modified(),
        AddObserver=lambda self, event, f, priority=0.0: self.parameterNode.AddObserver(event, f, priority),
        RemoveObserver=lambda self, tag: self.parameterNode.RemoveObserver(tag),
    )
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def _property(name):
    return property(lambda self: self._kept.values[name], lambda self, value: self._kept.write(name, value))


class _Link:
    """One parameter bound to one widget."""

    def __init__(self, parameters, name, widget):
        self.parameters, self.name, self.widget, self.kind = parameters, name, widget, parameters._kinds[name]
        self.read, self.write, self.signal = self._access()
        self.busy = False

    def _access(self):
        widget, kind = self.widget, self.kind
        single = kind.item is None
        exact = {
            "QCheckBox": (bool, "checked", "stateChanged"),
            "QSpinBox": (int, "value", "valueChanged"),
            "QDoubleSpinBox": (float, "value", "valueChanged"),
            "QLineEdit": (str, "text", "textChanged"),
        }
        name = widget.className()
        if single and name in exact and kind.type is exact[name][0] and type(widget) is qt_class(name):
            _, prop, signal = exact[name]
            self._limit()
            return lambda: getattr(widget, prop), lambda value: setattr(widget, prop, value), signal
        if single and name == "ctkPathLineEdit" and issubclass(kind.type, pathlib.PurePath):
            text = lambda value: "" if str(value) == "." and value == kind.type() else str(value)  # noqa: E731
            return (
                lambda: kind.type(widget.currentPath),
                lambda value: setattr(widget, "currentPath", text(value)),
                "currentPathChanged",
            )
        if kind.is_node and name == "qMRMLNodeComboBox":
            widget.nodeTypes = [kind.type.__name__]
            return widget.currentNode, widget.setCurrentNode, "currentNodeChanged"
        if single and name == "QComboBox" and issubclass(kind.type, enum.Enum):
            label = getattr(kind.type, "label", lambda one: one.name)
            widget.clear()
            for one in kind.type:
                widget.addItem(label(one))
            choices = list(kind.type)
            return (
                lambda: choices[widget.currentIndex],
                lambda value: setattr(widget, "currentIndex", choices.index(value)),
                "currentIndexChanged",
            )
        raise RuntimeError(
            f"Unable to create GUI connector from datatype '{kind.type}' to widget type '{type(widget)}'."
        )

    def _limit(self):
        for rule in self.kind.annotations:
            if isinstance(rule, WithinRange):
                self.widget.minimum, self.widget.maximum = rule.minimum, rule.maximum
                return
        if self.kind.type is float:
            self.widget.minimum, self.widget.maximum = float("-inf"), float("inf")

    def changed(self):
        with slicer.util.NodeModify(self.parameters):
            if not self.parameters._updating:
                setattr(self.parameters, self.name, self.read())


def _connect_gui(self, gui):
    links = []
    for widget in list(vars(gui).values()):
        name = widget.property(PROPERTY)
        if name:
            if name not in self._kinds:
                raise ValueError(f"Cannot find a param with the given name: {name}")
            links.append(_Link(self, name, widget))
    for link in links:
        link.write(getattr(self, link.name))
        getattr(link.widget, link.signal).connect(link.changed)

    def follow(caller, event):
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for link in links:
                    link.write(getattr(self, link.name))
        finally:
            self._updating = False

    self._tag += 1
    self._bound[self._tag] = links, self.AddObserver(vtk.vtkCommand.ModifiedEvent, follow)
    return self._tag


def _disconnect_gui(self, tag):
    links, observer = self._bound.pop(tag, ((), None))
    for link in links:
        getattr(link.widget, link.signal).disconnect(link.changed)
    if observer is not None:
        self.RemoveObserver(observer)
