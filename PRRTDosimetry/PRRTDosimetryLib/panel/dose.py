"""Sections 3 and 4: dose by S-values or voxel by voxel, and what came out."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.mrml.charts import chart_nodes
from PRRTUptakeLib.mrml.result_table import blank_number
from PRRTUptakeLib.panel.choices import role_words
from PRRTUptakeLib.panel.measure import show_table_and_chart
from PRRTUptakeLib.panel.section import (
    Section,
    chosen_rows,
    connect,
    fill_table,
    jump_to_segment,
    show_in_views,
    waiting,
)
from slicer.i18n import tr as _

from PRRTDosimetryLib.dosimetry.dose_intervals import range_text
from PRRTDosimetryLib.mrml.dose_nodes import DoseRow, cycles_rows, dose_rows_of, histogram_chart
from PRRTDosimetryLib.panel.choices import Density, Method

MAP_COLUMNS, CORRECTED_COLUMNS = (6, 7, 8), (10, 11)  # of the table of doses


class DoseSection(Section):
    """How the dose is calculated."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.applyButton, "clicked(bool)", self.onApply)
        connect(self.ui.settingsPath, "currentPathChanged(QString)", self.onSettings)

    def onSettings(self, path: str) -> None:
        """Take the file of the centre's own settings into the parameter node."""
        if self.parameters is not None and self.parameters.settingsFile != path:
            self.parameters.settingsFile = path

    def refresh(self) -> None:
        """Enable what the chosen method takes."""
        parameters = self.parameters
        if self.ui.settingsPath.currentPath != parameters.settingsFile:
            self.ui.settingsPath.currentPath = parameters.settingsFile
        is_map = parameters.method is not Method.S_VALUES
        transport = parameters.method is Method.TRANSPORT
        by_ct = transport or (is_map and parameters.density is Density.CT)
        self.ui.densityComboBox.enabled = is_map and not transport
        self.ui.densitySpinBox.enabled = is_map and not by_ct
        self.ui.ctSelector.enabled = self.ui.curveComboBox.enabled = by_ct
        of_transport = (self.ui.electronsComboBox, self.ui.particlesSpinBox, self.ui.seedSpinBox)
        for widget in (*of_transport, self.ui.transportGridSpinBox):
            widget.enabled = transport
        self.ui.integrationComboBox.enabled = self.ui.accumulationComboBox.enabled = is_map
        self.ui.isodoseLevelsLineEdit.enabled = is_map
        missing = self.panel.missing()
        if not missing and by_ct and parameters.ct is None:
            missing = _("Choose the CT for the density, or another method or density.")
        missing = missing or self._wrong_levels()
        self.ui.applyButton.enabled = not missing
        self.ui.applyButton.toolTip = missing or _("Fit the curves if they are not, and calculate the doses")

    def _wrong_levels(self) -> str:
        """What is wrong with the isodoses that were typed, "" if nothing is."""
        if not self.parameters.isodoseLevels:
            return ""
        from PRRTDosimetryLib.dose.isodose import levels_from_text

        try:
            levels_from_text(self.parameters.isodoseLevels)
        except PRRTError as error:
            return str(error)
        return ""

    def onApply(self) -> None:
        """Calculate, and show the dose map on the CT where there is one; the layout that the user chose stays."""
        parameters = self.parameters
        done = False
        failure, stopped = _("The doses could not be calculated."), _("Stopped; the doses are as they were.")
        with self.attempt(failure, stopped), waiting(_("Dose"), "PRRTDosimetryLib.mrml.logic") as progress:
            self.logic.calculate(parameters, progress)
            count = len(dose_rows_of(parameters.doses))
            made = self.logic.dosimetryFor(parameters)
            doubts = [made.recovered.continued, made.recovered.refusals] if made.recovered is not None else []
            doubts += made.map.doubts if made.map is not None else []
            doubts += self._sum_words(made)
            self.panel.say("\n".join((_("Doses of {count} regions.").format(count=count), *filter(None, doubts))))
            show_table_and_chart(parameters.doses, None, keepLayout=True)
            done = True
        if done and parameters.method is not Method.S_VALUES:
            show_dose_map(self)

    def _sum_words(self, made: Any) -> list[str]:
        """Which cycles were summed, and what is doubtful about it."""
        if made.summed is not None:
            cycles = "+".join(str(cycle) for cycle in made.summed.cycles)
            words = _("The dose maps of cycles {cycles} are summed in '{name}'.")
            return [words.format(cycles=cycles, name=self.parameters.summedMap.GetName()), *made.summed.warnings]
        parts = made.study.parts if made.study is not None else ()
        return [text for part in parts for text in part.warnings if "were not summed" in text]


def show_dose_map(section: Section) -> None:
    """Show the dose map with its own colours on the CT, with the segments of the first time point."""
    points = section.panel.timePoints.points
    segments = points[0].segmentation if points else None
    if section.parameters.doseMap is not None:
        show_in_views(section, section.parameters.doseMap, segments, colours=False)


class ResultsSection(Section):
    """Doses of regions, sums over cycles, histograms."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.rows: tuple[DoseRow, ...] = ()
        connect(self.ui.dosesTable, "cellClicked(int,int)", self.onRowClicked)
        connect(self.ui.dosesTable, "itemSelectionChanged()", self.onRowChosen)
        connect(self.ui.histogramButton, "clicked(bool)", self.onHistograms)
        connect(self.ui.showMapButton, "clicked(bool)", self.onShowMap)

    def refresh(self) -> None:
        """Show the table of doses and the sums over cycles."""
        table = self.parameters.doses
        self.rows = dose_rows_of(table)
        with_map = any(row.map_Gy is not None for row in self.rows)
        corrected = any(row.corrected_Gy is not None for row in self.rows)
        for columns, shown in ((MAP_COLUMNS, with_map), (CORRECTED_COLUMNS, corrected)):
            for column in columns:
                self.ui.dosesTable.setColumnHidden(column, not shown)
        fill_table(self.ui.dosesTable, [_dose_words(row) for row in self.rows])
        self.ui.histogramButton.enabled = with_map
        self.ui.histogramButton.toolTip = (
            _("Show those of the chosen rows in Slicer's plot view; of the targets where none is chosen")
            if with_map
            else _("Calculate a dose map first.")
        )
        self.ui.showMapButton.enabled = self.parameters.doseMap is not None
        self.ui.showMapButton.toolTip = (
            _("Show it on the CT, with the isodoses of section 3")
            if self.parameters.doseMap is not None
            else _("Calculate a dose map first.")
        )
        cycles = cycles_rows()
        self.ui.cyclesTable.setVisible(bool(cycles))
        self.ui.cyclesLabel.text = _("Sums over the cycles in the scene:") if cycles else ""
        lines = [
            (
                row.region,
                "+".join(str(cycle) for cycle in row.cycles),
                number(row.dose_Gy),
                number(row.u_dose_Gy, 2),
                number(row.bed_Gy),
                _interval(row.interval_Gy),
            )
            for row in cycles
        ]
        fill_table(self.ui.cyclesTable, lines)

    def onRowChosen(self) -> None:
        """Walk the rows, by mouse or arrow key."""
        self.onRowClicked(self.ui.dosesTable.currentRow(), 0)

    def onShowMap(self) -> None:
        """Draw the isodoses anew, where this session made the map, and show it."""
        with self.attempt(_("The dose map could not be shown.")):
            if self.logic.dosimetryFor(self.parameters).map is not None:
                self.logic.drawIsodoses(self.parameters)
        show_dose_map(self)

    def onRowClicked(self, row: int, column: int) -> None:
        """Show a region in the slice views."""
        points = self.panel.timePoints.points
        if points and points[0].segmentation is not None and 0 <= row < len(self.rows):
            jump_to_segment(self, points[0].segmentation, self.rows[row].region)

    def onHistograms(self) -> None:
        """Show the dose-volume histograms."""
        table = self.parameters.doses
        if table is not None:
            with self.attempt(_("The histograms could not be shown.")):
                numbers = chosen_rows(self.ui.dosesTable)
                rows = [self.rows[n] for n in numbers if n < len(self.rows)]
                rows = rows or [row for row in self.rows if row.role == "target"] or list(self.rows)
                chart = histogram_chart(table, [row.region for row in rows])
                if chart is not None:
                    self.logic.placeBeside(table, chart_nodes(table))
                    show_table_and_chart(table, chart)


def _dose_words(row: DoseRow) -> tuple[str, ...]:
    numbers = (
        row.mass_g,
        row.dose_Gy,
        row.u_dose_Gy,
        row.bed_Gy,
        row.map_Gy,
        row.d98_Gy,
        row.d2_Gy,
        row.recovery,
        row.corrected_Gy,
        row.u_corrected_Gy,
    )
    return row.region, role_words(row.role), *(blank_number(value) for value in numbers), _interval(row.interval_Gy)


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else range_text(*ends)
