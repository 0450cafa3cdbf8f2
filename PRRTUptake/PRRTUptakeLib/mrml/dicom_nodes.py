"""DICOM series as volume nodes that know their quantity, units, patient and time after injection."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.bed_positions import quantify_beds
from PRRTUptakeLib.dicom.injection import Injection, injection_of
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.quantify import PET_STORAGE, quantify
from PRRTUptakeLib.dicom.reading import arrange, provenance, read_volume
from PRRTUptakeLib.dicom.series_facts import SeriesFacts, series_facts
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.mrml.images import HOURS_ATTRIBUTE, MEASURED, PATIENT_ATTRIBUTE, describe_image, image_row
from PRRTUptakeLib.mrml.volumes import REFERENCE_TIME_ATTRIBUTE, node_from_volume
from PRRTUptakeLib.progress import Progress, in_background, no_progress
from PRRTUptakeLib.study.schema.json_file import parsed_json
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.stated_quantification import keys_of, overrides_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series

EMISSION = ("PT", "NM")
ACTIVITY_ATTRIBUTE, NUCLIDE_ATTRIBUTE = "PRRT.AdministeredActivity_MBq", "PRRT.Nuclide"
SEX_ATTRIBUTE = "PRRT.Sex"
INJECTION_ATTRIBUTE = "PRRT.Injection"  # as it was read, every digit, with the words that were noted beside it
SERIES_ATTRIBUTE = "PRRT.Series"  # what is compared with a camera's phantoms
STATED_ATTRIBUTE = "PRRT.StatedValues"  # what went before the header, as a case file's key 'quantification' has it
_NOTED = (NUCLIDE_ATTRIBUTE, ACTIVITY_ATTRIBUTE, SEX_ATTRIBUTE, HOURS_ATTRIBUTE)


def node_from_series(
    series: Series,
    name: str,
    as_suv: bool = False,
    inputs: OperatorOverrides | None = None,
    node: Any = None,
    progress: Progress = no_progress,
    beds: Sequence[Series] = (),
) -> Any:
    """Read a PET, NM, CT or MR series into a volume node.

    Parameters
    ----------
    series : what to read.
    name : of the node.
    as_suv : SUVbw instead of Bq/ml (PET and NM only).
    inputs : what the operator states where the header is silent.
    node : a volume node to overwrite; a new one is made if None.
    progress : may offer a thread to read in.
    beds : further bed positions of the same SPECT, joined with it in Bq/ml.

    Raises
    ------
    PRRTError
        If the series cannot be quantified; the message names the attribute.
    """
    if series.modality not in EMISSION:
        made = node_from_volume(in_background(progress, lambda step: read_volume(series)), name, node)
        made.SetAttribute(PATIENT_ATTRIBUTE, series.patient_id or None)
        return made
    volume = in_background(
        progress,
        lambda step: suv(series, "bw", inputs).volume if as_suv else quantify_beds((series, *beds), inputs).volume,
    )
    made = node_from_volume(volume, name, node)
    made.SetAttribute(PATIENT_ATTRIBUTE, series.patient_id or None)
    keep_injection(made, known_injection(series, inputs, volume.reference_time), series.started)
    kept = keys_of(inputs) if inputs is not None else {}
    made.SetAttribute(STATED_ATTRIBUTE, json.dumps(kept) if set(kept) - {"reason"} else None)
    _keep_facts(made, series)
    return made


def stated_values(node: Any) -> OperatorOverrides | None:
    """What was stated when the image was read from its DICOM; None where nothing was.

    Raises
    ------
    PRRTError
        If the note on the node was changed to what cannot be.
    """
    text = node.GetAttribute(STATED_ATTRIBUTE)
    where = f"the image '{node.GetName()}'"
    return overrides_of(parsed_json(text, Place(file=where)), where) if text else None


def reading_problem(series: Series, as_suv: bool = False) -> str:
    """Why a PET or NM series cannot be quantified from its header alone, "" if it can."""
    try:
        if series.sop_class == PET_STORAGE:
            pet = PetSeries(arrange(series), OperatorOverrides())
            _ = pet.as_suv("bw") if as_suv else pet.as_concentration()  # factors only: no pixel is read
        elif as_suv:
            suv(series)
        else:
            quantify(series)
    except PRRTError as error:
        return str(error)
    return ""


def node_from_stored_values(series: Series, name: str, node: Any = None) -> Any:
    """Rescaled stored values without units, where the header does not allow more; the user can state the units."""
    arranged = arrange(series)
    array = arranged.scaled(arranged.slopes, arranged.intercepts)
    held = Volume(array, arranged.ijk_to_ras, "", "", None, provenance(arranged), outside_field=arranged.outside_field)
    made = node_from_volume(held, name, node)
    made.SetAttribute(PATIENT_ATTRIBUTE, series.patient_id or None)
    keep_injection(made, known_injection(series), series.started)
    describe_image(made, role=MEASURED)
    _keep_facts(made, series)
    return made


def _keep_facts(node: Any, series: Series) -> None:
    """Note how a series was acquired, to compare it with a camera's phantoms; nothing where its header is broken."""
    try:
        line = series_facts(series).as_text()
    except PRRTError:
        line = ""
    node.SetAttribute(SERIES_ATTRIBUTE, line or None)


def facts_from_node(node: Any) -> SeriesFacts | None:
    """How the image's series was acquired; None where the node does not remember it.

    Raises
    ------
    PRRTError
        If the note on the node was changed to what cannot be.
    """
    line = node.GetAttribute(SERIES_ATTRIBUTE)
    return SeriesFacts.from_text(line) if line else None


def known_injection(
    series: Series, inputs: OperatorOverrides | None = None, moment: datetime | None = None
) -> Injection | None:
    """What was injected before ``moment`` (by default the start of the scan); None where the header lacks something."""
    if series.started is None:
        return None
    try:
        return injection_of(series, moment or series.started, inputs)
    except PRRTError:
        return None


def keep_injection(node: Any, injection: Injection | None, scan_time: datetime | None) -> None:
    """Note on a volume node what was injected and how long before the scan."""
    for attribute in (*_NOTED, INJECTION_ATTRIBUTE):
        node.SetAttribute(attribute, None)
    if injection is not None and scan_time is not None:
        node.SetAttribute(NUCLIDE_ATTRIBUTE, injection.nuclide)
        node.SetAttribute(ACTIVITY_ATTRIBUTE, f"{injection.activity_MBq:g}")
        node.SetAttribute(SEX_ATTRIBUTE, injection.sex or None)
        describe_image(node, hours=round(injection.hours_to(scan_time), 3))
        end = injection.end.isoformat() if injection.end is not None else ""
        known = {"time": injection.time.isoformat(), "end": end, "activity_MBq": injection.activity_MBq}
        node.SetAttribute(INJECTION_ATTRIBUTE, json.dumps({**known, "noted": [node.GetAttribute(n) for n in _NOTED]}))


def injection_from_node(node: Any) -> Injection | None:
    """What a volume node remembers of the injection, None unless it knows all: activity, nuclide and both times.

    What was read from DICOM counts with every digit for as long as nothing that was noted of it is changed.
    """
    exact = _exact_injection(node)
    if exact is not None:
        return exact
    hours, time = image_row(node).hours, node.GetAttribute(REFERENCE_TIME_ATTRIBUTE)
    activity, nuclide = node.GetAttribute(ACTIVITY_ATTRIBUTE), node.GetAttribute(NUCLIDE_ATTRIBUTE)
    if hours is None or not (time and activity and nuclide):
        return None
    injected = datetime.fromisoformat(time) - timedelta(hours=hours)
    return Injection(float(activity), injected, nuclide, node.GetAttribute(SEX_ATTRIBUTE) or "")


def _exact_injection(node: Any) -> Injection | None:
    text = node.GetAttribute(INJECTION_ATTRIBUTE)
    known = json.loads(text) if text else {}
    if not known or known["noted"] != [node.GetAttribute(name) for name in _NOTED]:
        return None
    nuclide, _, sex, _ = known["noted"]
    end = datetime.fromisoformat(known["end"]) if known["end"] else None
    return Injection(known["activity_MBq"], datetime.fromisoformat(known["time"]), nuclide, sex or "", end)
