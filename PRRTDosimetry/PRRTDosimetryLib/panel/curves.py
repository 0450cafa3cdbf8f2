"""Section 2, curves: the model, and one time-activity curve per region."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.formatting import decimals
from PRRTUptakeLib.mrml.charts import chart_nodes
from PRRTUptakeLib.mrml.result_table import blank_number
from PRRTUptakeLib.panel.measure import show_table_and_chart
from PRRTUptakeLib.panel.section import Section, chosen_rows, connect, fill_table, waiting
from PRRTUptakeLib.vocabulary import TIAC_MODELS
from slicer.i18n import tr as _

from PRRTDosimetryLib.mrml.curve_nodes import CurveRow, curve_chart, curve_rows

MODELS = tuple(name for name in TIAC_MODELS if name != "single-time-point")


class CurvesSection(Section):
    """Fits a curve to every region."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.rows: tuple[CurveRow, ...] = ()
        for name in MODELS:
            self.ui.modelComboBox.addItem(_("automatic") if name == "auto" else name.replace("-", " "), name)
        connect(self.ui.modelComboBox, "currentIndexChanged(int)", self.onModel)
        connect(self.ui.populationPath, "currentPathChanged(QString)", self.onPopulation)
        connect(self.ui.fitButton, "clicked(bool)", self.onFit)
        connect(self.ui.curvesTable, "cellClicked(int,int)", self.onRowClicked)
        connect(self.ui.curvesTable, "itemSelectionChanged()", self.onRowChosen)

    def onModel(self, index: int) -> None:
        """Take the model into the parameter node."""
        if self.parameters is not None and index >= 0:
            self.parameters.model = self.ui.modelComboBox.itemData(index)

    def onPopulation(self, path: str) -> None:
        """Take the population's file into the parameter node."""
        if self.parameters is not None and self.parameters.populationFile != path:
            self.parameters.populationFile = path

    def refresh(self) -> None:
        """Show the model and the fitted curves."""
        self.ui.modelComboBox.setCurrentIndex(self.ui.modelComboBox.findData(self.parameters.model))
        if self.ui.populationPath.currentPath != self.parameters.populationFile:
            self.ui.populationPath.currentPath = self.parameters.populationFile
        missing = self.panel.missing()
        self.ui.fitButton.enabled = not missing
        self.ui.fitButton.toolTip = missing or _("Measure every region at every time, and fit its curve")
        self.rows = curve_rows(self.parameters.curves)
        lines = [
            (
                row.region,
                row.model,
                blank_number(row.tia_MBq_h, 4),
                blank_number(row.u_tia_MBq_h, 2),
                decimals(row.teff_h, 1),
            )
            for row in self.rows
        ]
        fill_table(self.ui.curvesTable, lines, [row.choice for row in self.rows])

    def onFit(self) -> None:
        """Measure and fit."""
        failure, needs = _("The curves could not be fitted."), "PRRTDosimetryLib.mrml.logic"
        with self.attempt(failure), waiting(_("Fitting"), needs) as progress:
            table = self.logic.fitCurves(self.parameters, progress)
            self.panel.say(_("Curves of {count} regions.").format(count=len(curve_rows(table))))

    def onRowChosen(self) -> None:
        """Walk the rows, by mouse or arrow key."""
        self.onRowClicked(self.ui.curvesTable.currentRow(), 0)

    def onRowClicked(self, row: int, column: int) -> None:
        """Show the points and the curves of the chosen regions, at least that of the row."""
        table = self.parameters.curves if self.parameters is not None else None
        if table is None or not 0 <= row < len(self.rows):
            return
        with self.attempt(_("The curve could not be shown."), keepWords=True):
            chosen = [number for number in chosen_rows(self.ui.curvesTable) if number < len(self.rows)]
            numbers = chosen if row in chosen else [row]
            chart = curve_chart(table, *(self.rows[number].region for number in numbers))
            self.logic.placeBeside(table, chart_nodes(table))
            show_table_and_chart(table, chart)
