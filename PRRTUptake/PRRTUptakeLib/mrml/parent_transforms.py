"""Which image of the scene is moved by which transform, and how good that transform is."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.images import LOBE_PLANE_ROLE, UNUSED, image_row, image_rows
from PRRTUptakeLib.mrml.own_segments import segments_of_visit
from PRRTUptakeLib.mrml.transforms import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.registration.result import RegistrationQuality

QUALITY_ATTRIBUTE = "PRRT.RegistrationQuality"
MOVED_ROLE = "PRRT.Moved"  # node reference from a transform to the image whose registration made it
FIXED_ROLE = "PRRT.Fixed"  # and to the image onto which it was registered
_FINGERPRINT = "fingerprint"
_UNCHANGED_mm = 0.05


@dataclass(frozen=True)
class PairRow:
    """One image, the transform that moves it ("" for none), and what is known of the transform's quality."""

    node: Any
    name: str
    visit: str
    transform: str
    quality: str


def pair_rows() -> tuple[PairRow, ...]:
    """Every image in use and what moves it."""
    rows = []
    for image in image_rows():
        if image.role == UNUSED:
            continue
        transform = image.node.GetParentTransformNode()
        name = transform.GetName() if transform is not None else ""
        rows.append(PairRow(image.node, image.name, image.visit, name, quality_of(transform)))
    return tuple(rows)


def quality_of(transform: Any) -> str:
    """What was noted on a transform's quality, and what makes it doubtful, in words; "" if nothing."""
    return "; ".join(filter(None, (measures_of(transform), *warnings_of(transform))))


def note_quality(transform: Any, quality: RegistrationQuality) -> None:
    """Keep the quality of a registration on the transform that it gave."""
    known = {**asdict(quality), _FINGERPRINT: fingerprint(transform).round(4).tolist()}
    transform.SetAttribute(QUALITY_ATTRIBUTE, json.dumps(known))


def noted_quality(transform: Any) -> RegistrationQuality | None:
    """The quality that was noted on a transform; None if there is none, or it was changed since and has another one."""
    text = transform.GetAttribute(QUALITY_ATTRIBUTE) if transform is not None else None
    if not text:
        return None
    from PRRTUptakeLib.registration.result import RegistrationQuality

    content = json.loads(text)
    then = np.array(content.pop(_FINGERPRINT, []))
    if then.shape != (8, 3) or np.abs(then - fingerprint(transform)).max() > _UNCHANGED_mm:
        return None
    return RegistrationQuality(**{**content, "warnings": tuple(content["warnings"])})


def measures_of(transform: Any) -> str:
    """The figures noted on a transform's quality in words, "" if there are none."""
    quality = noted_quality(transform)
    if quality is None:
        return ""
    noted = vars(quality)
    metric = [noted["metric_before"], noted["metric_after"]]
    parts = [
        f"{name} overlap {noted[f'{name}_overlap_before']:.2f} before, {noted[f'{name}_overlap']:.2f} after"
        for name in ("body", "liver")
        if not math.isnan(noted[f"{name}_overlap"])
    ]
    if not any(math.isnan(value) for value in metric):
        parts.append(f"mutual information {metric[0]:.3f} before, {metric[1]:.3f} after")
    if not math.isnan(noted["liver_offset_mm"]):
        parts.append(f"livers {noted['liver_offset_mm']:.1f} mm apart")
    return "; ".join(parts)


def warnings_of(transform: Any) -> tuple[str, ...]:
    """What makes a registration doubtful, for instance livers more than 5 mm apart; nothing for other transforms."""
    quality = noted_quality(transform)
    return quality.warnings if quality is not None else ()


def is_registration(transform: Any, node: Any) -> bool:
    """Whether a transform came from registering this very image, so that registering it again may replace it."""
    return transform is not None and node is not None and transform.GetNodeReferenceID(MOVED_ROLE) == node.GetID()


def nodes_of_visit(node: Any) -> tuple[Any, ...]:
    """The image itself, all others of its visit, the segments drawn on it and their planes: they move together.

    Raises
    ------
    NodeError
        If there is no image.
    """
    if node is None:
        raise NodeError("No image is chosen: choose the one to be moved.")
    visit = image_row(node).visit
    others = [row.node for row in image_rows() if visit and row.visit == visit and row.node is not node]
    segments = segments_of_visit(visit)
    planes = [plane for one in segments if (plane := one.GetNodeReference(LOBE_PLANE_ROLE)) is not None]
    return (node, *others, *segments, *planes)


def move_by(nodes: Sequence[Any], transform: Any) -> None:
    """Put images and segments under a transform, linear or not; None puts them back where they were."""
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID() if transform is not None else None)
