"""Valid NM and enhanced PET headers, and seeded mutations of one attribute, for the fuzzing of header reading.

Every header is made so that the true SUVbw of a voxel is its stored value / 100. Mutated values are written as text
that pydicom does not check, as a broken file would hold them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides
from pydicom import dcmread
from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.dataelem import DataElement

from builders.dicom_builders import mapping, write_nm
from builders.enhanced_pet import enhanced_pet

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

STORED = np.arange(100, 100 + 3 * 12 * 12, dtype=np.uint16).reshape(3, 12, 12)
DRUG = "RadiopharmaceuticalInformationSequence"
LU_HALF_LIFE_S, F_HALF_LIFE_S = 6.647 * 86400, 6586.2
_PATIENT = {
    f"{DRUG}.RadionuclideTotalDose": 7400,
    f"{DRUG}.RadiopharmaceuticalStartDateTime": "20250228110000",
    "PatientWeight": 80,
    "CorrectedImage": ["ATTN", "SCAT"],
}
_VOXEL_mL = 0.08


def _bq_per_mL(seconds: float) -> float:
    """Of an SUV of 0.01."""
    return 7.4e9 * 2 ** (-seconds / LU_HALF_LIFE_S) / 80_000 / 100


def _table() -> Any:
    item = mapping(1.0)
    del item.RealWorldValueSlope, item.RealWorldValueIntercept
    item.RealWorldValueLUTData = [n * _bq_per_mL(86400.0) for n in range(600)]
    item["RealWorldValueLastValueMapped"].value = 599
    return item


_COUNTS_PER_BQ_ML = 10e-6 * 1200 * _VOXEL_mL  # 10 cps/MBq, 60 views of 20 s
CALIBRATED = OperatorOverrides(calibration=Calibration(10.0, "total"))
NONE = OperatorOverrides()


def kinds() -> dict[str, tuple[Any, OperatorOverrides]]:
    """Mapping (None for enhanced PET) and what the operator states, by name."""
    middle = _bq_per_mL(86400.0 + 600.0)
    return {
        "activity": ([mapping(_bq_per_mL(86400.0))], NONE),
        "kBq": ([mapping(_bq_per_mL(86400.0) / 1e3, 0.0, "kBq/ml")], NONE),
        "SUV": ([mapping(0.01, 0.0, "g/ml{SUVbw}")], NONE),
        "table": ([_table()], NONE),
        "counts": ([mapping(middle * _COUNTS_PER_BQ_ML, 0.0, "{counts}")], CALIBRATED),
        "count rate": ([mapping(middle * _COUNTS_PER_BQ_ML / 1200, 0.0, "{counts}/s")], CALIBRATED),
        "enhanced": (None, NONE),
        "enhanced kBq": ("kBq/ml", NONE),
    }


def write(name: str, path: Path) -> FileDataset:
    """Write the valid object of a kind; returns it as it is read back."""
    chosen, _ = kinds()[name]
    if name.startswith("enhanced"):
        unit = chosen or "Bq/ml"
        slope = 370e6 * math.exp(-math.log(2) * 3600 / F_HALF_LIFE_S) / 70_000 / 100 / (1e3 if chosen else 1.0)
        enhanced_pet(STORED, slopes=[slope] * len(STORED), unit=unit).save_as(path, enforce_file_format=True)
    else:
        write_nm(path, STORED, mappings=chosen, changes=_PATIENT)
    return dcmread(path)


_MAPPING = "RealWorldValueMappingSequence"
_OF_MAPPING = (
    f"{_MAPPING}.RealWorldValueSlope",
    f"{_MAPPING}.RealWorldValueIntercept",
    f"{_MAPPING}.RealWorldValueFirstValueMapped",
    f"{_MAPPING}.RealWorldValueLastValueMapped",
    f"{_MAPPING}.RealWorldValueLUTData",
    f"{_MAPPING}.MeasurementUnitsCodeSequence",
    f"{_MAPPING}.MeasurementUnitsCodeSequence.CodeValue",
)
_OF_ALL = (
    "PatientWeight",
    f"{DRUG}.RadionuclideTotalDose",
    f"{DRUG}.RadionuclideHalfLife",
    f"{DRUG}.RadiopharmaceuticalStartDateTime",
    "Rows",
    "Columns",
    "BitsAllocated",
    "NumberOfFrames",
)
_OF_NM = (
    *_OF_MAPPING,
    _MAPPING,
    "AcquisitionDate",
    "AcquisitionTime",
    "SliceVector",
    "SpacingBetweenSlices",
    "PixelSpacing",
    "RotationInformationSequence.ActualFrameDuration",
    "RotationInformationSequence.NumberOfFramesInRotation",
    "DetectorInformationSequence.ImageOrientationPatient",
)
_FRAME = "PerFrameFunctionalGroupsSequence"
_OF_ENHANCED = (
    *(f"{_FRAME}.{name}" for name in _OF_MAPPING),
    f"{_FRAME}.{_MAPPING}",
    "DecayCorrected",
    "DecayCorrectionDateTime",
    "AttenuationCorrected",
    f"{_FRAME}.PlanePositionSequence.ImagePositionPatient",
    "SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing",
)
_BROKEN = ("abc", "70,5", "1.2.3", "NaN", "inf", "--5", "1e999", "10 kg", "1\\2", "?", "XXXX")
_ABSURD = ("0", "-1", "1e30", "-1e30", "1e-30", "999999999999", "1E15", "20990101000000", "Bq/l", "GBq/ml")


def mutate(ds: FileDataset, rng: np.random.Generator) -> tuple[str, str] | None:
    """Change one attribute; its keyword and what was done, None where the object has it not."""
    pool = (*_OF_ALL, *(_OF_ENHANCED if "PerFrameFunctionalGroupsSequence" in ds else _OF_NM))
    key = pool[rng.integers(len(pool))]
    holder: Any = ds
    *outer, keyword = key.split(".")
    for name in outer:
        if name not in holder or not len(holder[name].value):
            return None
        items = holder[name].value
        holder = items[rng.integers(len(items))] if name == _FRAME else items[0]
    if keyword not in holder:
        return None
    kind = ("missing", "empty", "broken", "absurd")[rng.integers(4)]
    tag = holder[keyword].tag
    if kind == "missing" or holder[keyword].VR == "SQ":
        del holder[tag]
        return keyword, f"missing {key}"
    values = {"empty": ("",), "broken": _BROKEN, "absurd": _ABSURD}[kind]
    value = values[rng.integers(len(values))]
    holder[tag] = DataElement(tag, "LO", value)
    return keyword, f"{kind} {key} = {value!r}"


def name_of(keyword: str) -> str:
    """What an error may call an attribute."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    return dictionary_description(tag) if tag and dictionary_has_tag(tag) else keyword
