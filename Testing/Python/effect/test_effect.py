"""Biological effect: worked numbers, and the dose protraction factor against a differential equation."""

import math

import numpy as np
import pytest
from PRRTDosimetryLib.effect.bed import (
    KIDNEY,
    Tissue,
    TumourControl,
    bed_Gy,
    dose_protraction_factor,
    eqd2_Gy,
    tissue_of,
)
from PRRTDosimetryLib.effect.cycles import CycleDose, cumulative_effect
from PRRTDosimetryLib.effect.errors import EffectError
from PRRTDosimetryLib.effect.limits import REFERENCE_LIMITS, reference_limits
from PRRTDosimetryLib.effect.lobes import LesionDose, compare_lobes
from PRRTDosimetryLib.effect.voxels import (
    equivalent_uniform_dose_Gy,
    tumour_control_probability,
    voxel_bed_Gy,
    voxel_effect,
)
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from scipy.integrate import solve_ivp


def mono(half_life_h, amplitude=1.0):
    return Shape(((amplitude, math.log(2) / half_life_h),))


def test_worked_numbers_of_the_protraction_factor():
    assert dose_protraction_factor(mono(50.0), 2.8) == pytest.approx(2.8 / 52.8, rel=1e-12)
    assert dose_protraction_factor(mono(50.0), 2.8) == pytest.approx(0.05303, abs=5e-6)
    uptake = Shape(((1.0, math.log(2) / 50), (-1.0, math.log(2) / 2)))
    assert dose_protraction_factor(uptake, 2.8) == pytest.approx(0.05218, abs=5e-6)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(((3.0, 0.01), (2.0, 0.2), (-5.0, 0.9))),
        Shape(((2.0, math.log(2) / 2.8),)),  # clearance as fast as repair: no singularity
        Shape(((30.0, 0.012),), ((0.0, 0.0), (4.0, 100.0), (24.0, 80.0), (72.0, 30.0))),
    ],
)
def test_protraction_factor_against_its_differential_equation(shape):
    """J' = R - m J holds the unrepaired part; G = 2/D^2 int R J dt."""
    repair = math.log(2) / 2.8

    def slope(t, y):
        rate = float(shape.activity_MBq(t))
        return [rate, rate - repair * y[1], rate * y[1]]

    end = 3000.0
    corners = [t for t, _ in shape.nodes] or [0.0]
    state, start = [0.0, 0.0, 0.0], 0.0
    for stop in [*corners[1:], end]:
        state = solve_ivp(slope, (start, stop), state, rtol=1e-9, atol=1e-9, method="LSODA").y[:, -1]
        start = stop
    assert dose_protraction_factor(shape, 2.8) == pytest.approx(2 * state[2] / state[0] ** 2, rel=1e-5)


def test_protraction_limits():
    assert dose_protraction_factor(mono(1e-4), 2.8) == pytest.approx(1, abs=1e-4)
    assert dose_protraction_factor(mono(1e5), 2.8) == pytest.approx(0, abs=1e-4)
    assert dose_protraction_factor(mono(50.0, 7.0), 2.8) == pytest.approx(dose_protraction_factor(mono(50.0), 2.8))


def test_cycles_are_summed_after_the_effect():
    cycles = [CycleDose(n, 5.0, mono(50.0), 0.5) for n in (1, 2, 3, 4)]
    four = cumulative_effect("kidneys", cycles, KIDNEY)
    assert four.dose_Gy == pytest.approx(20.0)
    assert four.bed_Gy == pytest.approx(22.04, abs=0.005)
    assert four.eqd2_Gy == pytest.approx(22.04 / (1 + 2 / 2.6), abs=0.005)
    assert four.u_dose_Gy == pytest.approx(2.0)
    at_once = cumulative_effect("kidneys", [CycleDose(1, 20.0, mono(50.0))], KIDNEY)
    assert at_once.bed_Gy == pytest.approx(28.16, abs=0.005)
    assert math.isnan(at_once.u_dose_Gy)


def test_kidney_defaults_and_their_source():
    assert (KIDNEY.alpha_beta_Gy, KIDNEY.repair_half_time_h) == (2.6, 2.8)
    assert "doi:" in KIDNEY.source


def test_limits_are_references_with_a_source():
    assert {(one.quantity, one.value_Gy) for one in reference_limits("kidneys")} == {
        ("dose", 23.0),
        ("dose", 27.0),
        ("BED", 28.0),
        ("BED", 40.0),
    }
    assert [one.value_Gy for one in reference_limits("red marrow")] == [2.0]
    assert all("doi:" in one.source for one in REFERENCE_LIMITS)
    assert reference_limits("spleen") == ()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Tissue(0.0, 2.8, ""), "above 0"),
        (lambda: dose_protraction_factor(mono(50.0), 0.0), "repair half-time"),
        (lambda: bed_Gy(-1.0, 0.1, 2.6), "-1 Gy"),
        (lambda: cumulative_effect("kidneys", [], KIDNEY), "each cycle once"),
        (lambda: cumulative_effect("kidneys", [CycleDose(1, 5.0, mono(50.0))] * 2, KIDNEY), "each cycle once"),
        (lambda: compare_lobes({"left": (0.0, 0.0)}, []), "0 Gy"),
        (lambda: compare_lobes({"left": (1.0, 0.0)}, [LesionDose("R1", "right", 5.0)]), "right lobe"),
        (lambda: compare_lobes({}, [], "both"), "not left or right"),
    ],
)
def test_impossible_effects_are_refused(call, word):
    with pytest.raises(EffectError, match=word):
        call()


def test_eqd2_of_two_gray_fractions_is_the_dose_itself():
    fractions = 10 * bed_Gy(2.0, 1.0, 2.6)
    assert eqd2_Gy(fractions, 2.6) == pytest.approx(20.0)


def test_lobes_against_each_other():
    lesions = [LesionDose("L1", "left", 40.0), LesionDose("L2", "left", 90.0), LesionDose("R1", "right", 50.0)]
    lesions.append(LesionDose("C1", "caudate", 70.0))
    found = compare_lobes({"left": (3.0, 0.3), "right": (2.0, 0.2)}, lesions, "left")
    treated, control = found.lobes
    assert (treated.allocation, control.allocation) == ("treated", "control")
    assert treated.lesion_Gy == pytest.approx(60.0)  # geometric mean of 40 and 90
    assert treated.therapeutic_index == pytest.approx(20.0)
    assert control.therapeutic_index == pytest.approx(25.0)
    assert found.ratio == pytest.approx(0.8)
    blinded = compare_lobes({"left": (3.0, 0.3), "right": (2.0, 0.2)}, lesions)
    assert [lobe.allocation for lobe in blinded.lobes] == ["", ""]
    assert np.isnan(compare_lobes({"left": (3.0, 0.3)}, lesions[:1]).ratio)


def test_bed_volume_histogram_of_two_halves():
    """Half the volume at 10 Gy, half at 20 Gy, alpha/beta 5 Gy, G 0.1: BED of 12 and 28 Gy, EQD2 times 5/7."""
    tissue = Tissue(5.0, 2.0, "", eud_a=-10.0, tumour_control=TumourControl(0.3, 1e6, ""))
    bed = voxel_bed_Gy(np.array([10.0, 20.0]), 0.1, 5.0)
    assert bed == pytest.approx([12.0, 28.0])
    found = voxel_effect(bed, np.array([2.0, 2.0]), tissue, (0.1,))
    assert found.bed.mean_Gy == pytest.approx(20.0)
    assert found.eqd2_mean_Gy == pytest.approx(20.0 * 5.0 / 7.0)
    low, high = 12.0 * 5.0 / 7.0, 28.0 * 5.0 / 7.0
    assert found.eud_Gy == pytest.approx((0.5 * low**-10 + 0.5 * high**-10) ** -0.1)
    assert low < found.eud_Gy < found.eqd2_mean_Gy  # a tumour is held by its cold half
    survivors = 2e6 * (math.exp(-0.3 * 12.0) + math.exp(-0.3 * 28.0))
    assert found.tumour_control == pytest.approx(math.exp(-survivors))


def test_without_stated_parameters_there_is_no_eud_and_no_tumour_control():
    found = voxel_effect(np.array([5.0]), np.array([1.0]), KIDNEY, (0.05,))
    assert math.isnan(found.eud_Gy)
    assert math.isnan(found.tumour_control)


def test_uneven_dose_controls_a_tumour_less_than_its_mean():
    control = TumourControl(0.35, 1e7, "")
    volume = np.full(100, 0.1)
    uneven = np.linspace(40.0, 80.0, 100)
    even = np.full(100, 60.0)
    assert tumour_control_probability(uneven, volume, control) < tumour_control_probability(even, volume, control)


@pytest.mark.parametrize(("dose", "exponent", "expected"), [([0.0, 10.0], -5.0, 0.0), ([4.0, 4.0], 7.0, 4.0)])
def test_equivalent_uniform_dose_at_its_ends(dose, exponent, expected):
    assert equivalent_uniform_dose_Gy(np.array(dose), np.ones(2), exponent) == pytest.approx(expected)


def test_an_exponent_of_nothing_is_refused():
    with pytest.raises(EffectError, match="exponent other than 0"):
        equivalent_uniform_dose_Gy(np.ones(2), np.ones(2), 0.0)


def test_a_regions_own_radiosensitivity_goes_before_that_of_its_organ():
    own, all_lesions = Tissue(3.0, 1.0, "own"), Tissue(10.0, 1.5, "lesions")
    tissues = {"kidneys": KIDNEY, "lesions": all_lesions, "L2": own}
    assert tissue_of(tissues, "L2", "liver", True) is own
    assert tissue_of(tissues, "L1", "liver", True) is all_lesions
    assert tissue_of(tissues, "kidney_left", "kidneys", False) is KIDNEY
    assert tissue_of(tissues, "liver", "liver", False) is None
