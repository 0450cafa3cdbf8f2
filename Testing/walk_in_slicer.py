"""A walk through both panels in a real Slicer: every section, every sample, compared with `prrt run`, timed, pictured.

    Slicer --python-script Testing/walk_in_slicer.py            writes to the folder "walk" below the current one
    PRRT_WALK=DIR PRRT_WALK_SAMPLES=lutia,serial Slicer --python-script Testing/walk_in_slicer.py

It needs Slicer with the extension and nothing else of this repository. One part that fails does not end the walk: the
table (also in ``walk.md``, written anew after each step) says which. Dialogs are answered by themselves, and what they
say is in the table. A step of more than half an hour ends Slicer, with where it was in ``hang.txt``. The walk leaves
Slicer with status 0 where every step worked, every number agreed and nothing froze for longer than a second.
"""

from __future__ import annotations

import contextlib
import faulthandler
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
    from collections.abc import Callable, Iterator

SAMPLES = ("lutia", "ia-versus-iv", "serial", "single-arm")
LONGEST_FREEZE_s = 1.0
LONGEST_STEP_s = 1800.0
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
DOSE_STEPS = ("fitButton", "planButton", "applyButton", "histogramButton", "showMapButton")
SERIES = ("serial", "single-arm")  # with doses
PROTOCOLS = {"serial": "lutia"}  # of a sample that is not called as its protocol
ANSWERS = {
    "errorDisplay": None,
    "warningDisplay": None,
    "infoDisplay": None,
    "messageBox": None,
    "confirmOkCancelDisplay": True,
    "confirmYesNoDisplay": True,
    "confirmRetryCloseDisplay": False,
}
"""What is answered to dialogs of slicer.util, which would wait for a person."""


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
        return "FAILED: " in self.words or self.freeze_s > LONGEST_FREEZE_s


@dataclass
class Walk:
    """Does steps and keeps what came of them; pictures go into the folder."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    watched: bool = False
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
        self.said.clear()
        self._watch()
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
        if self.said:
            found = " ".join((*self.said, found))
        self._keep(Step(name, time.perf_counter() - started, self._longest, " ".join(found.split())))

    def part(self, name: str, work: Callable[[], Any]) -> None:
        """Do a part of several steps; if it cannot be gone through, the table says why, and the walk goes on."""
        try:
            work()
        except Exception as error:
            traceback.print_exc()
            self._keep(Step(name, 0.0, 0.0, " ".join(f"FAILED: {type(error).__name__}: {error}".split())))

    def _keep(self, step: Step) -> None:
        self.steps.append(step)
        (self.folder / "walk.md").write_text(self.table(), encoding="utf-8")
        try:
            self.picture(step.name)
        except Exception:  # a picture is no reason to fail
            traceback.print_exc()

    def _watch(self) -> None:
        """End a step that never ends; only where Slicer is this walk's own."""
        if self.watched:
            with contextlib.suppress(OSError, ValueError):
                self._hang = (self.folder / "hang.txt").open("w", encoding="utf-8")
                faulthandler.dump_traceback_later(LONGEST_STEP_s, exit=True, file=self._hang)

    @contextlib.contextmanager
    def without_dialogs(self) -> Iterator[None]:
        """Answer the dialogs of slicer.util; an error that is shown is a step that failed."""
        before = {name: getattr(slicer.util, name) for name in ANSWERS if hasattr(slicer.util, name)}

        def answer(name: str) -> Callable[..., Any]:
            def answered(text: Any = "", *_given: Any, **_named: Any) -> Any:
                self.said.append(f"{'FAILED: ' if name == 'errorDisplay' else ''}[{name}] {text}")
                return ANSWERS[name]

            return answered

        for name in before:
            setattr(slicer.util, name, answer(name))
        try:
            yield
        finally:
            for name, function in before.items():
                setattr(slicer.util, name, function)
            if self.watched:
                faulthandler.cancel_dump_traceback_later()

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
    button = getattr(panel.ui, name, None)
    if button is None:
        walk.do(f"{sample}: {name}", lambda: None, lambda: "FAILED: the panel has no such button")
        return
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


def register(walk: Walk, panel: Any, sample: str) -> None:
    """Bring every visit to the MRI of the contours, or to the CT of the first visit, where there are several."""
    anatomy = [row.node for row in anatomies()]
    mri = [node for node in anatomy if "MR" in node.GetName()]
    if len(anatomy) < 2:
        return
    panel.ui.fixedSelector.setCurrentNode((mri or anatomy)[0])
    click(walk, panel, "registerAllButton", sample)


def anatomies() -> list[Any]:
    """The rows of images to which contours belong, the first visit's first."""
    from PRRTUptakeLib.mrml.images import ANATOMY, image_rows

    return [row for row in image_rows() if row.role == ANATOMY]


def first_of(kind: str, words: str) -> Any:
    """The first node of a class whose name begins with a word; None if there is none."""
    nodes = slicer.util.getNodesByClass(kind)
    return next((node for node in nodes if node.GetName().startswith(words)), None)


def walk_uptake(walk: Walk, sample: str, expected: Any = None) -> None:
    """The sections of PRRT Uptake, in the order of the work."""
    panel = panel_of("PRRTUptake")
    protocol = PROTOCOLS.get(sample, sample)
    panel.ui.protocolComboBox.setCurrentIndex(max(panel.ui.protocolComboBox.findData(protocol), 0))
    panel.ui.patientLineEdit.text = "walk"
    if expected is not None and expected.input.treated_lobe:  # in English: the walk is
        combo = panel.ui.treatedLobeComboBox
        combo.setCurrentIndex(max(combo.findText(expected.input.treated_lobe), 0))
    for row in range(panel.ui.imagesTable.rowCount):
        walk.do(f"{sample}: image {row + 1}", lambda row=row: panel.ui.imagesTable.selectRow(row))
    walk.part(f"{sample}: registration", lambda: register(walk, panel, sample))
    if panel.parameters.segmentation is None:
        panel.parameters.segmentation = first_of("vtkMRMLSegmentationNode", "")
    if panel.parameters.lobePlane is None:
        panel.parameters.lobePlane = first_of("vtkMRMLMarkupsPlaneNode", "Lobe plane")
    plane = panel.parameters.lobePlane
    drawn = (plane.GetOriginWorld(), plane.GetNormalWorld()) if plane is not None else None
    for name in UPTAKE_STEPS:
        click(walk, panel, name, sample)
        if name == "placePlaneButton" and drawn is not None:  # the sample's own again, as prrt run has it
            plane.SetOriginWorld(*drawn[0])
            plane.SetNormalWorld(*drawn[1])
    if expected is not None:
        walk.do(f"{sample}: as prrt run", lambda: None, lambda: agreement(panel.parameters.table, expected))
    panel.ui.reportPath.currentPath = str(walk.folder / f"report-{sample}")
    click(walk, panel, "exportButton", sample)


def agreement(table: Any, expected: Any) -> str:
    """How a table of the panel compares with a run; a table that is not there has failed."""
    return "FAILED: there is no table" if table is None else differences(table, expected.rows)


def walk_dosimetry(walk: Walk, sample: str, expected: Any = None) -> None:
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
    if expected is not None:
        walk.do(f"{sample}: doses as prrt run", lambda: None, lambda: agreement(parameters.doses, expected))
    panel.ui.reportPath.currentPath = str(walk.folder / f"doses-{sample}")
    click(walk, panel, "exportButton", f"{sample}, dose")


def walk_sample(walk: Walk, sample: str) -> None:
    """One sample through both panels, each part by itself."""
    from PRRTUptakeLib.panel.samples import load

    slicer.mrmlScene.Clear(0)
    walk.do(f"{sample}: load", lambda: load(sample))
    found: list[Any] = []
    walk.do(f"{sample}: prrt run", lambda: found.append(run_case_of(sample)))
    walk.steps[-1].freeze_s = 0.0  # that is no work of a panel
    expected = found[0] if found else None
    walk.part(f"{sample}: PRRT Uptake", lambda: walk_uptake(walk, sample, expected))
    if sample in SERIES:
        walk.part(f"{sample}: PRRT Dosimetry", lambda: walk_dosimetry(walk, sample, expected))


def walk_all(folder: Path, samples: tuple[str, ...] = SAMPLES, watched: bool = False) -> Walk:
    """Every sample through both panels; ``watched`` ends the process where a step does not end."""
    walk = Walk(folder, watched=watched)
    unknown = [sample for sample in samples if sample not in SAMPLES]
    if unknown:
        raise ValueError(f"PRRT_WALK_SAMPLES names {', '.join(unknown)}, but samples are {', '.join(SAMPLES)}.")
    with walk.without_dialogs():
        for sample in samples:
            walk.part(sample, lambda sample=sample: walk_sample(walk, sample))
    return walk


def main() -> None:
    """Walk as the environment says, print the table, and leave."""
    chosen = tuple(filter(None, os.environ.get("PRRT_WALK_SAMPLES", "").split(",")))
    status = 1
    try:
        folder = Path(os.environ.get("PRRT_WALK", "walk")).resolve()
        done = walk_all(folder, chosen or SAMPLES, watched=True)
        print(done.table(), flush=True)
        status = 1 if any(step.failed for step in done.steps) or not done.steps else 0
    except Exception:
        traceback.print_exc()
    slicer.util.exit(status)


if __name__ == "__main__":
    main()
