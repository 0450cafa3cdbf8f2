"""Tables in, POPULATION.json out: what is read, what is refused, and the commands around them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.population.curve_sets import grouped, kind_of
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.fitting import without_each_patient
from PRRTDosimetryLib.population.making import Wanted, make_population, refitted
from PRRTDosimetryLib.population.model import Population, read_population, shipped_population, write_population
from PRRTDosimetryLib.population.synthetic import curves_text, synthetic_patients, synthetic_population
from PRRTDosimetryLib.population.tables import population_text, validation_text
from PRRTDosimetryLib.population.tables_in import curves_of_rows, read_patients
from PRRTDosimetryLib.population.validation import image_sets, usual_hours, validate
from PRRTDosimetryLib.report.population_figures import validation_figure
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.measurements import Measurement

LU = nuclide("Lu-177")
MONO = Wanted("mono")
LATE = (24.0, 72.0, 168.0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of kidneys of seven patients, without early images, so that one exponential describes them."""
    curves, _ = synthetic_patients(7, 4, ("kidney",), hours=LATE)
    path = tmp_path_factory.mktemp("population") / "curves.csv"
    path.write_text(curves_text(curves))
    return path


@pytest.fixture(scope="module")
def made(table) -> Population:
    return make_population(read_patients(table, LU), LU, MONO)


def test_a_population_knows_what_it_was_made_from(made):
    kidney = made.kinds["kidney"]
    assert (kidney.patients, kidney.curves, kidney.images) == (7, 14, 42)
    assert made.per_administered
    assert kidney.cycles is None
    assert kidney.within is not None
    assert kidney.checks.converged
    assert kidney.checks.laplace_error < 0.1
    assert len(kidney.shrinkage) == 2
    text = population_text(made)
    assert "no patient has two cycles of kidney" in text
    assert "Checks: converged" in text


def test_a_file_reads_back_as_it_was_written(made, tmp_path):
    path = tmp_path / "POPULATION.json"
    write_population(made, path)
    again = read_population(path)
    assert again == made
    assert again.kinds["kidney"].vector == pytest.approx(made.kinds["kidney"].vector)


def test_the_file_fits_its_schema(made, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    from PRRTUptakeLib.study.schema.kinds import json_schema

    for population in (made, synthetic_population()):
        path = tmp_path / "POPULATION.json"
        write_population(population, path)
        jsonschema.validate(json.loads(path.read_text()), json_schema("population"))
        assert read_population(path) == population


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(noise=-1), "noise"),
        (lambda one: one["typical"].append(1.0), "has 3 numbers, but mono has 2 parameters"),
        (lambda one: one["between_patients"][0].__setitem__(0, -1.0), "no covariance"),
        (lambda one: one.pop("covariance"), "covariance"),
        (lambda one: one.update(nois=0.1), "did you mean 'noise'"),
    ],
)
def test_a_file_that_cannot_be_is_refused(made, tmp_path, change, words):
    path = tmp_path / "POPULATION.json"
    write_population(made, path)
    content = json.loads(path.read_text())
    change(content["regions"]["kidney"])
    path.write_text(json.dumps(content))
    with pytest.raises(PopulationError, match=words):
        read_population(path)


def test_the_shipped_population_is_marked_as_synthetic():
    """Its numbers are those behind its patients, within the sampling error of 20 of them."""
    shipped, truth = read_population(shipped_population()), synthetic_population()
    assert shipped.synthetic
    assert "SYNTHETIC" in population_text(shipped)
    for kind, one in shipped.kinds.items():
        u = np.sqrt(np.diag(one.covariance))[:3]
        assert (np.abs(one.typical - truth.kinds[kind].typical) < 3.5 * u).all()


def test_too_few_patients_are_refused():
    curves, _ = synthetic_patients(4, 1, ("kidney",), hours=LATE)
    with pytest.raises(PopulationError, match=r"at least 5 patients with 3 images .*kidney 4"):
        make_population(curves, LU, MONO)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.replace("SYN001,1", ",1"), "the patient is empty"),
        (lambda text: text.replace(",7400", ",", 3), "administered_MBq"),
        (lambda text: text.replace(",kidney,", ",heart,"), "'heart' is not one of"),
        (lambda text: text.replace("SYN001,1,", "SYN001,one,"), "not a whole number"),
        (lambda text: text.replace("7400", "-5"), "must be above 0"),
        (lambda text: text.replace("7400", "7.4"), "line 2: .*7.4 MBq, but .* in GBq or mCi"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(table, tmp_path, edit, words):
    path = tmp_path / "curves.csv"
    path.write_text(edit(table.read_text()))
    with pytest.raises(PopulationError, match=words):
        read_patients(path, LU)


def test_cycles_of_a_spreadsheet_are_whole_numbers(table, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(table.read_text().replace("SYN001,1,", "SYN001,1.0,"))
    assert [one.cycle for one in read_patients(path, LU)] == [one.cycle for one in read_patients(table, LU)]


@pytest.mark.slow
def test_covariates_explain_spread():
    """Clearance that follows eGFR: the effect is found, and the spread between patients falls."""
    curves, _ = synthetic_patients(12, 6, ("kidney",), hours=LATE)
    names = sorted({one.patient for one in curves})
    egfr = dict(zip(names, np.linspace(40, 110, len(names)), strict=True))
    moved = []
    for one in curves:
        change = np.exp(-0.006 * (egfr[one.patient] - 75) * np.array(one.curve.time_h) / 24)
        activity = tuple(float(a) for a in np.array(one.curve.activity_MBq) * change)
        moved.append(
            replace(one, curve=replace(one.curve, activity_MBq=activity), covariates={"egfr": egfr[one.patient]})
        )
    plain = make_population(moved, LU, MONO).kinds["kidney"]
    with_egfr = make_population(moved, LU, Wanted("mono", ("egfr",))).kinds["kidney"]
    assert with_egfr.effects[0, 1] > 3 * np.sqrt(with_egfr.covariance[3, 3])
    assert with_egfr.between[1, 1] < plain.between[1, 1]
    with pytest.raises(PopulationError, match="'age' is missing"):
        make_population(moved, LU, Wanted("mono", ("age",)))


def test_rows_of_results_make_curves():
    """What a cohort's measurements.csv holds: activities with the hours and the activity given of their visits."""

    def row(visit, region, metric, value, role="organ"):
        return Measurement("P1", 1, visit, "SPECT", region, role, "none", "", metric, value, "")

    rows = [row("96h", "patient", "time_after_injection", 96.0), row("24h", "patient", "time_after_injection", 24.0)]
    rows += [row("24h", "patient", "administered_activity", 7400.0)]
    rows += [row("96h", "kidney_left", "activity", 30.0), row("24h", "kidney_left", "activity", 70.0)]
    rows += [row("24h", "T7", "activity", 9.0, "target"), row("24h", "liver", "mean", 5.0)]
    found = {one.region: one for one in curves_of_rows(rows)}
    assert found["kidney_left"].curve.time_h == (24.0, 96.0)
    assert found["kidney_left"].curve.activity_MBq == (70.0, 30.0)
    assert found["kidney_left"].administered_MBq == 7400.0
    assert found["T7"].kind == "lesion"
    assert "liver" not in found


def test_kinds_are_known_by_name():
    names = ("Kidney_Left", "rein droit", "Milz", "Liver", "L12", "vertebrae_L3", "Tumour 2", "Blood", "heart")
    kinds = ["kidney", "kidney", "spleen", "liver", "lesion", "marrow", "lesion", "", ""]
    assert [kind_of(name) for name in names] == kinds


def test_one_newton_step_leaves_a_patient_out(table, made):
    """As the search without that patient, to a part of the estimates' uncertainties."""
    curves, kidney = read_patients(table, LU), made.kinds["kidney"]
    stepped = without_each_patient(kidney, grouped(curves), LU.decay_constant_per_h)
    assert stepped
    names = list(dict.fromkeys(one.patient for one in curves))
    number, one = next(iter(stepped.items()))
    exact = refitted(kidney, [curve for curve in curves if curve.patient != names[number]], LU)
    u = np.sqrt(np.diag(exact.covariance))
    assert (np.abs(one.vector - exact.vector) < 0.3 * u).all()
    assert one.patients == exact.patients == 6


def test_validation_compares_methods(table, made):
    curves = read_patients(table, LU)
    assert usual_hours(curves) == pytest.approx(LATE, abs=0.1)
    assert image_sets([24.0, 96.0]) == [(24.0,), (96.0,), (24.0, 96.0)]
    rows = validate(curves, made, LU, [(24.0,), (24.0, 168.0)])
    methods = {(one.hours, one.method) for one in rows}
    assert ((24.0,), "haenscheid") in methods
    assert ((24.0, 168.0), "average") in methods
    by_population = next(one for one in rows if one.method == "population" and len(one.hours) == 1)
    haenscheid = next(one for one in rows if one.method == "haenscheid")
    assert abs(by_population.bias) < 0.05
    assert haenscheid.bias < -0.25  # 24 h are less than half a half-life
    assert by_population.rms < haenscheid.rms
    assert "95 % holds" in validation_text(rows)
    assert validation_figure(rows, "kidney").startswith("<svg")


def test_the_commands_work_together(table, tmp_path, capsys):
    output, plots = tmp_path / "POPULATION.json", tmp_path / "plots"
    plots.mkdir()
    arguments = ["population", str(table), "-o", str(output), "--model", "mono", "--times", "72"]
    assert main([*arguments, "--plots", str(plots), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["regions"]["kidney"]["patients"] == 7
    assert content["validation"][0]["curves"] == 14
    assert (plots / "validation_kidney.svg").read_text().startswith("<svg")
    assert json.loads(output.read_text())["inputs"][0]["file"] == "curves.csv"
    single = tmp_path / "single.csv"
    single.write_text("region,time_h,activity_MBq\nKidney_Left,72,45\n")
    tiac = ["tiac", str(single), "--nuclide", "Lu-177", "--population", str(output)]
    assert main([*tiac, "--administered-MBq", "7400", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["regions"]["Kidney_Left"]
    assert "population of 7 patients (kidney)" in found["choice"]
    assert found["tia_interval_MBq_h"][0] < found["tia_MBq_h"] < found["tia_interval_MBq_h"][1]
    assert main(tiac) == 1
    assert "administered activity" in capsys.readouterr().err
    later = [
        *tiac,
        "--administered-MBq",
        "7400",
        "--cycle",
        "2",
        "--earlier",
        str(table.parent / "first.csv"),
        "--json",
    ]
    (table.parent / "first.csv").write_text("region,time_h,activity_MBq\nKidney_Left,24,80\nKidney_Left,168,12\n")
    assert main(later) == 0
    after = json.loads(capsys.readouterr().out)["regions"]["Kidney_Left"]
    assert after["u_tia_MBq_h"] < found["u_tia_MBq_h"]
    assert main([*tiac, "--administered-MBq", "7400", "--earlier", str(single)]) == 1
    assert "cannot follow" in capsys.readouterr().err
    plan = ["timepoints", "--nuclide", "Lu-177", "--regions", "kidney", "--images", "1", "--step", "4"]
    assert main([*plan, "--population", str(output), "--plot", str(tmp_path / "plan.svg")]) == 0
    assert "Images at" in capsys.readouterr().out
    assert (tmp_path / "plan.svg").exists()
