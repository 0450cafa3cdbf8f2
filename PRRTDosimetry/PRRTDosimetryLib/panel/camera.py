"""Section 6, camera: its own numbers from phantom images, and their use for the doses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from PRRTUptakeLib.panel.section import Section, connect, waiting
from slicer.i18n import tr as _


class CameraSection(Section):
    """Commissions a camera, and takes the numbers of a camera file."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.phantomPath, "currentPathChanged(QString)", self.onPhantomChosen)
        connect(self.ui.cameraPath, "currentPathChanged(QString)", self.onPathTyped)
        connect(self.ui.commissionButton, "clicked(bool)", self.onCommission)
        connect(self.ui.useCameraButton, "clicked(bool)", self.onUse)
        connect(self.ui.openCameraPageButton, "clicked(bool)", self.onOpen)

    def onPhantomChosen(self, path: str) -> None:
        """Take the phantom file into the parameter node."""
        if self.parameters is not None:
            self.parameters.phantomFile = path

    def onPathTyped(self, path: str) -> None:
        """Enable what the path allows; a file counts once it is used, and no longer where the path is emptied."""
        if self.parameters is not None and not self.panel.busy:
            if not path:
                self.parameters.cameraFile = ""
            self.refresh()

    def refresh(self) -> None:
        """Enable what can be done."""
        parameters = self.parameters
        if self.ui.phantomPath.currentPath != parameters.phantomFile:
            self.ui.phantomPath.currentPath = parameters.phantomFile
        if parameters.cameraFile and not self.ui.cameraPath.currentPath:
            self.ui.cameraPath.currentPath = parameters.cameraFile
        phantom, camera = parameters.phantomFile, self.ui.cameraPath.currentPath
        missing = "" if phantom else _("Choose the phantom file.")
        missing = missing or ("" if camera else _("Say where the camera file is to be written."))
        self.ui.commissionButton.enabled = not missing
        self.ui.commissionButton.toolTip = missing or _("Find the spheres, and write the camera file and its page")
        there = bool(camera) and _is_file(Path(camera))
        self.ui.useCameraButton.enabled = there
        self.ui.useCameraButton.toolTip = (
            _("Take resolution, recovery and the uncertainty of the calibration for the doses")
            if there
            else _("Choose a camera file that is there, or commission the camera.")
        )
        page = there and _is_file(Path(camera).with_suffix(".html"))
        self.ui.openCameraPageButton.enabled = page
        self.ui.openCameraPageButton.toolTip = _("Open it in the web browser") if page else _("Commission first.")
        self.ui.cameraLabel.text = (
            _("In use: {path}").format(path=parameters.cameraFile) if parameters.cameraFile else ""
        )

    def onCommission(self) -> None:
        """Measure the phantom images."""
        if self.parameters is None:
            return
        phantom, camera = self.parameters.phantomFile, self.ui.cameraPath.currentPath
        failure, stopped = _("The camera could not be commissioned."), _("Stopped; no camera file was written.")
        with self.attempt(failure, stopped), waiting(_("Camera")) as progress:
            made = self.logic.commissionCamera(phantom, camera, progress)
            written = _("Camera file {path} written.").format(path=camera)
            self.panel.say("\n".join((written, *made.warnings)))

    def onUse(self) -> None:
        """Take the camera's numbers."""
        if self.parameters is not None:
            with self.attempt(_("The camera file could not be used.")):
                self.panel.say(self.logic.useCamera(self.parameters, self.ui.cameraPath.currentPath))
                used = self.logic.cameraFile(self.parameters)
                if used is not None and used.kind == "counts":
                    self.ui.sensitivitySpinBox.value = used.factor

    def onOpen(self) -> None:
        """Open the page in the web browser."""
        if not self.ui.cameraPath.currentPath:
            return
        page = Path(self.ui.cameraPath.currentPath).with_suffix(".html")
        with self.attempt(_("The page could not be opened.")):
            qt.QDesktopServices.openUrl(qt.QUrl(page.resolve().as_uri()))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the folder is closed to the user
        return False
