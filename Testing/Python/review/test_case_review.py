"""A case under review: every decision is kept at once, and the numbers are those of the study on it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders.small_study import small_study
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.review.case_review import CaseReview, rounded
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.study.measurements import to_csv
from PRRTUptakeLib.study.readings.journal import Journal
from PRRTUptakeLib.study.readings.measured import measurements_of_readings
from PRRTUptakeLib.study.readings.reading import read_reading, with_reading
from PRRTUptakeLib.study.run import run

KEY = (1, "24h")
MOVED = Plane((12.3456, 1.0, -3.0), (0.93, 0.3, 0.1))


def counted(study, counts):
    visit = study.visits[0]

    def load_segments():
        counts.append("segments")
        return visit.load_segments()

    def load(kind):
        counts.append(kind)
        return visit.emission.load(kind)

    emission = replace(visit.emission, load=load)
    return replace(study, visits=(replace(visit, load_segments=load_segments, emission=emission),))


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A case measured as proposed and with a moved plane; counts of what was read."""
    counts = []
    journal = Journal(tmp_path_factory.mktemp("r") / "Ann.readings.jsonl", "Ann")
    review = CaseReview(counted(small_study(), counts), "P01", journal=journal)
    review.images(KEY)
    review.take(review.measure(), review.reading)
    live = review.live(KEY).at(rounded(MOVED))
    review.set_plane(KEY, MOVED)
    before = review.is_measured
    review.take(review.measure(), review.reading)
    return review, counts, journal, live, before


def test_the_numbers_after_the_mouse_is_let_go_are_those_of_the_study_bit_for_bit(reviewed):
    review, _, journal, live, before = reviewed
    assert not before
    again = read_reading(journal.states()["P01"].reading.plain())
    study = small_study()
    expected = run(with_reading(study, again))
    assert to_csv(review.result.rows) == to_csv(expected.rows)
    assert live.ratio == pytest.approx(review.result.visits[0].lobe_ratio, rel=1e-9)
    assert [one.lesion_id for one in live.lesions if one.is_target] == [
        one.lesion_id for one in review.result.visits[0].targets
    ]


def test_images_and_segments_are_read_once(reviewed):
    counts = reviewed[1]
    assert sorted(counts) == ["concentration", "segments"]


def test_what_is_shown_is_labelled_once_it_was_measured(reviewed):
    review = reviewed[0]
    assert {one.lobe for one in review.segmentation(KEY) if one.role == "lobe"} == {"left", "right"}
    assert review.plane(KEY).origin_ras[0] == 12.346
    assert review.contents(KEY).prepared is review.prepared(KEY)
    assert (review.to_segments(KEY) == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).all()


def test_a_reading_is_complete_once_targets_are_confirmed_and_measured(reviewed):
    review, _, journal, _, _ = reviewed
    with pytest.raises(PRRTError, match="not confirmed"):
        review.complete()
    review.confirm_targets()
    review.comment(" motion ")
    review.complete()
    assert journal.states()["P01"].reading.comment == "motion"
    assert to_csv(measurements_of_readings(journal.path)) == to_csv(review.result.rows)


def test_every_decision_is_in_the_file_before_anything_else_happens(tmp_path):
    journal = Journal(tmp_path / "Ann.readings.jsonl", "Ann")
    review = CaseReview(small_study(), "P01", journal=journal)
    review.shift_lesion(KEY, "R1", (0.0, 1.0, 2.0), "breathing")
    review.shift_lesion(KEY, "R1", (0.0, 1.0, 4.0), "breathing")
    review.replace_target(KEY, "L1", "L9", "necrosis")
    on_disk = Journal(journal.path, "Ann").states()["P01"].reading
    assert on_disk.plain() == review.reading.plain()
    assert [one.shift_ras_mm for one in on_disk.of(KEY).manual_shifts] == [(0.0, 1.0, 4.0)]
    with pytest.raises(ReviewError, match="undo that first"):
        review.replace_target(KEY, "L1", "L8", "too close")
    review.undo(KEY)
    assert Journal(journal.path, "Ann").states()["P01"].reading.visits == ()
    assert len(journal.records) == 4


@pytest.mark.parametrize(
    "decide",
    [
        lambda review: review.replace_target(KEY, "L1", "R2", " "),
        lambda review: review.shift_lesion(KEY, "R1", (0.0, 0.0, 1.0), ""),
        lambda review: review.shift_lesion(KEY, "R1", (0.0, 0.0, 100.0), "far"),
        lambda review: review.complete(),
    ],
)
def test_a_decision_that_is_refused_is_not_kept(tmp_path, decide):
    journal = Journal(tmp_path / "Ann.readings.jsonl", "Ann")
    review = CaseReview(small_study(), "P01", journal=journal)
    with pytest.raises(PRRTError):
        decide(review)
    assert review.reading.visits == ()
    assert not journal.records


def test_a_review_without_reader_keeps_nothing():
    review = CaseReview(small_study(), "P01")
    review.set_plane(KEY, MOVED)
    with pytest.raises(ReviewError, match="keeps nothing"):
        review.complete()


def test_a_comparison_of_routes_shows_the_segments_of_the_image_they_were_drawn_on(reviewed):
    """The visits name the same segments, but only that of the MRI has them labelled."""
    prepared = reviewed[0].prepared(KEY)
    study = small_study(visits=("IA", "MRI"))
    review = CaseReview(study, "P01")
    assert review.drawn_key((1, "IA")) == (1, "IA")
    images = [SimpleNamespace(key=(1, name), study=name, ras_transform=None) for name in ("MRI", "IA")]
    contents = [SimpleNamespace(study="IA", prepared=None), SimpleNamespace(study="MRI", prepared=prepared)]
    review.result = SimpleNamespace(images=images, contents=contents)
    assert review.drawn_key((1, "IA")) == (1, "MRI")
    assert review.segmentation((1, "IA")) is prepared.segmentation


def test_segments_are_known_before_they_are_measured():
    shown = CaseReview(small_study(), "P01").segmentation(KEY)
    assert {one.structure for one in shown} >= {"liver", "liver_lesion", "kidney_left"}


def test_a_plane_that_is_written_and_read_again_is_the_same():
    once = rounded(MOVED)
    content = {
        "case": "P",
        "visits": [
            {
                "visit": "24h",
                "cycle": 1,
                "lobe_plane": {"origin_ras_mm": once.origin_ras.tolist(), "normal_ras": once.normal_ras.tolist()},
            }
        ],
    }
    back = read_reading(content).visits[0].lobe_plane
    assert back.origin_ras.tolist() == once.origin_ras.tolist()
    assert back.normal_ras.tolist() == once.normal_ras.tolist()
