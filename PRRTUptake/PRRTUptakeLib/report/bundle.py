"""A frozen bundle of a case's results: one zip of tables, DICOM, protocol, provenance and hashes; and its check.

``manifest.json`` in it holds the SHA-256 of every other member. ``mrml.verify`` runs the case again and compares.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.report.provenance import VERSION

if TYPE_CHECKING:
    from PRRTUptakeLib.report.deidentify import Deidentifier

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
        "deidentified": deidentifier is not None,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    members[MANIFEST] = _json(manifest)
    output = Path(output)
    try:
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}-", delete=False) as file:
            work = Path(file.name)
    except OSError as error:
        raise BundleError(f"{output.parent} is not writable ({error.strerror}): choose another folder.") from error
    try:
        with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sorted(members.items()):
                archive.writestr(zipfile.ZipInfo(name, _FIXED_TIME), data, zipfile.ZIP_DEFLATED)
        work.chmod(0o644)
        work.replace(output)
    except OSError as error:
        raise BundleError(f"{output} was not written ({error.strerror or error}).") from error
    finally:
        work.unlink(missing_ok=True)
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
        stated = json.loads(members[MANIFEST])["sha256"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path} is not a bundle of SlicerPRRT ({error}).") from error
    found = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != MANIFEST}
    changed = sorted(name for name in {*stated, *found} if stated.get(name) != found.get(name))
    if changed:
        raise BundleError(f"{path.name} is not as it was frozen: {', '.join(changed)} differs from the manifest.")
    return members


def _members(results: Path, deidentifier: Deidentifier | None) -> dict[str, bytes]:
    try:
        members = {name: (results / name).read_bytes() for name in TABLES}
    except OSError as error:
        raise BundleError(
            f"{results} is not a folder of results ({error.strerror}: {error.filename}): run the case first."
        ) from error
    for path in sorted((results / "dicom").rglob("*.dcm")):
        members[path.relative_to(results).as_posix()] = _object(path, deidentifier)
    if deidentifier is not None:
        members["measurements.csv"] = _without_names(members["measurements.csv"], deidentifier)
        members["provenance.json"] = _json(_anonymous(json.loads(members["provenance.json"])))
        return members
    case = Path(json.loads(members["provenance.json"])["parameters"].get("case", ""))
    if case.is_file():
        members["case.json"] = case.read_bytes()
    return members


def _object(path: Path, deidentifier: Deidentifier | None) -> bytes:
    if deidentifier is None:
        return path.read_bytes()
    stream = io.BytesIO()
    deidentifier.dataset(pydicom.dcmread(path)).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _without_names(table: bytes, deidentifier: Deidentifier) -> bytes:
    rows = list(csv.reader(io.StringIO(table.decode("utf-8"))))
    column = rows[0].index("patient")
    for row in rows[1:]:
        row[column] = deidentifier.subject(row[column])
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()


def _anonymous(provenance: dict[str, Any]) -> dict[str, Any]:
    """Software, rules and the hashes of the inputs; no file names, UIDs, dates, nor decisions that quote them."""
    parameters = {key: value for key, value in provenance["parameters"].items() if key != "case"}
    hashes = sorted(provenance["files_sha256"].values())
    return {"software": provenance["software"], "parameters": parameters, "inputs_sha256": hashes}


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
