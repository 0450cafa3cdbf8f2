"""What a result was made from: inputs with their hashes, versions, parameters; the file ``provenance.json``."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.versions import software

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTUptakeLib.export.deidentify_text import Cleaner


def provenance(
    series: Iterable[Mapping[str, Any]], files: Iterable[Path], parameters: Mapping[str, Any], base: Path
) -> dict[str, Any]:
    """Collect everything that is needed to repeat or doubt a result.

    Parameters
    ----------
    series : one mapping per DICOM series used (UID, modality, description, decisions).
    files : every input file; each is hashed with SHA-256.
    parameters : protocol and settings, plain JSON values.
    base : folder to which the file names are relative.
    """
    return {
        "software": software(),
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "series": [dict(item) for item in series],
        "files_sha256": hashes(files, base),
        "parameters": dict(parameters),
    }


def without_identity(facts: Mapping[str, Any], cleaner: Cleaner) -> dict[str, Any]:
    """What may go out: no paths, UIDs mapped, dates shifted; of the input files their hashes without the names."""
    return {
        "deidentified": True,
        "software": facts["software"],
        "made_at": cleaner.text(facts["made_at"]),
        "series": cleaner.plain([_nameless(one, cleaner) for one in facts["series"]]),
        "inputs_sha256": sorted(facts["files_sha256"].values()),
        "parameters": {key: value for key, value in facts["parameters"].items() if key != "case"},
    }


def _nameless(series: Mapping[str, Any], cleaner: Cleaner) -> dict[str, Any]:
    """A series under the subject's name; whatever its patient was called is not even looked for in text."""
    named = {key: cleaner.subject for key in ("patient_id", "patient_name") if series.get(key)}
    return {**series, **named}


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write plain JSON values, indented, for people to read too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def hashes(files: Iterable[Path], base: Path) -> dict[str, str]:
    """SHA-256 of each file, by its path relative to ``base``, sorted by name."""
    paths, base = _resolved(files), base.resolve()
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_sha256, paths))
    return {_relative(path, base): digest for path, digest in zip(paths, digests, strict=True)}


def _resolved(files: Iterable[Path]) -> list[Path]:
    """Absolute paths without links, each once, sorted; a folder of hundreds of files is resolved once."""
    listed = list(files)
    folders = {folder: folder.resolve() for folder in {path.parent for path in listed}}
    plain = {path: folders[path.parent] / path.name for path in listed if path.name not in ("", "..")}
    return sorted({plain[path] if path in plain and not path.is_symlink() else path.resolve() for path in listed})


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()
