"""The points of a cycle's curves as rows of measurements.csv, from which ``prrt population`` makes a population."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.population.tables_in import ACTIVITY, ADMINISTERED, HOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry

PATIENT = "patient"
"""Region of rows that hold for the whole patient."""


def point_rows(result: Dosimetry, visits: Sequence[VisitResult]) -> list[Measurement]:
    """Per visit ``time_after_injection`` (h) and ``administered_activity`` (MBq), per region and visit ``activity``.

    Parameters
    ----------
    result : doses of the cycle.
    visits : its visits, in any order; every curve has a point at each.
    """
    times = next((one.curve.time_h for one in result.integrals.values()), ())
    ordered = sorted(visits, key=lambda one: one.image.reference_time)  # type: ignore[arg-type, return-value]
    rows = []
    for place, (visit, hours) in enumerate(zip(ordered, times, strict=True)):
        labels = visit.labels
        base = Measurement(
            labels.patient, result.patient.cycle, labels.visit, labels.image, PATIENT, "", "none", "", HOURS, hours, "h"
        )
        rows += [base, replace(base, metric=ADMINISTERED, value=result.patient.administered_MBq, unit="MBq")]
        for name, integral in result.integrals.items():
            dose = result.regions.get(name)
            region = dose.region if dose is not None else None
            rows.append(
                replace(
                    base,
                    region=name,
                    role="" if region is None else region.role or region.kind,
                    lobe="none" if region is None else region.lobe or "none",
                    lesion="" if region is None else region.lesion,
                    metric=ACTIVITY,
                    value=integral.curve.activity_MBq[place],
                    unit="MBq",
                )
            )
    return rows
