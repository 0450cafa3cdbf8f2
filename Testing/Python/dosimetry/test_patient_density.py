"""Density on the grid of an emission image: means over voxels, organs under contrast medium, metal, what CT misses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PRRTDosimetryLib.dose.density_curves import shipped_curve
from PRRTDosimetryLib.dosimetry.patient_density import contrast_agent, patient_density
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.effect.bed import KIDNEY
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.registration.result import identity_registration
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.protocol import load_protocol

SAME = identity_registration("one frame")


def ct_of(values):
    return Volume(values, np.diag([1.0, 1.0, 1.0, 1.0]), "attenuation", "[hnsf'U]")


def image_of(shape, edge=3.0, first=1.0):
    matrix = np.diag([edge, edge, edge, 1.0])
    matrix[:3, 3] = first  # voxels of 3 mm over three of 1 mm
    return Volume(np.ones(shape), matrix, "activity concentration", "Bq/ml")


def made(values, image=None, mask=None):
    shape = tuple(size // 3 for size in values.shape)
    return patient_density(ct_of(values), image or image_of(shape), SAME, shipped_curve("water"), mask)


def test_a_coarse_voxel_has_the_mean_density_of_the_fine_ones_in_it():
    values = np.zeros((9, 9, 9))
    values[:, :, 3] = -1000.0  # one of three planes of the middle voxels is air
    found = made(values).volume
    assert found.array[1, 1, 1] == pytest.approx((2.0 + 0.00121) / 3.0, rel=1e-4)
    assert found.array[1, 1, 0] == pytest.approx(1.0, rel=1e-4)
    assert found.units == "g/ml"


def test_parts_of_a_voxel_have_densities_of_their_own_and_their_mean_is_the_voxels():
    values = np.zeros((9, 9, 9))
    values[:, :, 3] = -1000.0
    found = patient_density(ct_of(values), image_of((3, 3, 3)), SAME, shipped_curve("water"), None, (3, 3, 3))
    assert found.fine.array.shape == (9, 9, 9)
    np.testing.assert_allclose(found.fine.grid.spacing_mm, 1.0)
    np.testing.assert_allclose(found.fine.grid.to_ras(np.zeros(3)), 0.0, atol=1e-9)  # the CT's own voxels
    assert found.fine.array[4, 4, 3] == pytest.approx(0.00121, rel=1e-3)
    assert found.fine.array[4, 4, 4] == pytest.approx(1.0, rel=1e-4)
    assert found.volume.array[1, 1, 1] == pytest.approx((2.0 + 0.00121) / 3.0, rel=1e-4)
    assert found.volume.grid.matches(image_of((3, 3, 3)).grid)
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[1, 1, 1] = True
    bright = patient_density(ct_of(values + 190), image_of((3, 3, 3)), SAME, shipped_curve("water"), mask, (3, 3, 3))
    assert bright.fine.array[4, 4, 4] == pytest.approx(1.07)
    assert bright.fine.array[4, 4, 7] == pytest.approx(1.19, rel=1e-4)


def test_organs_under_contrast_medium_are_soft_tissue():
    values = np.full((9, 9, 9), 190.0)
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[1, 1, 1] = True
    found = made(values, mask=mask).volume.array
    assert found[1, 1, 1] == pytest.approx(1.07)
    assert found[0, 0, 0] == pytest.approx(1.19, rel=1e-4)


def test_metal_and_activity_beyond_the_ct_are_doubted():
    clean = np.zeros((9, 9, 9))
    assert made(clean).warnings == ()
    metal = clean.copy()
    metal[2:6, 2:6, 2:7] = 3071.0
    (words,) = made(metal).warnings
    assert words.startswith("0.08 mL of the CT are metal")
    (words,) = made(clean, image_of((3, 3, 6))).warnings
    assert words.startswith("50% of the activity is outside the CT")


def test_the_header_names_the_contrast_medium():
    assert contrast_agent(None) == ""
    for known, expected in (({"ContrastBolusAgent": " Iodixanol "}, "Iodixanol"), ({}, "")):
        assert contrast_agent(SimpleNamespace(headers=(SimpleNamespace(dataset=known),))) == expected


def test_radiosensitivities_of_the_case_go_before_those_of_the_protocol_and_the_default():
    stated = {"alpha_beta_Gy": 3.0, "repair_half_time_h": 2.0, "source": "protocol"}
    protocol = replace(load_protocol("lutia"), tissues={"liver": stated, "lesions": stated})
    own = {"lesions": {**stated, "alpha_beta_Gy": 8.0, "source": "case"}}
    found = DoseSettings.from_case({"tissues": own}).radiosensitivities(protocol)
    assert found["kidneys"] is KIDNEY
    assert (found["liver"].source, found["lesions"].alpha_beta_Gy) == ("protocol", 8.0)


def test_rules_of_dose_maps_come_from_the_protocol_where_the_case_states_none():
    from PRRTDosimetryLib.dosimetry.settings import with_rules

    rules = {"integration": "dose-rate", "accumulate": "rigid", "transport": {"grid_mm": 2.0, "seed": 9}}
    protocol = replace(load_protocol("lutia"), dose_maps=rules)
    assert with_rules({"model": "bi"}, protocol) == {"model": "bi"}  # no map, nothing to say
    assert with_rules({"dose_map": "local", "accumulate": ""}, protocol) == {
        "dose_map": "local", "accumulate": "", "integration": "dose-rate",
    }  # fmt: skip
    made = DoseSettings.from_case(with_rules({"dose_map": "transport", "transport": {"seed": 3}}, protocol))
    assert (made.transport.grid_mm, made.transport.seed, made.integration) == (2.0, 3, "dose-rate")
    assert made.divided((4.0, 4.0, 3.0)) == (2, 2, 2)
    assert replace(made, dose_map="kernel").divided((4.0, 4.0, 3.0)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("dosimetry", "sentence"),
    [
        ({"density": "ct"}, "'dosimetry.density' has no effect without 'dose_map'"),
        (
            {"dose_map": "kernel", "transport": {}},
            "'dosimetry.transport' has no effect unless 'dose_map' is 'transport'",
        ),
        ({"dose_map": "kernel", "ct_curve": "water"}, "no effect unless 'density' is 'ct'"),
        ({"dose_map": "transport", "density": "uniform"}, "is 'uniform', but transport needs the CT"),
        ({"dose_map": "kernel", "density": "ct", "density_g_per_mL": 1.0}, "no effect where the CT gives the density"),
        ({"dose_map": "kernel", "density": "ct", "ct_curve": "mine"}, "but must be one of schneider-2000, water, or"),
    ],
)
def test_settings_without_effect_are_refused(dosimetry, sentence):
    with pytest.raises(InputFileError) as caught:
        DoseSettings.from_case(dosimetry)
    assert sentence in str(caught.value)
