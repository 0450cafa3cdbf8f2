"""The small patient of `panel_scene` as a study's input, without files: quick to measure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from PRRTUptakeLib.dicom.injection import Injection
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.study.model import (
    EmissionInput,
    ImageInput,
    KnownPlacement,
    LoadedEmission,
    StudyInput,
    VisitInput,
)
from PRRTUptakeLib.study.protocol import load_protocol

from builders import panel_scene

PLANE = Plane((3.0, 1.0, 0.0), (0.97, 0.2, 0.1))


def small_study(visits=("24h",), protocol="lutia", image=None, **changes) -> StudyInput:
    image = panel_scene.activity() if image is None else image

    def visit(name: str) -> VisitInput:
        return VisitInput(
            visit=name,
            cycle=1,
            emission=EmissionInput(name="SPECT", load=lambda kind: LoadedEmission(volume=image)),
            shows_emission=True,
            load_segments=panel_scene.segmentation,
            contours_on=lambda grid: ImageInput(name="CT", load=panel_scene.ct),
            cut=PLANE,
        )

    settings = {"patient": "P01", "protocol": load_protocol(protocol), "treated_lobe": "left", **changes}
    return StudyInput(visits=tuple(visit(name) for name in visits), **settings)


ENHANCEMENT = 3.0


def route_study() -> StudyInput:
    """The same patient after an intra-arterial and an intravenous injection, drawn on an MRI for both."""
    known = small_study(visits=("IA", "IV"), protocol="ia-versus-iv", treated_lobe="")
    activity = panel_scene.activity()
    given = Injection(100.0, activity.reference_time - timedelta(hours=1), "Ga-68", "M")

    def visit(one: VisitInput, factor: float) -> VisitInput:
        suv = replace(activity, array=activity.array * factor / 1000, quantity="SUVbw", units="g/ml{SUVbw}")
        emission = EmissionInput(name="PET", load=lambda kind: LoadedEmission(volume=suv, injection=given))
        return replace(one, route=one.visit, registration=KnownPlacement(placement=None), emission=emission)

    first, second = known.visits
    drawn = replace(first, visit="MRI", emission=None, shows_emission=False)
    return replace(known, visits=(drawn, visit(first, ENHANCEMENT), visit(second, 1.0)))
