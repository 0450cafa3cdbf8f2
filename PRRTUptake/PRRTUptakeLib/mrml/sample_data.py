"""Synthetic patients in the scene, made on the spot: nothing is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.mrml.dicom_nodes import EMISSION, node_from_series
from PRRTUptakeLib.mrml.images import (
    ANATOMY,
    LOBE_PLANE_ROLE,
    MEASURED,
    ROLE_ATTRIBUTE,
    SEGMENTATION_ROLE,
    VISIT_ATTRIBUTE,
    describe_image,
)
from PRRTUptakeLib.mrml.planes import node_from_plane
from PRRTUptakeLib.mrml.scene import place_in_study, take_out
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, read_segmentation_file
from PRRTUptakeLib.progress import Progress, in_background, no_progress, sub_progress
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.inputs import ROUTES
from PRRTUptakeLib.study.segment_files import read_segments
from PRRTUptakeLib.synthetic.cases import (
    write_synthetic_ia_versus_iv,
    write_synthetic_lutia,
    write_synthetic_serial,
    write_synthetic_single_arm,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.study.case import Case, Visit

# Name of the sample -> what writes it, and whether its emission images are loaded as SUV.
SAMPLES: dict[str, tuple[Callable[..., Path], bool]] = {
    "lutia": (write_synthetic_lutia, False),
    "ia-versus-iv": (write_synthetic_ia_versus_iv, True),
    "serial": (write_synthetic_serial, False),
    "single-arm": (write_synthetic_single_arm, False),
}
_MODALITY_WORDS = {"NM": "SPECT", "PT": "PET", "CT": "CT", "MR": "MRI"}


def load_sample(name: str, seed: int = 1, progress: Progress = no_progress, **options: Any) -> list[Any]:
    """Make synthetic patient ``seed`` and load it: images, segments and lobe plane of every visit.

    Parameters
    ----------
    name : "lutia", "ia-versus-iv", "serial" or "single-arm".
    seed : of the patient; the same seed gives the same patient.
    progress : called with how far it is.
    options : for the writer, for instance ``noise=False``.

    Returns
    -------
    The nodes, the first visit's first.
    """
    write, as_suv = SAMPLES[name]
    with tempfile.TemporaryDirectory(prefix="prrt-sample-") as folder:
        progress(0.0, "Making the synthetic patient")
        path = in_background(progress, lambda step: write(Path(folder) / "patient", seed=seed, **options))
        return load_patient(path, as_suv, sub_progress(progress, 0.5, 1.0))


def load_patient(path: Path, as_suv: bool = False, progress: Progress = no_progress) -> list[Any]:
    """Load what a case file names: images, segments and lobe plane of every visit, under patient and study.

    Parameters
    ----------
    path : the case file.
    as_suv : PET and SPECT as SUVbw instead of Bq/ml.
    progress : called with how far it is; if it raises, the scene is as it was.
    """
    case = load_case(path)
    nodes: list[Any] = []
    known: dict[Path, Any] = {}
    try:
        for number, visit in enumerate(case.visits):
            progress(number / len(case.visits), f"Loading {visit.visit}")
            step = sub_progress(progress, number / len(case.visits), (number + 1) / len(case.visits))
            nodes += _load_visit(case, visit, as_suv, known, step)
    except Exception:
        take_out(nodes)
        raise
    return nodes


def _load_visit(case: Case, visit: Visit, as_suv: bool, known: dict[Path, Any], progress: Progress) -> list[Any]:
    """The nodes of one visit; segments that an earlier visit named already (``known``) are not loaded again."""
    nodes = []
    for series in in_background(progress, lambda step: find_series(visit.dicom)):
        words = _MODALITY_WORDS.get(series.modality, series.modality)
        described = "contrast" if "portal" in series.description else ""
        named = dict.fromkeys(filter(None, (words, described, visit.visit)))  # the visit may be called MRI too
        node = node_from_series(series, " ".join(named), as_suv, progress=progress)
        role = MEASURED if series.modality in EMISSION else ANATOMY
        describe_image(node, role=role, visit=visit.visit)
        nodes.append(node)
    if visit.segments not in known:
        segmentation = read_segments(visit.segments, find_series(visit.dicom), read_segmentation_file, visit.labels)
        known[visit.segments] = node_from_segmentation(segmentation, f"Segments {visit.visit}")
        known[visit.segments].SetAttribute(VISIT_ATTRIBUTE, visit.visit)
        nodes.append(known[visit.segments])
        if visit.lobe_plane is not None:
            nodes.append(node_from_plane(visit.lobe_plane, f"Lobe plane {visit.visit}"))
            known[visit.segments].SetNodeReferenceID(LOBE_PLANE_ROLE, nodes[-1].GetID())
    route = ROUTES.get(visit.route, visit.route)
    for node in nodes:
        if node.GetAttribute(ROLE_ATTRIBUTE) == MEASURED:
            node.SetNodeReferenceID(SEGMENTATION_ROLE, known[visit.segments].GetID())
            describe_image(node, route=route)
    place_in_study(case.patient, f"Cycle {visit.cycle} {visit.visit}", nodes)
    return nodes
