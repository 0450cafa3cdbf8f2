"""Statistical uncertainty of dose rates that were transported at several times and integrated voxel by voxel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from builders.transport_stand_in import StandIn, region, volume
from PRRTDosimetryLib.dosimetry.patient_density import PatientDensity
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.dosimetry.voxel_dose import dose_by_rates
from PRRTDosimetryLib.transport import engine as engine_module
from PRRTDosimetryLib.transport.options import TransportOptions
from PRRTUptakeLib.dicom.injection import Injection

GIVEN = datetime(2025, 1, 1, 10, tzinfo=timezone.utc)
HOURS = (24.0, 96.0)


@pytest.fixture
def images():
    """Activity in a part of a body at two times, with an effective half-life of 60 h."""
    activity = np.zeros((6, 7, 8))
    activity[2:4, 2:5, 2:6] = 2e6
    return [
        replace(volume(activity * 0.5 ** (hours / 60.0), "Bq/ml"), reference_time=GIVEN + timedelta(hours=hours))
        for hours in HOURS
    ]


def made(images, seed):
    density = PatientDensity(volume(np.full(images[0].array.shape, 1.04), "g/ml"))
    settings = DoseSettings(
        dose_map="transport", integration="dose-rate", transport=TransportOptions(histories=2000, seed=seed)
    )
    inside = images[0].array > 0
    regions = [{"L1": region(inside, one.grid)} for one in images]
    injection = Injection(7400.0, GIVEN, "Lu-177", "")
    return dose_by_rates(images, injection, [None, None], settings, [density, density], regions=regions), inside


def test_stated_statistics_are_the_scatter_of_other_seeds(monkeypatch, images):
    monkeypatch.setattr(engine_module, "require_engine", lambda: StandIn)
    runs = [made(images, seed) for seed in range(16)]
    inside = runs[0][1]
    means = np.array([one.dose.array[inside].mean() for one, _ in runs])
    stated = np.sqrt(np.mean([one.regions_u_Gy["L1"] ** 2 for one, _ in runs]))
    assert stated == pytest.approx(means.std(ddof=1), rel=0.45)  # 16 runs say it to 18 %
    voxels = np.array([one.dose.array[inside] for one, _ in runs]).std(axis=0, ddof=1)
    voxel_u = np.sqrt(np.mean([one.uncertainty.array[inside] ** 2 for one, _ in runs], axis=0))
    assert 0.7 < np.median(voxel_u / voxels) < 1.5
    assert runs[0][0].uncertainty.units == "Gy"


def test_maps_without_transport_have_no_statistics(images):
    settings = DoseSettings(dose_map="local", integration="dose-rate")
    injection = Injection(7400.0, GIVEN, "Lu-177", "")
    found = dose_by_rates(images, injection, [None, None], settings, [None, None])
    assert found.uncertainty is None
    assert found.regions_u_Gy == {}
