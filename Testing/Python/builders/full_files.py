"""Files that a person writes with every key in them, and seeded ways of spoiling them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.study import protocol as protocol_module
from PRRTUptakeLib.study.measurements import Measurement, to_csv

WAYS = ("none", "type", "huge", "tiny", "nan", "twice", "unknown", "word", "surrogate", "control")
LABELS = ("P01", 1, "24h", "SPECT", "L1", "target", "left", "L1")


def shipped_protocol(name: str = "lutia") -> dict[str, Any]:
    path = resource_path(protocol_module.__file__, "Protocols", f"{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def full_protocol() -> dict[str, Any]:
    """Every key of a protocol, the old one that says nothing new included."""
    content = shipped_protocol()
    content["imaging"] |= {"time_zero": "mid", "fwhm_u_percent": 10}
    content |= {"partial_volume": "gtm", "metrics": ["mean"], "$schema": "protocol.schema.json"}
    content |= {"tissues": full_tissues(), "response_criteria": "recist-1.1"}
    transport = {"electrons": "monte-carlo", "grid_mm": 3, "histories": 100_000, "seed": 1}
    content["dose_maps"] = {"integration": "dose-rate", "accumulate": "deformable", "transport": transport}
    content["repeatability"] = {"within_subject_cv": 0.1, "correlation_between_lesions": 0.2}
    return content


def full_tissues() -> dict[str, Any]:
    control = {"alpha_per_Gy": 0.3, "clonogens_per_mL": 1e7, "source": "an assumption"}
    return {
        "kidneys": {"alpha_beta_Gy": 2.5, "repair_half_time_h": 2.8, "source": "MIRD 20"},
        "lesions": {
            "alpha_beta_Gy": 10,
            "repair_half_time_h": 1.5,
            "source": "an assumption",
            "eud_a": -10,
            "tumour_control": control,
        },
    }


def full_dosimetry() -> dict[str, Any]:
    return {
        "model": "bi",
        "sex": "F",
        "teff_h": {"": 60, "L1": 75.5},
        "u_teff_h": {"L1": 8},
        "teff_change": 0.12,
        "calibration_u": 0.04,
        "counts_u": 0.02,
        "s_value_u": 0.05,
        "contour_fwhm_mm": 1.5,
        "image_fwhm_mm": 11,
        "dose_map": "transport",
        "density": "ct",
        "ct_curve": {
            "hounsfield": [-1000, 0, 1000],
            "density_g_per_mL": [0.001, 1.0, 1.6],
            "source": "phantom of May, 120 kV",
        },
        "integration": "activity",
        "accumulate": "rigid",
        "transport": {"electrons": "kernel", "histories": 20000, "seed": 3, "grid_mm": 2.4},
        "tissues": full_tissues(),
        "isodoses_Gy": [10, 40.5],
        "marrow": {"vertebrae": "L1-L5", "fat_fraction": 0.45},
        "transforms": {"1/72h": {"identity": "one scan, two exports"}},
    }


def full_phantom() -> dict[str, Any]:
    return {
        "volumes_mL": [0.5, 1.2, 2.6, 5.6, 11.5, 26.5],
        "recoveries": [0.2, 0.35, 0.5, 0.62, 0.72, 0.82],
        "uncertainties": [0.02] * 6,
        "source": "NEMA spheres of June",
    }


def full_quantification() -> dict[str, Any]:
    return {
        "reason": "the camera writes counts only",
        "calibration_cps_per_MBq": 9.4,
        "calibration_time": "total",
        "acquisition_s": 1200,
        "dead_time": {"model": "paralysable", "tau_us": 0.5, "observed_cps": 40000},
        "weight_kg": 75,
        "height_cm": 180,
        "sex": "M",
        "activity_MBq": 7400,
        "residual_MBq": 50,
        "residual_time": "2025-01-30T11:00+01:00",
        "injection_time": "2025-01-30T10:30",
        "acquisition_time": "2025-01-31T10:30:00Z",
        "decay_reference_time": "2025-01-31T10:30:00+01:00",
        "time_zone": "Europe/Amsterdam",
        "nuclide": "Lu-177",
        "units": "counts",
        "confirmed": ["weight_kg"],
    }


def full_iv_cycle(folder: Path) -> dict[str, Any]:
    (folder / "iv.csv").write_text(to_csv([Measurement(*LABELS, "dose", 30.0, "Gy", 3.0)]), encoding="utf-8")
    return {"activity_MBq": 7400, "planned_ia_MBq": 3700, "measurements": "iv.csv", "cycle": 1}


def full_case(folder: Path) -> dict[str, Any]:
    """A case with every key of the lobes' design, and what it names, in ``folder``."""
    for name in ("a", "b", "segments"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "own.json").write_text(json.dumps(full_protocol()), encoding="utf-8")
    plane = {"origin_ras_mm": [1, 2.5, -3], "normal_ras": [-1, 0.1, 0]}
    matrix = [[1, 0, 0, 4.5], [0, 1, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]]
    first = {
        "visit": "24h",
        "cycle": 1,
        "dicom": "a",
        "segments": "segments",
        "image": "1.2.840.1",
        "lobe_plane": plane,
    }
    first |= {"targets": [{"dropped": "L1", "chosen": "L2", "reason": "necrotic"}], "route": "intra-arterial"}
    first |= {"quantification": full_quantification(), "labels": {"1": "liver", "12": "L1"}}
    (folder / "camera.json").write_text(json.dumps(full_camera()), encoding="utf-8")
    (folder / "population.json").write_text(json.dumps(full_population()), encoding="utf-8")
    second = {"visit": "72h", "cycle": 1, "dicom": "b", "drawn_on": "24h"}
    second["registration"] = {"matrix": matrix, "source": "read off Slicer"}
    second["nudges"] = [{"lesion": "L1", "shift_ras_mm": [0, -2, 3.5], "reason": "breathing"}]
    third = {"visit": "follow-up", "cycle": 2, "dicom": "b", "segments": "segments", "vanished": ["L3"]}
    third |= {"non_targets": {"L3": "present", "bone": "absent"}, "new_lesions": ["rib"], "date": "2025-06-01"}
    third["enhancing_mm"] = {"L1": 12.5}
    third["couinaud_moves"] = [{"segment": 4, "lobe": "right", "reason": "angiography"}]
    return {
        "$schema": "case.schema.json",
        "patient": "P01",
        "protocol": "own.json",
        "treated_lobe": "left",
        "expected_patient_id": "0012345",
        "exclude": [
            {"lesion": "L2", "cycle": 1, "reason": "necrotic", "date": "2025-02-01"},
            {"cycle": 2, "reason": "extravasation", "date": "2025-02-02"},
            {"patient": True, "reason": "consent withdrawn", "date": "2025-02-03", "scope": "all"},
        ],
        "response": {"criteria": "mrecist", "organs": {"E1": "node"}, "confirm": True, "death": "2026-01-31"},
        "partial_volume": "recovery",
        "recovery_phantom": full_phantom(),
        "dosimetry": full_dosimetry(),
        "same_patient": "made nameless in Utrecht",
        "questions": [
            {
                "question": "Which series is attenuation corrected?",
                "key": "visits[0].image",
                "choices": [{"answer": "1.2.840.1", "meaning": "the first"}],
                "proposed": "1.2.840.1",
                "answer": "1.2.840.1",
            }
        ],
        "notes": {"operator": "AB", "free": [1, {"x": None}]},
        "visits": [first, second, third],
    }


def single_case(folder: Path) -> dict[str, Any]:
    """A case of a patient without arms: kinetics of a population, label maps by task, a stated activity of a cycle."""
    content = full_case(folder)
    first, second, _ = copy.deepcopy(content["visits"])
    for key in ("lobe_plane", "targets", "route"):
        first.pop(key)
    first |= {"labels": "total", "observed_cps": 41000}
    first["quantification"].pop("dead_time")  # that of the camera file is meant
    doses = {key: value for key, value in full_dosimetry().items() if key not in ("model", "kinetics")}
    return {
        "patient": "P01",
        "protocol": "single-arm",
        "camera": "camera.json",
        "kinetics": {"population": "population.json", "covariates": {"egfr": 71.5}},
        "dosimetry": doses,
        "visits": [first, second],
    }


def routes_case(folder: Path) -> dict[str, Any]:
    """A case of the routes' design with the cycles that are predicted and compared."""
    content = full_case(folder)
    one, two, _ = copy.deepcopy(content["visits"])
    (folder / "ia.csv").write_text(to_csv([Measurement(*LABELS, "dose", 80.0, "Gy", 8.0)]), encoding="utf-8")
    two |= {"route": "IV", "visit": "IV"}
    delivered = {"measurements": "ia.csv", "cycle": 1}
    return {
        "patient": "P01",
        "protocol": "ia-versus-iv",
        "lobes": "from-plane",
        "iv_cycle": full_iv_cycle(folder),
        "delivered": delivered,
        "visits": [one, two],
    }


def uniform_dosimetry(folder: Path) -> dict[str, Any]:
    """The settings that exclude some of `full_dosimetry`: one density, kinetics of a population, registrations."""
    (folder / "population.json").write_text(json.dumps(full_population()), encoding="utf-8")
    kinetics = {"population": "population.json", "covariates": {"egfr": 71.5}}
    moved = {f"1/{n}h": one for n, one in enumerate(registrations(folder).values())}
    return {
        "kinetics": kinetics,
        "dose_map": "kernel",
        "density": "uniform",
        "density_g_per_mL": 1.04,
        "transforms": moved,
    }


def registrations(folder: Path) -> dict[str, Any]:
    """Every form of a stated registration."""
    (folder / "moved.tfm").write_text("an ITK transform; only read by a run", encoding="utf-8")
    matrix = [[1, 0, 0, 4.5], [0, 1, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]]
    return {
        "word": "deformable",
        "file": "moved.tfm",
        "inverse": {"transform": "moved.tfm", "inverse": True},
        "matrix": matrix,
        "stated": {"matrix": matrix, "source": "ruler"},
        "identity": {"identity": "one scan, two exports"},
    }


def full_filling() -> dict[str, Any]:
    moments = {"time": "2026-05-04T08:00+02:00", "residual_time": "2026-05-04T08:20+02:00"}
    return {"activity_MBq": 740.0, "volume_mL": 9700, "residual_MBq": 4.5, **moments}


def full_phantom_scans(folder: Path) -> dict[str, Any]:
    """A PHANTOM.json with every key: a phantom of one's own, its filling, and a series for the dead time."""
    for name in ("nema", "planar"):
        (folder / name).mkdir(exist_ok=True)
    spheres = [{"name": f"vial {n}", "diameter_mm": 20.5, "centre_mm": [40 * n, n * n, 2.5]} for n in range(3)]
    scan = {
        "phantom": "own",
        "dicom": "nema",
        "name": "three vials",
        "image": "1.2.840.1",
        "fills": {"background": full_filling(), "spheres": full_filling()},
        "spheres": spheres,
        "wall_mm": 1,
        "acquisition_time": "2026-05-04T10:00+02:00",
        "acquisition_s": 1800,
        "observed_cps": 31000,
        "axes": True,
    }
    return {
        "$schema": "phantom.schema.json",
        "nuclide": "Lu-177",
        "activity_u": 0.015,
        "scans": [scan],
        "camera": "NM room 2",
        "site": "Utrecht",
        "physicist": "A. de Vries",
        "date": "2026-05-04",
        "volume_u": 0.004,
        "clock_u_min": 1.5,
        "dead_time": {"dicom": "planar", "fill": full_filling()},
        "notes": {"free": [1, {"x": None}]},
    }


def phantom_with_rates(folder: Path) -> dict[str, Any]:
    """The same with count rates in place of planar images."""
    rates = [{"activity_MBq": 500.0 * n, "observed_cps": 4400.0 * n, "counts": 1e6} for n in range(1, 5)]
    return {**full_phantom_scans(folder), "dead_time": {"rates": rates}}


def full_camera() -> dict[str, Any]:
    """A CAMERA.json with every key."""
    acquisition = {
        **dict.fromkeys(("manufacturer", "model", "serial", "software", "institution"), "as the header says"),
        **dict.fromkeys(("station", "modality", "collimator", "reconstruction", "filter"), "as the header says"),
        **dict.fromkeys(("attenuation", "scatter"), "as the header says"),
        **{"windows_keV": [[187.6, 229.2]], "matrix": [128, 128], "voxel_mm": [4.42, 4.42, 4.42]},
        **{"iterations": 6, "subsets": 8, "corrections": ["ATTN", "SCAT"]},
    }
    calibration = {"kind": "counts", "factor": 9.1, "u_relative": 0.02, "u_shared": 0.016, "Bq_per_mL_per_unit": 0.7}
    calibration |= {"ways": [{"name": "whole phantom", "factor": 9.1, "u_own": 0.003}], "birge": 1.1, "p": 0.4}
    sphere = {"scan": "IEC", "name": "37 mm", "volume_mL": 26.5, "recovery": 0.81, "u_own": 0.01}
    sphere |= {"centre_ras_mm": [1, 2.5, -3], "mean_MBq_per_mL": 0.5, "true_MBq_per_mL": 0.62}
    sphere |= {"without_background": 0.83, "contrast_percent": 71.5, "variability_percent": 4.5}
    sphere |= {"in_curve": False, "note": "near an air bubble"}
    curve = {"a_mL": 1.2, "b": 0.8, "covariance": [[0.01, 0.001], [0.001, 0.01]], "volume_range_mL": [0.5, 26.5]}
    dead_time = {"model": "paralysable", "tau_us": 0.55, "u_tau_us": 0.04, "highest_cps": 4e4, "decided": True}
    return {
        "$schema": "camera.schema.json",
        "camera": "NM room 2",
        "date": "2026-05-04",
        "nuclide": "Lu-177",
        "acquisition": acquisition,
        "site": "Utrecht",
        "physicist": "A. de Vries",
        "calibration": calibration,
        "resolution": {"fwhm_mm": 12.5, "u_mm": 0.3, "axes_mm": [12.0, 12.5, 13.0], "method": "blurred spheres"},
        "recovery": {"spheres": [sphere], "curve": curve, "covariance": [[1e-4]], "u_shared": 0.016},
        "dead_time": {**dead_time, "other_tau_us": 0.6, "cps_per_MBq": 9.0},
        "warnings": ["one way only"],
        "decisions": ["counts of the whole acquisition"],
        "sha256": {"nema/1.dcm": "ab12"},
        "made_by": "SlicerPRRT",
    }


def full_population() -> dict[str, Any]:
    """A POPULATION.json with every key."""
    size = 2 * (2 + 1) + 1 + 1 + 2 * 2  # typical, spreads, one covariate; noise; correlation; within and between
    kind = {
        "model": "mono",
        "typical": [-4.5, -4.2],
        "between_patients": [[0.2, 0.01], [0.01, 0.1]],
        "noise": 0.05,
        "correlated": True,
        "covariance": [[0.01 * (row == column) for column in range(size)] for row in range(size)],
        "patients": 12,
        "curves": 24,
        "images": 72,
        "within_patient": [0.1, 0.05],
        "between_cycles": [0.1, 0.05],
        "covariates": [{"name": "egfr", "mean": 80, "sd": 15}],
        "effects": [[0.01, -0.1]],
        "shrinkage": [0.1, 0.2],
        "log_likelihood": -12.5,
        "half_life_h": 46.5,
        "tried": [{"model": "mono", "log_likelihood": -12.5, "numbers": 9}],
        "checks": {"starts": 5},
    }
    return {
        "$schema": "population.schema.json",
        "nuclide": "Lu-177",
        "amplitude": "per-administered",
        "regions": {"kidney": kind},
        "synthetic": True,
        "source": "made by a test",
        "software": "SlicerPRRT",
        "stated_noise": False,
        "inputs": [{"file": "curves.csv", "sha256": "ab12"}],
    }


@dataclass(frozen=True)
class Spoilt:
    """A file's text after one change: what was done, at which path of keys, and whether it must be refused."""

    text: str
    what: str
    path: tuple[str | int, ...]


def spoilt(content: dict[str, Any], seed: int) -> Spoilt:
    """One seeded change anywhere in a file; what must not be accepted in any place, whatever the key."""
    random = np.random.default_rng(seed)
    changed = copy.deepcopy(content)
    places = list(paths_of(changed))
    path = places[int(random.integers(len(places)))]
    holder, key = _holder(changed, path)
    old = holder[key]
    mark = "@@mark@@"
    what = str(
        random.choice(["none", "type", "huge", "tiny", "nan", "twice", "unknown", "word", "surrogate", "control"])
    )
    if what == "twice" and not isinstance(holder, dict):
        what = "none"
    if what == "none":
        holder[key] = None
    elif what == "type":
        others = [value for value in (True, 7, "text", [], {}, [[1]]) if type(value) is not type(old)]
        if isinstance(old, float):
            others = [value for value in others if type(value) is not int]
        holder[key] = others[int(random.integers(len(others)))]
    elif what in ("huge", "tiny"):
        size = [1e300, 10**200, 1e40][int(random.integers(3))]
        holder[key] = size if what == "huge" else -size
    elif what == "unknown":
        target = old if isinstance(old, dict) else holder if isinstance(holder, dict) else changed
        target["sponsor"] = "x"
    elif what == "word":
        holder[key] = str(random.choice(["", " ", "banana", "../..", "e\u0301\u202e", "Ω" * 5000]))
    elif what in ("nan", "surrogate", "control"):
        holder[key] = mark
    text = json.dumps(changed)
    if what == "nan":
        text = text.replace(f'"{mark}"', str(random.choice(["NaN", "Infinity", "-Infinity", "1e999"])))
    if what in ("surrogate", "control"):
        text = text.replace(mark, "x\\ud800" if what == "surrogate" else "x\\u0000\\u001b")
    if what == "twice":
        written = f"{json.dumps(key)}: {json.dumps(old)}"
        text = text.replace(written, f"{written}, {written}", 1)
    return Spoilt(text, what, path)


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """The path of every value below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_of(item, (*path, key))


def value_at(content: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        content = content[key]
    return content


def _holder(content: Any, path: tuple[str | int, ...]) -> tuple[Any, Any]:
    return value_at(content, path[:-1]), path[-1]
