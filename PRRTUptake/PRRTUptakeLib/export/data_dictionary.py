"""The data dictionary of ``measurements.csv``: a table schema in the manner of Frictionless Data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.segments import ROLES
from PRRTUptakeLib.study.measurements import COLUMNS, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PRRTUptakeLib.study.measurements import Measurement

FILE = "measurements.schema.json"
_LOBES = ("left", "right", "caudate", "liver", "none", "treated", "control")
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
}
_TYPES = {"cycle": "integer", "value": "number", "uncertainty": "number"}
METRICS = {
    "mean": "Mean over the region; voxels at its border count by the part that lies inside.",
    "sd": "Standard deviation over the region.",
    "min": "Lowest voxel.",
    "max": "Highest voxel.",
    "median": "Median over the region.",
    "suv_mean": "Mean SUV.",
    "suv_max": "Highest SUV.",
    "suv_peak": "Highest mean SUV of a sphere of 1 mL (PERCIST).",
    "volume": "Volume of the region on the grid where it was drawn; where the image cuts it off, the part inside.",
    "mass": "Mass of the region.",
    "longest_axial_diameter": "Longest diameter in an axial plane, between outer voxel edges (RECIST 1.1).",
    "perpendicular_diameter": "Longest diameter perpendicular to the longest, in the same plane.",
    "longest_3d_diameter": "Longest diameter in any direction.",
    "tn_ratio": "Mean of the lesion over mean of the protocol's reference region.",
    "organ_to_liver_ratio": "Mean of the organ over mean of the protocol's reference region, healthy liver.",
    "tn_ratio_aggregated": "T/N of the lobe's target lesions, aggregated by the protocol.",
    "treated_control_ratio": "T/N of the treated over that of the control lobe.",
    "left_right_ratio": "T/N of the left over that of the right lobe, while blinded.",
    "er_suv_max": "Highest SUV after intra-arterial over that after intravenous injection.",
    "er_suv_mean": "The same of the mean SUV.",
    "er_suv_peak": "The same of the peak SUV.",
    "enhancement_ratio": "The patient's enhancement ratio, of the target lesions, aggregated by the protocol.",
    "probability_at_threshold": "Probability that the patient's true enhancement ratio reaches the threshold.",
    "mean_corrected": "Mean, corrected for partial volume by the phantom's recovery curve.",
    "recist_sum": "Sum of the longest axial diameters of the target lesions (RECIST 1.1).",
    "recist_change": "Its change since the first visit.",
    "volume_change": "Change of the target lesions' total volume since the first visit.",
    "expected_recovery": "Share of its contrast that the protocol's resolution leaves to a lesion of this shape.",
    "border_recovery": "Share of its contrast that the voxel size alone leaves.",
    "nudge_right": "Shift of the lesion by hand in this visit, to the patient's right; see the report for the reason.",
    "nudge_anterior": "The same, to the front.",
    "nudge_superior": "The same, to the head.",
    "dose_iv": "Mean absorbed dose of the intravenous cycle, as the case file states it.",
    "dose_ia_predicted": "Mean absorbed dose that the intra-arterial cycle was expected to give.",
    "dose_ia_delivered": "Mean absorbed dose that the intra-arterial cycle gave, from its serial images.",
    "delivered_over_predicted": "Delivered over predicted dose.",
    "dose": "Mean absorbed dose of the cycle.",
    "dose_recovery_corrected": "The same of a lesion, corrected for partial volume by the phantom's recovery curve.",
    "voxel_dose_mean": "Mean of the dose map over the region.",
    "voxel_tia": "Integral of the map of time-integrated activity over the region.",
    "dvh_d98": "Least dose of the best 98 % of the region's volume, from the dose map.",
    "dvh_d50": "Median dose of the region's volume, from the dose map.",
    "dvh_d2": "Least dose of the best 2 % of the region's volume, from the dose map.",
    "organ_dose": "Mean absorbed dose of a phantom's organ.",
    "tia": "Time-integrated activity.",
    "tiac": "Time-integrated activity per administered activity (residence time).",
    "effective_half_life": "Effective half-life of the last phase.",
    "bed": "Biologically effective dose.",
    "eqd2": "Equivalent dose in fractions of 2 Gy.",
    "cumulative_dose": "Sum of the mean absorbed doses of all cycles so far.",
    "cumulative_bed": "Sum of the biologically effective doses of all cycles so far.",
    "cumulative_eqd2": "Sum of the equivalent doses in fractions of 2 Gy of all cycles so far.",
    "therapeutic_index": "Dose of the lesions over that of the healthy part of the lobe.",
}


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
            {"name": name, "units": sorted(found), "description": METRICS.get(name, name.replace("_", " "))}
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
