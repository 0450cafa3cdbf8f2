"""What a series is: an image to measure, an anatomy, contours, or something else; by its header, with the reason.

Attributes go before words: series descriptions are free text in any language, and are only used where the header is
silent, which then leaves a doubt. Image Type of NM is PS3.3 C.8.4.9.1.1, of PET C.8.9.4.1, Series Type C.8.9.1.1.4,
localisers C.8.2.1.1.1.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.headers import items, number, numbers, text, words
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.dicom.reading import HOUNSFIELD
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.dicom_objects import MANUFACTURER
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.segmentation.dicom_contours import RTSTRUCT_STORAGE, SEG_STORAGE
from PRRTUptakeLib.study.check import CORRECTED, NOT_CORRECTED, NOT_STATED, attenuation_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

EMISSION, CT, MR, SEG, RTSTRUCT = "emission", "CT", "MR", "segmentation", "structure set"
PROJECTIONS, SCATTER, PLANAR, DYNAMIC = "projections", "scatter window", "planar", "dynamic or gated"
LOCALISER, MIP, CAPTURE, DOSE_REPORT = "localiser", "MIP", "secondary capture", "dose report"
REFORMAT, RESULT, OTHER = "reformatted", "report or result", "other"
USED_KINDS = (EMISSION, CT, MR, SEG, RTSTRUCT)

_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_DOSE_REPORTS = (_REPORTS + "67", _REPORTS + "68", _REPORTS + "73")
_DOSE_OR_MAP = ("1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.104.1")
_RECONSTRUCTED = ("RECON TOMO",)
_OF_NM = {
    "TOMO": PROJECTIONS,
    "GATED TOMO": PROJECTIONS,
    "STATIC": PLANAR,
    "WHOLE BODY": PLANAR,
    "DYNAMIC": DYNAMIC,
    "GATED": DYNAMIC,
    "RECON GATED TOMO": DYNAMIC,
}
_SLICE_VECTOR, _ROTATION_VECTOR, _ANGULAR_VIEW = "SliceVector", "RotationVector", "AngularViewVector"
_FEWEST_SLICES = 5  # an anatomy with fewer is a localiser or a sample
_WINDOW_MARGIN = 0.03  # of the energy: how far a line may be outside a window that shows it
# Words for an image without attenuation correction, as series are called in English, German, French, Dutch, Italian
# and Spanish; without accents and in lower case.
_UNCORRECTED = re.compile(
    r"\b(nac|noac|non ac|no ac|nonac|uncorrected|without attenuation|unkorrigiert|ohne (sk|ac|schwachung\w*)|"
    r"non corrig\w*|sans (ac|correction|attenuation)|ongecorrigeerd|niet gecorrigeerd|zonder (ac|verzwakking\w*)|"
    r"non corrett\w*|senza (ac|correzione|attenuazione)|sin (ac|correccion|atenuacion)|no corregid\w*)\b"
)
_LOCALISER_WORDS = ("LOCALIZER", "LOCALISER", "SCOUT", "TOPOGRAM")
_PROJECTED = ("MIP", "PROJECTION IMAGE", "MAX_IP", "MAXIMUM INTENSITY PROJECTION", "MIN_IP", "VOLUME RENDERING")
_REFORMATTED = ("MPR", "REFORMATTED", "CPR", "CURVED MPR")
_SCREEN = ("SCREEN SAVE", "SCREEN SHOT", "DOSE_INFO", "DOSE", "PROTOCOL", "RESULT")


@dataclass(frozen=True, kw_only=True)
class SeriesKind:
    """What one series is.

    Attributes
    ----------
    word : EMISSION, CT, MR, SEG, RTSTRUCT, or what it is instead.
    reason : which attribute says so, in words.
    attenuation : of an emission image, as `study.check.attenuation_of`.
    doubt : what the header leaves open, "" if nothing.
    contrast : of a CT, whether its header names a contrast agent.
    """

    word: str
    reason: str
    attenuation: str = ""
    doubt: str = ""
    contrast: bool = False

    @property
    def is_used(self) -> bool:
        """Whether a case may have use of it."""
        return self.word in USED_KINDS


def kind_of(series: Series) -> SeriesKind:
    """What a series is; never raises for what a header holds: what cannot be read is "other", with the reason."""
    try:
        return _kind(series)
    except PRRTError as error:
        return SeriesKind(word=OTHER, reason=str(error))


def _kind(series: Series) -> SeriesKind:
    dataset = series.headers[0].dataset
    by_class = _by_class(series.sop_class)
    if by_class is not None and by_class.word == SEG and _is_occupancy(dataset, series.label):
        return SeriesKind(word=RESULT, reason="occupied fractions of voxels, as SlicerPRRT writes them")
    if by_class is not None:
        return by_class
    image_type = words(dataset, "ImageType", series.label)
    shown = "\\".join(image_type) or "absent"
    if series.modality in ("CT", "MR", "PT", "NM"):
        for kind, known in ((LOCALISER, _LOCALISER_WORDS), (MIP, _PROJECTED), (CAPTURE, _SCREEN)):
            if set(known) & set(image_type[2:]):
                return SeriesKind(word=kind, reason=f"Image Type is {shown}")
    if series.modality == "NM":
        return _of_nm(series, dataset, image_type, shown)
    if series.modality == "PT":
        return _of_pet(series, dataset)
    if series.modality in ("CT", "MR"):
        return _of_anatomy(series, dataset, image_type, shown)
    return SeriesKind(word=OTHER, reason=f"modality {series.modality or 'not stated'}")


def _by_class(sop_class: str) -> SeriesKind | None:
    if sop_class == _CAPTURE or sop_class.startswith(f"{_CAPTURE}."):
        return SeriesKind(word=CAPTURE, reason="SOP Class is Secondary Capture")
    if sop_class in _DOSE_REPORTS:
        return SeriesKind(word=DOSE_REPORT, reason="SOP Class is a radiation dose report")
    if sop_class.startswith(_REPORTS) or sop_class in _DOSE_OR_MAP:
        return SeriesKind(word=RESULT, reason="SOP Class is a report, RT Dose, map or document")
    if sop_class in SEG_STORAGE:
        return SeriesKind(word=SEG, reason="SOP Class is Segmentation")
    if sop_class == RTSTRUCT_STORAGE:
        return SeriesKind(word=RTSTRUCT, reason="SOP Class is RT Structure Set")
    return None


def _is_occupancy(dataset: Dataset, where: str) -> bool:
    fractions = text(dataset, "SegmentationFractionalType", where).upper() == "OCCUPANCY"
    return fractions and text(dataset, "Manufacturer", where) == MANUFACTURER


def _of_nm(series: Series, dataset: Dataset, image_type: tuple[str, ...], shown: str) -> SeriesKind:
    if image_type[3:4] == ("TRANSMISSION",):
        return SeriesKind(word=OTHER, reason=f"Image Type is {shown}: a transmission scan")
    kind = image_type[2] if len(image_type) > 2 else ""
    if kind in _OF_NM:
        scatter = _scatter_reason(series, dataset)
        word = SCATTER if scatter and _OF_NM[kind] == PROJECTIONS else _OF_NM[kind]
        return SeriesKind(word=word, reason=scatter or f"Image Type is {shown}")
    doubt = ""
    if kind not in _RECONSTRUCTED:
        if _ROTATION_VECTOR in dataset or _ANGULAR_VIEW in dataset:
            return SeriesKind(word=PROJECTIONS, reason="frames are numbered by rotation and view")
        if _SLICE_VECTOR not in dataset:
            return SeriesKind(word=PLANAR, reason=f"Image Type is {shown}, and frames are not numbered by slice")
        doubt = f"Image Type is {shown}, so that only the numbering of its frames says that it is a tomogram"
    scatter = _scatter_reason(series, dataset)
    if scatter:
        return SeriesKind(word=SCATTER, reason=scatter)
    reason = f"Image Type is {shown}" if not doubt else "frames are numbered by slice"
    return _emission(series, reason, doubt)


def _scatter_reason(series: Series, dataset: Dataset) -> str:
    """Why an image is of a scatter window: none of its energy windows holds a line that the nuclide is imaged at."""
    windows = [
        (number(one, "EnergyWindowLowerLimit", series.label), number(one, "EnergyWindowUpperLimit", series.label))
        for item in items(dataset, "EnergyWindowInformationSequence", series.label)
        for one in items(item, "EnergyWindowRangeSequence", series.label)
    ]
    known = [(low, high) for low, high in windows if low is not None and high is not None]
    try:
        name = header_nuclide(drug_item(dataset, series.label), series.label).name
    except PRRTError:
        return ""
    if not known or name is None:
        return ""
    entry = nuclide(name)
    peaks = [line.energy_keV for line in entry.photon_lines] + [(low + high) / 2 for low, high in entry.windows_keV]
    if not peaks:
        return ""
    margin = 1.0 + _WINDOW_MARGIN
    if any(low / margin <= peak <= high * margin for low, high in known for peak in peaks):
        return ""
    shown = ", ".join(f"{low:g}-{high:g}" for low, high in known)
    return f"its energy window, {shown} keV, holds no line of {name}"


def _of_pet(series: Series, dataset: Dataset) -> SeriesKind:
    kinds = words(dataset, "SeriesType", series.label)
    if "REPROJECTION" in kinds:
        return SeriesKind(word=MIP, reason="Series Type is REPROJECTION")
    if kinds[:1] in (("DYNAMIC",), ("GATED",)):
        return SeriesKind(word=DYNAMIC, reason=f"Series Type is {kinds[0]}")
    if len(_directions(series)) > 1:
        return SeriesKind(word=MIP, reason="its images have several directions")
    return _emission(series, f"PET, Series Type {' '.join(kinds) or 'absent'}")


def _emission(series: Series, reason: str, doubt: str = "") -> SeriesKind:
    stated = attenuation_of(series)
    says_not = bool(_UNCORRECTED.search(plain_words(series.description)))
    if stated == CORRECTED and says_not:
        doubt = f"the header says attenuation-corrected, the description '{series.description}' contradicts it"
    elif stated == NOT_STATED:
        doubt = doubt or "the header does not say whether attenuation was corrected"
    words_of = {CORRECTED: "attenuation-corrected", NOT_CORRECTED: "not attenuation-corrected"}
    note = words_of.get(stated, "attenuation correction not stated")
    return SeriesKind(word=EMISSION, reason=f"{reason}; {note}", attenuation=stated, doubt=doubt)


def _of_anatomy(series: Series, dataset: Dataset, image_type: tuple[str, ...], shown: str) -> SeriesKind:
    if set(_REFORMATTED) & set(image_type[2:]):
        return SeriesKind(word=REFORMAT, reason=f"Image Type is {shown}")
    values = text(dataset, "RescaleType", series.label).upper()
    if series.modality == "CT" and values not in HOUNSFIELD:
        return SeriesKind(word=OTHER, reason=f"Rescale Type is {values}: no Hounsfield units")
    count = sum(int(number(one.dataset, "NumberOfFrames", series.label) or 1) for one in series.headers)
    if count < _FEWEST_SLICES:
        return SeriesKind(word=LOCALISER, reason=f"{count} image(s) only")
    if len(_directions(series)) > 1:
        return SeriesKind(word=LOCALISER, reason="its images have several directions")
    contrast = bool(text(dataset, "ContrastBolusAgent", series.label))
    more = ", with contrast agent" if contrast else ""
    return SeriesKind(
        word=series.modality, reason=f"{series.modality} of {count} slices, Image Type {shown}{more}", contrast=contrast
    )


def _directions(series: Series) -> set[tuple[float, ...]]:
    """Directions of rows and columns that the images of a series have, rounded."""
    found = (numbers(one.dataset, "ImageOrientationPatient", series.label) for one in series.headers)
    return {tuple(round(value, 2) + 0.0 for value in one) for one in found if one is not None}


def says_uncorrected(description: str) -> bool:
    """Whether a description says in one of six languages that attenuation was not corrected.

    Examples
    --------
    >>> says_uncorrected("SPECT ohne Schwächungskorrektur"), says_uncorrected("SPECT AC")
    (True, False)
    """
    return bool(_UNCORRECTED.search(plain_words(description)))


def plain_words(description: str) -> str:
    """Lower case, without accents, punctuation as blanks.

    Examples
    --------
    >>> plain_words("Abdomen_spät (NAC)")
    'abdomen spat nac'
    """
    letters = unicodedata.normalize("NFKD", description.lower())
    kept = "".join(one for one in letters if not unicodedata.combining(one))
    return " ".join(re.split(r"[^a-z0-9]+", kept)).strip()
