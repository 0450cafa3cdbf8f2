#!/bin/bash
# antspyx 0.6.3: label_image_centroids gives points that are not in the labels, in voxels as in mm.
#
# Guess: the centre of each label in voxels, and with physical=True in mm from spacing and origin, as its documentation says.
# Real: the point depends on the size of the image around the label. The centre of a block of 4 x 4 x 4 voxels is (11.5, 21.5, 6.5); it says
# (16.5, 19.5, 14.5) in an image of 40 x 50 x 60 voxels, and (22.5, 26.5, 11.5) in one of 64 x 64 x 32, neither of which is in the block;
# physical=True changes nothing. get_centroids and label_geometry_measures of the same package are right.
# Who meets it: distances between lesions, landmarks for a registration and seeds that are taken from the centres of labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check antspyx==0.6.3 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import ants
import numpy as np

true_voxels, true_mm = (11.5, 21.5, 6.5), (13.0, 43.0, 31.0)
for size, said in (((40, 50, 60), (16.5, 19.5, 14.5)), ((64, 64, 32), (22.5, 26.5, 11.5))):
    values = np.zeros(size)
    values[10:14, 20:24, 5:9] = 1
    label = ants.from_numpy(values, spacing=(2.0, 2.0, 4.0), origin=(-10.0, 0.0, 5.0)).clone("unsigned int")
    voxels = ants.label_image_centroids(label)["vertices"][0]
    physical = ants.label_image_centroids(label, physical=True)["vertices"][0]
    other = ants.get_centroids(label.clone("float"))[0][:3]
    print(f"image of {size}: voxels {voxels} (true {true_voxels}), physical {physical}, get_centroids {other} mm (true {true_mm})")
    assert np.allclose(voxels, said) and np.allclose(physical, said)
    assert np.allclose(other, true_mm)
PYTHON
