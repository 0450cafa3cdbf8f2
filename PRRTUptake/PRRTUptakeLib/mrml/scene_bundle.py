"""The whole scene as a ``.mrb`` bundle, in two steps.

Nodes are written on the face's own thread, quickly; what is slow, to compress them, touches no node and may be done
beside a living panel.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import slicer

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.progress import Progress, no_progress, on_main_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_bytes, _LARGE_bytes = 4_000_000, 1_000_000_000
_STORED = re.compile(r'<\w*Storage\b[^>]*?\bid="([^"]+)"[^>]*>')
_FASTEST = 1  # of zlib: a bundle of CT is some percent larger, and is written in a third of the time


def write_bundle(path: Path, progress: Progress = no_progress) -> None:
    """Write the whole scene as a ``.mrb`` that Slicer opens.

    Parameters
    ----------
    path : absolute; a file that is there is replaced.
    progress : hears after each few megabytes; work in a thread gives the one that it was given, so that nodes are
        written on the face's own thread.

    Raises
    ------
    NodeError
        If the bundle cannot be written.
    """
    with TemporaryDirectory(prefix="prrt-scene-", dir=path.parent) as temporary:
        folder = Path(temporary) / path.stem
        folder.mkdir()
        on_main_thread(progress, lambda: write_nodes(folder, path))
        try:
            pack(folder, path, progress)
        except OSError as error:
            raise NodeError(f"The scene could not be written to {path} ({error.strerror}).") from error


def write_segments_of_bundle(node: Any, bundle: Path, path: Path) -> None:
    """Write a segmentation as ``.seg.nrrd``: the file that the bundle holds of it, which need not be made twice.

    Raises
    ------
    NodeError
        If the file cannot be written.
    """
    wanted = f"{node.GetName()}.seg.nrrd"
    with zipfile.ZipFile(bundle) as archive:
        found = [name for name in archive.namelist() if unquote(name.rpartition("/")[2]) == wanted]
        if len(found) == 1:
            path.write_bytes(archive.read(found[0]))
            return
    write_segmentation_file(node, path)


def write_nodes(folder: Path, path: Path) -> None:
    """Write the scene and the files of its nodes to a folder that is there and empty; images are not compressed.

    ``path`` is what the bundle will be, for the words of an error.

    Raises
    ------
    NodeError
        If that cannot be done.
    """
    storages = list(_compressed_images())
    for storage in storages:
        storage.SetUseCompression(0)
    try:
        if not session().SaveSceneToSlicerDataBundleDirectory(str(folder)):
            raise NodeError(f"The scene could not be written to {path}: is the disk full?")
    finally:
        for storage in storages:
            storage.SetUseCompression(1)
    scene_file = folder / f"{folder.name}.mrml"
    known = {storage.GetID() for storage in storages}
    text = scene_file.read_text(encoding="utf-8")
    scene_file.write_text(_STORED.sub(lambda found: _compressed_again(found, known), text), encoding="utf-8")


def _compressed_images() -> Iterator[Any]:
    """Storage nodes of volumes that are to be compressed; made where there is none yet."""
    for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode"):
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is not None and storage.GetUseCompression():
            yield storage


def _compressed_again(found: re.Match[str], known: set[str]) -> str:
    """What the scene file says of a storage node, with the compression that the user has chosen."""
    text = found.group(0)
    return text.replace('useCompression="0"', 'useCompression="1"') if found.group(1) in known else text


def pack(folder: Path, path: Path, progress: Progress = no_progress) -> None:
    """Pack a folder as a zip file in which its name is the first part of every path; ``path`` appears when it is whole.

    ``progress`` is called after every few megabytes with the fraction done; if it raises, nothing is left.
    """
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    whole = sum(one.stat().st_size for one in files) or 1
    done = 0
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=_FASTEST) as bundle:
            bundle.writestr(zipfile.ZipInfo(f"{folder.name}/"), b"")  # as Slicer writes it
            for one in files:
                name = one.relative_to(folder.parent).as_posix()
                large = one.stat().st_size > _LARGE_bytes
                with one.open("rb") as source, bundle.open(name, "w", force_zip64=large) as target:
                    while chunk := source.read(_CHUNK_bytes):
                        target.write(chunk)
                        done += len(chunk)
                        progress(done / whole, "Writing the scene")
        shutil.move(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
