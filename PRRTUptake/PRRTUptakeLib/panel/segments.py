"""Section 4, segments: what each segment is, lobes, lesions, targets and reference regions, step by step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.segment_table import (
    ASSIGN_LOBES,
    MAKE_REFERENCE,
    PICK_TARGETS,
    RECOGNISE,
    SPLIT_LESIONS,
    SPLIT_LOBES,
    TERRITORY_OVERRIDES_ATTRIBUTE,
    SegmentRow,
    lesions_first,
    next_step,
    segment_rows,
    segments_state,
)
from PRRTUptakeLib.panel.choices import lobe_words, role_words
from PRRTUptakeLib.panel.section import (
    Section,
    connect,
    fill_combo,
    fill_table,
    jump_to_segment,
    load_modules,
    waiting,
)
from PRRTUptakeLib.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


NEEDS = "PRRTUptakeLib.mrml.logic"


class SegmentsSection(Section):
    """The segments of the chosen segmentation, and the steps that label them."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.rows: tuple[SegmentRow, ...] = ()
        self._state: tuple[Any, ...] | None = None
        self._node: Any = None
        self._remarks = ""
        steps = (
            (self.ui.recogniseButton, self.onRecognise),
            (self.ui.placePlaneButton, self.onPlacePlane),
            (self.ui.splitLobesButton, self.onSplitLobes),
            (self.ui.splitLesionsButton, self.onSplitLesions),
            (self.ui.divideLesionButton, self.onDivideLesion),
            (self.ui.assignLobesButton, self.onAssignLobes),
            (self.ui.pickTargetsButton, self.onPickTargets),
            (self.ui.makeReferenceButton, self.onMakeReference),
            (self.ui.forgetReplacementsButton, self.onForgetTargetOverrides),
        )
        self._tips = [(button, button.toolTip) for button, _slot in steps]
        for button, slot in steps:
            connect(button, "clicked(bool)", slot)
        connect(self.ui.totalSegmentatorButton, "clicked(bool)", self.onTotalSegmentator)
        connect(self.ui.replaceButton, "clicked(bool)", self.onReplace)
        connect(self.ui.replaceReasonLineEdit, "textChanged(QString)", self._enable_replacing)
        connect(self.ui.structureComboBox, "activated(int)", self.onStructure)
        connect(self.ui.segmentsTable, "itemSelectionChanged()", self.onRowChosen)
        connect(self.ui.segmentsTable, "cellClicked(int,int)", self.onRowClicked)
        connect(self.ui.lobePlaneSelector, "currentNodeChanged(vtkMRMLNode*)", self.onCut)
        self._feeding = ((1, self.ui.segmentOneComboBox), (4, self.ui.segmentFourComboBox))
        for number, combo in self._feeding:
            for words, lobe in ((_("anatomy"), ""), (_("left"), "left"), (_("right"), "right")):
                combo.addItem(words, lobe)
            connect(combo, "activated(int)", lambda index, number=number: self.onFeeding(number, index))
        self._fill_structures()

    def onTotalSegmentator(self) -> None:
        """Go to the module of the extension TotalSegmentator, or say how to get it."""
        with self.attempt(_("TotalSegmentator could not be opened."), keepWords=True):
            if not hasattr(slicer.modules, "totalsegmentator"):
                raise PRRTError(
                    _(
                        "The extension TotalSegmentator is not installed: install it by View > Extensions Manager, or "
                        "run 'prrt segment' where pip install TotalSegmentator was done."
                    )
                )
            slicer.util.selectModule("TotalSegmentator")

    def _fill_structures(self) -> None:
        from PRRTUptakeLib.segmentation.codes import known_structures

        self.ui.structureComboBox.addItem(_("not stated"), "")
        for item in known_structures():
            self.ui.structureComboBox.addItem(item.name, item.key)

    @property
    def node(self) -> Any:
        """The chosen segmentation, or None."""
        return self.parameters.segmentation if self.parameters is not None else None

    def refresh(self) -> None:
        """Show the segments as they are now."""
        node = self.node
        self._observe(node)
        state = segments_state(node)
        if state != self._state:
            self.rows, self._state = lesions_first(segment_rows(node)), state
            fill_table(self.ui.segmentsTable, [_words(row) for row in self.rows], [row.reason for row in self.rows])
        missing = "" if node is not None else _("Choose a segmentation first.")
        for button, tip in self._tips:
            button.enabled = not missing
            button.toolTip = missing or tip
        self.ui.segmentsLabel.text = missing or self._remarks
        self._mark_next_step(node)
        self.ui.lobePlaneSelector.setCurrentNode(self.parameters.lobePlane)
        self._show_feeding(node)
        self.showChosen()

    def _mark_next_step(self, node: Any) -> None:
        """Set the button of the next step in bold: the way through the section."""
        buttons = {
            RECOGNISE: self.ui.recogniseButton,
            SPLIT_LOBES: self.ui.splitLobesButton,
            SPLIT_LESIONS: self.ui.splitLesionsButton,
            ASSIGN_LOBES: self.ui.assignLobesButton,
            PICK_TARGETS: self.ui.pickTargetsButton,
            MAKE_REFERENCE: self.ui.makeReferenceButton,
        }
        step = next_step(self.rows, self.panel.study.by_lobe()) if node is not None else ""
        for name, button in buttons.items():
            button.setStyleSheet("font-weight: bold" if name == step else "")
        no_cut = step == SPLIT_LOBES and self.parameters.lobePlane is None
        self.ui.placePlaneButton.setStyleSheet("font-weight: bold" if no_cut else "")

    def _show_feeding(self, node: Any) -> None:
        """Which artery feeds segments I and IV; only where Couinaud segments are drawn."""
        territory_overrides = (
            json.loads(node.GetAttribute(TERRITORY_OVERRIDES_ATTRIBUTE) or "[]") if node is not None else []
        )
        drawn = {row.structure for row in self.rows}
        for number, combo in self._feeding:
            lobe = next((move["lobe"] for move in territory_overrides if move["number"] == number), "")
            combo.setCurrentIndex(combo.findData(lobe))
            combo.enabled = f"liver_segment_{number}" in drawn
            combo.toolTip = (
                _("Which artery feeds the segment, by the angiography; give the reason beside it first")
                if combo.enabled
                else _("The segmentation has no such Couinaud segment.")
            )
        self.ui.feedingReasonLineEdit.enabled = any(combo.enabled for _number, combo in self._feeding)

    def onCut(self, node: Any) -> None:
        """Take the plane, curve or point list into the parameter node.

        Bound by hand: a bound selector would offer every kind of markups.
        """
        if self.parameters is not None and not self.panel.busy:
            self.parameters.lobePlane = node

    def onFeeding(self, number: int, index: int) -> None:
        """Count a segment to the lobe whose artery feeds it."""
        if self.node is not None:
            with self.attempt(_("The segment could not be moved.")):
                load_modules(_("Segments"), NEEDS)
                lobe = self._feeding[0][1].itemData(index)
                logic = self.logic.uptakeFor(self.parameters)
                logic.setFeeding(self.node, number, lobe, self.ui.feedingReasonLineEdit.text)
                self.panel.say(_("Split the liver into lobes again."))

    def _observe(self, node: Any) -> None:
        """Follow edits of the chosen segmentation, and of it alone."""
        if node is self._node:
            return
        kind = slicer.vtkSegmentation
        events = (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified, kind.SourceRepresentationModified)
        for event in events:
            if self._node is not None:
                self.panel.removeObserver(self._node, event, self.onSegmentsChanged)
            if node is not None:
                self.panel.addObserver(node, event, self.onSegmentsChanged)
        self._node, self._remarks = node, ""

    def onSegmentsChanged(self, caller: Any = None, event: Any = None) -> None:
        """A segment was edited, added or deleted, here or in the Segment Editor."""
        self.panel.refresh()

    def chosen(self) -> SegmentRow | None:
        """The row that the user chose."""
        number = self.ui.segmentsTable.currentRow()
        return self.rows[number] if 0 <= number < len(self.rows) else None

    def showChosen(self) -> None:
        """Show the chosen segment in the fields below the table."""
        row = self.chosen()
        self.ui.structureComboBox.enabled = row is not None
        index = self.ui.structureComboBox.findData(row.structure) if row is not None else 0
        self.ui.structureComboBox.setCurrentIndex(max(index, 0))
        is_lesion = row is not None and row.role == "lesion"
        targets = [(other.name, other.lesion_id) for other in self.rows if other.is_target] if is_lesion else []
        fill_combo(self.ui.replaceComboBox, targets)
        self.ui.replaceComboBox.enabled = bool(targets)
        self.ui.replaceReasonLineEdit.enabled = bool(targets)
        self.ui.divideLesionButton.enabled = row is not None and row.role in ("lesion", "target")
        if not self.ui.divideLesionButton.enabled:
            self.ui.divideLesionButton.toolTip = _("Choose a lesion in the table.")
        self._enable_replacing()

    def _enable_replacing(self) -> None:
        reason = self.ui.replaceReasonLineEdit.text.strip()
        ready = self.ui.replaceComboBox.count > 0
        self.ui.replaceButton.enabled = ready and bool(reason)
        if not ready:
            self.ui.replaceButton.toolTip = _("Choose a lesion in the table that is no target.")
        else:
            self.ui.replaceButton.toolTip = _("Replace the target") if reason else _("Say why.")

    def onRowChosen(self) -> None:
        """Walk the rows, by mouse or arrow key."""
        self.showChosen()
        self.onRowClicked(self.ui.segmentsTable.currentRow(), 0)

    def onRowClicked(self, row: int, column: int) -> None:
        """Show a segment in the slice views."""
        if self.node is not None and 0 <= row < len(self.rows):
            jump_to_segment(self, self.node, self.rows[row].name)

    def run(self, failure: str, step: Callable[[Any], Sequence[str]]) -> None:
        """Run one step; its sentences go below the table."""
        logic = None
        try:
            with self.attempt(failure), waiting(_("Segments"), NEEDS) as progress:
                logic = self.logic.uptakeFor(self.parameters)
                logic.progress = progress
                progress(0.1, _("Working on the segments"))
                self._remarks = "\n".join(step(logic))
        finally:
            if logic is not None:
                logic.progress = no_progress

    def onRecognise(self) -> None:
        """Say what each segment is; only what is doubtful is listed."""
        self.run(
            _("The segments could not be recognised."),
            lambda logic: logic.recognise(self.node) or (_("Every segment is recognised."),),
        )

    def onPlacePlane(self) -> None:
        """Put a plane between the lobes, to be dragged."""
        with self.attempt(_("The lobe plane could not be placed.")):
            load_modules(_("Segments"), NEEDS)
            from PRRTUptakeLib.mrml.planes import show_in_all_views

            plane = self.logic.uptakeFor(self.parameters).placeLobePlane(self.node, self.parameters.lobePlane)
            show_in_all_views(plane)
            self.logic.placeBeside(self.node, [plane])
            self.parameters.lobePlane = plane

    def onSplitLobes(self) -> None:
        """Part the liver."""
        self.run(
            _("The liver could not be split."), lambda logic: logic.splitLobes(self.node, self.parameters.lobePlane)
        )

    def onSplitLesions(self) -> None:
        """Divide lesion segments into single lesions."""
        self.run(_("The lesions could not be split."), lambda logic: logic.splitLesions(self.node))

    def onDivideLesion(self) -> None:
        """Divide the chosen lesion at its waist."""
        row = self.chosen()
        if row is not None:
            self.run(_("The lesion could not be divided."), lambda logic: logic.divideLesion(self.node, row.name))

    def onAssignLobes(self) -> None:
        """Give each lesion its lobe."""
        self.run(_("The lobes could not be assigned."), lambda logic: logic.assignLobes(self.node))

    def onPickTargets(self) -> None:
        """Choose targets by the protocol."""
        self.run(_("The targets could not be picked."), lambda logic: logic.pickTargets(self.node))

    def onMakeReference(self) -> None:
        """Make the reference regions; the minimum-variance sphere is searched for in the first measured image."""
        images = self.panel.images.measured()
        image = images[0].node if images else None
        self.run(_("The reference regions could not be made."), lambda logic: logic.makeReference(self.node, image))

    def onReplace(self) -> None:
        """Take the chosen lesion in place of a target."""
        row, dropped = self.chosen(), self.ui.replaceComboBox.itemData(self.ui.replaceComboBox.currentIndex)
        reason = self.ui.replaceReasonLineEdit.text
        if row is not None and dropped:
            self.run(
                _("The target could not be replaced."),
                lambda logic: logic.replaceTarget(self.node, dropped, row.lesion_id, reason),
            )

    def onForgetTargetOverrides(self) -> None:
        """Targets by the protocol alone."""
        self.run(_("The targets could not be picked."), lambda logic: logic.dropTargetOverrides(self.node))

    def onStructure(self, index: int) -> None:
        """Say what the chosen segment is."""
        row, key = self.chosen(), self.ui.structureComboBox.itemData(index)
        if row is not None and key:
            with self.attempt(_("The segment could not be named.")):
                load_modules(_("Segments"), NEEDS)
                self.logic.uptakeFor(self.parameters).nameSegment(self.node, row.name, key)


def _words(row: SegmentRow) -> tuple[str, ...]:
    longest = f"{row.longest_mm:.1f}" if row.longest_mm is not None else ""
    target = _("yes") if row.is_target else ""
    return row.name, role_words(row.role), lobe_words(row.lobe), row.lesion_id, target, longest, f"{row.volume_mL:.1f}"
