"""Figures to compare with, by other means than the product: the phantom point by point, masks by brute force."""

from __future__ import annotations

import numpy as np


def true_averages(patient, grid, box, time_h=24.0, fine=5):
    """Concentration averaged over each voxel of ``grid`` in ``box`` from fine^3 points each; Bq/mL; nan elsewhere."""
    steps = (np.arange(fine) + 0.5) / fine - 0.5
    values = {item.name: patient.concentration_Bq_per_mL(item.name, time_h) for item in patient.regions}
    result = np.full(grid.shape, np.nan)
    j, i = ((np.arange(part.start, part.stop)[:, None] + steps).ravel() for part in box[1:])
    for k in range(box[0].start, box[0].stop):
        planes = []
        for step in steps:
            jj, ii = np.meshgrid(j, i, indexing="ij")
            ras = grid.to_ras(np.stack([ii, jj, np.full_like(ii, k + step)], axis=-1))
            plane = np.zeros(ii.shape)
            for region in patient.regions:  # painted in order: later regions cover earlier ones
                plane[region.shape.contains(ras[..., 0], ras[..., 1], ras[..., 2])] = values[region.name]
            planes.append(plane.reshape(len(j) // fine, fine, len(i) // fine, fine).mean(axis=(1, 3)))
        result[k, box[1], box[2]] = np.mean(planes, axis=0)
    return result


def brute_mean(image, grid, segment, source):
    """Mean of ``image`` over a segment whose voxels are each cut into 5^3 points that fall where they fall."""
    steps = (np.arange(5) + 0.5) / 5 - 0.5
    kji = np.argwhere(segment.mask) + segment.origin
    total, count = 0.0, 0
    for dk in steps:
        for dj in steps:
            for di in steps:
                ras = source.to_ras(kji[:, ::-1] + [di, dj, dk])
                index = np.rint(grid.to_ijk(ras)).astype(int)
                total += image[index[:, 2], index[:, 1], index[:, 0]].sum()
                count += len(index)
    return total / count
