"""Where each label of a label map is, in one look at its voxels: masks are then made within these boxes only."""

from __future__ import annotations

import numpy as np

Box = tuple[slice, slice, slice]

_MOST_LABEL = 65_535  # larger numbers are counted anew first


def label_boxes(values: np.ndarray) -> dict[int, Box]:
    """The bounding box (k, j, i) of every label but 0 in ``values`` [k, j, i], by label, rising.

    Raises
    ------
    ValueError
        If a value is not a whole number.

    Examples
    --------
    >>> values = np.zeros((4, 5, 6), np.uint8); values[1:3, 2, 3:5] = 7
    >>> label_boxes(values)
    {7: (slice(1, 3, None), slice(2, 3, None), slice(3, 5, None))}
    """
    from scipy import ndimage  # here, so that a panel opens without it

    occupied = values.any(axis=2)
    k, j = np.nonzero(occupied)
    if not k.size:
        return {}
    rows, labels = _counted(values[occupied])
    found: dict[int, Box] = {}
    for number, place in enumerate(ndimage.find_objects(rows), start=1):
        label = number if labels is None else int(labels[number - 1])
        if place is None or label == 0:
            continue
        of, columns = place
        inside = j[of][(rows[place] == number).any(axis=1)]
        found[label] = (
            slice(int(k[of.start]), int(k[of.stop - 1]) + 1),
            slice(int(inside.min()), int(inside.max()) + 1),
            slice(int(columns.start), int(columns.stop)),
        )
    return found


def _counted(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows (n, i) with small numbers from 1 on for labels, and the labels of 1, 2, ... where these are others."""
    whole = rows
    if rows.dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):  # what is no number is found unequal
            whole = rows.astype(np.int64)
        if not np.array_equal(whole, rows):
            raise ValueError("A value is not a whole number.")
    if whole.min() >= 0 and whole.max() <= _MOST_LABEL:
        return (whole if whole.dtype.itemsize <= 4 else whole.astype(np.int32)), None
    labels = np.unique(whole)
    return np.searchsorted(labels, whole).astype(np.int32) + 1, labels
