"""A folder of DICOM becomes a case: the right series, cycles and visits, and a question for whatever is open."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders.small_archive import another_person, subject, uid, write_therapy
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.archive.answers import answer_case
from PRRTUptakeLib.archive.assemble import Wishes, assemble
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.make import make_case, make_cohort, one_patient
from PRRTUptakeLib.archive.scan import scan_source
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.imaging.itk_images import write_mask
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.study.case import load_case, require_no_questions
from PRRTUptakeLib.study.check import check_case
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.images import emission_series
from PRRTUptakeLib.table_file import read_table

CT_GRID = Grid((6, 4, 4), np.array([[-10.0, 0, 0, 20], [0, -10.0, 0, 20], [0, 0, 5.0, 0], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two cycles with two visits each, eight distractor series per visit."""
    place = tmp_path_factory.mktemp("therapy")
    return place, write_therapy(place, cycles=(1, 2), hours=(24.0, 96.0))


@pytest.fixture
def one_visit(tmp_path):
    """One visit as copies that a test may change, and the path of its SPECT."""
    place = tmp_path / "source"
    (truth,) = write_therapy(place)
    return place, truth, next(place.rglob("S04/I001"))


def changed(path, **values):
    ds = pydicom.dcmread(path)
    for name, value in values.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.save_as(path)


def drafted(place, protocol="single-arm"):
    return assemble(scan_source(place), Wishes(protocol=protocol))


def keys(draft):
    return [one.key for one in draft.all_questions]


def test_the_attenuation_corrected_tomogram_and_its_CT_are_chosen_of_ten_series(folder):
    place, truth = folder
    draft = drafted(place)
    assert [(one.cycle, one.name) for one in draft.visits] == [(1, "24h"), (1, "96h"), (2, "24h"), (2, "96h")]
    for visit, known in zip(draft.visits, truth, strict=True):
        used = [{str(pydicom.dcmread(file).SeriesInstanceUID) for file in files} for files in visit.images]
        assert used == [{known.image}, {known.ct}]
        assert visit.found["activity_MBq"] == 7400.0
        assert visit.found["hours"] == pytest.approx(known.hours)


def test_every_series_is_listed_with_what_it_is_and_why(folder):
    kinds = [one["kind"] for one in drafted(folder[0]).series]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
        ("CT", "localiser", "projections", "planar", "secondary capture", "dose report", "report or result"), 4
    ) | {"emission": 8, "scatter window": 4}
    reasons = {one["kind"]: one["reason"] for one in drafted(folder[0]).series}
    assert reasons["scatter window"] == "its energy window, 160-180 keV, holds no line of Lu-177"
    assert "RECON TOMO" in reasons["emission"]


def test_the_case_is_complete_by_the_schema_and_stays_blinded(folder, tmp_path):
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(folder[0]), ""), case, "a folder")
    loaded = load_case(case)
    assert loaded.treated_lobe == ""
    assert loaded.expected_patient_id == "PAT001"
    assert [one.visit for one in loaded.visits] == ["24h", "96h", "24h", "96h"]
    assert {one.key for one in loaded.questions} == {"protocol", "visits[0].segments"}


def test_an_open_question_stops_a_run_and_is_listed_by_check(folder, tmp_path):
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(folder[0]), ""), case, "a folder")
    with pytest.raises(InputFileError, match=r"2 open question\(s\): \(1\) Which protocol .* --ask"):
        require_no_questions(load_case(case))
    problems = check_case(case).all_problems
    assert sum(text.startswith("Open question") for text in problems) == 2


def test_answers_in_the_terminal_settle_the_questions(folder, tmp_path):
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(folder[0]), ""), case, "a folder")
    typed = iter(["lutia", "="])
    assert answer_case(case, lambda _: next(typed)) == 0
    loaded = load_case(case)
    assert loaded.protocol.name == "lutia"
    assert loaded.questions == ()


def test_what_is_asked_is_not_listed_as_open_too(folder, tmp_path, capsys, monkeypatch):
    typed = iter(["lutia", "="])
    monkeypatch.setattr("builtins.input", lambda: next(typed))
    assert main(["case", str(folder[0]), "-o", str(tmp_path / "case.json"), "--ask"]) == 0
    said = capsys.readouterr()
    assert "Open:" not in said.out
    assert "Nothing is open" in said.out
    assert "Which protocol is the patient measured by?" in said.err


def test_an_answer_written_into_the_file_is_taken(folder, tmp_path, capsys):
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(folder[0]), ""), case, "a folder")
    content = json.loads(case.read_text(encoding="utf-8"))
    content["questions"][0]["answer"] = "lutia"
    case.write_text(json.dumps(content), encoding="utf-8")
    assert main(["case", str(case)]) == 0
    assert "1 question(s) left" in capsys.readouterr().out
    assert load_case(case).protocol.name == "lutia"


def test_an_answer_that_is_no_choice_is_refused_and_changes_nothing(folder, tmp_path):
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(folder[0]), ""), case, "a folder")
    before = case.read_bytes()
    with pytest.raises(ArchiveError, match=r"'LUTIA-2' is no answer .* lutia, single-arm"):
        answer_case(case, lambda _: "LUTIA-2")
    assert case.read_bytes() == before


def test_a_case_with_answers_is_not_overwritten(folder, tmp_path):
    case = tmp_path / "case.json"
    scan = one_patient(scan_source(folder[0]), "")
    make_case(scan, case, "a folder")
    with pytest.raises(ArchiveError, match="--replace"):
        make_case(scan, case, "a folder")
    make_case(scan, case, "a folder", replace=True)


def test_a_second_assembly_in_the_source_does_not_find_its_own_files(one_visit):
    place = one_visit[0]
    case = place / "case.json"
    assert main(["case", str(place), "-o", str(case), "--protocol", "single-arm"]) == 0
    first = json.loads(case.read_text(encoding="utf-8"))
    assert main(["case", str(place), "-o", str(case), "--protocol", "single-arm", "--replace"]) == 0
    assert json.loads(case.read_text(encoding="utf-8")) == first


def test_masks_are_found_by_their_voxels_and_named_where_they_are(one_visit, tmp_path):
    place = one_visit[0]
    mask = np.zeros(CT_GRID.shape)
    mask[2:4, 1:3, 1:3] = 1
    (place / "masks").mkdir()
    write_mask(mask, CT_GRID, place / "masks" / "liver.nii.gz")
    case = tmp_path / "case.json"
    draft = make_case(one_patient(scan_source(place), ""), case, "a folder", "single-arm")
    assert draft.all_questions == ()
    assert load_case(case).visits[0].segments.resolve() == place / "masks"


def test_masks_that_fit_no_image_are_left_out_aloud(one_visit):
    place = one_visit[0]
    (place / "masks").mkdir()
    write_mask(np.ones((3, 4, 4)), Grid((3, 4, 4), CT_GRID.ijk_to_ras), place / "masks" / "liver.nii.gz")
    draft = drafted(place)
    assert any("no CT or MR of the source has the voxels" in text for text in draft.remarks)
    assert "visits[0].segments" in keys(draft)


def with_masks(place, days=(), modality="MR"):
    """The visit in ``place`` with masks, and examinations so many days from it, each in a folder with masks."""
    ct = next(place.rglob("S03"))
    for n in range(len(days) + 1):
        where = place if n == 0 else place / f"other{n}"
        if n:
            shutil.copytree(ct, where / "images")
            when = np.datetime64("2024-03-05") + days[n - 1]
            ids = {f"{key}InstanceUID": uid("other", key, str(n)) for key in ("Study", "Series")}
            for number, file in enumerate(sorted((where / "images").iterdir())):
                day = str(when).replace("-", "")
                dates = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), day)
                changed(
                    file,
                    Modality=modality,
                    FrameOfReferenceUID=uid("other", "frame", str(n)),
                    SOPInstanceUID=uid("other", str(n), str(number)),
                    ImagePositionPatient=[-20.0, -20.0, 5.0 * number + n],
                    **ids,
                    **dates,
                )
        matrix = CT_GRID.ijk_to_ras.copy()
        matrix[2, 3] += n
        (where / "masks").mkdir()
        mask = np.zeros(CT_GRID.shape)
        mask[2:4, 1:3, 1:3] = 1
        write_mask(mask, Grid(CT_GRID.shape, matrix), where / "masks" / "liver.nii.gz")


def test_an_earlier_examination_with_contours_that_no_visit_needs_is_left_out(one_visit):
    with_masks(one_visit[0], days=(-20,))
    draft = drafted(one_visit[0])
    assert [one.name for one in draft.visits] == ["24h"]
    assert any("left out, with its contours" in text for text in draft.remarks)


def test_a_later_examination_with_contours_is_a_follow_up(one_visit, tmp_path):
    with_masks(one_visit[0], days=(60, 120))
    case = tmp_path / "case.json"
    make_case(one_patient(scan_source(one_visit[0]), ""), case, "a folder", "single-arm")
    visits = load_case(case).visits
    assert [one.visit for one in visits] == ["24h", "follow-up MRI", "follow-up MRI 2"]
    assert not any("has no SPECT series" in text for text in check_case(case).all_problems)


def test_an_examination_is_drawn_on_where_the_visit_has_no_contours(one_visit):
    with_masks(one_visit[0], days=(-20,))
    shutil.rmtree(one_visit[0] / "masks")
    draft = drafted(one_visit[0])
    assert [one.name for one in draft.visits] == ["MRI", "24h"]
    assert draft.visits[1].keys["drawn_on"] == "MRI"


def test_an_image_whose_header_is_silent_on_attenuation_is_asked_for(one_visit):
    place, truth, spect = one_visit
    changed(spect, CorrectedImage=None)
    draft = drafted(place)
    assert "visits[0].image" in keys(draft)
    question = next(one for one in draft.all_questions if one.key == "visits[0].image")
    assert truth.image in dict(question.choices)


def test_a_description_that_contradicts_the_header_is_asked_for(one_visit):
    place, _, spect = one_visit
    changed(spect, SeriesDescription="SPECT ohne Schwächungskorrektur")
    assert "visits[0].image" in keys(drafted(place))


def test_only_an_uncorrected_image_is_never_taken_silently(one_visit):
    place, _, spect = one_visit
    spect.unlink()
    draft = drafted(place)
    assert any("not attenuation-corrected" in one.question for one in draft.all_questions)


def test_a_copy_under_another_series_is_no_second_candidate(one_visit):
    place, truth, spect = one_visit
    ds = pydicom.dcmread(spect)
    ds.SeriesInstanceUID, ds.SOPInstanceUID = uid("copied series"), uid("copied image")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(place / "again.dcm")
    shutil.copy(spect, place / "copy.dcm")
    draft = drafted(place)
    assert "visits[0].image" not in keys(draft)
    assert str(pydicom.dcmread(draft.visits[0].images[0][0]).SeriesInstanceUID) in (truth.image, ds.SeriesInstanceUID)
    assert scan_source(place).copies == 1


def test_two_days_under_one_study_and_frame_are_two_visits(tmp_path):
    place = tmp_path / "source"
    write_therapy(place, hours=(24.0, 96.0), distractors=False)
    first = pydicom.dcmread(next(place.rglob("S04/I001")))
    for path in place.rglob("I*"):
        changed(path, StudyInstanceUID=first.StudyInstanceUID, FrameOfReferenceUID=first.FrameOfReferenceUID)
    draft = drafted(place)
    assert [visit.name for visit in draft.visits] == ["24h", "96h"]
    for visit, folder in zip(draft.visits, ("PAT001-1-24", "PAT001-1-96"), strict=True):
        assert [files[0].parent.parent.name for files in visit.images] == [folder, folder]
    assert keys(draft) == ["visits[0].segments"]


def with_second_bed(place, spect, name, begin_mm=30.0):
    """A second bed position beside the first, from other pixels."""
    ds = pydicom.dcmread(spect)
    ds.SeriesInstanceUID, ds.SOPInstanceUID = uid("second bed", name), uid("second bed image", name)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.DetectorInformationSequence[0].ImagePositionPatient = [-20.0, -20.0, begin_mm]
    ds.PixelData = ds.PixelData[::-1]
    ds.save_as(place / f"{name}.dcm")
    return str(ds.SeriesInstanceUID)


def test_bed_positions_of_one_SPECT_are_one_image_without_a_question(one_visit, tmp_path):
    place, truth, spect = one_visit
    second = with_second_bed(place, spect, "bed2")
    case = tmp_path / "case.json"
    draft = make_case(one_patient(scan_source(place), ""), case, "a folder", "single-arm")
    assert keys(draft) == ["visits[0].segments"]
    visit = load_case(case).visits[0]
    beds = emission_series(find_series(visit.dicom), "SPECT", "24h", visit.image)
    assert {one.uid for one in beds} == {truth.image, second}  # as prrt run measures them
    assert " + " in draft.visits[0].found["image"]


def test_bed_positions_of_unknown_correction_are_confirmed(one_visit):
    place, _, spect = one_visit
    changed(spect, CorrectedImage=None)
    with_second_bed(place, spect, "bed2")
    shutil.rmtree(spect.parent.parent / "S05")
    draft = drafted(place)
    assert any(
        "2 bed positions are measured as one scan; the header does not say" in one.question
        for one in draft.all_questions
    )
    assert draft.visits[0].bed_count == 2


def test_bed_positions_with_a_gap_are_asked_about(one_visit):
    place, _, spect = one_visit
    with_second_bed(place, spect, "bed2", begin_mm=45.0)
    question = next(one for one in drafted(place).all_questions if one.key == "visits[0].image")
    assert "bed positions of one scan that cannot be joined" in question.question
    assert len(question.choices) == 3  # both beds, and the image without attenuation correction


def test_a_missing_injection_is_asked_for_and_the_answer_is_used(one_visit, tmp_path):
    place, _, spect = one_visit
    ds = pydicom.dcmread(spect)
    item = ds.RadiopharmaceuticalInformationSequence[0]
    del item.RadiopharmaceuticalStartDateTime, item.RadiopharmaceuticalStartTime, item.RadionuclideTotalDose
    ds.save_as(spect)
    case = tmp_path / "case.json"
    draft = make_case(one_patient(scan_source(place), ""), case, "a folder", "single-arm")
    assert {"visits[0].quantification.injection_time", "visits[0].quantification.activity_MBq"} < set(keys(draft))
    typed = {"activity_MBq": "7350,5", "injection_time": "2024-03-04T09:00+01:00", "cycle": "=", "segments": "="}
    answers = [typed[one.key.rsplit(".", 1)[-1]] for one in load_case(case).questions]
    assert answer_case(case, lambda _: answers.pop(0)) == 0
    stated = load_case(case).visits[0].overrides
    assert stated.activity_MBq == 7350.5
    assert stated.injection_time.isoformat() == "2024-03-04T09:00:00+01:00"


def test_a_broken_file_is_left_out_with_its_reason(one_visit):
    place, _, _ = one_visit
    localiser = next(place.rglob("S02/I000"))
    localiser.write_bytes(localiser.read_bytes()[:-10])
    (place / "notes.txt").write_text("hello")
    scan = scan_source(place)
    assert {reason.split(",")[0][:8] for _, reason in scan.ignored} == {"not DICO", "The DICO"}
    assert assemble(scan, Wishes(protocol="single-arm")).visits


def test_a_DICOMDIR_says_which_of_its_files_are_missing(one_visit):
    from pydicom.fileset import FileSet

    place, truth, _ = one_visit
    made = FileSet()
    for path in sorted(place.rglob("I*")):
        if path.parent.name in ("S03", "S04", "S05"):
            made.add(path)
    made.write(place.parent / "disc")
    disc = place.parent / "disc"
    one = next(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR" and _is_of(path, "NAC"))
    one.unlink()
    scan = scan_source(disc / "DICOMDIR")
    assert [(path.name, reason) for path, reason in scan.ignored] == [
        (one.name, "is listed in the DICOMDIR, but is not there")
    ]
    assert {str(found.series.uid) for found in scan.series} == {truth.image, truth.ct}


def _is_of(path: Path, word):
    return word in str(pydicom.dcmread(path).SeriesDescription)


def test_several_patients_are_named_and_not_mixed(tmp_path):
    place = tmp_path / "source"
    write_therapy(place, subject(1), distractors=False)
    write_therapy(place, another_person(subject(1), 2), distractors=False)
    scan = scan_source(place)
    with pytest.raises(ArchiveError, match=r"2 patients \(PAT001, PAT002\): name one by --patient"):
        one_patient(scan, "")
    assert one_patient(scan, "PAT002").patients() == ("PAT002",)


def test_one_id_with_two_names_is_asked_about(one_visit):
    place, _, spect = one_visit
    changed(spect, PatientName="Roe^Richard")
    assert any("several names" in one.question for one in drafted(place).all_questions)


def test_a_cohort_has_a_case_per_patient_and_a_table_of_what_is_missing(tmp_path):
    place, out = tmp_path / "source", tmp_path / "cohort"
    write_therapy(place, subject(1), cycles=(1, 2), distractors=False)
    write_therapy(place, subject(2), distractors=False)  # the same name and birth date
    write_therapy(place, subject(3, "Roe^R"), distractors=False)
    shutil.rmtree(place / "PAT003-1-24" / "S04")
    made = make_cohort(scan_source(place), out, "a folder", "lutia")
    assert set(made.cases) == {"PAT001", "PAT002"}
    assert "no reconstructed PET or SPECT" in made.without["PAT003"]
    rows = read_table(made.csv, ("patient",)).rows
    assert [(row.text("patient"), row.text("cycle"), row.text("visit")) for row in rows] == [
        ("PAT001", "1", "24h"),
        ("PAT001", "2", "24h"),
        ("PAT002", "1", "24h"),
        ("PAT003", "", ""),
    ]
    assert "Patient ID PAT002 has the same name and birth date" in rows[0].text("missing")
    assert "segments" in rows[0].text("missing")
    assert "PAT003" in made.html.read_text(encoding="utf-8")
    one = make_cohort(scan_source(place), tmp_path / "one", "a folder", "lutia", only=["PAT002"])
    assert set(one.cases) == {"PAT002"}
    with pytest.raises(ArchiveError, match="no Patient ID 'X'"):
        make_cohort(scan_source(place), tmp_path / "none", "a folder", "lutia", only=["X"])
    before = made.cases["PAT001"].read_bytes()
    again = make_cohort(scan_source(place), out, "a folder", "single-arm")
    assert again.kept == ("PAT001", "PAT002")
    assert made.cases["PAT001"].read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "-o", "case.json"], "There is no folder nowhere"),
        (["{empty}", "-o", "case.json"], "holds no DICOM series"),
        (["{visit}", "-o", "case.json", "--protocol", "ia-versus-iv"], "no PET image of Ga-68"),
        (["{visit}", "-o", "case.json", "--patient", "X"], "no Patient ID 'X'; it has PAT001"),
    ],
)
def test_what_cannot_be_a_case_ends_in_one_sentence(one_visit, tmp_path, capsys, monkeypatch, arguments, sentence):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    words = [one.format(empty=tmp_path / "empty", visit=one_visit[0]) for one in arguments]
    assert main(["case", *words]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("prrt case: ")
    assert sentence in said
    assert not (tmp_path / "case.json").exists()
