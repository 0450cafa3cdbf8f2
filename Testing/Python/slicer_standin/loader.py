"""``qt.QUiLoader``: reads a .ui file, makes the widgets of CTK and MRML, refuses what Slicer's loader would drop."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from slicer_standin import pythonqt


class UiError(RuntimeError):
    """A .ui file names a class, property, signal or slot that is not there."""


class _Loader(QtUiTools.QUiLoader):
    """Makes the stand-in's own widgets where the .ui file names them."""

    def createWidget(self, className, parent=None, name=""):
        cls = pythonqt.custom_classes.get(className)
        if cls is None:
            if className.startswith(("ctk", "qMRML", "qSlicer")):
                raise UiError(f"The stand-in has no {className}: add it to slicer_standin/widgets.py.")
            return super().createWidget(className, parent, name)
        made = cls(parent)
        made.setObjectName(name)
        return made


class QUiLoader:
    """As PythonQt shows it: ``load`` returns the top widget."""

    def load(self, device, parent=None):
        root = ElementTree.fromstring(bytes(device._object.readAll().data()))
        links = [_ends(item) for item in root.iter("connection")]
        for item in root.findall("connections"):
            root.remove(item)  # Qt knows nothing of vtkMRMLScene*: the connections are made below
        flags = list(_take_own_flags(root))
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        loader = _Loader()
        top = loader.load(buffer, pythonqt.unwrap(parent))
        if top is None:
            raise UiError(loader.errorString())
        widgets = {top.objectName(): top}
        widgets.update({item.objectName(): item for item in top.findChildren(QtWidgets.QWidget)})
        _check_properties(root, widgets)
        for name, prop, value in flags:
            widgets[name].setProperty(prop, value)
        for link in links:
            _connect(widgets, *link)
        for item in widgets.values():
            item.setToolTip(pythonqt.rich_text(item.toolTip()))
        return pythonqt.wrap(top)


def _take_own_flags(root):
    """Flags of the stand-in's own widgets, which Qt's loader cannot read: widget, property, value."""
    for node in root.iter("widget"):
        cls = pythonqt.custom_classes.get(node.get("class"))
        for item in node.findall("property") if cls is not None else ():
            words = (item.findtext("set") or "").split("|")
            if not words[0].startswith(f"{cls.__name__}::"):
                continue
            names = [word.split("::")[-1] for word in words]
            if unknown := set(names) - set(cls.FLAGS):
                raise UiError(f"{cls.__name__} has no flag {sorted(unknown)[0]}.")
            node.remove(item)
            yield node.get("name"), item.get("name"), sum(cls.FLAGS[name] for name in names)


def _ends(item):
    return tuple(item.findtext(key) or "" for key in ("sender", "signal", "receiver", "slot"))


def _check_properties(root, widgets):
    for node in root.iter("widget"):
        made = widgets.get(node.get("name"))
        if made is None:
            raise UiError(f"The .ui file's {node.get('class')} '{node.get('name')}' was not made.")
        for item in node.findall("property"):
            if item.get("stdset") != "0" and made.metaObject().indexOfProperty(item.get("name")) < 0:
                raise UiError(f"{node.get('class')} '{node.get('name')}' has no property '{item.get('name')}'.")


def _connect(widgets, sender, signal, receiver, slot):
    target = pythonqt.wrap(widgets[receiver])
    method = getattr(target, slot.split("(")[0])
    if not pythonqt.wrap(widgets[sender]).connect(signal, method):
        raise UiError(f"'{sender}' has no signal {signal}.")
