"""The page's application without a server: what is shown and kept for each thing that the page asks for."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from builders.small_study import ENHANCEMENT, route_study, small_study
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.review.access import Idle
from PRRTUptakeLib.review.application import ReviewApplication
from PRRTUptakeLib.review.blinding import blinded, blinding_of
from PRRTUptakeLib.review.case_review import CaseReview
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.page import template
from PRRTUptakeLib.review.page_state import curve_picture, curve_polyline
from PRRTUptakeLib.review.source import ReadingRoom, Source, reading_room, source_of
from PRRTUptakeLib.study.errors import LockError
from PRRTUptakeLib.study.model import ResultPart, VisitContents

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them


class State(dict):
    """The state of a page: keys are attributes too, and changes are sent at the end of a block."""

    def __getattr__(self, name):
        return self[name]

    def __setattr__(self, name, value):
        self[name] = value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class StubServer:
    def __init__(self):
        self.state, self.asked = State(), {}

    def trigger(self, name):
        return lambda function: self.asked.setdefault(name, function)


class StubRoom(ReadingRoom):
    """Cases without files."""

    def open(self, case):
        study = replace(small_study(visits=self.visits), patient=f"Doe {case}")
        if not self.is_blinded:
            return CaseReview(study, case, None, self.journal), None
        label = next(one.label for one in self.worklist().items if one.case == case)
        state = self.journal.states().get(case)
        reading = state.reading if state is not None else None
        return CaseReview(blinded(study), case, reading, self.journal), blinding_of(study, label, case)


def opened(folder, reader="", cases=("A", "B", "C"), visits=("24h",)):
    source = Source({name: folder / name / "case.json" for name in cases}, folder, (folder,))
    made = reading_room(source, reader)
    room = StubRoom(source, made.reader, made.journal, _held=made._held)
    room.visits = visits
    return ReviewApplication(StubServer(), room, Idle(0.0, 0.0))


def settled(app, *calls):
    """Ask, and wait until everything was measured."""

    async def act():
        for name, *given in calls:
            if name == "start":
                app.start()
            else:
                app.server.asked[name](*given)
            while app._tasks:
                await asyncio.gather(*app._tasks)

    asyncio.run(act())
    return app.state


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    app = opened(tmp_path_factory.mktemp("cohort"), "Ann")
    settled(app, ("start",))
    return app


def texts(value):
    """All texts that reach the page, but not pictures."""
    if isinstance(value, dict):
        return [one for item in value.values() for one in texts(item)]
    if isinstance(value, (list, tuple)):
        return [one for item in value for one in texts(item)]
    return [str(value)] if not str(value).startswith("data:") else []


def test_nothing_that_reaches_a_blinded_reader_identifies_the_patient(reader):
    shown = " ".join(texts(reader.state))
    assert "Reading 1" in shown
    assert "left/right" in shown
    for word in ("Doe", "P01", "24h", "treated", "case.json", "lutia"):
        assert word not in shown


def test_slices_tables_and_planes_are_shown(reader):
    state = reader.state
    assert state.status == "measured"
    assert [one["id"] for one in state.lesions] == ["L1", "R1", "R2"]
    assert [one["name"] for one in state.summary] == ["left lobe", "right lobe", "left/right"]
    for view in ("axial", "coronal", "sagittal"):
        assert state[f"img_0_{view}"].startswith("data:image/jpeg;base64,")
        assert set(state[f"svg_0_{view}"]["plane"]) == {"first", "last", "middle", "turn_first", "turn_last", "right"}
        assert state[f"svg_0_{view}"]["liver"].startswith("M")
    assert not state.shown_1


def test_the_crosshair_goes_to_a_lesion_and_gives_its_value(reader):
    state = settled(reader, ("lesion", "R1"))
    assert state.chosen == "R1"
    assert "30000 Bq/mL" in state.values_0
    state = settled(reader, ("key", "n"))
    assert state.chosen == "R2"
    assert "R2" in [one["text"] for one in state.svg_0_axial["labels"]]


def test_a_dragged_plane_gives_live_numbers_and_is_kept_when_it_is_let_go(reader):
    settled(reader, ("key", "r"))
    x, y = (one / 320 for one in reader.state.svg_0_axial["plane"]["middle"])
    before, kept = reader.state.summary[2]["value"], len(reader.room.journal.records)
    settled(reader, ("pointer", "down", 0, "axial", x, y), ("pointer", "move", 0, "axial", x + 0.11, y))
    assert reader.state.live
    live = reader.state.summary
    assert len(reader.room.journal.records) == kept
    state = settled(reader, ("pointer", "up", 0, "axial", x + 0.11, y))
    assert not state.live
    assert reader.review.is_measured
    assert [one["value"].split()[0] for one in state.summary] == [one["value"] for one in live]
    assert [one["note"] for one in state.summary] == [one["note"] for one in live]
    assert len(reader.room.journal.records) == kept + 1
    assert "the plane was moved by hand" in state.decided[0]
    assert before.split()[0] == "0.6667"


def test_a_refusal_is_shown_in_words_and_changes_nothing(reader):
    kept = len(reader.room.journal.records)
    for call in (("replace", "L1", "R2", "x"), ("replace", "", "", ""), ("shift", "R1", 90, 0, 0, "far"), ("finish",)):
        state = settled(reader, call)
        assert state.problem.endswith("."), call
    assert len(reader.room.journal.records) == kept
    assert settled(reader, ("look", 0.5, 1.0, "hot", -100, 200)).problem == ""


def test_a_reading_is_finished_the_next_case_opens_and_it_can_be_withdrawn(reader):
    case = reader.review.case
    state = settled(reader, ("comment", "motion"), ("confirm",))
    assert state.can_finish
    state = settled(reader, ("finish",))
    assert state.progress == "1 of 3 read"
    assert state.title == "Reading 2"
    assert state.comment == ""
    state = settled(reader, ("open", 1))
    assert (state.case_status, state.comment) == ("complete", "motion")
    assert not state.can_finish
    state = settled(reader, ("withdraw", "wrong patient"))
    assert state.progress == "0 of 3 read"
    events = [json.loads(line)["event"] for line in reader.room.journal.path.read_text().splitlines()]
    assert events[-2:] == ["completed", "withdrawn"]
    assert reader.room.journal.states()[case].status == "withdrawn"


def test_two_visits_are_side_by_side_and_share_the_crosshair(tmp_path):
    app = opened(tmp_path, cases=("A",), visits=("24h", "72h"))
    state = settled(app, ("start",))
    assert (state.label_0, state.label_1) == ("cycle 1, 24h", "cycle 1, 72h")
    assert state.title == "A (Doe A)"
    settled(app, ("lesion", "L1"))
    assert state.svg_0_axial["cross"] == state.svg_1_axial["cross"]
    state = settled(app, ("visit", 1, "0"))
    assert state.label_1 == "cycle 1, 24h"


def test_twenty_patients_in_a_row_leave_nothing_behind(tmp_path):
    app = opened(tmp_path, cases=[f"P{n:02d}" for n in range(20)])
    app._measure_soon = lambda: None  # images are what is large
    counts = []
    for place in range(1, 21):
        settled(app, ("open", place))
        gc.collect()
        counts.append(sum(isinstance(one, Volume) for one in gc.get_objects()))
    assert len(set(counts[1:])) == 1, counts
    assert threading.active_count() < 12


def test_a_curve_fits_its_picture():
    points = [{"hours": 4.0, "value": 10.0}, {"hours": 168.0, "value": 2.0}]
    assert curve_polyline(points) == "26.7,40.0 300.0,248.0"
    picture = curve_picture(points, "Bq/mL")
    assert picture["hours"] == [{"x": "26.7", "text": "4"}, {"x": "300.0", "text": "168"}]
    assert picture["highest"] == "10.0 Bq/mL"


def test_texts_of_people_are_never_markup():
    assert "v-html" not in template()
    assert "innerHTML" not in template()


# What is reviewed


def test_a_case_results_and_a_cohort_are_found(tmp_path):
    for name in ("A", "B"):
        (tmp_path / "cohort" / name).mkdir(parents=True)
        (tmp_path / "cohort" / name / "case.json").write_text("{}")
    one = source_of(tmp_path / "cohort" / "A" / "case.json")
    assert list(one.cases) == ["A"]
    assert list(source_of(tmp_path / "cohort").cases) == ["A", "B"]
    (tmp_path / "results").mkdir()
    facts = {"parameters": {"case": str(tmp_path / "cohort" / "B" / "case.json")}}
    (tmp_path / "results" / "provenance.json").write_text(json.dumps(facts))
    found = source_of(tmp_path / "results")
    assert found.cases["B"] == tmp_path / "cohort" / "B" / "case.json"
    assert found.roots == (tmp_path / "cohort" / "B",)
    Path(facts["parameters"]["case"]).unlink()
    with pytest.raises(ReviewError, match="name the case file"):
        source_of(tmp_path / "results")


def test_a_reader_is_let_in_once_at_a_time(tmp_path):
    source = Source({"A": tmp_path / "case.json"}, tmp_path, (tmp_path,))
    first = reading_room(source, "Ann")
    with pytest.raises(LockError):
        reading_room(source, "Ann")
    other = reading_room(source, "Bob")
    first.close()
    reading_room(source, "Ann").close()
    other.close()


# Several visits


@pytest.fixture
def two_visits(tmp_path):
    app = opened(tmp_path, cases=("A",), visits=("24h", "72h"))
    settled(app, ("start",))
    return app


def test_numbers_are_those_of_the_visit_that_was_touched_and_say_so(two_visits):
    state = two_visits.state
    assert (state.numbers_of, state.focus_label) == ("cycle 1, 24h", "cycle 1, 24h")
    settled(two_visits, ("pointer", "down", 1, "axial", 0.9, 0.9), ("pointer", "up", 1, "axial", 0.9, 0.9))
    assert (state.numbers_of, state.focus_label) == ("cycle 1, 72h", "cycle 1, 72h")
    settled(two_visits, ("visit", 1, "0"))
    assert state.numbers_of == "cycle 1, 24h"
    assert "no such visit" in settled(two_visits, ("visit", 1, "7")).problem


def test_a_plane_that_is_dragged_in_the_second_visit_gives_the_numbers_of_that_visit(two_visits):
    app = two_visits
    assert set(app._lives) == {(1, "24h"), (1, "72h")}
    x, y = (one / 320 for one in app.state.svg_1_axial["plane"]["middle"])
    settled(app, ("pointer", "down", 1, "axial", x, y), ("pointer", "move", 1, "axial", x + 0.05, y))
    assert app.state.live
    expected = app._lives[1, "72h"].at(app.panels[1].plane)
    assert [one["tumour"] for one in app.state.lesions] == [f"{one.tumour:.0f}" for one in expected.lesions]
    before = app.panels[0].plane
    settled(app, ("pointer", "up", 1, "axial", x + 0.05, y))
    assert [one.visit for one in app.review.reading.visits if one.lobe_plane is not None] == ["72h"]
    assert app.panels[0].plane is not app.panels[1].plane
    assert app.panels[0].plane.origin_ras.tolist() == before.origin_ras.tolist()
    assert app.state.numbers_of == "cycle 1, 72h"


def test_a_dose_map_is_shown_on_the_visit_whose_image_it_has_the_grid_of(two_visits):
    app = two_visits
    emission = app.panels[0].images.emission
    dose = Volume(emission.array * 1e-3, emission.ijk_to_ras, "absorbed dose", "Gy")
    contents = VisitContents(study="cycle 1 dosimetry", volumes=(("Absorbed dose", dose),))
    app.review.result = app.review.result.with_parts(ResultPart(contents=(contents,)))
    settled(app, ("visit", 0, "1"))
    app._show_overlays()
    assert app.state.overlays == ["uptake", "Absorbed dose"]
    state = settled(app, ("overlay", "Absorbed dose"))
    assert (state.label_0, state.bar_unit, state.mip_title) == ("cycle 1, 24h", "Gy", "dose from the front")
    assert app.panels[0].overlay is dose
    state = settled(app, ("overlay", "uptake"))
    assert (state.bar_unit, state.overlay) == ("Bq/mL", "uptake")


def test_opacity_and_window_are_those_that_the_page_sends(two_visits):
    settled(two_visits, ("look", 0.2, 0.5, "grey", -50, 100))
    look = two_visits.look
    assert (look.opacity, look.top, look.colours, look.low, look.high) == (
        0.2,
        0.5 * two_visits.full_top,
        "grey",
        -50.0,
        100.0,
    )
    assert "must be one of" in settled(two_visits, ("look", 0.2, 0.5, "<b>", 0, 1)).problem


def test_a_fault_of_the_program_is_said_and_the_next_decision_is_measured(tmp_path, monkeypatch, capsys):
    app = opened(tmp_path, cases=("A",))
    whole = CaseReview.measure

    def faulty(*_):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(CaseReview, "measure", faulty)
    state = settled(app, ("start",))
    assert state.status == "not measured"
    assert "The program failed (ZeroDivisionError: of nothing): reload the page" in state.problem
    assert "in faulty" in capsys.readouterr().err, "the place of the fault is in the terminal"
    monkeypatch.setattr(CaseReview, "measure", whole)
    state = settled(app, ("shift", "L1", 0.0, 0.0, 1.0, "it moved"))
    assert (state.status, state.problem) == ("measured", "")
    monkeypatch.setattr(CaseReview, "comment", faulty)
    state = settled(app, ("comment", "late"))
    assert "ZeroDivisionError" in state.problem
    assert state.status == "measured"


def test_a_case_that_is_opened_is_not_called_measured_for_the_one_before(tmp_path):
    app = opened(tmp_path, cases=("A", "B"))
    settled(app, ("start",))
    said = []

    async def act():
        app.server.asked["open"](2)
        said.append(app.state.status)
        while app._tasks:
            await asyncio.gather(*app._tasks)

    asyncio.run(act())
    assert said == [""]
    assert app.state.status == "measured"


# Two routes, one drawing


@pytest.fixture
def two_routes(tmp_path):
    app = opened(tmp_path, cases=("A",))
    app.room.open = lambda case: (CaseReview(route_study(), case), None)
    settled(app, ("start",))
    return app


def test_a_plane_dragged_in_either_visit_of_a_comparison_of_routes_is_that_of_both(two_routes):
    app, state = two_routes, two_routes.state
    assert (state.label_0, state.label_1, state.ratio_word) == ("cycle 1, IA", "cycle 1, IV", "IA/IV")
    assert {float(one["tn"].split()[0]) for one in state.lesions} == {ENHANCEMENT}
    for n, name in ((0, "cycle 1, IA"), (1, "cycle 1, IV")):
        before = [app.panels[0].plane.origin_ras[0], state.summary]
        x, y = (one / 320 for one in state[f"svg_{n}_axial"]["plane"]["middle"])
        settled(app, ("pointer", "down", n, "axial", x, y), ("pointer", "move", n, "axial", x - 0.06, y))
        assert state.live
        assert app.panels[0].plane is app.panels[1].plane
        assert state.svg_0_axial["plane"] == state.svg_1_axial["plane"]
        assert app.panels[0].plane.origin_ras[0] > before[0] + 1.0  # to the left of the picture is the patient's right
        lobes = app._lives[1, "MRI"].at(app.panels[0].plane).lobes
        assert [one["value"] for one in state.summary] == [f"{lobe.volume_mL:.0f} mL" for lobe in lobes]
        settled(app, ("pointer", "up", n, "axial", x - 0.06, y))
        assert (state.status, state.live, state.numbers_of) == ("measured", False, name)
        assert [one.visit for one in app.review.reading.visits if one.lobe_plane is not None] == ["MRI"]
    assert {float(one["tn"].split()[0]) for one in state.lesions} == {ENHANCEMENT}
    first, again = app.review.result.rows, app.review.measure().rows
    assert [replace(one, value=0.0) for one in first] == [replace(one, value=0.0) for one in again]
    assert [one.value for one in first] == pytest.approx([one.value for one in again], abs=0, nan_ok=True)
    drawn = app.review.prepared((1, "MRI")).plane
    assert drawn.origin_ras.tolist() == app.panels[1].plane.origin_ras.tolist()


def test_numbers_appear_under_a_mouse_that_rests_where_they_could_not_follow_before(two_routes):
    app, state = two_routes, two_routes.state
    app._lives = {}
    x, y = (one / 320 for one in state.svg_0_axial["plane"]["middle"])
    settled(app, ("pointer", "down", 0, "axial", x, y), ("pointer", "move", 0, "axial", x - 0.06, y))
    assert not state.live
    asyncio.run(app._prepare_live(app.review))
    assert state.live
    lobes = app._lives[1, "MRI"].at(app.panels[0].plane).lobes
    assert [one["value"] for one in state.summary] == [f"{lobe.volume_mL:.0f} mL" for lobe in lobes]
