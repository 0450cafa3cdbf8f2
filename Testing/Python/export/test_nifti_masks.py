"""Segments as NIfTI masks come back as they were."""

from __future__ import annotations

import numpy as np
from PRRTUptakeLib.export.nifti_masks import write_masks
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.segmentation.regrid import regrid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


def test_masks_come_back_voxel_by_voxel(tmp_path):
    """On an oblique grid, from a left-handed one too; an empty segment has no file."""
    rng = np.random.default_rng(5)
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    for n, axes in enumerate((turn, turn @ np.diag([-1.0, 1.0, 1.0]))):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = axes * [1.5, 1.25, 3.0], [-40.0, 12.5, 7.0]
        grid = Grid((5, 6, 7), matrix)
        names = ("liver", "L1", "kidney left", "kidney/left")
        segments = [Segment.from_full(name, rng.random(grid.shape) > 0.5) for name in names]
        segments.append(Segment.from_full("empty", np.zeros(grid.shape, bool)))
        files = write_masks(Segmentation(grid, tuple(segments)), tmp_path / str(n))
        stems = ["liver", "L1", "kidney_left", "kidney_left_2"]
        assert [path.name for path in files] == [f"{stem}.nii.gz" for stem in stems]
        found = regrid(read_segment_folder(tmp_path / str(n)), grid)
        for stem, segment in zip(stems, segments, strict=False):
            assert np.array_equal(found[stem].full_mask(grid.shape), segment.full_mask(grid.shape))
