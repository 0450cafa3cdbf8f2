"""Sample patients through the panels as a user would take them, compared with what the patients were made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.panel_actions import cells, choose_data
from builders.small_grids import use_small_grids


@pytest.fixture
def truths(monkeypatch):
    """What is known of the samples that were loaded, since their files are gone then."""
    from PRRTUptakeLib.mrml import sample_data

    found: dict[str, dict] = {}

    def keep(name, write):
        def written(folder, **options):
            path = write(folder, **options)
            found[name] = json.loads((Path(path).parent / "truth.json").read_text(encoding="utf-8"))
            return path

        return written

    for name, (write, as_suv) in list(sample_data.SAMPLES.items()):
        monkeypatch.setitem(sample_data.SAMPLES, name, (keep(name, write), as_suv))
    return found


def load_from_sample_data(title):
    """Click on an entry of the Sample Data module."""
    import SampleData
    import slicer

    slicer.app.start()
    (sources,) = SampleData.SampleDataLogic.sources.values()
    (source,) = [one for one in sources if title in one.sampleName]
    return source.customDownloader(source)


def register(ui, moving, fixed):
    import slicer

    ui.fixedSelector.setCurrentNode(slicer.util.getNode(fixed))
    ui.movingSelector.setCurrentNode(slicer.util.getNode(moving))
    ui.registerButton.click()
    assert "Registered" in ui.statusLabel.text, ui.statusLabel.text


@pytest.mark.slow
def test_ia_versus_iv_sample(load_panel, truths):
    """Two PET/CT, contours on the MRI: register, measure; the enhancement ratio is what the patient was given."""
    import slicer

    panel = load_panel("PRRTUptake")
    load_from_sample_data("IA versus IV")
    panel.enter()
    ui = panel.ui
    ui.patientLineEdit.text = "SYN"
    choose_data(ui.protocolComboBox, "ia-versus-iv")
    for visit in ("IA", "IV"):
        register(ui, f"CT {visit}", "MRI")
    moved = {row[0]: row[2] for row in cells(ui.registrationTable)}
    assert moved == {
        "MRI": "",
        "CT IA": "CT IA to MRI",
        "PET IA": "CT IA to MRI",
        "CT IV": "CT IV to MRI",
        "PET IV": "CT IV to MRI",
    }
    ui.applyButton.click()
    rows = cells(ui.resultsTable)
    assert len(rows) == 5
    given = {one["lobe"]: one["suv"]["IA"] / one["suv"]["IV"] for one in truths["ia-versus-iv"]["lesions"]}
    for row in rows:
        assert float(row[5]) == pytest.approx(given[row[1]], rel=0.12), row[0]
    selection = slicer.app.applicationLogic().GetSelectionNode()
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    assert "IA and IV" in chart.GetTitle()
    assert [chart.GetNthPlotSeriesNode(n).GetName() for n in range(2)] == ["SUVmax IA", "SUVmax IV"]


@pytest.mark.slow
def test_serial_sample(load_panel, truths):
    """Images of days brought together in PRRT Uptake; doses, dose map and histograms in PRRT Dosimetry."""
    import slicer

    uptake = load_panel("PRRTUptake")
    load_from_sample_data("serial")
    uptake.enter()
    visits = [row[2] for row in cells(uptake.ui.imagesTable) if row[1] == "measured"]
    for visit in visits[1:]:
        register(uptake.ui, f"CT {visit}", f"CT {visits[0]}")
    uptake.exit()
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    ui = panel.ui
    ui.patientLineEdit.text = "SYN"
    assert len(cells(ui.timePointsTable)) == len(visits)
    ui.fitButton.click()
    assert ui.curvesTable.rowCount > 5, ui.statusLabel.text
    ui.methodComboBox.setCurrentIndex(1)
    ui.applyButton.click()
    assert "Doses of" in ui.statusLabel.text, ui.statusLabel.text
    rows = {row[0]: row for row in cells(ui.dosesTable)}
    lesions = [row for row in rows.values() if row[1] == "target"]
    assert len(lesions) > 2
    for row in lesions:  # the map and the sphere agree where the images were brought together
        assert float(row[6]) == pytest.approx(float(row[3]), rel=0.15), row[0]
    ui.histogramButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    assert chart.GetTitle() == "Dose-volume histograms"
    assert chart.GetNumberOfPlotSeriesNodes() > 3


def full_key(row):
    """All columns but the numbers; what the data dictionary calls the primary key, and the words beside it."""
    names = ("patient", "cycle", "visit", "image", "region", "role", "lobe", "lesion", "metric", "unit")
    return tuple(getattr(row, name) for name in names)


def numbers(rows):
    """Value and uncertainty by the full key, to the last digit."""
    found = {full_key(row): (repr(row.value), repr(row.uncertainty)) for row in rows}
    assert len(found) == len(rows)
    return found


def run_by_command(case, folder):
    from PRRTDosimetryLib.commands import main
    from PRRTUptakeLib.study.measurements import read_csv

    assert main(["run", str(case), "-o", str(folder)]) == 0
    return read_csv(folder / "measurements.csv")


def load_case(load_panel, case, as_suv=False):
    """PRRT Uptake's panel with the case in the scene, patient and protocol chosen."""
    import slicer
    from PRRTUptakeLib.mrml.sample_data import load_patient

    slicer.mrmlScene.Clear(0)
    panel = load_panel("PRRTUptake")
    load_patient(case, as_suv)
    panel.enter()
    content = json.loads(case.read_text())
    panel.ui.patientLineEdit.text = content["patient"]
    choose_data(panel.ui.protocolComboBox, content["protocol"])
    if content.get("treated_lobe"):
        combo = panel.ui.treatedLobeComboBox
        combo.setCurrentIndex(combo.findText(content["treated_lobe"]))
    return panel


@pytest.mark.slow
def test_panel_agrees_with_prrt_run_route_by_route(load_panel, tmp_path, monkeypatch):
    """Both registrations by clicking, then Apply: the rows of ``prrt run``, bit for bit."""
    from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv

    use_small_grids(monkeypatch)
    case = write_synthetic_ia_versus_iv(tmp_path / "patient", seed=2)
    expected = numbers(run_by_command(case, tmp_path / "out"))
    panel = load_case(load_panel, case, as_suv=True)
    for visit in ("IA", "IV"):
        register(panel.ui, f"CT {visit}", "MRI")
    panel.ui.applyButton.click()
    assert numbers(panel.logic.uptakeFor(panel.parameters).measured.rows) == expected


POINTS_OF_CURVES = {"activity", "time_after_injection", "administered_activity"}


@pytest.mark.slow
@pytest.mark.parametrize("design", ["lobe-comparison", "single-arm"])
def test_panel_agrees_with_prrt_run_after_registration_of_serial_visits(load_panel, tmp_path, design, monkeypatch):
    """Every visit has segments of its own: registering the visits changes neither uptake nor doses."""
    import slicer
    from PRRTUptakeLib.synthetic.cases import write_synthetic_serial, write_synthetic_single_arm

    use_small_grids(monkeypatch)
    write = {"lobe-comparison": write_synthetic_serial, "single-arm": write_synthetic_single_arm}[design]
    case = write(tmp_path / "patient", seed=2, times_h=(24.0, 96.0))
    rows = run_by_command(case, tmp_path / "out")
    uptake = load_case(load_panel, case)
    visits = [row[2] for row in cells(uptake.ui.imagesTable) if row[1] == "measured"]
    for visit in visits[1:]:
        register(uptake.ui, f"CT {visit}", f"CT {visits[0]}")
    uptake.ui.segmentationSelector.setCurrentNode(slicer.util.getNode(f"Segments {visits[0]}"))  # of several
    if design == "lobe-comparison":
        uptake.ui.lobePlaneSelector.setCurrentNode(slicer.util.getNode(f"Lobe plane {visits[0]}"))
    uptake.ui.applyButton.click()
    measured = uptake.logic.uptakeFor(uptake.parameters).measured
    of_doses = [row for row in rows if row.visit == "dosimetry" or row.metric in POINTS_OF_CURVES]
    assert {row.metric for row in of_doses} >= {"dose", "tia", *POINTS_OF_CURVES}
    assert numbers(measured.rows) == numbers([row for row in rows if row not in of_doses])
    uptake.exit()
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    assert panel.ui.patientLineEdit.text == measured.input.patient  # as chosen in PRRT Uptake
    panel.ui.applyButton.click()
    doses = panel.logic.dosimetryFor(panel.parameters).rows
    assert numbers(doses) == numbers(of_doses)


@pytest.mark.slow
def test_panel_agrees_with_prrt_run(load_panel, tmp_path):
    """The same files by ``prrt run`` and by clicking give the same table; the run's scene can be gone on with."""
    import slicer
    from PRRTUptakeLib.mrml.tables import rows_of_table
    from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia

    case = write_synthetic_lutia(tmp_path / "patient", seed=2)
    rows = run_by_command(case, tmp_path / "out")
    panel = load_case(load_panel, case)
    ui = panel.ui
    ui.lobePlaneSelector.setCurrentNode(slicer.util.getNode("Lobe plane*"))
    ui.applyButton.click()
    assert numbers(panel.logic.uptakeFor(panel.parameters).measured.rows) == numbers(rows)
    clicked = rows_of_table(panel.parameters.table)
    found = {(row["visit"], row["image"], row["region"], row["metric"]): row["value"] for row in clicked}
    expected = {(row.visit, row.image, row.region, row.metric): row.value for row in rows}
    assert found == pytest.approx(expected, rel=1e-5)  # the table node shows six digits
    targets = {row[0]: row[5] for row in cells(ui.resultsTable)}
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "out" / "patient.mrb"))
    (image,) = [row for row in cells(ui.imagesTable) if row[1] == "measured"]
    assert image[2:] == ["24h", "activity Bq/ml", "24.0 h", ""]
    ui.patientLineEdit.text = "SYN"
    ui.applyButton.click()
    assert {row[0]: row[5] for row in cells(ui.resultsTable)} == targets
