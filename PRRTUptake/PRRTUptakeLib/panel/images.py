"""Section 2, images: a table of the scene's volumes, and fields to complete a row."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.images import (
    ANATOMY,
    IMAGE_ROLES,
    LACKS_TIME,
    LACKS_UNITS,
    LACKS_VISIT,
    MEASURABLE_UNITS,
    MEASURED,
    ROUTE_ATTRIBUTE,
    UNUSED,
    ImageRow,
    check_one_patient,
    describe_image,
    image_rows,
    propose_visits,
)
from PRRTUptakeLib.panel.section import Section, connect, fill_table, show_in_views


class ImagesSection(Section):
    """Which volume is what; each row says what it lacks."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.rows: tuple[ImageRow, ...] = ()
        for role in IMAGE_ROLES:
            self.ui.imageRoleComboBox.addItem(role_words(role), role)
        self.ui.imageUnitsComboBox.addItem(_("not stated"), "")
        for units in MEASURABLE_UNITS:
            self.ui.imageUnitsComboBox.addItem(units, units)
        for words, route in ((_("not stated"), ""), (_("into an artery (IA)"), "IA"), (_("into a vein (IV)"), "IV")):
            self.ui.imageRouteComboBox.addItem(words, route)
        connect(self.ui.imageRouteComboBox, "activated(int)", self.onRoute)
        connect(self.ui.proposeVisitsButton, "clicked(bool)", self.onProposeVisits)
        connect(self.ui.imagesTable, "itemSelectionChanged()", self.onRowChosen)
        connect(self.ui.imageRoleComboBox, "activated(int)", self.onRole)
        connect(self.ui.imageUnitsComboBox, "activated(int)", self.onUnits)
        connect(self.ui.imageVisitLineEdit, "editingFinished()", self.onVisit)
        connect(self.ui.imageHoursSpinBox, "editingFinished()", self.onHours)

    def refresh(self) -> None:
        """Show every volume of the scene."""
        self.rows = image_rows()
        lines = [
            (
                row.name,
                role_words(row.role),
                row.visit,
                quantity_words(row),
                f"{row.hours:.1f} h" if row.hours is not None else "",
                ", ".join(lack_words(word) for word in row.lacks),
            )
            for row in self.rows
        ]
        fill_table(self.ui.imagesTable, lines)
        self.ui.imagesLabel.text = self.missing()
        lacking = any(not row.visit for row in self.rows if row.role != UNUSED)
        self.ui.proposeVisitsButton.enabled = lacking
        self.ui.proposeVisitsButton.toolTip = (
            _("Name the visits by route, time after injection or day of the scan")
            if lacking
            else _("Every image in use has its visit.")
        )
        self.showChosen()

    def chosen(self) -> ImageRow | None:
        """The row that the user chose."""
        number = self.ui.imagesTable.currentRow()
        return self.rows[number] if 0 <= number < len(self.rows) else None

    def onRowChosen(self) -> None:
        """Show the chosen image, by mouse or arrow key, in the fields and in the slice views."""
        self.showChosen()
        row = self.chosen()
        if row is not None and row.role == MEASURED:
            show_in_views(self, row.node, self.parameters.segmentation, self.parameters.lobePlane)

    def onRoute(self, index: int) -> None:
        """State how the activity of the chosen image was given."""
        self._describe(route=self.ui.imageRouteComboBox.itemData(index))

    def onProposeVisits(self) -> None:
        """Name the visits that have no name yet."""
        with self.attempt(_("The visits could not be named.")):
            names = propose_visits()
            self.panel.say(_("Visits: {names}.").format(names=", ".join(names)))

    def two_patients(self) -> str:
        """Whose images are mixed, "" where they are of one patient."""
        try:
            check_one_patient(tuple(row for row in image_rows() if row.role != UNUSED))
        except PRRTError as error:
            return str(error)
        return ""

    def showChosen(self) -> None:
        """Show the chosen row in the fields below the table; without one they are disabled."""
        row = self.chosen()
        fields = (
            self.ui.imageRoleComboBox,
            self.ui.imageVisitLineEdit,
            self.ui.imageUnitsComboBox,
            self.ui.imageHoursSpinBox,
            self.ui.imageRouteComboBox,
        )
        for field in fields:
            field.enabled = row is not None
            field.blockSignals(True)
        self.ui.imageRoleComboBox.setCurrentIndex(IMAGE_ROLES.index(row.role) if row else -1)
        self.ui.imageVisitLineEdit.text = row.visit if row else ""
        self.ui.imageUnitsComboBox.setCurrentIndex(max(self.ui.imageUnitsComboBox.findData(row.units), 0) if row else 0)
        route = row.node.GetAttribute(ROUTE_ATTRIBUTE) or "" if row else ""
        self.ui.imageRouteComboBox.setCurrentIndex(max(self.ui.imageRouteComboBox.findData(route), 0))
        self.ui.imageHoursSpinBox.value = (row.hours or 0.0) if row else 0.0
        for field in fields:
            field.blockSignals(False)

    def onRole(self, index: int) -> None:
        """Give the chosen volume another role."""
        self._describe(role=self.ui.imageRoleComboBox.itemData(index))

    def onUnits(self, index: int) -> None:
        """Set the units of the chosen volume."""
        units = self.ui.imageUnitsComboBox.itemData(index)
        if units:
            self._describe(units=units)

    def onVisit(self) -> None:
        """Set the visit of the chosen volume."""
        self._describe(visit=self.ui.imageVisitLineEdit.text)

    def onHours(self) -> None:
        """Set the time after injection of the chosen volume."""
        self._describe(hours=self.ui.imageHoursSpinBox.value)

    def _describe(self, **notes: Any) -> None:
        row = self.chosen()
        if row is not None:
            with self.attempt(_("The image could not be described.")):
                describe_image(row.node, **notes)

    def measured(self) -> tuple[ImageRow, ...]:
        """The images to measure."""
        return tuple(row for row in image_rows() if row.role == MEASURED)

    def missing(self) -> str:
        """What is lacking for a measurement, "" if nothing is."""
        rows = self.measured()
        if not rows:
            return _("Load a PET or SPECT image and give it the role 'measured' in section 2.")
        for row in rows:
            if LACKS_UNITS in row.lacks or LACKS_VISIT in row.lacks:
                return _("Complete '{name}' in section 2: it lacks {lacks}.").format(
                    name=row.name, lacks=", ".join(lack_words(word) for word in row.lacks)
                )
        visits = [row.visit for row in rows]
        twice = next((visit for visit in visits if visits.count(visit) > 1), None)
        if twice is not None:
            return _("Two measured images are called '{visit}': give each visit its own name.").format(visit=twice)
        return self.two_patients()


def quantity_words(row: ImageRow) -> str:
    """Quantity and units as the user reads them."""
    words = {"activity concentration": _("activity"), "SUVbw": _("SUVbw"), "attenuation": _("attenuation")}
    units = {"[hnsf'U]": "HU", "g/ml{SUVbw}": "g/mL", "1": ""}
    return f"{words.get(row.quantity, row.quantity)} {units.get(row.units, row.units)}".strip()


def role_words(role: str) -> str:
    """A role as the user reads it."""
    return {MEASURED: _("measured"), ANATOMY: _("anatomy"), UNUSED: _("not used")}[role]


def lack_words(word: str) -> str:
    """What is lacking, as the user reads it."""
    return {LACKS_UNITS: _("units"), LACKS_VISIT: _("visit"), LACKS_TIME: _("time after injection")}[word]
