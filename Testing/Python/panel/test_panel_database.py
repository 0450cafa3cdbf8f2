"""From DICOM database: sections 1 and 2 are filled as `prrt case` would propose it, and what is open is said."""

from __future__ import annotations

import shutil

import pydicom
import pytest
from builders.panel_actions import cells, choose_data
from builders.small_archive import subject, uid, write_therapy
from PRRTUptakeLib.synthetic.nm_writing import UCUM_BQ_PER_ML, real_world_value


@pytest.fixture
def folder(tmp_path):
    write_therapy(tmp_path / "one", subject(1), cycles=(1, 2), hours=(24.0, 96.0))
    write_therapy(tmp_path / "two", subject(2, "Roe^R"), distractors=False)
    return tmp_path


@pytest.fixture
def panel(load_panel, folder):
    import slicer

    slicer.dicomDatabase.import_folder(folder)
    made = load_panel("PRRTUptake")
    made.enter()
    return made


def test_the_patients_of_the_database_are_offered(panel):
    ui = panel.ui
    assert [ui.databaseComboBox.itemText(n) for n in range(ui.databaseComboBox.count)] == [
        "Doe^Jane (PAT001)",
        "Roe^R (PAT002)",
    ]
    assert ui.fromDatabaseButton.enabled


def test_a_cycle_of_the_patient_fills_sections_1_and_2(panel):
    ui = panel.ui
    ui.databaseComboBox.setCurrentIndex(0)
    ui.fromDatabaseButton.click()
    assert (panel.parameters.patient, panel.parameters.protocol, panel.parameters.cycle) == ("PAT001", "lutia", 1)
    rows = [(row[1], row[2]) for row in cells(ui.imagesTable)]
    assert rows == [("measured", "24h"), ("anatomy", "24h"), ("measured", "96h"), ("anatomy", "96h")]
    assert [row[4] for row in cells(ui.imagesTable)][::2] == ["24.0 h", "96.0 h"]
    assert "Cycles 1, 2 are there; cycle 1 is loaded." in ui.statusLabel.text
    assert "No segments were found" in ui.statusLabel.text


def test_what_is_doubtful_is_said(load_panel, folder):
    import slicer

    spect = next((folder / "two").rglob("S04/I001"))
    ds = pydicom.dcmread(spect)
    del ds.CorrectedImage
    ds.save_as(spect)
    shutil.rmtree(folder / "one")
    slicer.dicomDatabase.import_folder(folder)
    panel = load_panel("PRRTUptake")
    panel.enter()
    panel.ui.fromDatabaseButton.click()
    assert "Which image is measured?" in panel.ui.statusLabel.text


def test_bed_positions_are_one_image(load_panel, folder):
    import slicer

    spect = next((folder / "two").rglob("S04/I001"))
    ds = pydicom.dcmread(spect)
    ds.RealWorldValueMappingSequence = [real_world_value(2.0, UCUM_BQ_PER_ML)]
    ds.save_as(spect)
    ds.SeriesInstanceUID, ds.SOPInstanceUID = uid("second bed"), uid("second bed image")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.DetectorInformationSequence[0].ImagePositionPatient = [-20.0, -20.0, 30.0]
    ds.PixelData = ds.PixelData[::-1]
    ds.save_as(folder / "two" / "bed2.dcm")
    shutil.rmtree(folder / "one")
    slicer.dicomDatabase.import_folder(folder)
    panel = load_panel("PRRTUptake")
    panel.enter()
    panel.ui.fromDatabaseButton.click()
    assert [(row[1], row[2]) for row in cells(panel.ui.imagesTable)] == [("measured", "24h"), ("anatomy", "24h")]
    node = next(one for one in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "SPECT" in one.GetName())
    assert node.GetImageData().GetDimensions()[2] == 12
    assert node.GetAttribute("PRRT.HoursAfterInjection").startswith("24")


def test_a_protocol_of_other_images_gives_way(panel):
    choose_data(panel.ui.protocolComboBox, "ia-versus-iv")
    panel.ui.fromDatabaseButton.click()
    assert panel.parameters.protocol == "single-arm"
    assert "Which protocol" in panel.ui.statusLabel.text


def test_without_a_patient_there_is_nothing_to_load(load_panel):
    panel = load_panel("PRRTUptake")
    panel.enter()
    assert not panel.ui.fromDatabaseButton.enabled
