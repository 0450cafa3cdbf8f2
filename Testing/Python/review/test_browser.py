"""The review in a real browser: Debian's chromium, driven by playwright; skipped aloud where one of them is missing.

Runs in an environment of its own (`make review-test`), since trame-slicer pins the version of slicer-core.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).resolve().parents[3]
START = "import sys; from PRRTDosimetryLib.commands import main; sys.exit(main())"
LESIONS = [
    LesionPlan(40.0, "left", 1.1),
    LesionPlan(36.0, "left", 1.0),
    LesionPlan(34.0, "left", 0.9),
    LesionPlan(32.0, "left", 0.8),
    LesionPlan(38.0, "right", 1.0),
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("the review is not tested in a browser: chromium is not installed")
    pytest.importorskip("trame.app", reason="the review is not tested in a browser: trame is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="the review is not tested: playwright is not installed")
    with api.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, browser):
    """Three patients, the same images under three names, none of which may be seen by a blinded reader."""
    from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
    from PRRTUptakeLib.synthetic.phantom import synthetic_patient

    folder = tmp_path_factory.mktemp("cohort")
    patient = synthetic_patient(7, lesions=LESIONS, treated_lobe="left", gain=1.5)
    first = write_synthetic_lutia(folder / "UTR-01", seed=7, patient=patient, noise=False)
    content = json.loads(first.read_text())
    for n in (1, 2, 3):
        place = folder / f"UTR-0{n}"
        if n > 1:
            shutil.copytree(first.parent, place, copy_function=os.link)
            (place / "case.json").unlink()
        (place / "case.json").write_text(json.dumps({**content, "patient": f"PAT-{n}"}))
    return folder


class Server:
    """``prrt review`` as a process of its own."""

    def __init__(self, *arguments) -> None:
        paths = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", START, "review", *map(str, arguments), "--no-browser"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Review: "):
                break
        else:
            raise AssertionError("".join(self.said))
        self.address = self.said[-1].split()[1]
        self.port = int(re.search(r":(\d+)/", self.address).group(1))
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def end(self, how=signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


@contextlib.contextmanager
def running(*arguments):
    server = Server(*arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@contextlib.contextmanager
def window(browser, server):
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    page = context.new_page()
    page.asked, page.failures = [], []
    page.on("request", lambda one: page.asked.append(one.url))
    page.on("websocket", lambda one: page.asked.append(one.url))
    page.on("pageerror", lambda one: page.failures.append(str(one)))
    page.set_default_timeout(60_000)
    page.server = server
    page.goto(server.address)
    try:
        yield page
    finally:
        context.close()


def at(page, name):
    return page.locator(f"[data-testid='{name}']")


def until(page, name, text):
    page.wait_for_function(
        "([name, text]) => document.querySelector(`[data-testid='${name}']`)?.textContent.includes(text)",
        arg=[name, text],
        polling=100,
    )


def measured(page):
    """Wait until the page says so; what page and server say instead is in the failure."""
    try:
        condition = "document.querySelector(\"[data-testid='status']\")?.textContent === 'measured'"
        page.wait_for_function(condition, polling=100)  # by the clock: a browser that draws nothing has no frames
    except Exception as error:
        seen = {name: at(page, name).all_inner_texts() for name in ("status", "problem", "decided", "progress")}
        raise AssertionError(f"not measured: {seen}; {page.failures}; {''.join(page.server.said)}") from error


def pixels(page, name):
    return shown(at(page, name))


def shown(element):
    """The pixels of a picture of the page."""
    from PIL import Image

    source = element.get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def rows(page, table):
    return [row.split("\t") for row in at(page, table).inner_text().splitlines()]


def value(page, name):
    return page.locator(f"[data-value='{name}']").inner_text()


def drag(page, handle, across, down):
    box = at(page, handle).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=8)
    return lambda: page.mouse.up()


@pytest.fixture(scope="module")
def opened(browser, cohort):
    """One case in the browser, measured; tests of this module share it."""
    with running(cohort / "UTR-01" / "case.json") as server, window(browser, server) as page:
        page.wait_for_selector("[data-testid='image-0-axial']")
        page.first_lesions = at(page, "lesions").inner_text()
        measured(page)
        yield page


def test_three_slices_show_ct_and_uptake_fused_with_outlines_and_labels(opened):
    assert at(opened, "title").inner_text() == "UTR-01 (PAT-1)"
    for view in ("axial", "coronal", "sagittal"):
        picture = pixels(opened, f"image-0-{view}").astype(float)
        assert picture.shape == (320, 320, 3)
        assert picture.std() > 20
        assert np.abs(picture[..., 0] - picture[..., 2]).max() > 60, "colours of the uptake"
        assert at(opened, f"plane-0-{view}").count() == 1
        assert at(opened, f"left-0-{view}").get_attribute("d").startswith("M")
    assert at(opened, "mip").locator("img").get_attribute("src").startswith("data:image/jpeg")
    assert float(at(opened, "bar-top").inner_text()) > 1000
    assert not opened.failures


def test_the_tables_have_every_lesion_and_the_ratio(opened):
    found = rows(opened, "lesions")
    assert [row[0] for row in found[1:]] == ["L1", "L2", "L3", "L4", "R1"]
    assert [row[2] for row in found[1:]] == ["target", "target", "target", "", "target"]
    assert re.fullmatch(r"\d\.\d+ \[\d\.\d+; \d\.\d+\]", value(opened, "treated/control (left/right)"))


def test_a_click_goes_to_the_lesion_and_keys_go_on(opened):
    before = at(opened, "values-0").inner_text()
    opened.locator("[data-lesion='R1']").click()
    opened.wait_for_function("document.querySelector('tr.chosen')?.dataset.lesion === 'R1'")
    after = at(opened, "values-0").inner_text()
    assert after != before
    assert "Bq/mL" in after
    assert "R1" in at(opened, "slice-0-axial").inner_text()
    at(opened, "page").focus()
    opened.keyboard.press("n")
    opened.wait_for_function("document.querySelector('tr.chosen')?.dataset.lesion === 'L1'")
    position = at(opened, "values-0").inner_text()
    opened.keyboard.press("ArrowUp")
    opened.wait_for_function(
        "(old) => document.querySelector(\"[data-testid='values-0']\").innerText !== old", arg=position
    )


def test_the_numbers_follow_the_plane_and_are_those_of_the_study_when_it_is_let_go(opened, cohort):
    from PRRTUptakeLib.formatting import number

    opened.keyboard.press("r")
    name = "treated/control (left/right)"
    before = value(opened, name)
    release = drag(opened, "middle-0-axial", -22, 0)
    until(opened, "page", "While the plane moves")
    opened.wait_for_function("document.querySelector(\"[data-value='treated/control']\") !== null")
    live = value(opened, "treated/control")
    release()
    opened.wait_for_function("document.querySelector(\"[data-testid='status']\").textContent === 'measuring...'")
    measured(opened)
    after = value(opened, name)
    assert after != before
    assert after.split()[0] == live
    assert "the plane was moved by hand" in at(opened, "decided").inner_text()
    assert number(float(live), 4) == live


def test_a_target_is_replaced_with_a_reason_only(opened):
    at(opened, "dropped").select_option("L3")
    at(opened, "taken").select_option("L4")
    at(opened, "replace").click()
    until(opened, "problem", "Say why L4 replaces")
    at(opened, "target-reason").fill("<b>necrosis</b>")
    at(opened, "replace").click()
    opened.wait_for_function("document.querySelector(\"[data-testid='status']\").textContent === 'measuring...'")
    measured(opened)
    assert [row[2] for row in rows(opened, "lesions")[1:]] == ["target", "target", "", "target", "target"]
    assert "L4 in place of L3: <b>necrosis</b>" in opened.locator("aside").inner_text(), "text is shown as text"


def test_surfaces_of_lobes_and_lesions_are_shown_and_turn(opened):
    pytest.importorskip("trame_slicer", reason="the view in three dimensions is not tested: no trame-slicer")
    at(opened, "three-d").locator("button").click()
    opened.wait_for_selector("[data-testid='three-d'] img")
    picture = shown(at(opened, "three-d").locator("img")).astype(int)
    assert np.count_nonzero(picture[..., 2] - picture[..., 0] > 30) > 1000, "the left lobe is blue"
    assert np.count_nonzero(picture[..., 0] - picture[..., 2] > 30) > 1000, "the right lobe is orange"
    box = at(opened, "three-d").bounding_box()
    source = at(opened, "three-d").locator("img").get_attribute("src")
    opened.mouse.move(box["x"] + 100, box["y"] + 100)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 160, box["y"] + 110, steps=2)
    opened.mouse.up()
    opened.wait_for_function("(old) => document.querySelector(\"[data-testid='three-d'] img\").src !== old", arg=source)


def test_nothing_is_asked_from_elsewhere(opened):
    hosts = {re.sub(r"^\w+://([^/]+).*", r"\1", url) for url in opened.asked if not url.startswith("data:")}
    assert hosts == {f"127.0.0.1:{opened.server.port}"}


def test_a_second_window_waits_and_no_other_page_gets_in(opened, browser):
    server = opened.server
    assert asked(server, "/")[0] == 403
    assert asked(server, "/?token=wrong")[0] == 403
    assert asked(server, "/" + server.address.split("/", 3)[3])[0] == 403, "the token was used"
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in opened.context.cookies())
    assert asked(server, "/index.html", Cookie=cookie)[1].count("open in another window") == 1
    assert asked(server, "/index.html", Cookie=cookie, Host="evil.example")[0] == 421
    socket_headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    socket_headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Cookie": cookie}
    assert asked(server, "/ws", **socket_headers)[0] == 403
    assert asked(server, "/ws", **socket_headers, Origin="https://evil.example")[0] == 403
    assert asked(server, "/ws", **socket_headers, Origin=f"http://127.0.0.1:{server.port}")[0] == 409
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
    ):
        status, text = asked(server, path, Cookie=cookie)
        assert status in (400, 403, 404)
        assert "root:" not in text
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # sends nothing; says which address this machine has in its network
        except OSError:
            return
        own = outward.getsockname()[0]
    if not own.startswith("127."):
        with pytest.raises(OSError, match=r"refused|timed out"):
            socket.create_connection((own, server.port), timeout=2)


def asked(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, text in headers.items():
        connection.putheader(name, text)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read(4000).decode(errors="replace") if answer.status != 101 else ""


def read_all(page, before_finish=None):
    """Read every case of a worklist as it is proposed; texts that were on the screen."""
    seen = []
    for place in (1, 2, 3):
        until(page, "title", f"Reading {place}")
        measured(page)
        if before_finish is not None:
            before_finish(page, place)
        seen.append(page.locator("body").inner_text())
        at(page, "confirm").click()
        page.wait_for_selector("[data-testid='finish']:not([disabled])")
        at(page, "finish").click()
        until(page, "progress", f"{place} of 3 read")
    return seen


def test_two_readers_read_three_patients_blinded_and_a_third_decides(browser, cohort):
    def move_in_the_first(page, place):
        if place == 1:
            drag(page, "middle-0-axial", 25, 0)()
            page.wait_for_function("document.querySelector(\"[data-testid='status']\").textContent === 'measuring...'")
            measured(page)

    seen = []
    for reader, act in (("Ann", None), ("Bob", move_in_the_first)):
        with running(cohort, "--reader", reader) as server, window(browser, server) as page:
            seen += read_all(page, act)
            assert page.failures == []
    for text in seen:
        assert not re.search(r"PAT-|UTR-|treated|control|\bIA\b|\bIV\b|24h|20\d\d-", text)
        assert "left/right" in text
    with (
        running(cohort, "--reader", "Cy", "--adjudicate", "Ann", "Bob") as server,
        window(browser, server) as page,
    ):
        measured(page)
        listed = rows(page, "compared")
        assert len(listed) == 3
        assert "differences" in listed[0][1]
        assert [row[1] for row in listed[1:]] == ["agree", "agree"]
        assert any("lobe plane" in row[0] for row in rows(page, "differences")[1:])
        at(page, "take-Ann").click()
        until(page, "problem", "Say why")
        at(page, "why").fill("the falciform ligament is on that side")
        at(page, "take-Ann").click()
        until(page, "progress", "1 of 3 read")
    lines = [json.loads(line) for line in (cohort / "readings" / "Cy.readings.jsonl").read_text().splitlines()]
    assert (lines[-1]["event"], lines[-1]["based_on"]) == ("adjudicated", ["Ann", "Bob"])


def test_a_server_that_is_killed_in_the_middle_of_a_reading_loses_nothing(browser, cohort):
    server = Server(cohort, "--reader", "Dee")
    with window(browser, server) as page:
        measured(page)
        at(page, "comment").fill("motion artefact")
        at(page, "confirm").click()
        until(page, "confirm", "targets confirmed")
        server.end(signal.SIGKILL)
    path = cohort / "readings" / "Dee.readings.jsonl"
    assert "motion artefact" in path.read_text()
    with running(cohort, "--reader", "Dee") as again, window(browser, again) as page:
        until(page, "confirm", "targets confirmed")
        assert at(page, "comment").input_value() == "motion artefact"
        other = subprocess.run(
            [sys.executable, "-c", START, "review", str(cohort), "--reader", "Dee", "--no-browser"],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry")),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert other.returncode == 1
        assert "open in another window or program" in other.stderr


# Two routes, one drawing: the plane is that of both visits


@pytest.fixture(scope="module")
def routes(tmp_path_factory, browser):
    from builders.small_grids import use_small_grids
    from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv

    with pytest.MonkeyPatch.context() as patch:
        use_small_grids(patch)
        return write_synthetic_ia_versus_iv(tmp_path_factory.mktemp("routes") / "A", seed=3, moving=False, noise=False)


def test_a_plane_dragged_in_one_visit_of_a_comparison_of_routes_moves_in_both(browser, routes):
    def plane(n):
        line = at(page, f"plane-{n}-axial")
        return [float(line.get_attribute(name)) for name in ("x1", "y1", "x2", "y2")]

    with running(routes) as server, window(browser, server) as page:
        measured(page)
        enhancement = value(page, "enhancement ratio of the targets")
        ratios = {row[0]: row[-1].split()[0] for row in rows(page, "lesions")[1:]}
        before = plane(0), plane(1)
        release = drag(page, "middle-1-axial", 20, 0)
        until(page, "page", "While the plane moves")
        page.wait_for_function("document.querySelector(\"[data-value='left lobe']\") !== null")
        moved = plane(0), plane(1)
        assert all(one != other for one, other in zip(before, moved, strict=True))
        assert re.fullmatch(r"\d+ mL", value(page, "left lobe"))
        release()
        page.wait_for_function("document.querySelector(\"[data-testid='status']\").textContent === 'measuring...'")
        measured(page)
        assert value(page, "enhancement ratio of the targets") == enhancement  # the plane parts lobes, not lesions
        # The noise of maxima, a part of intervals, is read from the healthy liver of the largest lobe.
        found = {row[0]: row[-1].split()[0] for row in rows(page, "lesions")[1:]}
        assert {found[name] for name in found.keys() & ratios.keys()} <= set(ratios.values())
        assert "the plane was moved by hand" in at(page, "decided").inner_text()
        assert not page.failures
