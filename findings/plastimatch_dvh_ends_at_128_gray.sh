#!/bin/bash
# plastimatch 1.10.0: a dose-volume histogram ends at 127.5 Gy, and everything above is counted there.
#
# Guess: "plastimatch dvh" makes as many bins as the dose map needs, or says that some dose is outside.
# Real: 256 bins of 0.5 Gy. A lesion that got 200 Gy has 100 % of its volume at 127.5 Gy and the table ends there, so that D50, D2, mean and
# maximum read 127.5 Gy; in the differential table it looks like a peak at 127.5 Gy. Exit status 0, no warning.
# With --num-bins 512 it is right.
# Who meets it: absorbed doses of tumours in PRRT and of lobes in radioembolisation, which pass 128 Gy where external beams do not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check plastimatch==1.10.0 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
PATH="$folder/venv/bin:$PATH" "$folder/venv/bin/python" - <<'PYTHON'
import csv
import subprocess

import numpy as np
import SimpleITK as sitk

mask = np.zeros((12, 16, 16), np.uint32)
mask[3:6, 4:8, 4:8] = 1
dose_gray = np.full(mask.shape, 10.0, np.float32)
dose_gray[mask == 1] = 200.0
sitk.WriteImage(sitk.GetImageFromArray(dose_gray), "dose.nrrd")
sitk.WriteImage(sitk.GetImageFromArray(mask), "regions.nrrd")
with open("regions.txt", "w") as file:
    file.write("0|255\\0\\0|lesion\n")


def histogram(*options):
    """Pairs of dose in Gy and content of the bin for the lesion."""
    command = ["plastimatch", "dvh", "--input-ss-img", "regions.nrrd", "--input-ss-list", "regions.txt", "--input-dose", "dose.nrrd"]
    done = subprocess.run([*command, "--output-csv", "dvh.csv", *options], capture_output=True, text=True, check=True)
    assert "warn" not in (done.stdout + done.stderr).lower()
    with open("dvh.csv") as file:
        return [(float(row[0]), float(row[1])) for row in list(csv.reader(file))[1:] if len(row) > 1]


def d50(rows):
    return max(dose for dose, volume in rows if volume >= 0.5)


short, long = histogram(), histogram("--num-bins", "512")
peak = [row for row in histogram("--differential", "--normalization", "vox") if row[1] > 0]
print(f"D50 of a lesion of 200 Gy: {d50(short):g} Gy, with more bins {d50(long):g} Gy; differential: {peak}")
assert short[-1] == (127.5, 1.0) and d50(long) == 200.0
assert peak == [(127.5, float(mask.sum()))]
PYTHON
