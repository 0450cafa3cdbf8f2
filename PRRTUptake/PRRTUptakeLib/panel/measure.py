"""Section 5, measure: Apply, the table node, the chart, and a jump to the lesion that is clicked."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import decimals
from PRRTUptakeLib.mrml.result_table import blank_number, result_table
from PRRTUptakeLib.panel.choices import lobe_words
from PRRTUptakeLib.panel.section import (
    Section,
    connect,
    fill_combo,
    fill_table,
    jump_to_segment,
    show_in_views,
    waiting,
)

NEEDS = ("PRRTUptakeLib.mrml.logic", "PRRTUptakeLib.mrml.results")


class MeasureSection(Section):
    """Measures, and shows what was measured."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.applyButton, "clicked(bool)", self.onApply)
        connect(self.ui.resultsTable, "cellClicked(int,int)", self.onRowClicked)
        connect(self.ui.showChartButton, "clicked(bool)", self.onShowChart)
        connect(self.ui.manualShiftButton, "clicked(bool)", self.onManualShift)
        connect(self.ui.manualShiftImageComboBox, "currentIndexChanged(int)", self.showManualShift)
        connect(self.ui.resultsTable, "itemSelectionChanged()", self.onRowChosen)
        self.rows: tuple[Any, ...] = ()
        self._state: tuple[Any, ...] | None = None
        self.shown: tuple[Any, ...] = ()  # image, lesion and manual shift in the fields below the table

    def refresh(self) -> None:
        """Enable Apply if all is there, and show the table node."""
        missing = self.panel.missing() or self._wrong_phantom()
        self.ui.applyButton.enabled = not missing
        self.ui.applyButton.toolTip = missing or _("Measure every region of every measured image")
        self._show_table()
        self.ui.showChartButton.enabled = bool(self.rows)
        self.ui.showChartButton.toolTip = (
            _("Show them in Slicer's table and plot views") if self.rows else _("Measure first.")
        )

        self._show_manual_shifts()

    def _wrong_phantom(self) -> str:
        """What is wrong with the recoveries that were typed, "" if nothing is."""
        if not (self.parameters.phantomVolumes or self.parameters.phantomRecoveries):
            return ""
        try:
            self.logic.recoveryCurve(self.parameters)
        except PRRTError as error:
            return str(error)
        return ""

    def onApply(self) -> None:
        """Measure; the layout that the user chose stays."""
        from PRRTUptakeLib.mrml.charts import chart_of

        images: tuple[Any, ...] = ()
        with self.attempt(_("The images could not be measured.")), waiting(_("Measuring"), *NEEDS) as progress:
            parameters = self.parameters
            table = self.logic.measureImages(parameters, progress)
            parameters.table = table
            show_table_and_chart(table, chart_of(table), keepLayout=True)
            words = _("Measured; {count} rows are in the table '{name}'.").format(
                count=table.GetNumberOfRows(), name=table.GetName()
            )
            warnings = self.logic.warnings()
            self.panel.say("\n".join((words, *warnings)), isError=bool(warnings))
            images = self.panel.images.measured()
        if images:
            show_in_views(self, images[0].node, self.parameters.segmentation, self.parameters.lobePlane)

    def _show_table(self) -> None:
        from PRRTUptakeLib.mrml.results import result_sentences, target_table

        node = self.parameters.table if self.parameters is not None else None
        state = () if node is None else (node.GetID(), node.GetMTime(), node.GetTable().GetMTime())
        if state == self._state:  # a table of a series has a thousand rows
            return
        self._state = state
        table = target_table(node)
        self.rows = table.rows
        lines = [
            (
                row.lesion,
                lobe_words(row.lobe),
                row.visit,
                blank_number(row.first),
                blank_number(row.second),
                decimals(row.ratio, 2),
            )
            for row in self.rows
        ]
        self.ui.resultsTable.setHorizontalHeaderLabels(
            [_("Lesion"), _("Lobe"), _("Visit"), table.first, table.second, table.ratio]
        )
        fill_table(self.ui.resultsTable, lines)
        self.ui.resultLabel.text = "\n".join(result_sentences(node))

    def onRowChosen(self) -> None:
        """Walk the rows, by mouse or arrow key."""
        self.showManualShift()
        self.onRowClicked(self.ui.resultsTable.currentRow(), 0)

    def onRowClicked(self, row: int, column: int) -> None:
        """Show the lesion of a row in the slice views."""
        segmentation = self.parameters.segmentation if self.parameters is not None else None
        if segmentation is not None and 0 <= row < len(self.rows):
            jump_to_segment(self, segmentation, self.rows[row].lesion)

    def _show_manual_shifts(self) -> None:
        """Offer the measured images for a manual shift."""
        from PRRTUptakeLib.mrml.manual_shifts import shiftable_images

        items = shiftable_images()
        fill_combo(self.ui.manualShiftImageComboBox, items)
        self.showManualShift()

    def _shifted_lesions(self) -> tuple[Any, str]:
        """The chosen image, None without one, and the lesion of the chosen row, "" without one."""
        combo, row = self.ui.manualShiftImageComboBox, self.ui.resultsTable.currentRow()
        identifier = combo.itemData(combo.currentIndex) if combo.count else None
        node = slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
        return node, self.rows[row].lesion if 0 <= row < len(self.rows) else ""

    def showManualShift(self, *changed: Any) -> None:
        """Show the manual shift that the chosen lesion has in the chosen image."""
        from PRRTUptakeLib.mrml.manual_shifts import manual_shift_of_lesion

        node, lesion = self._shifted_lesions()
        kept = (node.GetID() if node is not None else "", lesion, manual_shift_of_lesion(node, lesion))
        if kept != self.shown:  # else what the user has just typed stays
            self.shown = kept
            shift, reason = kept[-1]
            for box, value in zip(self._boxes(), shift, strict=True):
                box.value = value
            self.ui.manualShiftReasonLineEdit.text = reason
        self.ui.manualShiftButton.enabled = node is not None and bool(lesion)
        tip = _("Measure {lesion} there from now on; three zeros take that back.").format(lesion=lesion)
        self.ui.manualShiftButton.toolTip = (
            tip if self.ui.manualShiftButton.enabled else _("Measure, and choose a lesion's row.")
        )

    def _boxes(self) -> tuple[Any, Any, Any]:
        return self.ui.manualShiftRightSpinBox, self.ui.manualShiftAnteriorSpinBox, self.ui.manualShiftSuperiorSpinBox

    def onManualShift(self) -> None:
        """Keep the manual shift with the image."""
        from PRRTUptakeLib.mrml.manual_shifts import shift_lesion

        node, lesion = self._shifted_lesions()
        shift, reason = [box.value for box in self._boxes()], self.ui.manualShiftReasonLineEdit.text
        with self.attempt(_("The lesion could not be shifted.")):
            shift_lesion(node, lesion, shift, reason)
            self.panel.say(
                _("Kept for {lesion} in '{image}': Apply again to measure it there.").format(
                    lesion=lesion, image=node.GetName()
                )
            )

    def onShowChart(self) -> None:
        """Show table and chart in Slicer's views."""
        from PRRTUptakeLib.mrml.charts import chart_of

        node = self.parameters.table if self.parameters is not None else None
        if node is not None:
            with self.attempt(_("Table and chart could not be shown.")):
                show_table_and_chart(node, chart_of(node))


def show_table_and_chart(table: Any, chart: Any, keepLayout: bool = False) -> None:
    """Show what is read of a table node, and a chart node where there is one, in Slicer's table and plot views.

    The layout is changed only where it shows no plot, and not at all with ``keepLayout``.
    """
    application = slicer.app.applicationLogic()
    manager = slicer.app.layoutManager()
    if manager is not None and not keepLayout and manager.layout not in _layouts_with_plots():
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)
    selection = application.GetSelectionNode()
    selection.SetActiveTableID(result_table(table).GetID())
    application.PropagateTableSelection()
    if chart is not None:
        selection.SetActivePlotChartID(chart.GetID())
        application.PropagatePlotChartSelection()
        name_ticks(chart)


def _layouts_with_plots() -> tuple[int, ...]:
    layouts = slicer.vtkMRMLLayoutNode
    return (
        layouts.SlicerLayoutFourUpPlotTableView,
        layouts.SlicerLayoutFourUpPlotView,
        layouts.SlicerLayoutConventionalPlotView,
        layouts.SlicerLayoutThreeOverThreePlotView,
    )


def name_ticks(chart: Any) -> None:
    """Write the names of a chart's points at its ticks, in the plot views there are: nodes cannot hold them."""
    from PRRTUptakeLib.mrml.charts import tick_labels

    labels, manager = tick_labels(chart), slicer.app.layoutManager()
    if not labels or not hasattr(manager, "plotViewCount"):
        return
    positions, words = vtk.vtkDoubleArray(), vtk.vtkStringArray()
    for place, label in enumerate(labels, start=1):
        positions.InsertNextValue(place)
        words.InsertNextValue(label)
    for number in range(manager.plotViewCount):
        axis = manager.plotWidget(number).plotView().chart().GetAxis(vtk.vtkAxis.BOTTOM)
        axis.SetCustomTickPositions(positions, words)
