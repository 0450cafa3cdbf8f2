"""De-identification of DICOM results by the Basic Application Level Confidentiality Profile (PS3.15 E), with its option
"Retain Longitudinal Temporal Information with Modified Dates": names and ids replaced, dates shifted by one number of
days for each patient, UIDs mapped, all of it by a key that stays at the site, so that the same patient becomes the same
subject again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydicom.uid import PYDICOM_ROOT_UID, UID

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.dicom.writing import code_item
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.confidentiality_profile import EMPTIED, REMOVED, REPLACED
from PRRTUptakeLib.export.deidentify_text import Cleaner, Identity
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.nuclides.radionuclides import DicomCode

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_STANDARD_UID = "1.2.840.10008."
_LEAST_DAYS, _MOST_DAYS = 30, 3650
_KEY_BYTES = 32

# Beyond the table: what sites use to find a patient, and what only machines of one site have.
_ALSO_REMOVED = frozenset(
    ["IssuerOfPatientID", "PerformedProcedureStepID", "PlateID", "GantryID", "GeneratorID", "PatientBirthTime"]
)
_WITHOUT_MEANING = "0"
_WORDS = ("LO", "SH", "LT", "ST", "UT", "UC", "CS", "AE")
_TEXTS = ("LO", "LT", "SH", "ST", "UT", "UC")
_NOT_FREE = frozenset(
    ["CodeMeaning", "CodeValue", "CodingSchemeDesignator", "LongCodeValue", "Manufacturer", "PatientID"]
)
_METHOD = (
    DicomCode("113100", "DCM", "Basic Application Confidentiality Profile"),
    DicomCode("113104", "DCM", "Clean Structured Content Option"),
    DicomCode("113105", "DCM", "Clean Descriptors Option"),
    DicomCode("113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option"),
)


@dataclass(frozen=True)
class Deidentifier:
    """Replaces identities by a key; the same key gives the same subject, dates and UIDs again."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) < _KEY_BYTES // 2:
            raise ExportError(f"A key needs at least {_KEY_BYTES // 2} bytes, but this one has {len(self.key)}.")

    @classmethod
    def from_file(cls, path: Path | None) -> Deidentifier:
        """The key of a file, which is made if it is not there; without a file a key that nobody knows."""
        if path is None:
            return cls(secrets.token_bytes(_KEY_BYTES))
        try:
            if not path.exists():
                with atomic_file(path, ExportError, mode=0o600) as work:
                    work.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
            return cls(bytes.fromhex(path.read_text(encoding="ascii").strip()))
        except PRRTError:
            raise
        except (OSError, ValueError) as error:
            raise ExportError(f"The key file {path} cannot be used ({error}): name another one.") from error

    def subject(self, patient_id: str) -> str:
        """The name under which a patient goes out."""
        return f"SUBJ-{self._digest('subject', patient_id).hex()[:10].upper()}"

    def days(self, patient_id: str) -> int:
        """How many days all dates of a patient are moved into the past."""
        number = int.from_bytes(self._digest("days", patient_id)[:8], "big")
        return _LEAST_DAYS + number % (_MOST_DAYS - _LEAST_DAYS)

    def uid(self, original: str) -> str:
        """The UID in place of another one; those of the standard stay."""
        if original.startswith(_STANDARD_UID) or not original:
            return original
        number = int.from_bytes(self._digest("uid", original)[:16], "big")
        return str(UID(f"{PYDICOM_ROOT_UID}{number}"[:64]))

    def cleaner(self, identity: Identity) -> Cleaner:
        """What frees text of an identity, in step with the objects."""
        shift = timedelta(days=self.days(identity.patient_id))
        return Cleaner(identity, self.subject(identity.patient_id), shift, self.uid)

    def dataset(self, ds: Dataset, identity: Identity | None = None) -> Dataset:
        """A copy of one object without the identity; without ``identity`` too, where that is known from elsewhere.

        The object itself stays as it is: it shares elements with the headers of the images that it was made from.

        Raises
        ------
        ExportError
            If a date in it cannot be read, and so not be shifted.
        """
        own = Identity.of([ds])
        known = replace(identity, words=(*identity.words, *own.words)) if identity else own
        cleaner, ds = self.cleaner(known), deepcopy(ds)
        ds.remove_private_tags()
        ds.walk(lambda holder, element: self._treat(holder, element, cleaner.shift))
        ds.PatientID = ds.PatientName = cleaner.subject
        _clean_texts(ds, cleaner)
        ds.PatientIdentityRemoved = "YES"
        ds.LongitudinalTemporalInformationModified = "MODIFIED"
        ds.DeidentificationMethod = "PS3.15 Basic Profile, texts cleaned, dates shifted"
        ds.DeidentificationMethodCodeSequence = [code_item(code) for code in _METHOD]
        if "MediaStorageSOPInstanceUID" in ds.file_meta:
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        return ds

    def _treat(self, holder: Dataset, element: DataElement, shift: timedelta) -> None:
        keyword = element.keyword
        if keyword in REMOVED or keyword in _ALSO_REMOVED or _is_drawn_over(element.tag.group):
            del holder[element.tag]
        elif keyword in EMPTIED:
            element.value = None
        elif keyword in REPLACED:
            if element.VR in _WORDS:
                element.value = _WITHOUT_MEANING
            else:
                del holder[element.tag]
        elif element.VR == "PN":
            element.value = ""
        elif element.VR == "UI" and element.value:
            many = not isinstance(element.value, str)
            values = [self.uid(str(one)) for one in (element.value if many else [element.value])]
            element.value = values if many else values[0]
        elif element.VR in ("DA", "DT") and element.value:
            element.value = _shifted(str(element.value), shift, element.name)

    def _digest(self, what: str, word: str) -> bytes:
        return hmac.new(self.key, f"{what}\0{word}".encode(), hashlib.sha256).digest()


def _is_drawn_over(group: int) -> bool:
    """Curves and overlays, in which words may be drawn."""
    return group & 0xFF00 in (0x5000, 0x6000)


def _shifted(value: str, shift: timedelta, name: str) -> str:
    """A DA or DT moved by whole days; what follows the date stays."""
    try:
        day = datetime.strptime(value[:8], "%Y%m%d")
    except ValueError as error:
        raise ExportError(f"{name} is '{value}', which is not a date: it cannot be shifted.") from error
    return (day - shift).strftime("%Y%m%d") + value[8:]


def _clean_texts(ds: Dataset, cleaner: Cleaner) -> None:
    """Identity that somebody typed into free text, such as a label or description."""
    for element in ds.iterall():
        if element.VR in _TEXTS and element.keyword not in _NOT_FREE and element.value:
            many = not isinstance(element.value, str)
            before = [str(one) for one in (element.value if many else [element.value])]
            after = [cleaner.text(one) for one in before]
            if after != before:
                element.value = after if many else after[0]
