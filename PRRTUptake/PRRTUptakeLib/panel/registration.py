"""Section 3, registration: which image is moved onto which, by registering or by a transform that is there."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.images import ANATOMY, image_rows
from PRRTUptakeLib.mrml.own_segments import visit_of_segments
from PRRTUptakeLib.mrml.parent_transforms import (
    is_registration,
    measures_of,
    move_by,
    nodes_of_visit,
    pair_rows,
    warnings_of,
)
from PRRTUptakeLib.panel.section import Section, connect, fill_table, waiting
from PRRTUptakeLib.progress import sub_progress

NEEDS = "PRRTUptakeLib.mrml.registration"


class RegistrationSection(Section):
    """Moves the images of one visit onto another; images of one visit move together."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.registerButton, "clicked(bool)", self.onRegister)
        connect(self.ui.registerAllButton, "clicked(bool)", self.onRegisterAll)
        connect(self.ui.useTransformButton, "clicked(bool)", self.onUse)
        connect(self.ui.undoTransformButton, "clicked(bool)", self.onUndo)

    def refresh(self) -> None:
        """Show what is moved by what."""
        rows = pair_rows()
        fill_table(self.ui.registrationTable, [(row.name, row.visit, row.transform, row.quality) for row in rows])
        moving, fixed, transform = self.parameters.moving, self.parameters.fixed, self.parameters.transform
        self._enable(
            self.ui.registerButton,
            _("Find how the image was moved, by CT or MRI, and move it and all others of its visit"),
            _("Choose the CT or MRI to be moved.") if moving is None else "",
            _("Choose the CT or MRI that stays.") if fixed is None else "",
            _("Choose two different images.") if moving is fixed else "",
        )
        others = others_to_register(self.parameters.segmentation)
        self._enable(
            self.ui.registerAllButton,
            _("Register the CT or MRI of every visit onto that of the segments, and move all images of each visit"),
            "" if others else _("There is no CT or MRI of another visit that is not moved yet."),
        )
        self._enable(
            self.ui.useTransformButton,
            _("Move the image, and all others of its visit, by the transform"),
            _("Choose the image to be moved.") if moving is None else "",
            _("Choose a transform.") if transform is None else "",
        )
        is_moved = moving is not None and moving.GetParentTransformNode() is not None
        self._enable(
            self.ui.undoTransformButton,
            _("Put the image, and all others of its visit, back where it was"),
            "" if is_moved else _("Choose an image that is moved."),
        )

    def _enable(self, button: Any, tip: str, *missing: str) -> None:
        lacking = next((text for text in missing if text), "")
        button.enabled = not lacking
        button.toolTip = lacking or tip

    def onRegister(self) -> None:
        """Register, move the images of the visit, and show both images on each other."""
        with self.attempt(_("The images could not be registered.")), waiting(_("Registration"), NEEDS) as progress:
            progress(0.0, _("Registering; this takes about half a minute"))
            from PRRTUptakeLib.mrml.registration import register

            parameters = self.parameters
            fixed, moving, own = parameters.fixed, parameters.moving, parameters.transform
            own = own if is_registration(own, moving) else None  # somebody else's transform is not overwritten
            transform = register(
                fixed, moving, parameters.segmentation, own, sub_progress(progress, 0.0, 0.95), parameters.bend
            )
            move_by(nodes_of_visit(moving), transform)
            self.logic.placeBeside(moving, [transform])
            parameters.transform = transform
            slicer.util.setSliceViewerLayers(background=fixed, foreground=moving, foregroundOpacity=0.5)
            notes = warnings_of(transform)
            words = _("Registered: {quality}.").format(quality=measures_of(transform))
            self.panel.say("\n".join((words, *notes)), isError=bool(notes))

    def onRegisterAll(self) -> None:
        """Register every visit; those that are done stay so when the user stops."""
        stopped = _("Stopped; the visits that were registered before stay so.")
        with (
            self.attempt(_("The visits could not be registered."), stopped),
            waiting(_("Registration"), NEEDS) as progress,
        ):
            from PRRTUptakeLib.mrml.registration import register, visits_to_register

            parameters = self.parameters
            fixed, moving = visits_to_register(parameters.segmentation)
            words: list[str] = []
            doubts: list[str] = []
            for number, node in enumerate(moving):
                step = sub_progress(progress, number / len(moving), (number + 1) / len(moving))
                step(0.0, _("Registering {name}").format(name=node.GetName()))
                transform = register(fixed, node, parameters.segmentation, None, step, parameters.bend)
                move_by(nodes_of_visit(node), transform)
                self.logic.placeBeside(node, [transform])
                words.append(_("{name}: {quality}.").format(name=node.GetName(), quality=measures_of(transform)))
                doubts += warnings_of(transform)
            self.panel.say("\n".join((*words, *doubts)), isError=bool(doubts))

    def onUse(self) -> None:
        """Move by the chosen transform."""
        with self.attempt(_("The image could not be moved.")):
            parameters = self.parameters
            if parameters.transform is None:
                raise PRRTError(_("Choose a transform."))
            move_by(nodes_of_visit(parameters.moving), parameters.transform)
            if parameters.fixed is not None:
                slicer.util.setSliceViewerLayers(
                    background=parameters.fixed, foreground=parameters.moving, foregroundOpacity=0.5
                )

    def onUndo(self) -> None:
        """Put back what was moved."""
        with self.attempt(_("The image could not be put back.")):
            move_by(nodes_of_visit(self.parameters.moving), None)


def others_to_register(segmentation: Any) -> bool:
    """Whether the CT or MRI of another visit is there that is not moved yet; without loading what registers."""
    rows = [row for row in image_rows() if row.role == ANATOMY and row.visit]
    still = {row.visit for row in rows if row.node.GetParentTransformNode() is None}
    fixed = visit_of_segments(segmentation) if segmentation is not None else ""
    names = {row.visit for row in rows}
    return bool(still - {fixed if fixed in names else rows[0].visit}) if rows else False
