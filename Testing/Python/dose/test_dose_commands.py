"""``prrt kernel`` and ``prrt sphere`` as scripts see them."""

from __future__ import annotations

import csv
import json

import pytest
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G


def output(capsys, *arguments):
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_kernel_in_json(capsys):
    found = output(
        capsys, "kernel", "--nuclide", "Lu-177", "--spacing", "4.8", "4.8", "4.8", "--density", "1.04", "--json"
    )
    assert list(found["S_mGy_per_MBq_s"]) == ["0,0,0", "0,0,1", "0,1,1"]
    assert found["S_mGy_per_MBq_s"]["0,0,0"] == pytest.approx(0.1917, rel=0.01)
    assert found["energy_sum_keV"] == pytest.approx(183.02, rel=1e-3)
    assert found["energy_in_range_keV"] < found["energy_sum_keV"] <= found["emitted_keV"] * 1.001
    assert found["density_g_per_mL"] == 1.04


def test_kernel_indices_are_k_j_i_while_spacing_is_x_y_z(capsys):
    found = output(capsys, "kernel", "--nuclide", "Y-90", "--spacing", "2", "3", "6", "--range", "30", "--json")
    near_in_x = found["S_mGy_per_MBq_s"]["0,0,1"]
    other = output(capsys, "kernel", "--nuclide", "Y-90", "--spacing", "6", "3", "2", "--range", "30", "--json")
    assert near_in_x > 2 * other["S_mGy_per_MBq_s"]["0,0,1"]


def test_density_defaults_to_water(capsys):
    found = output(capsys, "kernel", "--nuclide", "177Lu", "--spacing", "3", "3", "3", "--range", "20", "--json")
    assert found["density_g_per_mL"] == 1.0


def test_sphere_in_json(capsys):
    found = output(capsys, "sphere", "--nuclide", "Lu-177", "--mass-g", "4.31", "--json")
    assert found["S_Gy_per_Bq_s"] == pytest.approx(5.46e-12, rel=0.01)
    assert (found["mass_g"], found["nuclide"], found["density_g_per_mL"]) == (4.31, "Lu-177", 1.0)
    dense = output(capsys, "sphere", "--nuclide", "Lu-177", "--mass-g", "4.31", "--density", "1.06", "--json")
    assert dense["S_Gy_per_Bq_s"] > found["S_Gy_per_Bq_s"]


def test_both_can_be_read_by_people(capsys):
    assert main(["kernel", "--nuclide", "Lu-177", "--spacing", "4", "4", "4", "--range", "20"]) == 0
    assert "energy sum  183.01 keV per decay" in capsys.readouterr().out
    assert main(["sphere", "--nuclide", "Lu-177", "--mass-g", "10"]) == 0
    assert "Gy/(Bq s)   Lu-177, 10 g" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("kernel", "--nuclide", "Lu-177", "--spacing", "0", "4", "4"), "prrt kernel: The voxel spacing must be"),
        (("kernel", "--nuclide", "Xy-12", "--spacing", "4", "4", "4"), "prrt kernel: The radionuclide 'Xy-12' is not"),
        (("sphere", "--nuclide", "Lu-177", "--mass-g", "-2"), "prrt sphere: The sphere mass must be a positive number"),
        (("sphere", "--nuclide", "Tc-99m", "--mass-g", "2"), "prrt sphere: There is no dose kernel for Tc-99m; there"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_one_sentence_and_status_1(capsys, arguments, sentence):
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(sentence)
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("kernel", "--nuclide", "Lu-177"), ("sphere", "--mass-g", "1")])
def test_wrong_use_is_status_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_kernel_of_unequal_edges_gives_every_axis(capsys):
    found = output(capsys, "kernel", "--nuclide", "Lu-177", "--spacing", "2", "3", "4", "--range", "12", "--json")
    near = found["S_mGy_per_MBq_s"]
    assert len(near) == 8
    assert near["0,0,0"] > near["0,0,1"] > near["0,1,0"] > near["1,0,0"] > near["1,1,1"]
    assert found["index_order"] == "k (z), j (y), i (x)"
    assert main(["kernel", "--nuclide", "Lu-177", "--spacing", "2", "3", "4", "--range", "12"]) == 0
    words = capsys.readouterr().out
    assert "next in x (2 mm)\n" in words
    assert "next in z (4 mm)\n" in words


def test_the_full_kernel_as_a_table(capsys, tmp_path):
    table = tmp_path / "kernel.csv"
    arguments = ("kernel", "--nuclide", "Lu-177", "--spacing", "2", "3", "4", "--range", "12", "--csv", str(table))
    found = output(capsys, *arguments, "--json")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 * 9 * 7
    values = {(row["k"], row["j"], row["i"]): float(row["S_mGy_per_MBq_s"]) for row in rows}
    for index, value in found["S_mGy_per_MBq_s"].items():
        assert values[tuple(index.split(","))] == pytest.approx(value, rel=1e-7)
    assert values["1", "-1", "-2"] == values["-1", "1", "2"]
    row = next(row for row in rows if (row["k"], row["j"], row["i"]) == ("1", "-1", "2"))
    assert (row["z_mm"], row["y_mm"], row["x_mm"]) == ("4", "-3", "4")
    total_keV = sum(values.values()) * 2 * 3 * 4 / 1000 / (1e9 * GY_PER_KEV_PER_G)
    assert total_keV == pytest.approx(found["energy_in_range_keV"], rel=1e-6)


def test_a_kernel_table_that_cannot_be_written_is_an_error(capsys, tmp_path):
    path = tmp_path / "missing" / "kernel.csv"
    assert main(["kernel", "--nuclide", "Lu-177", "--spacing", "4", "4", "4", "--range", "8", "--csv", str(path)]) == 1
    assert "cannot be written" in capsys.readouterr().err
