"""A trial's rules, read from a protocol file; every rule of a trial is configuration, none is code.

A new trial is a copy of ``Resources/Protocols/lutia.json`` or ``ia-versus-iv.json`` with other values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.resources import resource_path

AGGREGATIONS = ("geometric-mean", "arithmetic-mean", "median", "volume-weighted-mean")
REFERENCES = ("same-lobe", "contralateral-lobe", "whole-liver", "fixed-sphere")
DESIGNS = ("lobe-against-lobe", "ia-versus-iv")
METRICS = ("mean", "suv_max", "suv_peak", "suv_mean")


class ProtocolError(PRRTError):
    """A protocol file has an unknown key or an impossible value."""


@dataclass(frozen=True)
class ImagingRules:
    """Which image is measured, when, and at what resolution; on which image contours are drawn.

    ``time_zero`` says from where an infusion's hours are counted in dosimetry: its start, middle or end.
    """

    modality: str
    time_after_injection_h: float
    fwhm_mm: float
    contours_on: str
    time_zero: str = "start"


@dataclass(frozen=True)
class TargetRules:
    """Which lesions are targets: longest axial diameter above ``minimum_diameter_mm``, the largest first."""

    minimum_diameter_mm: float
    maximum_per_lobe: int
    maximum_total: int


@dataclass(frozen=True)
class ReferenceRules:
    """Which healthy liver is the non-tumour reference, and how far it stays from lesions and the liver's rim."""

    kind: str
    lesion_margin_mm: float
    rim_mm: float
    minimum_volume_mL: float = 10.0


@dataclass(frozen=True)
class EndpointRules:
    """How lesions become the patient's value and patients become the endpoint; the bootstrap is seeded."""

    metric: str
    cycle: int
    aggregation: str
    test: str
    confidence: float
    threshold: float
    bootstrap_samples: int = 10000
    bootstrap_seed: int = 20240926


@dataclass(frozen=True)
class RepeatabilityRules:
    """How well SUV repeats: within-subject coefficient of variation, and the part that lesions of one scan share."""

    within_subject_cv: float = 0.10
    correlation_between_lesions: float = 0.0


@dataclass(frozen=True)
class Protocol:
    """All rules of a trial."""

    name: str
    title: str
    source: str
    design: str
    nuclide: str
    cycles: int
    activity_MBq: float
    imaging: ImagingRules
    targets: TargetRules
    reference: ReferenceRules
    metrics: tuple[str, ...]
    endpoint: EndpointRules
    repeatability: RepeatabilityRules = RepeatabilityRules()
    sha256: str = ""
    text: str = field(default="", repr=False)  # of the file, so that it can go with the results


def available_protocols() -> tuple[str, ...]:
    """Names of the shipped protocols."""
    return tuple(sorted(path.stem for path in resource_path(__file__, "Protocols").glob("*.json")))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Load a shipped protocol by name, or any protocol file by path.

    Raises
    ------
    ProtocolError
        If there is no such protocol, the file is not JSON, a key is unknown or missing, or a value is impossible.

    Examples
    --------
    >>> load_protocol("lutia").targets.minimum_diameter_mm
    30.0
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        known = available_protocols()
        if str(name_or_path) not in known:
            raise ProtocolError(f"There is no protocol '{name_or_path}': use {', '.join(known)} or a .json file.")
        path = resource_path(__file__, "Protocols", f"{name_or_path}.json")
    try:
        data = path.read_bytes()
        content = json.loads(data)
    except (OSError, ValueError) as error:
        raise ProtocolError(f"The protocol {path} cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ProtocolError(f"The protocol {path.name} must be a JSON object, not a {type(content).__name__}.")
    protocol = _build(
        Protocol, {**content, "sha256": hashlib.sha256(data).hexdigest(), "text": data.decode()}, path.name, ""
    )
    _check(protocol, path.name)
    return protocol


_SECTIONS: dict[str, type] = {
    "imaging": ImagingRules,
    "targets": TargetRules,
    "reference": ReferenceRules,
    "endpoint": EndpointRules,
    "repeatability": RepeatabilityRules,
}
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("word", (str,)),
    "int": ("whole number", (int,)),
    "float": ("number", (int, float)),
}


def _build(cls: type, content: Any, file: str, section: str) -> Any:
    if not isinstance(content, dict):
        raise ProtocolError(f"{file}: '{section}' must be an object with keys, not {content!r}.")
    known = {item.name: item for item in fields(cls)}
    unknown = sorted(set(content) - set(known))
    if unknown:
        names = ", ".join(name for name in known if name not in ("sha256", "text"))
        raise ProtocolError(f"{file}: unknown key '{section}{unknown[0]}'; known are {names}.")
    missing = [name for name, item in known.items() if name not in content and item.default is MISSING]
    if missing:
        raise ProtocolError(f"{file}: the key '{section}{missing[0]}' is missing.")
    values = {name: _value(known[name].type, name, value, file, section) for name, value in content.items()}
    return cls(**values)


def _value(kind: Any, name: str, value: Any, file: str, section: str) -> Any:
    if not section and name in _SECTIONS:
        return _build(_SECTIONS[name], value, file, f"{name}.")
    if str(kind).startswith("tuple"):
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise ProtocolError(f"{file}: '{section}{name}' must be a list of words, not {value!r}.")
        return tuple(value)
    wanted, types = _KINDS[str(kind)]
    if isinstance(value, bool) or not isinstance(value, types):
        raise ProtocolError(f"{file}: '{section}{name}' must be a {wanted}, not {value!r}.")
    return float(str(value)) if kind == "float" else value


def _check(protocol: Protocol, file: str) -> None:
    nuclide(protocol.nuclide)
    imaging, targets, reference, endpoint = protocol.imaging, protocol.targets, protocol.reference, protocol.endpoint
    words = (
        ("design", protocol.design, DESIGNS),
        ("reference.kind", reference.kind, REFERENCES),
        ("endpoint.aggregation", endpoint.aggregation, AGGREGATIONS),
        ("endpoint.test", endpoint.test, ("paired-t",)),
        ("imaging.modality", imaging.modality, ("SPECT", "PET")),
        ("imaging.contours_on", imaging.contours_on, ("CT", "MR")),
        ("imaging.time_zero", imaging.time_zero, ("start", "mid", "end")),
    )
    for key, value, allowed in words:
        if value not in allowed:
            raise ProtocolError(f"{file}: '{key}' is '{value}', but must be one of {', '.join(allowed)}.")
    for metric in protocol.metrics:
        if metric not in METRICS:
            raise ProtocolError(f"{file}: the metric '{metric}' is not one of {', '.join(METRICS)}.")
    ranges = (
        ("cycles", protocol.cycles, 1, 20),
        ("activity_MBq", protocol.activity_MBq, 1, 1e6),
        ("imaging.time_after_injection_h", imaging.time_after_injection_h, 0, 1000),
        ("imaging.fwhm_mm", imaging.fwhm_mm, 0, 50),
        ("targets.minimum_diameter_mm", targets.minimum_diameter_mm, 0, 300),
        ("targets.maximum_per_lobe", targets.maximum_per_lobe, 1, 100),
        ("targets.maximum_total", targets.maximum_total, 1, 100),
        ("reference.lesion_margin_mm", reference.lesion_margin_mm, 0, 100),
        ("reference.rim_mm", reference.rim_mm, 0, 50),
        ("reference.minimum_volume_mL", reference.minimum_volume_mL, 0, 1000),
        ("endpoint.cycle", endpoint.cycle, 1, protocol.cycles),
        ("endpoint.confidence", endpoint.confidence, 0.5, 0.9999),
        ("repeatability.within_subject_cv", protocol.repeatability.within_subject_cv, 0, 1),
        ("repeatability.correlation_between_lesions", protocol.repeatability.correlation_between_lesions, 0, 1),
        ("endpoint.threshold", endpoint.threshold, 0, 1000),
        ("endpoint.bootstrap_samples", endpoint.bootstrap_samples, 0, 1_000_000),
        ("endpoint.bootstrap_seed", endpoint.bootstrap_seed, 0, 2**32 - 1),
    )
    for key, number, low, high in ranges:
        if not low <= number <= high:
            raise ProtocolError(f"{file}: '{key}' is {number}, but must lie between {low} and {high}.")
