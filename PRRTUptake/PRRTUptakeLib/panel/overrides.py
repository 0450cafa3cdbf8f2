"""Part of section 2: values that the operator states where a header is silent or wrong, with the reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.images import MEASURED
from PRRTUptakeLib.panel.section import Section, connect, waiting

NEEDS = "PRRTUptakeLib.mrml.dicom_nodes"
TIME_BASES = ("total", "per-view", "rate")


class OverridesSection(Section):
    """Reads the chosen image again from its DICOM with what the operator states; the header is checked against it."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        words = {
            "total": _("counts of the whole acquisition"),
            "per-view": _("counts of one view"),
            "rate": _("counts per second"),
        }
        for key in TIME_BASES:
            self.ui.overrideTimeBaseComboBox.addItem(words[key], key)
        connect(self.ui.applyOverridesButton, "clicked(bool)", self.onApply)
        connect(self.ui.imagesTable, "itemSelectionChanged()", self.refresh)
        connect(self.ui.overrideReasonLineEdit, "textChanged(QString)", self.refresh)

    def refresh(self) -> None:
        """Enable the button for a measured image and a reason."""
        missing = self._missing()
        self.ui.applyOverridesButton.enabled = not missing
        self.ui.applyOverridesButton.toolTip = missing or _(
            "Read the image from its DICOM with these values before the header's; both are kept with it"
        )

    def _missing(self) -> str:
        row = self.panel.images.chosen()
        if row is None or row.role != MEASURED:
            return _("Choose a measured image in the table.")
        return "" if self.ui.overrideReasonLineEdit.text.strip() else _("Give the reason.")

    def stated(self) -> Any:
        """What the operator states, as ``dicom.operator_overrides`` takes it.

        Raises
        ------
        PRRTError
            If a value is impossible, or nothing is stated.
        """
        from PRRTUptakeLib.dicom.operator_overrides import Calibration, OperatorOverrides

        ui = self.ui
        given: dict[str, Any] = {
            "activity_MBq": ui.overrideActivitySpinBox.value or None,
            "weight_kg": ui.overrideWeightSpinBox.value or None,
            "height_cm": ui.overrideHeightSpinBox.value or None,
            "time_zone": ui.overrideZoneLineEdit.text.strip() or None,
            "injection_time": _moment(ui.overrideInjectionLineEdit.text.strip()),
        }
        if ui.overrideSensitivitySpinBox.value > 0:
            base = ui.overrideTimeBaseComboBox.itemData(ui.overrideTimeBaseComboBox.currentIndex)
            given["calibration"] = Calibration(ui.overrideSensitivitySpinBox.value, base)
        if not any(value is not None for value in given.values()):
            raise PRRTError(_("Nothing is stated: fill in at least one value that goes before the header's."))
        return OperatorOverrides(**given, reason=ui.overrideReasonLineEdit.text.strip())

    def onApply(self) -> None:
        """Read the chosen image again."""
        row = self.panel.images.chosen()
        if row is None:
            return
        with self.attempt(_("The image could not be read again.")), waiting(_("Reading"), NEEDS) as progress:
            from PRRTUptakeLib.mrml.dicom_nodes import node_from_series
            from PRRTUptakeLib.mrml.images import describe_image
            from PRRTUptakeLib.mrml.scene_dicom import source_series

            stated = self.stated()
            series = source_series(row.node, getattr(slicer, "dicomDatabase", None))
            as_suv = row.quantity.startswith("SUV")
            node_from_series(series, row.name, as_suv, stated, row.node, progress)
            describe_image(row.node, role=row.role, visit=row.visit)
            self.panel.say(_("Read again with the stated values: {reason}.").format(reason=stated.reason))


def _moment(text: str) -> datetime | None:
    """A date and time with its difference from UTC; None for an empty field."""
    if not text:
        return None
    day, _space, rest = text.partition(" ")
    try:
        found = datetime.fromisoformat(f"{day}T{rest.replace(' ', '')}")
    except ValueError as error:
        raise PRRTError(
            _("'{text}' is not a date and time: write 2026-03-04 09:30 +01:00.").format(text=text)
        ) from error
    if found.tzinfo is None:
        raise PRRTError(_("'{text}' has no difference from UTC: add it, for instance +01:00.").format(text=text))
    return found
