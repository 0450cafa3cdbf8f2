"""From curves to the doses of a cycle: lesions, kidneys, lobes, marrow; rows for the endpoint engine."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.marrow import marrow_tia_from_vertebrae_MBq_h
from PRRTDosimetryLib.dose.organs import REMAINDER
from PRRTDosimetryLib.dose.phantom import GY_PER_MBQ_H, phantom
from PRRTDosimetryLib.dose.sphere_table import sphere_S_Gy_per_Bq_s
from PRRTDosimetryLib.dosimetry.cumulative import organ_totals
from PRRTDosimetryLib.dosimetry.derived_intervals import lobe_ratio, organ_effects, organ_intervals
from PRRTDosimetryLib.dosimetry.dose_intervals import lobe_intervals
from PRRTDosimetryLib.dosimetry.dose_rows import DOSE, Labels, budget_table, dose_rows, dose_table, marrow_words
from PRRTDosimetryLib.dosimetry.engine import dosimetry
from PRRTDosimetryLib.dosimetry.regions import Patient, Region, marrow_vertebrae
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.selection import integrate
from PRRTDosimetryLib.kinetics.tables import plot_series
from PRRTDosimetryLib.report.dose_report import dose_sections
from PRRTDosimetryLib.uncertainty.chain import ChainInputs
from PRRTDosimetryLib.uncertainty.volume import relative_volume_uncertainty
from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.report.plots import Series, line_chart
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import read_csv, to_csv
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, aggregated, corrected_value

TIMES = (4.0, 24.0, 72.0, 168.0)
LU177 = nuclide("Lu-177")
BODY = phantom("male", "Lu-177")
PATIENT = Patient("male", 7400.0, treated_lobe="left")


def curve(name, amplitude, half_life_h, volume_mL=math.nan):
    activity = tuple(amplitude * 2 ** (-t / half_life_h) for t in TIMES)
    return Curve(name, TIMES, activity, volume_mL=volume_mL)


def tia(amplitude, half_life_h):
    return amplitude * half_life_h / math.log(2)


CURVES = (
    curve("kidney left", 90.0, 50.0, 150.0),
    curve("kidney right", 110.0, 55.0, 160.0),
    curve("liver", 500.0, 70.0, 1500.0),
    curve("healthy left", 40.0, 70.0, 150.0),
    curve("healthy right", 45.0, 72.0, 180.0),
    curve("L1", 60.0, 80.0, 20.0),
    curve("L2", 30.0, 85.0, 15.0),
    curve("R1", 50.0, 90.0, 30.0),
    curve("blood", 0.02, 40.0, 1.0),
    curve("body", 5000.0, 60.0),
)
REGIONS = {
    "kidney left": Region("organ", "kidneys"),
    "kidney right": Region("organ", "kidneys"),
    "liver": Region("organ", "liver"),
    "healthy left": Region("lobe", "liver", "left"),
    "healthy right": Region("lobe", "liver", "right"),
    "L1": Region("lesion", "liver", "left", "L1", "target"),
    "L2": Region("lesion", "liver", "left", "L2", "target"),
    "R1": Region("lesion", "liver", "right", "R1", "target"),
    "blood": Region("blood"),
    "body": Region("whole-body"),
}
CHAIN = ChainInputs(0.05, 0.03, 0.05, 0.02, 1.0, 1.5, 12.0, True)


@pytest.fixture(scope="module")
def result():
    return dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=CHAIN)


def test_lesions_follow_the_sphere_model(result):
    """Doses by point kernels against the published table of spheres, two calculations that share nothing."""
    found = result.regions["L1"]
    mass = 20.0 * 1.05
    assert found.mass_g == pytest.approx(mass)
    exact = tia(60.0, 80.0) * 3.6e9 * sphere_S_Gy_per_Bq_s("Lu-177", mass)
    assert found.dose_Gy == pytest.approx(exact, rel=0.01)
    by_table = replace(PATIENT, sphere_S_Gy_per_Bq_s=lambda mass_g: sphere_S_Gy_per_Bq_s("Lu-177", mass_g))
    assert dosimetry(CURVES, REGIONS, by_table, "mono").regions["L1"].dose_Gy == pytest.approx(exact, rel=1e-6)
    assert found.dose_Gy == pytest.approx(tia(60.0, 80.0) * 0.0853 / mass, rel=0.01)


def test_another_sphere_model_can_be_given():
    patient = replace(PATIENT, sphere_S_Gy_per_Bq_s=lambda mass_g: 1e-11 / mass_g)
    found = dosimetry(CURVES, REGIONS, patient, "mono").regions["L1"]
    assert found.dose_Gy == pytest.approx(tia(60.0, 80.0) * 3.6e9 * 1e-11 / 21.0, rel=1e-6)


def test_kidneys_one_by_one_and_together(result):
    """Electrons by each kidney's own concentration; the mean over both is the dose of the organ."""
    left, right = result.regions["kidney left"], result.regions["kidney right"]
    electrons, photons = BODY.self_parts("kidneys")
    assert left.local_Gy == pytest.approx(tia(90.0, 50.0) * GY_PER_MBQ_H * electrons * 310 / (150 * 1.05), rel=1e-6)
    masses = np.array([left.mass_g, right.mass_g])
    mean = masses @ [left.dose_Gy, right.dose_Gy] / masses.sum()
    assert result.organs["kidneys"].dose_Gy == pytest.approx(mean, rel=1e-9)
    both = tia(90.0, 50.0) + tia(110.0, 55.0)
    assert result.organs["kidneys"].self_Gy == pytest.approx(
        both * GY_PER_MBQ_H * BODY.self_S("kidneys", masses.sum()), rel=1e-6
    )
    assert photons > 0
    assert result.effects["kidneys"].dose_Gy == pytest.approx(mean)
    assert result.effects["kidneys"].bed_Gy > mean


def test_remainder_is_the_body_without_organs_lesions_and_marrow(result):
    marrow = tia(0.02, 40.0) / 1.06 * 1170
    inside = tia(90, 50) + tia(110, 55) + tia(500, 70) + tia(60, 80) + tia(30, 85) + tia(50, 90) + marrow
    left = tia(5000.0, 60.0) - inside
    sources = ["kidneys", "liver", "red marrow"]
    expected = left * GY_PER_MBQ_H * BODY.remainder_S("spleen", sources)
    assert dict(result.organs["spleen"].contributions_Gy)[REMAINDER] == pytest.approx(expected, rel=1e-6)
    own = marrow * GY_PER_MBQ_H * BODY.S("red marrow", "red marrow")
    assert result.organs["red marrow"].self_Gy == pytest.approx(own, rel=1e-6)
    assert result.organs["red marrow"].dose_Gy > own
    assert not any("remainder" in note for note in result.notes)


def test_a_liver_that_contains_its_lesions_counts_them_once():
    regions = {**REGIONS, "liver": replace(REGIONS["liver"], contains_lesions=True)}
    inside = dosimetry(CURVES, regions, PATIENT, "mono")
    outside = dosimetry(CURVES, REGIONS, PATIENT, "mono")
    lesions = tia(60, 80) + tia(30, 85) + tia(50, 90)
    rest = BODY.remainder_S("lungs", ["kidneys", "liver", "red marrow"])
    gap = lesions * GY_PER_MBQ_H * (BODY.S("lungs", "liver") - rest)
    assert outside.organs["lungs"].dose_Gy - inside.organs["lungs"].dose_Gy == pytest.approx(gap, rel=1e-6)


def test_lobes(result):
    treated, control = result.lobes.lobes
    assert (treated.lobe, treated.allocation, control.allocation) == ("left", "treated", "control")
    assert [lesion.lesion for lesion in treated.lesions] == ["L1", "L2"]
    # The lobe's concentration decides its electrons; photons and cross dose are the whole liver's.
    mass = 150 * 1.05
    local = tia(40.0, 70.0) * 0.08532 / mass
    assert result.regions["healthy left"].local_Gy == pytest.approx(local, rel=1e-3)
    liver = result.regions["liver"]
    assert result.regions["healthy left"].other_Gy == pytest.approx(liver.other_Gy, rel=1e-9)
    assert treated.therapeutic_index == pytest.approx(
        math.sqrt(result.regions["L1"].dose_Gy * result.regions["L2"].dose_Gy) / treated.healthy_Gy
    )


def test_lobes_stand_for_the_liver_only_without_one():
    without = dosimetry([c for c in CURVES if c.region != "liver"], REGIONS, PATIENT, "mono")
    lobes = tia(40.0, 70.0) + tia(45.0, 72.0)
    assert without.organs["liver"].self_Gy == pytest.approx(
        lobes * GY_PER_MBQ_H * BODY.self_S("liver", 330 * 1.05), rel=1e-6
    )
    assert any("no curve of the whole liver" in note for note in without.notes)


def test_uncertainties_have_a_budget_and_a_dominant_component(result):
    found = result.regions["L1"].uncertainty
    assert found.u_dose_Gy == result.regions["L1"].u_dose_Gy
    assert 0.07 < found.u_dose_Gy / result.regions["L1"].dose_Gy < 0.3
    text = budget_table("L1", found)
    assert f"{found.dominant} dominates" in text
    assert "contour (volume)" in text
    names = list(result.regions)
    pair = result.chain.correlation[names.index("kidney left"), names.index("kidney right")]
    assert pair > 0.2  # they share calibration and S-values
    bare = dosimetry(CURVES, REGIONS, PATIENT, "mono")
    assert bare.chain is None
    assert any("that of the TIA alone" in note for note in bare.notes)
    assert dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=CHAIN).regions["L1"].u_dose_Gy == found.u_dose_Gy


def spine(levels, marrow):
    """Vertebrae of 4 x 4 x 4 voxels, one above the other, and a marrow over the rows (first, last) along k."""
    grid = Grid((24, 6, 6), np.eye(4))
    segments = []
    for level in levels:
        full = np.zeros(grid.shape, dtype=bool)
        full[4 * level : 4 * level + 4, 1:5, 1:5] = True
        segments.append(Segment.from_full(f"vertebrae_L{level}", full, structure=f"vertebrae_L{level}"))
    full = np.zeros(grid.shape, dtype=bool)
    full[marrow[0] : marrow[1], 2:4, 2:4] = True
    return Segmentation(grid, (*segments, Segment.from_full("bone marrow", full, structure="marrow", role="organ")))


@pytest.mark.parametrize(
    ("levels", "marrow", "found"),
    [
        ((1, 2, 3, 4, 5), (8, 20), "L2-L4"),
        ((2, 3), (8, 16), "L2-L3"),  # L4 was not drawn
        ((1, 2, 3, 4, 5), (4, 24), "L1-L5"),
        ((1, 2, 3, 4, 5), (8, 21), "L2-L4"),  # a row over the border
        ((), (8, 20), "L2-L4"),  # nothing shows it: the usual one
    ],
)
def test_the_share_of_the_red_marrow_is_that_of_the_vertebrae_it_was_measured_in(levels, marrow, found):
    assert marrow_vertebrae(spine(levels, marrow), {}) == found
    whole = marrow_tia_from_vertebrae_MBq_h(2.46 * (found.count("-") and int(found[-1]) - int(found[1]) + 1), found)
    assert whole == pytest.approx(100.0)


def test_other_vertebrae_than_those_of_the_marrow_are_refused():
    segments = spine((1, 2, 3, 4, 5), (8, 20))
    with pytest.raises(InputFileError, match=r"'dosimetry.marrow.vertebrae' is L1-L5, but .* the marrow is of L2-L4"):
        marrow_vertebrae(segments, {"vertebrae": "L1-L5"})
    assert marrow_vertebrae(spine((), (8, 20)), {"vertebrae": "L1-L5"}) == "L1-L5"


def test_vertebrae_instead_of_blood():
    curves = [c for c in CURVES if c.region != "blood"] + [curve("L2-L4", 3.0, 60.0)]
    regions = {**REGIONS, "L2-L4": Region("vertebrae", vertebrae="L2-L4")}
    found = dosimetry(curves, regions, PATIENT, "mono").organs["red marrow"]
    expected = tia(3.0, 60.0) / 0.0738 * GY_PER_MBQ_H * BODY.S("red marrow", "red marrow")
    assert found.self_Gy == pytest.approx(expected, rel=1e-6)
    with pytest.raises(DoseError, match="choose one of them"):
        dosimetry([*curves, CURVES[8]], regions, PATIENT, "mono")


def test_the_marrow_of_vertebrae_has_an_interval_with_what_its_core_lacks():
    """Of the activity, and of the dose of the red marrow where little of it is from elsewhere; shared calibration."""
    curves = [c for c in CURVES if c.region not in ("blood", "body")] + [curve("L2-L4", 30.0, 60.0, 80.0)]
    regions = {**REGIONS, "L2-L4": Region("vertebrae", vertebrae="L2-L4")}
    none = np.zeros(4000)
    point = DrawnValue(30.0, 45.0, none, 0.1 * np.random.default_rng(3).standard_normal(4000), "rim")
    chain = replace(CHAIN, concentrations={"L2-L4": (point,) * 4})
    result = dosimetry(curves, regions, PATIENT, "mono", chain=chain)
    rows = {(r.region, r.metric): r for r in dose_rows(result, Labels("P1", "dosimetry", "SPECT"))}
    row = rows["L2-L4", "tia"]
    assert row.value == pytest.approx(tia(30.0, 60.0), rel=1e-6)
    assert rows["L2-L4", "effective_half_life"].value == pytest.approx(60.0, rel=1e-3)
    assert row.lower_95 < row.value < 1.5 * row.value < row.upper_95 < 2.2 * row.value
    assert marrow_words(result).startswith(f"red marrow: TIA {number(row.value / 0.0738)} MBq h [95 % ")
    assert math.isnan(rows["red marrow", "organ_dose"].lower_95)  # a lower bound without the remainder
    without = dosimetry(curves, regions, PATIENT, "mono", chain=CHAIN)
    plain = {(r.region, r.metric): r for r in dose_rows(without, Labels("P1", "dosimetry", "SPECT"))}
    assert math.isnan(plain["L2-L4", "tia"].lower_95)
    assert plain["kidney left", "dose"] == rows["kidney left", "dose"]
    wide = dosimetry(curves, regions, PATIENT, "mono", chain=replace(chain, calibration=0.3))
    assert np.corrcoef(wide.chain.tias["L2-L4"].truth, wide.chain.tias["kidney left"].truth)[0, 1] > 0.7
    body = [*curves, next(c for c in CURVES if REGIONS[c.region].kind == "whole-body")]
    with_body = dosimetry(body, regions, PATIENT, "mono", chain=chain)
    known = organ_intervals(with_body).get("red marrow")
    rest = dict(with_body.organs["red marrow"].contributions_Gy)[REMAINDER] / with_body.organs["red marrow"].dose_Gy
    assert (known is not None) == (rest <= 0.1)


@pytest.mark.parametrize(
    ("curves", "regions", "word"),
    [
        ([curve("spleen", 50.0, 60.0)], {"spleen": Region("organ", "spleen")}, "spleen has no volume"),
        ([curve("L1", 50.0, 60.0)], {"L1": Region("lesion")}, "L1 has no volume"),
        ([curve("thing", 50.0, 60.0)], {}, "not said what the region thing is"),
        ([curve("a", 1.0, 60.0, 1.0)] * 2, {"a": Region("lesion")}, "more than one curve"),
        ([curve("b", 1.0, 60.0)], {"b": Region("blood")}, "b has no volume"),
        ([curve("s", 1.0, 60.0, 1.0)], {"s": Region("organ", "gills")}, "density of gills"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(curves, regions, word):
    with pytest.raises(DoseError, match=word) as error:
        dosimetry(curves, regions, PATIENT, "mono")
    assert str(error.value).count(". ") == 0
    with pytest.raises(DoseError, match="kind 'tumour'"):
        Region("tumour")


def test_rows_go_through_the_table_and_back(result, tmp_path):
    rows = dose_rows(result, Labels("P1", "dosimetry", "SPECT"))
    path = tmp_path / "measurements.csv"
    path.write_text(to_csv(rows), encoding="utf-8")
    assert len(read_csv(path)) == len(rows)
    dose = next(row for row in rows if row.region == "R1" and row.metric == DOSE)
    assert (dose.role, dose.lobe, dose.unit, dose.cycle) == ("target", "right", "Gy", 1)
    assert dose.uncertainty > 0
    chain = result.regions["R1"].uncertainty
    assert (dose.lower_95, dose.upper_95, dose.shared_uncertainty) == (*chain.interval_Gy, chain.shared_u_Gy)
    assert next(row for row in read_csv(path) if row.region == "R1" and row.metric == DOSE) == dose
    assert all(math.isnan(row.lower_95) for row in rows if row.metric == "mass")
    for row in rows:
        if row.metric in ("tia", "tiac", "bed", "eqd2", "therapeutic_index_ratio") or row.region == "kidneys":
            assert row.lower_95 < row.value < row.upper_95, (row.region, row.metric)
    assert "nan" not in path.read_text(encoding="utf-8")
    keys = [(row.region, row.role, row.lobe, row.lesion, row.metric) for row in rows]
    assert len(set(keys)) == len(keys)
    metrics = {row.metric for row in rows}
    assert {"dose", "tia", "tiac", "therapeutic_index", "bed", "organ_dose"} <= metrics


def test_intervals_of_the_lobes_leave_out_what_doses_share(result):
    """The index of a lobe: calibration and S-value cancel, and each row holds what Monte Carlo says by itself."""
    draws = {name: one.measured * np.exp(one.own) for name, one in result.chain.doses.items()}
    lesions = np.exp(np.log([draws["L1"], draws["L2"]]).mean(axis=0))
    low, high = np.quantile(lesions / draws["healthy left"], [0.025, 0.975])
    rows = {(r.region, r.metric): r for r in dose_rows(result, Labels("P1", "dosimetry", "SPECT"))}
    row = rows["left lobe", "therapeutic_index"]
    assert (row.lower_95, row.upper_95) == pytest.approx((low, high))
    assert row.lower_95 < row.value < row.upper_95
    low, high = np.quantile(draws["R1"] / draws["healthy right"], [0.025, 0.975])
    row = rows["R1", "therapeutic_index"]
    assert (row.lower_95, row.upper_95) == pytest.approx((low, high))
    found = lobe_intervals(result)
    more = replace(CHAIN, calibration=0.2)
    other = lobe_intervals(dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=more))
    assert other["left"].healthy.u > 2 * found["left"].healthy.u
    assert other["left"].index.u == pytest.approx(found["left"].index.u, rel=0.05)


def test_what_follows_from_doses_has_their_errors(result):
    """Against the draws themselves: TIA with the volume in full, BED by formula, organs by mass, lobes by ratios."""
    rows = {(r.region, r.metric): r for r in dose_rows(result, Labels("P1", "dosimetry", "SPECT"))}
    chain, kidney = result.chain, result.regions["kidney left"]
    tia, tiac = rows["kidney left", "tia"], rows["kidney left", "tiac"]
    assert tiac.upper_95 / tiac.value == pytest.approx(tia.upper_95 / tia.value)
    u_volume = relative_volume_uncertainty(150.0, 1.0, 1.5)
    least = math.hypot(0.05, 0.05)  # calibration and recovery; then the volume's own, and counts
    assert least * tia.value < tia.uncertainty < (math.hypot(least, u_volume) + 0.05) * tia.value
    dose = chain.doses["kidney left"].corrected * np.exp(chain.doses["kidney left"].truth)
    effect = kidney.effect
    beds = dose * (1 + effect.protraction[0] * dose / effect.tissue.alpha_beta_Gy)
    bed = rows["kidney left", "bed"]
    assert (bed.lower_95, bed.upper_95) == pytest.approx(tuple(np.quantile(beds, [0.025, 0.975])))
    assert bed.uncertainty / bed.value > rows["kidney left", DOSE].uncertainty / rows["kidney left", DOSE].value
    organ = rows["kidneys", "organ_dose"]
    both = aggregated([chain.doses[f"kidney {side}"] for side in ("left", "right")], "volume-weighted-mean", [150, 160])
    assert organ.uncertainty / organ.value == pytest.approx(corrected_value(both).u / both.corrected, rel=0.02)
    assert math.isnan(rows["red marrow", "organ_dose"].lower_95)  # by blood, which was not drawn
    more = dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=replace(CHAIN, calibration=0.2))
    assert lobe_ratio(more).u == pytest.approx(lobe_ratio(result).u, rel=0.05)


def test_a_curve_that_no_model_describes_is_a_warning(result):
    assert result.warnings == ()
    odd = replace(CURVES[0], activity_MBq=(90.0, 20.0, 95.0, 15.0), u_activity_MBq=(1.0, 1.0, 1.0, 1.0))
    (warning,) = dosimetry((odd, *CURVES[1:]), REGIONS, PATIENT, "auto", chain=CHAIN).warnings
    assert "not adequate for kidney left:" in warning


def test_sums_over_cycles_share_calibration_and_not_noise():
    """Two equal cycles: relative error of the sum by calibration stays, that by noise falls by the root of two."""
    for changes, ratio_of_u in (({"calibration": 0.1}, 1.0), ({"counts": 0.1}, 0.5**0.5)):
        nothing = {"calibration": 0.0, "counts": 0.0, "recovery": 0.0, "s_value": 0.0, "contour_fwhm_mm": 0.0}
        chain = replace(CHAIN, **{**nothing, "contour_voxel_mm": 1e-3, **changes})
        options = Options(Weights(chain.counts, 0.0)) if chain.counts else None
        cycles = [
            dosimetry(CURVES, REGIONS, replace(PATIENT, cycle=number), "mono", options, chain) for number in (1, 2)
        ]
        kidneys = next(total for total in organ_totals(cycles) if total.organ == "kidneys")
        once = organ_effects(cycles[0])["kidneys"].dose
        assert kidneys.known.dose.value == pytest.approx(kidneys.dose_Gy)
        assert kidneys.known.dose.u / kidneys.dose_Gy == pytest.approx(ratio_of_u * once.u / once.value, rel=0.1)
        assert kidneys.known.bed.lower < kidneys.effect.bed_Gy < kidneys.known.bed.upper


def test_tables_have_intervals_and_what_is_in_them_and_blanks_where_nothing_is_known(result):
    text, page = dose_table(result), "".join(dose_sections(result, "Cycle 1", {"L1": (0.9, 0.7)}))
    low, high = result.regions["L1"].uncertainty.interval_Gy
    index = lobe_intervals(result)["left"].index
    for shown in (text, page):
        assert f"{number(low)} to {number(high)}" in shown
        assert f"{number(index.lower)} to {number(index.upper)}" in shown
        assert "In the 95 % intervals of the doses are: " in shown
        assert "calibration of the camera" in shown
    assert "doses are not corrected for the loss" in page
    bare = dosimetry(CURVES, {**REGIONS, "R1": Region("lesion")}, PATIENT, "mono")
    text, page = dose_table(bare), "".join(dose_sections(bare, "Cycle 1", {}))
    for shown in (text, page):
        assert "nan" not in shown
        assert "95 % intervals" not in shown


def test_a_report_says_which_doses_are_corrected_and_what_correction_would_give():
    """Of a lesion that reads 0.6 of its truth: uncorrected with the corrected dose beside, or corrected."""
    rng = np.random.default_rng(1)
    causes = {"camera resolution": 0.05 * rng.standard_normal(4000)}
    points = tuple(DrawnValue(0.6, 1.0, np.zeros(4000), causes["camera resolution"], "", causes) for _ in TIMES)
    kept = {"L1": (0.9, 0.6), "R1": (0.95, 0.8)}
    plain = replace(CHAIN, recovery=0.0, recovery_corrected=False, concentrations={"L1": points})
    found = dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=plain)
    page = "".join(dose_sections(found, "Cycle 1", kept))
    assert "Activities and doses are not corrected for the loss." in page
    wanted = found.regions["L1"].other_Gy + found.regions["L1"].local_Gy / 0.6
    assert f'<td class="number">{wanted:#.4g}</td>' in page
    assert "the loss by partial volume where a dose is not corrected for it" in page
    low, high = found.regions["L1"].uncertainty.interval_Gy
    assert low < found.regions["L1"].dose_Gy < wanted < high
    made = dosimetry(CURVES, REGIONS, PATIENT, "mono", chain=replace(plain, corrected=frozenset({"L1"})))
    page = "".join(dose_sections(made, "Cycle 1", kept))
    assert "Activities and doses are corrected for the loss, but for R1." in page
    assert "dose if corrected" not in page
    page = "".join(dose_sections(made, "Cycle 1", {"L1": kept["L1"]}))
    assert "Activities and doses are corrected for the loss." in page


def test_the_endpoint_engine_takes_doses():
    """Three patients whose treated (left) lesions get twice the dose: GMR 2."""
    protocol = load_protocol("lutia")
    protocol = replace(protocol, endpoint=replace(protocol.endpoint, metric=DOSE))
    rows = []
    for n, factor in enumerate((1.0, 1.3, 0.8)):
        curves = [
            curve("hl", 40.0, 70.0, 150.0),
            curve("hr", 40.0, 70.0, 150.0),
            curve("L1", 100.0 * factor, 80.0, 20.0),
            curve("R1", 50.0 * factor, 80.0, 20.0),
        ]
        regions = {
            "hl": Region("lobe", "liver", "left"),
            "hr": Region("lobe", "liver", "right"),
            "L1": REGIONS["L1"],
            "R1": REGIONS["R1"],
        }
        found = dosimetry(curves, regions, PATIENT, "mono")
        rows += dose_rows(found, Labels(f"P{n}", "24h", "SPECT"))
    endpoint = evaluate(rows, protocol)
    assert endpoint.comparison.gmr == pytest.approx(2.0, rel=1e-6)


def test_tables_are_readable(result):
    text = dose_table(result)
    for word in ("kidney left", "treated (left)", "For reference, not a verdict", "Note:" if result.notes else "lobe"):
        assert word in text


def test_a_region_can_be_plotted(result):
    series = plot_series(result.integrals["L1"])
    assert series.time_h == TIMES
    assert np.interp(24.0, series.curve_time_h, series.curve_MBq) == pytest.approx(60 * 2 ** (-24 / 80), rel=1e-6)
    chart = line_chart(
        series.region,
        [
            Series("measured", series.time_h, series.activity_MBq, series.low_MBq, series.high_MBq, joined=False),
            Series(series.model, series.curve_time_h, series.curve_MBq, marked=False),
        ],
        "Time (h)",
        "Activity (MBq)",
    )
    assert chart.startswith("<svg")
    polygon = plot_series(integrate(CURVES[0], LU177, "trapezoid"))
    assert set(TIMES) <= set(polygon.curve_time_h)
    assert polygon.low_MBq == ()
