"""Vendors' private attributes that PET quantification needs, found by their creator, whatever VR they were stored with.

Creators and meanings: the DICOM conformance statements of GE (PET scan_datetime) and Philips (SUV and activity
concentration scale factors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.tag import Tag

from PRRTUptakeLib.dicom.errors import HeaderError
from PRRTUptakeLib.dicom.headers import as_numbers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class PrivateAttribute:
    """A private attribute: its group, its number within the block, and the creator who reserved the block."""

    name: str
    group: int
    element: int
    creator: str

    @property
    def label(self) -> str:
        """Name and usual tag, for messages."""
        return f"{self.name} ({self.group:04X},{0x1000 | self.element:04X})"

    @property
    def usual_tag(self) -> Any:
        """Its tag in block 10."""
        return Tag(self.group, 0x1000 | self.element)

    def tag_in(self, dataset: Dataset) -> Any:
        """Its tag in this object; None if absent. Without any creator in the group, block 10 is taken as usual."""
        reserved = [Tag(self.group, box) for box in range(0x10, 0x100)]
        creators = {tag.element: str(dataset[tag].value) for tag in reserved if tag in dataset}
        boxes = [
            box for box, creator in creators.items() if creator.strip(" \0").upper().startswith(self.creator.upper())
        ]
        if not creators:
            boxes = [0x10]
        for box in boxes:
            tag = Tag(self.group, box << 8 | self.element)
            if tag in dataset:
                return tag
        return None

    def text_in(self, dataset: Dataset, where: str) -> str:
        """Its value as text, "" if absent or empty."""
        tag = self.tag_in(dataset)
        if tag is None:
            return ""
        try:
            value = dataset[tag].value
        except Exception as error:  # pydicom converts on access and raises many kinds
            raise HeaderError(f"{self.label} of {where} cannot be read ({error}).") from error
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        return "" if value is None else str(value).strip(" \0")

    def number_in(self, dataset: Dataset, where: str) -> float | None:
        """Its value as one finite number; None if absent or empty. Raises HeaderError if it is something else."""
        value = self.text_in(dataset, where)
        return as_numbers(value, self.label, where, 1)[0] if value else None


GE_SCAN_DATETIME = PrivateAttribute("GE PET scan date and time", 0x0009, 0x0D, "GEMS_PETD_01")
PHILIPS_SUV_FACTOR = PrivateAttribute("Philips SUV Scale Factor", 0x7053, 0x00, "Philips PET Private Group")
PHILIPS_ACTIVITY_FACTOR = PrivateAttribute(
    "Philips Activity Concentration Scale Factor", 0x7053, 0x09, "Philips PET Private Group"
)
