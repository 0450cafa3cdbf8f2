"""The shipped liver terminology: what the code table says, and what Slicer's own reader makes of it."""

import json

import pytest
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.segmentation import codes, label_matching

PATH = resource_path(label_matching.__file__, "Terminologies", "PRRT.term.json")


def test_file_says_what_the_table_says():
    """After a change of the table write the file anew: json.dumps(codes.terminology_content(), indent=2)."""
    assert json.loads(PATH.read_text(encoding="utf-8")) == json.loads(json.dumps(codes.terminology_content()))


def test_slicer_reads_it_and_finds_every_structure():
    slicer = pytest.importorskip("slicer")
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    name = logic.LoadTerminologyFromFile(str(PATH))
    assert name == codes.CONTEXT_NAME
    for item in codes.known_structures():
        category, kind, modifier = (slicer.vtkSlicerTerminologyCategory(), slicer.vtkSlicerTerminologyType(), None)
        found = None
        for n in range(logic.GetNumberOfCategoriesInTerminology(name)):
            logic.GetNthCategoryInTerminology(name, n, category)
            if category.GetCodeValue() == item.category.value:
                for m in range(logic.GetNumberOfTypesInTerminologyCategory(name, category)):
                    logic.GetNthTypeInTerminologyCategory(name, category, m, kind)
                    if kind.GetCodeValue() == item.code.value:
                        found = kind
                        break
                break
        assert found is not None, item.key
        if item.modifier is not None:
            modifier = slicer.vtkSlicerTerminologyType()
            values = set()
            for n in range(logic.GetNumberOfTypeModifiersInTerminologyType(name, category, kind)):
                logic.GetNthTypeModifierInTerminologyType(name, category, kind, n, modifier)
                values.add(modifier.GetCodeValue())
            assert item.modifier.value in values, item.key


@pytest.mark.parametrize("item", codes.known_structures(), ids=lambda item: item.key)
def test_slicer_understands_our_entries(item):
    slicer = pytest.importorskip("slicer")
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    entry = slicer.vtkSlicerTerminologyEntry()
    text = codes.terminology_entry(item.key)
    assert logic.DeserializeTerminologyEntry(text, entry)
    assert entry.GetTypeObject().GetCodeValue() == item.code.value
    assert logic.SerializeTerminologyEntry(entry) == text
