"""Real World Value Mappings of a PET series against what Units and Rescale Slope say: the two must agree.

In PET the latter are what every vendor writes and fills in; a mapping that says something else was added, or the slope
was changed under it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.headers import label
from PRRTUptakeLib.dicom.real_world import CONCENTRATION, SUV, line_of, mappings_of, of_kind
from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.reading import Stack

_AGREE = 0.01  # relative


def mapping_doubts(arranged: Stack, kind: str, factors: np.ndarray) -> tuple[str, ...]:
    """A sentence if mappings to ``kind`` differ from the factors (k,) of the planes; none without mappings.

    Parameters
    ----------
    arranged : the series.
    kind : CONCENTRATION, or SUV for SUVs by body weight.
    factors : (k,), a stored value times its plane's factor is the quantity.
    """
    where = arranged.series.label
    for frame, factor in zip(arranged.frames, factors, strict=True):
        try:
            found = of_kind(mappings_of(frame.header.dataset, where), kind)
            lines = [line_of(one, where) for one in found if one.unit.suv_kind in ("", "bw")]
        except PRRTError:  # a mapping that cannot be used says nothing
            continue
        for line in lines:
            if line is not None and abs(line[0] / factor - 1.0) > _AGREE:
                unit = "Bq/ml" if kind == CONCENTRATION else "SUV"
                return (
                    f"Doubtful: {label('RealWorldValueSlope')} of {where} makes {line[0]:.6g} {unit} of a stored unit, "
                    f"but {label('Units')}, {label('RescaleSlope')} and what else enters make {factor:.6g}, which is "
                    "taken: one of them is wrong.",
                )
    return ()


__all__ = ["CONCENTRATION", "SUV", "mapping_doubts"]
