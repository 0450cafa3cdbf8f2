#!/bin/bash
# actigamma 0.1.5: each spectrum that is made with a MultiTypeLineAggregator holds all those made before it.
#
# Guess: aggregator(inventory) bins the lines of that inventory, gamma and x-ray together; calling it again with the same inventory gives the same.
# Real: lines are added to those of earlier calls. For 177Lu of 1 MBq the 208 keV bin has 103,800 photons a second at the first call, 207,600 at the
# second and 311,400 at the third; a patient or time point in a loop gets the photons of all before. No warning. LineAggregator, for one type, is
# right.
# Who meets it: photon spectra over time points or waste drums (shielding, dose rates, detector response) with one aggregator for all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check actigamma==0.1.5 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import actigamma as ag

database = ag.Decay2012Database()
grid = ag.EnergyGrid(bounds=ag.linspace(0, 1e6, 1001))  # 1 keV a bin
lutetium = ag.UnstablesInventory(data=[(database.getzai("Lu177"), 1e6)])
both, single = ag.MultiTypeLineAggregator(database, grid), ag.LineAggregator(database, grid)
by_both = [float(both(lutetium, types=["gamma", "x-ray"])[0][208]) for _ in range(3)]
by_single = [float(single(lutetium, spectype="gamma")[0][208]) for _ in range(3)]
print(f"photons/s at 208 keV in three calls: both types {by_both}, gamma only {by_single}")
grows = all(abs(value / by_both[0] - k - 1) < 1e-6 for k, value in enumerate(by_both))
if not grows or len(set(by_single)) != 1 or abs(by_single[0] - by_both[0]) > 1:
    raise SystemExit("changed: the lines of earlier calls are no longer in the spectrum")
PYTHON
