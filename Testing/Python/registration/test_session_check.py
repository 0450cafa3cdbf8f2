"""The check of emission image against CT of one session: silent where they agree, right where one was shifted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.session_images import session
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.registration.session_check import check_session

NONE = (0.0, 0.0, 0.0)
SHIFTS = [(10.0, 0.0, 0.0), (0.0, -12.0, 0.0), (0.0, 0.0, 10.0), (-8.0, 6.0, -15.0), (0.0, 0.0, -20.0)]


def shifted(image, shift_mm):
    matrix = image.ijk_to_ras.copy()
    matrix[:3, 3] += shift_mm
    return Volume(image.array, matrix, image.quantity, image.units)


@pytest.mark.parametrize(("kind", "breathing_mm"), [("lutia", 0.0), ("late", 6.0), ("pet", 6.0)])
def test_an_aligned_session_gives_no_warning(kind, breathing_mm):
    found = check_session(*session(kind, 1, breathing_mm))
    assert found.is_aligned
    assert found.length_mm < 3.0
    assert found.warning("The SPECT") == ""
    assert found.compared == "liver"


@pytest.mark.parametrize("kind", ["late", "pet"])
@pytest.mark.parametrize("shift_mm", [SHIFTS[0], SHIFTS[3]])
def test_an_inserted_shift_is_found(kind, shift_mm):
    emission, ct, liver = session(kind, 1, 6.0)
    found = check_session(shifted(emission, shift_mm), ct, liver)
    assert not found.is_aligned
    assert found.shift_mm == pytest.approx(shift_mm, abs=2.5)


def test_the_warning_names_image_direction_and_remedy():
    emission, ct, liver = session("late", 1, 6.0)
    text = check_session(shifted(emission, (0.0, 15.0, -20.0)), ct, liver).warning("The SPECT of '24h'")
    assert text.startswith("The SPECT of '24h' seems to lie 2")
    assert "mm anterior" in text
    assert "mm inferior" in text
    assert "give a transform" in text
    assert text.count(". ") == 0


def test_without_a_liver_only_shifts_across_the_body_are_sought():
    """The trunk is nearly a cylinder: along it the body says nothing, and nothing is claimed."""
    emission, ct, _ = session("pet", 1, 6.0)
    found = check_session(shifted(emission, (12.0, 0.0, 0.0)), ct)
    assert found.compared == "body"
    assert found.shift_mm == pytest.approx((12.0, 0.0, 0.0), abs=2.0)
    assert found.searched_mm[2] == 0.0
    assert check_session(shifted(emission, (0.0, 0.0, 12.0)), ct).is_aligned


def test_the_answer_does_not_depend_on_the_unit_or_on_one_very_hot_voxel():
    emission, ct, liver = session("late", 1, 6.0)
    first = check_session(emission, ct, liver)
    hot = emission.array * 1000.0
    hot[np.unravel_index(hot.argmax(), hot.shape)] *= 1e4
    second = check_session(emission.with_values(hot, units="1"), ct, liver)
    assert second.shift_mm == pytest.approx(first.shift_mm, abs=0.5)


def test_provenance_is_plain_json():
    found = check_session(*session("late", 1, 6.0)).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["aligned"] is True
    assert found["threshold_mm"] == 8.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e, c, v: (e, c, np.zeros_like(v)), "empty"),
        (lambda e, c, v: (e, c, v[1:]), "voxels"),
        (lambda e, c, v: (e.with_values(np.ones_like(e.array)), c, v), "uniform"),
        (lambda e, c, v: (e.with_values(np.full_like(e.array, np.nan)), c, v), "not finite"),
        (lambda e, c, v: (shifted(e, (0, 0, 900.0)), c, v), "do not overlap"),
        (lambda e, c, v: (shifted(e, (0, 0, 250.0)), c, v), "too little of the liver"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change, words):
    with pytest.raises(PRRTError, match=words) as error:
        check_session(*change(*session("late", 1, 6.0)))
    assert "\n" not in str(error.value)


def test_in_the_console(scene):
    """As both lie in the world: a transform node that moves the PET is seen."""
    import vtk
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

    emission, ct, liver = session("pet", 1, 6.0)
    nodes = node_from_volume(emission, "PET"), node_from_volume(ct, "CT")
    drawn = node_from_segmentation(Segmentation(ct.grid, (Segment.from_full("liver", liver),)), "Segments")
    logic = UptakeLogic("ia-versus-iv")
    assert logic.checkAlignment(*nodes, drawn).warnings == ()
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, -14.0)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(matrix)
    nodes[0].SetAndObserveTransformNodeID(moved.GetID())
    (text,) = logic.checkAlignment(*nodes, drawn).warnings
    assert "left" in text
    with pytest.raises(PRRTError, match="against itself"):
        logic.checkAlignment(nodes[0], nodes[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lutia", "late", "pet"])
def test_many_patients(kind):
    """No false warning, and every shift of 10 to 20 mm found within 3 mm."""
    for seed in range(2, 5):
        emission, ct, liver = session(kind, seed, 8.0)
        assert check_session(emission, ct, liver).length_mm < 4.0, seed
        for shift_mm in SHIFTS[2:]:
            found = check_session(shifted(emission, shift_mm), ct, liver)
            assert not found.is_aligned, (seed, shift_mm)
            assert found.shift_mm == pytest.approx(shift_mm, abs=3.0), (seed, shift_mm)
        session.cache_clear()
