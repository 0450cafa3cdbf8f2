"""The way from PRRT Uptake to the self-test, which is in PRRT Dosimetry because it checks both modules."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.panel.section import Section, connect

MODULE = "PRRTDosimetry"


class SelfTestLinkSection(Section):
    """Opens the other module."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.selfTestButton, "clicked(bool)", self.onSelfTest)

    def refresh(self) -> None:
        """Enable the button where the other module is loaded."""
        there = hasattr(slicer.modules, MODULE.lower())
        self.ui.selfTestButton.enabled = there
        self.ui.selfTestButton.toolTip = (
            _("Open PRRT Dosimetry, whose section 5 has the self-test: it checks both modules, from SUV to dose")
            if there
            else _("The module PRRT Dosimetry, which has the self-test, is not loaded.")
        )

    def onSelfTest(self) -> None:
        """Open the other module; without a main window say where the self-test is."""
        try:
            slicer.util.selectModule(MODULE)
        except RuntimeError:
            self.panel.say(_("The self-test is in the module PRRT Dosimetry, section 5."))
