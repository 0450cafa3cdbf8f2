"""From the files of a series to its values on a grid: order, stored values, slopes, compressed pixels."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.geometry import Plane, enhanced_planes, nm_planes, plane_of, stack
from PRRTUptakeLib.dicom.headers import Header, items, label, number, text
from PRRTUptakeLib.dicom.padding import Padding, outside_of, padding_of
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

NM_STORAGE = "1.2.840.10008.5.1.4.1.1.20"
_MOST = 65_535  # rows, columns or frames
_THREADS = min(4, thread_count())


@dataclass(frozen=True, eq=False)
class Frame:
    """One plane of a series: its file's header, its number in that file (from 0), and its own rescaling."""

    header: Header
    index: int
    slope: float
    intercept: float


@dataclass(frozen=True, eq=False)
class Stack:
    """A series put in order.

    Attributes
    ----------
    series : the series.
    frames : one per plane, along the normal.
    shape : (k, j, i).
    ijk_to_ras : 4x4, mm.
    dtype : type of the stored values.
    decisions : what was decided on the way, as sentences.
    """

    series: Series
    frames: tuple[Frame, ...]
    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    dtype: np.dtype
    decisions: tuple[str, ...]

    @property
    def slopes(self) -> np.ndarray:
        """Rescale slope of each plane, (k,)."""
        return np.array([frame.slope for frame in self.frames])

    @property
    def intercepts(self) -> np.ndarray:
        """Rescale intercept of each plane, (k,)."""
        return np.array([frame.intercept for frame in self.frames])

    @cached_property
    def outside_field(self) -> np.ndarray | None:
        """Voxels of padding, bool [k, j, i], in which nothing was measured; None if there is none."""
        paddings = [padding_of(frame.header, np.dtype(_stored_type(frame.header))) for frame in self.frames]
        if not any(paddings):
            return None

        def mark(out: np.ndarray, written: np.ndarray, k: int) -> None:
            header, padding = self.frames[k].header, paddings[k]
            values = _unused_bits_cleared(header.dataset, written, str(header.path))
            out[...] = False if padding is None else padding.marks(written, values)

        marked = self._fill(np.empty(self.shape, dtype=bool), mark, as_written=True)
        return outside_of(marked, any(map(self._may_be_measured, self.frames, paddings)))

    def _may_be_measured(self, frame: Frame, padding: Padding | None) -> bool:
        """Whether a value of padding is also one that is measured: 0 in emission, a Hounsfield value in CT."""
        if padding is None:
            return False
        if self.series.modality != "CT":
            return padding.low <= 0.0 <= padding.high or self.series.modality == "MR"
        ends = sorted(frame.slope * end + frame.intercept for end in (padding.low, padding.high))
        return ends[1] >= HOUNSFIELD_RANGE[0] and ends[0] <= HOUNSFIELD_RANGE[1]

    def stored_values(self) -> np.ndarray:
        """The stored values, [k, j, i]; padding has the lowest of the measured ones."""
        found = self._fill(np.empty(self.shape, dtype=self.dtype), lambda out, values, k: np.copyto(out, values))
        outside = self.outside_field
        if outside is not None:
            np.putmask(found, outside, found.max())  # so that the lowest is one that was measured
            np.putmask(found, outside, found.min())
        return found

    def scaled(self, slopes: np.ndarray, intercepts: np.ndarray | None = None) -> np.ndarray:
        """Stored value x slope + intercept of each plane, float32 [k, j, i]; one plane at a time, to spare memory."""
        return self.scaled_and_summed(slopes, intercepts)[0]

    def scaled_and_summed(
        self, slopes: np.ndarray, intercepts: np.ndarray | None = None
    ) -> tuple[np.ndarray, float, float]:
        """Like ``scaled``, and the sum and the maximum of all values, taken while each plane is at hand.

        Padding is 0.
        """
        exact = self.dtype.itemsize > 2  # 32-bit integers do not fit into float32's 24 bits before scaling
        offsets = np.zeros(len(self.frames)) if intercepts is None else intercepts
        sums, most = np.empty(len(self.frames)), np.empty(len(self.frames))
        outside = self.outside_field

        def convert(out: np.ndarray, values: np.ndarray, k: int) -> None:
            if exact:
                out[...] = values * np.float64(slopes[k]) + offsets[k]
            else:
                np.multiply(values, np.float32(slopes[k]), out=out, casting="unsafe")
                if offsets[k]:
                    out += np.float32(offsets[k])
            if outside is not None:
                np.putmask(out, outside[k], 0.0)
            sums[k], most[k] = out.sum(), out.max()

        return self._fill(np.empty(self.shape, dtype=np.float32), convert), float(sums.sum()), float(most.max())

    def _fill(
        self, out: np.ndarray, convert: Callable[[np.ndarray, np.ndarray, int], None], as_written: bool = False
    ) -> np.ndarray:
        by_file: dict[Path, list[tuple[int, Frame]]] = {}
        for k, frame in enumerate(self.frames):
            by_file.setdefault(frame.header.path, []).append((k, frame))

        def some_files(planes_by_file: list[list[tuple[int, Frame]]]) -> None:
            for planes in planes_by_file:
                header = planes[0][1].header
                values = _file_values(header, self.shape[1:])
                if not as_written:
                    values = _unused_bits_cleared(header.dataset, values, str(header.path))
                for k, frame in planes:
                    convert(out[k], values[frame.index], k)

        files = list(by_file.values())
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(some_files, [files[n::_THREADS] for n in range(_THREADS)]))
        return out


def arrange(series: Series) -> Stack:
    """Put the planes of a series in order along their normal.

    Raises
    ------
    DicomError
        If they do not make one regular volume.
    DicomError
        If the images differ in size or kind, or have no pixels.
    """
    planes: list[Plane] = []
    frames: list[Frame] = []
    names: list[str] = []
    decisions: list[str] = []
    for header in series.headers:
        found, note = _planes_of_file(header)
        decisions += note
        for n, plane in enumerate(found):
            planes.append(plane)
            frames.append(_frame(header, n))
            names.append(header.path.name if len(found) == 1 else f"frame {n + 1} of {header.path.name}")
    decisions += _missing_at_the_ends(series, len(frames))
    rows, columns, dtype = _matrix(series)
    order, ijk_to_ras = stack(planes, names, series.label)
    ordered = tuple(frames[n] for n in order)
    return Stack(series, ordered, (len(ordered), rows, columns), ijk_to_ras, dtype, tuple(dict.fromkeys(decisions)))


def _missing_at_the_ends(series: Series, count: int) -> list[str]:
    """A gap shows itself; slices missing at an end only show where their number is stated (PET)."""
    first = series.headers[0]
    stated = number(first.dataset, "NumberOfSlices", str(first.path))
    if series.sop_class == NM_STORAGE or stated is None or stated <= count:
        return []
    return [f"Doubtful: {label('NumberOfSlices')} is {stated:g}, but {count} are there: some may be missing at an end."]


def _planes_of_file(header: Header) -> tuple[list[Plane], tuple[str, ...]]:
    dataset, where = header.dataset, str(header.path)
    count = _frame_count(dataset, where)
    if "PerFrameFunctionalGroupsSequence" in dataset:
        planes = enhanced_planes(dataset, where)
        if len(planes) != count:
            raise DicomError(f"{where} has {count} frames but {len(planes)} per-frame functional groups.")
        return planes, ()
    if text(dataset, "SOPClassUID", where) == NM_STORAGE or (count > 1 and "SliceVector" in dataset):
        return nm_planes(dataset, count, where)
    if count > 1:
        raise DicomError(f"{where} has {count} frames and does not say where they lie: export single slices.")
    return [plane_of(dataset, where)], ()


def _frame_count(dataset: Dataset, where: str) -> int:
    count = number(dataset, "NumberOfFrames", where)
    if count is None:
        return 1
    if not 1 <= count <= _MOST or count != int(count):
        raise DicomError(
            f"{label('NumberOfFrames')} of {where} is {count:g}, which is impossible: export the series again."
        )
    return int(count)


def _frame(header: Header, index: int) -> Frame:
    where = str(header.path)
    source = header.dataset
    groups = items(source, "PerFrameFunctionalGroupsSequence", where)
    if groups:
        shared = items(source, "SharedFunctionalGroupsSequence", where)[:1]
        for holder in (groups[index], *shared):
            found = items(holder, "PixelValueTransformationSequence", where)
            if found:
                source = found[0]
                break
    slope, intercept = number(source, "RescaleSlope", where), number(source, "RescaleIntercept", where)
    if slope is None:
        slope = 1.0
        if "RescaleSlope" in source or text(header.dataset, "Modality", where) in ("PT", "CT"):
            raise DicomError(f"{label('RescaleSlope')} of {where} is missing: its values mean nothing without it.")
    if slope == 0:
        raise DicomError(f"{label('RescaleSlope')} of {where} is 0: every value would vanish.")
    if intercept is None and text(header.dataset, "Modality", where) == "CT":
        raise DicomError(f"{label('RescaleIntercept')} of {where} is missing: its values are not Hounsfield units.")
    return Frame(header, index, slope, intercept or 0.0)


def _matrix(series: Series) -> tuple[int, int, np.dtype]:
    """Rows, columns and stored type, which all files need to share."""
    kinds: dict[tuple[int, int, str], Path] = {}
    for header in series.headers:
        dataset, where = header.dataset, str(header.path)
        rows, columns = (_positive(dataset, keyword, where) for keyword in ("Rows", "Columns"))
        if number(dataset, "SamplesPerPixel", where) not in (None, 1):
            raise DicomError(f"{where} is a colour image: choose the series that holds measured values.")
        stored = _stored_type(header)
        _check_size(header, rows, columns, np.dtype(stored))
        kinds.setdefault((rows, columns, stored), header.path)
    if len({kind[:2] for kind in kinds}) > 1:
        first, second = list(kinds.items())[:2]
        raise DicomError(
            f"{series.label} mixes images of {first[0][0]} x {first[0][1]} ({first[1]}) and "
            f"{second[0][0]} x {second[0][1]} pixels ({second[1]}): separate them."
        )
    rows, columns, _ = next(iter(kinds))
    return rows, columns, np.result_type(*[np.dtype(kind[2]) for kind in kinds]).newbyteorder("=")


def _positive(dataset: Dataset, keyword: str, where: str) -> int:
    found = number(dataset, keyword, where)
    if found is None or found < 1:
        raise DicomError(f"{label(keyword)} of {where} is missing or 0: the file holds no image.")
    if found > _MOST or found != int(found):
        raise DicomError(f"{label(keyword)} of {where} is {found:g}, which is impossible: export the series again.")
    return int(found)


def _check_size(header: Header, rows: int, columns: int, stored: np.dtype) -> None:
    """Rows and columns against the bytes that are there, before memory is asked for them."""
    if header.pixel_offset is None:
        return
    count = _frame_count(header.dataset, str(header.path)) * rows * columns * stored.itemsize
    if count > header.pixel_bytes:
        raise DicomError(
            f"{header.path} has {header.pixel_bytes} bytes of pixels, but Rows, Columns, Number of Frames and Bits "
            f"Allocated call for {count}."
        )


def _stored_type(header: Header) -> str:
    dataset, where = header.dataset, str(header.path)
    allocated = _positive(dataset, "BitsAllocated", where)
    signed = number(dataset, "PixelRepresentation", where)
    if signed is None and "PixelRepresentation" not in dataset and allocated in (32, 64):
        return f"f{allocated // 8}"  # float pixel data have no sign attribute
    if allocated not in (8, 16, 32) or signed not in (0, 1):
        raise DicomError(
            f"{label('BitsAllocated')} of {where} is {allocated} and {label('PixelRepresentation')} is {signed}: "
            "such pixels are not known."
        )
    syntax = text(dataset.file_meta, "TransferSyntaxUID", where)
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    return f"{order}{'i' if signed else 'u'}{allocated // 8}"


def _file_values(header: Header, shape: tuple[int, int]) -> np.ndarray:
    """Stored values of one file as they are written, [frame, row, column]."""
    stored = np.dtype(_stored_type(header))
    frames = _frame_count(header.dataset, str(header.path))
    count = frames * shape[0] * shape[1]
    if header.pixel_offset is None:
        values = _decoded(header)
    else:
        excess = header.pixel_bytes - count * stored.itemsize
        if excess not in (0, 1):  # an odd length is padded to even
            raise DicomError(
                f"{header.path} has {header.pixel_bytes} bytes of pixels, but Rows, Columns, Number of Frames and "
                f"Bits Allocated call for {count * stored.itemsize}."
            )
        with header.path.open("rb") as file:
            file.seek(header.pixel_offset)
            values = np.fromfile(file, dtype=stored, count=count)
    if values.size != count:
        raise DicomError(f"{header.path} is truncated: it holds {values.size} of {count} pixels.")
    return values.reshape(frames, *shape)


def _unused_bits_cleared(dataset: Dataset, values: np.ndarray, where: str) -> np.ndarray:
    """Bits above Bits Stored may hold overlays in old files; shifting there and back also extends the sign."""
    if values.dtype.kind == "f":
        return values
    allocated = 8 * values.dtype.itemsize
    bits = int(number(dataset, "BitsStored", where) or allocated)
    if not 1 <= bits <= allocated:
        raise DicomError(f"{label('BitsStored')} of {where} is {bits}, but {allocated} bits are allocated.")
    high = number(dataset, "HighBit", where)
    if high is not None and high != bits - 1:
        raise DicomError(f"{label('HighBit')} {high:g} and {label('BitsStored')} {bits} of {where} do not go together.")
    if bits == allocated:
        return values
    native = values.astype(values.dtype.newbyteorder("="))
    native <<= allocated - bits
    native >>= allocated - bits
    return native


def _decoded(header: Header) -> np.ndarray:
    """Compressed pixels: by pydicom where it has a decoder, else by ITK, which has all of them."""
    try:
        return np.asarray(pydicom.dcmread(header.path).pixel_array)
    except Exception:  # a missing decoder shows itself in many ways; ITK decides
        return _decoded_by_itk(header)


def _decoded_by_itk(header: Header) -> np.ndarray:
    """ITK applies the rescaling itself, so it is given a copy without, to return stored values."""
    import SimpleITK

    dataset = pydicom.dcmread(header.path)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RealWorldValueMappingSequence"):
        if keyword in dataset:
            del dataset[keyword]
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "stored.dcm"
            dataset.save_as(copy)
            return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(copy), imageIO="GDCMImageIO")))
    except Exception as error:
        name = pydicom.uid.UID(str(dataset.file_meta.TransferSyntaxUID)).name
        raise DicomError(
            f"The pixels of {header.path} ({name}) cannot be decompressed: export uncompressed."
        ) from error


AIR_HU = -1000.0
HOUNSFIELD_RANGE = (-1024.0, 30_710.0)  # of measured attenuation; the end is that of extended scales for metal
HOUNSFIELD = ("", "HU", "HU_MOD", "US")  # US: not said, as converters write it
_MEANING = {"CT": ("attenuation", "[hnsf'U]"), "MR": ("signal intensity", "1")}


def read_volume(series: Series, compact: bool = False) -> Volume:
    """The volume of a CT (Hounsfield units) or MR series; slope and intercept are applied plane by plane.

    Parameters
    ----------
    series : of CT or MR.
    compact : keep whole numbers as int16, half of the memory, where the series holds nothing else.

    Raises
    ------
    DicomError
        If the series is neither (activity images go through ``quantify``), or a CT that holds no Hounsfield units.
    """
    if series.modality not in _MEANING:
        remedy = "use quantify for it" if series.modality in ("PT", "NM") else "choose a CT or MR series"
        raise DicomError(f"{series.label} is neither CT nor MR: {remedy}.")
    require_hounsfield_units(series)
    arranged = arrange(series)
    quantity, units = _MEANING[series.modality]
    array = _whole_values(arranged) if compact else None
    whole = array is not None
    if array is None:
        array = arranged.scaled(arranged.slopes, arranged.intercepts)
    notes = []
    if arranged.outside_field is not None and series.modality == "CT":
        np.putmask(array, arranged.outside_field, AIR_HU)
        notes.append(f"Padding ({label('PixelPaddingValue')}) counts as air, {AIR_HU:g} HU.")
    return Volume(array, arranged.ijk_to_ras, quantity, units, None, provenance(arranged, notes), compact=whole)


def require_hounsfield_units(series: Series) -> None:
    """Raise DicomError for a CT of something else.

    Spectral CT writes effective atomic numbers, electron densities and the like as CT, too (PS3.3 C.11.1.1.2).
    """
    for header in series.headers if series.modality == "CT" else ():
        where = str(header.path)
        kind = text(header.dataset, "RescaleType", where).upper()
        if kind not in HOUNSFIELD:
            raise DicomError(
                f"{label('RescaleType')} of {where} is {kind}, so {series.label} holds no Hounsfield units: choose the "
                "CT in HU."
            )


def _whole_values(arranged: Stack) -> np.ndarray | None:
    """The values of a stack as int16, None where they are not all whole numbers of that range."""
    offset = float(arranged.intercepts[0])
    if arranged.dtype not in (np.int16, np.uint16) or (arranged.slopes != 1).any() or not offset.is_integer():
        return None
    stored = arranged.stored_values()
    low, high = int(stored.min()) + offset, int(stored.max()) + offset
    if (arranged.intercepts != offset).any() or low < -32768 or high > 32767:
        return None
    values = stored.view(np.int16)
    values += np.int64(offset).astype(np.int16)  # modulo 65536, which is right as the sums are in the range
    return values


def provenance(arranged: Stack, decisions: Sequence[str] = ()) -> dict[str, Any]:
    """What a volume remembers of the series that it was read from."""
    series = arranged.series
    return {
        "series_uid": series.uid,
        "study_uid": series.study_uid,
        "frame_of_reference_uid": series.frame_of_reference_uid,
        "patient_id": series.patient_id,
        "modality": series.modality,
        "decisions": [*arranged.decisions, *decisions],
    }
