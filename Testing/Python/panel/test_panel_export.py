"""The last sections of both panels: DICOM, de-identified bundle and self-test, with what goes wrong."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pydicom
import pytest
from builders.panel_actions import cancelled_after, cells
from builders.panel_scene import add_patient, add_series
from PRRTUptakeLib.export.dicom_maps import read_map

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them


@pytest.fixture(scope="module")
def lutia(tmp_path_factory):
    """DICOM of a synthetic patient with CT and SPECT."""
    from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia

    return write_synthetic_lutia(tmp_path_factory.mktemp("lutia") / "patient", seed=1, noise=False)


@pytest.fixture
def uptake(load_panel, lutia):
    """The panel with the patient, whose files the DICOM database knows."""
    import slicer
    from PRRTUptakeLib.mrml.sample_data import load_patient

    panel = load_panel("PRRTUptake")
    slicer.dicomDatabase.import_folder(lutia.parent)
    load_patient(lutia)
    panel.enter()
    panel.ui.patientLineEdit.text = "SYN"
    panel.ui.exportSceneCheckBox.checked = False
    return panel


def objects(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


MADE: dict = {}  # one export with everything serves several tests


@pytest.fixture
def exported(uptake, tmp_path_factory):
    """Folder of an export with DICOM and bundle, and the words of the table of segments."""
    if not MADE:
        ui, folder = uptake.ui, tmp_path_factory.mktemp("exported")
        ui.exportDicomCheckBox.checked = ui.deidentifyCheckBox.checked = True
        assert ui.keyPath.enabled
        ui.keyPath.currentPath = str(folder / "key.txt")
        ui.reportPath.currentPath = str(folder / "out")
        ui.exportButton.click()
        assert "Exported" in ui.statusLabel.text, ui.statusLabel.text
        MADE.update(folder=folder / "out", segments={row[0]: row[1] for row in cells(ui.segmentsTable)})
    return MADE


def test_dicom_has_the_identity_of_the_source(exported, lutia):
    import slicer

    made = objects(exported["folder"] / "dicom")
    assert {ds.Modality for ds in made} == {"SEG", "SR", "OT"}
    (suv,) = [ds for ds in made if ds.Modality == "OT"]
    (mapping,) = suv.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "g/ml{SUVbw}"
    (node,) = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "SPECT" in node.GetName()]
    uid = json.loads(node.GetAttribute("PRRT.Provenance"))["series_uid"]
    source = pydicom.dcmread(slicer.dicomDatabase.filesForSeries(uid)[0], stop_before_pixels=True)
    for ds in made:
        assert (ds.PatientID, ds.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    targets = {name for name, role in exported["segments"].items() if role == "target"}
    (drawn,) = [ds for ds in made if ds.get("SegmentationType") == "BINARY"]
    assert targets <= {str(item.SegmentLabel) for item in drawn.SegmentSequence}
    assert (exported["folder"].parent / "key.txt").is_file()


def test_bundle_holds_no_identity(exported):
    with zipfile.ZipFile(exported["folder"] / "deidentified.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["deidentified"] is True
        assert b"SYN" not in archive.read("measurements.csv")
        found = [name for name in archive.namelist() if name.endswith(".dcm")]
        for name in found:
            with archive.open(name) as file:
                assert pydicom.dcmread(file).PatientID.startswith("SUBJ-")
    assert len(found) == len(objects(exported["folder"] / "dicom"))


def slicer_entry(item):
    """A segment's terminology as Slicer's own SEG plugin writes it from the object's codes."""

    def words(codes):
        return f"{codes[0].CodingSchemeDesignator}^{codes[0].CodeValue}^{codes[0].CodeMeaning}" if codes else "^^"

    kind = item.SegmentedPropertyTypeCodeSequence
    place = item.get("AnatomicRegionSequence")
    parts = [item.SegmentedPropertyCategoryCodeSequence, kind, kind[0].get("SegmentedPropertyTypeModifierCodeSequence")]
    regions = [place, place[0].get("AnatomicRegionModifierSequence") if place else None]
    contexts = ["Segmentation category and type - DICOM master list", "Anatomic codes - DICOM master list"]
    return "~".join([contexts[0], *map(words, parts), contexts[1], *map(words, regions)])


def test_a_segmentation_that_slicer_loads_again_is_recognised(uptake, exported):
    """Slicer's own plugin keeps labels and codes of a SEG, not our tags; what the segments are comes back by these."""
    from PRRTUptakeLib.mrml.segmentations import TERMINOLOGY_TAG, node_from_segmentation
    from PRRTUptakeLib.segmentation.dicom_contours import read_contours
    from PRRTUptakeLib.segmentation.segments import Segmentation

    ui, wanted = uptake.ui, exported["segments"]
    (path,) = (exported["folder"] / "dicom").rglob("SEG.dcm")
    read = read_contours(path, ())
    bare = tuple(one.relabelled(role="", lobe="", lesion_id="", structure="", tags={}) for one in read)
    node = node_from_segmentation(Segmentation(read.grid, bare), "from Slicer")
    core = node.GetSegmentation()
    for item in pydicom.dcmread(path).SegmentSequence:
        segment = core.GetSegment(core.GetSegmentIdBySegmentName(str(item.SegmentLabel)))
        segment.SetTag(TERMINOLOGY_TAG, slicer_entry(item))
    ui.segmentationSelector.setCurrentNode(node)
    ui.recogniseButton.click()
    found = {row[0]: row[1] for row in cells(ui.segmentsTable)}
    lesions = {name for name, role in wanted.items() if role in ("lesion", "target")}
    assert {name for name, role in found.items() if role == "lesion"} == lesions
    for name, role in wanted.items():
        if role in ("organ", "lobe"):
            assert found[name] == role, name


def test_what_cannot_be_written_is_refused_before_the_work(uptake, tmp_path, monkeypatch):
    import slicer
    from slicer_standin.other_modules import DicomDatabase

    ui = uptake.ui
    (tmp_path / "out").mkdir()
    ui.reportPath.currentPath = str(tmp_path / "out")
    slicer.dicomDatabase = DicomDatabase()
    ui.exportDicomCheckBox.checked = True
    ui.exportButton.click()
    assert "are not in Slicer's DICOM database" in ui.statusLabel.text
    ui.exportDicomCheckBox.checked = False
    ui.deidentifyCheckBox.checked = True
    assert not ui.exportButton.enabled  # a bundle needs the DICOM
    from PRRTUptakeLib.panel import export_options

    monkeypatch.setattr(export_options, "missing_for_bundle", lambda parameters: "")
    monkeypatch.setattr("PRRTUptakeLib.panel.report.missing_for_bundle", lambda parameters: "")
    uptake.refresh()
    (tmp_path / "key.txt").write_text("no key")
    ui.keyPath.currentPath = str(tmp_path / "key.txt")
    ui.exportButton.click()
    assert "key file" in ui.statusLabel.text
    assert not list((tmp_path / "out").iterdir())
    assert uptake.parameters.table is None


def test_cancelled_export_leaves_the_folder(uptake, tmp_path, monkeypatch):
    ui = uptake.ui
    ui.reportPath.currentPath = str(tmp_path / "out")
    note = cancelled_after(monkeypatch, 1)
    ui.exportButton.click()
    assert len(note) == 2
    assert ui.statusLabel.text == "Stopped; the folder is as it was."
    assert not (tmp_path / "out").exists()


@pytest.fixture
def dosimetry(load_panel):
    panel = load_panel("PRRTDosimetry")
    add_series()
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    return panel


def test_self_test(dosimetry, tmp_path, monkeypatch):
    from PRRTDosimetryLib.panel import self_test

    opened = []
    monkeypatch.setattr(self_test.qt.QDesktopServices, "openUrl", opened.append, raising=False)
    ui = dosimetry.ui
    assert not ui.selfTestButton.enabled
    assert "folder" in ui.selfTestButton.toolTip
    ui.reportPath.currentPath = str(tmp_path / "out")
    ui.selfTestButton.click()
    passed, total = re.fullmatch(r"Self-test: passed (\d+) of (\d+)\.", ui.statusLabel.text).groups()
    assert passed == total
    assert int(total) >= 38
    html = (tmp_path / "out" / "selftest.html").read_text(encoding="utf-8")
    assert "Signature" in html
    assert len(opened) == 1
    ui.exportSceneCheckBox.checked = False
    ui.exportButton.click()  # the protocol is no foreign file, and stays
    assert "Exported" in ui.statusLabel.text, ui.statusLabel.text
    assert (tmp_path / "out" / "selftest.html").read_text(encoding="utf-8") == html


def test_self_test_that_fails_or_is_stopped(dosimetry, tmp_path, monkeypatch):
    from PRRTDosimetryLib.panel import self_test
    from PRRTDosimetryLib.selftest import self_test_checks
    from PRRTDosimetryLib.selftest.self_test import Check

    opened = []
    monkeypatch.setattr(self_test.qt.QDesktopServices, "openUrl", opened.append, raising=False)
    monkeypatch.setattr(
        self_test_checks, "GROUPS", {"Decay": lambda: [Check("Decay", "half-life of Lu-177", 1.0, 2.0, 0.1, "h", "x")]}
    )
    ui = dosimetry.ui
    ui.reportPath.currentPath = str(tmp_path / "out")
    ui.selfTestButton.click()
    assert "half-life of Lu-177" in ui.statusLabel.text
    assert "color" in ui.statusLabel.styleSheet
    (tmp_path / "file").write_text("")
    ui.reportPath.currentPath = str(tmp_path / "file")
    ui.selfTestButton.click()
    assert "is not writable" in ui.statusLabel.text
    ui.reportPath.currentPath = str(tmp_path / "other")
    cancelled_after(monkeypatch, 0)
    ui.selfTestButton.click()
    assert ui.statusLabel.text == "Stopped; nothing was written."
    assert not (tmp_path / "other").exists()
    assert len(opened) == 1


def test_uptake_shows_the_way_to_the_self_test(load_panel, monkeypatch):
    import slicer

    panel = load_panel("PRRTUptake")
    add_patient()
    monkeypatch.delattr(slicer.modules, "prrtdosimetry", raising=False)
    panel.refresh()
    assert not panel.ui.selfTestButton.enabled
    assert "not loaded" in panel.ui.selfTestButton.toolTip
    load_panel("PRRTDosimetry")
    panel.refresh()
    assert panel.ui.selfTestButton.enabled
    chosen = []
    monkeypatch.setattr(slicer.util, "selectModule", chosen.append)
    panel.ui.selfTestButton.click()
    assert chosen == ["PRRTDosimetry"]
    monkeypatch.undo()
    panel.ui.selfTestButton.click()  # no main window, so no module can be chosen
    assert "section 5" in panel.ui.statusLabel.text


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    from PRRTUptakeLib.synthetic.cases import write_synthetic_serial

    return write_synthetic_serial(
        tmp_path_factory.mktemp("serial") / "patient", seed=1, times_h=(24.0, 96.0), noise=False, moving=False
    )


@pytest.mark.slow
def test_dose_map_and_doses_as_dicom(load_panel, serial, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.sample_data import load_patient

    panel = load_panel("PRRTDosimetry")
    slicer.dicomDatabase.import_folder(serial.parent)
    load_patient(serial)
    from PRRTDosimetryLib.mrml.time_points import set_segmentation, time_points

    for point in time_points(None):
        set_segmentation(point.node, None)
    panel.enter()
    ui = panel.ui
    ui.patientLineEdit.text = "SYN"
    ui.segmentationSelector.setCurrentNode(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0])  # of several
    ui.methodComboBox.setCurrentIndex(2)
    ui.exportSceneCheckBox.checked = False
    ui.exportDicomCheckBox.checked = True
    ui.reportPath.currentPath = str(tmp_path / "out")
    ui.exportButton.click()
    assert "Exported" in ui.statusLabel.text, ui.statusLabel.text
    found = objects(tmp_path / "out" / "dicom")
    assert {"SEG", "SR", "RTDOSE"} <= {ds.Modality for ds in found}
    maps = [ds for ds in found if ds.Modality == "RTDOSE"]
    (dose,) = [ds for ds in maps if ds.DoseType == "PHYSICAL"]
    effects = sorted(str(ds.DoseComment).split(":")[0] for ds in maps if ds.DoseType == "EFFECTIVE")
    assert effects == ["biologically effective dose", "equivalent dose in 2 Gy fractions"]
    highest = float(dose.DoseGridScaling) * dose.pixel_array.max()
    assert highest == pytest.approx(slicer.util.arrayFromVolume(panel.parameters.doseMap).max(), rel=1e-4)
    names = {str(code.CodeMeaning) for ds in found if ds.Modality == "SR" for code in _names(ds)}
    assert any("dose" in name.lower() for name in names), names


def _names(ds):
    for item in ds.iterall():
        if item.keyword == "ConceptNameCodeSequence":
            yield item.value[0]


def test_what_is_stated_counts_in_the_dicom_that_goes_out_as_in_a_case(uptake, lutia, tmp_path):
    from PRRTUptakeLib.dicom.series import group_files
    from PRRTUptakeLib.dicom.suv import suv
    from PRRTUptakeLib.export.dicom_results import write_dicom
    from PRRTUptakeLib.mrml.run import measure_case

    ui = uptake.ui
    row = next(n for n, found in enumerate(cells(ui.imagesTable)) if "SPECT" in found[0])
    ui.imagesTable.setCurrentCell(row, 0)
    ui.overrideReasonLineEdit.text = "weighed on the day, activity by the protocol of the ward"
    ui.overrideWeightSpinBox.value, ui.overrideActivitySpinBox.value = 82.5, 6900.0
    ui.overrideSensitivitySpinBox.value = 0.0
    ui.applyOverridesButton.click()
    assert "Read again" in ui.statusLabel.text, ui.statusLabel.text
    ui.exportDicomCheckBox.checked = True
    ui.reportPath.currentPath = str(tmp_path / "panel")
    ui.exportButton.click()
    assert "Exported" in ui.statusLabel.text, ui.statusLabel.text
    stated = {"weight_kg": 82.5, "activity_MBq": 6900.0, "reason": "as in the panel"}
    content = json.loads(lutia.read_text(encoding="utf-8"))
    content["visits"][0]["quantification"] = stated
    stating = lutia.with_name("stated.json")
    stating.write_text(json.dumps(content), encoding="utf-8")
    write_dicom(measure_case(stating), tmp_path / "case")
    made = {name: suv_map(tmp_path / name) for name in ("panel", "case")}
    assert np.array_equal(made["panel"], made["case"])
    by_header = suv(
        next(
            one
            for one in group_files(one for one in lutia.parent.rglob("*") if one.is_file()).series
            if one.modality == "NM"
        )
    )
    assert made["panel"].max() != pytest.approx(by_header.volume.array.max(), rel=0.01)


def suv_map(folder):
    (path,) = (file for file in folder.rglob("*.dcm") if file.stem == "SUV")
    return read_map(path).array
