"""Long work beside a living panel: progress, results, failures, Cancel, and errands on the main thread."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from PRRTUptakeLib.errors import Cancelled
from PRRTUptakeLib.progress import in_background, no_progress, on_main_thread, sub_progress


@pytest.fixture
def progress(slicer_application):
    from PRRTUptakeLib.panel.section import waiting

    with waiting("Test") as progress:
        yield progress


def test_without_a_face_work_is_done_here_and_now():
    main = threading.current_thread()
    assert in_background(no_progress, lambda step: threading.current_thread()) is main
    assert in_background(sub_progress(no_progress, 0, 0.5), lambda step: 3) == 3
    assert on_main_thread(no_progress, lambda: 4) == 4


def test_a_panel_works_in_another_thread_and_shows_how_far_it_is(progress):
    def work(step):
        step(0.5, "half")
        return threading.current_thread(), on_main_thread(step, threading.current_thread)

    worker, errand = in_background(sub_progress(progress, 0.0, 0.5), work)
    assert worker is not threading.main_thread()
    assert errand is threading.main_thread()
    assert progress._dialog.value == 25
    assert progress._dialog.labelText == "half"


def test_what_the_work_raises_arrives(progress):
    def work(step):
        on_main_thread(step, lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        in_background(progress, work)


def test_cancel_does_not_wait_for_the_work(progress):
    started, release, ended = threading.Event(), threading.Event(), []

    def work(step):
        started.set()
        release.wait(60)  # work that reports nothing for long
        try:
            step(0.9, "never shown")
        except Cancelled:
            ended.append(True)

    progress._dialog.cancel()
    with pytest.raises(Cancelled):
        in_background(progress, work)
    assert not ended
    release.set()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.daemon:
            thread.join(5)
    assert ended == [True]


def test_modules_that_take_long_to_load_are_loaded_beside_the_panel(slicer_application, tmp_path, monkeypatch):
    import sys

    import slicer
    from PRRTUptakeLib.panel.section import load_modules, waiting

    (tmp_path / "slow_to_load.py").write_text("import threading\nwhere = threading.current_thread()\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with waiting("Test", "slow_to_load"):
            assert sys.modules["slow_to_load"].where is not threading.main_thread()
        monkeypatch.setattr(slicer.util, "createProgressDialog", None)
        load_modules("Test", "slow_to_load")  # no dialog for what is there
    finally:
        sys.modules.pop("slow_to_load", None)


def test_the_face_answers_between_changes_that_belong_together_and_cannot_stop_them(progress):
    from PRRTUptakeLib.progress import let_face_answer

    let_face_answer(no_progress)
    progress._dialog.cancel()
    let_face_answer(sub_progress(progress, 0.0, 0.5))
    with pytest.raises(Cancelled):
        progress(0.5, "half")


def test_between_the_segments_of_two_visits_the_face_answers(scene, monkeypatch):
    from PRRTUptakeLib.mrml import logic

    filled, answers = [], []

    class Face:
        def let_face_answer(self):
            answers.append(len(filled))

    monkeypatch.setattr(logic, "keep_native_segments", lambda segmentation, node: filled.append(node))
    prepared = SimpleNamespace(segmentation=None, plane=None)
    result = SimpleNamespace(contents=[SimpleNamespace(visit=name, prepared=prepared) for name in "abc"])
    visits = [SimpleNamespace(visit=name, key=name) for name in "abc"]
    nodes = {name: scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name) for name in "abc"}
    read = SimpleNamespace(input=SimpleNamespace(visits=visits), segmentations=nodes)
    assert logic.keep_measured_segments(result, read, Face()) is prepared
    assert [node.GetName() for node in filled] == ["a", "b", "c"]
    assert answers == [1, 2]
