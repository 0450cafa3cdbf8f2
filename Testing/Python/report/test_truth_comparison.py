"""The demo's table of measured and true values: figures by hand, lesions matched by lobe and volume."""

from __future__ import annotations

import json

import pytest
from PRRTUptakeLib.report.truth_comparison import truth_rows, truth_text
from PRRTUptakeLib.study.measurements import Measurement, to_csv
from PRRTUptakeLib.study.protocol import load_protocol

LUTIA = load_protocol("lutia")


def lesion(name, lobe, volume, concentration):
    known = {"concentration_Bq_per_mL": {"24h": concentration}, "tia_MBq_h": {"24h": concentration / 10}}
    return {"name": name, "lobe": lobe, "volume_mL": volume, **known}


LESIONS = [
    lesion("lesion_1", "left", 60.0, 1000.0),
    lesion("lesion_2", "left", 21.0, 800.0),
    lesion("lesion_3", "right", 60.0, 1600.0),
]
LIVER = {f"liver_{lobe}": {"concentration_Bq_per_mL": {"24h": 100.0}} for lobe in ("left", "right")}
TRUTH = {
    "patient": "SYN",
    "treated_lobe": "right",
    "lesions": LESIONS,
    "regions": {**{one["name"]: one for one in LESIONS}, **LIVER},
    "segments": {"spleen": {"tia_MBq_h": {"24h": 500.0}}},
}


def row(region, metric, value, lobe="none", role="target", unit="1"):
    lesion_id = region if role == "target" else ""
    return Measurement("SYN", 1, "24h", "SPECT", region, role, lobe, lesion_id, metric, value, unit)


def measured():
    sizes = {"L1": ("left", 61.0), "L2": ("left", 20.5), "R1": ("right", 59.0)}
    volumes = [row(name, "volume", value, lobe, unit="mL") for name, (lobe, value) in sizes.items()]
    ratios = [
        row("L1", "tn_ratio", 8.0, "left"),
        row("L2", "tn_ratio", 6.0, "left"),
        row("R1", "tn_ratio", 12.0, "right"),
    ]
    return [*volumes, *ratios, row("patient", "treated_control_ratio", 1.7, role="")]


def test_ratios_against_true_concentrations():
    rows = {one[0]: one[2:] for one in truth_rows(measured(), TRUTH, LUTIA)}
    assert rows["L1"][:2] == [8.0, 10.0]
    assert rows["L2"][:2] == [6.0, 8.0]
    assert rows["R1"][1] == 16.0
    assert rows["L1"][2].strip() == "-20.0"
    value, true, _ = rows["patient"]
    assert value == 1.7
    assert true == pytest.approx(16.0 / (10.0 * 8.0) ** 0.5)  # treated right over left, geometric means


def test_integrals_come_first_where_there_are_doses():
    rows = [
        *measured(),
        row("L1", "tia", 90.0, "left", unit="MBq.h"),
        row("spleen", "tia", 450.0, role="organ", unit="MBq.h"),
    ]
    found = truth_rows(rows, TRUTH, LUTIA)
    assert [one[:1] + one[2:4] for one in found] == [["L1", 90.0, 100.0], ["spleen", 450.0, 500.0]]
    assert found[0][1] == "time-integrated activity (MBq h)"


def test_enhancement_ratios():
    protocol = load_protocol("ia-versus-iv")
    rows = [*measured()[:3], row("L1", "er_suv_max", 3.1, "left"), row("R1", "er_suv_max", 3.6, "right")]
    rows.append(row("patient", "enhancement_ratio", 3.35, role=""))
    known = {**TRUTH, "enhancement_ratio": {"lesion_1": 3.2, "lesion_3": 4.0}}
    found = truth_rows(rows, known, protocol)
    assert [one[3] for one in found] == [3.2, 4.0, pytest.approx(3.6)]


def test_a_lesion_without_a_counterpart_is_left_out():
    rows = [row("L1", "volume", 40.0, "left", unit="mL"), row("L1", "tn_ratio", 8.0, "left")]
    assert truth_rows(rows, TRUTH, LUTIA) == []


def test_text_of_a_folder(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH), encoding="utf-8")
    (tmp_path / "measurements.csv").write_text(to_csv(measured()), encoding="utf-8")
    words = truth_text(tmp_path, tmp_path, LUTIA)
    assert "true" in words
    assert "T/N ratio" in words
    assert "tn_ratio" not in words
