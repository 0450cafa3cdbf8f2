"""The data dictionary of ``measurements.csv``: a table schema in the manner of Frictionless Data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.segments import ROLES
from PRRTUptakeLib.study.measurements import COLUMNS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from PRRTUptakeLib.vocabulary import LOBES, metric_description

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PRRTUptakeLib.study.measurements import Measurement

FILE = "measurements.schema.json"
_LOBES = (*LOBES, "caudate", "liver", "none", "treated", "control")
_COLUMNS = {
    "patient": "The patient's identity as in the case file.",
    "cycle": "Number of the treatment cycle, from 1.",
    "visit": "Name of the visit; 'dosimetry' for what a whole cycle gives.",
    "image": "What was measured: SPECT, PET, CT or MRI.",
    "region": "Name of the region; 'patient' or a lobe for ratios of these.",
    "role": f"One of {', '.join(ROLES)}; empty for the patient.",
    "lobe": "Side of the liver, none outside; treated and control in an unblinded table.",
    "lesion": "Id of the lesion, the same in all visits; empty for other regions.",
    "metric": "What was measured, see 'metrics'. Words after a colon name another kind of reference region.",
    "value": "The value in 'unit'.",
    "unit": "UCUM; 1 for ratios.",
    "uncertainty": "Standard uncertainty (k = 1) in 'unit'; empty where it is not known.",
    "lower_95": "Lower end of the 95 % interval in 'unit'; empty where it is not known.",
    "upper_95": "Upper end of the 95 % interval in 'unit'; empty where it is not known.",
    "shared_uncertainty": "Part of 'uncertainty' that all regions of the patient share; empty where it is not known.",
}
_TYPES = {"cycle": "integer", "value": "number", **dict.fromkeys(OPTIONAL_COLUMNS, "number")}


def measurements_schema(rows: Iterable[Measurement]) -> dict[str, Any]:
    """The dictionary of a table with these rows: columns, and the metrics that occur, with units."""
    units: dict[str, set[str]] = {}
    for row in rows:
        units.setdefault(row.metric.split(":")[0], set()).add(row.unit)
    return {
        "profile": "tabular-data-resource",
        "name": "measurements",
        "path": "measurements.csv",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "lineTerminator": "\n", "header": True},
        "schema": {
            "fields": [_field(name) for name in COLUMNS],
            "missingValues": [""],
            "primaryKey": ["patient", "cycle", "visit", "image", "region", "metric"],
        },
        "metrics": [
            {"name": name, "units": sorted(found), "description": metric_description(name)}
            for name, found in sorted(units.items())
        ],
    }


def _field(name: str) -> dict[str, Any]:
    constraints: dict[str, Any] = {"required": name in REQUIRED_COLUMNS and name not in ("role", "lesion")}
    if name == "cycle":
        constraints["minimum"] = 1
    if name == "lobe":
        constraints["enum"] = list(_LOBES)
    return {
        "name": name,
        "type": _TYPES.get(name, "string"),
        "description": _COLUMNS[name],
        "constraints": constraints,
    }
