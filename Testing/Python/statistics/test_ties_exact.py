"""Ranks, signs, counts and thresholds of decimal tables against exact permutation on rational numbers."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from builders.trial_tables import row
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.paired import bootstrap_intervals, compare_pairs
from PRRTUptakeLib.statistics.signed_ranks import sign_test, signed_rank_test
from PRRTUptakeLib.statistics.ties import above, at_least, differences, equal, no_scatter, resolved_length_mm, settled
from PRRTUptakeLib.study.protocol import load_protocol
from scipy import stats

LUTIA = load_protocol("lutia")


def exact_p(values, pratt=False):
    """Two-sided p of Wilcoxon's test by counting assignments of signs, on rational numbers throughout."""
    kept = [x for x in values if x != 0]
    if not kept:
        return None
    pool = sorted(abs(x) for x in (values if pratt else kept))
    ranks = [2 * pool.index(abs(x)) + 1 + pool.count(abs(x)) for x in kept]  # doubled mid-ranks
    observed = sum(rank for rank, x in zip(ranks, kept, strict=True) if x > 0)
    counts = {0: 1}
    for rank in ranks:
        moved = dict(counts)
        for total, number in counts.items():
            moved[total + rank] = moved.get(total + rank, 0) + number
        counts = moved
    reach = abs(2 * observed - sum(ranks))
    return Fraction(sum(k for total, k in counts.items() if abs(2 * total - sum(ranks)) >= reach), 2 ** len(ranks))


def exact_log_order(pairs):
    """Ratios as numbers that are ordered and tied as the absolute logarithms, with their signs."""
    signs = [(a > b) - (a < b) for a, b in pairs]
    return [s * (max(a / b, b / a)) if s else Fraction(0) for s, (a, b) in zip(signs, pairs, strict=True)]


def decimal_table(seed):
    """Pairs of decimal numbers with many ties: 2 to 14 patients, 0 to 3 decimals, magnitudes of 1 to 1e5."""
    draw = random.Random(seed)
    places, n = draw.randint(0, 3), draw.randint(2, 14)
    scale = 10 ** draw.randint(0, 5)
    table = []
    for _ in range(n):
        base = draw.randint(5, 60)
        table.append((base + draw.choice([0, 1, 1, 2, 3, -1, -2]), base))
    words = [(f"{a * scale}e-{places}", f"{b * scale}e-{places}") for a, b in table]
    return [(Fraction(a), Fraction(b)) for a, b in words], [(float(a), float(b)) for a, b in words]


@pytest.mark.parametrize("part", range(8))
def test_400_decimal_tables_against_exact_permutation(part):
    for seed in range(50 * part, 50 * part + 50):
        rational, binary = decimal_table(seed)
        first, second = np.array(binary).T
        found = compare_pairs(first, second)
        raw = [a - b for a, b in rational]
        for ours, values, pratt in (
            (found.p_wilcoxon, raw, False),
            (found.p_wilcoxon_pratt, raw, True),
            (found.p_wilcoxon_log, exact_log_order(rational), False),
            (found.p_wilcoxon_log_pratt, exact_log_order(rational), True),
        ):
            expected = exact_p(values, pratt)
            assert np.isnan(ours) if expected is None else ours == pytest.approx(float(expected), rel=1e-12), seed
        ups, downs = sum(x > 0 for x in raw), sum(x < 0 for x in raw)
        assert found.responders == ups
        assert found.unchanged == len(raw) - ups - downs
        expected_sign = stats.binomtest(ups, ups + downs).pvalue if ups + downs else np.nan
        assert found.p_sign == pytest.approx(expected_sign, nan_ok=True)


def test_counting_agrees_with_scipy_where_there_are_no_ties():
    rng = np.random.default_rng(3)
    for n in (3, 10, 27, 49):
        d = rng.normal(0.3, 1, n)
        ours = signed_rank_test(d, np.full(n, 1e-12))
        scipy = stats.wilcoxon(d, method="exact")
        assert ours.p == pytest.approx(scipy.pvalue, rel=1e-12)
        assert min(ours.statistic, n * (n + 1) / 2 - ours.statistic) == scipy.statistic


def test_many_pairs_have_the_normal_distribution():
    d = np.random.default_rng(4).normal(0.05, 1, 301)
    ours = signed_rank_test(d, np.zeros(301))
    assert not ours.exact
    assert ours.p == pytest.approx(stats.wilcoxon(d, method="asymptotic").pvalue, rel=1e-9)
    below = signed_rank_test(d[:300], np.zeros(300))
    assert below.exact
    assert below.p == pytest.approx(stats.wilcoxon(d[:300], method="asymptotic").pvalue, rel=0.02)


def test_lobes_of_equal_geometric_means_are_ties():
    """2, 8 against 4: exp(mean(log)) differs from 4 in the last digit, on either side; the ratio is 1 all the same."""
    random_ = random.Random(7)
    rows, decided = [], 0
    for n in range(24):
        a, b = random_.randint(1, 9), random_.randint(1, 9)
        scale = random_.choice([0.1, 0.7, 1.3, 3.0])
        up = n % 4 == 0
        decided += up
        lesions = [a * a * scale, b * b * scale]
        rows += [row(f"P{n:02d}", "treated", f"T{k}", value) for k, value in enumerate(lesions)]
        rows.append(row(f"P{n:02d}", "control", "C", a * b * scale / (1.25 if up else 1)))
    found = evaluate(rows, LUTIA).comparison
    assert (found.responders, found.unchanged) == (decided, 24 - decided)
    assert found.p_sign == found.p_wilcoxon == pytest.approx(2 * 0.5**decided)


@pytest.mark.parametrize("threshold", [3.0, 0.7, 1.1, 2.3])
def test_a_ratio_on_the_threshold_counts_by_the_rule_only(threshold):
    second = np.array([1.1, 2.3, 0.7, 4.9, 10.1])
    first = np.array([float(Fraction(str(threshold)) * Fraction(str(value))) for value in second])
    assert compare_pairs(first, second, threshold=threshold).responders == 0
    assert compare_pairs(first, second, threshold=threshold, at_least=True).responders == 5


def test_equal_ratios_have_no_test_and_no_interval():
    second = np.array([1.1, 2.3, 0.7, 4.9])
    found = compare_pairs(1.2 * second, second)
    assert found.gmr == pytest.approx(1.2)
    assert found.sd_log == 0
    assert np.isnan([found.p_log, *found.gmr_ci]).all()
    second = np.append(second, [3.1, 1.7, 0.4, 8.8, 2.2, 6.5])  # a bootstrap needs ten patients
    drawn = bootstrap_intervals(1.2 * second, second, 200, 1)
    assert np.isnan([*drawn.gmr_ci, *drawn.ratio_of_means_ci]).all()
    assert np.isfinite(drawn.raw_ci).all()


def test_comparisons():
    assert equal(np.array([1.0, 1.0, np.inf, np.nan]), np.array([1 + 1e-10, 1 + 1e-8, np.inf, np.nan])).tolist() == [
        True, False, True, False,
    ]  # fmt: skip
    assert not above(3 * 0.1, 0.3)
    assert at_least(0.3, 3 * 0.1)
    values, tolerance = differences(np.array([1e6 + 0.1, 5.5]), np.array([1e6, 5.4]))
    assert len(set(settled(values, tolerance).tolist())) == 1
    assert no_scatter(np.array([0.3, 0.1 + 0.2, 0.3]))
    assert sign_test(np.zeros(3)) != sign_test(np.zeros(3))  # nan


def test_lengths_are_compared_in_tenths_of_a_millimetre():
    """Float32 and float64 spacings of one image give one length, also where it is half a step."""
    rng = np.random.default_rng(2)
    for _ in range(2000):
        spacing = rng.choice([0.5, 0.6, 0.7, 0.78125, 0.8, 0.85, 0.9765625, 1.25, 1.5])
        length = spacing * rng.integers(1, 200) * rng.choice([0.5, 1.0])
        assert resolved_length_mm(length) == resolved_length_mm(float(np.float32(spacing)) * length / spacing)
