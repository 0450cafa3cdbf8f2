"""What the segments of a visit are called and seem to be, and what of them a run would refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import SimpleITK
from pydicom.errors import InvalidDicomError

from PRRTUptakeLib.dicom.headers import read_header, text
from PRRTUptakeLib.dicom.seg import unnamed
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.file_checks import check_stated_place
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import SUFFIXES, grid_of_image, is_mask_file, read_mask_file, read_voxels
from PRRTUptakeLib.segmentation.label_matching import recognise
from PRRTUptakeLib.segmentation.label_tables import names_beside
from PRRTUptakeLib.segmentation.regrid import same_lattice
from PRRTUptakeLib.segmentation.totalsegmentator import KNOWN
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.segment_files import read_segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segmentation

MASKS, NRRD, DICOM = "masks", "seg.nrrd", "DICOM"


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentNames:
    """The segments of one visit.

    Attributes
    ----------
    kind : "masks", "seg.nrrd" or "DICOM".
    names : of the segments, in the order of the files.
    structures : what each seems to be by its name, "" where that is not clear.
    unclear : sentences on the segments whose names are not clear.
    grid : of the segments; None for DICOM that was read without its images, or cannot be read with them.
    problems : what would stop a run.
    patients : ids that the DICOM objects name.
    """

    kind: str
    names: tuple[str, ...]
    structures: tuple[str, ...]
    unclear: tuple[str, ...]
    grid: Grid | None = None
    problems: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    @property
    def lesions(self) -> tuple[str, ...]:
        """Names of the segments that are lesions, one or several in each."""
        return tuple(n for n, s in zip(self.names, self.structures, strict=True) if "lesion" in s)

    @property
    def has_liver(self) -> bool:
        """Whether a liver is there, or parts of which it is made."""
        return any(one.startswith("liver") and "lesion" not in one for one in self.structures)


def segment_names(
    path: Path, labels: Mapping[int, str] | str | None = None, series: Sequence[Series] = (), same_patient: str = ""
) -> SegmentNames:
    """List the segments of a folder of masks, a label map, a ``.seg.nrrd`` file or DICOM.

    Voxels are read of label maps, of masks (but those of TotalSegmentator that nothing is measured in), and of DICOM
    with its images. ``labels`` are the names of a label map's numbers, or the name of their table; ``series`` the
    visit's images, and ``same_patient`` as in `read_segments`.

    Raises
    ------
    PRRTError
        If there is none, or a file is not readable.
    """
    if labels is not None or is_mask_file(path):
        return _of_labels(read_segments(path, labels=labels))
    if path.is_dir():
        masks = sorted(item for item in path.iterdir() if item.name.lower().endswith(SUFFIXES))
        if masks or not contour_files(path):
            return _of_masks(path, masks)
    if path.is_dir() or path.suffix.lower() in (".dcm", ""):
        return _decoded(path, series, _of_dicom(path), same_patient)
    return _of_nrrd(path)


def _listed(kind: str, names: Sequence[str], grid: Grid | None = None, **more: tuple[str, ...]) -> SegmentNames:
    found = recognise(names)
    return SegmentNames(
        kind=kind,
        names=tuple(names),
        structures=tuple(one.structure for one in found),
        unclear=tuple(f"Segment '{one.segment}': {one.reason}" for one in found if not one.certain),
        grid=grid,
        **more,
    )


def _of_labels(found: Segmentation) -> SegmentNames:
    listed = _listed(MASKS, [segment.name for segment in found], found.grid)
    empty = [
        f"The label map has no voxel of '{segment.name}': draw it, or remove its name."
        for segment, structure in zip(found, listed.structures, strict=True)
        if not segment.voxel_count and (structure == "liver" or "lesion" in structure)
    ]
    return replace(listed, problems=tuple(empty))


def _of_masks(folder: Path, files: Sequence[Path]) -> SegmentNames:
    if not files:
        raise StudyError(f"{folder} holds no mask ({', '.join(SUFFIXES)}) and no DICOM segments: correct the path.")
    names = [_without_suffix(path) for path in files]
    grids = [_grid(path) for path in files]
    if len(files) == 1 and _has_names(files[0]):
        return _of_labels(read_segments(files[0]))
    problems = []
    for path in files:
        try:
            check_stated_place(path)
        except PRRTError as error:
            problems.append(str(error))
    other_grids = [
        f"{path.name} is on another grid ({grid.described()}) than {files[0].name} ({grids[0].described()}): it will "
        "be resampled, and refused if that changes its volume by more than 5 %."
        for path, grid in zip(files, grids, strict=True)
        if not same_lattice(grids[0], grid)
    ]
    listed = _listed(MASKS, names, grids[0])
    for path, name, structure in zip(files, names, listed.structures, strict=True):
        if name in KNOWN and not structure:
            continue  # one of TotalSegmentator's hundred that nothing is measured in
        try:
            drawn = any(segment.voxel_count for segment in read_mask_file(path))
        except PRRTError as error:
            problems.append(str(error))
            continue
        if not drawn and (structure == "liver" or "lesion" in structure):
            problems.append(f"The mask {path.name} is empty: draw it, or remove the file.")
    return replace(listed, problems=tuple(dict.fromkeys(problems)), unclear=(*listed.unclear, *other_grids))


def _has_names(path: Path) -> bool:
    """Whether a file brings a table of the names of its labels, in its header or beside it."""
    return bool(names_beside(path, _without_suffix(path)) or read_voxels(path).labels)


def _without_suffix(path: Path) -> str:
    lower = path.name.lower()
    return path.name[: -len(next(suffix for suffix in SUFFIXES if lower.endswith(suffix)))]


def _grid(path: Path) -> Grid:
    return grid_of_image(_header(path))


def _header(path: Path) -> SimpleITK.ImageFileReader:
    """A reader that knows the geometry of the file, whose voxels are not read."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise StudyError(f"{path.name} is not readable: write it again as NIfTI or NRRD.") from error
    return reader


def _of_nrrd(path: Path) -> SegmentNames:
    reader = _header(path)
    found = {
        int(match[1]): reader.GetMetaData(key)
        for key in reader.GetMetaDataKeys()
        if (match := re.fullmatch(r"Segment(\d+)_Name", key))
    }
    if not found:
        raise StudyError(f"{path} names no segments: give a .seg.nrrd file as Slicer saves it.")
    return _listed(NRRD, [found[number] for number in sorted(found)])


def _of_dicom(path: Path) -> SegmentNames:
    files = contour_files(path)
    if not files:
        raise StudyError(f"{path} holds no DICOM segmentation or structure set (SEG, RTSTRUCT): correct the path.")
    names: list[str] = []
    patients: list[str] = []
    for file in files:
        try:
            header = read_header(file)
        except (InvalidDicomError, OSError) as error:
            raise StudyError(f"{file} is not a readable DICOM file ({error}).") from error
        if header is None:
            continue
        dataset = header.dataset
        patients.append(text(dataset, "PatientID", str(file)))
        for item in dataset.get("SegmentSequence", []):
            names.append(str(item.get("SegmentLabel", "") or unnamed(item.get("SegmentNumber", ""))))
        for item in dataset.get("StructureSetROISequence", []):
            names.append(str(item.get("ROIName", f"structure {item.get('ROINumber', '')}")))
    return _listed(DICOM, names, patients=tuple(dict.fromkeys(patients)))


def _decoded(path: Path, series: Sequence[Series], listed: SegmentNames, same_patient: str) -> SegmentNames:
    """DICOM segments as a run reads them from the visit's images: what they are by code and name, and every refusal."""
    if not series:
        return listed
    try:
        found = read_contours(path, series, same_patient)
    except PRRTError as error:
        return replace(listed, problems=(str(error),))
    names = [segment.name for segment in found]
    by_name = {one.segment: one for one in recognise(names)}
    unclear = [
        f"Segment '{segment.name}': "
        + (by_name[segment.name].reason if not by_name[segment.name].certain else "its code contradicts its name.")
        for segment in found
        if not segment.structure
    ]
    empty = [segment for segment in found if not segment.voxel_count]
    lost = [f"Segment '{one.name}' is empty: draw it, or remove it." for one in empty if one.structure == "liver"]
    said = [f"Segment '{one.name}' is empty." for one in empty if one.structure != "liver"]
    return replace(
        listed,
        names=tuple(names),
        structures=tuple(segment.structure for segment in found),
        unclear=(*found.warnings, *unclear, *said),
        grid=found.grid,
        problems=tuple(lost),
    )
