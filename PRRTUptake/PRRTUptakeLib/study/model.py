"""What a study is made from and what it gives: data only, no page, no table text, no node of a scene.

`StudyInput` comes from a case file and DICOM (`study.inputs`) or from the nodes of a scene (`mrml.inputs`); `study.run`
makes a `StudyResult` of it; renderers and exporters read that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from PRRTUptakeLib.segmentation.best_response import ResponseRules

if TYPE_CHECKING:
    from datetime import date

    import numpy as np

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.errors import PRRTError
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride
    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.segmentation.targets import TargetOverride
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.placement import Placement
    from PRRTUptakeLib.study.predicted_benefit import IntravenousCycle
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.protocol import Protocol as TrialProtocol
    from PRRTUptakeLib.study.registration_rule import RegistrationRule
    from PRRTUptakeLib.study.session_alignment import CheckedVisit
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.study.visit_registration import VisitRegistration
    from PRRTUptakeLib.uptake.mapping import RasTransform
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

CONCENTRATION, SUV, SUL = "concentration", "SUV", "SUL"
IMAGE_WORDS = {"NM": "SPECT", "PT": "PET", "CT": "CT", "MR": "MRI", "SPECT": "SPECT", "PET": "PET", "MRI": "MRI"}
"""Modality of DICOM or of a protocol -> the word of the column ``image`` of measurements.csv."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedEmission:
    """A quantified emission image.

    Attributes
    ----------
    volume : Bq/ml or SUV.
    injection : what was given; None where the image does not say it all.
    refusal : why ``injection`` is None.
    decisions : how the values were made, for the record.
    """

    volume: Volume
    injection: Injection | None = None
    refusal: str = ""
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class EmissionInput:
    """The image to be measured in.

    Attributes
    ----------
    name : as the report calls it.
    load : reads it; takes CONCENTRATION, SUV or SUL, what a design measures (an image of a scene is what it is).
    series : of DICOM, None if it is not known; of several bed positions the first.
    beds : the further bed positions of one SPECT.
    frame_of_reference_uid : "" where it is not known.
    """

    name: str
    load: Callable[[str], LoadedEmission]
    series: Series | None = None
    beds: tuple[Series, ...] = ()
    frame_of_reference_uid: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageInput:
    """A CT or MRI: name, what reads it, and its DICOM series (None if it is not known).

    ``load_compact`` reads it as int16 where that loses nothing; None where there is no such way.
    """

    name: str
    load: Callable[[], Volume]
    series: Series | None = None
    frame_of_reference_uid: str = ""
    load_compact: Callable[[], Volume] | None = None

    def compact(self) -> Volume:
        """The image for registering, looking at and writing, in as little memory as there is a way to."""
        return self.load() if self.load_compact is None else self.load_compact()


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownPlacement:
    """Where the segments are in a visit's image, known beforehand from the transforms of a scene.

    ``placement`` is None for the same place; ``registered`` is what the report shows of it.
    """

    placement: Placement | None
    registered: VisitRegistration | None = None


def _no_image(grid: Grid) -> ImageInput | None:
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitInput:
    """One visit.

    Attributes
    ----------
    visit, cycle : name and cycle, which together no other visit has.
    route : "IA", "IV" or "" where the route plays no part.
    emission : the image to be measured in; None where there is none, and then ``emission_refusal`` says why.
    shows_emission : whether there is any emission image, though it may not be clear which.
    load_segments : reads what was drawn, in its own space.
    contours_on : by the grid of the segments, the CT or MRI of this visit that they were drawn on; None without one.
    anatomy : the CT or MRI of the emission image's session; None if there is none.
    cut : parts the lobes: a plane, or points (n, 3) in RAS mm of a curved cut, in the space of the segments; "none" for
        a liver that is not to be divided.
    registration : how the segments come to the images: "" for not stated, a word, a rule, or known already.
    manual_shifts : in the space of the emission image.
    drawn_on : (cycle, visit) whose segments these are; None for its own.
    target_overrides, territory_overrides, vanished : what the operator states of the segments.
    non_targets, new_lesions, enhancing_mm : what is stated for the response, as in a case file.
    stated_date : of the images, before that of their headers.
    """

    visit: str
    cycle: int = 1
    route: str = ""
    emission: EmissionInput | None = None
    emission_refusal: PRRTError | None = None
    shows_emission: bool = True
    load_segments: Callable[[], Segmentation]
    contours_on: Callable[[Grid], ImageInput | None] = _no_image
    anatomy: ImageInput | None = None
    cut: Plane | np.ndarray | str | None = None
    registration: RegistrationRule | KnownPlacement | str = ""
    manual_shifts: tuple[ManualShift, ...] = ()
    drawn_on: tuple[int, str] | None = None
    target_overrides: tuple[TargetOverride, ...] = ()
    territory_overrides: tuple[TerritoryOverride, ...] = ()
    vanished: tuple[str, ...] = ()
    non_targets: Mapping[str, str] = field(default_factory=dict)
    new_lesions: tuple[str, ...] = ()
    enhancing_mm: Mapping[str, float] = field(default_factory=dict)
    stated_date: date | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Cycle and name, which no other visit has."""
        return self.cycle, self.visit


class DeliveredDoses(Protocol):
    """Where the doses of the intra-arterial cycle are, once it was given: a table of measurements, and its cycle."""

    @property
    def measurements(self) -> Path:
        """The table."""

    @property
    def cycle(self) -> int:
        """The cycle that was given."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyInput:
    """One patient: identity, rules, visits, and what is stated beside the images.

    Attributes
    ----------
    patient, protocol, treated_lobe : ``treated_lobe`` is "left", "right" or "" while blinded.
    visits : in the order of the case file or of the scene.
    partial_volume : the correction whose values are the result: "none", "gtm" or "recovery".
    recovery : of the camera, from a phantom.
    dosimetry : settings of doses: what a case file says, or the settings themselves.
    iv_cycle, delivered : for the predicted benefit.
    notes : whatever the user wants to keep, ``operator`` among them.
    same_patient : why images of several patient ids are of one person; "" if they are not.
    source : the case file; None for a scene.
    base : folder to which paths are relative.
    files : every file that the result depends on, wherever it is; the only such list.
    doubts : sentences on the input itself, shown first among the warnings.
    response : how the response over the visits is judged.
    """

    patient: str
    protocol: TrialProtocol
    visits: tuple[VisitInput, ...]
    treated_lobe: str = ""
    partial_volume: str = "none"
    recovery: RecoveryCurve | None = None
    dosimetry: Any = field(default_factory=dict)
    iv_cycle: IntravenousCycle | None = None
    delivered: DeliveredDoses | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    same_patient: str = ""
    source: Path | None = None
    base: Path = field(default_factory=Path)
    files: tuple[Path, ...] = ()
    doubts: tuple[str, ...] = ()
    response: ResponseRules = field(default_factory=ResponseRules)

    @property
    def measuring_protocol(self) -> TrialProtocol:
        """The protocol by which images are measured: with this camera's resolution where the settings state one.

        The one place that decides it, for partial volume, recovery and doses alike: ``dosimetry.image_fwhm_mm`` of the
        case or of the panel goes first, then the protocol's.
        """
        return self.protocol.at_resolution(stated_fwhm_mm(self.dosimetry))

    def visit(self, key: tuple[int, str]) -> VisitInput:
        """The visit of a cycle and name."""
        return next(one for one in self.visits if one.key == key)


def stated_fwhm_mm(dosimetry: Any) -> float:
    """``image_fwhm_mm`` of a case's settings of doses or of the settings themselves; 0 where it is not stated."""
    if isinstance(dosimetry, Mapping):
        return float(dosimetry.get("image_fwhm_mm", 0.0))
    return float(getattr(dosimetry, "image_fwhm_mm", 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitContents:
    """What one visit shows: volumes by name, segments, the plane between the lobes, its rows.

    ``prepared`` are the labelled segments where they were drawn, None for a visit that uses those of another;
    ``isodoses`` are regions of a dose map by their levels, for the scene alone;
    ``visit``, ``route`` and ``injection`` are noted on the volumes of a scene, so that the panels know them when it is
    opened.
    """

    study: str
    volumes: tuple[tuple[str, Volume], ...]
    segmentation: Segmentation | None = None
    plane: Plane | None = None
    rows: tuple[Measurement, ...] = ()
    visit: str = ""
    injection: Injection | None = None
    prepared: Prepared | None = None
    route: str = ""
    isodoses: Segmentation | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitImages:
    """One visit's images and where its segments are in the measured one.

    Attributes
    ----------
    visit, cycle, study : the study is what its folder of DICOM is called.
    measured, contours : series of the measured image and, if there is one, of the image the contours were drawn on.
    anatomy : the image the contours were drawn on; None if there is none of this visit.
    ras_transform : takes points of the segments to the measured image, where the two do not share one space.
    drawn_on : (cycle, name) of the visit whose segments are used, None for its own.
    manual_shifts : move single lesions on in the measured image.
    regions : the segments with a role as they were placed in the measured image, by name.
    stated : what an operator stated of the measured image in a scene; a case file holds its own.
    """

    visit: str
    cycle: int
    study: str
    measured: Series | None
    contours: Series | None = None
    anatomy: ImageInput | None = None
    ras_transform: RasTransform | None = None
    drawn_on: tuple[int, str] | None = None
    manual_shifts: tuple[ManualShift, ...] = ()
    regions: Mapping[str, Occupancy] = field(default_factory=dict)
    stated: OperatorOverrides | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Cycle and name."""
        return self.cycle, self.visit


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultPart:
    """What another library adds to a result, such as the doses of a cycle; its report dispatches on the type.

    ``parameters`` are what it was made with, plain values for the provenance; ``renderer`` names the module that
    registers how the type is rendered when it is imported, "" for a part with rows and warnings only.
    """

    renderer: ClassVar[str] = ""

    rows: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()
    contents: tuple[VisitContents, ...] = ()
    alignment: tuple[Mapping[str, Any], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyResult:
    """One patient's result.

    Attributes
    ----------
    input : what was measured.
    visits : measured visits, for designs that measure visits one by one.
    findings : what the design finds beyond single visits (its own type); None for nothing.
    measured_rows, measured_warnings : of the design; `rows` and `warnings` have those of the parts too.
    images : per visit the series and where the regions were placed in it.
    visit_contents : images, segments and rows to be shown by visit; `contents` has those of the parts too.
    registrations, session_checks : how images were brought together, and how those of one session agree.
    decisions : facts on every series used and how its values were made, plain values.
    parts : what extensions add.
    """

    input: StudyInput
    visits: tuple[VisitResult, ...] = ()
    findings: Any = None
    measured_rows: tuple[Measurement, ...] = ()
    measured_warnings: tuple[str, ...] = ()
    images: tuple[VisitImages, ...] = ()
    visit_contents: tuple[VisitContents, ...] = ()
    registrations: tuple[VisitRegistration, ...] = ()
    session_checks: tuple[CheckedVisit, ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[ResultPart, ...] = ()

    @property
    def rows(self) -> tuple[Measurement, ...]:
        """All measurements."""
        return (*self.measured_rows, *(row for part in self.parts for row in part.rows))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences to be seen first."""
        return (*self.input.doubts, *self.measured_warnings, *(text for part in self.parts for text in part.warnings))

    @property
    def contents(self) -> tuple[VisitContents, ...]:
        """What every visit and part shows."""
        return (*self.visit_contents, *(one for part in self.parts for one in part.contents))

    @property
    def alignment(self) -> tuple[Mapping[str, Any], ...]:
        """Session checks, registrations and manual shifts as plain values for the provenance."""
        shifts = [shift.facts(one.visit) for one in self.images for shift in one.manual_shifts]
        own = (*(one.facts() for one in self.session_checks), *(one.facts() for one in self.registrations), *shifts)
        return (*own, *(fact for part in self.parts for fact in part.alignment))

    def with_parts(self, *parts: ResultPart) -> StudyResult:
        """A copy with further parts at the end."""
        return replace(self, parts=(*self.parts, *parts))

    def part(self, kind: type[Any]) -> Any:
        """The first part of a type, None if there is none."""
        return next((one for one in self.parts if isinstance(one, kind)), None)


# What another library adds to a study, for instance doses from serial images.
Extension = Callable[[StudyResult], StudyResult]


def series_facts(
    visit: str, series: Series | None, use: str, decisions: Sequence[str] = (), known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the provenance keeps of a series that was used; of a scene's image what it knows of its series."""
    if series is not None:
        found = {
            "uid": series.uid,
            "study_uid": series.study_uid,
            "patient_id": series.patient_id,
            "patient_name": series.patient_name,
            "modality": series.modality,
            "description": series.description,
        }
    else:
        known = known or {}
        found = {
            "uid": known.get("series_uid", "not known"),
            "study_uid": known.get("study_uid", "not known"),
            "patient_id": known.get("patient_id", ""),
            "patient_name": known.get("patient_name", ""),
            "modality": known.get("modality", "not known"),
            "description": known.get("name", ""),
        }
    return {"visit": visit, "use": use, **found, "decisions": list(decisions)}
