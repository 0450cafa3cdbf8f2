"""The radiopharmaceutical of an injection, as NM and PET images state it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.writing import code_item, date_time, decimal, dicom_time, item_of
from PRRTUptakeLib.nuclides.radionuclides import DicomCode, nuclide

if TYPE_CHECKING:
    from datetime import datetime

    from pydicom.dataset import Dataset

# SNOMED CT codes of DICOM PS3.16, CID 11.
_ROUTE_CODES = {
    "intravenous": DicomCode("47625008", "SCT", "Intravenous route"),
    "intra-arterial": DicomCode("58100008", "SCT", "Intra-arterial route"),
}


@dataclass(frozen=True)
class Radiopharmaceutical:
    """Nuclide, activity at the time of injection (with its zone), and route."""

    nuclide: str
    activity_MBq: float
    injection_time: datetime
    route: str = "intravenous"

    def item(self, *, for_pet: bool) -> Dataset:
        """The item of the Radiopharmaceutical Information Sequence; PET wants Bq, NM MBq (PS3.3 C.8.9.2, C.8.4.10).

        Raises
        ------
        DicomError
            If the table of radionuclides has no codes for the nuclide or its somatostatin analogue.
        """
        entry = nuclide(self.nuclide)
        if entry.code is None or entry.drug_code is None:
            raise DicomError(
                f"There is no DICOM code for {entry.name} or its somatostatin analogue: add 'code' and "
                "'radiopharmaceutical_code' in Resources/Nuclides/radionuclides.json."
            )
        item = item_of(
            Radiopharmaceutical=entry.drug_code.meaning,
            RadiopharmaceuticalRoute=self.route,
            RadiopharmaceuticalVolume="",
            RadiopharmaceuticalStartTime=dicom_time(self.injection_time)[1],
            RadiopharmaceuticalStopTime="",
            RadiopharmaceuticalStartDateTime=date_time(self.injection_time),
            RadionuclideTotalDose=decimal([self.activity_MBq * (1e6 if for_pet else 1.0)])[0],
            RadionuclideCodeSequence=[code_item(entry.code)],
            RadiopharmaceuticalCodeSequence=[code_item(entry.drug_code)],
            AdministrationRouteCodeSequence=[code_item(_ROUTE_CODES[self.route])],
        )
        if for_pet:
            item.RadionuclideHalfLife = decimal([entry.half_life_s])[0]
            item.RadionuclidePositronFraction = decimal([entry.positron_yield])[0]
        return item
