"""``prrt tiac``: tables of curves in, time-integrated activities out."""

import json

import pytest
from builders.shared_data import shared_file
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.nuclides.radionuclides import nuclide

TIMES = (4.0, 24.0, 72.0, 168.0)
LU177 = nuclide("Lu-177")


def _table(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("model", ["mono", "uptake-clearance"])
def test_command_agrees_with_the_snmmi_challenge(tmp_path, capsys, model):
    data = json.loads(shared_file("reference", "tac_patient4.json").read_text())
    lines = ["region,time_h,activity_MBq"]
    for region, activities in data["activity_MBq"].items():
        lines += [f"{region},{t},{a}" for t, a in zip(data["time_h"], activities, strict=True)]
    path = _table(tmp_path, "\n".join(lines))
    assert main(["tiac", path, "--nuclide", "Lu-177", "--model", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["regions"]
    key = {"mono": "tia_MBq_h_mono_exponential_fit", "uptake-clearance": "tia_MBq_h_uptake_clearance_fit"}[model]
    for region, expected in data[key].items():
        assert found[region]["tia_MBq_h"] == pytest.approx(expected, rel=1e-3)
        assert found[region]["model"] == model
        assert found[region]["u_tia_MBq_h"] > 0
        assert found[region]["teff_h"] < LU177.half_life_h


def test_command_clamps_and_states_its_choices(tmp_path, capsys):
    path = _table(tmp_path, "region,time_h,activity_MBq\nLiver,24,50\nLiver,96,40\n")
    assert main(["tiac", path, "--nuclide", "177Lu", "--administered-MBq", "7400", "--json"]) == 0
    liver = json.loads(capsys.readouterr().out)["regions"]["Liver"]
    assert liver["teff_h"] == pytest.approx(159.5, abs=0.05)
    assert liver["tiac_h"] == pytest.approx(liver["tia_MBq_h"] / 7400)
    assert any("physical decay" in note for note in liver["notes"])
    assert "all points equal" in liver["weights"]
    assert "decayed" in liver["decay"]
    assert main(["tiac", path, "--nuclide", "177Lu"]) == 0
    text = capsys.readouterr().out
    assert "159.53" in text
    assert "average of the possible models" in text


def test_command_with_every_option(tmp_path, capsys):
    path = _table(tmp_path, "region,time_h,activity_MBq\nA,24,50\nB,24,50\nB,96,20\n")
    argv = ["tiac", path, "--nuclide", "Lu-177", "--teff-h", "60", "A=70", "--u-teff-h", "5", "--relative-u", "0.05"]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["regions"]
    assert (found["A"]["model"], found["B"]["model"]) == ("single-time-point", "mono")
    assert found["A"]["teff_h"] == pytest.approx(70.0)
    assert found["B"]["u_tia_MBq_h"] > 0
    for tail, start in (("physical", "zero"), ("effective", "decay")):
        path = _table(tmp_path, "region,time_h,activity_MBq\nB,24,50\nB,96,20\n")
        assert (
            main(["tiac", path, "--nuclide", "Lu-177", "--model", "trapezoid", "--tail", tail, "--start", start]) == 0
        )
        assert "trapezoid" in capsys.readouterr().out


def test_command_by_monte_carlo(tmp_path, capsys):
    rows = "\n".join(f"A,{t},{100 * 2 ** (-t / 60):.4f},{5 * 2 ** (-t / 60):.4f}" for t in TIMES)
    path = _table(tmp_path, f"region,time_h,activity_MBq,uncertainty\n{rows}\n")
    argv = ["tiac", path, "--nuclide", "Lu-177", "--model", "mono", "--monte-carlo", "2000"]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["regions"]["A"]
    assert found["monte_carlo"]["u_tia_MBq_h"] == pytest.approx(found["u_tia_MBq_h"], rel=0.06)
    assert found["monte_carlo"]["correlation"][0][1] == pytest.approx(found["correlation"][0][1], abs=0.06)
    assert found["monte_carlo"]["tia_interval_MBq_h"] == pytest.approx(found["tia_interval_MBq_h"], rel=0.02)
    assert main(argv) == 0
    assert "2000 refits" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main([*argv[:-1], "3"])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("Liver,96,40\nLiver,24,50", "out of order"),
        ("Liver,24,50", "no effective half-life"),
        ("Liver,24,-50\nLiver,96,40", "negative"),
        ("Liver,24,50\nLiver,96,40000", "units were mixed"),
    ],
)
def test_command_refuses_bad_input_in_one_sentence(tmp_path, capsys, rows, word):
    path = _table(tmp_path, f"region,time_h,activity_MBq\n{rows}\n")
    assert main(["tiac", path, "--nuclide", "Lu-177", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert word in captured.err
    assert captured.err.count("\n") == 1
