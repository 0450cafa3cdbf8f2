"""Valid PET headers of many kinds, and seeded mutations of them, for the fuzzing of header reading.

Every header is made so that the true SUVbw of a voxel is its stored value / 100. Mutated values are written as text
that pydicom does not check; with implicit VR they are then read by the VR of the dictionary, as a broken file would be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import DataElement

from builders.dicom_builders import ABSENT, radionuclide, slices

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

DRUG = "RadiopharmaceuticalInformationSequence"
STORED = np.arange(100, 100 + 2 * 3 * 3, dtype=np.int16).reshape(2, 3, 3)
RATE = math.log(2) / 6586.2
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_BODY_70_175 = {"lbm": 57.8 / 70, "bsa": 0.007184 * 175**0.725 * 70**0.425 * 1e4 / 70_000}


def _mean_count_s(duration_s: float, rate: float = RATE) -> float:
    return math.log(rate * duration_s / (1 - math.exp(-rate * duration_s))) / rate


def _start_slope(rate: float = RATE) -> float:
    return 370e6 * math.exp(-rate * 3600) / 70_000 / 100


def headers() -> dict[str, tuple[dict[str, Any], dict[str, list[Any]]]]:
    """Changes to the builder's header, and what differs between its two images, by name."""
    offsets = [_mean_count_s(300), 300 + _mean_count_s(300)]
    beds = {
        "AcquisitionTime": ["110000", "110500"],
        "FrameReferenceTime": [f"{1000 * offset:.1f}" for offset in offsets],
        "DecayFactor": [f"{math.exp(RATE * offset):.8f}" for offset in offsets],
    }
    start = {"RescaleSlope": _start_slope(), "StudyTime": "103000", "SeriesTime": "110000"}
    during = RATE * 300
    undecayed = [during / (1 - math.exp(-during)) * math.exp(RATE * (3600 + late)) for late in (0, 300)]
    gallium = math.log(2) / 4062.6
    return {
        "start": (start, beds),
        "start, series later": (start | {"SeriesTime": "140000"}, beds),
        "start, bare injection time": (start | {f"{DRUG}.RadiopharmaceuticalStartDateTime": ABSENT}, beds),
        "start, dose in MBq": (start | {f"{DRUG}.RadionuclideTotalDose": 370}, beds),
        "start, zone stated": (start | {"TimezoneOffsetFromUTC": "+0100"}, beds),
        "admin": (start | {"RescaleSlope": 370e6 / 70_000 / 100, "DecayCorrection": "ADMIN"}, beds),
        "none": (
            start | {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN", "SCAT"]},
            {
                "AcquisitionTime": beds["AcquisitionTime"],
                "FrameReferenceTime": beds["FrameReferenceTime"],
                "RescaleSlope": [370e6 / 70_000 / 100 / factor for factor in undecayed],
            },
        ),
        "gallium": (
            start
            | {
                "RescaleSlope": _start_slope(gallium),
                f"{DRUG}.RadionuclideHalfLife": 4062.6,
                f"{DRUG}.RadionuclideCodeSequence": [radionuclide("C-131A3", "^68^Gallium")],
            },
            {"AcquisitionTime": beds["AcquisitionTime"]}
            | {
                "FrameReferenceTime": [f"{1000 * (n * 300 + _mean_count_s(300, gallium)):.1f}" for n in range(2)],
                "DecayFactor": [f"{math.exp(gallium * (n * 300 + _mean_count_s(300, gallium))):.8f}" for n in range(2)],
            },
        ),
        "gml": (start | {"RescaleSlope": 0.01, "Units": "GML"}, beds),
        "lean": (start | {"RescaleSlope": 0.01 * _BODY_70_175["lbm"], "Units": "GML", "SUVType": "LBM"}, beds),
        "surface": (start | {"RescaleSlope": 0.01 * _BODY_70_175["bsa"], "Units": "CM2ML", "SUVType": "BSA"}, beds),
        "counts to SUV": (start | {"RescaleSlope": 2.0, "Units": "CNTS", (0x7053, 0x1000): "0.005"}, beds),
        "counts to activity": (
            start | {"RescaleSlope": 2.0, "Units": "CNTS", (0x7053, 0x1009): f"{_start_slope() / 2:.9f}"},
            beds,
        ),
        "GE scan time": (start | {"SeriesTime": "140000", (0x0009, 0x100D): "20250301110000"}, beds),
    }


_CREATORS = {0x7053: "Philips PET Private Group", 0x0009: "GEMS_PETD_01"}


def build(name: str, syntax: str = _EXPLICIT) -> list[FileDataset]:
    """The two images of a header."""
    changes, per_slice = headers()[name]
    private = {key: value for key, value in changes.items() if isinstance(key, tuple)}
    public = {key: value for key, value in changes.items() if isinstance(key, str)}
    images = slices(STORED, "PT", changes=public, per_slice=per_slice, syntax=syntax)
    for ds in images:
        for (group, element), value in private.items():
            ds.add_new((group, 0x0010), "LO", _CREATORS[group])
            ds.add_new((group, element), "DT" if group == 9 else "DS", value)
    return images


NUMBERS = (
    "RescaleSlope",
    "RescaleIntercept",
    "PatientWeight",
    "PatientSize",
    "ActualFrameDuration",
    "FrameReferenceTime",
    "DecayFactor",
    f"{DRUG}.RadionuclideTotalDose",
    f"{DRUG}.RadionuclideHalfLife",
    (0x7053, 0x1000),
    (0x7053, 0x1009),
)
WORDS = ("Units", "DecayCorrection", "CorrectedImage", "SUVType", "PatientSex", "TimezoneOffsetFromUTC")
TIMES = (
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    f"{DRUG}.RadiopharmaceuticalStartTime",
    f"{DRUG}.RadiopharmaceuticalStartDateTime",
    (0x0009, 0x100D),
)
PLACES = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
BITS = ("BitsAllocated", "BitsStored", "HighBit", "Rows", "Columns")
_NOT_NUMBERS = ("abc", "70,5", "1.2.3", "NaN", "inf", "-inf", "--5", "0x10", "1e999", "10 kg", "1\\2", "?")
_ABSURD_NUMBERS = ("0", "-1", "-370000000", "1e30", "-1e30", "1e-30", "999999999999", "-0.0", "1E15")
_NOT_TIMES = ("abc", "11h00", "1", "12:", "2025-03-01T11:00:00", "NaN", "20250301110000&0100", "110000\\120000")
_ABSURD_TIMES = (
    "00000000",
    "20251332",
    "99999999",
    "19000101",
    "20990101",
    "256161",
    "240000",
    "20250301250000",
    "-10",
)
_ODD_WORDS = ("XXXX", "-", "NULL", "0", "START\\ADMIN", "BQML\\GML", "ATTENUATION", "+2500")


def mutate(images: list[FileDataset], rng: np.random.Generator) -> tuple[str, list[Any]]:
    """Change one attribute (or swap two) of all images or of one; returns a description and the keys changed."""
    present = [
        key for key in (*NUMBERS, *WORDS, *TIMES, *PLACES) if _holder(images[0], key)[1] in _holder(images[0], key)[0]
    ]
    key = present[rng.integers(len(present))]
    kind = ("missing", "empty", "not a value", "absurd", "swapped")[rng.integers(5)]
    targets = images if rng.random() < 0.6 else [images[rng.integers(len(images))]]
    keys = [key]
    if kind == "swapped":
        others = [other for other in present if other != key]
        keys.append(others[rng.integers(len(others))])
    value = _new_value(key, kind, rng)
    for ds in targets:
        if kind == "swapped":
            _swap(ds, *keys)
        else:
            _replace(ds, key, value)
    return f"{kind} {' and '.join(map(str, keys))} = {value!r} in {len(targets)} of {len(images)}", keys


def _new_value(key: Any, kind: str, rng: np.random.Generator) -> str | None:
    pools = {
        "not a value": _NOT_TIMES if key in TIMES else _ODD_WORDS if key in WORDS else _NOT_NUMBERS,
        "absurd": _ABSURD_TIMES if key in TIMES else _ODD_WORDS if key in WORDS else _ABSURD_NUMBERS,
    }
    if kind in ("missing", "swapped"):
        return None
    if kind == "empty":
        return ""
    pool = pools[kind]
    value = pool[rng.integers(len(pool))]
    return "\\".join([value] * {"PixelSpacing": 2, "ImagePositionPatient": 3, "ImageOrientationPatient": 6}.get(key, 1))


def _holder(ds: Dataset, key: Any) -> tuple[Dataset, int]:
    if isinstance(key, tuple):
        return ds, key[0] << 16 | key[1]
    while "." in key:
        outer, key = key.split(".", 1)
        ds = ds[outer].value[0]
    return ds, tag_for_keyword(key)


def _replace(ds: Dataset, key: Any, value: str | None) -> None:
    holder, tag = _holder(ds, key)
    if value is None:
        del holder[tag]
    else:
        holder[tag] = DataElement(tag, "LO", value)


def _swap(ds: Dataset, first: Any, second: Any) -> None:
    places = [_holder(ds, key) for key in (first, second)]
    values = [as_text(holder[tag].value) for holder, tag in places]
    for (holder, tag), value in zip(places, reversed(values), strict=True):
        holder[tag] = DataElement(tag, "LO", value)


def as_text(value: Any) -> str:
    """A value as it would be in a file."""
    return value if isinstance(value, str) else "\\".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def names_of(keys: list[Any]) -> list[str]:
    """What an error may call these attributes."""
    private = {(0x7053, 0x1000): "7053,1000", (0x7053, 0x1009): "7053,1009", (0x0009, 0x100D): "0009,100D"}
    return [
        private[key] if isinstance(key, tuple) else dictionary_description(tag_for_keyword(key.split(".")[-1]))
        for key in keys
    ]


def syntax_of(rng: np.random.Generator) -> str:
    """Implicit or explicit VR."""
    return _IMPLICIT if rng.random() < 0.5 else _EXPLICIT
