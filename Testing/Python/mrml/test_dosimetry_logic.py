"""The logic of PRRT Dosimetry: doses and maps end with the curves they were made from; words that mean nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.panel_scene import LESIONS, add_series

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them


@pytest.fixture
def fitted(scene):
    """Logic with curves of cycle 1, the time points, and the treatment."""
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTDosimetryLib.mrml.logic import DosimetryLogic, Treatment
    from PRRTDosimetryLib.mrml.time_points import time_points

    _, segments = add_series()
    logic = DosimetryLogic("lutia")
    logic.protocol = replace(logic.protocol, targets=replace(logic.protocol.targets, minimum_diameter_mm=20.0))
    points = time_points(segments)
    treatment = Treatment("P01", 1, "left", "Lu-177", 7400.0, "F")
    logic.fitCurves(points, treatment, DoseSettings())
    return logic, points, treatment


def test_map_method_and_corrected_doses_end_with_their_curves(fitted):
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTUptakeLib.uptake.partial_volume import fit_recovery_curve

    logic, points, treatment = fitted
    logic.phantom = fit_recovery_curve([0.5, 1.0, 2.0, 8.0, 30.0], [0.3, 0.4, 0.55, 0.75, 0.9], None, "a phantom")
    logic.doseMap("local", 1.04)
    assert logic.map is not None
    assert logic.method == "local"
    assert logic.recovered is not None
    assert any(row.metric == "voxel_dose_mean" for row in logic.rows)
    logic.fitCurves(points, replace(treatment, cycle=2), DoseSettings())
    assert (logic.map, logic.method, logic.recovered, logic.rows) == (None, "", None, ())
    logic.regionDoses()
    assert {row.cycle for row in logic.rows} == {2}
    assert not any(row.metric.startswith("voxel_dose") for row in logic.rows)


def test_maps_of_cycles_are_summed_and_dose_rates_integrated(fitted):
    """One image in two cycles: the sum is twice the map; without movement a dose rate's integral is the dose."""
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings

    logic, points, treatment = fitted
    logic.settings = DoseSettings(accumulate="rigid")
    logic.doseMap("local", 1.04)
    once = logic.map.dose.array
    assert logic.summed is None
    logic.fitCurves(points, replace(treatment, cycle=2), DoseSettings(accumulate="rigid", integration="dose-rate"))
    logic.doseMap("local", 1.04)
    assert logic.map.facts["integration"] == "dose-rate"
    means = [one[once > 0.1 * once.max()].mean() for one in (once, logic.map.dose.array)]
    assert means[1] == pytest.approx(means[0], rel=0.01)
    assert logic.summed.cycles == (1, 2)
    assert logic.summed.dose.array.mean() == pytest.approx(2 * once.mean(), rel=0.01)
    assert any(row.metric == "cumulative_voxel_dose_mean" for row in logic.rows)
    node = logic.summedDose()
    assert node.GetName() == "Dose all cycles"
    logic.setProtocol("ia-versus-iv")
    assert logic.summedDose(node) is None


def test_panel_and_command_transport_dose_rates_alike(fitted, monkeypatch):
    """A finer grid, each image's own tissues, statistics of every time: voxel by voxel what `prrt run` gives."""
    import numpy as np
    from builders.panel_scene import add_ct
    from builders.transport_stand_in import StandIn
    from PRRTDosimetryLib.dosimetry.dose_maps import cycle_map
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTDosimetryLib.transport import engine
    from PRRTDosimetryLib.transport.options import TransportOptions

    logic, points, treatment = fitted
    monkeypatch.setattr(engine, "require_engine", lambda: StandIn)
    cts = [add_ct(name) for name in ("4h", "24h")]
    rules = {"dose_map": "transport", "integration": "dose-rate", "isodoses_Gy": ()}
    settings = DoseSettings(**rules, transport=TransportOptions(histories=2000, seed=2, grid_mm=2.5))
    logic.fitCurves(points[:2], treatment, settings)
    logic.doseMap("transport", 1.04, cts[0])
    study = logic.study
    by_command = cycle_map(study.visits, study.images, settings, study=study.input)
    np.testing.assert_allclose(logic.map.dose.array, by_command.dose.array, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(logic.map.uncertainty.array, by_command.uncertainty.array, rtol=1e-4, atol=1e-9)
    for name, region in by_command.regions.items():
        if name in logic.map.regions:
            assert logic.map.regions[name].u_Gy == pytest.approx(region.u_Gy, rel=1e-4)
    assert 0 < by_command.regions["liver"].u_Gy < 0.1 * by_command.regions["liver"].histogram.mean_Gy
    assert logic.map.facts["grid_mm"] == 2.5
    assert any(row.metric == "voxel_dose_statistical_u" for row in logic.rows)


def test_another_protocol_drops_everything(fitted):
    from PRRTUptakeLib.errors import PRRTError

    logic = fitted[0]
    logic.regionDoses()
    logic.setProtocol("ia-versus-iv")
    assert (logic.study, logic.dosimetry, logic.rows, logic.visits) == (None, None, (), ())
    with pytest.raises(PRRTError, match="fit them"):
        logic.doseResult()


@pytest.mark.parametrize("method", ["kernal", "", "s-values"])
def test_an_unknown_method_is_refused(fitted, method):
    from PRRTUptakeLib.errors import PRRTError

    logic = fitted[0]
    with pytest.raises(PRRTError, match="one of kernel, local"):
        logic.doseMap(method, 1.04)
    assert logic.map is None


def test_an_unknown_model_or_radiation_is_refused(fitted):
    from PRRTDosimetryLib.dose.dose_map import kernel_dose
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTUptakeLib.errors import PRRTError

    logic, points, treatment = fitted
    before = logic.dosimetry
    with pytest.raises(PRRTError, match="no model 'quadratic'"):
        logic.fitCurves(points, treatment, DoseSettings(model="quadratic"))
    assert logic.dosimetry is before
    logic.doseMap("local", 1.04)
    with pytest.raises(PRRTError, match="radiation 'gamma rays'"):
        kernel_dose(logic.map.tia.tia, "Lu-177", radiation="gamma rays")


def test_every_row_names_the_modality(fitted):
    logic = fitted[0]
    logic.doseMap("local", 1.04)
    assert {row.image for row in logic.rows} == {"SPECT"}


def test_expected_recovery_is_that_of_the_place_that_was_measured(fitted):
    """A lesion that was moved by half a voxel in the first image occupies other parts of its voxels."""
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTUptakeLib.mrml.manual_shifts import shift_lesion
    from PRRTUptakeLib.uptake.partial_volume import shape_recovery

    logic, points, treatment = fitted
    logic.regionDoses()
    before = {row.region: row.value for row in logic.rows if row.metric == "expected_recovery"}
    lesion = next(name for name in before if name in LESIONS)
    shift_lesion(points[0].node, lesion, (2.0, 2.0, 2.0), "breathing")
    logic.fitCurves(points, treatment, DoseSettings())
    logic.regionDoses()
    after = {row.region: row.value for row in logic.rows if row.metric == "expected_recovery"}
    visit = logic.visits[0]
    assert after[lesion] == shape_recovery(visit.regions[lesion], logic.settings.resolution_mm(visit))
    assert after[lesion] != pytest.approx(before[lesion], rel=1e-6)
    assert {name: value for name, value in after.items() if name != lesion} == pytest.approx(
        {name: value for name, value in before.items() if name != lesion}
    )


def test_a_camera_file_counts_as_it_does_for_a_case(fitted, tmp_path):
    """Values divided by image over truth, resolution and its uncertainty in the rules, and each difference named."""
    import json

    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTUptakeLib.dicom.acquisition import Acquisition
    from PRRTUptakeLib.dicom.series_facts import SeriesFacts
    from PRRTUptakeLib.mrml.dicom_nodes import SERIES_ATTRIBUTE
    from PRRTUptakeLib.study.camera import load_camera

    logic, points, treatment = fitted
    before = {name: one.tia_MBq_h for name, one in logic.dosimetry.integrals.items()}
    path = tmp_path / "CAMERA.json"
    path.write_text(
        json.dumps(
            {
                "camera": "C", "date": "2020-01-31", "nuclide": "Lu-177", "acquisition": {"collimator": "MEGP"},
                "calibration": {"kind": "concentration", "factor": 1.25, "u_relative": 0.01},
                "resolution": {"fwhm_mm": 11.0, "u_mm": 0.22},
            }
        )
    )  # fmt: skip
    logic.camera = load_camera(path)
    facts = SeriesFacts(acquisition=Acquisition(collimator="LEHR"), has_units=True, nuclide="Lu-177")
    points[0].node.SetAttribute(SERIES_ATTRIBUTE, facts.as_text())
    for point in points[1:]:
        point.node.SetAttribute(SERIES_ATTRIBUTE, None)
    logic.fitCurves(points, treatment, DoseSettings())
    after = {name: one.tia_MBq_h for name, one in logic.dosimetry.integrals.items()}
    assert after == pytest.approx({name: value / 1.25 for name, value in before.items()}, rel=1e-3)
    imaging = logic.study.input.measuring_protocol.imaging
    assert (imaging.fwhm_mm, imaging.fwhm_u_percent) == (11.0, pytest.approx(2.0))
    doubts = " ".join(logic.study.input.doubts)
    assert "in collimator: 'LEHR', but 'MEGP' for the phantom" in doubts
    assert doubts.count("does not remember its series") == len(points) - 1
    logic.fitCurves(points, treatment, DoseSettings(image_fwhm_mm=14.0))  # what is stated goes first
    imaging = logic.study.input.measuring_protocol.imaging
    assert (imaging.fwhm_mm, imaging.fwhm_u_percent) == (14.0, logic.protocol.imaging.fwhm_u_percent)
