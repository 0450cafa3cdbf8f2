"""An archive by DICOMweb (PS3.18: QIDO-RS, WADO-RS, STOW-RS) through the library dicomweb-client."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.archive_types import SeriesEntry
from PRRTUptakeLib.archive.credentials import AUTHORITIES, authorities_file, credentials_for
from PRRTUptakeLib.archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.archive.address import WebAddress

_PAGE = 200
_MOST_PAGES = 500
_PATIENT_ID, _STUDY, _SERIES, _INSTANCE = "00100020", "0020000D", "0020000E", "00080018"
_MODALITY, _DESCRIPTION = "00080060", "0008103E"
# Failure reasons of STOW-RS (PS3.18 table I.2-2) and of storage (PS3.4 table B.2-1).
_FAILURES = {
    0x0110: "processing failure",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0xA700: "out of resources",
    0xA900: "data set does not match its SOP class",
    0xC000: "cannot be understood",
    0xC122: "transfer syntax not supported",
}


class WebArchive:
    """See `archive_types.Archive`."""

    def __init__(self, address: WebAddress) -> None:
        self.address = address
        try:
            import requests
            from dicomweb_client import DICOMwebClient
        except ImportError:
            raise ArchiveError(
                "DICOMweb needs the package dicomweb-client: pip install dicomweb-client, or the extra pacs."
            ) from None
        logging.getLogger("dicomweb_client").addHandler(logging.NullHandler())  # said in a sentence here
        found = credentials_for(address)
        session = requests.Session()
        session.trust_env = False  # or requests would read a netrc file by itself, whoever else can read it
        session.proxies.update(requests.utils.get_environ_proxies(address.url))
        session.verify = authorities_file() or os.environ.get("REQUESTS_CA_BUNDLE") or True
        if found.token:
            session.headers["Authorization"] = f"Bearer {found.token}"
        elif found:
            session.auth = (found.user, found.password)
        self._session = session
        self._client: Any = DICOMwebClient(address.url, session=session)
        self._client.set_http_retry_params(retry=True, max_attempts=3, wait_exponential_multiplier=300)

    @property
    def name(self) -> str:
        """Its address."""
        return str(self.address)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def series_of(self, patient_id: str) -> list[SeriesEntry]:
        """Every series of a patient; a patient's studies are asked for first, as not every archive joins levels."""
        studies = self._paged("search_for_studies", filters={"PatientID": patient_id}, key=_STUDY)
        found = []
        for study in studies:
            if _text(study, _PATIENT_ID) != patient_id:  # an archive may take * and ? for any letters
                continue
            uid = _text(study, _STUDY)
            for one in self._paged("search_for_series", uid, key=_SERIES):
                found.append(
                    SeriesEntry(patient_id, uid, _text(one, _SERIES), _text(one, _MODALITY), _text(one, _DESCRIPTION))
                )
        return found

    def instances_of(self, series: SeriesEntry) -> list[str]:
        """SOP Instance UIDs of a series."""
        listed = self._paged("search_for_instances", series.study_uid, series.uid, key=_INSTANCE)
        return [_text(one, _INSTANCE) for one in listed]

    def fetch(self, series: SeriesEntry, wanted: Sequence[str], whole: bool) -> Iterator[Dataset]:
        """The wanted instances."""
        if whole:
            with self._in_words(f"retrieving series ...{series.uid[-12:]}"):
                yield from self._client.iter_series(series.study_uid, series.uid)
            return
        for uid in wanted:
            with self._in_words(f"retrieving instance ...{uid[-12:]}"):
                yield self._client.retrieve_instance(series.study_uid, series.uid, uid)

    def patient_of_study(self, study_uid: str) -> str | None:
        """Patient ID of a study, None if there is no such study."""
        found = self._paged("search_for_studies", filters={"StudyInstanceUID": study_uid}, key=_STUDY)
        return next((_text(one, _PATIENT_ID) for one in found if _text(one, _STUDY) == study_uid), None)

    def holds(self, study_uid: str, series_uid: str, instance_uid: str) -> bool:
        """Whether an instance is there."""
        filters = {"SOPInstanceUID": instance_uid}
        found = self._paged("search_for_instances", study_uid, series_uid, filters=filters, key=_INSTANCE, lost=True)
        return any(_text(one, _INSTANCE) == instance_uid for one in found)

    def store(self, dataset: Dataset) -> str:
        """Store one instance by STOW-RS."""
        with self._in_words("storing"):
            answer = self._client.store_instances([dataset])
        failed = answer.get("FailedSOPSequence")
        if failed:
            code = int(failed[0].get("FailureReason", 0))
            return f"refused: {_FAILURES.get(code, 'no reason given')} ({code:04X})"
        stored = answer.get("ReferencedSOPSequence")
        return "" if stored else "the archive did not confirm it"

    def _paged(
        self, method: str, *where: str, key: str, filters: dict[str, str] | None = None, lost: bool = False
    ) -> list[dict[str, Any]]:
        """All answers of a query, page by page; an archive that gives the same page again has no pages."""
        found: dict[str, dict[str, Any]] = {}
        for page in range(_MOST_PAGES):
            with self._in_words("querying", lost=lost) as outcome:
                answers = getattr(self._client, method)(
                    *where, search_filters=filters or {}, limit=_PAGE, offset=page * _PAGE
                )
            if outcome:
                return []
            before = len(found)
            found.update({_text(one, key): one for one in answers})
            if len(answers) < _PAGE or len(found) == before:
                break
        return list(found.values())

    @contextmanager
    def _in_words(self, doing: str, lost: bool = False) -> Iterator[list[str]]:
        """Say in one sentence what went wrong; with ``lost``, that something is not there is noted and no error."""
        import requests

        outcome: list[str] = []
        try:
            yield outcome
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if lost and status == 404:
                outcome.append("not there")
                return
            raise ArchiveError(f"{self.address}: {doing} failed: {_status_words(status)}") from None
        except requests.exceptions.SSLError:
            raise ArchiveError(
                f"{self.address}: its certificate is not trusted: set {AUTHORITIES} to the file of your hospital's "
                "authority; verification cannot be turned off."
            ) from None
        except requests.RequestException as error:
            raise ArchiveError(
                f"{self.address} does not answer ({type(error).__name__} while {doing}): check address and network, "
                "then run the same command again."
            ) from None


def _status_words(status: int) -> str:
    if status in (401, 403):
        return (
            f"it refuses the name or password (HTTP {status}): set PRRT_ARCHIVE_USER and PRRT_ARCHIVE_PASSWORD, or a "
            "netrc file."
        )
    if status == 404:
        return "there are no DICOMweb services at this address (HTTP 404): check its path."
    return f"the archive says HTTP {status}: ask its administrator."


def _text(answer: dict[str, Any], tag: str) -> str:
    """The first value of an attribute of DICOM JSON as text."""
    values = answer.get(tag, {}).get("Value") or [""]
    return str(values[0]).strip()
