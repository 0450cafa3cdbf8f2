#!/bin/bash
# mendeleev 1.3.0: branching ratios have lost their powers of ten: 225Ac would emit a carbon nucleus in 5.3 % of its decays.
#
# Guess: the intensities of decay_modes are percentages of the evaluation NUBASE2020, which the package names as its source.
# Real: numbers that are printed there with an exponent have only their mantissa: 5.3 for 5.3e-10 (225Ac, 14C), 8.9 for 8.9e-8 (223Ra, 14C),
# 13.2 for 13.2e-5 (210Bi, alpha) and 1.9 for 1.9e-6 (210Pb, alpha). They add up to more than 100 %. Modes without an exponent are right
# (213Bi: 97.91 % and 2.09 %), and so are half-lives.
# Who meets it: decay chains of alpha emitters (225Ac, 223Ra, 212Pb) that are built from this table: daughters which do not exist.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mendeleev==1.3.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from mendeleev import isotope


def branching(element, mass_number):
    """Percentages by mode of decay."""
    return {mode.mode: mode.intensity for mode in isotope(element, mass_number).decay_modes if mode.intensity is not None}


found = {name: branching(*name) for name in (("Ac", 225), ("Ra", 223), ("Bi", 210), ("Pb", 210), ("Bi", 213))}
for (element, mass_number), modes in found.items():
    print(f"{mass_number}{element}: {modes}, sum {sum(modes.values()):g} %")
assert found["Ac", 225] == {"A": 100.0, "14C": 5.3}
assert found["Ra", 223] == {"A": 100.0, "14C": 8.9}
assert found["Bi", 210] == {"B-": 100.0, "A": 13.2}
assert found["Pb", 210] == {"B-": 100.0, "A": 1.9}
assert found["Bi", 213] == {"B-": 97.91, "A": 2.09}
PYTHON
