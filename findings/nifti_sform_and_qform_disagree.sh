#!/bin/bash
# NIfTI whose sform and qform differ: nibabel 5.4.2 and SimpleITK 2.5.7 put the image in different places.
#
# Guess: readers agree which of the two matrices of a header counts, and a matrix that was added by a registration is used by all.
# Real: nibabel takes the sform whenever it has a code. SimpleITK takes it only with the code 1 (scanner) and otherwise the qform, also when
# the sform says "aligned to something else" (2), Talairach (3) or MNI (4). An image that was moved by 30 mm and saved in this way is moved
# in one program and not in the other; with code 1 they agree. Neither warns.
# Who meets it: whoever saves a registered SPECT, CT or mask by nibabel's set_sform, or by programs that write the result of a registration
# as "aligned", and measures it by SimpleITK, ITK or ANTs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import nibabel
import numpy as np
import SimpleITK as sitk

scanner = np.diag([-2.0, -2.0, 3.0, 1.0])
registered = scanner.copy()
registered[2, 3] = 30.0  # moved by 30 mm towards the head

found = {}
for name, code in (("scanner", 1), ("aligned", 2), ("talairach", 3), ("mni", 4)):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.float32), None)
    image.set_qform(scanner, 1)
    image.set_sform(registered, code)
    nibabel.save(image, "image.nii")
    found[name] = (float(nibabel.load("image.nii").affine[2, 3]), sitk.ReadImage("image.nii").GetOrigin()[2])
    print(f"sform of code {code} ({name}): first plane at z = {found[name][0]:g} mm by nibabel, {found[name][1]:g} mm by SimpleITK")
assert found == {"scanner": (30.0, 30.0), "aligned": (30.0, 0.0), "talairach": (30.0, 0.0), "mni": (30.0, 0.0)}
PYTHON
