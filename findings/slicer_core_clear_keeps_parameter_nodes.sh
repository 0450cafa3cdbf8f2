#!/bin/bash
# slicer-core 5.13.31053: mrmlScene.Clear(0) leaves a module's parameter node in the scene, emptied.
#
# Guess: after Clear(0) the scene has no node of the old patient, and a module's parameter node is a new one (so "is there one" says
# whether the panel was used in this scene).
# Real: nodes with a singleton tag, as parameter nodes of scripted modules have, stay: the same object with the same id and name, but without
# parameters, attributes and references; Clear(1) removes them too. Code that takes an existing node for a used one sees none of its defaults.
# Who meets it: modules that hand choices from one panel to another, and tests that clear the scene between patients.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check slicer-core==5.13.31053.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import slicer

scene = slicer.vtkMRMLScene()
image = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "image")
node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Dosimetry")
node.SetSingletonTag("Dosimetry")
node.SetParameter("patient", "P01")
node.SetAttribute("chosen", "yes")
node.SetNodeReferenceID("image", image.GetID())
name = node.GetID()
scene.Clear(0)
left = scene.GetNodeByID(name)
print("after Clear(0):", left is node, repr(left.GetParameter("patient")), left.GetAttribute("chosen"), left.GetNodeReferenceID("image"))
assert left is node
assert (left.GetName(), left.GetSingletonTag()) == ("Dosimetry", "Dosimetry")
assert (left.GetParameter("patient"), left.GetAttribute("chosen"), left.GetNodeReferenceID("image")) == ("", None, None)
assert scene.GetNodesByClass("vtkMRMLScalarVolumeNode").GetNumberOfItems() == 0
scene.Clear(1)
assert scene.GetNodeByID(name) is None
print("after Clear(1): gone")
PYTHON
