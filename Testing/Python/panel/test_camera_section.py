"""The section Camera of PRRT Dosimetry: commission, use, and what goes wrong."""

from __future__ import annotations

import json

import pytest
from builders.panel_actions import choose
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


def _image_of_4_h(panel):
    """The panel with one image of activity chosen, and its node."""
    import numpy as np
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    image = Volume(np.full((4, 4, 4), 1000.0, np.float32), np.eye(4), "activity concentration", "Bq/ml")
    node = node_from_volume(image, "SPECT 4h")
    describe_image(node, role="measured", hours=4.0)
    panel.refresh()
    choose(panel.ui.timePointsTable, 0)
    return node


def _typed_rate(panel, cps):
    panel.ui.pointRateSpinBox.value = cps
    panel.ui.pointRateSpinBox.editingFinished.emit()


def test_the_dead_time_is_corrected_by_the_count_rate_as_for_a_case(panel, tmp_path):
    """Non-paralysable, 5 us at 20000 cps: 1 / (1 - 0.1)."""
    from PRRTDosimetryLib.mrml.logic import Treatment
    from PRRTDosimetryLib.mrml.time_points import observed_rate, time_points
    from PRRTDosimetryLib.mrml.timed_images import camera_doubts, timed_emission
    from PRRTUptakeLib.errors import PRRTError
    from PRRTUptakeLib.study.camera import load_camera

    dead = {"model": "non-paralysable", "tau_us": 5.0, "u_tau_us": 0.1, "highest_cps": 30000.0}
    path = tmp_path / "CAMERA.json"
    path.write_text(json.dumps({**CAMERA, "dead_time": dead}))
    camera, treatment = load_camera(path), Treatment("P01", 1, "", "Lu-177", 7400.0, "F")
    node = _image_of_4_h(panel)
    assert panel.ui.pointRateSpinBox.enabled
    assert timed_emission(node, 4.0, treatment, camera).volume.array.max() == 1000.0
    _typed_rate(panel, 20000.0)
    assert observed_rate(node) == 20000.0
    found = timed_emission(node, 4.0, treatment, camera)
    assert found.volume.array.max() == pytest.approx(1000.0 / 0.9, rel=1e-6)
    assert any("Dead-time factor 1.1111" in one for one in found.decisions)
    assert any("no camera file in use" in one for one in camera_doubts(None, time_points(None)))
    assert timed_emission(node, 4.0, treatment, None).volume.array.max() == 1000.0
    _typed_rate(panel, 40000.0)
    with pytest.raises(PRRTError, match="measured up to 30000"):
        timed_emission(node, 4.0, treatment, camera)
    _typed_rate(panel, 0.0)
    assert observed_rate(node) is None


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
