"""PRRT Dosimetry's panel, driven as a user would: set up, fit, calculate, save, reopen, and all that goes wrong."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from builders.panel_actions import cells, choose, choose_data
from builders.panel_scene import GRID, KIDNEY, LIVER, RIGHT, activity, add_ct, add_series, masks

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

TEFF_H = 50.0


@pytest.fixture
def panel(load_panel):
    return load_panel("PRRTDosimetry")


@pytest.fixture
def ready(panel):
    """A panel with a patient whom nothing lacks."""
    add_series()
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    choose_data(panel.ui.modelComboBox, "mono")
    return panel


def test_the_first_visit_takes_the_study_of_prrt_uptake(load_panel):
    uptake = load_panel("PRRTUptake")
    uptake.enter()
    choose_data(uptake.ui.protocolComboBox, "lutia")
    uptake.ui.patientLineEdit.text = "P07"
    uptake.ui.treatedLobeComboBox.setCurrentIndex(uptake.ui.treatedLobeComboBox.findText("left"))
    uptake.exit()
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    assert (panel.ui.patientLineEdit.text, panel.ui.treatedLobeComboBox.currentText) == ("P07", "left")
    panel.ui.patientLineEdit.text = "P08"
    panel.exit()
    uptake.enter()
    choose_data(uptake.ui.protocolComboBox, "single-arm")
    uptake.exit()
    panel.enter()  # what was chosen here is not replaced
    assert panel.parameters.patient == "P08"
    assert panel.parameters.protocol == "lutia"


def test_a_lobe_chosen_after_the_first_visit_is_taken_too_until_something_is_chosen_here(load_panel):
    panel = load_panel("PRRTDosimetry")
    panel.enter()  # opened before anything was chosen
    panel.exit()
    uptake = load_panel("PRRTUptake")
    uptake.enter()
    combo = uptake.ui.treatedLobeComboBox
    for words in ("right", "left"):
        combo.setCurrentIndex(combo.findText(words))
        uptake.exit()
        panel.enter()
        assert panel.ui.treatedLobeComboBox.currentText == words
        panel.exit()
        uptake.enter()
    uptake.exit()
    panel.enter()
    panel.ui.treatedLobeComboBox.setCurrentIndex(panel.ui.treatedLobeComboBox.findText("right"))
    panel.exit()
    panel.enter()
    assert panel.ui.treatedLobeComboBox.currentText == "right"


def test_a_protocol_without_lobes_is_taken_too(load_panel):
    uptake = load_panel("PRRTUptake")
    uptake.enter()
    choose_data(uptake.ui.protocolComboBox, "single-arm")
    uptake.exit()
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    assert panel.parameters.protocol == "single-arm"


def test_empty_scene_says_what_is_missing(panel):
    panel.ui.patientLineEdit.text = "P01"
    assert "load the SPECT images" in panel.ui.timePointsLabel.text
    for button in (panel.ui.fitButton, panel.ui.applyButton, panel.ui.exportButton, panel.ui.histogramButton):
        assert not button.enabled
        assert button.toolTip
    panel.ui.fitButton.enabled = panel.ui.applyButton.enabled = True
    panel.ui.fitButton.click()
    panel.ui.applyButton.click()
    assert "no activity image" in panel.ui.statusLabel.text


def test_images_state_what_they_know(ready):
    assert ready.ui.activitySpinBox.value == 7400.0
    assert ready.ui.nuclideComboBox.currentText == "Lu-177"
    assert ready.ui.sexComboBox.currentText == "female"
    assert [row[1] for row in cells(ready.ui.timePointsTable)] == ["4.0 h", "24.0 h", "72.0 h", "168.0 h"]
    assert not ready.ui.timePointsLabel.text
    ready.ui.activitySpinBox.value = 7000.0
    assert "7400" in ready.ui.timePointsLabel.text


def test_what_images_do_not_state_is_asked(panel):
    add_series(stated=False)
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    assert "activity" in panel.ui.fitButton.toolTip
    panel.ui.activitySpinBox.value = 7400.0
    assert "sex" in panel.ui.fitButton.toolTip
    panel.ui.sexComboBox.setCurrentIndex(1)
    assert panel.ui.fitButton.enabled
    choose(panel.ui.timePointsTable, 1)
    panel.ui.pointHoursSpinBox.value = 4.0
    panel.ui.pointHoursSpinBox.editingFinished.emit()
    assert "Two images were taken 4 h" in panel.ui.fitButton.toolTip


def test_counts_are_calibrated(ready):
    import slicer
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    slicer.mrmlScene.RemoveNode(slicer.util.getNode("SPECT 168h"))
    cps_per_MBq, seconds = 10.0, 1200.0
    bq_per_mL = activity(0.5 ** (168 / TEFF_H)).array
    counts = bq_per_mL * 1e-6 * cps_per_MBq * seconds * GRID.voxel_volume_mL
    node = node_from_volume(Volume(counts, GRID.ijk_to_ras), "SPECT late")
    describe_image(node, role="measured", hours=168.0)
    ready.refresh()
    assert "counts" in [row[2] for row in cells(ready.ui.timePointsTable)]
    assert "Bq/ml" in ready.ui.fitButton.toolTip
    choose(ready.ui.timePointsTable, 3)
    assert not ready.ui.calibrateButton.enabled
    ready.ui.sensitivitySpinBox.value = cps_per_MBq
    ready.ui.durationSpinBox.value = seconds
    ready.ui.calibrateButton.click()
    assert ready.ui.fitButton.enabled
    assert slicer.util.arrayFromVolume(node) == pytest.approx(bq_per_mL, rel=1e-5)


def test_curves(ready):
    import slicer

    ready.ui.fitButton.click()
    rows = {row[0]: row for row in cells(ready.ui.curvesTable)}
    assert {"liver", "kidney_left", "L1", "R1", "reference left lobe"} <= set(rows)
    volume_mL = np.count_nonzero(masks()["kidney_left"]) * GRID.voxel_volume_mL
    expected = KIDNEY * volume_mL * 1e-6 * TEFF_H / math.log(2)
    assert float(rows["kidney_left"][2]) == pytest.approx(expected, rel=2e-3)
    assert all(float(row[4]) == pytest.approx(TEFF_H, abs=0.11) for row in rows.values())
    number = [row[0] for row in cells(ready.ui.curvesTable)].index("R1")
    ready.ui.curvesTable.cellClicked.emit(number, 0)
    selection = slicer.app.applicationLogic().GetSelectionNode()
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    assert chart.GetTitle() == "R1"
    assert chart.GetNumberOfPlotSeriesNodes() == 2  # points and curve


def test_doses(ready):
    import slicer

    ready.ui.applyButton.click()
    rows = {row[0]: row for row in cells(ready.ui.dosesTable)}
    dose = float(rows["R1"][3])
    # Electrons of 177Lu absorbed on the spot: 0.0853 Gy g/(MBq h), density 1.05 g/mL or so; photons add little.
    local = 0.0853 * RIGHT * 1e-6 * TEFF_H / math.log(2) / 1.04
    assert dose == pytest.approx(local, rel=0.1)
    assert float(rows["R1"][4]) > 0.05 * dose
    low, high = map(float, rows["R1"][12].split(" to "))
    assert low < dose < high  # the loss by partial volume is inside
    assert high - dose > dose - low
    assert rows["R1"][6] == ""
    assert not ready.ui.histogramButton.enabled
    assert float(rows["kidney_left"][5]) > float(rows["kidney_left"][3])  # BED above dose
    ready.ui.methodComboBox.setCurrentIndex(2)
    ready.ui.densitySpinBox.value = 1.0
    ready.ui.applyButton.click()
    rows = {row[0]: row for row in cells(ready.ui.dosesTable)}
    assert float(rows["R1"][6]) == pytest.approx(1.04 * local, rel=0.01)
    dose_map = ready.parameters.doseMap
    assert dose_map.GetVoxelValueUnits().GetCodeValue() == "Gy"
    ready.ui.histogramButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID()).GetTitle() == "Dose-volume histograms"
    ready.ui.applyButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 5  # four images, one dose map


def test_recovery_follows_the_stated_resolution(ready):
    """A ball of 48 mm keeps what theory says of a sphere, by the protocol's resolution or by the camera's own."""
    from PRRTUptakeLib.uptake.partial_volume import sphere_mean_recovery

    def kept():
        ready.ui.applyButton.click()
        return {row[0]: row for row in cells(ready.ui.dosesTable)}["R1"]

    protocol_mm = ready.study.protocol().imaging.fwhm_mm
    assert ready.ui.resolutionSpinBox.text == "resolution of the protocol"
    first = kept()
    ready.ui.resolutionSpinBox.value = 6.0
    second = kept()
    for row, fwhm_mm in ((first, protocol_mm), (second, 6.0)):
        assert float(row[9]) == pytest.approx(float(sphere_mean_recovery(48.0, fwhm_mm)), abs=0.05)
    assert float(second[9]) > float(first[9]) + 0.1
    assert second[3] == first[3]  # the dose itself is not corrected
    # ... but its uncertainty holds the loss that is expected, which a sharper camera makes smaller.
    assert float(second[4]) < 0.8 * float(first[4])


PHANTOM = ("1, 5, 20, 80", "0.3 0.5 0.7 0.85")


def test_a_phantom_gives_corrected_doses_next_to_the_others(ready):
    """Every image holds one half-life, so that the corrected dose goes with the corrected contrast."""
    from PRRTUptakeLib.uptake.partial_volume import fit_recovery_curve

    ready.ui.applyButton.click()
    before = {row[0]: row for row in cells(ready.ui.dosesTable)}
    assert ready.ui.dosesTable.isColumnHidden(10)
    ready.ui.phantomVolumesLineEdit.text, ready.ui.phantomRecoveriesLineEdit.text = PHANTOM
    ready.ui.applyButton.click()
    after = {row[0]: row for row in cells(ready.ui.dosesTable)}
    assert {name: row[:10] for name, row in after.items()} == {name: row[:10] for name, row in before.items()}
    assert not ready.ui.dosesTable.isColumnHidden(10)
    volume_mL = float(after["R1"][2]) / 1.05
    recovery, _ = fit_recovery_curve([1, 5, 20, 80], [0.3, 0.5, 0.7, 0.85]).recovery(volume_mL)
    expected = float(after["R1"][3]) * (LIVER + (RIGHT - LIVER) / recovery) / RIGHT
    assert float(after["R1"][10]) == pytest.approx(expected, rel=0.01)
    # Its own uncertainty has calibration and the curve in it; the uncorrected dose's also the loss that is expected.
    assert 0.05 * float(after["R1"][10]) < float(after["R1"][11]) < float(after["R1"][4])
    assert after["kidney_left"][10] == ""
    ready.ui.phantomVolumesLineEdit.text = "1 5 20 21"
    ready.ui.applyButton.click()
    assert "Larger than the phantom's 21 mL, the curve continued" in ready.ui.statusLabel.text
    ready.ui.phantomVolumesLineEdit.text = "40 50 60 70"
    ready.ui.applyButton.click()
    assert "Not corrected: " in ready.ui.statusLabel.text
    assert "less than the phantom's smallest 40 mL" in ready.ui.statusLabel.text


def test_a_phantom_typed_wrongly_is_one_sentence(ready):
    ready.ui.phantomVolumesLineEdit.text = "1 5 twenty"
    assert "'twenty' is not a number" in ready.ui.applyButton.toolTip
    assert not ready.ui.applyButton.enabled
    ready.ui.applyButton.enabled = True
    ready.ui.applyButton.click()
    assert "'twenty' is not a number" in ready.ui.statusLabel.text
    ready.ui.phantomVolumesLineEdit.text = "1 5 20"
    assert "recoveries of the phantom's spheres are not given" in ready.ui.timePointsLabel.text
    ready.ui.phantomVolumesLineEdit.text = ""
    assert ready.ui.applyButton.enabled
    assert not ready.ui.timePointsLabel.text


def test_dose_map_by_kernel_and_ct(ready):
    ct = add_ct("24h")
    ready.ui.methodComboBox.setCurrentIndex(1)
    ready.ui.densityComboBox.setCurrentIndex(1)
    assert "CT" in ready.ui.applyButton.toolTip
    assert not ready.ui.applyButton.enabled
    ready.ui.ctSelector.setCurrentNode(ct)
    ready.ui.applyButton.click()
    rows = {row[0]: row for row in cells(ready.ui.dosesTable)}
    assert 0 < float(rows["R1"][7]) < float(rows["R1"][6]) < float(rows["R1"][8])  # D98, mean, D2
    from PRRTUptakeLib.mrml.images import describe_image

    describe_image(ct, role="unused")
    ready.ui.ctSelector.setCurrentNode(ready.timePoints.points[0].node)
    ready.ui.applyButton.click()
    assert "Hounsfield" in ready.ui.statusLabel.text


def test_isodoses_and_radiosensitivities_of_the_panel(ready):
    import slicer

    ready.ui.methodComboBox.setCurrentIndex(2)
    ready.ui.isodoseLevelsLineEdit.text = "1 2x"
    assert not ready.ui.applyButton.enabled
    assert "'2x' is not a dose" in ready.ui.applyButton.toolTip
    ready.ui.isodoseLevelsLineEdit.text = "0.01, 0.02 1e5"
    ready.ui.lesionAlphaBetaSpinBox.value = 10.0
    ready.ui.applyButton.click()
    rows = {row[0]: row for row in cells(ready.ui.dosesTable)}
    dose, bed = float(rows["R1"][3]), float(rows["R1"][5])
    factor = 1.5 / (1.5 + TEFF_H)  # repair of 1.5 h against one effective half-life
    assert bed == pytest.approx(dose * (1.0 + factor * dose / 10.0), rel=5e-3)
    segments = ready.parameters.isodoses.GetSegmentation()
    names = [segments.GetNthSegment(n).GetName() for n in range(segments.GetNumberOfSegments())]
    assert names == ["0.01 Gy", "0.02 Gy"]  # no voxel reaches the third
    ready.ui.applyButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2  # drawn ones, one set of isodoses
    ready.ui.isodoseLevelsLineEdit.text = ""
    ready.ui.applyButton.click()
    assert ready.parameters.isodoses is None


def test_transport_needs_the_ct_and_its_package(ready, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ompmc", None)
    ct = add_ct("24h")
    assert not ready.ui.electronsComboBox.enabled
    ready.ui.methodComboBox.setCurrentIndex(3)
    assert ready.ui.electronsComboBox.enabled
    assert not ready.ui.densityComboBox.enabled  # transport goes through the CT
    assert "CT" in ready.ui.applyButton.toolTip
    ready.ui.ctSelector.setCurrentNode(ct)
    ready.ui.applyButton.click()
    assert "needs the package ompmc" in ready.ui.statusLabel.text
    assert "General Public License" in ready.ui.statusLabel.text


def test_a_lesion_shifted_in_an_image_is_shifted_here_too(ready):
    """Moved into the healthy liver at one time: its dose falls, in curve and map alike."""
    import slicer
    from PRRTUptakeLib.mrml.manual_shifts import shift_lesion

    ready.ui.methodComboBox.setCurrentIndex(2)
    doses = []
    for shift_mm in (0.0, 40.0):
        node = next(row[0] for row in cells(ready.ui.timePointsTable))
        shift_lesion(slicer.util.getNode(node), "R1", (0.0, 0.0, -shift_mm), "breath")
        ready.ui.fitButton.click()
        ready.ui.applyButton.click()
        row = next(row for row in cells(ready.ui.dosesTable) if row[0] == "R1")
        doses.append((float(row[3]), float(row[6])))
    assert doses[1][0] < 0.95 * doses[0][0]
    assert doses[1][1] < 0.6 * doses[0][1]  # the map's region is where the first image was measured


def test_images_apart_have_no_dose_map(ready):
    from builders.panel_scene import segmentation
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation

    own = node_from_segmentation(segmentation(), "Segments 168h")
    choose(ready.ui.timePointsTable, 3)
    ready.ui.pointSegmentationSelector.setCurrentNode(own)
    assert [row[3] for row in cells(ready.ui.timePointsTable)] == ["Segments"] * 3 + ["Segments 168h"]
    ready.ui.applyButton.click()
    assert "Doses of" in ready.ui.statusLabel.text
    ready.ui.methodComboBox.setCurrentIndex(1)
    ready.ui.applyButton.click()
    assert "register it" in ready.ui.statusLabel.text


def test_cycles_are_summed(ready):
    ready.ui.applyButton.click()
    one = {row[0]: row for row in cells(ready.ui.dosesTable)}
    assert ready.ui.cyclesTable.rowCount == 0
    ready.ui.cycleSpinBox.value = 2
    ready.parameters.doses = None
    ready.ui.applyButton.click()
    both = {row[0]: row for row in cells(ready.ui.cyclesTable)}
    assert both["kidney_left"][1] == "1+2"
    assert float(both["kidney_left"][2]) == pytest.approx(2 * float(one["kidney_left"][3]), rel=0.01)
    assert float(both["kidney_left"][4]) == pytest.approx(2 * float(one["kidney_left"][5]), rel=0.01)


def test_dose_maps_of_cycles_are_summed_by_what_panel_or_protocol_say(ready, tmp_path):
    """The panel's choice goes before the protocol's; a protocol may ask for both too."""
    from builders.full_files import shipped_protocol

    ready.ui.methodComboBox.setCurrentIndex(0)
    assert not ready.ui.accumulationComboBox.enabled
    assert not ready.ui.integrationComboBox.enabled
    ready.ui.methodComboBox.setCurrentIndex(2)
    assert ready.ui.accumulationComboBox.enabled
    assert not ready.ui.transportGridSpinBox.enabled
    ready.ui.applyButton.click()
    assert ready.parameters.summedMap is None
    ready.parameters.accumulation = type(ready.parameters.accumulation).RIGID
    ready.ui.cycleSpinBox.value = 2
    ready.parameters.doses = None
    ready.ui.applyButton.click()
    assert "cycles 1+2 are summed in 'Dose all cycles'" in ready.ui.statusLabel.text
    assert ready.parameters.summedMap.GetName() == "Dose all cycles"
    rules = {"integration": "dose-rate", "accumulate": "rigid", "transport": {"grid_mm": 2.4}}
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**shipped_protocol(), "dose_maps": rules}))
    ready.parameters.protocol, ready.parameters.protocolFile = "file", str(own)
    settings = ready.logic._settings(ready.parameters)
    assert (settings.integration, settings.accumulate, settings.transport.grid_mm) == ("dose-rate", "rigid", 2.4)
    ready.parameters.accumulation = type(ready.parameters.accumulation).NONE
    ready.parameters.integration = type(ready.parameters.integration).ACTIVITY
    ready.ui.transportGridSpinBox.value = 3.0
    settings = ready.logic._settings(ready.parameters)
    assert (settings.integration, settings.accumulate, settings.transport.grid_mm) == ("activity", "", 3.0)


def snapshot(panel) -> dict[str, object]:
    ui = panel.ui
    tables = (ui.timePointsTable, ui.curvesTable, ui.dosesTable)
    combos = (ui.nuclideComboBox, ui.sexComboBox, ui.modelComboBox, ui.methodComboBox, ui.densityComboBox)
    combos = (*combos, ui.curveComboBox, ui.electronsComboBox, ui.integrationComboBox, ui.accumulationComboBox)
    return {
        "tables": [cells(table) for table in tables],
        "choices": [combo.currentText for combo in combos],
        "numbers": [ui.cycleSpinBox.value, ui.activitySpinBox.value, ui.countsUncertaintySpinBox.value],
        "resolution": ui.resolutionSpinBox.value,
        "transport": (ui.particlesSpinBox.value, ui.seedSpinBox.value, ui.isodoseLevelsLineEdit.text),
        "grid": ui.transportGridSpinBox.value,
        "tissues": (ui.kidneyAlphaBetaSpinBox.value, ui.lesionAlphaBetaSpinBox.value, ui.lesionRepairSpinBox.value),
        "phantom": (ui.phantomVolumesLineEdit.text, ui.phantomRecoveriesLineEdit.text),
        "patient": ui.patientLineEdit.text,
        "map": panel.parameters.doseMap.GetName(),
        "histograms": ui.histogramButton.enabled,
    }


def test_scene_saved_and_reopened(ready, tmp_path):
    import slicer

    ready.ui.cycleSpinBox.value = 3
    ready.ui.countsUncertaintySpinBox.value = 4.0
    ready.ui.resolutionSpinBox.value = 9.5
    ready.ui.seedSpinBox.value, ready.ui.isodoseLevelsLineEdit.text = 7, "1.5"
    ready.ui.transportGridSpinBox.value = 2.4
    ready.ui.integrationComboBox.setCurrentIndex(1)
    ready.ui.kidneyAlphaBetaSpinBox.value, ready.ui.lesionAlphaBetaSpinBox.value = 2.4, 8.0
    ready.ui.phantomVolumesLineEdit.text, ready.ui.phantomRecoveriesLineEdit.text = PHANTOM
    ready.ui.methodComboBox.setCurrentIndex(2)
    ready.ui.applyButton.click()
    before = snapshot(ready)
    assert before["phantom"] == PHANTOM
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "patient.mrb"))
    slicer.mrmlScene.Clear(0)
    assert ready.ui.dosesTable.rowCount == ready.ui.curvesTable.rowCount == 0
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "patient.mrb"))
    assert snapshot(ready) == before
    ready.ui.curvesTable.cellClicked.emit(0, 0)
    ready.ui.histogramButton.click()
    assert not ready.ui.statusLabel.text


def test_nodes_removed_while_the_panel_is_open(ready):
    import slicer

    ready.ui.applyButton.click()
    ready.parameters.segmentation.GetSegmentation().RemoveSegment("R1")
    number = [row[0] for row in cells(ready.ui.dosesTable)].index("R1")
    ready.ui.dosesTable.cellClicked.emit(number, 0)
    assert "no segment 'R1'" in ready.ui.statusLabel.text
    slicer.mrmlScene.RemoveNode(ready.parameters.curves)
    assert ready.ui.curvesTable.rowCount == 0
    slicer.mrmlScene.RemoveNode(ready.parameters.segmentation)
    assert "segments" in ready.ui.applyButton.toolTip
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("SPECT 4h"))
    assert ready.ui.timePointsTable.rowCount == 3
    ready.ui.dosesTable.cellClicked.emit(0, 0)
    ready.ui.curvesTable.cellClicked.emit(0, 0)


def test_another_patients_image_is_refused(ready):
    from PRRTUptakeLib.mrml.images import PATIENT_ATTRIBUTE

    ready.timePoints.points[2].node.SetAttribute(PATIENT_ATTRIBUTE, "P02")
    ready.refresh()
    assert "P02" in ready.ui.applyButton.toolTip
    assert not ready.ui.applyButton.enabled


def test_export(ready, tmp_path):
    ready.ui.methodComboBox.setCurrentIndex(2)
    ready.ui.densitySpinBox.value = 1.06
    ready.ui.phantomVolumesLineEdit.text, ready.ui.phantomRecoveriesLineEdit.text = PHANTOM
    ready.ui.reportPath.currentPath = str(tmp_path / "out")
    ready.ui.exportButton.click()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "measurements.csv", "patient.mrb", "provenance.json"} <= names
    text = (tmp_path / "out" / "measurements.csv").read_text()
    assert "effective_half_life" in text
    assert "voxel_dose_mean" in text
    assert "dose_recovery_corrected" in text
    assert "with recoveries 0.3, 0.5, 0.7, 0.85" in (tmp_path / "out" / "provenance.json").read_text()
    report = (tmp_path / "out" / "report.html").read_text()
    assert "kidney_left" in report
    assert "Tissue of 1.06 g/mL" in report
    assert "dose corrected Gy" in report
    assert "given in the panel" in report


def test_a_file_of_own_settings_goes_before_the_panels(ready, tmp_path):
    """A centre's CT curve and radiosensitivities; a key that the panel has a widget for is refused."""
    own = tmp_path / "own.json"
    curve = {"hounsfield": [-1000, 0, 1000], "density_g_per_mL": [0.001, 1.0, 1.6], "source": "phantom, 120 kV"}
    kidneys = {"alpha_beta_Gy": 2.4, "repair_half_time_h": 2.0, "source": "an assumption", "eud_a": 4}
    own.write_text(json.dumps({"ct_curve": curve, "tissues": {"kidneys": kidneys}}))
    ready.ui.settingsPath.currentPath = str(own)
    assert ready.parameters.settingsFile == str(own)
    ready.ui.fitButton.click()
    settings = ready.logic.dosimetryFor(ready.parameters).settings
    assert "own.json" not in ready.ui.statusLabel.text, ready.ui.statusLabel.text
    assert (settings.ct_curve.name, settings.tissues["kidneys"].eud_a) == ("own", 4)
    own.write_text(json.dumps({"dose_map": "kernel"}))
    ready.ui.fitButton.click()
    assert "unknown key 'dose_map'" in ready.ui.statusLabel.text
    ready.ui.settingsPath.currentPath = ""
    ready.ui.fitButton.click()
    assert ready.logic.dosimetryFor(ready.parameters).settings.ct_curve.name == "schneider-2000"


@pytest.mark.slow
def test_module_test_runs(panel):
    import slicer

    slicer.selfTests["PRRTDosimetry"]()


def test_a_population_integrates_and_its_file_is_kept(ready, tmp_path):
    """The shipped synthetic population; a file that is none is refused in the panel's words."""
    from PRRTDosimetryLib.population.model import shipped_population

    choose_data(ready.ui.modelComboBox, "auto")
    ready.ui.populationPath.currentPath = str(shipped_population())
    assert ready.parameters.populationFile == str(shipped_population())
    ready.ui.fitButton.click()
    notes = ready.logic.dosimetryFor(ready.parameters).dosimetry.notes
    assert any("kinetics by the population" in note and "SYNTHETIC" in note for note in notes)
    ready.ui.covariatesLineEdit.text = "egfr=sixty"
    ready.ui.fitButton.click()
    assert "'egfr=sixty' is no covariate: write NAME=VALUE" in ready.ui.statusLabel.text
    ready.ui.covariatesLineEdit.text = "egfr=60, age=50"
    assert dict(ready.logic._settings(ready.parameters).covariates) == {"egfr": 60.0, "age": 50.0}
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    ready.ui.populationPath.currentPath = str(wrong)
    ready.ui.fitButton.click()
    assert "nuclide is missing" in ready.ui.statusLabel.text.replace("'", "")


def test_hours_of_images_are_planned(panel):
    import slicer
    from PRRTDosimetryLib.population.model import shipped_population

    panel.enter()
    panel.ui.populationPath.currentPath = str(shipped_population())
    panel.ui.plannedRegionsLineEdit.text = "kidney"
    panel.ui.plannedImagesSpinBox.value = 1
    panel.ui.planButton.click()
    rows = cells(panel.ui.planTable)
    assert rows[0][1] == "best"
    assert 50 < float(rows[0][0].removesuffix(" h")) < 120
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID()).GetNumberOfPlotSeriesNodes() == 1
    panel.ui.plannedRegionsLineEdit.text = "heart"
    panel.ui.planButton.click()
    assert "no kind of region" in panel.ui.statusLabel.text
