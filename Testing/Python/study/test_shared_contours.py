"""Contours of one visit measured in another (``prrt run``): registered, given, shifted by hand, reported."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.itk_images import affine_to_itk
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.mrml.run import measure_case, run_case
from PRRTUptakeLib.registration.result import DisplacementField, Registration, given_registration
from PRRTUptakeLib.report.checkerboard import View, checkerboard_pictures
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial
from PRRTUptakeLib.synthetic.simulation import Posture

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

MANUAL_SHIFT = {"lesion": "L1", "shift_ras_mm": [0, 40, 0], "reason": "breath held"}
SHIFT_mm = 15.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("shared") / "patient"
    write_synthetic_serial(made, seed=5, times_h=(24.0, 72.0), blur=False, noise=False)
    return made


def changed(folder, name, change):
    """A case file beside the original one."""
    content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    change(content["visits"])
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


def use_first(visits, **more):
    """The second visit is measured with the contours of the first."""
    for key in ("segments", "lobe_plane"):
        visits[1].pop(key)
    visits[1].update({"drawn_on": "24h", **more})


@pytest.fixture(scope="module")
def registered(folder):
    """Outcome and folder of results: the later visit by registration, with one lesion moved by hand."""
    case = changed(folder, "registered.json", lambda visits: use_first(visits, nudges=[MANUAL_SHIFT]))
    return run_case(case, folder.parent / "out").result, folder.parent / "out"


@pytest.fixture(scope="module")
def stated(folder):
    """Outcome with the true motion of the liver from a file of ITK, and the first SPECT beside its CT."""
    sitk.WriteTransform(affine_to_itk(true_motion(folder)), str(folder / "motion.tfm"))
    shutil.copytree(folder / "24h" / "DICOM", folder / "shifted")
    for path in (one for one in (folder / "shifted").rglob("*") if one.is_file()):
        ds = pydicom.dcmread(path)
        if ds.Modality == "NM":
            place = ds.DetectorInformationSequence[0].ImagePositionPatient
            place[2] = float(place[2]) + SHIFT_mm
            ds.save_as(path)

    def change(visits):
        use_first(visits, registration="motion.tfm")
        visits[0]["dicom"] = "shifted"

    return measure_case(changed(folder, "stated.json", change))


def true_motion(folder):
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    postures = [_posture(truth["visits"][name]["posture"]) for name in ("24h", "72h")]
    return postures[1].liver_to_ras @ np.linalg.inv(postures[0].liver_to_ras)


def _posture(known):
    return Posture(np.array(known["phantom_to_ras"]), known["breathing_mm"])


def test_the_registration_is_that_of_the_liver(registered, folder):
    outcome, _ = registered
    (made,) = [one for one in outcome.alignment if one["what"] == "registration"]
    found, true = given_registration(np.array(made["fixed_to_moving_ras"]), "run"), true_motion(folder)
    prepared = outcome.visits[0].prepared.segmentation
    liver = prepared["liver"]
    points = prepared.grid.to_ras((np.argwhere(liver.mask) + liver.origin)[::500, ::-1])
    assert made["kind"] == "rigid"
    apart = found.map_points(points) - given_registration(true, "truth").map_points(points)
    assert np.linalg.norm(apart, axis=1).mean() < 2.0


def test_regions_are_measured_where_they_are(registered, stated):
    """By registration as by the true motion, but for the lesion that was moved by hand; volumes stay."""
    later = [outcome.visits[1] for outcome in (registered[0], stated)]
    names = [one.lesion.lesion_id for one in later[0].prepared.targets]
    assert len(names) >= 4
    for name in names:
        means = [one.metrics[name].mean for one in later]
        if name == MANUAL_SHIFT["lesion"]:
            assert means[0] < 0.7 * means[1]
        else:
            assert means[0] == pytest.approx(means[1], rel=0.05), name
            assert later[0].metrics[name].volume_mL == pytest.approx(later[1].metrics[name].volume_mL, rel=0.01)


def test_a_manual_shift_is_in_table_provenance_and_report(registered):
    outcome, out = registered
    rows = {r.metric: r.value for r in read_csv(out / "measurements.csv") if r.region == "L1" and r.visit == "72h"}
    assert [rows[f"nudge_{word}"] for word in ("right", "anterior", "superior")] == MANUAL_SHIFT["shift_ras_mm"]
    facts = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["alignment"]
    assert {"visit": "72h", "what": "nudge", **MANUAL_SHIFT} in facts
    assert "moved by hand by (+0, +40, +0) mm RAS: breath held" in (out / "report.html").read_text(encoding="utf-8")
    assert not any(r.metric.startswith("nudge") and r.visit == "24h" for r in outcome.rows)


def test_the_report_shows_overlaps_checkerboards_and_the_check(registered):
    page = (registered[1] / "report.html").read_text(encoding="utf-8")
    for words in ("72h, axial: before", "72h, coronal: after", "body overlap", "metric before → metric after"):
        assert words in page
    assert "Alignment of emission image and CT" in page
    assert page.count("<td>aligned</td>") == 2


def test_a_shifted_spect_is_the_first_warning(stated, registered):
    first = stated.warnings[0]
    assert first.startswith("The SPECT of visit '24h' seems to lie")
    assert "superior" in first
    (check,) = [one for one in stated.alignment if one["what"] == "session check" and one["visit"] == "24h"]
    assert check["best_shift_ras_mm"] == pytest.approx([0.0, 0.0, SHIFT_mm], abs=3.0)
    assert not any("seems to lie" in text for text in registered[0].warnings)


def test_a_stated_transform_is_reported_and_hashed(stated, folder):
    (made,) = [one for one in stated.alignment if one["what"] == "registration"]
    assert made["kind"] == "given"
    assert made["made"]["source"] == "file motion.tfm"
    assert made["quality"]["body_overlap"] > made["quality"]["body_overlap_before"] > 0.5
    assert folder / "motion.tfm" in stated.input.files


def bent_to_the_truth(folder, path):
    """A transform file whose matrix is 9 mm wrong and whose displacements mend that about the liver, and only there."""
    wrong = true_motion(folder) @ affine(translation=(9.0, 0.0, 0.0))
    grid = Grid((60, 80, 90), affine(np.diag([5.0, 5.0, 5.0]), (-225.0, -200.0, -150.0)))
    k, j, i = np.indices(grid.shape)
    points = grid.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*grid.shape, 3)
    beyond = np.clip((np.abs(points) - [140.0, 120.0, 110.0]) / 40.0, 0.0, 1.0).max(axis=-1)
    field = np.zeros((*grid.shape, 3))
    field[..., 0] = -9.0 * (0.5 + 0.5 * np.cos(np.pi * beyond))
    made = Registration("deformable", wrong, displacement=DisplacementField(grid, field))
    sitk.WriteTransform(made.to_itk(), str(path))


def affine(matrix=None, translation=(0.0, 0.0, 0.0)):
    made = np.eye(4)
    made[:3, :3] = np.eye(3) if matrix is None else matrix
    made[:3, 3] = translation
    return made


@pytest.mark.slow
def test_a_transform_that_bends_propagates_contours(stated, folder):
    bent_to_the_truth(folder, folder / "bent.h5")
    case = changed(folder, "bent.json", lambda visits: use_first(visits, registration="bent.h5"))
    outcome = measure_case(case)
    true, found = stated.visits[1], outcome.visits[1]
    for target in true.targets:
        value = next(one.tumour for one in found.targets if one.lesion_id == target.lesion_id)
        assert value == pytest.approx(target.tumour, rel=0.02), target.lesion_id
    (made,) = [one for one in outcome.alignment if one["what"] == "registration"]
    assert made["bends"]


@pytest.mark.slow
def test_bending_on_request_is_refused_where_nothing_is_bent(registered, folder):
    case = changed(folder, "bend.json", lambda visits: use_first(visits, registration="deformable"))
    outcome = measure_case(case)
    assert any(
        "72h: The rigid registration was kept. Bending the liver hardly fits" in text for text in outcome.warnings
    )
    for one, other in zip(outcome.visits[1].targets, registered[0].visits[1].targets, strict=True):
        if one.lesion_id != MANUAL_SHIFT["lesion"]:
            assert one.tumour == pytest.approx(other.tumour, rel=1e-9)


@pytest.mark.parametrize("drawn_anew", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_other_patients_are_refused_unless_the_case_says_why(folder, tmp_path, drawn_anew):
    """The second visit under another id, with contours of its own or registered to the first."""
    other = tmp_path / "72h"
    shutil.copytree(folder / "72h" / "DICOM", other)
    for path in (one for one in other.rglob("*") if one.is_file()):
        ds = pydicom.dcmread(path)
        ds.PatientID = "ELSE"
        ds.save_as(path)

    def change(visits):
        if not drawn_anew:
            use_first(visits)
        visits[1]["dicom"] = str(other)

    case = changed(folder, "else.json", change)
    with pytest.raises(PRRTError, match=r"different patients.*'ELSE'.*'same_patient'"):
        run_case(case, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    content = json.loads(case.read_text(encoding="utf-8"))
    case.write_text(json.dumps({**content, "same_patient": "made nameless in Utrecht"}), encoding="utf-8")
    warnings = run_case(case, tmp_path / "out").result.warnings
    assert "taken for one person: made nameless in Utrecht." in warnings[0]
    assert any("the registration was forced" in text for text in warnings) != drawn_anew
    case.write_text(json.dumps({**content, "same_patient": True}), encoding="utf-8")
    with pytest.raises(InputFileError, match="'same_patient' is true, but must be a reason in words"):
        load_case(case)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda visits: visits[1].update(drawn_on="24h"), "give one of them"),
        (lambda visits: visits[1].pop("segments"), "give one of them"),
        (lambda visits: use_first(visits, drawn_on="48h"), "1/48h, which has no segments"),
        (lambda visits: use_first(visits, drawn_on="72h"), "which has no segments of its own"),
        (
            lambda visits: use_first(visits, lobe_plane={"origin_ras_mm": [0, 0, 0], "normal_ras": [1, 0, 0]}),
            r"'visits\[1\].lobe_plane' belongs to the visit that the contours were drawn on",
        ),
        (lambda visits: use_first(visits, registration="none.h5"), "none.h5, which does not exist"),
    ],
)
def test_impossible_cases_are_named(folder, change, words):
    case = changed(folder, "wrong.json", change)
    with pytest.raises(PRRTError, match=words) as error:
        load_case(case)
    assert "\n" not in str(error.value)


def test_a_manual_shift_of_no_lesion_is_refused(registered):
    from PRRTUptakeLib.study.errors import StudyError
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.visit import measure_visit

    visit = registered[0].visits[0]
    wrong = ManualShift("L99", (1.0, 0.0, 0.0), "x")
    with pytest.raises(StudyError, match="no lesion 'L99' to shift by hand; there are"):
        measure_visit(visit.prepared, visit.image, visit.protocol, visit.labels, manual_shifts=[wrong])


def test_a_checkerboard_alternates_the_two_images():
    """Fixed is bright, moving black: tiles of 25 mm alternate, and letters name the sides."""
    import base64
    import io
    import re

    from PIL import Image

    grid = Grid((40, 60, 60), np.diag([-5.0, -5.0, 5.0, 1.0]))
    bright = Volume(np.full(grid.shape, 190.0), grid.ijk_to_ras, "attenuation", "[hnsf'U]")
    black = bright.with_values(np.full(grid.shape, -1000.0))
    view = View("axial", (-147.5, -147.5, 100.0), 200.0, 150.0)
    liver = (Segment.from_full("liver", np.indices(grid.shape)[0] < 30), grid)
    shown = [(given_registration(np.eye(4), "x"), "a & b")]
    (picture,) = checkerboard_pictures((bright, black), shown, view, liver)
    (text,) = re.findall(r"base64,([^\"]+)", picture)
    raster = np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int)
    assert raster.shape == (150, 200, 3)
    tiles = raster[12::25, 12::25, 0]
    rows, columns = np.indices(tiles.shape)
    assert ((tiles > 128) == ((rows + columns) % 2 == 0)).all()
    assert re.findall(r">([RLAP])</text>", picture) == ["R", "L", "A", "P"]
    assert "a &amp; b" in picture


def test_case_error_for_two_visits_of_one_name(folder):
    with pytest.raises(InputFileError, match="same name"):
        load_case(changed(folder, "wrong.json", lambda visits: visits[1].update(visit="24h")))
