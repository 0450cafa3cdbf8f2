"""Values beside curves: unknown regions, wrong kinds, percent for shares, less given than measured."""

from __future__ import annotations

import json
import math

import pytest
from PRRTDosimetryLib.commands import main


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["--teff-h", "Kidny=50"], "half-life is given for 'Kidny'"),
        (["--teff-h", "50", "--u-teff-h", "Kidny=5"], "half-life is given for 'Kidny'"),
        (["--relative-u", "5"], "which is 500 %.*for 5 % write 0.05"),
        (["--relative-u", "-0.1"], "must be from 0 to 1"),
        (["--administered-MBq", "7.4"], "Kidney held 98.5 MBq"),
        (["--administered-MBq", "-7400"], "must be above 0"),
    ],
)
def test_the_command_refuses_them(tmp_path, capsys, words, note):
    (tmp_path / "c.csv").write_text("region,time_h,activity_MBq\nKidney,4,98.5\nKidney,24,73.2\nKidney,96,21.7\n")
    assert main(["tiac", str(tmp_path / "c.csv"), "--nuclide", "Lu-177", *words]) == 1
    import re

    assert re.search(note, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["--teff-h", "Kidney=50"], "Kidney has 3 points"),
        (["--teff-h", "50"], "Kidney has 3 points"),
        (["--teff-h", "50", "--model", "mono"], "no effect on the model 'mono'"),
        (["--start", "zero"], "Start 'zero' and tail 'effective' have no effect on the model 'auto'"),
        (["--tail", "physical", "--model", "bi"], "no effect on the model 'bi'"),
        (["--prior-teff-h", "50", "1.3", "--model", "trapezoid"], "no effect on 'trapezoid'"),
        (["--prior-teff-h", "500", "1.3"], "longer than the physical 159.53 h of Lu-177"),
        (["--cycle", "2"], "--cycle has an effect with --population only"),
        (["--covariate", "egfr=60"], "--covariate has an effect with --population only"),
        (["--earlier", "c.csv"], "--earlier has an effect with --population only"),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, capsys, words, note):
    (tmp_path / "c.csv").write_text("region,time_h,activity_MBq\nKidney,4,98.5\nKidney,24,73.2\nKidney,96,21.7\n")
    assert main(["tiac", str(tmp_path / "c.csv"), "--nuclide", "Lu-177", *words]) == 1
    assert note in capsys.readouterr().err


def test_a_half_life_of_all_regions_is_for_those_with_one_point(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("region,time_h,activity_MBq\nKidney,24,73.2\nL1,24,50\nL1,96,21.7\n")
    assert main(["tiac", str(tmp_path / "c.csv"), "--nuclide", "Lu-177", "--teff-h", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["regions"]
    assert found["Kidney"]["tia_MBq_h"] == pytest.approx(73.2 * 50 / math.log(2) * 2 ** (24 / 50))
    assert found["Kidney"]["model"] == "single-time-point"


def test_an_uncertainty_above_its_half_life_is_refused(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("region,time_h,activity_MBq\nKidney,24,73.2\n")
    words = ["--teff-h", "50", "--u-teff-h", "60"]
    assert main(["tiac", str(tmp_path / "c.csv"), "--nuclide", "Lu-177", *words]) == 1
    assert "60 h, is larger than the half-life of 50 h" in capsys.readouterr().err


def test_a_population_of_other_kinds_is_refused(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("region,time_h,activity_MBq\nBlood,4,98.5\nBlood,24,73.2\n")
    words = ["--population", "synthetic", "--administered-MBq", "7400"]
    assert main(["tiac", str(tmp_path / "c.csv"), "--nuclide", "Lu-177", *words]) == 1
    assert "no region (Blood) is of these kinds" in capsys.readouterr().err
