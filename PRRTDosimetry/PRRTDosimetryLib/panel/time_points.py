"""Section 1, time points: what was injected, and the images at known times after it."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.images import check_one_patient
from PRRTUptakeLib.nuclides.radionuclides import nuclides_for_kernels
from PRRTUptakeLib.panel.images import lack_words
from PRRTUptakeLib.panel.section import Section, connect, fill_table, show_in_views
from slicer.i18n import tr as _

from PRRTDosimetryLib.mrml.time_points import (
    TimePoint,
    check_time_points,
    image_facts,
    lacks_calibration,
    observed_rate,
    set_hours,
    set_rate,
    set_segmentation,
    time_points,
)
from PRRTDosimetryLib.panel.choices import Sex


class TimePointsSection(Section):
    """The images of one treatment cycle in the order of time."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.points: tuple[TimePoint, ...] = ()
        for name in nuclides_for_kernels():
            self.ui.nuclideComboBox.addItem(name, name)
        connect(self.ui.nuclideComboBox, "currentIndexChanged(int)", self.onNuclide)
        connect(self.ui.timePointsTable, "itemSelectionChanged()", self.onRowChosen)
        connect(self.ui.pointHoursSpinBox, "editingFinished()", self.onHours)
        connect(self.ui.pointRateSpinBox, "editingFinished()", self.onRate)
        connect(self.ui.pointSegmentationSelector, "currentNodeChanged(vtkMRMLNode*)", self.onSegmentation)
        connect(self.ui.calibrateButton, "clicked(bool)", self.onCalibrate)
        for field in (self.ui.sensitivitySpinBox, self.ui.durationSpinBox):
            connect(field, "valueChanged(double)", self.showChosen)

    def onNuclide(self, index: int) -> None:
        """Take the nuclide into the parameter node."""
        if self.parameters is not None and index >= 0:
            self.parameters.nuclide = self.ui.nuclideComboBox.itemData(index)

    def refresh(self) -> None:
        """Show the treatment and the time points."""
        self.points = time_points(self.parameters.segmentation)
        self._take_image_facts()
        self.ui.nuclideComboBox.setCurrentIndex(self.ui.nuclideComboBox.findData(self.parameters.nuclide))
        lines = [
            (
                point.row.name,
                f"{point.row.hours:.1f} h" if point.row.hours is not None else "",
                point.row.units or _("counts"),
                (point.segmentation.GetName() if point.segmentation is not None else ""),
                ", ".join(lack_words(word) for word in point.row.lacks if word != "visit"),
            )
            for point in self.points
        ]
        fill_table(self.ui.timePointsTable, lines)
        self.ui.timePointsLabel.text = self.missing() or self._contradiction()
        self.showChosen()

    def _take_image_facts(self) -> None:
        """Fill in what the user left open and all images agree on."""
        note = image_facts(self.points)
        if self.parameters.activity_MBq == 0 and note.activity_MBq:
            self.parameters.activity_MBq = note.activity_MBq
            if note.nuclide in nuclides_for_kernels():
                self.parameters.nuclide = note.nuclide
        if self.parameters.sex is Sex.NOT_STATED and note.sex in ("F", "M"):
            self.parameters.sex = Sex(note.sex)

    def _contradiction(self) -> str:
        activity = image_facts(self.points).activity_MBq
        if activity is not None and abs(activity - self.parameters.activity_MBq) > 0.5:
            return _("The images state {stated:g} MBq, but {chosen:g} MBq is given.").format(
                stated=activity, chosen=self.parameters.activity_MBq
            )
        return ""

    def chosen(self) -> TimePoint | None:
        """The row that the user chose."""
        number = self.ui.timePointsTable.currentRow()
        return self.points[number] if 0 <= number < len(self.points) else None

    def onRowChosen(self) -> None:
        """Show the chosen image, by mouse or arrow key, in the fields and in the slice views."""
        self.showChosen()
        point = self.chosen()
        if point is not None:
            show_in_views(self, point.node, point.segmentation)

    def two_patients(self) -> str:
        """Whose images are mixed, "" where they are of one patient."""
        try:
            check_one_patient(tuple(point.row for point in time_points(self.parameters.segmentation)))
        except PRRTError as error:
            return str(error)
        return ""

    def showChosen(self) -> None:
        """Show the chosen image in the fields below the table; without one they are disabled."""
        point = self.chosen()
        hours, segments, rate = self.ui.pointHoursSpinBox, self.ui.pointSegmentationSelector, self.ui.pointRateSpinBox
        for field in (hours, segments, rate):
            field.enabled = point is not None
            field.blockSignals(True)
        hours.value = (point.row.hours or 0.0) if point is not None else 0.0
        rate.value = (observed_rate(point.node) or 0.0) if point is not None else 0.0
        segments.setCurrentNode(point.segmentation if point is not None and point.own else None)
        for field in (hours, segments, rate):
            field.blockSignals(False)
        counts = point is not None and lacks_calibration(point.node)
        self.ui.sensitivitySpinBox.enabled = self.ui.durationSpinBox.enabled = counts
        given = self.ui.sensitivitySpinBox.value > 0 and self.ui.durationSpinBox.value > 0
        self.ui.calibrateButton.enabled = counts and given
        self.ui.calibrateButton.toolTip = (
            _("Choose an image of counts, that is without units.")
            if not counts
            else _("Turn the counts into Bq/ml")
            if given
            else _("Give sensitivity and acquisition time.")
        )

    def onHours(self) -> None:
        """Set the time after injection of the chosen image."""
        point = self.chosen()
        if point is not None:
            with self.attempt(_("The time could not be set.")):
                set_hours(point.node, self.ui.pointHoursSpinBox.value)

    def onRate(self) -> None:
        """Set the count rate of the chosen image, by which the dead time of the camera file is corrected."""
        point = self.chosen()
        if point is not None:
            with self.attempt(_("The count rate could not be set.")):
                set_rate(point.node, self.ui.pointRateSpinBox.value)

    def onSegmentation(self, node: Any) -> None:
        """Say which segments were drawn for the chosen image alone."""
        point = self.chosen()
        if point is not None and self.parameters is not None and not self.panel.busy:
            with self.attempt(_("The segments could not be chosen.")):
                set_segmentation(point.node, node)

    def onCalibrate(self) -> None:
        """Turn the counts of the chosen image into activity."""
        point = self.chosen()
        if point is not None:
            with self.attempt(_("The image could not be calibrated.")):
                logic = self.logic.dosimetryFor(self.parameters)
                logic.calibrate(point.node, self.ui.sensitivitySpinBox.value, self.ui.durationSpinBox.value)

    def missing(self) -> str:
        """What is lacking for doses, "" if nothing is."""
        try:
            check_time_points(time_points(self.parameters.segmentation))
        except PRRTError as error:
            return str(error)
        if not self.parameters.activity_MBq > 0:
            return _("Give the administered activity in section 1.")
        if self.parameters.sex is Sex.NOT_STATED:
            return _("Give the patient's sex in section 1; it chooses the phantom.")
        return self._wrong_phantom()

    def _wrong_phantom(self) -> str:
        """What is wrong with the recoveries that were typed, "" if nothing is."""
        try:
            self.logic.recoveryCurve(self.parameters)
        except PRRTError as error:
            return str(error)
        return ""
