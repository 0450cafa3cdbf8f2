"""The images of a phantom scan from DICOM: the emission image for a calibration factor of 1, and its CT."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.dicom.acquisition import Acquisition, acquisition_of
from PRRTUptakeLib.dicom.errors import CalibrationError, DicomError, OverrideError
from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange, read_volume
from PRRTUptakeLib.dicom.series import find_series, one_emission_series
from PRRTUptakeLib.dicom.times import clock_of
from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.measure import Filled, PhantomScan
from PRRTDosimetryLib.camera.phantom_file import Fill, ScanFile, in_zone

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.dicom.operator_overrides import Quantified
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.dicom.times import Clock
    from PRRTUptakeLib.imaging.volume import Volume

    from PRRTDosimetryLib.camera.dead_time_fit import DeadTimeFit

COUNTS, CONCENTRATION = "counts", "concentration"
_UNIT_cps_per_MBq = 1e4  # any number would do: it is taken off again; a large one holds less than what was given
_TOPS = (255, 4095, 32767, 65535)  # of stored values
_SATURATED = 6  # voxels at the top of one slice
_BRIGHT = 0.5  # of the highest value, for slices that are looked at


@dataclass(frozen=True, eq=False)
class ReadScan:
    """A scan as it was read.

    Attributes
    ----------
    file : as stated.
    series, ct_series : of DICOM; the CT may be None.
    image : MBq/mL for a calibration factor of 1, at ``image.reference_time``.
    kind : "counts" or "concentration".
    unit : what one stored count is in the image, in MBq/mL; nan for concentrations.
    ct : None if there is none.
    acquisition : attributes.
    clock : zone of the header's times.
    warnings, decisions : sentences.
    """

    file: ScanFile
    series: Series
    ct_series: Series | None
    image: Volume
    kind: str
    unit: float
    ct: Volume | None
    acquisition: Acquisition
    clock: Clock
    warnings: tuple[str, ...]
    decisions: tuple[str, ...]

    @property
    def moment(self) -> datetime:
        """For which the image holds."""
        assert self.image.reference_time is not None
        return self.image.reference_time


def read_scan(file: ScanFile, nuclide_name: str, dead_time: DeadTimeFit | None = None) -> ReadScan:
    """Read one scan.

    Parameters
    ----------
    file : what PHANTOM.json says of it.
    nuclide_name : of the activity.
    dead_time : of the camera, for a scan whose observed rate is stated.

    Raises
    ------
    PRRTError
        If there is no emission image or more than one, several CTs, counts are saturated, or times are missing.
    """
    found = find_series(file.folder)
    try:
        series = one_emission_series(found, file.image or None)
    except DicomError as error:
        raise CameraError(
            f"{file.name}: {str(error).replace('choose one with --series', 'name one as image in PHANTOM.json,')}"
        ) from error
    _not_saturated(series, file.name)
    dataset = series.headers[0].dataset
    clock = clock_of(dataset, series.label)
    started, warnings = _start(file, series, clock)
    inputs = OperatorOverrides(nuclide=nuclide_name, acquisition_time=started)
    if file.observed_cps is not None and dead_time is not None:
        loss = DeadTime(dead_time.best.model, dead_time.best.tau_us, file.observed_cps)
        inputs = replace(inputs, dead_time=loss)
    made, kind = _quantified(series, inputs, file)
    scale = 1e-6 * (_UNIT_cps_per_MBq if kind == COUNTS else 1.0)
    image = made.volume.with_values(made.volume.array * np.float32(scale))
    if image.reference_time is None:
        raise CameraError(f"{file.name}: {series.label} does not say when it holds: give 'acquisition_time'.")
    ct_series = _ct(found, series, file.name)
    return ReadScan(
        file=file,
        series=series,
        ct_series=ct_series,
        image=image,
        kind=kind,
        unit=_unit(made) * scale if kind == COUNTS else math.nan,
        ct=read_volume(ct_series) if ct_series is not None else None,
        acquisition=acquisition_of(series),
        clock=clock,
        warnings=tuple(warnings),
        decisions=made.decisions,
    )


def _quantified(series: Series, inputs: OperatorOverrides, file: ScanFile) -> tuple[Quantified, str]:
    """As activity concentration if the image is that, else counts by a calibration factor of 1."""
    try:
        return quantify(series, inputs), CONCENTRATION
    except CalibrationError:
        calibration = Calibration(_UNIT_cps_per_MBq, "total", file.acquisition_s)
        return quantify(series, replace(inputs, calibration=calibration)), COUNTS
    except OverrideError as error:
        raise CameraError(f"{file.name}: {error}") from error


def _unit(made: Quantified) -> float:
    """Bq/ml of one stored count, as the decision on calibration states it."""
    for sentence in made.decisions:
        if sentence.startswith("Bq/ml = counts x "):
            return float(sentence.split(" x ")[1].split(":")[0])
    return math.nan


def _start(file: ScanFile, series: Series, clock: Clock) -> tuple[datetime | None, list[str]]:
    """Start of the acquisition where the header does not have it: stated, else of series or study with a warning."""
    if file.acquisition_time is not None:
        return in_zone(file.acquisition_time, clock), []
    dataset = series.headers[0].dataset
    if series.modality == "PT" or clock.date_time(dataset, "AcquisitionDateTime") is not None:
        return None, []
    if clock.moment(dataset, "AcquisitionDate", "AcquisitionTime") is not None:
        return None, []
    for kind in ("Series", "Content", "Study"):
        moment = clock.moment(dataset, f"{kind}Date", f"{kind}Time")
        if moment is not None:
            return moment, [
                f"{file.name}: the header has no acquisition time; that of the {kind.lower()} was taken, "
                f"{moment.isoformat()}. State 'acquisition_time' if it is another."
            ]
    raise CameraError(f"{file.name}: {series.label} has no time at all: give 'acquisition_time' in PHANTOM.json.")


def _ct(found: tuple[Series, ...], emission: Series, name: str) -> Series | None:
    """The CT of the scan: the one of the folder, or of several the one in the emission image's frame of reference."""
    cts = [one for one in found if one.modality == "CT"]
    if len(cts) > 1:
        same = [one for one in cts if one.frame_of_reference_uid == emission.frame_of_reference_uid]
        cts = same if len(same) == 1 else cts
    if len(cts) > 1:
        listed = "; ".join(one.label for one in cts)
        raise CameraError(f"{name}: the folder holds {len(cts)} CTs ({listed}): leave that of the phantom alone in it.")
    return cts[0] if cts else None


def _not_saturated(series: Series, name: str) -> None:
    """Refuse values at the end of what can be stored, several in one slice: the true ones were higher."""
    arranged = arrange(series)
    stored = arranged.stored_values()
    top = int(stored.max())
    if top not in _TOPS:
        return
    highest = stored.max(axis=(1, 2)) * arranged.slopes  # slices scaled one by one: faint ones may be noise alone
    bright = highest >= _BRIGHT * highest.max()
    most = int((stored[bright] == top).sum(axis=(1, 2)).max())
    if most >= _SATURATED:
        raise CameraError(
            f"{name}: counts are saturated, {most} voxels of one slice hold {top}, the most that can be stored: export "
            "the image with a rescale slope, or scan with less activity."
        )


def filled_at(scan: ReadScan, nuclide_name: str, volume_u: float) -> Filled:
    """What was in the phantom at the image's moment.

    Raises
    ------
    CameraError
        If the image was made before something was filled.
    """
    half_life_h = nuclide(nuclide_name).half_life_h
    file, moment = scan.file, scan.moment
    for key, fill in file.fills.items():
        minutes = (in_zone(fill.time, scan.clock) - moment).total_seconds() / 60
        if minutes > 0 and scan.kind == COUNTS:
            raise CameraError(
                f"{file.name}: the image holds for {moment.isoformat()}, {minutes:.0f} min before the activity of "
                f"'fills.{key}' was measured ({fill.time.isoformat()}): one of the clocks or dates is wrong."
            )
    background = _concentration(file.background, moment, half_life_h, scan.clock)
    sphere = _concentration(file.spheres, moment, half_life_h, scan.clock)
    return Filled(
        background=0.0 if math.isnan(background) else background,
        sphere=0.0 if math.isnan(sphere) else sphere,
        total_MBq=_total(file, moment, half_life_h, scan.clock, sphere),
        u_volume=volume_u,
    )


def _concentration(fill: Fill | None, moment: datetime, half_life_h: float, clock: Clock) -> float:
    """MBq/mL; nan without a volume, 0 without a filling."""
    return fill.at(moment, half_life_h, clock) / fill.volume_mL if fill is not None else 0.0


def _total(file: ScanFile, moment: datetime, half_life_h: float, clock: Clock, sphere: float) -> float:
    """Activity in the phantom: all of the background's, and the spheres' part of the stock."""
    total = file.background.at(moment, half_life_h, clock) if file.background is not None else 0.0
    if file.spheres is not None and file.phantom is not None:
        total += sphere * sum(one.volume_mL for one in file.phantom.spheres)
    return total if total > 0 else math.nan


def phantom_scan(scan: ReadScan, filled: Filled) -> PhantomScan:
    """The scan for `measure.measure_scan`."""
    assert scan.file.phantom is not None
    return PhantomScan(scan.file.name, scan.file.phantom, scan.image, scan.ct, filled)
