"""A dose map in Slicer: its colours and scale, isodose regions whose outlines are the isodose lines, and profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.views import KEPT_VISIBLE_ATTRIBUTE
from PRRTUptakeLib.mrml.volumes import node_from_volume
from vtkmodules.vtkCommonCore import vtkDoubleArray
from vtkmodules.vtkCommonDataModel import vtkTable

from PRRTDosimetryLib.dose.isodose import dose_colour_table, dose_profile, isodose_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume


def colour_node(maximum_Gy: float, name: str = "Absorbed dose") -> Any:
    """A vtkMRMLColorTableNode from 0 to ``maximum_Gy``; dose 0 is transparent, so that the CT shows through."""
    scene = session()
    table = dose_colour_table(maximum_Gy)
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", name)
    node.SetTypeToUser()
    node.SetNumberOfColors(len(table))
    for entry, (dose_Gy, (red, green, blue)) in enumerate(table):
        node.SetColor(entry, f"{dose_Gy:.3g} Gy", red, green, blue, 0.0 if entry == 0 else 1.0)
    node.GetLookupTable().SetTableRange(0.0, maximum_Gy)
    return node


def show_dose(dose: Volume, name: str, maximum_Gy: float | None = None) -> Any:
    """Put a dose map into the scene with its colours; the scale ends at ``maximum_Gy``, by default its maximum."""
    end = float(dose.array.max()) if maximum_Gy is None else maximum_Gy
    colours = colour_node(end, f"{name} colours")
    node = node_from_volume(dose, name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(colours.GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, end)
    return node


def isodose_node(dose: Volume, levels_Gy: Sequence[float], name: str = "Isodoses", node: Any = None) -> Any:
    """A vtkMRMLSegmentationNode with one region per level, drawn as lines without filling; ``node`` is overwritten."""
    node = node_from_segmentation(isodose_regions(dose, levels_Gy), name, node)
    node.SetAttribute(KEPT_VISIBLE_ATTRIBUTE, " ".join(f"{level:g}" for level in levels_Gy))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    return node


def profile_table(dose: Volume, start_ras_mm: Sequence[float], end_ras_mm: Sequence[float], name: str) -> Any:
    """A vtkMRMLTableNode with the columns distance_mm and dose_Gy along a line, for a plot series."""
    node = session().AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtkTable()
    for title, values in zip(("distance_mm", "dose_Gy"), dose_profile(dose, start_ras_mm, end_ras_mm), strict=True):
        column = vtkDoubleArray()
        column.SetName(title)
        column.SetNumberOfValues(values.size)
        for row, value in enumerate(values):
            column.SetValue(row, float(value))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    return node
