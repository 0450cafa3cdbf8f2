"""An archive by DIMSE (PS3.7: C-FIND, C-GET, C-MOVE, C-STORE) through the library pynetdicom."""

from __future__ import annotations

import logging
import os
import queue
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from PRRTUptakeLib.archive.archive_types import SeriesEntry
from PRRTUptakeLib.archive.credentials import AUTHORITIES, authorities_file
from PRRTUptakeLib.archive.errors import ArchiveError, NoServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PRRTUptakeLib.archive.address import DimseAddress

TITLE = "PRRT_AE_TITLE"
_PATIENCE_s = 30.0
_ATTEMPTS, _PAUSE_s = 3, 0.5
_FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # study root
_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_IMAGE = "1.2.840.10008.5.1.4.1.1."
# What a case may have use of: CT, MR, NM, PET, their enhanced forms, SEG, RTSTRUCT.
_USED = tuple(
    UID(_IMAGE + end)
    for end in ("2", "2.1", "2.2", "4", "4.1", "4.4", "20", "128", "128.1", "130", "66.4", "66.7", "481.3")
)
_PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
_COMPRESSED = [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless]
_LISTED = ("SeriesInstanceUID", "Modality", "SeriesDescription")
_PENDING = (0xFF00, 0xFF01)


class DimseArchive:
    """See `archive_types.Archive`.

    Retrieval is by C-GET, on the connection that this program opened; with ``port`` by C-MOVE, for which the archive
    must know the own title and open a connection to that port.
    """

    def __init__(self, address: DimseAddress, title: str = "", port: int = 0) -> None:
        self.address, self.port = address, port
        self.title = title or os.environ.get(TITLE) or "PRRT"
        try:
            import pynetdicom  # noqa: F401
        except ImportError:
            raise ArchiveError(
                "An archive by AET@host:port needs the package pynetdicom: pip install pynetdicom, or the extra pacs."
            ) from None
        logging.getLogger("pynetdicom").addHandler(logging.NullHandler())  # what it logs is said in a sentence here
        self._open: dict[str, Any] = {}
        self._missing: set[str] = set()
        self._server: Any = None
        self._received: queue.Queue[Dataset | None] = queue.Queue()

    @property
    def name(self) -> str:
        """Its address."""
        return str(self.address)

    def close(self) -> None:
        """Release every association."""
        self._release()
        if self._server is not None:
            self._server.shutdown()

    def _release(self) -> None:
        for one in self._open.values():
            if one.is_established:
                one.release()
        self._open.clear()

    def series_of(self, patient_id: str) -> list[SeriesEntry]:
        """Every series of a patient."""
        found = []
        for study in self._find("STUDY", PatientID=patient_id, StudyInstanceUID=""):
            if str(study.get("PatientID", "")).strip() != patient_id:
                continue
            uid = str(study.StudyInstanceUID)
            for one in self._find(
                "SERIES", StudyInstanceUID=uid, SeriesInstanceUID="", Modality="", SeriesDescription=""
            ):
                words = (str(one.get(key, "") or "") for key in ("SeriesInstanceUID", "Modality", "SeriesDescription"))
                found.append(SeriesEntry(patient_id, uid, *words))
        return found

    def instances_of(self, series: SeriesEntry) -> list[str]:
        """SOP Instance UIDs of a series."""
        keys = {"StudyInstanceUID": series.study_uid, "SeriesInstanceUID": series.uid, "SOPInstanceUID": ""}
        return [str(one.SOPInstanceUID) for one in self._find("IMAGE", **keys)]

    def patient_of_study(self, study_uid: str) -> str | None:
        """Patient ID of a study, None if there is no such study."""
        found = self._find("STUDY", StudyInstanceUID=study_uid, PatientID="")
        return next((str(one.get("PatientID", "")).strip() for one in found if one.StudyInstanceUID == study_uid), None)

    def holds(self, study_uid: str, series_uid: str, instance_uid: str) -> bool:
        """Whether an instance is there."""
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": instance_uid}
        return any(one.get("SOPInstanceUID") == instance_uid for one in self._find("IMAGE", **keys))

    def store(self, dataset: Dataset) -> str:
        """Store one instance by C-STORE."""
        syntax = dataset.file_meta.TransferSyntaxUID
        try:
            association = self._associated(
                f"store {dataset.SOPClassUID} {syntax}",
                lambda ae: ae.add_requested_context(dataset.SOPClassUID, [syntax]),
            )
        except NoServiceError:
            return f"refused: the archive does not take {dataset.SOPClassUID.name}"
        try:
            status = association.send_c_store(dataset)
        except (ValueError, RuntimeError, AttributeError) as error:
            return f"could not be sent ({error})"
        code = status.get("Status") if status else None
        if code is None:
            raise ArchiveError(f"{self.address} broke the connection while storing: run the same command again.")
        warnings = (0xB000, 0xB006, 0xB007)  # stored, with elements coerced or dropped
        return (
            ""
            if code == 0 or code in warnings
            else f"refused (status {code:04X} {status.get('ErrorComment', '')})".strip()
        )

    def fetch(self, series: SeriesEntry, wanted: Sequence[str], whole: bool) -> Iterator[Dataset]:
        """The wanted instances."""
        identifiers = []
        for uid in [""] if whole else wanted:
            one = Dataset()
            one.QueryRetrieveLevel = "IMAGE" if uid else "SERIES"
            one.StudyInstanceUID, one.SeriesInstanceUID = series.study_uid, series.uid
            if uid:
                one.SOPInstanceUID = uid
            identifiers.append(one)
        for identifier in identifiers:
            yield from self._moved(identifier) if self.port else self._got(identifier)

    def _got(self, identifier: Dataset) -> Iterator[Dataset]:
        """By C-GET."""
        association = self._associated("get", _add_get_contexts, self._received)
        if not any(one.abstract_syntax == _GET for one in association.accepted_contexts):
            raise ArchiveError(
                f"{self.address} does not offer C-GET: give --listen PORT, and have the archive know the title "
                f"{self.title} at this machine and port, for C-MOVE."
            )
        yield from self._drained(self._received, lambda: association.send_c_get(identifier, _GET), "C-GET")

    def _moved(self, identifier: Dataset) -> Iterator[Dataset]:
        """By C-MOVE to a storage service of this program."""
        if self._server is None:
            self._server = self._listening()
        association = self._associated("move", lambda ae: ae.add_requested_context(_MOVE))
        yield from self._drained(
            self._received, lambda: association.send_c_move(identifier, self.title, _MOVE), "C-MOVE"
        )

    def _listening(self) -> Any:
        """A storage service on the own port, which lives until `close`."""
        from pynetdicom import AE, evt

        ours = AE(ae_title=self.title)
        for uid in _USED:
            ours.add_supported_context(uid, [*_PLAIN, *_COMPRESSED])
        try:
            handlers = [(evt.EVT_C_STORE, _keep(self._received))]
            return ours.start_server(("", self.port), block=False, evt_handlers=handlers)
        except OSError as error:
            words = f"The port {self.port} cannot be listened on ({error.strerror}): choose another."
            raise ArchiveError(words) from None

    def _drained(self, received: queue.Queue[Dataset | None], send: Any, what: str) -> Iterator[Dataset]:
        """What arrives while a retrieval runs in a thread of its own; its end is checked."""
        last: list[Any] = []

        def work() -> None:
            try:
                for status, _ in send():
                    last.append(status)
            except Exception as error:  # the thread's; it is raised below, in words
                last.append(error)
            finally:
                received.put(None)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while (one := received.get()) is not None:
            yield one
        thread.join()
        final = last[-1] if last else None
        if isinstance(final, Exception):
            raise ArchiveError(f"{self.address}: {what} failed ({final}).")
        code = final.get("Status") if final else None
        if code is None:
            raise ArchiveError(f"{self.address} broke the connection during {what}: run the same command again.")
        if code in (0x0000, 0xB000):
            return
        hint = "ask its administrator"
        if what == "C-MOVE":  # A801 says so; others answer with a code of their own
            hint = f"has its administrator entered the title {self.title} with this machine and port {self.port}?"
        raise ArchiveError(f"{self.address}: {what} ended with status {code:04X}: {hint}")

    def _find(self, level: str, **keys: str) -> list[Dataset]:
        """Answers of a C-FIND."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for name, value in keys.items():
            setattr(identifier, name, value)
        association = self._associated("find", lambda ae: ae.add_requested_context(_FIND))
        if not association.accepted_contexts:
            raise NoServiceError(f"{self.address} does not offer C-FIND of the study root: ask its administrator.")
        found = []
        for status, answer in association.send_c_find(identifier, _FIND):
            code = status.get("Status") if status else None
            if code is None:
                raise ArchiveError(f"{self.address} broke the connection during a query: run the same command again.")
            if code in _PENDING and answer is not None:
                found.append(answer)
            elif code not in (0x0000, *_PENDING):
                raise ArchiveError(f"{self.address}: the query ended with status {code:04X}: ask its administrator.")
        return found

    def _associated(self, purpose: str, add: Any, received: queue.Queue[Dataset | None] | None = None) -> Any:
        """An association for a purpose, which is kept open for the next one."""
        from pynetdicom import AE, evt

        known = self._open.get(purpose)
        if known is not None and known.is_established:
            return known
        if purpose in self._missing:
            raise NoServiceError(f"{self.address} offers no service that is needed here: ask its administrator.")
        self._release()  # some archives take one connection at a time
        ours = AE(ae_title=self.title)
        ours.acse_timeout = ours.dimse_timeout = ours.network_timeout = _PATIENCE_s
        ours.connection_timeout = _PATIENCE_s
        roles = add(ours) or []
        handlers = [(evt.EVT_C_STORE, _keep(received))] if received is not None else []
        for attempt in range(_ATTEMPTS):
            made = ours.associate(
                self.address.host,
                self.address.port,
                ae_title=self.address.title,
                ext_neg=roles,
                evt_handlers=handlers,
                tls_args=self._tls(),
            )
            answered = made.is_established or made.is_rejected or made.acceptor.primitive is not None
            if answered or attempt == _ATTEMPTS - 1:
                break
            time.sleep(_PAUSE_s)  # an archive takes so many connections at a time
        if not made.is_established:
            self._refused(made, purpose)
        self._open[purpose] = made
        return made

    def _tls(self) -> Any:
        if not self.address.tls:
            return None
        context = ssl.create_default_context(cafile=authorities_file() or None)
        return context, self.address.host

    def _check_certificate(self) -> None:
        """Say whether TLS is why there is no association, which pynetdicom only logs."""
        context, host = self._tls()
        try:
            with (
                socket.create_connection((host, self.address.port), timeout=_PATIENCE_s) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                return
        except ssl.SSLCertVerificationError as error:
            raise ArchiveError(
                f"{self.address}: its certificate is not trusted ({error.verify_message}): set {AUTHORITIES} to the "
                "file of your hospital's authority, and give the machine by the name in the certificate; verification "
                "cannot be turned off."
            ) from None
        except ssl.SSLError:
            raise ArchiveError(
                f"{self.address} does not speak TLS as this program does: check the port with its administrator."
            ) from None
        except OSError:
            return

    def _refused(self, association: Any, purpose: str) -> None:
        """Say why there is no association."""
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = str(getattr(answer, "reason_str", "")) if answer is not None else ""
            raise ArchiveError(
                f"{self.address} rejects the connection of {self.title} ({reason or 'no reason given'}): check both AE "
                "titles with its administrator."
            )
        if association.requestor.requested_contexts and association.acceptor.primitive is not None:
            self._missing.add(purpose)
            raise NoServiceError(f"{self.address} offers no service that is needed here: ask its administrator.")
        if self.address.tls:
            self._check_certificate()
        raise ArchiveError(
            f"{self.address} does not answer: check machine, port and network, then run the same command again."
        )


def _add_get_contexts(ours: Any) -> list[Any]:
    from pynetdicom import build_role

    ours.add_requested_context(_GET)
    for uid in _USED:
        ours.add_requested_context(uid, _PLAIN)
        ours.add_requested_context(uid, _COMPRESSED)
    return [build_role(uid, scp_role=True) for uid in _USED]


def _keep(received: queue.Queue[Dataset | None]) -> Any:
    """A handler that puts what is stored into a queue."""

    def handle(event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.put(dataset)
        return 0x0000

    return handle
