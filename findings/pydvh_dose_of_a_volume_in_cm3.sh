#!/bin/bash
# pydvh 1.0.10: the dose to the hottest 2 or 50 cm3 of an organ is the maximum dose when the histogram is in per cent.
#
# Guess: get_dose_at_volume(50, "cm3") of a histogram in % takes 50 cm3 of the organ's volume, which the histogram knows, for so many per cent.
# Real: it divides by a hundred where it should multiply, so that 50 cm3 of 100 cm3 count as 0.005 %, not 50 %: a liver of 100 cm3 with doses spread
# evenly from 0 to 50 Gy has D50cm3 = 49.998 Gy instead of 25 and D2cm3 = 49.9999 instead of 49. Between cm3 and mm3 the factor is turned round too:
# D2000mm3 of the histogram in cm3 reads 100, which is not even a dose, but the volume. No warning. With the histogram's own unit it is right.
# Who meets it: D2cc of bowel and D1cc of kidney in histograms that a planning system exported as relative volume.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydvh==1.0.10 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pydvh import DVHData, DVHType

doses_Gy = np.linspace(0.05, 49.95, 1000)  # of voxels of 0.1 cm3
absolute = DVHData.from_dose_matrix("liver", DVHType.CDVH, doses_Gy, "Gy", 0.1, "cm3", upper_dose_limit=60, bin_width=0.1)
per_cent = absolute.volume_array / absolute.total_volume * 100
relative = DVHData("liver", DVHType.CDVH, 0, 60, 0.1, absolute.dose_array.copy(), "Gy", per_cent, "%", total_volume=100.0)
own_unit = {volume: float(absolute.get_dose_at_volume(volume, "cm3")) for volume in (2, 50)}
other_unit = {volume: float(relative.get_dose_at_volume(volume, "cm3")) for volume in (2, 50)}
in_mm3 = float(absolute.get_dose_at_volume(2000, "mm3"))
half = float(relative.get_dose_at_volume(50, "%"))
for volume, true in ((2, 49.0), (50, 25.0)):
    print(f"D{volume}cm3: true {true} Gy; histogram in cm3 {own_unit[volume]:.3f}, in % {other_unit[volume]:.4f}")
print(f"D50% {half:.3f} Gy; D2000mm3 of the histogram in cm3 {in_mm3:.1f}")
right = abs(own_unit[2] - 49) < 0.1 and abs(own_unit[50] - 25) < 0.1 and abs(half - 25) < 0.1
if not right or min(other_unit.values()) < 49.9 or abs(in_mm3 - 100) > 0.1:
    raise SystemExit("changed: pydvh turns volumes into other units by another factor")
PYTHON
