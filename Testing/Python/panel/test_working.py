"""Long work beside a living panel: progress, results, failures, Cancel, and errands on the main thread."""

from __future__ import annotations

import threading

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

    from PRRTUptakeLib.panel.section import waiting

    (tmp_path / "slow_to_load.py").write_text("import threading\nwhere = threading.current_thread()\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with waiting("Test", "slow_to_load"):
            assert sys.modules["slow_to_load"].where is not threading.main_thread()
    finally:
        sys.modules.pop("slow_to_load", None)
