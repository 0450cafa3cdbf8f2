"""Suite of PRRT Dosimetry in the application: curves and doses of a synthetic patient. Needs nothing but Slicer."""

import unittest

import slicer


class PRRTDosimetrySuite(unittest.TestCase):
    """Each test starts with an empty scene."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_doses_of_a_synthetic_patient_have_intervals(self) -> None:
        from PRRTDosimetryLib.mrml.dose_nodes import dose_rows_of
        from PRRTUptakeLib.mrml.sample_data import load_sample

        from PRRTDosimetry import PRRTDosimetryLogic

        load_sample("serial", times_h=(24.0, 96.0))
        logic = PRRTDosimetryLogic()
        parameters = logic.getParameterNode()
        parameters.patient, parameters.activity_MBq = "synthetic", 7400.0
        parameters.sex = type(parameters.sex).FEMALE
        rows = dose_rows_of(logic.calculate(parameters))
        kidneys = [row for row in rows if "kidney" in row.region]
        assert kidneys
        for row in kidneys:
            assert 0.5 < row.dose_Gy < 20.0, row
            assert row.u_dose_Gy > 0.0


if __name__ == "__main__":
    unittest.main()
