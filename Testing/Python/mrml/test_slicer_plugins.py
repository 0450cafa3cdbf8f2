"""What other modules of Slicer get from the extension: DICOM loading, Segment Statistics, Sample Data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.dicom_builders import ABSENT, mapping, write_nm, write_slices
from builders.panel_scene import LIVER, RIGHT, add_patient

MODULES = Path(__file__).resolve().parents[3]
VALUES = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6) + 1


@pytest.fixture
def plugin(slicer_application):
    import slicer
    from slicer_standin.application import load_module

    load_module(MODULES / "PRRTUptake" / "DICOMPRRTPlugin.py")
    return slicer.modules.dicomPlugins["DICOMPRRTPlugin"]()


def offers(plugin, paths):
    return plugin.examineForImport([[str(path) for path in paths]])


def test_pet_is_offered_as_suv_and_concentration(plugin, tmp_path):
    from PRRTUptakeLib.mrml.images import image_row

    paths = write_slices(tmp_path / "pet", VALUES, "PT")
    suv, concentration = offers(plugin, paths)
    assert suv.selected
    assert not concentration.selected
    assert min(suv.confidence, concentration.confidence) > 0.5
    assert not suv.warning
    row = image_row(plugin.load(suv))
    assert (row.quantity, row.units, row.role) == ("SUVbw", "g/ml{SUVbw}", "measured")
    assert row.hours == pytest.approx(1.0)
    assert row.lacks == ("visit",)
    row = image_row(plugin.load(concentration))
    assert (row.quantity, row.units) == ("activity concentration", "Bq/ml")
    assert offers(plugin, paths)[0] is suv  # the second look is served from the cache


def test_loaded_volume_is_under_its_study(plugin, tmp_path):
    import slicer

    node = plugin.load(offers(plugin, write_slices(tmp_path / "pet", VALUES, "PT"))[0])
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    assert hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(node), level)


def test_missing_weight_is_reported_and_the_user_can_go_on(plugin, tmp_path):
    from PRRTUptakeLib.mrml.images import describe_image, image_row

    paths = write_slices(tmp_path / "pet", VALUES, "PT", changes={"PatientWeight": ABSENT})
    suv, concentration = offers(plugin, paths)
    assert "Weight" in suv.warning
    assert suv.warning in suv.tooltip
    assert suv.confidence > 0.5
    assert not concentration.warning
    node = plugin.load(suv)
    assert "units" in image_row(node).lacks
    describe_image(node, units="Bq/ml")
    assert "units" not in image_row(node).lacks


def test_spect_is_offered_in_bq_per_ml(plugin, tmp_path):
    import slicer

    path = write_nm(tmp_path / "nm.dcm", VALUES, mappings=[mapping(2.5)])
    (offer,) = offers(plugin, [path])
    assert offer.confidence > 0.5
    node = plugin.load(offer)
    assert node.GetVoxelValueUnits().GetCodeValue() == "Bq/ml"
    array = slicer.util.arrayFromVolume(node)
    assert sorted(array.ravel()) == pytest.approx(sorted(2.5 * VALUES.ravel()))


def test_other_series_are_left_to_others(plugin, tmp_path):
    assert offers(plugin, write_slices(tmp_path / "ct", VALUES.astype(np.int16))) == []
    assert offers(plugin, []) == []
    (tmp_path / "empty.dcm").write_bytes(b"")


@pytest.fixture
def statistics(slicer_application):
    from slicer_standin.application import load_module

    load_module(MODULES / "PRRTUptake" / "PRRTUptake.py")
    slicer_application.start()
    import SegmentStatistics

    (plugin,) = SegmentStatistics.SegmentStatisticsLogic.registeredPlugins
    return plugin()


def test_segment_statistics(statistics):
    import slicer
    from PRRTUptakeLib.mrml.logic import UptakeLogic

    (image,), segmentation = add_patient()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    statistics.setParameterNode(node)
    assert statistics.computeStatistics("liver") == {}
    node.SetParameter("Segmentation", segmentation.GetID())
    node.SetParameter("ScalarVolume", image.GetID())
    found = statistics.computeStatistics("spleen")
    assert set(found) == {"suv_peak", "total_uptake"}  # no reference region yet
    UptakeLogic().prepare(image, segmentation)
    found = statistics.computeStatistics("R1")
    volume_mL = (
        4.0**3 / 1000.0 * np.count_nonzero(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "R1", image))
    )
    assert found["suv_peak"] == pytest.approx(RIGHT)
    assert found["total_uptake"] == pytest.approx(RIGHT * volume_mL)
    assert found["tn_ratio"] == pytest.approx(RIGHT / LIVER)
    for key in found:
        info = statistics.getMeasurementInfo(key)
        assert info["name"]
        assert info["description"]
    assert statistics.getMeasurementInfo("total_uptake")["units"] == "Bq/ml mL"


def test_sample_data_entries(statistics, monkeypatch):
    import SampleData
    from PRRTUptakeLib.mrml import sample_data

    (sources,) = SampleData.SampleDataLogic.sources.values()
    assert [source.sampleName for source in sources] == [
        "PRRT synthetic patient: LUTIA",
        "PRRT synthetic patient: IA versus IV",
        "PRRT synthetic patient: serial SPECT/CT",
        "PRRT synthetic patient: single arm, without lobes",
    ]
    asked = []
    monkeypatch.setattr(sample_data, "load_sample", lambda name, progress: asked.append(name) or [])
    for source in sources:
        source.customDownloader(source)
    assert asked == ["lutia", "ia-versus-iv", "serial", "single-arm"]


@pytest.mark.slow
def test_sample_patient_is_complete(scene):
    import slicer
    from PRRTUptakeLib.mrml.images import image_rows
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.sample_data import load_sample

    load_sample("lutia", noise=False)
    (measured,) = [row for row in image_rows() if row.role == "measured"]
    assert measured.lacks == ()
    assert (measured.units, measured.hours) == ("Bq/ml", 24.0)
    logic = UptakeLogic("lutia")
    table = logic.measureImages(
        [(measured.node, "24h")], slicer.util.getNode("Segments*"), slicer.util.getNode("Lobe*")
    )
    assert logic.result.injection.activity_MBq == pytest.approx(7400.0)
    assert table.GetNumberOfRows() > 100
