"""Readers on lesions in patients: models, formulas, published kappas, simulation; contours against geometry."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.shapes import ball, centred_grid
from builders.trial_tables import row, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.export.nifti_masks import write_masks
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.report.reader_tables import contour_text
from PRRTUptakeLib.segmentation.contour_agreement import compare_contours, compare_segmentations
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.statistics.agreement import compare_readers, icc_agreement
from PRRTUptakeLib.statistics.clustered_agreement import choice_agreement, compare_many, kappa, target_choices
from PRRTUptakeLib.statistics.errors import AgreementError


def reading_study(seed, patients=20, lesions=4, sd=(0.15, 0.1), bias=0.05, readers=2):
    """Log readings with a patient's own and a lesion's own difference between readers."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"P{n:02d}" for n in range(patients)], lesions)
    truth = np.repeat(rng.normal(2.5, 0.4, patients), lesions) + rng.normal(0, 0.3, names.size)
    columns = [truth]
    for n in range(1, readers):
        own = np.repeat(rng.normal(0, sd[0], patients), lesions) + rng.normal(0, sd[1], names.size)
        columns.append(truth + n * bias + own)
    return np.exp(np.column_stack(columns)), names.tolist()


def test_one_lesion_a_patient_is_the_ordinary_analysis():
    readings, names = reading_study(1, 25, 1)
    ours, plain = compare_many(readings, names), compare_readers(*readings.T)
    assert ours.pairs[0].bias_ratio == pytest.approx(plain.bias_ratio)
    assert ours.pairs[0].bias_ci == pytest.approx(plain.bias_ci)
    assert ours.pairs[0].limits == pytest.approx(plain.limits)
    assert ours.icc_2_1 == plain.icc_2_1.icc


def test_balanced_clusters_against_the_analysis_of_variance():
    readings, names = reading_study(2, 12, 5)
    d = np.log(readings[:, 1] / readings[:, 0]).reshape(12, 5)
    means = d.mean(axis=1)
    within = d.var(axis=1, ddof=1).mean()
    between = means.var(ddof=1) - within / 5
    found = compare_many(readings, names).pairs[0]
    assert found.sd_lesion_log == pytest.approx(math.sqrt(within), rel=1e-4)
    assert found.sd_patient_log == pytest.approx(math.sqrt(between), rel=1e-4)
    reach = 2.200985 * means.std(ddof=1) / math.sqrt(12)  # t of 11 degrees
    assert np.log(found.bias_ci) == pytest.approx([d.mean() - reach, d.mean() + reach], abs=1e-4)
    assert np.log(found.limits[1]) == pytest.approx(d.mean() + 1.96 * math.sqrt(between + within), abs=1e-5)


def test_lesions_of_a_patient_make_intervals_wider_than_independent_ones():
    readings, names = reading_study(3, 10, 8, sd=(0.25, 0.03))
    clustered, naive = compare_many(readings, names), compare_readers(*readings.T)

    def width(ci):
        return math.log(ci[1] / ci[0])

    assert width(clustered.pairs[0].bias_ci) > 2 * width(naive.bias_ci)
    assert width(clustered.pairs[0].upper_limit_ci) > 1.3 * width(naive.upper_limit_ci)
    assert clustered.icc_ci[0] < clustered.icc_2_1 < clustered.icc_ci[1]


def test_three_readers():
    readings, names = reading_study(4, 15, 3, readers=3)
    found = compare_many(readings, names, ("A", "B", "C"))
    assert [one.readers for one in found.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]
    product = found.pairs[0].bias_ratio * found.pairs[2].bias_ratio
    assert product == pytest.approx(found.pairs[1].bias_ratio, rel=1e-6)


def test_two_equal_readers_and_bad_input():
    readings, names = reading_study(5, 6, 2)
    same = compare_many(np.column_stack([readings[:, 0]] * 2), names)
    assert same.pairs[0].limits == (1.0, 1.0)
    assert same.icc_2_1 == 1
    few = compare_many(readings[:6], names[:6])
    assert math.isnan(few.icc_ci[0])  # three patients do not say how patients scatter
    for values, patients, words in (
        (readings[:2], names[:2], "three lesions"),
        (readings, names[:-1], "do not fit"),
        (-readings, names, "zero or negative"),
    ):
        with pytest.raises(AgreementError, match=words):
            compare_many(values, patients)


def choices_study(seed, patients=12, lesions=5):
    """Two readers' choices by a lesion's own conspicuity and by what each reader makes of a patient."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"P{n:04d}" for n in range(patients)], lesions)
    seen = rng.normal(0, 1, names.size)
    own = [np.repeat(rng.normal(0, 0.4, patients), lesions) + rng.normal(0, 0.5, names.size) for _ in range(2)]
    return np.stack([seen + own[0] > 0.0, seen + own[1] > 0.1], axis=1), names.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("patients", [10, 20])
def test_intervals_hold_for_clustered_lesions(patients):
    """300 studies of patients with 4 lesions: bias, limits, ICC and kappa in 95 of 100, within three standard errors.

    True ICC and kappa are those of a very large study.
    """
    studies = 300
    large, _ = reading_study(1, 3000)
    icc = icc_agreement(np.log(large)).icc
    chosen, _ = choices_study(1, 20_000)
    truth = [0.05, 0.05 - 1.96 * math.hypot(0.15, 0.1), 0.05 + 1.96 * math.hypot(0.15, 0.1)]
    hits = np.zeros(5)
    for seed in range(studies):
        found = compare_many(*reading_study(100 + seed, patients))
        one = found.pairs[0]
        logs = [np.log(ci) for ci in (one.bias_ci, one.lower_limit_ci, one.upper_limit_ci)]
        kappa_ci = choice_agreement(*choices_study(100 + seed, patients)).kappa_ci
        cover = zip([*truth, icc, kappa(chosen)], [*logs, found.icc_ci, kappa_ci], strict=True)
        hits += [low <= value <= high for value, (low, high) in cover]
    assert (hits / studies > 0.95 - 3 * math.sqrt(0.95 * 0.05 / studies)).all(), hits / studies
    assert (hits / studies < 0.995).all(), hits / studies  # nor are they far too wide


def test_limits_of_single_lesions_have_the_exact_bounds_of_their_scatter():
    """With one lesion a patient: chi-square of the standard deviation, t of the mean, joined."""
    readings, names = reading_study(6, 16, 1)
    d = np.log(readings[:, 1] / readings[:, 0])
    sd, n = d.std(ddof=1), d.size
    reach = 2.131450 * sd / math.sqrt(n)  # t of 15 degrees
    most = sd * math.sqrt(15 / 6.262138)  # chi-square of 15 degrees at 2.5 %
    found = np.log(compare_many(readings, names).pairs[0].upper_limit_ci)
    assert found[1] == pytest.approx(d.mean() + 1.96 * sd + math.hypot(reach, 1.96 * (most - sd)), abs=1e-5)


def test_one_odd_patient_leaves_kappa_an_interval():
    """Without P1 the readers agree wholly: kappa is 1 there, and Fisher's scale has no place for it."""
    table = np.array([[1, 1], [0, 0]] * 10, bool)
    table[0] = [1, 0]
    found = choice_agreement(table, [f"P{n // 2}" for n in range(20)])
    assert 0 < found.kappa_ci[0] < found.kappa < found.kappa_ci[1] <= 1
    same = choice_agreement(np.array([[1, 1], [0, 0]] * 10, bool), [f"P{n // 2}" for n in range(20)])
    assert same.kappa_ci == (1.0, 1.0)


def test_kappas():
    """Cohen's by its definition on a two-by-two table (20, 5, 10, 15): 0.4; Fleiss's by hand."""
    table = np.array([[1, 1]] * 20 + [[1, 0]] * 5 + [[0, 1]] * 10 + [[0, 0]] * 15, bool)
    assert kappa(table) == pytest.approx(0.4)
    three = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    observed = (1 + 1 / 3 + 1 + 1 / 3) / 4
    assert kappa(three) == pytest.approx((observed - 0.5) / 0.5)
    assert math.isnan(kappa(np.ones((4, 2), bool)))
    found = choice_agreement(table, [f"P{n % 10}" for n in range(50)])
    assert (found.observed, found.lesions, found.patients) == (0.7, 50, 10)
    assert found.kappa_ci[0] < 0.4 < found.kappa_ci[1]


def test_choices_come_from_roles():
    first = [row("P1", "left", name, 10) for name in ("L1", "L2")] + [row("P1", "left", "L3", 9, role="lesion")]
    second = [replace(one, role="lesion" if one.lesion == "L2" else "target") for one in first]
    second += [row("P2", "left", "L1", 4)]
    names, patients, choices = target_choices([first, second])
    assert names == ("P1 L1", "P1 L2", "P1 L3")
    assert set(patients) == {"P1"}
    assert choices.tolist() == [[True, True], [True, False], [False, True]]


class TestContours:
    grid = centred_grid(70.0, (1.0, 1.0, 1.5))

    def test_concentric_spheres(self):
        found = compare_contours(self.grid, ball(self.grid, "a", (0, 0, 0), 20), ball(self.grid, "b", (0, 0, 0), 24))
        assert found.mean_surface_mm == pytest.approx(4.0, abs=0.35)
        assert found.hausdorff_95_mm == pytest.approx(4.0, abs=0.8)
        assert found.volume_ratio == pytest.approx(1.2**3, rel=0.02)
        assert found.dice == pytest.approx(2 * 20**3 / (20**3 + 24**3), abs=0.01)

    def test_shifted_spheres(self):
        """Spheres of radius r at a distance d share pi (4 r + d) (2 r - d)^2 / 12."""
        r, d = 20.0, 8.0
        found = compare_contours(self.grid, ball(self.grid, "a", (-4, 0, 0), r), ball(self.grid, "b", (4, 0, 0), r))
        share = math.pi * (4 * r + d) * (2 * r - d) ** 2 / 12 / (4 / 3 * math.pi * r**3)
        assert found.dice == pytest.approx(share, abs=0.01)
        assert found.volume_ratio == pytest.approx(1, abs=0.01)

    def test_equal_disjoint_and_empty(self):
        one = ball(self.grid, "a", (0, 0, 0), 10)
        same = compare_contours(self.grid, one, one)
        assert (same.dice, same.mean_surface_mm, same.hausdorff_95_mm) == (1, 0, 0)
        far = compare_contours(self.grid, one, ball(self.grid, "b", (25, 0, 0), 5))
        assert far.dice == 0
        with pytest.raises(SegmentationError, match="'c' is empty"):
            compare_contours(self.grid, one, Segment("c", np.zeros((2, 2, 2), bool)))

    def test_segmentations_are_matched_by_name(self):
        first = Segmentation(self.grid, (ball(self.grid, "L1", (0, 0, 0), 12), ball(self.grid, "L2", (20, 0, 0), 6)))
        turned = Grid(self.grid.shape, self.grid.ijk_to_ras @ _flip(self.grid.shape[2]))
        second = Segmentation(turned, (ball(turned, "L1", (0, 0, 0), 12), ball(turned, "R1", (-20, 0, 0), 6)))
        found = compare_segmentations(first, second)
        assert found.structures["L1"].dice == 1.0  # the same voxels in another order
        assert (found.first_only, found.second_only) == (("L2",), ("R1",))
        assert "Only the second reader has R1." in contour_text(found)
        with pytest.raises(SegmentationError, match="No structure has the same name"):
            compare_segmentations(first, Segmentation(self.grid, (ball(self.grid, "X", (0, 0, 0), 5),)))
        wide = centred_grid(60.0, (1.3, 1.3, 2.0))
        with pytest.raises(SegmentationError, match=r"voxels of different images .* name contours of one image"):
            compare_segmentations(first, Segmentation(wide, (ball(wide, "X", (0, 0, 0), 5),)))

    def test_command(self, tmp_path, capsys):
        for name, radius in (("one", 12.0), ("two", 15.0)):
            drawn = Segmentation(self.grid, (ball(self.grid, "lesion", (0, 0, 0), radius),))
            write_masks(drawn, tmp_path / name)
        assert main(["contours", str(tmp_path / "one"), str(tmp_path / "two"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["structures"]["lesion"]
        assert found["dice"] == pytest.approx(2 * 12**3 / (12**3 + 15**3), abs=0.02)
        assert found["mean_surface_mm"] == pytest.approx(3.0, abs=0.35)
        assert main(["contours", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
        assert "mean surface distance mm" in capsys.readouterr().out


def _flip(size):
    matrix = np.diag([-1.0, 1.0, 1.0, 1.0])
    matrix[0, 3] = size - 1.0
    return matrix


def test_command_takes_three_readers(tmp_path, capsys):
    first = [row(f"P{n}", "left", "L1", 10.0 + n) for n in range(1, 9)]
    first += [row(f"P{n}", "right", "R1", 8.0 + n) for n in range(1, 9)]
    paths = []
    for n, factor in enumerate((1.0, 1.1, 0.95)):
        random = np.random.default_rng(n)
        rows = [replace(one, value=one.value * factor * math.exp(0.02 * random.normal())) for one in first]
        paths.append(str(write_table(tmp_path / f"reader{n}.csv", rows)))
    assert main(["agreement", *paths, "--protocol", "lutia", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["by_patient"]["values"]
    assert [pair["readers"] for pair in found["pairs"]] == [
        ["first", "second"],
        ["first", "third"],
        ["second", "third"],
    ]
    ratios = [pair["bias_ratio"] for pair in found["pairs"]]
    assert ratios == pytest.approx([1.1, 0.95, 0.95 / 1.1], rel=0.02)
    assert main(["agreement", *paths, "--protocol", "lutia"]) == 0
    assert "third/second" in capsys.readouterr().out


@pytest.mark.parametrize("lesions", [(1, 1, 5), (1, 2, 6, 1, 1), (1, 1, 1, 1, 1, 12)])
def test_unequal_numbers_of_lesions_have_bounds(lesions):
    """Satterthwaite's degrees of freedom fell to 0.02 where patients hardly differ, and bounds overflowed."""
    generator, held, count = np.random.default_rng(1), 0, 60
    owners = np.repeat(np.arange(len(lesions)), lesions)
    for _ in range(count):
        first = generator.normal(2.0, 0.5, owners.size)
        second = first + 0.05 + generator.normal(0, 0.1, owners.size)
        found = compare_many(np.exp(np.column_stack([first, second])), [f"P{one}" for one in owners]).pairs[0]
        assert np.isfinite([*found.bias_ci, *found.lower_limit_ci, *found.upper_limit_ci]).all()
        held += found.bias_ci[0] <= math.exp(0.05) <= found.bias_ci[1]
    assert held >= 0.88 * count
