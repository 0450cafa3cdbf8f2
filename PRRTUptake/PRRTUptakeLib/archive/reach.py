"""The archive behind an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.address import WebAddress
from PRRTUptakeLib.archive.dicomweb import WebArchive
from PRRTUptakeLib.archive.dimse import DimseArchive

if TYPE_CHECKING:
    from PRRTUptakeLib.archive.address import Address
    from PRRTUptakeLib.archive.archive_types import Archive


def archive_at(address: Address, title: str = "", port: int = 0) -> Archive:
    """DICOMweb or DIMSE, by the kind of the address; ``title`` and ``port`` are this program's own, for DIMSE.

    Raises
    ------
    ArchiveError
        If the package for it is not installed, or credentials are not usable.
    """
    if isinstance(address, WebAddress):
        return WebArchive(address)
    return DimseArchive(address, title, port)
