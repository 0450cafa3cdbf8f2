"""Takes the pictures of the panels for the documentation, without Slicer, on a synthetic patient.

    python Tools/panel_pictures.py [DIR]      default: Docs/screenshots

Run it after a panel has changed. It needs the extra ``dev`` (PySide6-Essentials).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry", "Testing/Python")]

from slicer_standin.application import load_module, running_slicer  # noqa: E402
from slicer_standin.pictures import open_sections, take_picture  # noqa: E402


def uptake_pictures(folder: Path) -> None:
    """A LUTIA patient from images to the ratio of the lobes."""
    import slicer
    from PRRTUptakeLib.mrml.sample_data import load_sample

    load_module(ROOT / "PRRTDosimetry" / "PRRTDosimetry.py")  # the way to the self-test is open
    panel = load_module(ROOT / "PRRTUptake" / "PRRTUptake.py").widgetRepresentation().self()
    load_sample("lutia")
    panel.enter()
    ui = panel.ui
    ui.patientLineEdit.text = "SYN-001"
    ui.treatedLobeComboBox.setCurrentIndex(1)
    ui.lobePlaneSelector.setCurrentNode(slicer.util.getNode("Lobe plane*"))
    ui.imagesTable.selectRow(2)
    open_sections(panel, "studyButton", "imagesButton")
    take_picture(panel, folder / "uptake-images.png")
    for button in (ui.recogniseButton, ui.splitLobesButton, ui.splitLesionsButton, ui.pickTargetsButton):
        button.click()
    names = [ui.segmentsTable.item(row, 3).text() for row in range(ui.segmentsTable.rowCount)]
    row = max(number for number, name in enumerate(names) if name)
    ui.segmentsTable.selectRow(row)
    ui.segmentsTable.scrollToItem(ui.segmentsTable.item(row, 0))
    open_sections(panel, "segmentsButton")
    take_picture(panel, folder / "uptake-segments.png")
    ui.applyButton.click()
    ui.reportPath.currentPath = "results/SYN-001"
    open_sections(panel, "measureButton", "reportButton")
    take_picture(panel, folder / "uptake-results.png")
    panel.cleanup()


def registration_picture(folder: Path) -> None:
    """Two PET/CT on one MRI, the first registered."""
    import slicer
    from PRRTUptakeLib.mrml.sample_data import load_sample

    slicer.mrmlScene.Clear(0)
    panel = load_module(ROOT / "PRRTUptake" / "PRRTUptake.py").widgetRepresentation().self()
    load_sample("ia-versus-iv")
    panel.enter()
    ui = panel.ui
    ui.fixedSelector.setCurrentNode(slicer.util.getNode("MRI"))
    ui.movingSelector.setCurrentNode(slicer.util.getNode("CT IA"))
    ui.registerButton.click()
    open_sections(panel, "registrationButton")
    take_picture(panel, folder / "uptake-registration.png")
    panel.cleanup()


def dosimetry_pictures(folder: Path) -> None:
    """Serial SPECT/CT from time points to doses."""
    import slicer
    from PRRTDosimetryLib.mrml.time_points import set_segmentation, time_points
    from PRRTUptakeLib.mrml.sample_data import load_sample

    slicer.mrmlScene.Clear(0)
    panel = load_module(ROOT / "PRRTDosimetry" / "PRRTDosimetry.py").widgetRepresentation().self()
    load_sample("serial", moving=False)
    for point in time_points(None):  # nothing moves, so one drawing does for all
        set_segmentation(point.node, None)
    panel.enter()
    ui = panel.ui
    ui.segmentationSelector.setCurrentNode(slicer.util.getNode("Segments 24h"))
    ui.methodComboBox.setCurrentIndex(1)
    ui.patientLineEdit.text = "SYN-001"
    ui.timePointsTable.selectRow(1)
    open_sections(panel, "timePointsButton")
    take_picture(panel, folder / "dosimetry-time-points.png")
    ui.fitButton.click()
    ui.applyButton.click()
    open_sections(panel, "curvesButton", "doseButton")
    take_picture(panel, folder / "dosimetry-curves.png")
    ui.reportPath.currentPath = "results/SYN-001"
    open_sections(panel, "resultsButton", "exportSectionButton")
    take_picture(panel, folder / "dosimetry-results.png")
    panel.cleanup()


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "screenshots"
    place.mkdir(parents=True, exist_ok=True)
    with running_slicer():
        uptake_pictures(place)
        registration_picture(place)
        dosimetry_pictures(place)
