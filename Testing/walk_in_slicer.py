"""A walk through both panels in a real Slicer: every section, every sample, compared with `prrt run`, timed, pictured.

    Slicer --python-script Testing/walk_in_slicer.py            writes to the folder "walk" below the current one
    PRRT_WALK=DIR PRRT_WALK_SAMPLES=lutia,serial Slicer --python-script Testing/walk_in_slicer.py

It needs Slicer with the extension and nothing else of this repository. Each sample is opened first as the scene that
`prrt run` writes, then walked through the panels; at the end every row of `prrt run` must have been compared. One part
that fails does not end the walk: the table (also in ``walk.md``, written anew after each step) says which. Dialogs are
answered by themselves, and what they say is in the table. A step of more than half an hour ends Slicer, with where it
was in ``hang.txt``. The walk leaves Slicer with status 0 where every step worked, every number agreed and nothing froze
for longer than a second.
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
MORE_STEPS = ("forgetReplacementsButton", "delineateButton")  # after the comparison: they change what is measured
DOSE_STEPS = ("fitButton", "planButton", "applyButton", "histogramButton", "showMapButton")
MODULES = ("PRRTUptake", "PRRTDosimetry")
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
    """One step: what, how long, the longest time without an answer to the mouse, and what the panel said of it.

    ``own`` is False for what is no work of the panels: how long that freezes counts for nothing.
    """

    name: str
    seconds: float
    freeze_s: float
    words: str
    own: bool = True

    @property
    def failed(self) -> bool:
        """Whether it did not work, or froze for too long."""
        return "FAILED: " in self.words or (self.own and self.freeze_s > LONGEST_FREEZE_s)


@dataclass
class Walk:
    """Does steps and keeps what came of them; pictures go into the folder."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    watched: bool = False
    compared: set[tuple[Any, ...]] = field(default_factory=set)  # rows of the present sample
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

    def do(self, name: str, action: Callable[[], Any], words: Callable[[], str] = lambda: "", own: bool = True) -> None:
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
        self._keep(Step(name, time.perf_counter() - started, self._longest, " ".join(found.split()), own))

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
        lines += ["", f"{len(self.steps)} steps, {bad} failed or froze for more than {LONGEST_FREEZE_s:g} s."]
        slowest = sorted((one for one in self.steps if one.own), key=lambda one: -one.freeze_s)[:5]
        listed = "; ".join(f"{one.name} {one.freeze_s:.2f} s" for one in slowest)
        return "\n".join((*lines, f"Longest freezes: {listed}." if listed else "", ""))


def panel_of(module: str) -> Any:
    """The panel of a module, opened and in front where there is a main window; the other panel is left."""
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(module)
    else:
        for other in MODULES:
            if other != module and hasattr(slicer.modules, other.lower()):
                getattr(slicer.modules, other.lower()).widgetRepresentation().self().exit()
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


def differences(table: Any, expected: Any, compared: set[tuple[Any, ...]] | None = None) -> str:
    """How a table node differs from the rows of `prrt run`, within six digits; rows in both go into ``compared``."""
    from PRRTUptakeLib.mrml.tables import rows_of_table

    found, wanted = rows_by_key(rows_of_table(table)), rows_by_key(expected)
    common = found.keys() & wanted.keys()
    if compared is not None:
        compared |= common
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
        walk.do(f"{sample}: as prrt run", lambda: None, lambda: agreement(walk, panel.parameters.table, expected))
    panel.ui.reportPath.currentPath = str(walk.folder / f"report-{sample}")
    click(walk, panel, "exportButton", sample)
    shift_a_lesion(walk, panel, sample)
    if sample in SERIES or sample not in SAMPLES:  # the doses are those of the segments as they are
        return
    add_points(panel)
    for name in MORE_STEPS:
        click(walk, panel, name, sample)
    walk.part(f"{sample}: bent registration", lambda: bend(walk, panel, sample))


def agreement(walk: Walk, table: Any, expected: Any) -> str:
    """How a table of the panel compares with a run; a table that is not there has failed."""
    return "FAILED: there is no table" if table is None else differences(table, expected.rows, walk.compared)


def completeness(walk: Walk, expected: Any) -> str:
    """Whether every row of a run was in a table of the panels; those that were not are named."""
    wanted = rows_by_key(expected.rows)
    left = sorted(wanted.keys() - walk.compared, key=str)
    if left:
        return f"FAILED: {len(left)} of {len(wanted)} rows were in no comparison: {'; '.join(map(str, left[:12]))}"
    return f"all {len(wanted)} rows were compared"


def open_scene(walk: Walk, sample: str, expected: Any) -> None:
    """Write the scene of a run, open it in the emptied application, and look at what is there."""
    from PRRTUptakeLib.mrml.run import write_scene

    folder = walk.folder / f"scene-{sample}"
    folder.mkdir(parents=True, exist_ok=True)
    walk.do(f"{sample}: write the scene of prrt run", lambda: write_scene(expected, folder), own=False)
    slicer.mrmlScene.Clear(0)
    file = str((folder / "patient.mrb").absolute())
    walk.do(f"{sample}: open that scene", lambda: slicer.util.loadScene(file), lambda: scene_words(expected), own=False)
    slicer.mrmlScene.Clear(0)


def scene_words(expected: Any) -> str:
    """What is in a scene that `prrt run` wrote; what is wrong with it begins with FAILED."""
    wrong: list[str] = []
    count = 0
    for one in expected.contents:
        for name, _volume in one.volumes:
            node = first_of("vtkMRMLScalarVolumeNode", name)
            count += node is not None
            wrong += placed_wrongly(node, name, expected.input.patient, one.study)
        if one.segmentation is not None:
            name = f"Segments {one.study}"
            node = first_of("vtkMRMLSegmentationNode", name)
            wrong += placed_wrongly(node, name, expected.input.patient, one.study)
            found = node.GetSegmentation().GetNumberOfSegments() if node is not None else 0
            if found != len(one.segmentation.segments):
                wrong.append(f"'{name}' has {found} of {len(one.segmentation.segments)} segments")
    for kind in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"):
        for node in slicer.util.getNodesByClass(kind):
            wrong += placed_wrongly(node, node.GetName(), expected.input.patient)
    shown = [node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
    if not shown or not all(shown):
        wrong.append("a slice view shows no image")
    return f"FAILED: {'; '.join(wrong[:6])}" if wrong else f"{count} images, their segments and charts, shown"


def placed_wrongly(node: Any, name: str, patient: str, study: str = "") -> list[str]:
    """What is wrong with a node's place in the subject hierarchy."""
    if node is None:
        return [f"'{name}' is not there"]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    levels = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.GetItemByDataNode(node)
    wanted = {levels.GetDICOMLevelPatient(): patient, levels.GetDICOMLevelStudy(): study}
    for level, words in wanted.items():
        above = hierarchy.GetItemAncestorAtLevel(item, level) if item else 0
        found = hierarchy.GetItemName(above) if above else ""
        if not found or (words and found != words):
            return [f"'{name}' is under '{found}' and not under '{words}'"]
    return []


def bend(walk: Walk, panel: Any, sample: str) -> None:
    """Register one pair anew, bent, once all is compared: how long that leaves the application without an answer."""
    moved = [row.node for row in anatomies() if row.node.GetParentTransformNode() is not None]
    still = [row.node for row in anatomies() if row.node.GetParentTransformNode() is None]
    if not moved or not still:
        return
    panel.ui.movingSelector.setCurrentNode(moved[0])
    click(walk, panel, "undoTransformButton", f"{sample}, bent")
    panel.ui.fixedSelector.setCurrentNode(still[0])
    panel.parameters.bend = True
    click(walk, panel, "registerButton", f"{sample}, bent")
    panel.parameters.bend = False


def shift_a_lesion(walk: Walk, panel: Any, sample: str) -> None:
    """A manual shift of the first result's lesion, and back."""
    if not panel.ui.resultsTable.rowCount:
        return
    walk.do(f"{sample}: first result", lambda: panel.ui.resultsTable.selectRow(0))
    for shift_mm in (2.0, 0.0):
        panel.ui.manualShiftRightSpinBox.value = shift_mm
        panel.ui.manualShiftReasonLineEdit.text = "walk"
        click(walk, panel, "manualShiftButton", sample)


def add_points(panel: Any) -> None:
    """One point in the first lesion, to delineate a lesion at."""
    from PRRTUptakeLib.mrml.segmentations import segment_centre

    rows = [row for row in panel.segments.rows if row.role in ("target", "lesion")]
    if rows and panel.parameters.segmentation is not None:
        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Lesion points")
        points.AddControlPoint(*segment_centre(panel.parameters.segmentation, rows[0].name))
        panel.parameters.seeds = points


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
        walk.do(f"{sample}: doses as prrt run", lambda: None, lambda: agreement(walk, parameters.doses, expected))
    panel.ui.reportPath.currentPath = str(walk.folder / f"doses-{sample}")
    click(walk, panel, "exportButton", f"{sample}, dose")
    if sample == SAMPLES[-1]:  # once: the patient makes no difference
        click(walk, panel, "selfTestButton", f"{sample}, dose")


def walk_sample(walk: Walk, sample: str) -> None:
    """One sample through both panels, each part by itself."""
    from PRRTUptakeLib.panel.samples import load

    slicer.mrmlScene.Clear(0)
    walk.compared.clear()
    found: list[Any] = []
    walk.do(f"{sample}: prrt run", lambda: found.append(run_case_of(sample)), own=False)
    expected = found[0] if found else None
    if expected is not None:
        walk.part(f"{sample}: scene", lambda: open_scene(walk, sample, expected))
    walk.do(f"{sample}: load", lambda: load(sample))
    walk.part(f"{sample}: PRRT Uptake", lambda: walk_uptake(walk, sample, expected))
    if sample in SERIES:
        walk.part(f"{sample}: PRRT Dosimetry", lambda: walk_dosimetry(walk, sample, expected))
    if expected is not None:
        walk.do(f"{sample}: every row", lambda: None, lambda: completeness(walk, expected))


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
