"""Qt as PythonQt shows it: proxies around PySide6 objects.

A property is a value, not a call; unknown attributes are refused; signals connect by signature; enums lie flat in their
class; a Python exception in a slot is printed and goes no further. How a running Slicer 5.12.3 behaves was measured;
the stand-in only has to refuse what Slicer refuses, so that a panel that works here works there.
"""

from __future__ import annotations

import html
import inspect
import traceback
from pathlib import Path

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

QT_MODULES = (QtWidgets, QtGui, QtCore)
_VALUES = (QtWidgets.QTableWidgetItem, QtWidgets.QTreeWidgetItem, QtWidgets.QListWidgetItem, QtWidgets.QLayoutItem)
_RENAMED = {"exec_": "exec"}
_TYPES = {"bool": bool, "int": int, "double": float, "QString": str}
_NUMBERS = {"int": int, "uint": int, "double": float, "float": float}

slot_errors: list[BaseException] = []  # every exception that a slot let through; the tests look here
custom_classes: dict[str, type] = {}  # the widget classes of CTK and MRML: name -> PySide class


class PythonQtType(type):
    """Enums and static functions of a class: ``qt.QHeaderView.Stretch``, ``qt.QTimer.singleShot``."""

    def __getattr__(cls, name):
        found = getattr(cls.__dict__.get("_qt") or cls._qt, name, None)
        if found is None or name.startswith("_"):
            raise AttributeError(f"type object 'PythonQt.{cls.__name__}' has no attribute '{name}'")
        return _callable(found) if callable(found) and not isinstance(found, type) else found


class PythonQtObject(metaclass=PythonQtType):
    """A Qt object as Python sees it in Slicer."""

    _qt = QtCore.QObject

    def __init__(self, *arguments, wrapped=None):
        made = wrapped if wrapped is not None else type(self)._qt(*[unwrap(item) for item in arguments])
        object.__setattr__(self, "_object", made)
        object.__setattr__(self, "_connections", [])
        if isinstance(made, QtCore.QObject):
            key = shiboken6.getCppPointer(made)[0]
            _alive[key] = self  # the same Qt object is always the same Python object
            made.destroyed.connect(lambda *_: _alive.pop(key, None))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _member(self, name)

    def __setattr__(self, name, value):
        _assign(self, name, value)

    def __repr__(self):
        return f"{type(self).__name__} (C++ object at: {id(self._object):#x})"

    def __eq__(self, other):
        return isinstance(other, PythonQtObject) and self._object == other._object

    def __hash__(self):
        return hash(id(self._object))

    def __or__(self, other):
        return wrap(self._object | unwrap(other))

    # What PythonQt adds to every object.
    def className(self):
        return type(self).__name__

    def connect(self, signal, slot):
        found = _signal(self._object, signal)
        if found is None:
            print(f"QObject::connect: No such signal {self.className()}::{signal}")
            return False
        instance, count = found
        handler = _handler(slot, count)
        instance.connect(handler)
        self._connections.append((_normal(signal), slot, instance, handler))
        return True

    def disconnect(self, signal, slot):
        for entry in self._connections:
            if entry[:2] == (_normal(signal), slot):
                entry[2].disconnect(entry[3])
                self._connections.remove(entry)
                return True
        return False


class PythonQtSignal:
    """``button.clicked``: connect, disconnect, or call it to emit."""

    def __init__(self, owner, name):
        self._owner, self._name = owner, name
        self._instance = _overload(owner._object, name)

    def connect(self, slot):
        handler = _handler(slot, None)
        self._instance.connect(handler)
        self._owner._connections.append((self._name, slot, self._instance, handler))
        return True

    def disconnect(self, slot):
        return self._owner.disconnect(self._name, slot)

    def emit(self, *arguments):
        self._instance.emit(*[unwrap(item) for item in arguments])

    __call__ = emit


def qt_class(name):
    """The proxy class of a Qt, CTK or MRML widget class, made on first use."""
    if name in _proxies:
        return _proxies[name]
    found = custom_classes.get(name) or next((getattr(m, name) for m in QT_MODULES if hasattr(m, name)), None)
    if found is None:
        raise AttributeError(f"module 'PythonQt' has no attribute '{name}'")
    return _proxy_of(found)


def wrap(value):
    """What Python sees of a value that Qt returns."""
    if isinstance(value, QtCore.QObject):
        known = _alive.get(shiboken6.getCppPointer(value)[0])
        return known if known is not None else _proxy_of(type(value))(wrapped=value)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    if isinstance(value, _VALUES) or type(value).__module__ in ("PySide6.QtGui", "PySide6.QtCore"):
        return value if _is_enum(value) else _proxy_of(type(value))(wrapped=value)
    return value


def unwrap(value):
    """What Qt gets of a value that Python passes."""
    if isinstance(value, PythonQtObject):
        return value._object
    if isinstance(value, PythonQtSignal):
        return value._instance
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    if isinstance(value, Path):
        raise ValueError(f"PythonQt does not take a {type(value).__name__} for a QString")
    return _handler(value, None) if inspect.isroutine(value) else value


_proxies: dict[str, type] = {}
_alive: dict[int, PythonQtObject] = {}


def _proxy_of(cls):
    if cls is QtCore.QObject or cls is object:
        return PythonQtObject
    if cls.__name__ not in _proxies:
        bases = [base for base in cls.__bases__ if base.__module__.startswith("PySide6") or base in _own()]
        base = _proxy_of(bases[0]) if bases else PythonQtObject
        _proxies[cls.__name__] = PythonQtType(cls.__name__, (base,), {"_qt": cls})
    return _proxies[cls.__name__]


def _own():
    return set(custom_classes.values())


def _is_enum(value):
    import enum

    return isinstance(value, enum.Enum)


def _member(proxy, name):
    made = proxy._object
    if not isinstance(made, QtCore.QObject):
        found = getattr(made, _RENAMED.get(name, name), None)
        if callable(found):
            return _callable(found)
        raise AttributeError(f"{type(proxy).__name__} has no attribute named '{name}'")
    if name == "name":
        return made.objectName()
    meta = made.metaObject()
    index = meta.indexOfProperty(name)
    if index >= 0 and not (index > 0 and name == "parent"):
        return wrap(meta.property(index).read(made))
    if _is_signal(made, name):
        return PythonQtSignal(proxy, name)
    name_in_qt = _RENAMED.get(name, name)
    if _visible(made, name_in_qt):
        found = getattr(made, name_in_qt, None)
        if callable(found):
            return _callable(found)
    raise AttributeError(f"{type(proxy).__name__} has no attribute named '{name}'")


def _visible(made, name):
    """Slots and invokables of CTK's and MRML's classes; of Qt's own classes everything that is public."""
    for cls in type(made).__mro__:
        if name in vars(cls):
            if cls not in _own():
                return cls.__module__.startswith("PySide6") or cls.__module__ == "Shiboken"
            if name in getattr(cls, "INVOKABLE", ()):
                return True
    return False


def _assign(proxy, name, value):
    made = proxy._object
    known = isinstance(made, QtCore.QObject)
    if known and name in ("name", "objectName"):
        made.setObjectName(value)
        return
    meta = made.metaObject() if known else None
    index = meta.indexOfProperty(name) if known else -1
    if index < 0:
        raise AttributeError(
            f"'{name}' does not exist on {type(proxy).__name__} and creating new attributes on C++ objects "
            "is not allowed"
        )
    found = meta.property(index)
    if not found.isWritable():
        raise AttributeError(f"Property '{name}' of type '{found.typeName()}' is not writable")
    value = _converted(value, name, found.typeName())
    found.write(made, rich_text(value) if name == "toolTip" else value)


def rich_text(text):
    """A tooltip as Slicer keeps it: plain words become a paragraph, so that they are wrapped."""
    return text if not text or text.lstrip().startswith("<") else f"<p>{html.escape(text, quote=False)}</p>"


def _converted(value, name, kind):
    refused = AttributeError(
        f"Property '{name}' of type '{kind}' does not accept an object of type {type(value).__name__} ({value!r})"
    )
    if kind == "bool":
        return bool(value)
    if kind in _NUMBERS:
        if isinstance(value, (int, float)):
            return _NUMBERS[kind](value)
        if not _is_enum(value):
            raise refused
    if kind == "QString" and not isinstance(value, str):
        raise refused
    if kind == "QStringList" and (isinstance(value, str) or not all(isinstance(item, str) for item in value)):
        raise refused
    return unwrap(value)


def _callable(function):
    def call(*arguments, **keywords):
        if keywords:
            raise TypeError("PythonQt methods take no keyword arguments")
        return wrap(function(*[unwrap(item) for item in arguments]))

    return call


def _normal(signature):
    text = " ".join(signature.split())
    return (
        text.replace(" ", "") if "const" not in text else bytes(QtCore.QMetaObject.normalizedSignature(text)).decode()
    )


def _is_signal(made, name):
    # not isinstance: in PySide6 6.12 that takes one reference too many from True or False each time
    return type(getattr(type(made), name, None)) is QtCore.Signal


def _signal(made, signature):
    """The signal instance of a signature and how many arguments it has; None where there is no such signal."""
    name = signature.split("(")[0].strip()
    text = _normal(signature)
    for cls in type(made).__mro__:
        if text in getattr(cls, "SIGNALS", {}):
            return getattr(made, cls.SIGNALS[text]), _count(text)
    if made.metaObject().indexOfSignal(text) < 0 or not _is_signal(made, name):
        return None
    return _overload(made, name, text), _count(text)


def _overload(made, name, signature=None):
    """The signal instance of one signature, by default of that with most arguments."""
    if signature is None:
        meta = made.metaObject()
        methods = (meta.method(n) for n in range(meta.methodCount()))
        texts = [bytes(one.methodSignature().data()).decode() for one in methods if one.name() == name.encode()]
        signature = max(texts, key=_count, default="()")
    kinds = tuple(_TYPES.get(kind) for kind in signature[signature.index("(") + 1 : -1].split(",") if kind)
    instance = getattr(made, name)
    try:
        return instance[kinds if len(kinds) != 1 else kinds[0]] if kinds and None not in kinds else instance
    except (KeyError, IndexError):
        return instance


def _count(signature):
    inside = signature[signature.index("(") + 1 : -1]
    return inside.count(",") + 1 if inside else 0


def _handler(slot, count):
    wanted = _arity(slot)

    def handler(*arguments):
        given = arguments if count is None else arguments[:count]
        try:
            slot(*[wrap(item) for item in given[:wanted]])
        except Exception as error:
            slot_errors.append(error)
            traceback.print_exc()

    return handler


def _arity(slot):
    if isinstance(slot, PythonQtSignal):
        return 99
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return 99
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        return 99
    return sum(item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD) for item in parameters)
