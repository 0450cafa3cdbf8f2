"""A small patient in the scene: liver 2, lesions 20 on the left and 30 on the right, kidneys 40 kBq/ml."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

GRID = Grid((44, 56, 72), np.array([[-4.0, 0, 0, 142], [0, -4, 0, 110], [0, 0, 4, -86], [0, 0, 0, 1.0]]))
LIVER, LEFT, RIGHT, KIDNEY = 2000.0, 20000.0, 30000.0, 40000.0  # Bq/ml
LESIONS = {"L1": ((-50, 20, 0), 20.0, LEFT), "R1": ((60, 20, 20), 24.0, RIGHT), "R2": ((60, -20, -40), 18.0, RIGHT)}


def centres() -> np.ndarray:
    k, j, i = np.indices(GRID.shape)
    return GRID.to_ras(np.stack([i, j, k], axis=-1))


def masks() -> dict[str, np.ndarray]:
    """Boxes and balls; RAS, so that the patient's left is at smaller x."""
    x, y, z = np.moveaxis(centres(), -1, 0)
    liver = (abs(x) < 110) & (abs(y) < 70) & (abs(z) < 66)
    found = {"liver": liver, "gallbladder": (abs(x) < 12) & (y > 70) & (y < 90) & (abs(z) < 20)}
    found["inferior_vena_cava"] = (abs(x) < 10) & (y < -72) & (y > -92) & (abs(z) < 80)
    found["spleen"] = (x < -116) & (abs(y) < 40) & (abs(z) < 40)
    found["kidney_left"] = (abs(x + 60) < 20) & (abs(y + 90) < 14) & (abs(z + 74) < 10)
    found["kidney_right"] = (abs(x - 60) < 20) & (abs(y + 90) < 14) & (abs(z + 74) < 10)
    balls = [(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= r**2 for (a, b, c), r, _ in LESIONS.values()]
    found["liver_lesions"] = np.logical_or.reduce(balls)
    return found


def activity(scale: float = 1.0) -> Volume:
    x, y, z = np.moveaxis(centres(), -1, 0)
    found = masks()
    array = np.where(found["liver"], LIVER, 100.0)
    array[found["kidney_left"] | found["kidney_right"]] = KIDNEY
    for (a, b, c), radius, value in LESIONS.values():
        array[(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= radius**2] = value
    when = datetime(2026, 3, 4, 9, 30, tzinfo=timezone.utc)
    return Volume(array * scale, GRID.ijk_to_ras, "activity concentration", "Bq/ml", when, {"patient_id": "P01"})


def segmentation() -> Segmentation:
    return Segmentation(GRID, tuple(Segment.from_full(name, mask) for name, mask in masks().items()))


def add_patient(visits: tuple[str, ...] = ("24h",)):
    """Put the patient into the scene; returns image nodes and the segmentation node."""
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    images = []
    for visit in visits:
        images.append(node_from_volume(activity(), f"SPECT {visit}"))
        describe_image(images[-1], visit=visit, hours=24.0)
    return images, node_from_segmentation(segmentation(), "Segments")


def ct(shift_mm=(0.0, 0.0, 0.0)) -> Volume:
    """A CT of the patient: body, liver, spleen, spine; the patient lies ``shift_mm`` (RAS) elsewhere."""
    x, y, z = np.moveaxis(centres(), -1, 0)
    rng = np.random.default_rng(4)
    array = np.where((x / 136) ** 2 + (y / 104) ** 2 < 1, 20.0, -1000.0)
    for name, value in (("liver", 110.0), ("spleen", 60.0), ("gallbladder", -40.0), ("liver_lesions", 40.0)):
        array[masks()[name]] = value
    array[((x - 10) ** 2 + (y + 92) ** 2 < 100) & (z % 28 < 20)] = 500.0
    matrix = GRID.ijk_to_ras.copy()
    matrix[:3, 3] += shift_mm
    array += rng.normal(0, 5, array.shape)
    return Volume(array, matrix, "attenuation", "[hnsf'U]", None, {"patient_id": "P01"})


def add_ct(visit: str, shift_mm=(0.0, 0.0, 0.0)):
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    node = node_from_volume(ct(shift_mm), f"CT {visit}")
    describe_image(node, visit=visit)
    return node


def add_pet(route: str, scale: float, shift_mm=(0.0, 0.0, 0.0)):
    """A PET in SUV, ``scale`` times the activity in 2000 Bq/ml, 1 h after 150 MBq of Ga-68."""
    from datetime import timedelta

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.mrml.dicom_nodes import keep_injection
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    image = activity(scale / LIVER)
    matrix = GRID.ijk_to_ras.copy()
    matrix[:3, 3] += shift_mm
    volume = Volume(image.array, matrix, "SUVbw", "g/ml{SUVbw}", image.reference_time, image.provenance)
    node = node_from_volume(volume, f"PET {route}")
    injected = volume.reference_time - timedelta(hours=1)
    keep_injection(node, Injection(150.0, injected, "Ga-68", "F"), volume.reference_time)
    describe_image(node, visit=route, route=route)
    return node


def add_series(times_h=(4.0, 24.0, 72.0, 168.0), half_life_h: float = 50.0, stated: bool = True):
    """One image per time, all activity clearing with one half-life; ``stated``: with activity, nuclide and sex."""
    from datetime import timedelta

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.mrml.dicom_nodes import keep_injection
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    injected = datetime(2026, 3, 3, 9, 30, tzinfo=timezone.utc)
    nodes = []
    for hours in times_h:
        image = activity(0.5 ** (hours / half_life_h))
        moment = injected + timedelta(hours=hours)
        image = image.with_values(image.array, reference_time=moment)
        nodes.append(node_from_volume(image, f"SPECT {hours:g}h"))
        if stated:
            keep_injection(nodes[-1], Injection(7400.0, injected, "Lu-177", "F"), moment)
        describe_image(nodes[-1], visit=f"{hours:g}h", hours=hours)
    return nodes, node_from_segmentation(segmentation(), "Segments")
