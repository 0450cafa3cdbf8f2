"""Archives as they come: renamed in five languages, wrong numbers, missing times and attributes, copies, flat names.

Of 40 seeded ones each has the right image, CT and cycle for every visit, or a question on what may be wrong.
"""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from builders.small_archive import subject, uid, write_therapy
from PRRTUptakeLib.archive.assemble import Wishes, assemble
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.scan import scan_source

NAMES = {
    "corrected": ("SPECT AC", "SPECT schwächungskorrigiert", "TEMP corrigée", "SPECT corretta", "SPECT gecorrigeerd"),
    "uncorrected": ("SPECT NAC", "ohne Schwächungskorrektur", "sans correction", "non corretto", "sin corrección"),
    "neutral": ("Abdomen", "Bauch spät", "Foie tardif", "Fegato", "Hígado", "", "Serie 1", "Recon #2"),
}
SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 8 else []) for seed in range(40)]


def mutated(place, rng):
    """Change the files of a tidy archive; returns how often a header was robbed of what decides."""
    robbed = 0
    by_series = {}
    for path in sorted(place.rglob("I*")):
        by_series.setdefault(path.parent, []).append(path)
    for files in by_series.values():
        words = NAMES[rng.choice(["corrected", "uncorrected", "neutral", "neutral"])]
        description, number = rng.choice(words), int(rng.integers(0, 900))
        hidden = [name for name in HIDDEN if rng.random() < 0.06]
        robbed += len(hidden)
        for path in files:
            ds = pydicom.dcmread(path)
            ds.SeriesDescription, ds.SeriesNumber, ds.InstanceNumber = description, number, int(rng.integers(0, 99))
            for name in hidden:
                HIDDEN[name](ds)
            ds.save_as(path)
        if rng.random() < 0.15:
            exported_again(files, place, rng)
        if rng.random() < 0.1:
            shutil.copy(files[0], place / f"copy{rng.integers(1e9)}.dcm")
    return robbed


def without(*names):
    def take(ds):
        for name in names:
            if name in ds:
                delattr(ds, name)

    return take


def without_injection(ds):
    for item in ds.get("RadiopharmaceuticalInformationSequence", []):
        without("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime")(item)


def with_short_image_type(ds):
    if "ImageType" in ds:
        ds.ImageType = list(ds.ImageType)[:2]


TIMES = [f"{kind}{what}" for kind in ("Acquisition", "Series", "Study", "Content") for what in ("Date", "Time")]
HIDDEN = {
    "times": without(*TIMES, "AcquisitionDateTime"),
    "correction": without("CorrectedImage", "AttenuationCorrectionMethod"),
    "frame": without("FrameOfReferenceUID"),
    "injection": without_injection,
    "image type": with_short_image_type,
    "windows": without("EnergyWindowInformationSequence"),
    "drug": without("RadiopharmaceuticalInformationSequence"),
}


def exported_again(files, place, rng):
    """The same series under new UIDs, as a second export gives it."""
    series = uid("again", str(rng.integers(1e9)))
    for n, path in enumerate(files):
        ds = pydicom.dcmread(path)
        ds.SeriesInstanceUID, ds.SOPInstanceUID = series, uid(series, str(n))
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(place / f"again{rng.integers(1e9)}.dcm")


def flattened(place, rng):
    """All files in one folder under numbers without meaning."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    names = rng.permutation(len(files))
    flat = place.parent / "flat"
    flat.mkdir()
    for path, name in zip(files, names, strict=True):
        path.rename(flat / f"{name:06d}")
    return flat


def pixels(path):
    return pydicom.dcmread(path).PixelData


def right_pixels(place, truths):
    """Pixels of the right image of each visit: a copy under another UID is as right."""
    found = {}
    for path in sorted(place.rglob("I*")):
        series = str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)
        for truth in truths:
            if series == truth.image:
                found[truth.image] = pixels(path)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shuffled_archive_gives_the_right_series_or_a_question(tmp_path, seed):
    rng = np.random.default_rng(seed)
    place = tmp_path / "tidy"
    truths = write_therapy(place, subject(), cycles=(1, 2)[: rng.integers(1, 3)], hours=(24.0,))
    right = right_pixels(place, truths)
    mutated(place, rng)
    flat = flattened(place, rng)
    try:
        draft = assemble(scan_source(flat), Wishes(protocol="single-arm"))
    except ArchiveError:
        return  # nothing that could be measured was left: said in a sentence, nothing guessed
    open_keys = {one.key for one in draft.all_questions}
    open_words = " ".join(one.question for one in draft.all_questions)
    seen = []
    for n, visit in enumerate(draft.visits):
        taken = pixels(visit.images[0][0])
        truth = next((one for one in truths if right[one.image] == taken), None)
        asked_for_image = f"visits[{n}].image" in open_keys
        assert truth is not None or asked_for_image, "a wrong image without a question"
        if truth is None:
            continue
        seen.append(truth.image)
        assert visit.cycle == truth.cycle or f"visits[{n}].cycle" in open_keys
        if visit.found["hours"] is not None:
            assert visit.found["hours"] == pytest.approx(truth.hours, abs=0.2)
        series = {str(pydicom.dcmread(files[0]).StudyInstanceUID) for files in visit.images}
        assert len(series) == 1, "a CT of another visit"
        has_ct = any(pydicom.dcmread(files[0]).Modality == "CT" for files in visit.images)
        assert has_ct or "No CT shares" in open_words
    missed = [truth for truth in truths if truth.image not in seen]
    assert not missed or open_keys or draft.remarks, "a visit is missing, and nothing says so"


def test_most_shuffled_archives_need_no_question_on_the_image(tmp_path):
    """The questions are for what is open: with its attributes in place, no name or number leads to one."""
    for seed in range(3):
        rng = np.random.default_rng([seed, 1])
        place = tmp_path / str(seed)
        write_therapy(place, subject(), cycles=(1,))
        for path in sorted(place.rglob("I*")):
            ds = pydicom.dcmread(path)
            ds.SeriesDescription, ds.SeriesNumber = rng.choice(NAMES["neutral"]), int(rng.integers(0, 900))
            ds.save_as(path)
        keys = {one.key for one in assemble(scan_source(place), Wishes(protocol="single-arm")).all_questions}
        assert keys == {"visits[0].segments"}
