"""Planning of images in the section of curves: hours at which few images say most of the dose."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.panel.measure import show_table_and_chart
from PRRTUptakeLib.panel.section import Section, connect, fill_table, waiting
from slicer.i18n import tr as _

from PRRTDosimetryLib.mrml.plan_nodes import plan_chart, plan_rows_of


class PlanningSection(Section):
    """Finds hours for the next patient's images."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.planButton, "clicked(bool)", self.onPlan)

    def refresh(self) -> None:
        """Show the last plan of the scene."""
        rows = plan_rows_of(self.parameters.plan)
        fill_table(self.ui.planTable, rows)
        self.ui.planTable.setVisible(bool(rows))

    def onPlan(self) -> None:
        """Find the hours."""
        if self.parameters is None:
            return
        failure, needs = _("The hours could not be found."), "PRRTDosimetryLib.population.from_text"
        with self.attempt(failure), waiting(_("Finding hours"), needs) as progress:
            table = self.logic.planTimes(self.parameters, progress)
            show_table_and_chart(table, plan_chart(table))
            rows = plan_rows_of(table)
            self.panel.say(_("Images at {hours} say most of the dose.").format(hours=rows[0][0]))
