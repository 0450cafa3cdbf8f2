"""Stands in for TotalSegmentator: its arguments, and the files that version 2.18 writes; the masks are balls and boxes.

Files are NIfTI-1 with the axes as dcm2niix turns them (rows reversed), one per structure, or with --ml one label map
whose names are in the header extension.
"""

import argparse
import gzip
import os
import struct
import sys
from pathlib import Path

if "--version" in sys.argv:
    print("2.18.0")
    raise SystemExit(0)

import numpy as np
import pydicom

CLASSES = {
    "total": {1: "spleen", 2: "kidney_right", 5: "liver", 52: "aorta", 120: "skull"},
    "liver_segments": {n: f"liver_segment_{n}" for n in range(1, 9)},
    "liver_vessels": {1: "liver_vessels", 2: "liver_tumor"},
    "liver_lesions": {1: "liver_lesions"},
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-i")
    parser.add_argument("-o")
    parser.add_argument("-ta", "--task", default="total")
    parser.add_argument("-ml", "--ml", action="store_true")
    parser.add_argument("-f", "--fast", action="store_true")
    chosen = parser.parse_args()
    mode = os.environ.get("STANDIN", "")
    if mode == "fails":
        print("some progress\nRuntimeError: no model weights were found", file=sys.stderr)
        return 1
    shape, affine = grid_of(Path(chosen.i))
    if mode == "other grid":
        affine[0, 3] += 40.0
    labels = np.zeros(shape, np.uint8)
    for n in CLASSES[chosen.task]:
        labels[(n * 7) % (shape[0] - 1) :, 1:3, 1:3] = n
    if chosen.task == "total":
        labels[1 : shape[0] - 1] = 5 if mode != "no liver" else 0
    if chosen.task == "liver_lesions":
        labels[:] = 0
        if mode != "no lesion":
            labels[2:4, 1:3, 1:3] = 1
    if chosen.ml:
        write(Path(chosen.o), labels, affine, CLASSES[chosen.task])
        return 0
    Path(chosen.o).mkdir(parents=True, exist_ok=True)
    for n, name in CLASSES[chosen.task].items():
        write(Path(chosen.o) / f"{name}.nii.gz", (labels == n).astype(np.uint8), affine)
    return 0


def grid_of(folder):
    """Shape [k, j, i] and RAS affine with reversed rows."""
    slices = sorted(
        (pydicom.dcmread(one) for one in folder.iterdir()), key=lambda ds: float(ds.ImagePositionPatient[2])
    )
    first = slices[0]
    shape = (len(slices), int(first.Rows), int(first.Columns))
    row, column = np.array(first.ImageOrientationPatient[:3], float), np.array(first.ImageOrientationPatient[3:], float)
    step = np.array(slices[1].ImagePositionPatient, float) - np.array(first.ImagePositionPatient, float)
    affine = np.eye(4)
    affine[:3, 0] = row * float(first.PixelSpacing[1])
    affine[:3, 1] = -column * float(first.PixelSpacing[0])
    affine[:3, 2] = step
    affine[:3, 3] = np.array(first.ImagePositionPatient, float) + column * float(first.PixelSpacing[0]) * (shape[1] - 1)
    return shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def write(path, values, affine, names=None):
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *values.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0, 0, 0, 0)
    struct.pack_into("<2f", header, 112, 1.0, 0.0)
    header[123] = 2
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    extension = b"\0\0\0\0"
    if names:
        rows = "".join(
            f'<Label Key="{n}" Red="1.0" Green="0.0" Blue="0.0" Alpha="1"><![CDATA[{name}]]></Label>\n'
            for n, name in names.items()
        )
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <VolumeInformation Index="0">   <LabelTable>\n'
            f"{rows}\n  </LabelTable>  <VolumeType><![CDATA[Label]]></VolumeType>   </VolumeInformation>"
            "</CaretExtension>"
        ).encode()
        xml += b" " * (-(len(xml) + 8) % 16)
        extension = b"\1\0\0\0" + struct.pack("<ii", len(xml) + 8, 0) + xml
    struct.pack_into("<f", header, 108, 348.0 + len(extension))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(bytes(header) + extension + values[:, ::-1].astype(np.uint8).tobytes()))


if __name__ == "__main__":
    sys.exit(main())
