"""Around the endpoint: measurement uncertainty, blinding, subgroups, dose-response."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import (
    SIDES,
    allocation_csv,
    left_right_rows,
    row,
    simulate_trial,
    unblinded_rows,
    write_table,
)
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.allocation import read_log
from PRRTUptakeLib.statistics.dose_response import dose_response
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.errors import PropagationError, StatisticsError
from PRRTUptakeLib.statistics.measurement_uncertainty import propagate_uncertainty
from PRRTUptakeLib.statistics.paired import compare_pairs
from PRRTUptakeLib.study.protocol import load_protocol
from scipy import stats

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))


class TestPropagatedUncertainty:
    def test_equal_uncertainties_give_the_paired_t_test(self):
        ratios = np.exp(np.random.default_rng(1).normal(0.15, 0.4, 27))
        paired = compare_pairs(ratios, np.ones(27))
        for u in (0.0, 0.05, 0.2):
            propagated = propagate_uncertainty(np.log(ratios), np.full(27, u))
            assert propagated.gmr == pytest.approx(paired.gmr)
            assert propagated.gmr_ci == pytest.approx(paired.gmr_ci, rel=1e-6)
            assert propagated.p == pytest.approx(paired.p_log, rel=1e-6)
            assert propagated.share_of_variance == pytest.approx(u**2 / np.var(np.log(ratios), ddof=1))

    def test_against_statsmodels(self):
        combine = pytest.importorskip("statsmodels.stats.meta_analysis").combine_effects
        random = np.random.default_rng(2)
        u = random.uniform(0.05, 0.6, 15)
        effects = random.normal(0.2, 0.3, 15) + random.normal(0, u)
        expected = combine(effects, u**2, method_re="iterated")
        propagated = propagate_uncertainty(effects, u)
        assert propagated.sd_between_log**2 == pytest.approx(expected.tau2, rel=1e-4)
        assert math.log(propagated.gmr) == pytest.approx(expected.mean_effect_re, rel=1e-4)
        hartung_knapp = expected.conf_int(use_t=True)[3]
        assert np.log(propagated.gmr_ci) == pytest.approx(hartung_knapp, rel=1e-3)

    def test_never_narrower_than_the_uncertainties_imply(self):
        u = np.full(10, 0.3)
        propagated = propagate_uncertainty(np.full(10, 0.1) + 1e-3 * np.arange(10), u)
        least = stats.t.ppf(0.975, 9) * 0.3 / math.sqrt(10)
        assert propagated.sd_between_log == 0
        assert math.log(propagated.gmr_ci[1] / propagated.gmr_ci[0]) == pytest.approx(2 * least)

    def test_coverage_with_unequal_uncertainties(self):
        random, hits = np.random.default_rng(3), 0
        for _ in range(500):
            u = random.uniform(0.02, 0.3, 20)
            low, high = propagate_uncertainty(random.normal(0.15, 0.2, 20) + random.normal(0, u), u).gmr_ci
            hits += low <= math.exp(0.15) <= high
        assert 0.92 <= hits / 500 <= 0.98

    def test_from_lesions_to_the_cohort(self):
        rows = [replace(one, uncertainty=0.1 * one.value) for one in simulate_trial(1)]
        endpoint = evaluate(rows, QUICK)
        assert endpoint.pairs.u_log == pytest.approx(np.full(27, math.sqrt(2) * 0.1 / math.sqrt(3)))
        assert endpoint.propagated.gmr == pytest.approx(endpoint.comparison.gmr)
        rows[0] = replace(rows[0], uncertainty=math.nan)
        some = evaluate(rows, QUICK)
        assert some.propagated is None
        assert any("uncertainty" in note for note in some.notes)
        assert evaluate(simulate_trial(1), QUICK).notes == ()

    def test_unknown_uncertainties(self):
        with pytest.raises(PropagationError, match="unknown or zero"):
            propagate_uncertainty(np.array([0.1, 0.2]), np.array([0.0, 0.1]))


class TestBlinding:
    @pytest.fixture
    def run(self, tmp_path, capsys):
        table = write_table(tmp_path / "m.csv", left_right_rows())
        allocation = tmp_path / "a.csv"
        allocation.write_text(allocation_csv())

        def analyse(*more, blinded=False, status=0):
            given = [] if blinded else ["--allocation", str(allocation)]
            assert main(["endpoints", str(table), "--protocol", "lutia", "--json", *given, *map(str, more)]) == status
            printed = capsys.readouterr()
            return json.loads(printed.out) if status == 0 else printed.err

        return analyse

    def test_first_use_of_the_allocation_is_logged(self, run, tmp_path):
        result = run()
        (entry,) = read_log(tmp_path / "a.blinding.jsonl")
        assert entry["event"] == "unblinded"
        assert entry["protocol_sha256"] == result["protocol_sha256"] == LUTIA.sha256
        assert entry["measurements_sha256"] == result["measurements_sha256"]
        assert result["blinding"]["fixed_beforehand"] is True

    def test_data_changed_after_unblinding(self, run, tmp_path):
        run()
        write_table(tmp_path / "m.csv", [replace(left_right_rows()[0], value=50.0), *left_right_rows()[1:]])
        assert run()["blinding"]["fixed_beforehand"] is False

    def test_allocation_changed_after_unblinding(self, run, tmp_path):
        run()
        (tmp_path / "a.csv").write_text(allocation_csv(["left", *SIDES[1:-1], "left"]))
        assert run()["blinding"]["fixed_beforehand"] is False

    def test_a_blinded_analysis_seals_data_and_protocol(self, run, tmp_path):
        log = tmp_path / "log.jsonl"
        blinded = run("--log", log, blinded=True)
        assert blinded["blinding"]["fixed_beforehand"] is None
        run("--log", log, blinded=True)
        given = run("--log", log)
        assert given["analysis_sha256"] == blinded["analysis_sha256"]
        assert given["blinding"]["fixed_beforehand"] is True
        assert [entry["event"] for entry in read_log(log)] == ["blinded", "unblinded"]

    def test_a_log_that_was_altered(self, run, tmp_path):
        log = tmp_path / "a.blinding.jsonl"
        run()
        run()
        text = log.read_text()
        log.write_text(text.replace('"unblinded"', '"blinded"', 1))
        assert "altered at line 2" in run(status=1)
        log.write_text("".join(text.splitlines(keepends=True)[1:]))
        with pytest.raises(StatisticsError, match="line 1"):
            read_log(log)

    def test_a_log_that_cannot_be_written(self, run, tmp_path):
        (tmp_path / "file").write_text("")
        assert "--log" in run("--log", tmp_path / "file" / "log.jsonl", status=1)


class TestSubgroups:
    def test_each_group_and_their_difference(self, tmp_path, capsys):
        rows = simulate_trial(9, patients=12)
        table = write_table(tmp_path / "m.csv", rows)
        groups = tmp_path / "g.csv"
        groups.write_text(
            "patient,grade,site\n" + "".join(f"P{n:04d},G{1 + n % 2},{'' if n else 'ileum'}\n" for n in range(12))
        )
        arguments = ["endpoints", str(table), "--protocol", "lutia", "--subgroups", str(groups)]
        assert main([*arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["subgroups"]
        pairs = evaluate(rows, QUICK).pairs
        logs = np.log(pairs.first / pairs.second)
        assert found["grade"]["groups"]["G1"]["gmr"] == pytest.approx(np.exp(logs[::2].mean()))
        expected = stats.ttest_ind(logs[::2], logs[1::2]).pvalue  # of two groups the analysis of variance is the t-test
        assert found["grade"]["p_difference"] == pytest.approx(expected)
        assert found["site"]["sizes"] == {"ileum": 1}
        assert found["site"]["p_difference"] is None
        assert main(arguments) == 0
        assert "difference between groups" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("patient,grade\nP9,G1\n", "names patient P9"),
            ("patient,grade\nP1,G1\nP1,G2\n", "P1 is there twice"),
            ("name,grade\nP1,G1\n", "column patient"),
            ("patient\nP1\n", "per characteristic"),
        ],
    )
    def test_bad_tables(self, tmp_path, capsys, text, words):
        table = write_table(tmp_path / "m.csv", unblinded_rows())
        (tmp_path / "g.csv").write_text(text)
        assert main(["endpoints", str(table), "--protocol", "lutia", "--subgroups", str(tmp_path / "g.csv")]) == 1
        assert words in capsys.readouterr().err


def dosed_rows(doses, changes, lesions_per_patient=2):
    rows = []
    for n, (dose, change) in enumerate(zip(doses, changes, strict=True)):
        name = (f"P{n // lesions_per_patient:03d}", "treated", f"L{n}")
        for cycle in (1, 2):
            rows.append(row(*name, dose / 2, "absorbed_dose", unit="Gy", cycle=cycle))
        rows.append(row(*name, change, "diameter_change", unit="%", cycle=2))
    return rows


class TestDoseResponse:
    def test_a_straight_line(self):
        doses = np.array([20.0, 40, 60, 80, 100, 120])
        found = dose_response(dosed_rows(doses, 5 - 0.3 * doses))
        assert found.dose_Gy == pytest.approx(doses)
        assert found.slope_percent_per_Gy == pytest.approx(-0.3)
        assert found.intercept_percent == pytest.approx(5)
        assert found.slope_ci == pytest.approx((-0.3, -0.3))
        assert found.spearman == pytest.approx(-1)

    def test_both_words_for_the_dose_mean_the_same(self):
        rows = dosed_rows([20.0, 40, 60], [0.0, -10, -20])
        ours = [replace(one, metric="dose") if one.metric == "absorbed_dose" else one for one in rows]
        assert dose_response(ours).dose_Gy == pytest.approx([20, 40, 60])
        assert dose_response(ours).slope_percent_per_Gy == pytest.approx(-0.5)
        mixed = [*rows, *(one for one in ours if one.metric == "dose")]
        with pytest.raises(StatisticsError, match="several values"):
            dose_response(mixed)

    def test_interval_covers_with_lesions_that_hang_together(self):
        random, hits = np.random.default_rng(1), {4: 0, 30: 0}
        for patients in hits:
            for _ in range(100):
                dose = np.repeat(random.uniform(20, 150, patients), 3) + random.normal(0, 10, 3 * patients)
                change = -0.2 * dose + np.repeat(random.normal(0, 10, patients), 3)
                change += random.normal(0, 5, 3 * patients)
                low, high = dose_response(dosed_rows(dose, change, 3)).slope_ci
                hits[patients] += low <= -0.2 <= high
        assert min(hits.values()) >= 91  # a percentile bootstrap held 88

    def test_interval_needs_three_patients(self):
        two, three = dosed_rows([20.0, 40, 60, 80], [0.0, -9, -22, -30]), dosed_rows([20.0, 40, 60], [0.0, -9, -22], 1)
        assert np.isnan(dose_response(two).slope_ci).all()
        low, high = dose_response(three).slope_ci
        # Slopes without one patient are -0.65, -0.55, -0.45 about -0.55; t of one degree of freedom is 12.706.
        assert high - low == pytest.approx(2 * 12.7062 * np.sqrt(2 / 3 * (0.1**2 + 0.1**2)), rel=1e-5)

    def test_a_lesion_without_a_dose_in_a_cycle_is_named(self):
        rows = dosed_rows([20.0, 40, 60, 80], [0.0, -9, -22, -30])
        assert dose_response(rows).incomplete == ()
        gap = [one for one in rows if not (one.lesion == "L1" and one.cycle == 2 and one.unit == "Gy")]
        found = dose_response(gap)
        assert found.incomplete == ("P000 L1 (cycle 2)",)
        assert found.dose_Gy[1] == 20

    def test_a_lesion_that_vanished_has_shrunk_by_all_of_it(self):
        rows = [one for one in dosed_rows([20, 40, 60], [0, 0, 0]) if one.metric == "absorbed_dose"]
        for n, sizes in enumerate(((40, 30, 0), (50, 40, 40), (0, 30, 42))):
            for cycle, size in enumerate(sizes, start=1):
                rows.append(
                    row(f"P{n // 2:03d}", "treated", f"L{n}", size, "longest_axial_diameter", unit="mm", cycle=cycle)
                )
        rows += [row("P001", "treated", "L9", 35, "absorbed_dose", unit="Gy")]
        for cycle, size in ((1, 20), (3, 10)):
            rows.append(row("P001", "treated", "L9", size, "longest_axial_diameter", unit="mm", cycle=cycle))
        found = dose_response(rows)
        changes = dict(zip(found.lesions, found.change_percent.tolist(), strict=True))
        # A lesion that was not there at first has no relative change.
        assert changes == pytest.approx({"P000 L0": -100, "P000 L1": -20, "P001 L9": -50})

    def test_change_from_diameters(self):
        rows = [one for one in dosed_rows([20, 40, 60], [0, 0, 0]) if one.metric == "absorbed_dose"]
        for n, (first, last) in enumerate(((40, 36), (50, 40), (60, 42))):
            for cycle, size in ((1, first), (2, 55), (4, last)):
                rows.append(
                    row(f"P{n // 2:03d}", "treated", f"L{n}", size, "longest_axial_diameter", unit="mm", cycle=cycle)
                )
        assert dose_response(rows).change_percent == pytest.approx([-10, -20, -30])

    def test_within_an_endpoint(self):
        rows = simulate_trial(2, patients=4)
        assert evaluate(rows, QUICK).response is None
        doses = [
            row(one.patient, one.lobe, one.lesion, 30 + n, "absorbed_dose", unit="Gy") for n, one in enumerate(rows)
        ]
        assert any("no dose-response" in note for note in evaluate(rows + doses, QUICK).notes)
        changes = [replace(one, metric="diameter_change", unit="%", value=-one.value) for one in doses]
        assert evaluate(rows + doses + changes, QUICK).response.slope_percent_per_Gy == pytest.approx(-1)

    @pytest.mark.parametrize(
        ("doses", "change", "words"),
        [
            ([20, 40], {}, "three or more"),
            ([40, 40, 40], {}, "same dose, 40 Gy"),
            ([20, 40, 60], {"unit": "mGy"}, "mGy"),
            ([20, 40, 60], {"cycle": 1}, "several values"),
        ],
    )
    def test_bad_input(self, doses, change, words):
        rows = [replace(one, visit=str(n), **change) for n, one in enumerate(dosed_rows(doses, doses))]
        with pytest.raises(StatisticsError, match=words):
            dose_response(rows)
