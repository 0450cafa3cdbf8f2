"""A trial's rules, read from a protocol file; every rule of a trial is configuration, none is code.

A new trial is a copy of ``Resources/Protocols/lutia.json``, ``ia-versus-iv.json`` or ``single-arm.json`` with other
values.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.segmentation.response import CRITERIA, PERCIST, RECIST
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.schema.containers import ListOf, Record
from PRRTUptakeLib.study.schema.dose_keys import DOSE_MAP_RULES, TISSUES
from PRRTUptakeLib.study.schema.fields import Field, Number, Text, Word
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.shared_keys import PARTIAL_VOLUME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTUptakeLib.study.designs.base import Design, DesignRules


@dataclass(frozen=True, kw_only=True)
class ImagingRules:
    """Which image is measured, when, and at what resolution; on which image contours are drawn.

    ``time_zero`` says from where an infusion's hours are counted in dosimetry: its start, middle or end.
    ``fwhm_u_percent`` is the standard uncertainty of the resolution ``fwhm_mm`` in percent of it.
    """

    modality: str
    time_after_injection_h: float
    fwhm_mm: float
    contours_on: str
    time_zero: str = "start"
    fwhm_u_percent: float = 15.0


@dataclass(frozen=True, kw_only=True)
class TargetRules:
    """Which lesions are targets: longest axial diameter above ``minimum_diameter_mm``, the largest first.

    ``maximum_per_lobe`` is None in a design without lobes, where lesions anywhere are targets.
    """

    minimum_diameter_mm: float
    maximum_total: int
    maximum_per_lobe: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReferenceRules:
    """Which healthy liver is the non-tumour reference, and how far it stays from lesions and the liver's rim."""

    kind: str
    lesion_margin_mm: float
    rim_mm: float
    minimum_volume_mL: float = 10.0


@dataclass(frozen=True, kw_only=True)
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


# Of a design without endpoint: metric and level are those of readers compared with each other, nothing else is used.
_NO_ENDPOINT = EndpointRules(
    metric="tn_ratio", cycle=1, aggregation="geometric-mean", test="none", confidence=0.95, threshold=1.0
)


@dataclass(frozen=True, kw_only=True)
class RepeatabilityRules:
    """How well SUV repeats: within-subject coefficient of variation, and the part that lesions of one scan share.

    The defaults are those of the shipped protocol ``ia-versus-iv``; `study.eligibility.eligibility` names the sources.
    """

    within_subject_cv: float = 0.10
    correlation_between_lesions: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """All rules of a trial.

    ``partial_volume`` is the correction that is asked for: "none", "gtm" (geometric transfer matrix) or "recovery"
    (coefficients of a phantom); ``response_criteria`` are those of later visits, one of CRITERIA;
    ``tissues`` are radiosensitivities by organ, as settings of doses have them;
    ``dose_maps`` is how dose maps are made where a case asks for one (integration, accumulate, transport);
    ``remarks`` are sentences on keys of the file that say nothing new.
    """

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
    endpoint: EndpointRules = field(default_factory=lambda: _NO_ENDPOINT)
    repeatability: RepeatabilityRules = field(default_factory=lambda: RepeatabilityRules())
    partial_volume: str = "none"
    tissues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dose_maps: Mapping[str, Any] = field(default_factory=dict)
    response_criteria: str = RECIST
    remarks: tuple[str, ...] = ()
    sha256: str = ""
    text: str = field(default="", repr=False)  # of the file, so that it can go with the results

    @property
    def rules(self) -> DesignRules:
        """What the design can do."""
        return _design(self.design).rules

    @property
    def metrics(self) -> tuple[str, ...]:
        """Words of the uptake that the design measures."""
        return self.rules.uptake

    def at_resolution(self, fwhm_mm: float) -> Protocol:
        """The same rules for a camera of known resolution; 0 keeps the protocol's."""
        return replace(self, imaging=replace(self.imaging, fwhm_mm=fwhm_mm)) if fwhm_mm > 0 else self


def _designs() -> tuple[Design, ...]:
    """All designs; imported where used, since they measure by protocols."""
    from PRRTUptakeLib.study.designs import DESIGNS

    return DESIGNS


def _design(name: str) -> Design:
    from PRRTUptakeLib.study.designs import design_named

    return design_named(name)


def available_protocols() -> tuple[str, ...]:
    """Names of the shipped protocols."""
    return tuple(sorted(path.stem for path in resource_path(__file__, "Protocols").glob("*.json")))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Load a shipped protocol by name, or any protocol file by path.

    Raises
    ------
    InputFileError
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
            raise InputFileError(f"There is no protocol '{name_or_path}': use {', '.join(known)} or a .json file.")
        path = resource_path(__file__, "Protocols", f"{name_or_path}.json")
    place = Place(file=path.name)
    content = read_json_file(path, place)
    data = path.read_bytes()
    protocol: Protocol = protocol_record().read(content, place)
    return replace(protocol, sha256=hashlib.sha256(data).hexdigest(), text=data.decode())


def _number(low: float, high: float, about: str, unit: str = "", whole: bool = False) -> Number:
    return Number(low=low, high=high, about=about, unit=unit, whole=whole)


_IMAGING = Record(
    about="Which image is measured, when, and at what resolution; on which image contours are drawn.",
    make=ImagingRules,
    required={
        "modality": Word(words=("SPECT", "PET"), about="Of the measured image."),
        "time_after_injection_h": _number(0, 1000, "Planned time of the image after injection", "h"),
        "fwhm_mm": _number(0, 50, "Resolution of the image, full width at half maximum", "mm"),
        "contours_on": Word(words=("CT", "MR"), about="Modality that contours are drawn on."),
    },
    optional={
        "time_zero": Word(words=("start", "mid", "end"), about="From where an infusion's hours are counted."),
        "fwhm_u_percent": _number(0, 100, "Standard uncertainty of the resolution (15 if left out)", "%"),
    },
)
_TARGETS = Record(
    about="Which lesions are targets: those longer than the least diameter, the largest first.",
    make=TargetRules,
    required={
        "minimum_diameter_mm": _number(0, 300, "Longest axial diameter that a target must exceed", "mm"),
        "maximum_total": _number(1, 100, "Most targets of one patient.", whole=True),
    },
    optional={
        "maximum_per_lobe": _number(1, 100, "Most targets of one lobe, in designs that have lobes.", whole=True),
    },
)
_ENDPOINT: dict[str, Field] = {
    "cycle": _number(1, 20, "Cycle of the endpoint.", whole=True),
    "test": Word(words=("paired-t",), about="Test on the logarithms of the ratios."),
    "confidence": _number(0.5, 0.9999, "Level of the intervals, such as 0.95."),
    "threshold": _number(0, 1000, "Ratio from which a patient is a responder."),
}
_BOOTSTRAP: dict[str, Field] = {
    "bootstrap_samples": _number(0, 1_000_000, "Samples of the bootstrap; 0 for none.", whole=True),
    "bootstrap_seed": _number(0, 2**32 - 1, "Seed of its random numbers.", whole=True),
}
_REPEATABILITY = Record(
    about="How well SUV repeats.",
    make=RepeatabilityRules,
    optional={
        "within_subject_cv": _number(0, 1, "Coefficient of variation of a repeated SUV within a patient."),
        "correlation_between_lesions": _number(
            0,
            1,
            "Part of it that lesions of one scan share; 0.7 if left out: 1 - (5.6/10)^2, for 10 % in all (Weber 2015, "
            "doi:10.2967/jnumed.114.147728), of which 5.6 % is each lesion's own noise (Lodge 2012, "
            "doi:10.2967/jnumed.111.101733).",
        ),
    },
)
_OLD_METRICS = ListOf(
    item=Text(), least=1, most=100, about="Of older files; says what the design measures anyway: leave it out."
)


def protocol_record() -> Record:
    """The declaration of a protocol file, with the words of all designs of the registry."""
    from PRRTUptakeLib.study.designs import design_names

    designs = [one.rules for one in _designs()]

    def words(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word for one in lists for word in one))

    return Record(
        about="A protocol of SlicerPRRT: all rules of a trial.",
        rules=(_fits_its_design, _cannot_work),
        more={"allOf": [_of_design(one) for one in _designs()]},
        make=_protocol,
        required={
            "name": Text(name=True, about="Short name."),
            "title": Text(about="Title, for reports."),
            "source": Text(about="Where the rules are from."),
            "design": Word(words=design_names(), about="What is compared."),
            "nuclide": Text(rule=nuclide, about="Radionuclide of the measured image, such as Lu-177."),
            "cycles": _number(1, 20, "Number of therapy cycles.", whole=True),
            "activity_MBq": _number(1, 1e6, "Planned activity of one administration", "MBq"),
            "imaging": _IMAGING,
            "targets": _TARGETS,
            "reference": Record(
                about="Which healthy liver is the non-tumour reference, and its distance from lesions and rim.",
                make=ReferenceRules,
                required={
                    "kind": Word(words=words(one.references for one in designs), about="Which reference region."),
                    "lesion_margin_mm": _number(0, 100, "Distance from lesions", "mm"),
                    "rim_mm": _number(0, 50, "Distance from the liver's surface", "mm"),
                },
                optional={"minimum_volume_mL": _number(0, 1000, "Least volume of the region", "mL")},
            ),
        },
        optional={
            "endpoint": Record(
                about="How lesions become the patient's value, and patients the endpoint, in designs that have one.",
                make=EndpointRules,
                required={
                    "metric": Word(words=words(one.metrics for one in designs), about="Metric of the endpoint."),
                    "aggregation": Word(
                        words=words(one.aggregations for one in designs), about="From lesions to one value."
                    ),
                    **_ENDPOINT,
                },
                optional=_BOOTSTRAP,
            ),
            "$schema": Text(about="Names this schema for editors; nothing else reads it."),
            "repeatability": _REPEATABILITY,
            "partial_volume": Word(words=PARTIAL_VOLUME, about="Partial volume correction of uptake and doses."),
            "tissues": TISSUES,
            "dose_maps": DOSE_MAP_RULES,
            "response_criteria": Word(
                words=CRITERIA, about="Response of later cycles and follow-up visits (recist-1.1 if left out)."
            ),
            "metrics": _OLD_METRICS,
        },
    )


def _of_design(design: Design) -> dict[str, Any]:
    """What a design allows, as JSON Schema."""
    rules, names = design.rules, [*design.aliases, design.name]
    endpoint = {"metric": {"enum": list(rules.metrics)}, "aggregation": {"enum": list(rules.aggregations)}}
    per_lobe: dict[str, Any] = {"required": ["maximum_per_lobe"]}
    then: dict[str, Any] = {
        "endpoint": {"properties": endpoint} if rules.endpoint else {"not": {}},
        "targets": per_lobe if rules.by_lobe else {"properties": {"maximum_per_lobe": {"not": {}}}},
        "reference": {"properties": {"kind": {"enum": list(rules.references)}}},
        "metrics": {"items": {"enum": list(rules.uptake)}},
    }
    needed = {"required": ["endpoint"]} if rules.endpoint else {}
    return {"if": {"properties": {"design": {"enum": names}}}, "then": {"properties": then, **needed}}


def _protocol(metrics: tuple[str, ...] = (), **values: Any) -> Protocol:
    values.pop("$schema", None)
    remark = "The protocol's key 'metrics' has no effect, since the design says what is measured: remove it."
    return Protocol(**values, remarks=(remark,) if metrics else ())


def _fits_its_design(values: dict[str, Any], place: Place) -> None:
    """Refuse what the design does not have, by name."""
    design, rules = values["design"], _design(values["design"]).rules
    per_lobe = values["targets"].maximum_per_lobe
    needs = (
        (place.key("endpoint"), values.get("endpoint"), rules.endpoint, "which compares no patients"),
        (place.key("targets").key("maximum_per_lobe"), per_lobe, rules.by_lobe, "which has no lobes"),
    )
    for where, found, wanted, why in needs:
        if wanted and found is None:
            place.stop(f"the key {where.name} is missing: the design {design} needs it.")
        if found is not None and not wanted:
            place.stop(f"{where.name} has no effect in the design {design}, {why}: remove it.")
    stated = [("reference", "kind", values["reference"].kind, rules.references)]
    if rules.endpoint:
        stated += [
            ("endpoint", "metric", values["endpoint"].metric, rules.metrics),
            ("endpoint", "aggregation", values["endpoint"].aggregation, rules.aggregations),
        ]
    for section, key, word, known in stated:
        if word not in known:
            place.key(section).key(key).refuse(word, f"one of {', '.join(known)} in the design {design}")
    for n, word in enumerate(values.get("metrics", ())):
        if word not in rules.uptake:
            where = place.key("metrics").item(n)
            place.stop(
                f"{where.name} is '{word}', which the design {design} does not measure; the key 'metrics' never had an "
                "effect, so remove it."
            )


def _cannot_work(values: dict[str, Any], place: Place) -> None:
    endpoint, cycles = values.get("endpoint"), values["cycles"]
    if endpoint is not None and endpoint.cycle > cycles:
        place.key("endpoint").key("cycle").refuse(endpoint.cycle, f"at most the number of cycles, {cycles}")
    if "response_criteria" in values and not _design(values["design"]).single_visits:
        place.stop(f"'response_criteria' has no effect in the design {values['design']}: remove it.")
    if values.get("response_criteria") == PERCIST and values["imaging"].modality != "PET":
        place.key("response_criteria").refuse(PERCIST, "recist-1.1 or mrecist, since 'imaging.modality' is not PET")
    if values.get("partial_volume") == "gtm" and values["imaging"].fwhm_mm <= 0:
        place.stop("'partial_volume' gtm needs the camera's resolution: give 'imaging.fwhm_mm' above 0.")
