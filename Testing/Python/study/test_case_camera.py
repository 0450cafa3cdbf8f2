"""A case that names a camera file: what enters from it, what is compared with the series, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pydicom
import pytest
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTUptakeLib.dicom.acquisition import acquisition_of
from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.series_facts import SeriesFacts, has_units, series_facts
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.study.camera import (
    camera_overrides,
    camera_warnings,
    cross_calibrated,
    load_camera,
    with_calibration_u,
    with_camera,
)
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.schema.place import InputFileError
from PRRTUptakeLib.synthetic.camera_phantom_dicom import START
from PRRTUptakeLib.synthetic.nm_writing import write_nm

VALUE = 50_000.0


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A small SPECT in Bq/mL, and the same as counts of 1200 s by 10 cps/MBq: folders."""
    from datetime import date

    from PRRTUptakeLib.dicom.writing import Series, Subject

    folder = tmp_path_factory.mktemp("images")
    grid = np.diag([-4.8, -4.8, 4.8, 1.0])
    volume = Volume(np.full((6, 8, 8), VALUE, dtype=np.float32), grid, "activity concentration", "Bq/ml", START)
    drug = Radiopharmaceutical("Lu-177", 7400.0, START - timedelta(hours=24))
    for name in ("mapped", "counts"):
        subject = Subject("P1", "P1", "F", date(1960, 1, 1), 70.0, 1.7)
        series = Series(subject, (name,), 4, "SPECT OSEM 4i8s", START, START, (name,))
        path = write_nm(volume, folder / name, series, drug)
        if name == "counts":
            dataset = pydicom.dcmread(path)
            counts = VALUE * 1e-6 * 10.0 * 1200.0 * 4.8**3 / 1000.0
            dataset.PixelData = np.full((6, 8, 8), round(counts), dtype="<u2").tobytes()
            del dataset.RealWorldValueMappingSequence
            dataset.save_as(path)
    return {name: find_series(folder / name)[0] for name in ("mapped", "counts")}


def camera_file(folder, series, *, kind="counts", factor=10.0, **changes):
    acquisition = acquisition_of(series).facts() | changes.pop("acquisition", {})
    content = {
        "camera": "C", "date": START.date().isoformat(), "nuclide": "Lu-177", "acquisition": acquisition,
        "calibration": {"kind": kind, "factor": factor, "u_relative": 0.012},
        "resolution": {"fwhm_mm": 9.5, "u_mm": 0.19},
        "dead_time": {"model": "paralysable", "tau_us": 4.0, "u_tau_us": 0.1, "highest_cps": 50_000},
        **changes,
    }  # fmt: skip
    path = folder / "CAMERA.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return load_camera(path)


def test_the_right_camera_gives_no_warning_and_its_calibration(images, tmp_path):
    camera = camera_file(tmp_path, images["counts"])
    assert camera_warnings(camera, series_facts(images["counts"]), "24h") == ()
    overrides = camera_overrides(camera, None, images["counts"])
    assert overrides.calibration == Calibration(10.0, "total")
    made = quantify(images["counts"], overrides)
    assert float(made.volume.array.mean()) == pytest.approx(VALUE, rel=0.01)  # whole counts


def test_what_a_visit_states_goes_first(images, tmp_path):
    camera = camera_file(tmp_path, images["counts"])
    stated = OperatorOverrides(calibration=Calibration(8.0, "total"), reason="measured today")
    assert camera_overrides(camera, stated, images["counts"]).calibration.sensitivity_cps_per_MBq == 8.0


def test_images_in_bq_are_divided_by_image_over_truth(images, tmp_path):
    camera = camera_file(tmp_path, images["mapped"], kind="concentration", factor=1.25)
    assert camera_warnings(camera, series_facts(images["mapped"]), "24h") == ()
    assert camera_overrides(camera, None, images["mapped"]) is None
    made = quantify(images["mapped"])
    volume, decisions = cross_calibrated(camera, made.volume, made.decisions)
    assert float(volume.array.mean()) == pytest.approx(VALUE / 1.25, rel=1e-4)
    assert "divided by 1.25" in decisions[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"acquisition": {"collimator": "LEHR"}}, "in collimator: 'MEGP', but 'LEHR' for the phantom"),
        ({"acquisition": {"iterations": 10}}, "in iterations: '4', but '10' for the phantom"),
        ({"acquisition": {"voxel_mm": [4.42, 4.42, 4.42]}}, "in voxel size: '4.8 x 4.8 x 4.8 mm'"),
        ({"acquisition": {"windows_keV": [[101.0, 125.0]]}}, "in energy windows"),
        ({"acquisition": {"serial": "4711"}}, "in serial number"),
        ({"acquisition": {"filter": "Butterworth"}}, "in filter: not stated, but 'Butterworth'"),
        ({"nuclide": "Tb-161"}, "in radionuclide: 'Lu-177', but 'Tb-161'"),
        ({"date": "2023-01-01"}, "more than a year"),
        ({"calibration": {"kind": "concentration", "factor": 1.0, "u_relative": 0.01}}, "its calibration does not fit"),
    ],
)
def test_each_difference_is_a_warning_that_names_it(images, tmp_path, changes, words):
    camera = camera_file(tmp_path, images["counts"], **changes)
    facts = series_facts(images["counts"])
    found = camera_warnings(camera, facts, "24h")
    assert camera_warnings(camera, SeriesFacts.from_text(facts.as_text()), "24h") == found  # as a scene remembers it
    assert len(found) == 1
    assert "'24h'" in found[0]
    assert words in found[0]


def test_image_over_truth_is_not_used_for_counts_that_the_user_calibrated(images, tmp_path):
    camera = camera_file(tmp_path, images["counts"], kind="concentration", factor=1.25)
    made = quantify(images["counts"], OperatorOverrides(calibration=Calibration(10.0, "total"), reason="own"))
    volume, decisions = cross_calibrated(camera, made.volume, made.decisions, has_units(images["counts"]))
    assert float(volume.array.mean()) == pytest.approx(VALUE, rel=0.01)
    assert "divided" not in decisions[-1]


def test_cps_are_not_used_for_an_image_with_units(images, tmp_path):
    camera = camera_file(tmp_path, images["mapped"])
    assert camera_overrides(camera, None, images["mapped"]) is None
    assert "has units already" in camera_warnings(camera, series_facts(images["mapped"]), "24h")[0]


def test_resolution_and_uncertainties_enter_the_rules(images, tmp_path):
    camera = camera_file(tmp_path, images["counts"])
    imaging = with_camera(load_protocol("lutia"), camera).imaging
    assert (imaging.fwhm_mm, imaging.fwhm_u_percent) == (9.5, pytest.approx(2.0))
    assert DoseSettings.from_case(with_calibration_u({}, camera)).calibration_u == 0.012
    assert DoseSettings.from_case(with_calibration_u({"calibration_u": 0.03}, camera)).calibration_u == 0.03


def test_dead_time_is_corrected_up_to_where_it_was_measured(images, tmp_path):
    camera = camera_file(tmp_path, images["counts"])
    loss = camera_overrides(camera, None, images["counts"], 20_000.0).dead_time
    assert (loss.model, loss.tau_us, loss.observed_cps) == ("paralysable", 4.0, 20_000.0)
    with pytest.raises(InputFileError, match="measured up to 50000 counts per second only"):
        camera_overrides(camera, None, images["counts"], 80_000.0)


def test_a_camera_file_that_cannot_be_is_refused(images, tmp_path):
    with pytest.raises(InputFileError, match=r"'calibration\.factor' is -1"):
        camera_file(tmp_path, images["counts"], factor=-1)
    with pytest.raises(InputFileError, match="unknown key 'colimator'"):
        camera_file(tmp_path, images["counts"], acquisition={"colimator": "MEGP"})
