"""Targets by the trials' rules, reasons kept, replacements recorded."""

import pytest
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.targets import Candidate, TargetOverride, choose_targets


def lutia(*candidates, target_overrides=()):
    return choose_targets(candidates, 30.0, 3, 6, target_overrides)


LEFT = [Candidate(f"L{n}", "left", size) for n, size in enumerate([80.0, 60.0, 50.0, 40.0, 30.0], start=1)]
RIGHT = [Candidate(f"R{n}", "right", size) for n, size in enumerate([35.0, 30.1, 12.0], start=1)]
OUTSIDE = [Candidate("E1", "none", 90.0)]


def chosen(decisions):
    return {d.lesion_id for d in decisions if d.is_target}


def test_three_largest_above_the_limit_per_lobe():
    decisions = lutia(*RIGHT, *OUTSIDE, *LEFT)
    assert chosen(decisions) == {"L1", "L2", "L3", "R1", "R2"}
    assert len(decisions) == 9
    why = {d.lesion_id: d.reason for d in decisions}
    assert why["L4"] == "The left lobe has 3 larger targets already."
    assert why["L5"] == "30.0 mm is not above 30 mm."
    assert why["E1"] == "It is outside the liver."
    assert why["R2"].startswith("30.1 mm, above 30 mm; number 2")


def test_five_in_the_liver_whatever_the_lobe():
    decisions = choose_targets([*LEFT, *RIGHT, *OUTSIDE], 10.0, 5, 5)
    assert chosen(decisions) == {"L1", "L2", "L3", "L4", "R1"}
    assert {d.lesion_id: d.reason for d in decisions}["L5"] == "The liver has 5 larger targets already."


def test_no_target_is_reported_with_the_largest():
    with pytest.raises(
        SegmentationError, match=r"No liver lesion is longer than 30 mm \(the largest, R1, measures 30.0 mm\)"
    ):
        lutia(Candidate("R1", "right", 30.0), Candidate("E1", "none", 70.0))
    with pytest.raises(SegmentationError, match="no lesion in the liver"):
        lutia(Candidate("E1", "none", 70.0))
    with pytest.raises(SegmentationError, match="Two lesions have the id L1"):
        lutia(LEFT[0], LEFT[0])


def test_replacement_keeps_the_reason_and_the_rules():
    decisions = lutia(*LEFT, *RIGHT, target_overrides=[TargetOverride("L2", "L4", "L2 is necrotic")])
    assert chosen(decisions) == {"L1", "L3", "L4", "R1", "R2"}
    why = {d.lesion_id: d.reason for d in decisions}
    assert why["L2"] == "Replaced by L4: L2 is necrotic"
    assert why["L4"] == "In place of L2: L2 is necrotic"
    for change, words in (
        (("L2", "L5", "x"), "cannot be a target under the protocol: 30.0 mm"),
        (("R1", "L4", "x"), "one too many: the left lobe has 3"),
        (("L2", "L9", "x"), "no lesion L9"),
        (("L2", "L3", "x"), "name a target and a lesion that is none"),
        (("L4", "L5", "x"), "name a target and a lesion that is none"),
    ):
        with pytest.raises(SegmentationError, match=words):
            lutia(*LEFT, *RIGHT, target_overrides=[TargetOverride(*change)])
    with pytest.raises(SegmentationError, match="Say why"):
        TargetOverride("L2", "L4", "  ")


L3, R3 = Candidate("L3", "left", 22.31148807229136), Candidate("R3", "right", 22.31148807229137)
OTHERS = [Candidate(f"{lobe[0].upper()}{n}", lobe, 60.0 - n) for lobe in ("left", "right") for n in (1, 2)]


@pytest.mark.parametrize("shift", [-2e-6, -1e-14, 0.0, 1e-14, 2e-6])
def test_the_fifteenth_digit_chooses_no_target(shift):
    """The same contours measured with float32 and with float64 spacings."""
    moved = [Candidate(c.lesion_id, c.lobe, c.longest_axial_mm + shift) for c in (R3, *OTHERS)]
    decisions = choose_targets([L3, *moved], 10.0, 5, 5)
    assert chosen(decisions) == {"L1", "L2", "R1", "R2", "L3"}
    why = {d.lesion_id: d.reason for d in decisions}
    assert why["L3"].endswith("Equal to R3 within 0.1 mm: the larger volume, then the lower id, goes first.")
    assert "Equal to L3" in why["R3"]
    assert "Equal" not in why["L1"]


def test_of_one_length_the_larger_volume_goes_first():
    larger = Candidate("R3", "right", 22.3, 9.0)
    decisions = choose_targets([Candidate("L3", "left", 22.31, 8.0), larger, *OTHERS], 10.0, 5, 5)
    assert chosen(decisions) == {"L1", "L2", "R1", "R2", "R3"}
    assert decisions[-1].reason.endswith("Equal to R3 within 0.1 mm: the larger volume goes first.")
    same = choose_targets([Candidate("L10", "left", 40.0, 8.0), Candidate("L9", "left", 40.0, 8.0000001)], 30.0, 1, 1)
    assert [d.lesion_id for d in same] == ["L9", "L10"]


def test_the_limit_is_met_in_tenths_of_a_millimetre():
    for length in (30.0, 30.000000000000004, 30.0000018, 30.04):
        with pytest.raises(SegmentationError, match="longer than 30 mm"):
            lutia(Candidate("R1", "right", length))
    assert chosen(lutia(Candidate("R1", "right", 30.06))) == {"R1"}
