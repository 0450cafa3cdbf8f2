"""The logic of PRRT Uptake: from nodes to a table. Panels, console and command line all come through here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import check_one_patient, image_row
from PRRTUptakeLib.mrml.inputs import SceneStudy, Stated, images_to_measure, scene_study
from PRRTUptakeLib.mrml.own_segments import check_together
from PRRTUptakeLib.mrml.planes import cut_from_node, node_from_plane
from PRRTUptakeLib.mrml.segment_logic import (
    SegmentLogic,
    keep_native_segments,
    keep_segments,
    target_overrides_of,
    territory_overrides_of,
)
from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
from PRRTUptakeLib.mrml.session_alignment import check_alignment
from PRRTUptakeLib.mrml.tables import table_from_measurements
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.mrml.volumes import linear_parent_matrix, require_in_scene
from PRRTUptakeLib.progress import Progress, in_background, let_face_answer, no_progress, sub_progress
from PRRTUptakeLib.study.contour_propagation import moved_plane
from PRRTUptakeLib.study.model import StudyResult
from PRRTUptakeLib.study.preparation import Prepared, prepare
from PRRTUptakeLib.study.protocol import Protocol, load_protocol
from PRRTUptakeLib.study.run import run
from PRRTUptakeLib.study.visit import VisitResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.session_alignment import CheckedVisit
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve


class UptakeLogic(SegmentLogic):
    """Measures images of one patient by a protocol.

    Attributes
    ----------
    protocol : the rules in force.
    phantom : recovery curve of the camera, by which targets are corrected beside the others; None for none.
    prepared : the segments as the last call of `prepare` or `measureImages` labelled them; None before.
    measured : the study's result of the last `measureImages`; None before.
    result : of the first image, for designs that measure visits one by one; else None.
    """

    def __init__(self, protocol: str | Path = "lutia") -> None:
        self.protocol: Protocol = load_protocol(protocol)
        self.phantom: RecoveryCurve | None = None
        self.prepared: Prepared | None = None
        self.result: VisitResult | None = None
        self.measured: StudyResult | None = None
        self.scene: SceneStudy | None = None

    def setProtocol(self, protocol: str | Path) -> None:
        """Take the rules of another protocol, a shipped name or a file; earlier results are dropped if they differ."""
        taken = load_protocol(protocol)
        if taken.sha256 != self.protocol.sha256:
            self.protocol = taken
            self.prepared = self.result = self.measured = self.scene = None

    def prepare(self, imageNode: Any, segmentationNode: Any, lobePlaneNode: Any = None) -> Prepared:
        """Split the liver into lobes, number and size the lesions, choose targets, make reference regions.

        The labelled segments replace those of ``segmentationNode``; segments that are not recognised stay as they are.

        Parameters
        ----------
        imageNode : vtkMRMLScalarVolumeNode of the activity; the most uniform part of the liver is sought in it.
        segmentationNode : vtkMRMLSegmentationNode with liver and lesions.
        lobePlaneNode : vtkMRMLMarkupsPlaneNode that parts the lobes; None to use drawn lobes, or the plane through
            gallbladder and vena cava.

        Raises
        ------
        PRRTError
            If the data do not allow it; the nodes are then as they were.
        """
        check_together(segmentationNode, imageNode)
        return self._keep(
            self._prepared(placed_volume(imageNode)[0], segmentationNode, lobePlaneNode), segmentationNode
        )

    def _prepared(self, image: Volume, segmentationNode: Any, lobePlaneNode: Any) -> Prepared:
        plane = cut_from_node(lobePlaneNode) if lobePlaneNode is not None else None
        segmentation = segmentation_from_node(segmentationNode)
        target_overrides, territory_overrides = (
            target_overrides_of(segmentationNode),
            territory_overrides_of(segmentationNode),
        )
        return prepare(
            segmentation, self.protocol, image, plane, target_overrides, territory_overrides=territory_overrides
        )

    def _keep(self, prepared: Prepared, segmentationNode: Any) -> Prepared:
        keep_segments(prepared.segmentation, segmentationNode)
        self.prepared = prepared
        return prepared

    def placePlane(self, lobePlaneNode: Any = None) -> Any:
        """Show the plane that parted the lobes as a markups node for the user to adjust; returns the node.

        Raises
        ------
        NodeError
            If no lobes were split by a plane yet.
        """
        if self.prepared is None or self.prepared.plane is None:
            raise NodeError("There is no plane to show: split the liver into lobes first.")
        return node_from_plane(self.prepared.plane, "Lobe plane", lobePlaneNode)

    def checkAlignment(self, emissionNode: Any, anatomyNode: Any, segmentationNode: Any = None) -> CheckedVisit:
        """Report whether SPECT or PET is on the CT of its session; see `session_alignment.check_alignment`.

        ``warnings`` of the result are empty if it does; ``check.words`` says where the best shift would be.
        """
        return check_alignment(emissionNode, anatomyNode, segmentationNode)

    def measureImages(
        self,
        images: Sequence[Any],
        segmentationNode: Any,
        lobePlaneNode: Any = None,
        treatedLobe: str = "",
        patient: str = "patient",
        cycle: int = 1,
        tableNode: Any = None,
        progress: Progress = no_progress,
    ) -> Any:
        """Measure several images of one patient with the same segments; one table for all.

        Parameters
        ----------
        images : pairs of a vtkMRMLScalarVolumeNode and the name of its visit.
        progress : called with how far the work is; may raise `Cancelled`, then nothing was changed.

        The other parameters and what is returned are as for `measure`. ``self.measured`` holds all that was found.
        """
        if not images:
            raise NodeError("There is no image to measure: load a PET or SPECT image.")
        if treatedLobe not in ("", "left", "right"):
            raise NodeError(f"The treated lobe is left, right or empty, but not '{treatedLobe}'.")
        check_one_patient(tuple(image_row(node) for node, _ in images if node is not None))
        visits = [visit for _, visit in images]
        twice = next((visit for visit in visits if visits.count(visit) > 1), None)
        if twice is not None:
            raise NodeError(f"Two measured images are called '{twice}': give each visit its own name.")
        progress(0.0, "Reading the images")
        stated = Stated(
            patient=patient, protocol=self.protocol, cycle=cycle, treated_lobe=treatedLobe, recovery=self.phantom
        )
        cuts = {segmentationNode.GetID(): lobePlaneNode} if segmentationNode is not None else {}

        def work(step: Progress) -> tuple[SceneStudy, StudyResult]:
            read = scene_study(images_to_measure(images, segmentationNode), stated, cuts)
            return read, run(read.input, sub_progress(step, 0.1, 0.9))

        scene, measured = in_background(progress, work)
        progress(0.95, "Writing the table")
        require_in_scene(tableNode, *scene.segmentations.values(), *scene.images.values())
        self.prepared = keep_measured_segments(measured, scene, progress)
        self.scene, self.measured, self.result = scene, measured, next(iter(measured.visits), None)
        return table_from_measurements(measured.rows, f"Measurements {patient}", tableNode)

    def measure(
        self,
        imageNode: Any,
        segmentationNode: Any,
        lobePlaneNode: Any = None,
        treatedLobe: str = "",
        patient: str = "patient",
        cycle: int = 1,
        visit: str = "visit",
        tableNode: Any = None,
    ) -> Any:
        """Prepare the segments as they are now and measure them in the image.

        Parameters
        ----------
        imageNode, segmentationNode, lobePlaneNode : as for `prepare`.
        treatedLobe : "left", "right", or "" while the analysis is blinded.
        patient, cycle, visit : names for the rows.
        tableNode : vtkMRMLTableNode to overwrite; a new one is made if None.

        Returns
        -------
        The vtkMRMLTableNode with one row per region and metric. Details are in ``self.result``.

        Raises
        ------
        PRRTError
            If the data do not allow an answer.
        """
        images = [(imageNode, visit)]
        return self.measureImages(images, segmentationNode, lobePlaneNode, treatedLobe, patient, cycle, tableNode)


def keep_measured_segments(result: StudyResult, scene: SceneStudy, progress: Progress = no_progress) -> Prepared | None:
    """Put the labelled segments of a result into the nodes that they came from; returns the first, in the world.

    Between two nodes the face of ``progress`` may redraw: to fill one takes up to a second in Slicer.
    """
    first: Prepared | None = None
    visits = {one.visit: one.key for one in scene.input.visits}
    for contents in result.contents:
        if contents.prepared is None:
            continue
        node = scene.segmentations[visits[contents.visit]]
        if first is not None:
            let_face_answer(progress)
        keep_native_segments(contents.prepared.segmentation, node)
        if first is None:
            first = contents.prepared
            if first.plane is not None and node.GetParentTransformNode() is not None:
                first = replace(first, plane=moved_plane(first.plane, linear_parent_matrix(node)))
    return first
