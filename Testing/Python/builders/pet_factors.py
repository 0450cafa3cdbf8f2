"""Factors from stored values to SUV of small PET headers, for the tests of PET quantification."""

from __future__ import annotations

import math
from datetime import timezone

import numpy as np
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.reading import arrange

from builders.dicom_builders import series_in_memory, slices

RATE = math.log(2) / 6586.2  # 18F, per second, as the builder's header states
DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.arange(1, 3 * 2 * 2 + 1, dtype=np.int16).reshape(3, 2, 2)
UTC = timezone.utc


def pet(changes=None, per_slice=None):
    return series_in_memory(slices(STORED, "PT", changes=changes, per_slice=per_slice))


def factors(changes=None, per_slice=None, kind="bw", inputs=None):
    """SUV per stored unit of each plane."""
    return PetSeries(arrange(pet(changes, per_slice)), inputs or OperatorOverrides()).as_suv(kind)


def factor(changes=None, kind="bw", inputs=None):
    found = factors(changes, None, kind, inputs).factors
    assert np.ptp(found) == 0
    return found[0]


# Bq/ml to SUVbw for 370 MBq, 70 kg, injected an hour before the reference time
SUV_START = 70_000 / (370e6 * math.exp(-RATE * 3600))


def with_private(images, group, creator, elements, box=0x10):
    for ds in images:
        if creator:
            ds.add_new((group, box), "LO", creator)
        for (number, vr), value in elements.items():
            ds.add_new((group, (box << 8) | number), vr, value)
    return images
