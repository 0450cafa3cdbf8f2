#!/bin/bash
# gatetools 0.12.9: with a threshold, gt_image_uncertainty writes the absolute uncertainty, and --sigma does nothing.
#
# Guess: history by history (squared dose beside the dose), the output is the relative uncertainty of each voxel, with --sigma the absolute one,
# and -t leaves voxels out that are below a part of the maximum.
# Real: the threshold is taken for the switch of --sigma. With any -t the output is absolute and nothing is left out; with --sigma alone it
# stays relative. In a voxel of 5 % of the dose the relative uncertainty of 3.1 % reads 0.16 % after "-t 0.1". No warning.
# Who meets it: internal dosimetry by Monte Carlo (GATE) of 177Lu and 90Y, where the noise far from the source decides whether to run on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gatetools==0.12.9 'setuptools<70'
cd "$folder"
PATH="$folder/venv/bin:$PATH" "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import subprocess

import itk
import numpy as np

events = 1000
deposits = np.random.default_rng(1).exponential(1.0, (events, 4, 4, 4))  # dose per history, in Gy
deposits[:, 0] *= 0.05  # the first plane gets 5 %
itk.imwrite(itk.image_from_array(deposits.sum(0).astype(np.float32)), "dose.mhd")
itk.imwrite(itk.image_from_array((deposits**2).sum(0).astype(np.float32)), "dose-Squared.mhd")
absolute = deposits.std(0, ddof=1) / np.sqrt(events)
relative = absolute / deposits.mean(0)


def written(*options):
    command = ["gt_image_uncertainty", "-n", str(events), "-o", "uncertainty.mhd", *options, "dose.mhd"]
    subprocess.run(command, check=True, capture_output=True)
    return itk.array_from_image(itk.imread("uncertainty.mhd"))


found = {" ".join(options): written(*options) for options in ((), ("--sigma",), ("-t", "0.1"))}
for options, image in found.items():
    print(f"options '{options}': {image[0].mean():.4f} in the plane of 5 %, {image[2].mean():.4f} elsewhere")
print(f"true: relative {relative[0].mean():.4f} and {relative[2].mean():.4f}, absolute {absolute[0].mean():.4f} and {absolute[2].mean():.4f}")
assert np.allclose(found[""], relative, rtol=1e-3)
assert np.allclose(found["--sigma"], relative, rtol=1e-3)
assert np.allclose(found["-t 0.1"], absolute, rtol=1e-3)
PYTHON
