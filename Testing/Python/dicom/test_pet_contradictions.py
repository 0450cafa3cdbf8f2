"""What a PET series says twice, or is not: mappings beside Units, and projections in the units of PET."""

from __future__ import annotations

import pytest
from builders.dicom_builders import mapping
from builders.pet_factors import STORED, SUV_START, factors, pet
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides, doubts_among
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.reading import arrange


def found(changes=None, per_slice=None, way="as_suv"):
    series = PetSeries(arrange(pet(changes, per_slice)), OperatorOverrides())
    return series.as_suv("bw") if way == "as_suv" else series.as_concentration()


@pytest.mark.parametrize("way", ["as_suv", "as_concentration"])
def test_a_mapping_to_another_concentration_is_said(way):
    plain = found(way=way)
    same = found({"RealWorldValueMappingSequence": [mapping(1.0)]}, way=way)
    other = found({"RealWorldValueMappingSequence": [mapping(2.0)]}, way=way)
    assert plain.factors.tolist() == same.factors.tolist() == other.factors.tolist()
    assert doubts_among(plain.decisions) == doubts_among(same.decisions) == ()
    (doubt,) = doubts_among(other.decisions)
    assert "makes 2 Bq/ml of a stored unit" in doubt
    assert "make 1, which is taken" in doubt


def test_in_one_slice():
    scales = [[mapping(1.0)], [mapping(1.0)], [mapping(0.5)]]
    assert len(doubts_among(found(per_slice={"RealWorldValueMappingSequence": scales}).decisions)) == 1
    scales[2] = [mapping(2.0)]
    slopes = {"RescaleSlope": [1.0, 1.0, 2.0], "RealWorldValueMappingSequence": scales}
    assert doubts_among(found(per_slice=slopes).decisions) == ()


@pytest.mark.parametrize(("scale", "doubts"), [(1.0, 0), (1.05, 1)])
def test_a_mapping_to_suv(scale, doubts):
    to_suv = mapping(SUV_START * scale, 0.0, "g/ml{SUVbw}")
    assert len(doubts_among(found({"RealWorldValueMappingSequence": [to_suv]}).decisions)) == doubts


@pytest.mark.parametrize(
    "changes",
    [
        {"SeriesType": ["WHOLE BODY", "REPROJECTION"]},
        {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
        {"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]},
    ],
)
def test_projections_are_refused(changes):
    with pytest.raises(DicomError, match="projections of the patient, no tomogram"):
        factors(changes)
    assert STORED.ndim == 3
