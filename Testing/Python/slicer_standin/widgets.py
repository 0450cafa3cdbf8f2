"""The few widgets of CTK and MRML that the panels use, with the members that Slicer shows to Python and no others.

``INVOKABLE`` names the slots and invokable methods, ``SIGNALS`` the signals by their C++ signature.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A button whose children are its contents, shown below it unless it is collapsed."""

    contentsCollapsed = Signal(bool)
    SIGNALS = {"contentsCollapsed(bool)": "contentsCollapsed"}
    INVOKABLE = ()
    HEADER_px = 26

    def __init__(self, parent=None):
        super().__init__(parent)
        self._own_doing = False
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(2, self.HEADER_px, 2, 2)
        self.toggled.connect(self._show_contents)

    def _collapsed(self):
        return not self.isChecked()

    def _set_collapsed(self, collapsed):
        self.setChecked(not collapsed)

    def _show_contents(self, shown):
        self._own_doing = True
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(shown and child.property("visibilityToParent") is not False)
        self._own_doing = False
        if self.layout():
            self.layout().invalidate()
        self.updateGeometry()
        self.contentsCollapsed.emit(not shown)

    def childEvent(self, event):
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget):
            child.installEventFilter(self)
            if not self.isChecked():
                self._hide(child)
        super().childEvent(event)

    def eventFilter(self, child, event):
        """What somebody else shows or hides stays so when the button is opened again."""
        if event.type() in (QtCore.QEvent.ShowToParent, QtCore.QEvent.HideToParent) and not self._own_doing:
            shown = event.type() == QtCore.QEvent.ShowToParent
            child.setProperty("visibilityToParent", shown)
            if shown and not self.isChecked():
                self._hide(child)
        return False

    def _hide(self, child):
        self._own_doing = True
        child.setVisible(False)
        self._own_doing = False

    def hitButton(self, position):
        return position.y() < self.HEADER_px

    def hasHeightForWidth(self):
        return self.isChecked() and self.layout() is not None and self.layout().hasHeightForWidth()

    def heightForWidth(self, width):
        return max(self.layout().totalHeightForWidth(width), self.HEADER_px)

    def sizeHint(self):
        inside = (
            self.layout().totalSizeHint() if self.isChecked() and self.layout() else QtCore.QSize(120, self.HEADER_px)
        )
        return QtCore.QSize(inside.width(), max(inside.height(), self.HEADER_px))

    def minimumSizeHint(self):
        return QtCore.QSize(80, self.sizeHint().height())

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width() - 1, self.HEADER_px - 4)
        painter.setPen(self.palette().mid().color())
        painter.setBrush(self.palette().button())
        painter.drawRoundedRect(header, 3, 3)
        painter.setPen(self.palette().buttonText().color())
        font = painter.font()
        font.setBold(True)
        painter.setFont(font)
        mark = "\u25be" if self.isChecked() else "\u25b8"
        painter.drawText(header.adjusted(8, 0, 0, 0), Qt.AlignVCenter, f"{mark}  {self.text()}")

    collapsed = Property(bool, _collapsed, _set_collapsed)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path and a button to browse for it."""

    FLAGS = {"Dirs": 0x001, "Files": 0x002, "Writable": 0x020, "NoDotAndDotDot": 0x6000}  # as in QDir
    currentPathChanged = Signal(str)
    SIGNALS = {"currentPathChanged(QString)": "currentPathChanged"}
    INVOKABLE = ("setCurrentPath", "browse", "addCurrentPathToHistory")

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._line = QtWidgets.QLineEdit(self)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        row.addWidget(self._line)
        row.addWidget(self._button)
        self._line.textChanged.connect(self.currentPathChanged)
        self._filters, self._names, self._key = self.FLAGS["Files"], [], ""

    def _path(self):
        return self._line.text()

    def setCurrentPath(self, path):
        self._line.setText(path)

    def addCurrentPathToHistory(self):
        """Nothing is remembered here."""

    currentPath = Property(str, _path, setCurrentPath)
    filters = Property(int, lambda self: self._filters, lambda self, value: setattr(self, "_filters", value))
    nameFilters = Property(list, lambda self: self._names, lambda self, value: setattr(self, "_names", value))
    settingKey = Property(str, lambda self: self._key, lambda self, value: setattr(self, "_key", value))


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that informs its children of the scene."""

    mrmlSceneChanged = Signal(object)
    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    INVOKABLE = ("setMRMLScene", "mrmlScene")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A choice among the scene's nodes of some classes, or none."""

    currentNodeChanged = Signal(object)
    nodeAddedByUser = Signal(object)
    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeChanged",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
    }
    INVOKABLE = (
        "setMRMLScene",
        "mrmlScene",
        "currentNode",
        "setCurrentNode",
        "setCurrentNodeID",
        "setCurrentNodeIndex",
        "nodeCount",
        "nodeFromIndex",
        "addNode",
        "removeCurrentNode",
        "addAttribute",
        "removeAttribute",
    )

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        row.addWidget(self._box)
        self._box.activated.connect(lambda index: self.setCurrentNode(self._box.itemData(index)))
        self._scene, self._node, self._tags = None, None, []
        self._options = {"nodeTypes": [], "noneDisplay": "None", "baseName": "", "noneEnabled": False}
        self._options |= dict.fromkeys(
            ("addEnabled", "removeEnabled", "showChildNodeTypes", "selectNodeUponCreation"), True
        )
        self._attributes = {}

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent, scene.EndImportEvent)
            self._tags = [scene.AddObserver(event, lambda *_: self._refresh()) for event in events]
        self._refresh()

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node):
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node)
        if node is not None and node not in self._nodes():
            node = None
        if node is not self._node:
            self._node = node
            self._refresh()
            self.currentNodeChanged.emit(node)

    def setCurrentNodeID(self, identifier):
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if identifier else None)

    def setCurrentNodeIndex(self, index):
        self.setCurrentNode(self.nodeFromIndex(index))

    def nodeCount(self):
        return len(self._nodes())

    def nodeFromIndex(self, index):
        return self._nodes()[index]

    def addNode(self, className=""):
        name = self._options["baseName"] or "Node"
        node = self._scene.AddNewNodeByClass(className or self._options["nodeTypes"][0], name)
        self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        if self._node is not None:
            self._scene.RemoveNode(self._node)

    def addAttribute(self, className, name, value=None):
        self._attributes[className, name] = value
        self._refresh()

    def removeAttribute(self, className, name):
        self._attributes.pop((className, name), None)
        self._refresh()

    def _nodes(self):
        if self._scene is None:
            return []
        found = []
        for name in self._options["nodeTypes"]:
            nodes = self._scene.GetNodesByClass(name)
            items = [nodes.GetItemAsObject(n) for n in range(nodes.GetNumberOfItems())]
            nodes.UnRegister(None)
            exact = not self._options["showChildNodeTypes"]
            found += [one for one in items if one not in found and not (exact and one.GetClassName() != name)]
        return [node for node in found if not node.GetHideFromEditors() and self._has_attributes(node)]

    def _has_attributes(self, node):
        wanted = {name: value for (cls, name), value in self._attributes.items() if node.IsA(cls)}
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for name, value in wanted.items()
        )

    def _refresh(self):
        if self._scene is not None and self._scene.IsBatchProcessing() and self._node is not None:
            pass  # nodes that are gone must not stay chosen, even while a batch runs
        nodes = self._nodes()
        lost = self._node is not None and self._node not in nodes
        if lost:
            self._node = nodes[-1] if nodes else None  # real Slicer takes another one, "none" allowed or not
        if self._node is None and nodes and not self._options["noneEnabled"]:
            self._node, lost = nodes[0], True
        self._box.clear()
        if self._options["noneEnabled"]:
            self._box.addItem(self._options["noneDisplay"], None)
        for node in nodes:
            self._box.addItem(node.GetName(), node)
        index = nodes.index(self._node) + bool(self._options["noneEnabled"]) if self._node is not None else 0
        self._box.setCurrentIndex(index)
        if lost:
            self.currentNodeChanged.emit(self._node)

    def _option(kind, name):
        def read(self):
            return self._options.get(name, kind())

        def write(self, value):
            self._options[name] = list(value) if kind is list else kind(value)
            self._refresh()

        return Property("QStringList" if kind is list else kind, read, write)

    nodeTypes = _option(list, "nodeTypes")
    noneEnabled = _option(bool, "noneEnabled")
    noneDisplay = _option(str, "noneDisplay")
    baseName = _option(str, "baseName")
    addEnabled = _option(bool, "addEnabled")
    removeEnabled = _option(bool, "removeEnabled")
    renameEnabled = _option(bool, "renameEnabled")
    editEnabled = _option(bool, "editEnabled")
    showHidden = _option(bool, "showHidden")
    showChildNodeTypes = _option(bool, "showChildNodeTypes")
    selectNodeUponCreation = _option(bool, "selectNodeUponCreation")
    currentNodeID = Property(
        str, lambda self: self._node.GetID() if self._node is not None else "", lambda self, i: self.setCurrentNodeID(i)
    )


class ctkMessageBox(QtWidgets.QMessageBox):
    """Never shown: the stand-in runs in testing mode."""

    SIGNALS: dict[str, str] = {}
    INVOKABLE = ()


CTK = {cls.__name__: cls for cls in (ctkCollapsibleButton, ctkPathLineEdit, ctkMessageBox)}
MRML = {cls.__name__: cls for cls in (qMRMLWidget, qMRMLNodeComboBox)}
