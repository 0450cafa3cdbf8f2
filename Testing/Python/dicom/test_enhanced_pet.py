"""Enhanced PET: units and scale of each frame, decay correction date-time, what is missing or contradicts."""

from __future__ import annotations

import math
import shutil
import subprocess

import numpy as np
import pytest
from builders.dicom_builders import ABSENT
from builders.enhanced_pet import complete, enhanced_pet, item
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError

STORED = np.arange(1, 28, dtype=np.uint16).reshape(3, 3, 3)
RATE = math.log(2) / 6586.2
SUV_PER_BQ_ML = 70_000 / (370e6 * math.exp(-RATE * 3600))
DRUG = "RadiopharmaceuticalInformationSequence"


def series(tmp_path, **settings):
    enhanced_pet(STORED, **settings).save_as(tmp_path / "pet.dcm", enforce_file_format=True)
    return find_series(tmp_path)[0]


def test_each_frame_has_its_own_scale(tmp_path):
    one = series(tmp_path, slopes=[1.0, 2.0, 0.5])
    expected = STORED * np.array([1.0, 2.0, 0.5])[:, None, None]
    np.testing.assert_allclose(quantify(one).volume.array, expected, rtol=1e-6)
    np.testing.assert_allclose(suv(one).volume.array, expected * SUV_PER_BQ_ML, rtol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [("kBq/ml", 1e3), ("Bq/cm3", 1)])
def test_units(tmp_path, unit, factor):
    np.testing.assert_allclose(quantify(series(tmp_path, unit=unit)).volume.array, STORED * factor, rtol=1e-6)


def test_suv_frames(tmp_path):
    one = series(tmp_path, unit="g/ml{SUVbw}", slopes=[0.1] * 3)
    np.testing.assert_allclose(suv(one).volume.array, STORED * 0.1, rtol=1e-6)
    np.testing.assert_allclose(quantify(one).volume.array, STORED * 0.1 / SUV_PER_BQ_ML, rtol=1e-5)


def test_frames_in_another_order(tmp_path):
    places = [[-8, -8, 8], [-8, -8, 0], [-8, -8, 4]]
    one = series(tmp_path, slopes=[1.0, 2.0, 3.0], per_frame={"PlanePositionSequence.ImagePositionPatient": places})
    found = quantify(one).volume.array
    np.testing.assert_allclose(found, np.stack([STORED[1] * 2.0, STORED[2] * 3.0, STORED[0] * 1.0]), rtol=1e-6)


def test_corrected_to_another_moment(tmp_path):
    one = series(tmp_path, changes={"DecayCorrectionDateTime": "20250301100000"})
    np.testing.assert_allclose(suv(one).volume.array, STORED * (70_000 / 370e6), rtol=1e-6)


def test_without_decay_correction_each_frame_is_corrected(tmp_path):
    starts = ["20250301110000", "20250301110300", "20250301110600"]
    one = series(tmp_path, starts=starts, changes={"DecayCorrected": "NO", "DecayCorrectionDateTime": ABSENT})
    during = RATE * 120
    factors = np.array([during / (1 - math.exp(-during)) * math.exp(RATE * late) for late in (0, 180, 360)])
    np.testing.assert_allclose(quantify(one).volume.array, STORED * factors[:, None, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"changes": {"AttenuationCorrected": "NO"}}, "Attenuation Corrected"),
        ({"changes": {"DecayCorrected": ABSENT}}, "Decay Corrected"),
        ({"changes": {"DecayCorrectionDateTime": ABSENT}}, "give the decay reference time"),
        ({"unit": "{propcounts}"}, "no calibration"),
        ({"per_frame": {"RealWorldValueMappingSequence": [ABSENT] * 3}}, "0 Real World Value Mappings"),
        ({"per_frame": {"FrameContentSequence.FrameAcquisitionDuration": [-1.0] * 3}}, "Frame Acquisition Duration"),
        ({"per_frame": {"PlanePositionSequence.ImagePositionPatient": [[0, 0, 0]] * 3}}, "two images at one place"),
        ({"changes": {f"{DRUG}.RadionuclideTotalDose": ABSENT}}, "Radionuclide Total Dose"),
    ],
)
def test_what_is_refused(tmp_path, settings, words):
    with pytest.raises(PRRTError, match=words):
        suv(series(tmp_path, **settings))


@pytest.mark.parametrize(("minutes", "refused"), [(0, False), (20, True)])
def test_decay_factor_against_the_date_time(tmp_path, minutes, refused):
    factor = math.exp(RATE * (60 + 60 * minutes))
    groups = [[item(DecayFactor=factor)]] * 3
    one = series(tmp_path, per_frame={"PETFrameCorrectionFactorsSequence": groups})
    if not refused:
        np.testing.assert_allclose(quantify(one).volume.array, STORED, rtol=1e-6)
        return
    with pytest.raises(PRRTError, match=r"Decay Factor.*Decay Correction DateTime"):
        quantify(one)


def test_units_that_the_operator_states(tmp_path):
    one = series(tmp_path, slopes=[2.0] * 3, per_frame={"RealWorldValueMappingSequence": [ABSENT] * 3})
    np.testing.assert_allclose(quantify(one, OperatorOverrides(units="Bq/ml")).volume.array, STORED * 2.0, rtol=1e-6)


def test_a_valid_object(tmp_path):
    complete(enhanced_pet(STORED, slopes=[2.0] * 3)).save_as(tmp_path / "pet.dcm", enforce_file_format=True)
    np.testing.assert_allclose(quantify(find_series(tmp_path)[0]).volume.array, STORED * 2.0, rtol=1e-6)
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    done = subprocess.run(["dciodvfy", tmp_path / "pet.dcm"], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr


def test_files_of_one_series_that_hold_at_different_moments_are_refused(tmp_path):
    """The first file's moment was taken for all."""
    first = enhanced_pet(STORED)
    second = enhanced_pet(
        STORED,
        changes={"DecayCorrectionDateTime": "20250301103000", "SeriesInstanceUID": first.SeriesInstanceUID},
        per_frame={"PlanePositionSequence.ImagePositionPatient": [[-8, -8, 4 * k] for k in (3, 4, 5)]},
    )
    for name, one in (("a.dcm", first), ("b.dcm", second)):
        one.save_as(tmp_path / name, enforce_file_format=True)
    with pytest.raises(PRRTError, match=r"Decay Correction DateTime .* differs between a.dcm and b.dcm of one series"):
        quantify(find_series(tmp_path)[0])
