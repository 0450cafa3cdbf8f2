"""Entries of Slicer's Sample Data module: synthetic patients, made on the spot."""

from __future__ import annotations

from functools import partial
from typing import Any

from slicer.i18n import tr as _

from PRRTUptakeLib.panel.section import waiting

CATEGORY = "Nuclear Medicine"


def titles() -> dict[str, str]:
    """What each sample is called in the Sample Data module."""
    return {
        "lutia": _("PRRT synthetic patient: LUTIA"),
        "ia-versus-iv": _("PRRT synthetic patient: IA versus IV"),
        "serial": _("PRRT synthetic patient: serial SPECT/CT"),
        "single-arm": _("PRRT synthetic patient: single arm, without lobes"),
    }


def register(iconPath: str) -> None:
    """Add the entries; called when the application has started."""
    import SampleData

    for name, title in titles().items():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=title,
            uris="",  # nothing is downloaded; None is not allowed here
            fileNames="",
            nodeNames=title,
            thumbnailFileName=iconPath,
            customDownloader=partial(load_source, name),  # the same at a second registration, which then adds nothing
        )


def load_source(name: str, source: Any) -> list[Any]:
    """What the Sample Data module calls."""
    return load(name)


def load(name: str) -> list[Any]:
    """Make and load a sample, with a progress dialog that can be cancelled."""
    import slicer

    from PRRTUptakeLib.errors import Cancelled
    from PRRTUptakeLib.mrml.images import MEASURED, image_rows
    from PRRTUptakeLib.mrml.views import show_image

    with slicer.util.tryWithErrorDisplay(_("The synthetic patient could not be made."), waitCursor=True):
        try:
            with waiting(_("Synthetic patient"), "PRRTUptakeLib.mrml.sample_data") as progress:
                from PRRTUptakeLib.mrml.sample_data import load_sample

                nodes = load_sample(name, progress=progress)
            measured = [row.node for row in image_rows() if row.role == MEASURED and row.node in nodes]
            if measured:
                show_image(measured[0])
            return nodes
        except Cancelled:
            return []
