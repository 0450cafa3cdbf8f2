"""What of an emission series decides whether a camera's numbers hold for it, as values that a node can remember."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.acquisition import NAMES, Acquisition, acquisition_from_facts, acquisition_of
from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.enhanced_pet import ENHANCED_PET_STORAGE
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import text
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.dicom.reading import NM_STORAGE
from PRRTUptakeLib.dicom.real_world import CONCENTRATION, SUV, mappings_of, of_kind

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.series import Series


@dataclass(frozen=True, kw_only=True)
class SeriesFacts:
    """Of one series.

    Attributes
    ----------
    acquisition : how it was acquired and reconstructed.
    has_units : whether it is activity concentration or SUV by its own word, and not counts.
    nuclide : "" where the header does not name it.
    date : of the scan; None where the header is silent.
    """

    acquisition: Acquisition
    has_units: bool
    nuclide: str = ""
    date: date | None = None

    def as_text(self) -> str:
        """One line of JSON, with what series are compared by; software, institution and station are left out."""
        compared = {name: value for name, value in self.acquisition.facts().items() if name in NAMES}
        day = self.date.isoformat() if self.date is not None else ""
        return json.dumps(
            {"acquisition": compared, "has_units": self.has_units, "nuclide": self.nuclide, "date": day},
            sort_keys=True,
        )

    @classmethod
    def from_text(cls, line: str) -> SeriesFacts:
        """What `as_text` made.

        Raises
        ------
        DicomError
            If the line was changed to what cannot be.
        """
        try:
            found = json.loads(line)
            return cls(
                acquisition=acquisition_from_facts(found["acquisition"]),
                has_units=bool(found["has_units"]),
                nuclide=str(found["nuclide"]),
                date=date.fromisoformat(found["date"]) if found["date"] else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DicomError(
                f"What an image remembers of its series cannot be read ({error}): load it from DICOM again."
            ) from error


def series_facts(series: Series) -> SeriesFacts:
    """Read them from the headers.

    Raises
    ------
    PRRTError
        If an attribute is broken, or the images make no volume.
    """
    return SeriesFacts(
        acquisition=acquisition_of(series),
        has_units=has_units(series),
        nuclide=_nuclide(series),
        date=series.started.date() if series.started is not None else None,
    )


def _nuclide(series: Series) -> str:
    try:
        return header_nuclide(drug_item(series.headers[0].dataset, series.label), series.label).name or ""
    except DicomError:
        return ""


def has_units(series: Series) -> bool:
    """Whether a series is activity concentration or SUV by its own word: PET units, or a mapping of real values."""
    dataset, where = series.headers[0].dataset, series.label
    if series.sop_class != NM_STORAGE:
        return series.sop_class == ENHANCED_PET_STORAGE or bool(text(dataset, "Units", where))
    return bool(of_kind(mappings_of(dataset, where), CONCENTRATION, SUV))
