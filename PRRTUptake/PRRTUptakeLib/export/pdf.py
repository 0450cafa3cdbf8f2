"""A report as PDF by whichever converter the machine has; the HTML itself is ready for print without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.export.errors import ExportError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
CONVERTERS = (*BROWSERS, "wkhtmltopdf", "weasyprint")
_PATIENCE_s = 120


def find_converter() -> str:
    """The path of the first converter on this machine, "" if there is none."""
    return next((found for name in CONVERTERS if (found := shutil.which(name))), "")


def html_to_pdf(page: Path, output: Path, converter: str = "") -> Path:
    """Convert a self-contained HTML page.

    Parameters
    ----------
    page : the report.
    output : the PDF, written whole or not at all.
    converter : path of the program; "" for the first one that is found.

    Raises
    ------
    ExportError
        If the page is missing, there is no converter, or it fails.
    """
    page, output = Path(page), Path(output)
    converter = converter or find_converter()
    if not page.is_file():
        raise ExportError(f"There is no report {page}: run the case first.")
    if not converter:
        raise ExportError(
            f"No converter to PDF is installed ({', '.join(CONVERTERS)}): print {page} from a browser instead."
        )
    with tempfile.TemporaryDirectory(prefix="prrt-pdf-") as folder:
        made = Path(folder) / "report.pdf"
        try:
            done = subprocess.run(
                _arguments(converter, page.resolve(), made, Path(folder)),
                capture_output=True,
                text=True,
                timeout=_PATIENCE_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"{Path(converter).name} could not convert {page} ({error}).") from error
        if done.returncode or not made.is_file():
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ExportError(f"{Path(converter).name} could not convert {page} ({reason}).")
        with atomic_file(output, ExportError) as work:
            shutil.copyfile(made, work)
    return output


def _arguments(converter: str, page: Path, made: Path, folder: Path) -> list[str]:
    name = Path(converter).stem
    if name not in BROWSERS:
        local = ["--enable-local-file-access"] if name == "wkhtmltopdf" else []
        return [converter, *local, str(page), str(made)]
    trusted = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # as in containers
    options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder / 'profile'}"]
    return [converter, *options, *trusted, f"--print-to-pdf={made}", page.as_uri()]
