#!/bin/bash
# slicer-core 5.13.31053: in a table that Slicer saved, an empty cell is read as 0, "2,5" as 0, and numbers have six digits.
#
# Guess: a column of numbers that is saved as CSV and read again holds the same numbers, and what is missing or no number becomes NaN, a text, or
# a message.
# Real: Slicer writes the types of the columns to a second file (.schema.csv). With it a cell that was emptied in a spreadsheet, or saved there
# with a decimal comma, is 0; ReadData returns 1 and nothing is said. 1234567.89 comes back as 1234570. Only a cell "nan" stays NaN.
# Who meets it: tables of uptake or dose per lesion that are edited outside of Slicer and loaded again: a lesion that was not measured has an
# uptake of 0, and means fall.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check slicer-core==5.13.31053.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
from pathlib import Path

import slicer
import vtk

scene = slicer.vtkMRMLScene()


def storage():
    node = slicer.vtkMRMLTableStorageNode()
    scene.AddNode(node)
    node.SetFileName("lesions.csv")
    return node


def column():
    """The numbers of the file, as Slicer reads them."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode")
    assert storage().ReadData(node) == 1
    read = node.GetTable().GetColumnByName("suv")
    return [read.GetValue(row) for row in range(read.GetNumberOfTuples())]


table = scene.AddNewNodeByClass("vtkMRMLTableNode")
numbers = vtk.vtkDoubleArray()
numbers.SetName("suv")
for value in (12.5, 8.25, math.nan, 1234567.89):
    numbers.InsertNextValue(value)
table.AddColumn(numbers)
assert storage().WriteData(table) == 1 and Path("lesions.schema.csv").exists()

saved = column()
text = Path("lesions.csv").read_text()
Path("lesions.csv").write_text(text.replace("nan", '""').replace("8.25", '"8,25"'))
edited = column()
print("12.5, 8.25, NaN, 1234567.89 saved and read:", saved)
print("with the NaN emptied and 8.25 written with a comma:", edited)
assert saved[:2] == [12.5, 8.25] and math.isnan(saved[2]) and saved[3] == 1234570.0
assert edited == [12.5, 0.0, 0.0, 1234570.0]
PYTHON
