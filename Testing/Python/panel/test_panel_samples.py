"""Sample patients through the panels as a user would take them, compared with what the patients were made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.panel_actions import cells, choose_data


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


@pytest.mark.slow
def test_panel_agrees_with_prrt_run(load_panel, tmp_path):
    """The same files by ``prrt run`` and by clicking give the same table; the run's scene can be gone on with."""
    import slicer
    from PRRTDosimetryLib.commands import main
    from PRRTUptakeLib.mrml.sample_data import load_patient
    from PRRTUptakeLib.mrml.tables import rows_of_table
    from PRRTUptakeLib.study.measurements import read_csv
    from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia

    case = write_synthetic_lutia(tmp_path / "patient", seed=2)
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 0
    rows = read_csv(tmp_path / "out" / "measurements.csv")
    expected = {(row.visit, row.region, row.metric): row.value for row in rows}
    slicer.mrmlScene.Clear(0)
    panel = load_panel("PRRTUptake")
    load_patient(case)
    panel.enter()
    ui = panel.ui
    ui.patientLineEdit.text = json.loads(case.read_text())["patient"]
    ui.lobePlaneSelector.setCurrentNode(slicer.util.getNode("Lobe plane*"))
    ui.treatedLobeComboBox.setCurrentIndex(
        ui.treatedLobeComboBox.findText(json.loads(case.read_text())["treated_lobe"])
    )
    ui.applyButton.click()
    clicked = rows_of_table(panel.parameters.table)
    found = {(row["visit"], row["region"], row["metric"]): row["value"] for row in clicked}
    assert found == pytest.approx(expected, rel=1e-5)  # the table node shows six digits
    targets = {row[0]: row[5] for row in cells(ui.resultsTable)}
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "out" / "patient.mrb"))
    (image,) = [row for row in cells(ui.imagesTable) if row[1] == "measured"]
    assert image[2:] == ["24h", "activity Bq/ml", "24 h", ""]
    ui.patientLineEdit.text = "SYN"
    ui.applyButton.click()
    assert {row[0]: row[5] for row in cells(ui.resultsTable)} == targets
