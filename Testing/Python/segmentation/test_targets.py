"""Targets by the trials' rules, reasons kept, replacements recorded."""

import pytest
from PRRTUptakeLib.segmentation.targets import Candidate, TargetError, TargetOverride, choose_targets


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
    assert why["E1"] == "It lies outside the liver."
    assert why["R2"].startswith("30.1 mm, above 30 mm; number 2")


def test_five_in_the_liver_whatever_the_lobe():
    decisions = choose_targets([*LEFT, *RIGHT, *OUTSIDE], 10.0, 5, 5)
    assert chosen(decisions) == {"L1", "L2", "L3", "L4", "R1"}
    assert {d.lesion_id: d.reason for d in decisions}["L5"] == "The liver has 5 larger targets already."


def test_no_target_is_told_with_the_largest():
    with pytest.raises(
        TargetError, match=r"No liver lesion is longer than 30 mm \(the largest, R1, measures 30.0 mm\)"
    ):
        lutia(Candidate("R1", "right", 30.0), Candidate("E1", "none", 70.0))
    with pytest.raises(TargetError, match="no lesion in the liver"):
        lutia(Candidate("E1", "none", 70.0))
    with pytest.raises(TargetError, match="Two lesions have the id L1"):
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
        with pytest.raises(TargetError, match=words):
            lutia(*LEFT, *RIGHT, target_overrides=[TargetOverride(*change)])
    with pytest.raises(TargetError, match="Say why"):
        TargetOverride("L2", "L4", "  ")
