"""Takes the pictures of reports for the documentation, on synthetic patients.

    .venv-review/bin/python Tools/report_pictures.py [DIR]      default: Docs/screenshots

Run it after a report has changed, in the environment of `make review-test` (playwright, Debian's chromium).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from review_pictures import PACKAGES, ROOT, START, take


def run(*arguments: str) -> None:
    """One command of this tree."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    subprocess.run([sys.executable, "-c", START, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)


def page_of(browser: Any, report: Path, width: int, height: int) -> Any:
    """The top of a report in pixels, wide enough for its tables; the pages of the documentation show 690."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(report.resolve().as_uri())
    return page


def main(folder: Path) -> None:
    """Takes all pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as running:
        place = Path(temporary)
        run("demo", "-o", str(place / "lutia"))
        run("demo", "-o", str(place / "routes"), "--kind", "ia-versus-iv")
        run("selftest", "--html", str(place / "selftest.html"))
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        lutia = page_of(browser, place / "lutia" / "results" / "report.html", 980, 1290)
        take(lutia, folder / "report.png")
        lutia.locator("#cycle-1-24h-pictures").evaluate("element => window.scrollTo(0, element.offsetTop)")
        lutia.set_viewport_size({"width": 980, "height": 960})
        take(lutia, folder / "slices.png")
        take(page_of(browser, place / "routes" / "results" / "report.html", 1240, 1500), folder / "enhancement.png")
        take(page_of(browser, place / "selftest.html", 840, 760), folder / "selftest.png")
        browser.close()


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "screenshots"
    where.mkdir(parents=True, exist_ok=True)
    main(where)
