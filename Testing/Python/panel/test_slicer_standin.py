"""The stand-in behaves as a running Slicer 5.12.3 was seen to behave."""

import enum
from typing import Annotated, Optional

import pytest
import slicer


class Lobe(enum.Enum):
    RIGHT = "r"
    LEFT = "l"


@pytest.fixture
def qt(slicer_application):
    import qt

    return qt


@pytest.fixture
def ctk(slicer_application):
    import ctk

    return ctk


def test_a_property_is_a_value(qt):
    button, combo, table = qt.QPushButton("x"), qt.QComboBox(), qt.QTableWidget()
    assert (button.text, combo.count, table.rowCount, combo.currentText) == ("x", 0, 0, "")
    with pytest.raises(TypeError, match="'str' object is not callable"):
        button.text()
    button.setText("y")
    assert button.text == "y"


def test_unknown_members_are_refused(qt, ctk):
    button = qt.QPushButton("x")
    with pytest.raises(AttributeError, match="QPushButton has no attribute named 'nosuch'"):
        _ = button.nosuch
    with pytest.raises(AttributeError, match="'nosuch' does not exist on QPushButton and creating new attributes"):
        button.nosuch = 1
    with pytest.raises(AttributeError, match="no attribute named"):
        ctk.ctkCollapsibleButton().setCollapsed(True)


def test_mrml_widgets_show_properties_only(slicer_application):
    combo = slicer.qMRMLNodeComboBox()
    with pytest.raises(AttributeError, match="no attribute named"):
        combo.setNoneEnabled(True)
    combo.noneEnabled = True
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert combo.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    combo.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    combo.setCurrentNode(node)
    assert combo.currentNode() is node
    assert combo.currentNodeID == node.GetID()
    slicer.mrmlScene.RemoveNode(node)
    assert combo.currentNode() is None


def test_values_of_the_wrong_type(qt):
    spin, button = qt.QSpinBox(), qt.QPushButton()
    message = "Property 'value' of type 'int' does not accept an object of type str \\('abc'\\)"
    with pytest.raises(AttributeError, match=message):
        spin.value = "abc"
    spin.value = 2.7
    assert spin.value == 2
    button.enabled = "abc"
    assert button.enabled is True


def test_signals(qt, capsys):
    from slicer_standin import pythonqt

    button, order = qt.QPushButton(), []
    assert button.connect("nosuch(bool)", print) is False
    assert button.connect("clicked()", lambda: order.append(1))
    assert button.connect("clicked(bool)", lambda: order.append(2))
    assert button.clicked.connect(lambda checked: order.append(3))
    button.click()
    assert order == [1, 2, 3]

    def broken():
        raise ValueError("in a slot")

    button.connect("clicked(bool)", broken)
    assert button.click() is None
    assert "in a slot" in capsys.readouterr().err
    assert [str(error) for error in pythonqt.slot_errors] == ["in a slot"]
    pythonqt.slot_errors.clear()


def test_items(qt):
    combo, table = qt.QComboBox(), qt.QTableWidget(2, 2)
    for words in ("a", "b"):
        combo.addItem(words)
    combo.addItem("x", {"k": 1})
    assert combo.itemData(2) == {"k": 1}
    assert table.item(1, 1) is None
    table.setItem(1, 1, qt.QTableWidgetItem("t"))
    assert table.item(1, 1).text() == "t"
    table.item(1, 1).setFlags(qt.Qt.ItemIsEnabled)


def test_application(slicer_application, qt):
    assert slicer.util.mainWindow() is None
    assert slicer.app.testingEnabled()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemByDataNode(node)
    with pytest.raises(AttributeError):
        slicer.app.nosuch()


@pytest.fixture
def parameters(slicer_application):
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    class P:
        vol: slicer.vtkMRMLScalarVolumeNode
        fwhm: Annotated[float, WithinRange(0, 50)] = 12.0
        lobe: Lobe = Lobe.RIGHT
        names: list[str]
        flag: bool

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    return parameterNodeWrapper(P)(node)


def test_parameters_are_strings_in_the_node(parameters):
    assert (parameters.vol, parameters.fwhm, parameters.lobe, list(parameters.names)) == (None, 12.0, Lobe.RIGHT, [])
    parameters.lobe, parameters.fwhm, parameters.flag, parameters.names = Lobe.LEFT, 3.5, True, ["z"]
    node = parameters.parameterNode
    kept = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert kept == {
        "flag": "True",
        "fwhm": "3.5",
        "lobe": "LEFT",
        "names.0": "z",
        "names.len": "1",
        "vol": "",
    }


def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match="Value must be within range \\[0, 50\\], is 99"):
        parameters.fwhm = 99
    with pytest.raises(TypeError, match="Value must be of type"):
        parameters.lobe = "left"
    parameters.nosuch = 1  # silently lost, as in Slicer


def test_parameters_and_widgets_follow_each_other(parameters, qt):
    from types import SimpleNamespace

    spin, combo = qt.QDoubleSpinBox(), qt.QComboBox()
    for widget, name in ((spin, "fwhm"), (combo, "lobe")):
        widget.setProperty("SlicerParameterName", name)
    tag = parameters.connectGui(SimpleNamespace(spin=spin, combo=combo))
    assert isinstance(tag, int)
    assert (spin.minimum, spin.maximum, spin.value) == (0.0, 50.0, 12.0)
    assert [combo.itemText(n) for n in range(combo.count)] == ["RIGHT", "LEFT"]
    spin.value = 7.0
    combo.setCurrentIndex(1)
    assert (parameters.fwhm, parameters.lobe) == (7.0, Lobe.LEFT)
    parameters.fwhm = 9.0
    assert spin.value == 9.0
    parameters.disconnectGui(tag)
    parameters.fwhm = 1.0
    assert spin.value == 9.0
    slider = qt.QSlider()
    slider.setProperty("SlicerParameterName", "fwhm")
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectGui(SimpleNamespace(slider=slider))


def test_an_optional_parameter_and_a_list(slicer_application):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class P:
        opt: Optional[float]  # noqa: UP045 - as it was seen
        names: list[str]

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = parameterNodeWrapper(P)(node)
    assert parameters.opt is None
    parameters.opt = 1.5
    parameters.names.append("z")  # the list follows: it is an ObservedList
    assert node.GetParameter("opt.0") == "1.5"
    assert (node.GetParameter("names.0"), node.GetParameter("names.len")) == ("z", "1")
