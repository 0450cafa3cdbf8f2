"""Images of two routes that differ in more than the route are warned of; images that do not are not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from builders.dicom_builders import series_in_memory, slices
from PRRTUptakeLib.dicom.headers import label
from PRRTUptakeLib.study.route_doubts import series_doubts, weight_doubts

DRUG = "RadiopharmaceuticalInformationSequence.RadiopharmaceuticalRoute"
MADE = {"ManufacturerModelName": "Biograph mCT", "ReconstructionMethod": "OSEM 4i21s", "ConvolutionKernel": "Gauss 5.0"}


def series(changes):
    return series_in_memory(slices(np.ones((3, 4, 5), np.int16), "PT", changes={**MADE, **changes}))


def of_two(ia=None, iv=None, names=("day 0", "day 3")):
    return series_doubts([("IA", names[0], series(ia or {})), ("IV", names[1], series(iv or {}))])


@pytest.mark.parametrize("names", [("day 0", "day 3"), ("IA", "IV"), ("PET i.a.", "PET i.v."), ("baseline", "VIA")])
def test_images_that_are_alike_give_no_doubt(names):
    assert of_two(names=names, ia={DRUG: "Intravenous"}, iv={DRUG: "Intravenous"}) == []


def test_what_only_one_header_names_is_no_difference():
    assert of_two(iv={"ReconstructionMethod": "", "ManufacturerModelName": ""}) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("ManufacturerModelName", "Vision 600", "model Biograph mCT after IA, Vision 600 after IV"),
        ("ReconstructionMethod", "PSF+TOF 4i5s", "subsets 21 after IA, 5 after IV"),
        ("ConvolutionKernel", "All-pass", "filter Gauss 5.0 after IA, All-pass after IV"),
    ],
)
def test_another_reconstruction_is_named(key, value, words):
    (text,) = of_two(iv={key: value})
    assert words in text


def test_routes_against_names_and_headers_are_named():
    swapped = of_two(names=("IV", "IA"))
    assert len(swapped) == 2
    assert "'IV' is stated to be intra-arterial" in swapped[0]
    (text,) = of_two(ia={DRUG: "Intravenous"}, iv={DRUG: "Intra-arterial"})
    assert f"{label('RadiopharmaceuticalRoute')} of its image is intra-arterial" in text


@pytest.mark.parametrize(("kg", "doubts"), [(75.0, 0), (77.0, 0), (95.0, 1), (None, 0)])
def test_another_weight_is_named(kg, doubts):
    ia, iv = (SimpleNamespace(image=SimpleNamespace(provenance={"weight_kg": value})) for value in (75.0, kg))
    found = weight_doubts(ia, iv)
    assert len(found) == doubts
    assert all("75 kg by the IA image and 95 kg by the IV image" in text and "0.789" in text for text in found)
