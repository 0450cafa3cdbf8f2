"""Values beside curves: unknown regions, wrong kinds, percent for shares, less given than measured."""

from __future__ import annotations

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
