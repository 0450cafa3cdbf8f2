"""The whole scene as a ``.mrb`` bundle, in two steps.

Nodes are written on the face's own thread, quickly; what is slow, to compress them, touches no node and may be done
beside a living panel.
"""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import slicer

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.segmentations import segmentation_grid, write_segmentation_file
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.progress import Progress, no_progress, on_main_thread
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.nrrd_extent import write_on_whole_grid

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
    """Write a segmentation as ``.seg.nrrd`` on the grid of its image: by the file that the bundle holds of it.

    Raises
    ------
    NodeError
        If the file cannot be written.
    """
    wanted = f"{node.GetName()}.seg.nrrd"
    with zipfile.ZipFile(bundle) as archive:
        found = [name for name in archive.namelist() if unquote(name.rpartition("/")[2]) == wanted]
        content = archive.read(found[0]) if len(found) == 1 else b""
    try:
        write_on_whole_grid(content, segmentation_grid(node).shape, path)
    except SegmentationError:  # as drawn in other software, beyond its image
        write_segmentation_file(node, path)


def write_nodes(folder: Path, path: Path) -> None:
    """Write the scene and the files of its nodes to a folder that is there and empty.

    Images are not compressed, and segmentations are cropped to what is drawn, which takes half the time.
    ``path`` is what the bundle will be, for the words of an error.

    Raises
    ------
    NodeError
        If that cannot be done.
    """
    images, segmentations = list(_compressed_images()), list(_whole_segmentations())
    for storage in images:
        storage.SetUseCompression(0)
    for storage in segmentations:
        storage.SetCropToMinimumExtent(True)
    try:
        if not session().SaveSceneToSlicerDataBundleDirectory(str(folder)):
            raise NodeError(f"The scene could not be written to {path}: is the disk full?")
    finally:
        for storage in images:
            storage.SetUseCompression(1)
        for storage in segmentations:
            storage.SetCropToMinimumExtent(False)
    scene_file = folder / f"{folder.name}.mrml"
    text = _as_chosen(scene_file.read_text(encoding="utf-8"), images, 'useCompression="0"', 'useCompression="1"')
    text = _as_chosen(text, segmentations, 'CropToMinimumExtent="true"', 'CropToMinimumExtent="false"')
    scene_file.write_text(text, encoding="utf-8")


def _compressed_images() -> Iterator[Any]:
    """Storage nodes of volumes that are to be compressed."""
    return (one for one in _storages("vtkMRMLVolumeNode") if one.GetUseCompression())


def _whole_segmentations() -> Iterator[Any]:
    """Storage nodes of segmentations that are to be written on the whole grid of their image."""
    found = _storages("vtkMRMLSegmentationNode")
    return (one for one in found if one.IsA("vtkMRMLSegmentationStorageNode") and not one.GetCropToMinimumExtent())


def _storages(kind: str) -> Iterator[Any]:
    """Storage nodes of the nodes of a class; made where there is none yet."""
    for node in slicer.util.getNodesByClass(kind):
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is not None:
            yield storage


def _as_chosen(text: str, storages: list[Any], written: str, chosen: str) -> str:
    """The scene file with what the user chose for storage nodes, rather than how they were written this time."""
    known = {storage.GetID() for storage in storages}
    return _STORED.sub(
        lambda found: found[0].replace(written, chosen) if found[1] in known else found[0],
        text,
    )


def _without_matches(target: Any) -> None:
    """Have an open file of a zip packed by runs and frequencies alone: noise repeats nothing that is worth the search.

    An image takes half of the time and some percent more place. `zipfile` has no argument for it: a file of another
    make is packed as usual.
    """
    if hasattr(target, "_compressor"):
        target._compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)


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
                    if one.suffix == ".nrrd":
                        _without_matches(target)
                    while chunk := source.read(_CHUNK_bytes):
                        target.write(chunk)
                        done += len(chunk)
                        progress(done / whole, "Writing the scene")
        shutil.move(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
