"""A frozen bundle of a case's results: one zip of tables, DICOM, protocol, provenance and hashes; and its check.

``manifest.json`` in it holds the SHA-256 of every other member. `export.verify` runs the case again and compares.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.errors import InvalidDicomError

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.errors import PRRTError, reason
from PRRTUptakeLib.export.deidentify_text import Identity
from PRRTUptakeLib.export.provenance import without_identity
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.export.deidentify import Deidentifier

MANIFEST = "manifest.json"
TABLES = ("measurements.csv", "measurements.schema.json", "protocol.json", "provenance.json")
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same content gives the same zip


class BundleError(PRRTError):
    """A bundle cannot be made, or is not what it was."""


def write_bundle(results: Path, output: Path, deidentifier: Deidentifier | None = None) -> Path:
    """Freeze a folder of results that ``prrt run`` wrote.

    Parameters
    ----------
    results : the folder.
    output : the zip, written whole or not at all.
    deidentifier : frees tables and DICOM of the patient's identity; the case file is left out then.

    Raises
    ------
    BundleError
        If a part is missing or the zip cannot be written.
    """
    members = _members(Path(results), deidentifier)
    manifest = {
        "bundle": "SlicerPRRT",
        "version": VERSION,
        "deidentified": bool(json.loads(members["provenance.json"]).get("deidentified")),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    members[MANIFEST] = _json(manifest)
    output = Path(output)
    with atomic_file(output, BundleError) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(name, _FIXED_TIME), data, zipfile.ZIP_DEFLATED)
    return output


def read_bundle(path: Path) -> dict[str, bytes]:
    """The members of a bundle, each checked against the manifest.

    Raises
    ------
    BundleError
        If the file is no bundle, or a member is missing, added or changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if MANIFEST not in members:
            raise BundleError(f"{path} is not a bundle of SlicerPRRT: there is no {MANIFEST} in it.")
        stated = json.loads(members[MANIFEST])["sha256"]
    except BundleError:
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({reason(error)}): name a bundle.") from error
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path} is not a bundle of SlicerPRRT ({error}).") from error
    found = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != MANIFEST}
    changed = [
        f"{name} {'is missing' if name not in found else 'differs' if name in stated else 'was added'}"
        for name in sorted({*stated, *found})
        if stated.get(name) != found.get(name)
    ]
    if changed:
        raise BundleError(f"{path.name} is not as it was frozen: {', '.join(changed)}.")
    return members


def _members(results: Path, deidentifier: Deidentifier | None) -> dict[str, bytes]:
    try:
        members = {name: (results / name).read_bytes() for name in TABLES}
    except OSError as error:
        raise BundleError(
            f"{results} is not a folder of results ({error.strerror}: {error.filename}): run the case first."
        ) from error
    for path in sorted((results / "dicom").rglob("*.dcm")):
        members[path.relative_to(results).as_posix()] = path.read_bytes()
    facts = json.loads(members["provenance.json"])
    if deidentifier is not None:
        if facts.get("deidentified"):
            raise BundleError(f"{results} is de-identified already: bundle it without --deidentify.")
        return _without_identity(members, deidentifier)
    case = Path(facts["parameters"].get("case", ""))
    if case.is_file():
        members["case.json"] = case.read_bytes()
    return members


def _without_identity(members: dict[str, bytes], deidentifier: Deidentifier) -> dict[str, bytes]:
    objects = {name: pydicom.dcmread(io.BytesIO(data)) for name, data in members.items() if name.endswith(".dcm")}
    rows = list(csv.reader(io.StringIO(members["measurements.csv"].decode("utf-8"))))
    column = rows[0].index("patient")
    patients = sorted({row[column] for row in rows[1:]})
    facts = json.loads(members["provenance.json"])
    known = [*objects.values(), *_headers_of_inputs(facts)]
    if not known:
        raise BundleError(
            "Nothing tells the patient's name: the results hold no DICOM and the case's images are not there. Run the "
            "case with --deidentify instead."
        )
    cleaner = deidentifier.cleaner(Identity.of(known, *patients))
    typed = [rows[0].index(name) for name in ("visit", "region", "lesion")]
    for row in rows[1:]:
        row[column] = cleaner.subject
        for n in typed:
            row[n] = cleaner.text(row[n])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    cleaned = {name: members[name] for name in TABLES}
    cleaned["measurements.csv"] = table.getvalue().encode()
    cleaned["provenance.json"] = _json(without_identity(facts, cleaner))
    for name, ds in objects.items():
        stream = io.BytesIO()
        deidentifier.dataset(ds, cleaner.identity).save_as(stream, enforce_file_format=True)
        cleaned[cleaner.text(name)] = stream.getvalue()
    return cleaned


def _headers_of_inputs(facts: dict[str, Any]) -> list[Dataset]:
    """Headers of the images that were measured, where they still are: names in them may stand in texts."""
    base = Path(facts["parameters"].get("case", "")).parent
    found = []
    for path in (base / name for name in facts["files_sha256"]):
        with suppress(OSError, InvalidDicomError):
            found.append(pydicom.dcmread(path, stop_before_pixels=True))
    return found


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
