"""The patient's size, and what SUVs are normalised to.

Lean body mass: Morgan and Bray (factor 120) and James (1976, factor 128), as DICOM PS3.3 C.8.9.1.1.3 names them;
Janmahasatian et al. 2005, doi:10.2165/00003088-200544100-00004. Ideal body weight: Sugawara et al. 1999,
doi:10.1148/radiology.213.2.r99nv37521. Body surface area: Du Bois and Du Bois 1916,
doi:10.1001/archinte.1916.00080130010002. For sex O the mean of both is taken, as there is no agreed value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.header_check import compared_with_header, readable_number
from PRRTUptakeLib.dicom.headers import label, number, required_number, text
from PRRTUptakeLib.dicom.operator_overrides import DOUBT

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides


_USUAL_INDEX = (11.0, 45.0)  # kg/m2; of 100 patients, children among them, hardly one is beyond
_TALLEST_M = 2.5  # above, a Patient's Size can only be in centimetres


@dataclass(frozen=True)
class Body:
    """Weight, height (None if not known) and sex ("" if not known) of the patient, and where they were taken from."""

    weight_kg: float
    height_cm: float | None = None
    sex: str = ""
    decisions: tuple[str, ...] = ()


def lean_body_mass_kg(body: Body, formula: str = "lbm") -> float:
    """Lean body mass by Morgan ("lbm"), James ("lbm-james") or Janmahasatian ("lbm-janma").

    Examples
    --------
    >>> man = Body(70, 175, "M")
    >>> [round(lean_body_mass_kg(man, formula), 2) for formula in ("lbm", "lbm-james", "lbm-janma")]
    [57.8, 56.52, 55.86]
    """
    height_cm = _height(body, formula)
    weight_kg = body.weight_kg
    if formula == "lbm-janma":
        bmi = weight_kg / (height_cm / 100) ** 2
        return _by_sex(body, formula, 9270 * weight_kg / (6680 + 216 * bmi), 9270 * weight_kg / (8780 + 244 * bmi))
    factor = 120 if formula == "lbm" else 128
    ratio = (weight_kg / height_cm) ** 2
    mass = _by_sex(body, formula, 1.10 * weight_kg - factor * ratio, 1.07 * weight_kg - 148 * ratio)
    if mass <= 0:
        raise DicomError(
            f"The lean body mass formula '{formula}' gives {mass:.1f} kg for {weight_kg:g} kg and {height_cm:g} cm: "
            "use lbm-janma."
        )
    return mass


def ideal_body_weight_kg(body: Body) -> float:
    """Ideal body weight.

    Examples
    --------
    >>> round(ideal_body_weight_kg(Body(70, 175, "M")), 2)
    72.38
    """
    height_cm = _height(body, "ibw")
    weight = _by_sex(body, "ibw", 48.0 + 1.06 * (height_cm - 152), 45.5 + 0.91 * (height_cm - 152))
    if weight <= 0:
        raise DicomError(f"The ideal body weight of a patient of {height_cm:g} cm is not defined: use bw.")
    return weight


def body_surface_area_m2(body: Body) -> float:
    """Body surface area.

    Examples
    --------
    >>> round(body_surface_area_m2(Body(70, 175)), 3)
    1.848
    """
    return float(0.007184 * _height(body, "bsa") ** 0.725 * body.weight_kg**0.425)


def factor_from_bw(kind: str, body: Body) -> float:
    """What an SUVbw is multiplied by to give the SUV of another kind.

    Examples
    --------
    >>> round(factor_from_bw("bsa", Body(70, 175)), 4)  # cm2 per g
    0.264

    Raises
    ------
    DicomError
        If height or sex is needed and not known.
    """
    if kind == "bw":
        return 1.0
    if kind == "bsa":
        return body_surface_area_m2(body) * 1e4 / (body.weight_kg * 1e3)
    mass = ideal_body_weight_kg(body) if kind == "ibw" else lean_body_mass_kg(body, kind)
    return mass / body.weight_kg


def _height(body: Body, kind: str) -> float:
    if body.height_cm is None:
        raise DicomError(f"{label('PatientSize')} is missing, and SUV {kind} needs it: give the height.")
    return body.height_cm


def _by_sex(body: Body, kind: str, man: float, woman: float) -> float:
    values = {"M": man, "F": woman, "O": (man + woman) / 2}
    if body.sex not in values:
        raise DicomError(
            f"{label('PatientSex')} is '{body.sex}', and SUV {kind} needs it to be M, F or O: give the sex."
        )
    return values[body.sex]


def header_body(dataset: Dataset, where: str, inputs: OperatorOverrides) -> Body:
    """The patient's size from the operator or else the header.

    Raises
    ------
    DicomError
        If the weight is missing, or weight or height is impossible, or they contradict each other.
    """
    decisions = []
    if inputs.weight_kg is not None:
        weight_kg = inputs.weight_kg
        decisions.append(f"Weight {weight_kg:g} kg, as the operator stated.")
        header_kg = readable_number(dataset, "PatientWeight", where)
        decisions += compared_with_header("weight_kg", "kg", weight_kg, header_kg, inputs)
    else:
        if number(dataset, "PatientWeight", where) is None:
            raise DicomError(f"{label('PatientWeight')} of {where} is missing: give the weight.")
        weight_kg = required_number(dataset, "PatientWeight", where, 1, 300)
    if inputs.height_cm is not None:
        height_cm: float | None = inputs.height_cm
        decisions.append(f"Height {inputs.height_cm:g} cm, as the operator stated.")
        header_m = readable_number(dataset, "PatientSize", where)
        header_cm = None if header_m is None else header_m * 100 if header_m <= _TALLEST_M else header_m
        decisions += compared_with_header("height_cm", "cm", inputs.height_cm, header_cm, inputs)
    else:
        height_cm, note = _header_height(dataset, where)
        decisions += note
    index = math.nan if height_cm is None else weight_kg / (height_cm / 100) ** 2
    if height_cm is not None and not 5 <= index <= 150:
        raise DicomError(
            f"{label('PatientWeight')} {weight_kg:g} kg and {label('PatientSize')} {height_cm:g} cm of {where} do not "
            "fit one patient: give weight and height."
        )
    if not math.isnan(index) and not _USUAL_INDEX[0] <= index <= _USUAL_INDEX[1]:
        decisions.append(
            f"{DOUBT}{weight_kg:g} kg at {height_cm:g} cm is a body mass index of {index:.0f} kg/m2: check both, the "
            "weight may be in pounds."
        )
    sex = text(dataset, "PatientSex", where).upper()
    if inputs.sex is not None:
        sex = inputs.sex
        decisions.append(f"Sex {sex}, as the operator stated.")
        header_sex = text(dataset, "PatientSex", where).upper()
        if header_sex in ("M", "F") and header_sex != sex:
            decisions.append(
                f"{DOUBT}the header says that the sex is {header_sex}, the operator {sex}, which is taken."
            )
    return Body(weight_kg, height_cm, sex, tuple(decisions))


def _header_height(dataset: Dataset, where: str) -> tuple[float | None, list[str]]:
    size = number(dataset, "PatientSize", where)
    if size is None or size == 0:
        return None, []
    if 0.2 <= size <= 2.5:
        return size * 100, []
    if 20 <= size <= 250:
        return size, [f"{label('PatientSize')} is {size:g}, which can only be centimetres."]
    raise DicomError(f"{label('PatientSize')} of {where} is {size:g} m, which is impossible: give the height.")
