"""What the voxels of a region say: mean, spread, extremes, percentiles, volume, total uptake.

A voxel counts by the fraction of it that the region occupies (or by another rule, see ``occupancy.RULES``); only the
extremes are taken over whole voxels, those whose centre is inside, so that a neighbour that the region merely
touches does not become its maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.uptake.alignment import shared_grid
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.uptake.occupancy import (
    DEFAULT_MAXIMUM_OUTSIDE,
    RULES,
    Occupancy,
    occupancy,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.mapping import RasTransform

DEFAULT_PERCENTILES = (5.0, 25.0, 75.0, 95.0)

_SLACK = 1e-9  # a step of the distribution counts as met within the rounding of the sum of weights
_SORT_BELOW = 1024  # values below which sorting all is quicker than dividing


@dataclass(frozen=True)
class RegionMetrics:
    """Measures of one region, in the units of the image unless named otherwise.

    Attributes
    ----------
    mean, sd : weighted mean, and standard deviation of the voxels about it (of the region, divisor sum of weights).
    minimum, maximum : over voxels whose centre is inside; nan if the region contains no voxel's centre.
    median, percentiles : by volume, see ``weighted_percentiles``; percentiles by percent.
    volume_mL : volume that counts.
    total : integral of the image over the region, image unit times mL (activity, TLU, TLG).
    voxel_count : number of voxels that count at all.
    rule : how border voxels count.
    border_recovery : mean that a region of uptake 1 in surroundings of 0 would give on this grid without blur; below 1
        because border voxels hold both (1 for regions made of whole voxels).
    outside_fraction : share of the region that is outside the image and is not measured.
    """

    name: str
    units: str
    mean: float
    sd: float
    minimum: float
    maximum: float
    median: float
    percentiles: Mapping[float, float]
    volume_mL: float
    total: float
    voxel_count: int
    rule: str
    border_recovery: float
    outside_fraction: float


@dataclass(frozen=True, eq=False)
class _Sample:
    """Voxels of one region: ``weights`` and ``extremes`` None where every voxel counts wholly."""

    name: str
    values: np.ndarray
    weights: np.ndarray | None
    fraction: np.ndarray | None
    extremes: np.ndarray | None
    outside_fraction: float


def region_metrics(
    volume: Volume,
    regions: Segmentation | Iterable[Occupancy],
    *,
    rule: str = "fraction",
    percentiles: Sequence[float] = DEFAULT_PERCENTILES,
    ras_transform: RasTransform | None = None,
    maximum_outside: float = DEFAULT_MAXIMUM_OUTSIDE,
) -> dict[str, RegionMetrics]:
    """Measure all regions of a case in one image, which is not resampled.

    Parameters
    ----------
    volume : the image.
    regions : segments on any grid, or the occupancies of regions already placed on the image's grid.
    rule : ``fraction``, ``half``, ``entirely`` or ``centre``, see ``Occupancy.weights``.
    percentiles : which to give, 0 to 100.
    ras_transform, maximum_outside : where segments lie in the image, see ``occupancy`` (not for occupancies).

    Returns
    -------
    dict
        Metrics by region name, in the order of the regions.

    Raises
    ------
    UptakeError
        If no voxel counts under the rule, a value in a region is not finite, or a percentile is not 0 to 100.
    OccupancyError
        If a region is empty or too much of it is outside the image.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Volume
    >>> from PRRTUptakeLib.segmentation.segments import Segment
    >>> image = Volume(np.arange(8.0).reshape(2, 2, 2), np.diag([10.0, 10, 10, 1]), units="Bq/ml")
    >>> lesion = Segment("lesion", np.ones((1, 2, 2)), origin=(1, 0, 0))
    >>> result = region_metrics(image, Segmentation(image.grid, (lesion,)))["lesion"]
    >>> result.mean, result.maximum, result.median, round(result.volume_mL, 9), round(result.total, 9)
    (5.5, 7.0, 5.5, 4.0, 22.0)
    """
    if rule not in RULES:
        raise UptakeError(f"The rule '{rule}' for voxels at a border is not one of {', '.join(RULES)}.")
    if any(not 0 <= percent <= 100 for percent in percentiles):
        raise UptakeError(f"Percentiles lie between 0 and 100, but {list(percentiles)} were asked for.")
    voxel_mL, result = volume.grid.voxel_volume_mL, {}
    for sample in _samples(volume, regions, rule, ras_transform, maximum_outside):
        result[sample.name] = _metrics(sample, rule, percentiles, volume.units, voxel_mL)
    return result


def weighted_percentiles(values: np.ndarray, weights: np.ndarray | None, percentiles: Sequence[float]) -> list[float]:
    """Percentiles of values (n,) by weight (n,): the value below which that share of the weight is.

    Where a step of the distribution falls exactly on the share, the mean of both sides (definition 2 of Hyndman and
    Fan, Am Stat 1996;50:361, doi:10.1080/00031305.1996.10473566). So the median of whole voxels is the usual one, and
    dividing a voxel into parts of equal value changes nothing.

    Examples
    --------
    >>> weighted_percentiles(np.array([1.0, 3.0, 2.0, 10.0]), None, [50.0, 75.0])
    [2.5, 6.5]
    >>> weighted_percentiles(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.7]), [50.0])
    [3.0]
    """
    share = np.asarray(percentiles, dtype=np.float64) / 100.0
    if weights is None:
        steps = share * values.size
        slack = _SLACK * values.size
        below, above = np.ceil(steps - slack) - 1.0, np.floor(steps + slack)
        ranks = np.clip(np.concatenate([below, above]), 0, values.size - 1).astype(np.intp)
        found = _order_statistics(values, ranks)
    else:
        order = np.argsort(values)
        order = order[weights[order] > 0]
        sums = np.cumsum(weights[order])
        slack = _SLACK * sums[-1]
        steps = np.concatenate([share * sums[-1] - slack, share * sums[-1] + slack])
        found = values[order[np.minimum(np.searchsorted(sums, steps), order.size - 1)]]
    lower, upper = found.astype(np.float64).reshape(2, -1)
    return [float(value) for value in (lower + upper) / 2.0]


def _order_statistics(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Values of the given ranks (0-based), by dividing at the middle rank and going on in both parts."""
    wanted, back = np.unique(ranks, return_inverse=True)
    work = values.copy()

    def divide(start: int, stop: int, first: int, last: int) -> None:
        part = work[start:stop]
        if last - first > 1 and stop - start <= _SORT_BELOW:
            part.sort()
        elif first < last:
            middle = (first + last) // 2
            rank = int(wanted[middle])
            part.partition(rank - start)
            divide(start, rank, first, middle)
            divide(rank + 1, stop, middle + 1, last)

    divide(0, work.size, 0, wanted.size)
    return np.asarray(work[wanted][back])


def _samples(
    volume: Volume,
    regions: Segmentation | Iterable[Occupancy],
    rule: str,
    transform: RasTransform | None,
    maximum_outside: float,
) -> Iterator[_Sample]:
    """Voxels of each region, one region at a time; whole voxels come without weights where the grids are the same."""
    if not isinstance(regions, Segmentation):
        for region in regions:
            yield _placed(volume, region, rule)
        return
    grid = volume.grid
    field = volume.outside_field
    lattice = shared_grid(regions.grid, grid) if transform is None and field is None else None
    for segment in regions:
        box = lattice.box(segment, grid.shape) if lattice else None
        values = volume.array[box[0]][box[1]] if box else np.empty(0)
        if values.size:
            yield _Sample(segment.name, values, None, None, None, 0.0)
        else:
            yield _placed(volume, occupancy(segment, regions.grid, grid, transform, maximum_outside, field), rule)


def _placed(volume: Volume, region: Occupancy, rule: str) -> _Sample:
    weights = region.weights(rule)
    counts = (weights > 0) | (region.centre_inside if rule == "fraction" else False)
    if not weights.any():
        raise UptakeError(
            f"No voxel of the image counts for region '{region.name}' under the rule '{rule}': the region is too small "
            "for this image, use the rule 'fraction'."
        )
    return _Sample(
        region.name,
        region.values(volume)[counts],
        weights[counts],
        region.fraction[counts],
        region.centre_inside[counts],
        region.outside_fraction,
    )


def _metrics(
    sample: _Sample, rule: str, percentiles: Sequence[float], units: str, voxel_volume_mL: float
) -> RegionMetrics:
    values = sample.values.astype(np.float64)
    weights = sample.weights
    sum_of_weights = float(values.size if weights is None else weights.sum())
    mean = float(values.mean() if weights is None else weights @ values / sum_of_weights)
    if not math.isfinite(mean):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise UptakeError(
            f"{bad} voxel(s) of region '{sample.name}' are not finite numbers (NaN or infinite): correct the image, or "
            "keep the region within its valid part."
        )
    deviation = values - mean
    variance = (np.square(deviation).sum() if weights is None else weights @ deviation**2) / sum_of_weights
    extremes = sample.values if sample.extremes is None else sample.values[sample.extremes]
    median, *others = weighted_percentiles(sample.values, weights, [50.0, *percentiles])
    border = 1.0 if weights is None or sample.fraction is None else float(weights @ sample.fraction) / sum_of_weights
    return RegionMetrics(
        name=sample.name,
        units=units,
        mean=mean,
        sd=math.sqrt(variance),
        minimum=float(extremes.min()) if extremes.size else math.nan,
        maximum=float(extremes.max()) if extremes.size else math.nan,
        median=median,
        percentiles={float(percent): value for percent, value in zip(percentiles, others, strict=True)},
        volume_mL=sum_of_weights * voxel_volume_mL,
        total=mean * sum_of_weights * voxel_volume_mL,
        voxel_count=int(values.size),
        rule=rule,
        border_recovery=border,
        outside_fraction=sample.outside_fraction,
    )
