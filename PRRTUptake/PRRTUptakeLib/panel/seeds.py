"""Part of section 4: lesions delineated in an image at points that the user clicks."""

from __future__ import annotations

import math
from typing import Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.panel.choices import Delineation
from PRRTUptakeLib.panel.section import Section, connect

SHARES = (Delineation.PERCENT, Delineation.ADAPTED)


class SeedsSection(Section):
    """Points, how to delineate, and the lesions that come out."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.placeSeedsButton, "clicked(bool)", self.onPlace)
        connect(self.ui.delineateButton, "clicked(bool)", self.onDelineate)

    def refresh(self) -> None:
        """Show the number that the method takes, and what is missing."""
        kind = self.parameters.delineation
        self.ui.delineationPercentSpinBox.setVisible(kind in SHARES)
        self.ui.delineationValueSpinBox.setVisible(kind is Delineation.FIXED)
        missing = self.missing()
        self.ui.delineateButton.enabled = not missing
        self.ui.delineateButton.toolTip = missing or _(
            "Add one lesion per point to the segments; then split the lesions, which gives them lobe and id"
        )

    def missing(self) -> str:
        """What a delineation lacks, "" if nothing."""
        parameters = self.parameters
        if parameters.segmentation is None:
            return _("Choose a segmentation first.")
        if self._image() is None:
            return _("Choose the image in which the lesions are seen.")
        if parameters.seeds is None:
            return _("Place one point in each lesion first.")
        if parameters.delineation is Delineation.FIXED and not parameters.delineationValue > 0:
            return _("Give the threshold.")
        return ""

    def _image(self) -> Any:
        chosen = self.parameters.seedImage
        measured = self.panel.images.measured()
        return chosen if chosen is not None or not measured else measured[0].node

    def onPlace(self) -> None:
        """Let the user click points in the views, into the chosen list or a new one."""
        with self.attempt(_("The points could not be placed.")):
            parameters = self.parameters
            if parameters.seeds is None:
                node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Lesion points")
                node.CreateDefaultDisplayNodes()
                if parameters.segmentation is not None:
                    self.logic.placeBeside(parameters.segmentation, [node])
                parameters.seeds = node
            markups = slicer.modules.markups.logic()
            markups.SetActiveList(parameters.seeds)
            markups.StartPlaceMode(True)
            self.panel.say(_("Click one point in each lesion; press Escape when done."))

    def onDelineate(self) -> None:
        """Delineate a lesion at every point."""
        parameters = self.parameters
        value = {
            Delineation.FIXED: parameters.delineationValue,
            Delineation.GRADIENT: math.nan,
        }.get(parameters.delineation, parameters.delineationPercent / 100)
        self.panel.segments.run(
            _("The lesions could not be delineated."),
            lambda logic: logic.delineateLesions(
                parameters.segmentation,
                self._image(),
                parameters.seeds,
                parameters.delineation.value,
                value,
                parameters.seedRadius,
            ),
        )
