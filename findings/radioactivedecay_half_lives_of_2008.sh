#!/bin/bash
# radioactivedecay 0.6.1: the data set "icrp107_ame2020_nubase2020" has the half-lives of ICRP 107 (2008), not those of NUBASE2020.
#
# Guess: by its name the half-lives are NUBASE2020's; NUBASE is a table of half-lives.
# Real: half-lives and branching are ICRP 107's; only atomic masses are of 2020. 161Tb: 6.906 d, where a measurement of 2022 has
# 6.9637(29) d (PubMed 35158282): 0.8 % in the half-life, 2.3 % in the activity after four weeks.
# Who meets it: dosimetry of 161Tb, whose time-integrated activity and calibration decay with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check radioactivedecay==0.6.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import radioactivedecay

ICRP_107_d = {"Tb-161": 6.906, "Lu-177": 6.647}
MEASURED_TB161_d = 6.9637
found = {name: radioactivedecay.Nuclide(name).half_life("d") for name in ICRP_107_d}
print(radioactivedecay.DEFAULTDATA.dataset_name, found, f"161Tb {100 * (found['Tb-161'] / MEASURED_TB161_d - 1):+.2f} % against 6.9637 d")
assert radioactivedecay.DEFAULTDATA.dataset_name == "icrp107_ame2020_nubase2020"
assert found == ICRP_107_d
PYTHON
