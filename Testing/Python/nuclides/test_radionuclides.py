"""The one table of radionuclides: against ICRP 107, against a second list anywhere, and by adding a nuclide to it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PRRTDosimetryLib.dose.point_kernel import nuclides_with_kernel
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.nuclides.errors import NuclideError
from PRRTUptakeLib.nuclides.radionuclides import known_nuclides, nuclide, nuclide_in, nuclides_for_kernels
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "PRRTUptake" / "Resources" / "Nuclides" / "radionuclides.json"
NAME = re.compile(r"[A-Z][a-z]?-\d{1,3}m?")
KNOWN_ANSWERS = {"self_test_checks.py"}  # states the figures anew, to find the table wrong


@pytest.mark.parametrize("name", known_nuclides())
def test_yields_energies_and_lines_are_those_of_icrp_107(name):
    database = pytest.importorskip("icrp107_database")
    entry = nuclide(name)

    def emitted_keV(*kinds: str) -> float:
        spectra = [database.get_icrp107_spectrum(name, kind) for kind in kinds]
        return sum(
            1e3 * energy * weight for s in spectra for energy, weight in zip(s["energies"], s["weights"], strict=True)
        )

    positrons = sum(database.get_icrp107_spectrum(name, "beta+")["weights"])
    assert entry.positron_yield == pytest.approx(positrons, abs=6e-5)
    if entry.electron_keV is not None:
        assert entry.electron_keV == pytest.approx(emitted_keV("beta-", "beta+", "IE", "auger"), rel=3e-4)
        assert entry.photon_keV == pytest.approx(emitted_keV("gamma", "X"), rel=1e-3, abs=0.01)
    gamma = database.get_icrp107_spectrum(name, "gamma")
    lines = {
        round(1e3 * float(energy), 3): weight
        for energy, weight in zip(gamma["energies"], gamma["weights"], strict=True)
    }
    if entry.uses:
        assert {line.energy_keV for line in entry.photon_lines} == {e for e, weight in lines.items() if weight >= 0.01}
    for line in entry.photon_lines:
        assert line.per_decay == pytest.approx(lines[line.energy_keV], abs=6e-5)


@pytest.mark.parametrize("name", [name for name in known_nuclides() if nuclide(name).code])
def test_codes_are_those_of_dicom(name):
    code = nuclide(name).code
    standard = {
        (concept.value, concept.scheme_designator): concept.meaning
        for group in (codes.cid4020, codes.cid18)
        for concept in group.concepts.values()
    }
    assert standard[code.value, code.scheme] == code.meaning
    assert nuclide_in(code.meaning) == name


def test_every_half_life_has_a_source_that_is_listed():
    sources = json.loads(TABLE.read_text(encoding="utf-8"))["sources"]
    for name in known_nuclides():
        entry = nuclide(name)
        for half_life in (entry.half_life, *entry.also_published):
            assert half_life.source in sources
            assert half_life.value_h > 0
            assert half_life.uncertainty_h is None or 0 < half_life.uncertainty_h < 0.01 * half_life.value_h


def test_windows_hold_a_photon_line_or_annihilation():
    for name in known_nuclides():
        entry = nuclide(name)
        energies = [line.energy_keV for line in entry.photon_lines] + [511.0] * (entry.positron_yield > 0)
        for low, high in entry.windows_keV:
            assert any(low < energy < high for energy in energies), name


def test_161tb_has_the_half_life_measured_in_2022():
    """6.9637(29) d, 0.84 % longer than ICRP 107's 6.906 d: after 7 d 0.59 % more activity, over all time 0.84 %."""
    entry = nuclide("Tb-161")
    assert entry.half_life_h == pytest.approx(6.9637 * 24, rel=1e-12)
    assert entry.half_life.uncertainty_h == pytest.approx(0.0029 * 24, rel=1e-12)
    icrp = next(other for other in entry.also_published if other.source == "ICRP 107")
    assert icrp.value_h == pytest.approx(6.906 * 24, rel=1e-12)
    assert entry.half_life_h / icrp.value_h == pytest.approx(1.00836, abs=1e-5)
    assert entry.decay_factor(168.0) / 2 ** (-168.0 / icrp.value_h) == pytest.approx(1.00584, abs=1e-5)


@pytest.mark.parametrize("days", [6.9637, 6.953, 6.906, 6.89])
def test_headers_may_state_any_published_half_life_of_161tb(days):
    item = Dataset()
    item.Radiopharmaceutical = "161Tb-DOTATATE"
    item.RadionuclideHalfLife = str(round(days * 86400))
    assert header_nuclide(item, "the image").name == "Tb-161"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        *(("Mn-52m", "Mn-52m"), ("52mMn", "Mn-52m"), ("Mn52", "Mn-52"), ("99mTc", "Tc-99m"), ("Tc99m", "Tc-99m")),
        *(("LU-177", "Lu-177"), (" 177Lu ", "Lu-177"), ("lutetium-177", "Lu-177"), ("^166^Holmium", "Ho-166")),
    ],
)
def test_spellings(spelling, name):
    assert nuclide(spelling).name == name


@pytest.mark.parametrize("wrong", ["", "Lu", "177", "Lu-17", "Lu-1777", "Lu-177-DOTATATE", "Xx-177", "177 177Lu"])
def test_what_is_no_nuclide_is_refused_by_name(wrong):
    with pytest.raises(NuclideError, match=re.escape(f"'{wrong}' is not known; known are Lu-177")):
        nuclide(wrong)


def test_kernels_on_disk_are_those_of_the_table():
    assert nuclides_with_kernel() == nuclides_for_kernels()


def _lists(tree: ast.AST) -> list[int]:
    """Lines of dicts, tuples, lists and sets that hold two or more names of radionuclides."""
    found = []
    for node in ast.walk(tree):
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        names = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
        if sum(bool(NAME.fullmatch(name)) for name in names) >= 2:
            found.append(node.lineno)
    return found


def test_no_second_list_of_nuclides_exists():
    files = [path for folder in ("PRRTUptake", "PRRTDosimetry", "Tools") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    second = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        if path.name not in KNOWN_ANSWERS
        for line in _lists(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not second, "take the nuclides from nuclides/radionuclides.py"
    assert _lists(ast.parse("A = ('Lu-177', 'Y-90'); B = {'Ga-68': 1, 'Tc-99m': 2}")) == [1, 1]


ASK = """
import json, sys
sys.path[:0] = sys.argv[1:]
from pydicom.dataset import Dataset
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.nuclides.radionuclides import known_nuclides, nuclide, nuclides_for_kernels
from PRRTDosimetryLib.dose.point_kernel import nuclides_with_kernel, point_kernel
item = Dataset()
item.Radiopharmaceutical = "testium-253 DOTATATE"
found = header_nuclide(item, "the image")
print(json.dumps({
    "header": found.name, "half_life_s": found.half_life_s, "therapy": "Tt-253" in known_nuclides("therapy"),
    "generator": "Tt-253" in nuclides_for_kernels(), "panel": "Tt-253" in nuclides_with_kernel(),
    "kernel_keV": point_kernel("253Tt").emitted_keV,
}))
"""


def test_a_new_nuclide_takes_the_table_and_a_kernel_file_only(tmp_path):
    """A nuclide that does not exist, in a copy of the modules: headers, kernels and the panel's list know it."""
    for module in ("PRRTUptake", "PRRTDosimetry"):
        shutil.copytree(ROOT / module, tmp_path / module, ignore=shutil.ignore_patterns("__pycache__", "*.ui", "*.png"))
    copy = tmp_path / TABLE.relative_to(ROOT)
    table = json.loads(copy.read_text(encoding="utf-8"))
    new = {"value": 26.5, "unit": "h", "uncertainty": 0.1, "source": "ICRP 107"}
    table["nuclides"].append(
        {"name": "Tt-253", "element": "testium", "half_life": new, "uses": ["therapy"], "dose_kernel": True}
    )
    copy.write_text(json.dumps(table), encoding="utf-8")
    kernels = tmp_path / "PRRTDosimetry" / "Resources" / "Kernels"
    kernel = json.loads((kernels / "point_kernel_Y-90.json").read_text(encoding="utf-8"))
    (kernels / "point_kernel_Tt-253.json").write_text(json.dumps({**kernel, "nuclide": "Tt-253"}), encoding="utf-8")
    command = [sys.executable, "-c", ASK, str(tmp_path / "PRRTUptake"), str(tmp_path / "PRRTDosimetry")]
    note = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout)
    assert note.pop("kernel_keV") == pytest.approx(933.1, rel=1e-3)
    assert note == {"header": "Tt-253", "half_life_s": 95400.0, "therapy": True, "generator": True, "panel": True}
