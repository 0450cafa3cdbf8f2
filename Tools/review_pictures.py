"""Takes the pictures of the browser review for the documentation, on synthetic patients.

    .venv-review/bin/python Tools/review_pictures.py [DIR]      default: Docs/screenshots

Run it after the page has changed, in the environment of `make review-test` (trame, playwright, Debian's chromium).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [str(ROOT / name) for name in ("PRRTUptake", "PRRTDosimetry")]
sys.path[:0] = PACKAGES
START = "import sys; from PRRTDosimetryLib.commands import main; sys.exit(main())"
LARGEST_bytes = 200_000
PATIENCE_ms = 600_000
MEASURED = "document.querySelector(\"[data-testid='status']\")?.textContent === 'measured'"


@contextmanager
def page_of(browser: Any, *arguments: str) -> Iterator[Any]:
    """The page of ``prrt review``, once it is measured."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    command = [sys.executable, "-c", START, "review", *arguments, "--no-browser"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next(line.split()[1] for line in process.stdout if line.startswith("Review: "))
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(PATIENCE_ms)
        page.goto(address)
        page.wait_for_function(MEASURED)
        yield page
        page.close()
    finally:
        process.kill()


def take(page: Any, file: Path) -> None:
    """A picture of the window; one that is large in 200 colours."""
    from PIL import Image

    page.screenshot(path=str(file))
    if file.stat().st_size > LARGEST_bytes:
        with Image.open(file) as taken:
            made = taken.convert("RGB").quantize(200, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        made.save(file, optimize=True)


def drag(page: Any, handle: str, across: int) -> None:
    """Move a handle of the plane, and keep the mouse down."""
    box = page.locator(f"[data-testid='{handle}']").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y, steps=6)
    page.wait_for_function("document.body.textContent.includes('While the plane moves')")


def case_picture(browser: Any, case: Path, file: Path) -> None:
    """A lesion that was clicked, with surfaces."""
    with page_of(browser, str(case)) as page:
        page.locator("[data-testid='three-d'] button").click()
        page.wait_for_selector("[data-testid='three-d'] img")
        page.locator("[data-lesion='L1']").click()
        page.wait_for_selector("tr.chosen")
        take(page, file)


def dragged_picture(browser: Any, file: Path, *arguments: str) -> None:
    """The plane between the lobes while it is dragged."""
    with page_of(browser, *arguments) as page:
        drag(page, "middle-0-axial", 18)
        take(page, file)


def main(folder: Path) -> None:
    """Write review-case.png, review-reader.png and review-routes.png."""
    from playwright.sync_api import sync_playwright
    from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv, write_synthetic_lutia

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as running:
        place = Path(temporary)
        case = write_synthetic_lutia(place / "cohort" / "P1", seed=1)
        shutil.copytree(case.parent, place / "cohort" / "P2")
        content = json.loads(case.read_text(encoding="utf-8"))
        (place / "cohort" / "P2" / "case.json").write_text(json.dumps({**content, "patient": "other"}))
        routes = write_synthetic_ia_versus_iv(place / "routes", seed=1)
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        case_picture(browser, case, folder / "review-case.png")
        dragged_picture(browser, folder / "review-reader.png", str(place / "cohort"), "--reader", "Ann")
        dragged_picture(browser, folder / "review-routes.png", str(routes))
        browser.close()


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "screenshots"
    where.mkdir(parents=True, exist_ok=True)
    main(where)
