"""Suite of PRRT Uptake in the application: logic from nodes to a table, then the panel. Needs nothing but Slicer."""

import unittest

import pytest
import slicer


class PRRTUptakeSuite(unittest.TestCase):
    """Each test starts with an empty scene."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_an_empty_scene_is_refused_in_one_sentence(self) -> None:
        from PRRTUptakeLib.errors import PRRTError

        from PRRTUptake import PRRTUptakeLogic

        logic = PRRTUptakeLogic()
        with pytest.raises(PRRTError) as caught:
            logic.measureImages(logic.getParameterNode())
        assert str(caught.value).endswith(".")

    def test_a_synthetic_patient_is_measured_and_shown(self) -> None:
        from PRRTUptakeLib.mrml.images import MEASURED, image_rows
        from PRRTUptakeLib.mrml.result_table import HEADER, result_table
        from PRRTUptakeLib.mrml.sample_data import load_sample
        from PRRTUptakeLib.mrml.views import show_image

        from PRRTUptake import PRRTUptakeLogic

        load_sample("lutia")
        parameters = PRRTUptakeLogic().getParameterNode()
        parameters.patient = "synthetic"
        parameters.segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        table = PRRTUptakeLogic().measureImages(parameters)
        read = result_table(table).GetTable()
        assert [read.GetColumnName(n) for n in range(read.GetNumberOfColumns())] == list(HEADER)
        image = next(row.node for row in image_rows() if row.role == MEASURED)
        show_image(image, parameters.segmentation)
        layers = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        assert all(one.GetForegroundVolumeID() == image.GetID() for one in layers)


if __name__ == "__main__":
    unittest.main()
