"""How an emission series was acquired and reconstructed, as its header says it, and how two series differ in that.

A camera's calibration, recovery and resolution hold for one camera, collimator, energy window, voxel size and
reconstruction. Attributes: DICOM PS3.3 C.7.5.1, C.8.4.8, C.8.4.15, C.8.9.1 and C.8.15.2.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.headers import items, number, text, words
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.imaging.volume import Grid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

_SAME_VOXEL = 0.01  # relative
_SAME_keV = 1.5
_ITERATIONS = re.compile(r"(\d+)\s*(?:iterations|iter|it|i)[\s,x*_-]*(\d+)\s*(?:subsets|sub|s)\b", re.IGNORECASE)
_MARKS = ("DECY", "DTIM", "BEDR")  # of time, which quantification takes into account by itself


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """Attributes of one series; "" or 0 where the header is silent.

    Attributes
    ----------
    manufacturer, model, serial, software, institution, station : of the equipment.
    modality : NM or PT.
    collimator : its name, or else its type.
    windows_keV : energy windows, lower and upper limits.
    matrix : columns and rows.
    voxel_mm : i, j, k.
    reconstruction : method in words.
    iterations, subsets : of an iterative reconstruction.
    filter : convolution kernel or filter.
    corrections : as Corrected Image lists them, those of time left out.
    attenuation, scatter : methods of correction.
    """

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    software: str = ""
    institution: str = ""
    station: str = ""
    modality: str = ""
    collimator: str = ""
    windows_keV: tuple[tuple[float, float], ...] = ()
    matrix: tuple[int, int] = (0, 0)
    voxel_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reconstruction: str = ""
    iterations: int = 0
    subsets: int = 0
    filter: str = ""
    corrections: tuple[str, ...] = ()
    attenuation: str = ""
    scatter: str = ""

    def facts(self) -> dict[str, Any]:
        """Plain values, for files; what the header is silent on is left out."""
        found = {name: _plain(value) for name, value in asdict(self).items()}
        return {name: value for name, value in found.items() if value not in ("", 0, [], [0, 0], [0.0, 0.0, 0.0])}

    @property
    def camera(self) -> str:
        """The camera in words."""
        return " ".join(part for part in (self.manufacturer, self.model, self.serial) if part) or "camera not named"


NAMES = {
    "manufacturer": "manufacturer",
    "model": "model",
    "serial": "serial number",
    "modality": "modality",
    "collimator": "collimator",
    "windows_keV": "energy windows",
    "matrix": "matrix",
    "voxel_mm": "voxel size",
    "reconstruction": "reconstruction",
    "iterations": "iterations",
    "subsets": "subsets",
    "filter": "filter",
    "corrections": "corrections",
    "attenuation": "attenuation correction",
    "scatter": "scatter correction",
}
"""What two series are compared by, and what messages call it; software, institution and station may differ."""


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def acquisition_of(series: Series) -> Acquisition:
    """Read the attributes of a series.

    Raises
    ------
    PRRTError
        If an attribute is broken, or the images make no volume.
    """
    dataset, where = series.headers[0].dataset, series.label
    stack = arrange(series)
    grid = Grid(stack.shape, stack.ijk_to_ras)
    method = _method(dataset, where)
    iterations, subsets = _iterations(dataset, where, method, series.description)
    return Acquisition(
        manufacturer=text(dataset, "Manufacturer", where),
        model=text(dataset, "ManufacturerModelName", where),
        serial=text(dataset, "DeviceSerialNumber", where),
        software=text(dataset, "SoftwareVersions", where),
        institution=text(dataset, "InstitutionName", where),
        station=text(dataset, "StationName", where),
        modality=series.modality,
        collimator=_collimator(dataset, where),
        windows_keV=_windows(dataset, where),
        matrix=(stack.shape[2], stack.shape[1]),
        voxel_mm=grid.spacing_mm,
        reconstruction=method,
        iterations=iterations,
        subsets=subsets,
        filter=text(dataset, "ConvolutionKernel", where),
        corrections=tuple(sorted(set(words(dataset, "CorrectedImage", where)) - set(_MARKS))),
        attenuation=text(dataset, "AttenuationCorrectionMethod", where),
        scatter=text(dataset, "ScatterCorrectionMethod", where),
    )


def _collimator(dataset: Dataset, where: str) -> str:
    for holder in (*items(dataset, "DetectorInformationSequence", where)[:1], dataset):
        for keyword in ("CollimatorGridName", "CollimatorType"):
            found = text(holder, keyword, where)
            if found and found != "NONE":
                return found
    return ""


def _windows(dataset: Dataset, where: str) -> tuple[tuple[float, float], ...]:
    found = []
    for window in items(dataset, "EnergyWindowInformationSequence", where):
        for part in items(window, "EnergyWindowRangeSequence", where):
            low = number(part, "EnergyWindowLowerLimit", where)
            high = number(part, "EnergyWindowUpperLimit", where)
            if low is not None and high is not None:
                found.append((low, high))
    return tuple(sorted(found))


def _method(dataset: Dataset, where: str) -> str:
    found = text(dataset, "ReconstructionMethod", where)
    if found:
        return found
    for item in items(dataset, "ReconstructionAlgorithmSequence", where):
        meaning = text(item, "CodeMeaning", where)
        if meaning:
            return meaning
    iterative = text(dataset, "IterativeReconstructionMethod", where)
    return "iterative" if iterative.upper() == "YES" else ""


def _iterations(dataset: Dataset, where: str, method: str, description: str) -> tuple[int, int]:
    """By the attributes, else as methods and descriptions have them: "OSEM 4i8s", "4 iterations, 8 subsets"."""
    stated = [number(dataset, keyword, where) for keyword in ("NumberOfIterations", "NumberOfSubsets")]
    if stated[0] is not None:
        return int(stated[0]), int(stated[1] or 0)
    for words_of_it in (method, description):
        found = _ITERATIONS.search(words_of_it)
        if found:
            return int(found[1]), int(found[2])
    return 0, 0


def differences(one: Acquisition, other: Acquisition) -> dict[str, tuple[str, str]]:
    """Attributes in which two series differ, by their names in words, with both values ("" where one is silent).

    Examples
    --------
    >>> differences(Acquisition(collimator="MEGP"), Acquisition(collimator="LEHR"))
    {'collimator': ('MEGP', 'LEHR')}
    """
    found = {}
    for field in fields(Acquisition):
        name = NAMES.get(field.name)
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if name is not None and not _alike(field.name, mine, theirs):
            found[name] = (shown(field.name, mine), shown(field.name, theirs))
    return found


def _alike(name: str, mine: Any, theirs: Any) -> bool:
    if name == "voxel_mm":
        return all(abs(a - b) <= _SAME_VOXEL * max(a, b) for a, b in zip(mine, theirs, strict=True))
    if name == "windows_keV":
        return len(mine) == len(theirs) and all(
            abs(a - b) <= _SAME_keV
            for pair, other in zip(mine, theirs, strict=True)
            for a, b in zip(pair, other, strict=True)
        )
    if isinstance(mine, str):
        return mine.casefold().split() == str(theirs).casefold().split()
    return bool(mine == theirs)


def shown(name: str, value: Any) -> str:
    """An attribute's value in words.

    Examples
    --------
    >>> shown("voxel_mm", (4.42, 4.42, 4.42)), shown("windows_keV", ((187.2, 228.8),)), shown("iterations", 0)
    ('4.42 x 4.42 x 4.42 mm', '187.2 to 228.8 keV', '')
    """
    if not value:
        return ""
    if name == "voxel_mm":
        return " x ".join(f"{edge:.4g}" for edge in value) + " mm"
    if name == "windows_keV":
        return ", ".join(f"{low:.4g} to {high:.4g} keV" for low, high in value)
    if name == "matrix":
        return f"{value[0]} x {value[1]}"
    if name == "corrections":
        return ", ".join(value)
    return str(value)


def acquisition_from_facts(facts: dict[str, Any]) -> Acquisition:
    """The attributes from plain values, as `Acquisition.facts` gives them."""
    known = {field.name for field in fields(Acquisition)}
    values = {name: value for name, value in facts.items() if name in known}
    for name in ("voxel_mm", "corrections"):
        if name in values:
            values[name] = tuple(values[name])
    if "matrix" in values:
        values["matrix"] = (int(values["matrix"][0]), int(values["matrix"][1]))
    if "windows_keV" in values:
        values["windows_keV"] = tuple((float(low), float(high)) for low, high in values["windows_keV"])
    return Acquisition(**values)
