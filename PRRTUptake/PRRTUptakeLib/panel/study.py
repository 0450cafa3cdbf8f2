"""Section 1, protocol and patient."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.images import patient_of_all
from PRRTUptakeLib.panel.section import Section, connect

OWN_FILE = "file"


class StudySection(Section):
    """Which rules apply, who the patient is, and which lobe was treated."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        from PRRTUptakeLib.study.protocol import available_protocols, load_protocol

        for name in available_protocols():
            self.ui.protocolComboBox.addItem(load_protocol(name).title.split(":")[0], name)
        self.ui.protocolComboBox.addItem(_("Own protocol, from a file"), OWN_FILE)
        connect(self.ui.protocolComboBox, "currentIndexChanged(int)", self.onProtocolChosen)
        connect(self.ui.protocolPath, "currentPathChanged(QString)", self.onPathChosen)

    def onProtocolChosen(self, index: int) -> None:
        """Take the chosen protocol into the parameter node."""
        if self.parameters is not None and index >= 0:
            self.parameters.protocol = self.ui.protocolComboBox.itemData(index)

    def onPathChosen(self, path: str) -> None:
        """Take the path of an own protocol into the parameter node."""
        if self.parameters is not None:
            self.parameters.protocolFile = path

    def refresh(self) -> None:
        """Show the protocol and its rules."""
        if self.parameters is None:
            return
        index = self.ui.protocolComboBox.findData(self.parameters.protocol)
        self.ui.protocolComboBox.setCurrentIndex(index)  # none for a protocol that is not known: it is not replaced
        if not self.parameters.patient:
            self.parameters.patient = patient_of_all()
        lobes = self.by_lobe()
        self.ui.treatedLobeComboBox.setVisible(lobes)
        self.ui.treatedLobeComboBoxLabel.setVisible(lobes)
        own = self.parameters.protocol == OWN_FILE
        self.ui.protocolPath.setVisible(own)
        self.ui.protocolPathLabel.setVisible(own)
        if self.ui.protocolPath.currentPath != self.parameters.protocolFile:
            self.ui.protocolPath.currentPath = self.parameters.protocolFile
        if hasattr(self.ui, "protocolRulesLabel"):
            self.ui.protocolRulesLabel.text = self.missing() or rules_text(self.protocol())

    def by_lobe(self) -> bool:
        """Whether the protocol compares lobes; so it is shown while it cannot be read."""
        try:
            return bool(self.protocol().rules.by_lobe)
        except PRRTError:
            return True

    def protocol(self) -> Any:
        """The protocol in force.

        Raises
        ------
        PRRTError
            If it is a file that is not there or not right.
        """
        from PRRTUptakeLib.study.errors import InputFileError
        from PRRTUptakeLib.study.protocol import load_protocol

        if self.parameters.protocol != OWN_FILE:
            return load_protocol(self.parameters.protocol)
        if not self.parameters.protocolFile:
            raise InputFileError(_("Choose the file of your protocol."))
        return load_protocol(self.parameters.protocolFile)

    def missing(self) -> str:
        """What is lacking for a measurement, "" if nothing is."""
        try:
            self.protocol()
        except PRRTError as error:
            return str(error)
        if not self.parameters.patient.strip():
            return _("Name the patient in section 1.")
        return ""


def rules_text(protocol: Any) -> str:
    """Title and rules of a protocol in a few sentences."""
    targets, reference = protocol.targets, protocol.reference
    words = _(
        "{title}. {nuclide} {modality} {time:g} h after injection. Targets above {diameter:g} mm, up to {lobe} per "
        "lobe and {total} in all. Reference: {reference}, {margin:g} mm from lesions."
    )
    if targets.maximum_per_lobe is None:
        words = _(
            "{title}. {nuclide} {modality} {time:g} h after injection. Targets above {diameter:g} mm anywhere in the "
            "body, up to {total}. Reference: {reference}, {margin:g} mm from lesions."
        )
    return words.format(
        title=protocol.title,
        nuclide=protocol.nuclide,
        modality=protocol.imaging.modality,
        time=protocol.imaging.time_after_injection_h,
        diameter=targets.minimum_diameter_mm,
        lobe=targets.maximum_per_lobe,
        total=targets.maximum_total,
        reference=reference.kind.replace("-", " "),
        margin=reference.lesion_margin_mm,
    )
