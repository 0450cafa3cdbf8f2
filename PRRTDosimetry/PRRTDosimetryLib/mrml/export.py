"""The doses of a cycle as a folder: report, tables, dose map, provenance, scene; all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.export.data_dictionary import FILE as SCHEMA
from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.provenance import provenance, write_json
from PRRTUptakeLib.mrml.export import KEPT_FILES
from PRRTUptakeLib.mrml.scene import write_bundle
from PRRTUptakeLib.mrml.session import operator_notes
from PRRTUptakeLib.mrml.volumes import NodeError
from PRRTUptakeLib.report.patient_report import case_report
from PRRTUptakeLib.study.case import Case
from PRRTUptakeLib.study.measurements import to_csv

from PRRTDosimetryLib.mrml.dose_maps_report import dose_map_sections
from PRRTDosimetryLib.mrml.dose_report import dose_sections
from PRRTDosimetryLib.mrml.doses_run import kept_contrast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTDosimetryLib.mrml.logic import DosimetryLogic


def export_doses(
    folder: str | Path, logic: DosimetryLogic, scene: bool, more: Sequence[Callable[[Path, Case], Any]] = ()
) -> None:
    """Write what the logic calculated last.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced.
    logic : its curves were fitted in this session.
    scene : whether to write the scene too.
    more : what else writes into the folder, each called with it and the case, in this order.

    Raises
    ------
    PRRTError
        If no curves were fitted in this session, or the folder cannot be written; it is then as it was.
    """
    treatment, dosimetry = logic.treatment, logic.dosimetry
    if treatment is None or dosimetry is None:
        raise NodeError("The curves were not fitted in this session: fit them in section 2, then export.")
    protocol = logic.protocol
    case = Case(
        path=Path(folder),
        patient=treatment.patient,
        protocol=protocol,
        visits=(),
        treated_lobe=treatment.treated_lobe,
        notes=operator_notes(),
    )
    parameters = {
        "protocol": protocol.name,
        "protocol_sha256": protocol.sha256,
        "nuclide": treatment.nuclide,
        "activity_MBq": treatment.activity_MBq,
        "cycle": treatment.cycle,
        "image_fwhm_mm": logic.settings.resolution_mm(logic.visits[0]),
        "recovery_phantom": logic.phantom.source if logic.phantom is not None else "none",
    }
    facts = provenance([_series(visit) for visit in logic.visits], (), parameters, Path(folder))
    warnings = [f"{visit.labels.visit}: {text}" for visit in logic.visits for text in visit.warnings]
    kept = kept_contrast(logic.visits[0], dosimetry.regions, logic.settings)
    title = f"Cycle {treatment.cycle}"
    sections = dose_sections(dosimetry, title, kept, logic.recovered)
    if logic.map is not None:
        earlier = {
            metric: {row.region: row.value for row in logic.rows if row.metric == metric}
            for metric in ("dose", "tia", "mass")
        }
        sections += dose_map_sections(logic.map, title, logic.method, earlier)
    with atomic_directory(folder, KEPT_FILES) as out:
        (out / "measurements.csv").write_text(to_csv(logic.rows), encoding="utf-8")
        write_json(measurements_schema(logic.rows), out / SCHEMA)
        (out / "protocol.json").write_text(protocol.text, encoding="utf-8")
        heading = f"Absorbed dose: {treatment.patient}"
        (out / "report.html").write_text(case_report(heading, case, warnings, sections, facts), encoding="utf-8")
        write_json(facts, out / "provenance.json")
        if scene:
            write_bundle(out / "patient.mrb")
        for write in more:
            write(out, case)


def _series(visit: Any) -> dict[str, Any]:
    known = visit.image.provenance
    return {
        "visit": visit.labels.visit,
        "use": "measured",
        "uid": known.get("series_uid", "not told"),
        "study_uid": known.get("study_uid", "not told"),
        "modality": known.get("modality", "not told"),
        "description": visit.labels.image,
        "decisions": list(known.get("decisions", ())),
    }
