"""Which DICOM codes our structures and metrics have (PS3.16; schemes DCM, SCT, UCUM).

What has no standard code carries one of our own, in the private scheme 99PRRT whose values are the words of the metric.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from highdicom.sr import CodedConcept

from PRRTUptakeLib.export.dicom_objects import PRIVATE
from PRRTUptakeLib.export.errors import ExportError

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.codes import Code

_LONGEST = 16  # of a Code Value (VR SH)

_MEAN = ("373098007", "SCT", "Mean")
_DERIVATIONS = {
    "mean": _MEAN,
    "sd": ("386136009", "SCT", "Standard Deviation"),
    "min": ("255605001", "SCT", "Minimum"),
    "max": ("56851009", "SCT", "Maximum"),
    "median": ("373099004", "SCT", "Median"),
    "peak": ("126031", "DCM", "Peak Value Within ROI"),
}
# What an image in these units shows.
_QUANTITIES = {
    "Bq/ml": ("126377", "DCM", "Tracer Concentration"),
    "g/ml{SUVbw}": ("126401", "DCM", "SUVbw"),
    "g/ml{SUVlbm}": ("126402", "DCM", "SUVlbm"),
    "g/ml{SUVlbm(James128)}": ("126406", "DCM", "SUVlbm(James128)"),
    "g/ml{SUVlbm(Janma)}": ("126405", "DCM", "SUVlbm(Janma)"),
    "cm2/ml{SUVbsa}": ("126403", "DCM", "SUVbsa"),
    "g/ml{SUVibw}": ("126404", "DCM", "SUVibw"),
}
TIA_MAP = ("TIA", PRIVATE, "Time-integrated activity concentration")
_METRICS = {
    "volume": ("118565006", "SCT", "Volume"),
    "mass": ("4147007", "SCT", "Mass"),
    "longest_axial_diameter": ("103339001", "SCT", "Long axis"),
    "perpendicular_diameter": ("103340004", "SCT", "Short axis"),
    "tn_ratio": ("126039", "DCM", "Lesion to Background SUV Ratio"),  # activity and SUV give the same ratio
    "dose": ("128513", "DCM", "Absorbed Dose"),
}
_UNITS = {
    "1": "no units",
    "mL": "milliliter",
    "mm": "millimeter",
    "g": "gram",
    "h": "hour",
    "Gy": "gray",
    "MBq.h": "megabecquerel hour",
    "Bq/ml": "Becquerels/milliliter",
    "g/ml{SUVbw}": "Standardized Uptake Value body weight",
}


def coded(code: Code) -> CodedConcept:
    """One of our codes as highdicom has it."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def quantity_code(unit: str) -> CodedConcept | None:
    """What an image in this unit shows; None if no such image is known.

    Examples
    --------
    >>> quantity_code("g/ml{SUVbw}").value
    '126401'
    """
    return _concept(_QUANTITIES[unit]) if unit in _QUANTITIES else None


def unit_code(unit: str) -> CodedConcept:
    """A UCUM unit."""
    return CodedConcept(value=unit, scheme_designator="UCUM", meaning=_UNITS.get(unit, unit))


def metric_code(metric: str, unit: str) -> tuple[CodedConcept, CodedConcept | None]:
    """Name of a measurement, and its derivation (mean, maximum) where it is a statistic of an image.

    Examples
    --------
    >>> [code.meaning for code in metric_code("mean", "Bq/ml")]
    ['Tracer Concentration', 'Mean']
    >>> metric_code("tiac", "h")[0].value
    'TIAC'
    """
    statistic = metric.removeprefix("suv_")
    if statistic in _DERIVATIONS and unit in _QUANTITIES:
        return _concept(_QUANTITIES[unit]), _concept(_DERIVATIONS[statistic])
    if metric in _METRICS:
        return _concept(_METRICS[metric]), None
    return CodedConcept(_private_value(metric), PRIVATE, metric.replace("_", " ")[:64]), None


def metric_of(name: CodedConcept, derivation: CodedConcept | None, where: str) -> str:
    """The metric's word behind its codes.

    Raises
    ------
    ExportError
        If the codes are not known.
    """
    key = (name.value, name.scheme_designator)
    if derivation is not None:
        wanted = (derivation.value, derivation.scheme_designator)
        quantities = [code[:2] for code in _QUANTITIES.values()]
        for word, code in _DERIVATIONS.items():
            if code[:2] == wanted and key in quantities:
                return word if key[0] == "126377" else f"suv_{word}"
    elif key[1] == PRIVATE:
        word = name.meaning.replace(" ", "_")
        if _private_value(word) == key[0]:
            return str(word)
    else:
        for word, code in _METRICS.items():
            if code[:2] == key:
                return word
    also = f" with derivation {derivation.scheme_designator} {derivation.value}" if derivation is not None else ""
    raise ExportError(
        f"{where} holds a measurement with the code {key[1]} {key[0]} ({name.meaning}){also}, which is not known: "
        "only reports written by SlicerPRRT can be read."
    )


def _private_value(metric: str) -> str:
    value = metric.upper()
    if len(value) <= _LONGEST:
        return value
    return f"{value[:7]}_{zlib.crc32(metric.encode()):08X}"


def _concept(parts: tuple[str, str, str]) -> CodedConcept:
    return CodedConcept(*parts)
