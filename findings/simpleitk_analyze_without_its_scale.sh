#!/bin/bash
# Analyze 7.5 files with a scale factor: nibabel 5.4.2 multiplies by it, SimpleITK 2.5.7 gives the stored integers.
#
# Guess: SPM has kept a scale factor in the header of Analyze files since 1999, and readers that open such a file use it, or say that they do not.
# Real: a voxel of 1000.5 Bq/mL that is stored as 2001 with the factor 0.5 is 1000.5 in nibabel and 2001 in SimpleITK. SimpleITK warns that Analyze
# is out of date, of whatever file of this kind, and not that it leaves out the scale. Voxel sizes agree.
# Who meets it: old PET and SPECT studies (SPM, PMOD, brain and small-animal programs write them), in ratios between time
# points, each with a factor of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 nibabel==5.4.2 scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2> warnings.txt <<'PYTHON' || { cat warnings.txt >&2; exit 1; }
import nibabel
import numpy as np
import SimpleITK as sitk

found = {}
for factor in (0.5, 0.25):  # two time points with the same activity
    stored = np.zeros((8, 8, 8), np.int16)
    stored[4, 4, 4] = round(1000.5 / factor)
    image = nibabel.Spm99AnalyzeImage(stored, np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header.set_slope_inter(factor)
    nibabel.save(image, "pet.img")
    by_nibabel = float(nibabel.load("pet.img").get_fdata().max())
    by_simpleitk = sitk.ReadImage("pet.hdr")
    found[factor] = (by_nibabel, float(sitk.GetArrayFromImage(by_simpleitk).max()), by_simpleitk.GetSpacing())
print({factor: values[:2] for factor, values in found.items()})
scaled = all(values[0] == 1000.5 for values in found.values())
if not scaled or [values[1] for values in found.values()] != [2001, 4002] or found[0.5][2] != (2.0, 2.0, 3.0):
    raise SystemExit("changed: the scale factor of an Analyze file is treated in another way")
PYTHON
if grep -qi "scale\|slope" warnings.txt; then
  echo "changed: SimpleITK says something of the scale factor" >&2
  exit 1
fi
