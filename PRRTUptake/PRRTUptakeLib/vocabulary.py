"""The words of case files, protocols, tables and commands, each defined once, with what people read instead of them.

A word on the left is written in files; the phrase on the right is what reports, charts and panels show. Whoever needs a
list of allowed words takes it from here. ``CONTRIBUTING.md`` says how to add one.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_UNIT = "1"  # UCUM's unity: ratios, counts, probabilities
TIA_UNITS = "MBq.h/ml"  # UCUM, of a map of time-integrated activity

LOBES = ("left", "right")
OPPOSITE_LOBE = {"left": "right", "right": "left"}
LOBE_COLORS = {"left": "#408CD9", "right": "#E68C40", "caudate": "#999933"}  # of segments, charts and pictures alike

VOLUME_WEIGHTED = "volume-weighted-mean"
AGGREGATIONS = {
    "geometric-mean": "the geometric mean",
    "arithmetic-mean": "the arithmetic mean",
    "median": "the median",
    VOLUME_WEIGHTED: "the volume-weighted mean",
}
REFERENCES = {
    "same-lobe": "the non-tumour liver of the same lobe",
    "contralateral-lobe": "the non-tumour liver of the other lobe",
    "whole-liver": "the non-tumour liver of both lobes",
    "fixed-sphere": "a sphere of fixed size in non-tumour liver",
}
SUV_UNITS = {  # kind of normalisation, and UCUM with the annotations of DICOM PS3.16 CID 85
    "bw": "g/ml{SUVbw}",
    "lbm": "g/ml{SUVlbm}",
    "lbm-james": "g/ml{SUVlbm(James128)}",
    "lbm-janma": "g/ml{SUVlbm(Janma)}",
    "bsa": "cm2/ml{SUVbsa}",
    "ibw": "g/ml{SUVibw}",
}
SUV_METRICS = ("suv_max", "suv_peak", "suv_mean")
TIAC_MODELS = (  # ways to integrate a time-activity curve
    *("auto", "mono", "uptake-clearance", "bi", "bi-uptake", "tri"),
    *("trapezoid", "single-time-point"),
)
PHANTOM_DEMO = "phantom"  # the only demo without a patient: a camera's phantoms
DEMOS = ("lutia", "ia-versus-iv", "serial", "therapy", "single-arm", PHANTOM_DEMO)

ABBREVIATIONS = {
    "AICc": "Akaike's information criterion for few points; of two models the one with the smaller value is preferred",
    "after last": "part of the integral after the last point",
    "nats": "natural units of information; 0 means that the images know nothing of each other",
    "RC": "recovery coefficient, the part of the contrast that blur leaves",
    "T": "mean uptake of the tumour",
    "N": "mean uptake of the non-tumour liver reference",
    "T_eff": "effective half-life of the last phase",
    "TIA": "time-integrated activity",
    "TIAC": "time-integrated activity per administered activity",
    "u": "standard uncertainty (k = 1)",
}

_UNIT_WORDS = {
    NO_UNIT: "",
    "Bq/ml": "Bq/mL",
    TIA_UNITS: "MBq h/mL",
    "MBq.h": "MBq h",
    "ml": "mL",
    "cm2/ml{SUVbsa}": "cm²/mL",
    **{unit: "g/mL" for unit in SUV_UNITS.values() if unit.startswith("g/ml")},
}


@dataclass(frozen=True)
class Metric:
    """A word of the column ``metric``: a short label for axes and headings, and a sentence for the data dictionary."""

    label: str
    description: str


METRICS = {
    "mean": Metric("mean", "Mean over the region; voxels at its border count by the part that is inside."),
    "sd": Metric("standard deviation", "Standard deviation over the region."),
    "min": Metric("minimum", "Lowest voxel."),
    "max": Metric("maximum", "Highest voxel."),
    "median": Metric("median", "Median over the region."),
    "suv_mean": Metric("SUVmean", "Mean SUV."),
    "suv_max": Metric("SUVmax", "Highest SUV."),
    "suv_peak": Metric("SUVpeak", "Highest mean SUV of a sphere of 1 mL (PERCIST)."),
    "volume": Metric(
        "volume", "Volume of the region on the grid where it was drawn; where the image cuts it off, the part inside."
    ),
    "mass": Metric("mass", "Mass of the region."),
    "longest_axial_diameter": Metric(
        "longest axial diameter", "Longest diameter in an axial plane, between outer voxel edges (RECIST 1.1)."
    ),
    "perpendicular_diameter": Metric(
        "perpendicular diameter", "Longest diameter perpendicular to the longest, in the same plane."
    ),
    "longest_3d_diameter": Metric("longest 3D diameter", "Longest diameter in any direction."),
    "tn_ratio": Metric("T/N ratio", "Mean of the lesion over mean of the protocol's reference region."),
    "organ_to_liver_ratio": Metric(
        "organ over healthy liver", "Mean of the organ over mean of the protocol's reference region, healthy liver."
    ),
    "tn_ratio_aggregated": Metric(
        "T/N ratio of the lobe", "T/N of the lobe's target lesions, aggregated by the protocol."
    ),
    "treated_control_ratio": Metric("treated/control ratio", "T/N of the treated over that of the control lobe."),
    "left_right_ratio": Metric("left/right ratio", "T/N of the left over that of the right lobe, while blinded."),
    "tn_ratio_corrected": Metric("T/N ratio, corrected for partial volume", "T/N, corrected for partial volume."),
    "tn_ratio_aggregated_corrected": Metric(
        "T/N ratio of the lobe, corrected for partial volume", "T/N of the lobe's target lesions after that correction."
    ),
    "treated_control_ratio_corrected": Metric(
        "treated/control ratio, corrected for partial volume", "Ratio of the lobes after that correction."
    ),
    "er_suv_max": Metric(
        "enhancement ratio of SUVmax", "Highest SUV after intra-arterial over that after intravenous injection."
    ),
    "er_suv_mean": Metric("enhancement ratio of SUVmean", "The same of the mean SUV."),
    "er_suv_peak": Metric("enhancement ratio of SUVpeak", "The same of the peak SUV."),
    "enhancement_ratio": Metric(
        "enhancement ratio", "The patient's enhancement ratio, of the target lesions, aggregated by the protocol."
    ),
    "probability_at_threshold": Metric(
        "probability of reaching the threshold",
        "Probability that the patient's true enhancement ratio reaches the threshold.",
    ),
    "mean_corrected": Metric(
        "mean, corrected for partial volume", "Mean, corrected for partial volume by the phantom's recovery curve."
    ),
    "recist_sum": Metric("sum of diameters", "Sum of the longest axial diameters of the target lesions (RECIST 1.1)."),
    "recist_change": Metric("change of the sum of diameters", "Its change since the first visit."),
    "mrecist_sum": Metric(
        "sum of enhancing diameters", "Sum of the diameters of the enhancing part of the target lesions (mRECIST)."
    ),
    "mrecist_change": Metric("change of the sum of enhancing diameters", "Its change since the first visit."),
    "sul_peak": Metric("SULpeak", "Highest mean of a sphere of 1 mL in the hottest lesion, by lean mass (PERCIST)."),
    "sul_peak_change": Metric("change of SULpeak", "Its change since the first visit."),
    "volume_change": Metric("change of volume", "Change of the target lesions' total volume since the first visit."),
    "expected_recovery": Metric(
        "expected recovery", "Share of its contrast that the protocol's resolution leaves to a lesion of this shape."
    ),
    "border_recovery": Metric("recovery by voxel size", "Share of its contrast that the voxel size alone leaves."),
    "nudge_right": Metric(
        "shift to the right",
        "Shift of the lesion by hand in this visit, to the patient's right; see the report for the reason.",
    ),
    "nudge_anterior": Metric("shift to the front", "The same, to the front."),
    "nudge_superior": Metric("shift to the head", "The same, to the head."),
    "dose_iv": Metric(
        "dose of the intravenous cycle", "Mean absorbed dose of the intravenous cycle, as the case file states it."
    ),
    "dose_ia_predicted": Metric(
        "predicted intra-arterial dose", "Mean absorbed dose that the intra-arterial cycle was expected to give."
    ),
    "dose_ia_delivered": Metric(
        "delivered intra-arterial dose",
        "Mean absorbed dose that the intra-arterial cycle gave, from its serial images.",
    ),
    "delivered_over_predicted": Metric("delivered/predicted dose", "Delivered over predicted dose."),
    "activity": Metric("activity", "Activity of a region at the time of the image, a point of its curve."),
    "time_after_injection": Metric("time after injection", "Hours from the injection to the image."),
    "administered_activity": Metric("administered activity", "Activity that was given in the cycle."),
    "dose": Metric("absorbed dose", "Mean absorbed dose of the cycle."),
    "dose_recovery_corrected": Metric(
        "absorbed dose, corrected for partial volume",
        "The same of a lesion, corrected for partial volume by the phantom's recovery curve.",
    ),
    "voxel_dose_mean": Metric("mean of the dose map", "Mean of the dose map over the region."),
    "voxel_dose_statistical_u": Metric(
        "statistical uncertainty of the dose map's mean", "Standard uncertainty by the number of particles transported."
    ),
    "cumulative_voxel_dose_mean": Metric(
        "mean of the summed dose map", "Mean over the region of the dose maps of all cycles on the first cycle's CT."
    ),
    "cumulative_voxel_bed_mean": Metric(
        "mean BED of the summed map", "Mean over the region of the BED maps of all cycles on the first cycle's CT."
    ),
    "cumulative_untrusted": Metric(
        "share not trusted", "Share of the region in voxels for which the mapping of a cycle is not trusted."
    ),
    "cross_fire_dose": Metric("cross-fire", "Mean dose by photons from outside the region, from the map of activity."),
    "dose_with_cross_fire": Metric(
        "absorbed dose with cross-fire", "Dose of a lesion by the sphere model with the photons from outside it."
    ),
    "voxel_bed_mean": Metric("mean BED of the map", "Mean over the region of the voxels' biologically effective dose."),
    "voxel_eqd2_mean": Metric("mean EQD2 of the map", "Mean over the region of the voxels' dose in fractions of 2 Gy."),
    "bvh_d98": Metric("BED98", "Least BED of the best 98 % of the region's volume, from the BED map."),
    "bvh_d50": Metric("BED50", "Median BED of the region's volume, from the BED map."),
    "bvh_d2": Metric("BED2", "Least BED of the best 2 % of the region's volume, from the BED map."),
    "eud_eqd2": Metric(
        "equivalent uniform dose", "Generalised equivalent uniform dose of the voxels' EQD2, by the stated exponent."
    ),
    "tumour_control": Metric(
        "tumour control probability", "Poisson model with the stated parameters; no forecast for one patient."
    ),
    "voxel_tia": Metric(
        "time-integrated activity of the map", "Integral of the map of time-integrated activity over the region."
    ),
    "dvh_d98": Metric("D98", "Least dose of the best 98 % of the region's volume, from the dose map."),
    "dvh_d50": Metric("D50", "Median dose of the region's volume, from the dose map."),
    "dvh_d2": Metric("D2", "Least dose of the best 2 % of the region's volume, from the dose map."),
    "organ_dose": Metric("organ dose", "Mean absorbed dose of a phantom's organ."),
    "tia": Metric("time-integrated activity", "Time-integrated activity."),
    "tia_without_later_clearance": Metric(
        "time-integrated activity without later clearance",
        "Time-integrated activity if nothing is cleared after the last image but by decay: no slow tail has more.",
    ),
    "tiac": Metric(
        "time-integrated activity per administered activity",
        "Time-integrated activity per administered activity (residence time).",
    ),
    "effective_half_life": Metric("effective half-life", "Effective half-life of the last phase."),
    "bed": Metric("BED", "Biologically effective dose."),
    "eqd2": Metric("EQD2", "Equivalent dose in fractions of 2 Gy."),
    "cumulative_dose": Metric("cumulative dose", "Sum of the mean absorbed doses of all cycles so far."),
    "cumulative_bed": Metric("cumulative BED", "Sum of the biologically effective doses of all cycles so far."),
    "cumulative_eqd2": Metric(
        "cumulative EQD2", "Sum of the equivalent doses in fractions of 2 Gy of all cycles so far."
    ),
    "therapeutic_index": Metric("therapeutic index", "Dose of the lesions over that of the healthy part of the lobe."),
    "therapeutic_index_ratio": Metric(
        "ratio of therapeutic indices",
        "Therapeutic index of the treated over that of the control lobe.",
    ),
}


def lobe_color(words: str) -> str:
    """Colour of the lobe that words begin with, "" if they name none.

    Examples
    --------
    >>> lobe_color("left lobe"), lobe_color("IA")
    ('#408CD9', '')
    """
    return LOBE_COLORS.get(words.split(" ", 1)[0].lower(), "")


def metric_label(metric: str) -> str:
    """What axes and headings call a metric.

    Examples
    --------
    >>> metric_label("tn_ratio"), metric_label("tn_ratio:whole-liver"), metric_label("my_own_metric")
    ('T/N ratio', 'T/N ratio, whole liver', 'my own metric')
    """
    word, _, kind = metric.partition(":")
    label = METRICS[word].label if word in METRICS else word.replace("_", " ")
    return f"{label}, {kind.replace('-', ' ')}" if kind else label


def metric_description(metric: str) -> str:
    """The sentence of the data dictionary for a metric."""
    word = metric.partition(":")[0]
    return METRICS[word].description if word in METRICS else word.replace("_", " ")


def explained(*words: str) -> str:
    """What abbreviations mean, in one line for below a table.

    Examples
    --------
    >>> explained("TIA", "u")
    'TIA: time-integrated activity. u: standard uncertainty (k = 1).'
    """
    return " ".join(f"{word}: {ABBREVIATIONS[word]}." for word in words)


def unit_words(unit: str) -> str:
    """How people write a UCUM unit; "" for a number without unit.

    Examples
    --------
    >>> unit_words("Bq/ml"), unit_words("1"), unit_words("g/ml{SUVbw}"), unit_words("Gy")
    ('Bq/mL', '', 'g/mL', 'Gy')
    """
    return _UNIT_WORDS.get(unit, unit)


def axis_label(metric: str, unit: str = NO_UNIT) -> str:
    """Label of an axis: the metric in words, its unit in brackets.

    Examples
    --------
    >>> axis_label("tn_ratio"), axis_label("dose", "Gy")
    ('T/N ratio', 'absorbed dose (Gy)')
    """
    words = unit_words(unit)
    return f"{metric_label(metric)} ({words})" if words else metric_label(metric)
