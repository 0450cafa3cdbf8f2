"""The keys of a case file, which is one patient: visits, rules, corrections, and what was decided by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.best_response import ResponseRules
from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.response import ABSENT, CRITERIA, PRESENT, PROGRESSING
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.segmentation.totalsegmentator import TABLES
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.schema.containers import AnyOf, ListOf, MapOf, Record
from PRRTUptakeLib.study.schema.fields import Anything, Day, FilePath, Flag, Number, Text, Word
from PRRTUptakeLib.study.schema.place import shown
from PRRTUptakeLib.study.schema.population_keys import KINETICS
from PRRTUptakeLib.study.schema.shared_keys import (
    CYCLE,
    DELIVERED,
    DOSIMETRY,
    IV_CYCLE,
    LESION,
    PARTIAL_VOLUME,
    REASON,
    RECOVERY_PHANTOM,
    REGISTRATION,
    VECTOR,
)
from PRRTUptakeLib.study.stated_exclusion import SCOPES, StatedExclusion
from PRRTUptakeLib.study.stated_quantification import QUANTIFICATION

if TYPE_CHECKING:
    from datetime import date

    from PRRTUptakeLib.study.schema.place import Place

ROUTES = {"intra-arterial": "IA", "intravenous": "IV"}
LOBES = ("none", "left", "right", "from-plane", "drawn")
# What belongs to the visit whose segments are used, not to one that uses them.
DRAWN_KEYS = (
    *("labels", "lobe_plane", "couinaud_moves", "vanished", "targets"),
    *("non_targets", "new_lesions", "enhancing_mm"),
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is open about a case: ``key`` is the path of the key that the answer goes to, "" for a confirmation.

    ``choices`` are possible answers with their meaning, ``proposed`` the one that the file has now, ``answer`` what
    was written in the file and is not in its key yet.
    """

    question: str
    key: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    proposed: str = ""
    answer: str = ""


def _uid(text: str) -> None:
    if not re.fullmatch(r"[0-9.]{1,64}", text):
        raise InputFileError(f"{shown(text)} is no Series Instance UID (digits and dots): copy it from 'prrt check'.")


def _label_number(text: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise InputFileError(f"{shown(text)} is no number of a label map (1 to 99999; 0 is background).")


def _plane(origin_ras_mm: tuple[float, ...], normal_ras: tuple[float, ...]) -> Plane:
    return Plane(origin_ras_mm, normal_ras, "from the case file")  # type: ignore[arg-type]


def _territory(segment: int, lobe: str, reason: str) -> TerritoryOverride:
    return TerritoryOverride(segment, lobe, reason)


def _excluded(reason: str, date: date, scope: str = SCOPES[0], **which: Any) -> StatedExclusion:
    part = {key: value for key, value in which.items() if key != "patient"}
    return StatedExclusion(patient="", reason=reason, decided=date, scope=scope, **part)


def _one_part(values: dict[str, Any], place: Place) -> None:
    parts = {"lesion", "cycle"} & set(values)
    if bool(parts) == ("patient" in values):
        place.stop(
            f'{place.name} must name what is left out: "lesion": ID, "cycle": NUMBER, both for a lesion in one cycle, '
            'or "patient": true.'
        )
    if values.get("scope") == "screening" and parts:
        place.stop(f"{place.name}: a screen failure is the whole patient: leave lesion and cycle out.")


def _segments_one_way(values: dict[str, Any], place: Place) -> None:
    if ("segments" in values) == ("drawn_on" in values):
        place.stop(
            f"{place.name} needs 'segments', or 'drawn_on' with the visit whose segments are used; give one of them."
        )
    for key in DRAWN_KEYS:
        if "drawn_on" in values and key in values:
            place.stop(
                f"{place.key(key).name} belongs to the visit that the contours were drawn on, "
                f"'{values['drawn_on']}': move it there."
            )


def _kinetics_once(values: dict[str, Any], place: Place) -> None:
    if "kinetics" not in values:
        return
    doses = values.get("dosimetry", {})
    if "kinetics" in doses:
        place.stop(f"{place.key('kinetics').name} is also under 'dosimetry': keep one of them.")
    if doses.get("model", "auto") != "auto":
        place.stop(
            f"{place.key('kinetics').name} names a population, which chooses its own models: leave it out, or "
            "'dosimetry.model'."
        )


def _each_once(values: dict[str, Any], place: Place) -> None:
    """One decision for one lesion or segment."""
    for key, name in (("nudges", "lesion"), ("targets", "dropped"), ("couinaud_moves", "number"), ("vanished", "")):
        seen = set()
        for n, one in enumerate(values.get(key, ())):
            which = getattr(one, name) if name else one
            if which in seen:
                place.stop(f"{place.key(key).item(n).name} is the second on {which}: keep one.")
            seen.add(which)


EXCLUDE = ListOf(
    about="What is left out of the analysis, each with its reason and the date of the decision.",
    item=Record(
        wanted="an object with lesion, cycle or patient, and with reason and date",
        rules=(_one_part,),
        more={
            "oneOf": [
                {"required": ["patient"], "not": {"anyOf": [{"required": ["lesion"]}, {"required": ["cycle"]}]}},
                {"anyOf": [{"required": ["lesion"]}, {"required": ["cycle"]}], "not": {"required": ["patient"]}},
            ]
        },
        required={"reason": REASON, "date": Day(about="Of the decision, such as 2025-01-31.")},
        optional={
            "lesion": LESION,
            "cycle": CYCLE,
            "patient": Flag(only_true=True, about="The whole patient."),
            "scope": Word(
                words=SCOPES,
                about="Which populations it applies to: per-protocol alone (if left out), all, or screening for "
                "a patient who never entered.",
            ),
        },
        make=_excluded,
    ),
)

RESPONSE = Record(
    about="How the response over the visits is judged, and what images do not show.",
    optional={
        "criteria": Word(
            words=CRITERIA,
            about="By the diameters of lesions, of their enhancing part, or the SULpeak of PET; in place of what the "
            "protocol says.",
        ),
        "organs": MapOf(
            item=Text(about='Organ, such as bone; "node" for a lymph node, which is measured by its short axis.'),
            names=LESION,
            keyed_by="lesion",
            about="Organs of lesions outside the liver, by the lesion's id.",
        ),
        "confirm": Flag(about="Whether CR and PR count only if confirmed four weeks later."),
        "death": Day(about="Date of death, for the progression-free time."),
    },
    make=ResponseRules,
)


def _choice(answer: str, meaning: str) -> tuple[str, str]:
    return answer, meaning


QUESTIONS = ListOf(
    about="What is open; prrt run refuses the case until each is answered. 'prrt case CASE.json' takes the answers.",
    item=Record(
        required={"question": Text(about="What has to be decided, in words.")},
        optional={
            "key": Text(about="Key of this file that the answer goes to, such as visits[0].image; none to confirm."),
            "choices": ListOf(
                item=Record(
                    required={"answer": Text(about="What to answer."), "meaning": Text(about="What it is.")},
                    make=_choice,
                ),
                about="Possible answers.",
            ),
            "proposed": Text(about="The answer that the file has now."),
            "answer": Text(about="Write the answer here, then run 'prrt case' on this file."),
        },
        make=Question,
    ),
)

VISIT = Record(
    about="One imaging visit.",
    rules=(_segments_one_way, _each_once),
    more={
        "oneOf": [
            {"required": ["segments"], "not": {"required": ["drawn_on"]}},
            {"required": ["drawn_on"], "not": {"anyOf": [{"required": [key]} for key in ("segments", *DRAWN_KEYS)]}},
        ]
    },
    required={
        "visit": Text(name=True, about="Name of the visit, such as 24h; no two of one cycle are alike."),
        "cycle": CYCLE,
        "dicom": FilePath(kind="folder", about="Folder of the visit's DICOM images, relative to the case file."),
    },
    optional={
        "segments": FilePath(
            kind="either", about="Folder of masks, a .seg.nrrd file, or DICOM SEG or RTSTRUCT (file or folder)."
        ),
        "labels": AnyOf(
            about="Names of the numbers of a label map, or the TotalSegmentator task whose table has them.",
            forms=(
                Word(words=tuple(TABLES), about="Task of TotalSegmentator; the two differ at number 26."),
                MapOf(
                    item=Text(about="Name of the segment."),
                    names=Text(rule=_label_number, about="Number in the file."),
                    keyed_by="number",
                    least=1,
                ),
            ),
            wanted=f"{' or '.join(TABLES)}, or an object with a number as each key and its name as value",
        ),
        "drawn_on": Text(about='Name of the visit whose segments are used, "CYCLE/VISIT" if it is of another cycle.'),
        "registration": REGISTRATION,
        "image": Text(rule=_uid, about="Series Instance UID of the measured image, where there are several."),
        "route": Word(words=(*ROUTES, *ROUTES.values()), about="How the activity was given, for PET of both routes."),
        "quantification": QUANTIFICATION,
        "observed_cps": Number(
            low=0,
            high=1e8,
            above=True,
            unit="counts per second",
            about="Count rate that the detectors showed, for the dead time of the camera file",
        ),
        "lobe_plane": Record(
            about="Parts the lobes; the normal points to the patient's left lobe.",
            required={
                "origin_ras_mm": replace(VECTOR, about="A point of the plane, RAS in mm."),
                "normal_ras": replace(VECTOR, about="Direction at right angles to the plane, RAS."),
            },
            make=_plane,
        ),
        "couinaud_moves": ListOf(
            about="Couinaud segments that the treated artery feeds from the other side, as angiography showed.",
            item=Record(
                required={
                    "segment": Number(low=1, high=8, whole=True, about="1 or 4."),
                    "lobe": Word(words=("left", "right"), about="Lobe that it counts to."),
                    "reason": REASON,
                },
                make=_territory,
            ),
        ),
        "nudges": ListOf(
            about="Lesions shifted by hand in this visit, where breathing or registration left them.",
            item=Record(
                required={
                    "lesion": LESION,
                    "shift_ras_mm": replace(VECTOR, about="To the patient's right, front and head, in mm."),
                    "reason": REASON,
                },
                make=ManualShift,
            ),
        ),
        "vanished": ListOf(item=LESION, about="Lesions of the first visit that were looked for and are gone."),
        "non_targets": MapOf(
            item=Word(
                words=(ABSENT, PRESENT, PROGRESSING), about="Progressing means unequivocally: it is progression."
            ),
            names=LESION,
            keyed_by="lesion",
            about="State of lesions that are followed without being measured, by id, or by a name of what nobody drew, "
            "such as bone.",
        ),
        "new_lesions": ListOf(
            item=Text(name=True, about="What it is called, such as a rib."),
            about="Lesions that are new since the first visit and not drawn; those drawn count by themselves.",
        ),
        "enhancing_mm": MapOf(
            item=Number(low=0, high=500, unit="mm", about="0 where nothing enhances"),
            names=LESION,
            keyed_by="lesion",
            about="For mRECIST: longest axial diameter of the part that enhances in the arterial phase; lesions that "
            "are not named are measured as drawn.",
        ),
        "date": Day(about="Of the images for the response, where their headers state none or a changed one."),
        "targets": ListOf(
            about="The user's changes of the protocol's targets.",
            item=Record(required={"dropped": LESION, "chosen": LESION, "reason": REASON}, make=TargetOverride),
        ),
    },
)

CASE = Record(
    rules=(_kinetics_once,),
    about="A case of SlicerPRRT: which DICOM, segments and rules make up one patient. Paths are relative to the file.",
    required={
        "patient": Text(name=True, about="Id of the patient in tables and reports."),
        "protocol": Text(about="Name of a shipped protocol, or a protocol file ending in .json."),
        "visits": ListOf(
            item=VISIT,
            least=1,
            most=500,
            about="Imaging visits in their order.",
            wanted="a list with at least one visit",
        ),
    },
    optional={
        "$schema": Text(about="Names this schema for editors; nothing else reads it."),
        "expected_patient_id": Text(about="DICOM Patient ID that every image must have."),
        "treated_lobe": Word(words=("left", "right", ""), about="Leave it out while the analysis is blinded."),
        "lobes": Word(words=LOBES, about="How the liver is parted: not at all, by a plane, or as drawn."),
        "exclude": EXCLUDE,
        "response": RESPONSE,
        "partial_volume": Word(
            words=PARTIAL_VOLUME, about="Partial volume correction, in place of what the protocol says."
        ),
        "recovery_phantom": RECOVERY_PHANTOM,
        "camera": FilePath(
            about="CAMERA.json of prrt camera: calibration, resolution and recovery with their uncertainties."
        ),
        "kinetics": replace(KINETICS, raw=True),
        "dosimetry": replace(DOSIMETRY, raw=True),  # read again by the library of dosimetry
        "iv_cycle": IV_CYCLE,
        "delivered": DELIVERED,
        "same_patient": Text(
            about="Why images of several patient ids are of one person.", wanted="a reason in words, or be left out"
        ),
        "questions": QUESTIONS,
        "notes": Anything(about="Whatever the user wants to keep."),
    },
)
