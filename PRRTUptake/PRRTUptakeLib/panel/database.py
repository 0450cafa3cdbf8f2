"""In section 1: a patient of the application's DICOM database, whose images and protocol fill sections 1 and 2."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.panel.section import Section, connect, waiting
from PRRTUptakeLib.panel.study import OWN_FILE


class DatabaseSection(Section):
    """The patients of the database, and the button that loads one."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._listed: tuple[Any, ...] = ()
        connect(self.ui.fromDatabaseButton, "clicked()", self.onFromDatabase)

    def onFromDatabase(self) -> None:
        """Load the chosen patient of the DICOM database, and take over what the case proposes."""
        patient = self.ui.databaseComboBox.itemData(self.ui.databaseComboBox.currentIndex)
        said: list[str] = []
        failure, needs = _("The patient could not be loaded."), "PRRTUptakeLib.mrml.dicom_database"
        with self.attempt(failure), waiting(_("From DICOM database"), needs) as progress:
            from PRRTUptakeLib.mrml.dicom_database import load_from_database

            if not patient:
                raise PRRTError(_("There is no patient in the DICOM database: import the images in the DICOM module."))
            wished = "" if self.parameters.protocol == OWN_FILE else self.parameters.protocol
            found = load_from_database(slicer.dicomDatabase, patient, wished, self.parameters.cycle, progress)
            if self.parameters.protocol != OWN_FILE:
                self.parameters.protocol = found.protocol
            self.parameters.patient = found.patient
            self.parameters.cycle = found.cycle
            if found.segmentation is not None:
                self.parameters.segmentation = found.segmentation
            said = [*found.open]
            if len(found.cycles) > 1:
                listed = ", ".join(map(str, found.cycles))
                said.insert(
                    0, _("Cycles {cycles} are there; cycle {n} is loaded.").format(cycles=listed, n=found.cycle)
                )
            said = said or [_("Loaded; nothing is open.")]
        if said:
            self.panel.say(" ".join(said))

    def refresh(self) -> None:
        """Show the patients of the DICOM database, if they have changed."""
        database = getattr(slicer, "dicomDatabase", None)
        rows = tuple(database.patients()) if database is not None else ()
        if rows != self._listed:  # names are looked up once: a database may hold thousands
            self._listed = rows
            self.ui.databaseComboBox.clear()
            for row, words in database_patients(database).items():
                self.ui.databaseComboBox.addItem(words, row)
        self.ui.fromDatabaseButton.enabled = bool(rows)


def database_patients(database: Any) -> dict[str, str]:
    """Each patient of the database by its row: name and Patient ID."""
    found = {}
    for row in database.patients() if database is not None else ():
        files = _first_file(database, row)
        patient = database.fileValue(files, "0010,0020") if files else ""
        found[str(row)] = f"{database.nameForPatient(row)} ({patient})"
    return found


def _first_file(database: Any, patient: str) -> str:
    for study in database.studiesForPatient(patient):
        for series in database.seriesForStudy(study):
            for file in database.filesForSeries(series, 1):
                return str(file)
    return ""
