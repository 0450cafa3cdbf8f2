"""The self-test in the section of export: known answers on this machine, with a protocol to sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from PRRTUptakeLib.panel.section import Section, connect, waiting
from slicer.i18n import tr as _

from PRRTDosimetryLib.selftest.self_test import FILE


class SelfTestSection(Section):
    """Runs the self-test and opens its protocol."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.selfTestButton, "clicked(bool)", self.onSelfTest)

    def refresh(self) -> None:
        """Enable the button once there is a folder for the protocol."""
        folder = self.parameters.reportFolder
        self.ui.selfTestButton.enabled = bool(folder)
        self.ui.selfTestButton.toolTip = (
            _(
                "Compute known answers of both modules on this machine, from SUV to dose, and write {file}, to be "
                "signed, to the folder; the scene is left alone"
            ).format(file=FILE)
            if folder
            else _("Choose a folder for the protocol.")
        )

    def onSelfTest(self) -> None:
        """Run it, and open the protocol."""
        folder = self.parameters.reportFolder if self.parameters is not None else ""
        if not folder:
            return
        failure, stopped = _("The self-test could not be run."), _("Stopped; nothing was written.")
        with self.attempt(failure, stopped), waiting(_("Self-test")) as progress:
            result = self.logic.selfTest(folder, progress)
            count = len(result.checks)
            if result.failed:
                self.panel.say(result.sentence, isError=True)
            else:
                self.panel.say(_("Self-test: passed {count} of {count}.").format(count=count))
            qt.QDesktopServices.openUrl(qt.QUrl((Path(folder) / FILE).resolve().as_uri()))
