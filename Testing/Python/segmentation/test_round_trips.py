"""Contours through other programs and back: the matrix of Docs/formats.md, held by the programs themselves.

They are installed by ``sh Tools/round_trip/install.sh``; the tests are skipped aloud without them.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders.contour_objects import grid_of, small_ct
from builders.patient_fixture import measured_patient
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_rtstruct import structure_set
from PRRTUptakeLib.export.dicom_seg import segmentation_object
from PRRTUptakeLib.export.nifti_masks import write_masks
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, read_segmentation_file, write_segmentation_file
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.segment_files import read_segments
from PRRTUptakeLib.study.visit import measure_visit
from scipy import ndimage

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
EXCHANGE = ROOT / "Tools" / "round_trip" / "exchange.py"
STRUCTURE_SETS = ("rt_utils", "dicomrttool", "plastimatch")
SEGMENTATIONS = ("highdicom", "highdicom_labelmap", "dcmqi")
MASKS = ("nibabel", "nibabel_turned", "nibabel_labels", "itk_metaimage")
WRITERS = (*STRUCTURE_SETS, *SEGMENTATIONS, *MASKS)
DISJOINT = {"highdicom_labelmap", "nibabel_labels"}  # one label per voxel
COUNT, PER_FILE = 500, 250


def exchange(*words):
    """Run a step in the environment of the other programs."""
    place = Path(os.environ.get("PRRT_ROUND_TRIP", ROOT / ".venv-round-trip"))
    python = place / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"the programs of the round trips are not installed in {place.name} (Tools/round_trip/install.sh)")
    made = subprocess.run([python, EXCHANGE, *map(str, words)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-3000:]


def structure(seed, shape):
    """A random structure: a blob of noise with holes, islands, and necks of one pixel."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform((0.6, 0.8, 0.8), (1.5, 2.5, 2.5)))
    edge = np.zeros(shape, bool)
    edge[2:-2, 3:-3, 3:-3] = True
    return (smooth > np.quantile(smooth, rng.uniform(0.6, 0.95))) & edge


def dice(one, other):
    total = one.sum() + other.sum()
    return 2.0 * (one & other).sum() / total if total else 1.0


def written(folder, masks, program):
    np.savez_compressed(folder / "masks.npz", **masks)
    exchange("write", program, folder)
    return folder / program


@pytest.mark.parametrize("program", WRITERS)
def test_random_structures_come_back_voxel_by_voxel(program, tmp_path):
    """500 structures, written by each program, have a Dice coefficient of 1.000 when they are read.

    Pixels are square: rt-utils 1.2.7 takes the two pixel spacings for each other where they differ.
    """
    series = small_ct(tmp_path / "ct", shape=(10, 34, 38), spacing=(1.5, 1.5, 3.0))
    grid = grid_of(series)
    worst = 1.0
    for start in range(0, COUNT, PER_FILE):
        masks = {f"s{n}": structure(n, grid.shape) for n in range(start, start + PER_FILE)}
        if program in DISJOINT:
            taken = np.zeros(grid.shape, bool)
            for name in masks:
                masks[name] = masks[name] & ~taken
                taken |= masks[name]
        found = regrid(read_segments(written(tmp_path, masks, program), series), grid)
        for name, mask in masks.items():
            assert name in found or not mask.any(), name
            if name in found:
                worst = min(worst, dice(found[name].full_mask(grid.shape), mask))
        for path in sorted((tmp_path / program).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (tmp_path / program).rmdir()
    assert worst == 1.0


@pytest.mark.parametrize("program", ["highdicom", "dcmqi"])
def test_our_segmentation_is_read_by_other_programs(program, tmp_path):
    """Voxels, names and codes of our SEG in dcmqi and highdicom; one anatomic region each, which dcmqi keeps."""
    series = small_ct(tmp_path / "ct", shape=(10, 34, 38))
    grid = grid_of(series)
    labels = {"L1": ("left", "liver_lesion"), "R1": ("right", "liver_lesion"), "E1": ("none", "extrahepatic_lesion")}
    segments = [
        Segment.from_full(name, structure(n, grid.shape), role="target", lobe=lobe, structure=key, lesion_id=name)
        for n, (name, (lobe, key)) in enumerate(labels.items())
    ]
    save_object(segmentation_object(Segmentation(grid, tuple(segments)), series[0]), tmp_path / "seg.dcm")
    exchange("read", program, tmp_path)
    with np.load(tmp_path / f"{program}.npz") as found:
        assert set(found.files) == set(labels)
        for segment in segments:
            assert np.array_equal(found[segment.name], segment.full_mask(grid.shape))
    if program == "dcmqi":
        about = json.loads((tmp_path / "dcmqi.json").read_text(encoding="utf-8"))
        sites = {one[0]["SegmentLabel"]: one[0].get("AnatomicRegionSequence") for one in about["segmentAttributes"]}
        assert sites["L1"]["CodeValue"] == "69842003"
        assert sites["R1"]["CodeValue"] == "48521005"


@pytest.mark.parametrize("program", STRUCTURE_SETS)
def test_our_structure_set_is_read_by_other_programs(program, tmp_path):
    """Names, and voxels within the layer of pixels on the outline, where programs round differently."""
    series = small_ct(tmp_path / "ct", shape=(10, 64, 64), spacing=(1.5, 1.5, 3.0))
    grid = grid_of(series)
    place = np.moveaxis(np.indices(grid.shape), 0, -1) - [5, 32, 32]
    far = np.linalg.norm(place * [2.0, 1.0, 1.0], axis=-1)
    masks = {"l1": far < 9, "liver": (far < 18) & (far > 6), "spleen": np.roll(far < 7, (1, 12, -15), (0, 1, 2))}
    segments = tuple(Segment.from_full(name, mask) for name, mask in masks.items())
    save_object(structure_set(Segmentation(grid, segments), series[0]), tmp_path / "rtstruct.dcm")
    exchange("read", program, tmp_path)
    pixel = np.zeros((3, 3, 3), bool)
    pixel[1] = True
    with np.load(tmp_path / f"{program}.npz") as found:
        assert set(found.files) == set(masks)
        for name, mask in masks.items():
            edge = ndimage.binary_dilation(mask, pixel) & ~ndimage.binary_erosion(mask, pixel, border_value=1)
            assert not ((found[name] != mask) & ~edge).any(), name
            assert dice(found[name], mask) > 0.88  # a layer of pixels more in small ones


def test_our_masks_are_read_by_nibabel(tmp_path):
    series = small_ct(tmp_path / "ct", shape=(10, 34, 38), spacing=(1.5, 2.0, 3.0))
    grid = grid_of(series)
    masks = {name: structure(n, grid.shape) for n, name in enumerate(("L1", "R1", "liver"))}
    segments = tuple(Segment.from_full(name, mask) for name, mask in masks.items())
    write_masks(Segmentation(grid, segments), tmp_path / "masks")
    exchange("read", "nibabel", tmp_path)
    with np.load(tmp_path / "nibabel.npz") as found:
        assert set(found.files) == set(masks)
        for name, mask in masks.items():
            assert np.array_equal(found[name], mask)


@pytest.fixture(scope="module")
def patient():
    """The synthetic LUTIA patient: segments as drawn, images, and the ratio that they give."""
    case, outcome = measured_patient()
    visit = outcome.visits[0]
    drawn = read_segments(case.parent / "segments")
    return outcome, drawn, visit


@pytest.mark.parametrize("program", [*WRITERS, "slicer"])
def test_the_ratio_of_the_synthetic_patient_does_not_depend_on_the_format(program, patient, tmp_path, scene):
    """Treated/control within 0.5 %, whichever program brought the masks."""
    outcome, drawn, visit = patient
    images = outcome.images[0]
    series = [images.measured, images.contours]
    grid = grid_of([images.contours])
    named = {s.name: s for s in drawn if s.voxel_count}
    if program == "slicer":
        node = node_from_segmentation(drawn, "drawn")
        write_segmentation_file(node, tmp_path / "drawn.seg.nrrd")
        path = tmp_path / "drawn.seg.nrrd"
    else:
        (tmp_path / "ct").mkdir()
        for n, file in enumerate(images.contours.files):
            (tmp_path / "ct" / f"ct{n:04d}.dcm").symlink_to(file)
        masks = {name: regrid(drawn, grid)[name].full_mask(grid.shape) for name in named}
        if program in DISJOINT:  # the liver first, so that lesions and the rest are written over it
            masks = {"liver": masks.pop("liver"), **masks}
            if program == "highdicom_labelmap":
                masks["liver"] = masks["liver"] | masks["liver_lesions"]
        path = written(tmp_path, masks, program)
    found = read_segments(path, series, read_segmentation_file)
    protocol = outcome.input.protocol
    again = measure_visit(prepare(found, protocol, visit.image), visit.image, protocol, visit.labels)
    assert again.lobe_ratio == pytest.approx(visit.lobe_ratio, rel=0.005)
