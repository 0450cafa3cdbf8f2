"""The abdomen of the synthetic patient: regions with their shapes, positions (RAS mm) and what they are made of.

The origin lies in the midline at the level of the first lumbar vertebra. Regions are painted in order, the later over
the earlier; label 0 is air. Volumes: liver 1.6 L (lesions included), left lobe 38 % of it, kidneys 150 mL each,
spleen 180 mL, gallbladder 30 mL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PRRTUptakeLib.synthetic.phantom_shapes import (
    Column,
    Difference,
    Ellipsoid,
    HalfSpace,
    Intersection,
    Point,
    Shape,
    Tube,
    Union,
)


@dataclass(frozen=True)
class Appearance:
    """How a tissue looks: HU in a portal-venous CT, HU without contrast agent, signal of a T1-weighted MRI."""

    contrast_HU: float
    native_HU: float
    t1_signal: float


# Attenuation and signal of the usual order; lesions are hypodense in the portal-venous phase and dark on T1.
APPEARANCE = {
    "air": Appearance(-1000, -1000, 0),
    "fat": Appearance(-95, -95, 900),
    "soft": Appearance(55, 45, 380),
    "lung": Appearance(-830, -830, 30),
    "blood": Appearance(160, 42, 180),
    "bone": Appearance(650, 650, 60),
    "marrow": Appearance(190, 180, 620),
    "bile": Appearance(8, 8, 140),
    "liver": Appearance(112, 58, 520),
    "kidney": Appearance(185, 33, 330),
    "spleen": Appearance(125, 48, 300),
    "lesion": Appearance(68, 44, 250),
    "extrahepatic": Appearance(85, 40, 270),
}


@dataclass(frozen=True)
class Region:
    """One painted region; ``breathes`` tells whether it moves with the diaphragm."""

    name: str
    shape: Shape
    tissue: str
    breathes: bool = False


BODY_HALF_LENGTH_mm = 320.0  # longer than any field of view here, so that the patient never ends within an image
_CAVITY = Column((0, 4), (146, 94), -BODY_HALF_LENGTH_mm, BODY_HALF_LENGTH_mm)
_LIVER_RIGHT_PART = Ellipsoid((84, -8, 2), (56, 66, 64.5))
_LIVER_LEFT_PART = Ellipsoid((-4, 42, 30), (72, 44, 52))
_DIAPHRAGM = Union((Ellipsoid((84, -8, 2), (60, 70, 70)), Ellipsoid((-4, 42, 30), (76, 48, 57))))
_VENA_CAVA = Column((20, -24), (12, 9), -BODY_HALF_LENGTH_mm, 92)
_GALLBLADDER = Ellipsoid((45, 58, -30), (15, 16, 30))
_PORTAL_VEIN = Union((Tube((-6, -10, -34), (32, 4, 0), 6.5), Tube((-6, -10, -34), (-70, -28, 20), 4.5)))
_RIGHT_RENAL_IMPRESSION = Ellipsoid((62, -50, -62), (30, 28, 56))

# Cantlie's plane, which divides the liver: upright, through the middle of inferior vena cava and gallbladder.
LOBE_PLANE_ORIGIN_mm: Point = (20.0, -24.0, 0.0)
_ALONG = (45.0 - 20.0, 58.0 + 24.0)
LOBE_PLANE_NORMAL: Point = (-_ALONG[1] / math.hypot(*_ALONG), _ALONG[0] / math.hypot(*_ALONG), 0.0)  # to the left

# What is painted as liver: vessels and gallbladder are painted over it. LIVER is what remains of it.
_PAINTED_LIVER = Difference(
    Intersection((_CAVITY, Union((_LIVER_RIGHT_PART, _LIVER_LEFT_PART)))), _RIGHT_RENAL_IMPRESSION
)
LIVER: Shape = Difference(_PAINTED_LIVER, Union((_VENA_CAVA, _PORTAL_VEIN, _GALLBLADDER)))
LEFT_SIDE: Shape = HalfSpace(LOBE_PLANE_ORIGIN_mm, LOBE_PLANE_NORMAL)
LIVER_LOBES: dict[str, Shape] = {"left": Intersection((LIVER, LEFT_SIDE)), "right": Difference(LIVER, LEFT_SIDE)}
LUMBAR = ("L1", "L2", "L3", "L4", "L5")
_THORACIC = ("T12", "T11", "T10", "T9", "T8")
_LEVEL_mm = 35.0  # from one vertebra to the next, disc included


def _vertebra(name: str, z: float) -> tuple[Region, Region, Region]:
    """Body with a cortex of 2 mm around marrow, and a spinous process of bone."""
    body = Column((0, -60), (24, 18), z - 14, z + 14)
    marrow = Column((0, -60), (22, 16), z - 12, z + 12)
    process = Ellipsoid((0, -86, z - 6), (4, 12, 9))
    return (
        Region(f"vertebra_{name}_process", process, "bone"),
        Region(f"vertebra_{name}_cortex", body, "bone"),
        Region(f"vertebra_{name}_marrow", marrow, "marrow"),
    )


def _anatomy() -> tuple[Region, ...]:
    spine = [
        region
        for step, name in [*enumerate(LUMBAR), *((-n, name) for n, name in enumerate(_THORACIC, start=1))]
        for region in _vertebra(name, -_LEVEL_mm * step)
    ]
    lungs = [
        Region("lung_right", Ellipsoid((78, -6, 172), (60, 82, 150)), "lung"),
        Region("lung_left", Ellipsoid((-82, -10, 178), (56, 78, 150)), "lung"),
    ]
    return (
        Region("body_fat", Column((0, 0), (170, 115), -BODY_HALF_LENGTH_mm, BODY_HALF_LENGTH_mm), "fat"),
        Region("trunk", Column((0, 2), (154, 101), -BODY_HALF_LENGTH_mm, BODY_HALF_LENGTH_mm), "soft"),
        *lungs,
        Region("diaphragm", _DIAPHRAGM, "soft", breathes=True),
        *spine,
        Region("aorta", Column((-14, -30), (10, 10), -110, BODY_HALF_LENGTH_mm), "blood"),
        Region("liver_right", _PAINTED_LIVER, "liver", breathes=True),
        Region("liver_left", Intersection((_PAINTED_LIVER, LEFT_SIDE)), "liver", breathes=True),
        Region("inferior_vena_cava", _VENA_CAVA, "blood"),
        Region("portal_vein", _PORTAL_VEIN, "blood", breathes=True),
        Region("gallbladder", _GALLBLADDER, "bile", breathes=True),
        Region("kidney_right", Ellipsoid((62, -50, -62), (27, 25, 53)), "kidney", breathes=True),
        Region("kidney_left", Ellipsoid((-64, -50, -48), (27, 25, 53)), "kidney", breathes=True),
        Region("spleen", Ellipsoid((-99, -38, 46), (29, 44, 33.5)), "spleen", breathes=True),
    )


ANATOMY = _anatomy()
