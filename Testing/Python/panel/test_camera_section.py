"""The section Camera of PRRT Dosimetry: commission, use, and what goes wrong."""

from __future__ import annotations

import json

import pytest
from PRRTUptakeLib.synthetic.camera_phantom_dicom import PhantomPlan, make_scan, write_scan

CAMERA = {
    "camera": "C", "date": "2025-01-31", "nuclide": "Lu-177", "acquisition": {"collimator": "MEGP"},
    "calibration": {"kind": "counts", "factor": 9.4, "u_relative": 0.012},
    "resolution": {"fwhm_mm": 9.5, "u_mm": 0.1},
    "recovery": {
        "spheres": [],
        "curve": {"a_mL": 3.0, "b": 0.8, "covariance": [[0.01, 0], [0, 0.001]], "volume_range_mL": [0.5, 27]},
    },
}  # fmt: skip


@pytest.fixture
def panel(load_panel):
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    return panel


def test_nothing_can_be_done_before_files_are_chosen(panel, tmp_path):
    for button in (panel.ui.commissionButton, panel.ui.useCameraButton, panel.ui.openCameraPageButton):
        assert not button.enabled
        assert button.toolTip
    panel.ui.phantomPath.currentPath = str(tmp_path / "PHANTOM.json")
    assert "where the camera file is to be written" in panel.ui.commissionButton.toolTip
    panel.ui.cameraPath.currentPath = str(tmp_path / "CAMERA.json")
    assert panel.ui.commissionButton.enabled
    assert not panel.ui.useCameraButton.enabled


def test_a_camera_file_gives_resolution_recovery_and_uncertainty(panel, tmp_path):
    path = tmp_path / "CAMERA.json"
    path.write_text(json.dumps(CAMERA))
    panel.ui.cameraPath.currentPath = str(path)
    panel.ui.useCameraButton.click()
    assert panel.parameters.resolution_mm == 9.5
    assert panel.parameters.calibrationUncertainty == pytest.approx(1.2)
    assert panel.logic.recoveryCurve(panel.parameters).a_mL == 3.0
    assert panel.ui.sensitivitySpinBox.value == pytest.approx(9.4)  # for images of counts
    assert "resolution 9.5 mm" in panel.ui.statusLabel.text
    assert "In use" in panel.ui.cameraLabel.text
    panel.ui.phantomVolumesLineEdit.text, panel.ui.phantomRecoveriesLineEdit.text = "1 5 20 80", "0.3 0.5 0.7 0.85"
    assert panel.logic.recoveryCurve(panel.parameters).a_mL != 3.0  # what was typed goes first


def test_a_broken_camera_file_is_one_sentence_and_changes_nothing(panel, tmp_path):
    path = tmp_path / "CAMERA.json"
    path.write_text(json.dumps({**CAMERA, "date": "yesterday"}))
    panel.ui.cameraPath.currentPath = str(path)
    panel.ui.useCameraButton.click()
    assert "a date such as 2025-01-31" in panel.ui.statusLabel.text
    assert panel.parameters.cameraFile == ""
    assert panel.parameters.resolution_mm == 0.0


def test_an_emptied_path_ends_the_use(panel, tmp_path):
    path = tmp_path / "CAMERA.json"
    path.write_text(json.dumps(CAMERA))
    panel.ui.cameraPath.currentPath = str(path)
    panel.ui.useCameraButton.click()
    panel.ui.cameraPath.currentPath = ""
    assert panel.parameters.cameraFile == ""
    assert panel.logic.cameraFile(panel.parameters) is None
    assert panel.logic.recoveryCurve(panel.parameters) is None


@pytest.mark.slow
def test_phantom_images_become_a_camera_file_and_its_page(panel, tmp_path):
    scan = write_scan(make_scan(PhantomPlan(seed=2, zoom=1.25)), tmp_path / "nema")
    phantom = tmp_path / "PHANTOM.json"
    phantom.write_text(json.dumps({"nuclide": "Lu-177", "activity_u": 0.01, "scans": [scan]}))
    panel.ui.phantomPath.currentPath = str(phantom)
    panel.ui.cameraPath.currentPath = str(tmp_path / "CAMERA.json")
    panel.ui.commissionButton.click()
    assert "written" in panel.ui.statusLabel.text
    assert panel.ui.useCameraButton.enabled
    assert panel.ui.openCameraPageButton.enabled
    assert (tmp_path / "CAMERA.html").is_file()
