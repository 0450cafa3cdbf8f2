"""The logic of PRRT Uptake: from nodes to a table. Panels, console and command line all come through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.planes import node_from_plane, plane_from_node
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node
from PRRTUptakeLib.mrml.tables import table_from_measurements
from PRRTUptakeLib.mrml.volumes import NodeError, volume_from_node
from PRRTUptakeLib.trial.pipeline import VisitLabels, VisitResult, measure_visit
from PRRTUptakeLib.trial.preparation import Prepared, prepare
from PRRTUptakeLib.trial.protocol import Protocol, load_protocol
from PRRTUptakeLib.trial.rows import measurement_rows

if TYPE_CHECKING:
    from pathlib import Path

MEASURABLE_UNITS = ("Bq/ml", "kBq/ml", "MBq/ml", "g/ml{SUVbw}")


class UptakeLogic:
    """Measures one visit of one patient by a protocol.

    Attributes
    ----------
    protocol : the rules in force.
    prepared, result : what the last calls of `prepare` and `measure` found; None before.
    """

    def __init__(self, protocol: str | Path = "lutia") -> None:
        self.protocol: Protocol = load_protocol(protocol)
        self.prepared: Prepared | None = None
        self.result: VisitResult | None = None

    def setProtocol(self, protocol: str | Path) -> None:
        """Take the rules of another protocol, a shipped name or a file; earlier results are dropped."""
        self.protocol = load_protocol(protocol)
        self.prepared = self.result = None

    def prepare(self, imageNode: Any, segmentationNode: Any, lobePlaneNode: Any = None) -> Prepared:
        """Split the liver into lobes, number and size the lesions, choose targets, make reference regions.

        The labelled segments replace those of ``segmentationNode``; segments that are not recognised stay as they are.

        Parameters
        ----------
        imageNode : vtkMRMLScalarVolumeNode of the activity; the calmest part of the liver is sought in it.
        segmentationNode : vtkMRMLSegmentationNode with liver and lesions.
        lobePlaneNode : vtkMRMLMarkupsPlaneNode that parts the lobes; None to use drawn lobes, or the plane through
            gallbladder and vena cava.

        Raises
        ------
        PRRTError
            If the data do not allow it; the nodes are then as they were.
        """
        image, segmentation = volume_from_node(imageNode), segmentation_from_node(segmentationNode)
        plane = plane_from_node(lobePlaneNode) if lobePlaneNode is not None else None
        self.prepared = prepare(segmentation, self.protocol, image, plane)
        if segmentationNode.GetParentTransformNode() is not None:
            segmentationNode.SetAndObserveTransformNodeID(None)  # its transform is part of the geometry from here on
        node_from_segmentation(self.prepared.segmentation, segmentationNode.GetName(), segmentationNode)
        return self.prepared

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
        if treatedLobe not in ("", "left", "right"):
            raise NodeError(f"The treated lobe is left, right, or not told, but not '{treatedLobe}'.")
        image = volume_from_node(imageNode)
        if image.units not in MEASURABLE_UNITS:
            raise NodeError(
                f"'{imageNode.GetName()}' has the units '{image.units or 'none'}', not a concentration or SUV: "
                "load it with the PRRT reader, or set its units."
            )
        prepared = self.prepare(imageNode, segmentationNode, lobePlaneNode)
        labels = VisitLabels(patient, cycle, visit, imageNode.GetName(), treatedLobe)
        self.result = measure_visit(prepared, image, self.protocol, labels)
        return table_from_measurements(measurement_rows(self.result), f"Measurements {visit}", tableNode)
