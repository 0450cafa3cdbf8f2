"""A frozen bundle of a case's results: one zip of tables, DICOM, protocol, provenance and hashes; and its check.

``manifest.json`` in it holds the SHA-256 of every other member. `export.verify` runs the case again and compares.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.errors import InvalidDicomError

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.export.deidentify_text import Identity
from PRRTUptakeLib.export.errors import BundleError
from PRRTUptakeLib.export.provenance import without_identity
from PRRTUptakeLib.table_file import csv_text
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.export.deidentify import Deidentifier

MANIFEST = "manifest.json"
TABLES = ("measurements.csv", "measurements.schema.json", "protocol.json", "provenance.json")
_LARGEST_MANIFEST = 50_000_000
_MOST_UNPACKED = 1000  # times its packed size: tables and masks come nowhere near
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same content gives the same zip


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
    """The members of a bundle, each named and checked by the manifest before it is used.

    Raises
    ------
    BundleError
        If the file is no bundle, or a member is missing, added or changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stated = _stated(archive, path)
            return {MANIFEST: archive.read(MANIFEST), **_checked_members(archive, stated, path)}
    except BundleError:
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({reason(error)}): name a bundle.") from error
    except (ValueError, KeyError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"{path} is not a bundle of SlicerPRRT ({error}).") from error


def _stated(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """The hashes that the manifest states, before anything else is read."""
    names = archive.namelist()
    if MANIFEST not in names:
        raise BundleError(f"{path} is not a bundle of SlicerPRRT: there is no {MANIFEST} in it.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BundleError(f"{path.name} is not as it was frozen: {twice[0]} is in it twice.")
    size = archive.getinfo(MANIFEST).file_size
    if size > _LARGEST_MANIFEST:
        raise BundleError(f"{path} is not a bundle of SlicerPRRT: its {MANIFEST} has {size} bytes.")
    stated = json.loads(archive.read(MANIFEST))["sha256"]
    if not isinstance(stated, dict) or not all(isinstance(one, str) for one in stated.values()):
        raise BundleError(f"{path} is not a bundle of SlicerPRRT: its {MANIFEST} lists no hashes.")
    return stated


def _checked_members(archive: zipfile.ZipFile, stated: dict[str, str], path: Path) -> dict[str, bytes]:
    """Members with the content that the manifest states; one that it does not name is not even unpacked."""
    present = {info.filename: info for info in archive.infolist() if info.filename != MANIFEST}
    unsafe = [name for name in present if name.startswith("/") or ".." in Path(name).parts or "\\" in name]
    changed = [f"{name} was added" for name in sorted(set(present) - set(stated))]
    changed += [f"{name} is missing" for name in sorted(set(stated) - set(present))]
    total = sum(info.file_size for info in present.values())
    packed = sum(info.compress_size for info in present.values())
    if unsafe or changed:
        raise BundleError(f"{path.name} is not as it was frozen: {', '.join(changed) or f'{unsafe[0]} is no name'}.")
    if total > _MOST_UNPACKED * max(packed, 1_000_000):
        raise BundleError(f"{path.name} would unpack {packed} bytes to {total}: it is not a bundle of SlicerPRRT.")
    members = {}
    for name in sorted(present):
        members[name] = archive.read(name)
        if hashlib.sha256(members[name]).hexdigest() != stated[name]:
            raise BundleError(f"{path.name} is not as it was frozen: {name} differs.")
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
            "Nothing states the patient's name: the results hold no DICOM and the case's images are not there. Run the "
            "case with --deidentify instead."
        )
    cleaner = deidentifier.cleaner(Identity.of(known, *patients))
    typed = [rows[0].index(name) for name in ("visit", "region", "lesion")]
    for row in rows[1:]:
        row[column] = cleaner.subject
        for n in typed:
            row[n] = cleaner.text(row[n])
    cleaned = {name: members[name] for name in TABLES}
    cleaned["measurements.csv"] = csv_text(rows[0], rows[1:]).encode()
    cleaned["provenance.json"] = _json(without_identity(facts, cleaner))
    for name, ds in objects.items():
        stream = io.BytesIO()
        deidentifier.dataset(ds, cleaner.identity).save_as(stream, enforce_file_format=True)
        cleaned[cleaner.text(name)] = stream.getvalue()
    return cleaned


def _headers_of_inputs(facts: dict[str, Any]) -> list[Dataset]:
    """Headers of the images that were measured, where they still are: names in them may occur in texts."""
    base = Path(facts["parameters"].get("case", "")).parent
    found = []
    for path in (base / name for name in facts["files_sha256"]):
        with suppress(OSError, InvalidDicomError):
            found.append(pydicom.dcmread(path, stop_before_pixels=True))
    return found


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
