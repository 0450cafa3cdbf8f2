"""Segments as RT Structure Set: the masks come back pixel by pixel with what they are, and validators find no error."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from builders.contour_objects import grid_of, small_ct
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_rtstruct import structure_set
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.export.outlines import outlines
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from scipy import ndimage

TURNED = [[-0.8, 0.6, 0.0], [-0.6, -0.8, 0.0], [0.0, 0.0, 1.0]]


def noise(seed, shape, width):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), width) > 0


def crossings(ring, points):
    """How often a ray from each point (n, 2) along i meets a polygon: even-odd rule, analytic."""
    ends = np.roll(ring, -1, axis=0)
    low, high = np.minimum(ring[:, 1], ends[:, 1]), np.maximum(ring[:, 1], ends[:, 1])
    upright = ring[:, 0] == ends[:, 0]
    i, j = points[:, :1], points[:, 1:]
    return (upright & (low < j) & (j < high) & (ring[:, 0] > i)).sum(axis=1)


@pytest.mark.parametrize("seed", range(12))
def test_outlines_hold_exactly_the_pixels_of_the_mask(seed):
    """With holes in islands in holes, pixels that touch by a corner, and the border of the plane."""
    mask = noise(seed, (24, 31), 0.3 + 0.15 * seed)
    j, i = np.mgrid[: mask.shape[0], : mask.shape[1]]
    points = np.column_stack([i.ravel(), j.ravel()]).astype(float)
    count = sum(crossings(ring, points) for ring in outlines(mask))
    assert np.array_equal(count.reshape(mask.shape) % 2 == 1, mask)


def test_an_empty_mask_has_no_outline():
    assert outlines(np.zeros((3, 4), dtype=bool)) == []


@pytest.fixture(scope="module", params=[None, TURNED], ids=["straight", "turned"])
def drawn(request, tmp_path_factory):
    """A CT and segments with holes on it; the structure set's path."""
    folder = tmp_path_factory.mktemp("rtstruct")
    series = small_ct(folder / "ct", shape=(8, 30, 34), turn=request.param)
    grid = grid_of(series)
    labels = {
        "liver": ("organ", "", "liver", ""),
        "L1": ("target", "left", "liver_lesion", "L1"),
        "Läsion 7": ("lesion", "right", "liver_lesion", "R7"),
    }
    segments = []
    for n, (name, (role, lobe, key, lesion)) in enumerate(labels.items()):
        mask = noise(n, grid.shape, (0.5, 1.5, 1.5))
        segments.append(Segment.from_full(name, mask, role=role, lobe=lobe, structure=key, lesion_id=lesion))
    segmentation = Segmentation(grid, tuple(segments))
    return save_object(structure_set(segmentation, series[0]), folder / "rtstruct.dcm"), series, segmentation


def test_masks_names_and_roles_come_back(drawn):
    path, series, segmentation = drawn
    found = regrid(read_contours(path, series), segmentation.grid)
    assert {segment.name for segment in found} == {segment.name for segment in segmentation}
    for segment in segmentation:
        again = found[segment.name]
        assert np.array_equal(again.full_mask(found.grid.shape), segment.full_mask(segmentation.grid.shape))
        for key in ("role", "lobe", "lesion_id", "structure"):
            assert getattr(again, key) == getattr(segment, key), (segment.name, key)


def test_every_contour_names_its_image(drawn):
    path, series, segmentation = drawn
    ds = pydicom.dcmread(path)
    positions = {
        str(header.dataset.SOPInstanceUID): np.array(header.dataset.ImagePositionPatient, float)
        for header in series[0].headers
    }
    normal = np.linalg.inv((np.diag([-1.0, -1.0, 1.0, 1.0]) @ segmentation.grid.ijk_to_ras)[:3, :3])[2]
    for item in ds.ROIContourSequence:
        for contour in item.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            image = positions[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
            assert np.abs((points - image) @ normal).max() < 1e-3


def test_dciodvfy_finds_no_error(drawn):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools): validity was NOT checked")
    run = subprocess.run(["dciodvfy", str(drawn[0])], capture_output=True, text=True, check=False)
    said = run.stdout + run.stderr
    assert "RTStructureSet" in said
    assert not [line for line in said.splitlines() if line.startswith("Error")]


def test_segments_with_other_voxels_are_refused(drawn):
    _, series, segmentation = drawn
    matrix = segmentation.grid.ijk_to_ras.copy()
    matrix[:3, :3] *= 1.3
    other = Segmentation(Grid(segmentation.grid.shape, matrix), tuple(segmentation))
    with pytest.raises(ExportError, match="do not have the voxels"):
        structure_set(other, series[0])


def test_nothing_to_write_is_refused(drawn):
    _, series, segmentation = drawn
    empty = Segment.from_full("L1", np.zeros(segmentation.grid.shape, dtype=bool))
    with pytest.raises(ExportError, match="no segment with a voxel"):
        structure_set(Segmentation(segmentation.grid, (empty,)), series[0])
