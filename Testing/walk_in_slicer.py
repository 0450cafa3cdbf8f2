"""A walk through both panels in a real Slicer: every section, every sample, compared with `prrt run`, timed, pictured.

    Slicer --python-script Testing/walk_in_slicer.py            writes to the folder "walk" below the current one
    PRRT_WALK=DIR PRRT_WALK_SAMPLES=lutia,serial Slicer --python-script Testing/walk_in_slicer.py

It needs Slicer with the extension and nothing else of this repository, ends with a table (also in ``walk.md``), and
leaves Slicer with status 0 where every step worked, every number agreed and nothing froze for longer than a second.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = ("lutia", "ia-versus-iv", "serial", "single-arm")
LONGEST_FREEZE_s = 1.0
TICK_ms = 20
SIX_DIGITS = 5e-6  # relative: what a table node keeps
UPTAKE_STEPS = (
    "recogniseButton",
    "placePlaneButton",
    "splitLobesButton",
    "splitLesionsButton",
    "assignLobesButton",
    "pickTargetsButton",
    "makeReferenceButton",
    "applyButton",
    "showChartButton",
)
DOSE_STEPS = ("fitButton", "applyButton", "histogramButton", "showMapButton")


@dataclass
class Step:
    """One step: what, how long, the longest time without an answer to the mouse, and what the panel said of it."""

    name: str
    seconds: float
    freeze_s: float
    words: str

    @property
    def failed(self) -> bool:
        """Whether it did not work, or froze for too long."""
        return self.words.startswith("FAILED") or self.freeze_s > LONGEST_FREEZE_s


@dataclass
class Walk:
    """Does steps and keeps what came of them; pictures go into the folder."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    _last: float = 0.0
    _longest: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_ms)
        self._timer.connect("timeout()", self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._longest, self._last = max(self._longest, now - self._last), now

    def do(self, name: str, action: Callable[[], Any], words: Callable[[], str] = lambda: "") -> None:
        """Do one step, timed: the timer ticks whenever the application answers, so its longest pause is the freeze."""
        started = self._last = time.perf_counter()
        self._longest = 0.0
        self._timer.start()
        try:
            action()
            found = words()
        except Exception as error:  # a walk goes on: the table says what failed
            traceback.print_exc()
            found = f"FAILED: {error}"
        slicer.app.processEvents()
        self._tick()
        self._timer.stop()
        self.steps.append(Step(name, time.perf_counter() - started, self._longest, " ".join(found.split())))
        self.picture(name)

    def picture(self, name: str) -> None:
        """The main window as it is now; without one there is none."""
        window = slicer.util.mainWindow()
        if window is not None:
            file = "".join(letter if letter.isalnum() else "-" for letter in name)
            window.grab().save(str(self.folder / f"{len(self.steps):03d}-{file}.png"))

    def table(self) -> str:
        """All steps as a table of Markdown."""
        lines = ["| step | s | longest freeze, s | words |", "| --- | --- | --- | --- |"]
        for one in self.steps:
            mark = " **!**" if one.failed else ""
            lines.append(f"| {one.name}{mark} | {one.seconds:.1f} | {one.freeze_s:.2f} | {one.words[:160]} |")
        bad = sum(one.failed for one in self.steps)
        return "\n".join((*lines, "", f"{len(self.steps)} steps, {bad} failed or froze for more than 1 s.", ""))


def panel_of(module: str) -> Any:
    """The panel of a module, opened and in front where there is a main window."""
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(module)
    panel = getattr(slicer.modules, module.lower()).widgetRepresentation().self()
    panel.enter()
    return panel


def click(walk: Walk, panel: Any, name: str, sample: str) -> None:
    """Click a button, if it can be clicked; else say why not."""
    button = getattr(panel.ui, name)
    title = f"{sample}: {button.text}"
    if not button.enabled:
        walk.do(title, lambda: None, lambda: f"not enabled: {button.toolTip}")
        return

    def words() -> str:
        said = panel.ui.statusLabel.text
        return f"FAILED: {said}" if "could not" in said else said

    walk.do(title, button.click, words)


def rows_by_key(rows: Any) -> dict[tuple[Any, ...], float]:
    """Values by visit, region and metric; rows as dictionaries or measurements."""
    found = {}
    for row in rows:
        get = row.get if isinstance(row, dict) else lambda name, row=row: getattr(row, name)
        found[get("visit"), get("region"), get("metric")] = float(get("value"))
    return found


def differences(table: Any, expected: Any) -> str:
    """How a table node differs from the rows of `prrt run`; "" if nowhere by more than six digits."""
    from PRRTUptakeLib.mrml.tables import rows_of_table

    found, wanted = rows_by_key(rows_of_table(table)), rows_by_key(expected)
    common = found.keys() & wanted.keys()
    if not common:
        return "FAILED: no row in common"
    for key in sorted(common, key=str):
        one, other = found[key], wanted[key]
        if not (math.isnan(one) and math.isnan(other)) and not math.isclose(one, other, rel_tol=SIX_DIGITS):
            return f"FAILED: {key}: {one:g} here, {other:g} by prrt run"
    return f"{len(common)} of {len(wanted)} rows agree"


def run_case_of(sample: str) -> Any:
    """What `prrt run` measures of the same synthetic patient, doses included; the scene is left alone."""
    from PRRTDosimetryLib.dosimetry.cycle import add_doses
    from PRRTUptakeLib.mrml.run import measure_case
    from PRRTUptakeLib.mrml.sample_data import SAMPLES as WRITERS

    with tempfile.TemporaryDirectory(prefix="prrt-walk-") as folder:
        case = WRITERS[sample][0](Path(folder) / "patient", seed=1)
        return measure_case(case, extensions=(add_doses,))


def walk_uptake(walk: Walk, sample: str, expected: Any = None) -> None:
    """The sections of PRRT Uptake, in the order of the work."""
    panel = panel_of("PRRTUptake")
    protocol = {"serial": "lutia"}.get(sample, sample)
    panel.ui.protocolComboBox.setCurrentIndex(max(panel.ui.protocolComboBox.findData(protocol), 0))
    panel.ui.patientLineEdit.text = "walk"
    if panel.parameters.segmentation is None:
        panel.parameters.segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    for row in range(panel.ui.imagesTable.rowCount):
        walk.do(f"{sample}: image {row + 1}", lambda row=row: panel.ui.imagesTable.selectRow(row))
    for name in UPTAKE_STEPS:
        click(walk, panel, name, sample)
    if expected is not None and panel.parameters.table is not None:
        walk.do(f"{sample}: as prrt run", lambda: None, lambda: differences(panel.parameters.table, expected.rows))
    panel.ui.reportPath.currentPath = str(walk.folder / f"report-{sample}")
    click(walk, panel, "exportButton", sample)


def walk_dosimetry(walk: Walk, sample: str) -> None:
    """The sections of PRRT Dosimetry, with a dose map."""
    panel = panel_of("PRRTDosimetry")
    panel.ui.patientLineEdit.text = "walk"
    parameters = panel.parameters
    parameters.method = type(parameters.method)("local")
    parameters.isodoseLevels = "2 5 10 20"
    for row in range(panel.ui.timePointsTable.rowCount):
        walk.do(f"{sample}: time point {row + 1}", lambda row=row: panel.ui.timePointsTable.selectRow(row))
    for name in DOSE_STEPS:
        click(walk, panel, name, f"{sample}, dose")
    panel.ui.reportPath.currentPath = str(walk.folder / f"doses-{sample}")
    click(walk, panel, "exportButton", f"{sample}, dose")


def walk_all(folder: Path, samples: tuple[str, ...] = SAMPLES) -> Walk:
    """Every sample through both panels."""
    from PRRTUptakeLib.panel.samples import load

    walk = Walk(folder)
    for sample in samples:
        slicer.mrmlScene.Clear(0)
        walk.do(f"{sample}: load", lambda sample=sample: load(sample))
        expected = run_case_of(sample)
        walk_uptake(walk, sample, None if sample == "serial" else expected)
        if sample == "serial":
            walk_dosimetry(walk, sample)
    (folder / "walk.md").write_text(walk.table(), encoding="utf-8")
    return walk


def main() -> None:
    """Walk as the environment says, print the table, and leave."""
    chosen = tuple(filter(None, os.environ.get("PRRT_WALK_SAMPLES", "").split(",")))
    done = walk_all(Path(os.environ.get("PRRT_WALK", "walk")).resolve(), chosen or SAMPLES)
    print(done.table())
    slicer.util.exit(1 if any(step.failed for step in done.steps) else 0)


if __name__ == "__main__":
    main()
