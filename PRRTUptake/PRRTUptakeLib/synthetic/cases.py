"""Synthetic patients as folders: DICOM images, segments, the case file that names them, and the truth beside it.

Five kinds of case: lobe against lobe (``write_synthetic_lutia``), intra-arterial against intravenous PET/CT
(``write_synthetic_ia_versus_iv``), serial SPECT/CT for dosimetry (``write_synthetic_serial``), the last two of one
patient together, predicted against delivered dose (``write_synthetic_therapy``), and serial SPECT/CT of a patient
without arms or lobes (``write_synthetic_single_arm``).

``case.json`` holds

- ``patient``: the patient's identity; ``protocol``: "lutia", "ia-versus-iv" or "single-arm";
- ``treated_lobe``: "left" or "right" (lobe against lobe and serial; neither it nor a plane in a single arm);
- ``visits``: a list, one object per visit, paths relative to ``case.json``:
  ``visit`` (its name, for instance "24h"), ``cycle``, ``dicom`` (folder), ``segments`` (folder of NAME.nii.gz),
  ``lobe_plane`` with ``origin_ras_mm`` and ``normal_ras``, which points to the patient's left, in the frame of
  reference of the segments, and for PET ``route``: "intra-arterial" or "intravenous".

Segments lie on the grid of one CT or MRI. Where it belongs to the visit, it is among the visit's DICOM. In the
intra-arterial against intravenous case one visit, "MRI", has no emission image: its MRI is what the contours are drawn
on, and the PET visits name the same ``segments`` and ``lobe_plane``, which must be registered to them.

``truth.json`` holds what nobody knows of a real patient (see ``synthetic_truth``). Nothing in the pipeline reads it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.synthetic.lesion_placement import pet_lesions, single_arm_lesions
from PRRTUptakeLib.synthetic.phantom import Gains, Injection, SyntheticPatient, synthetic_patient
from PRRTUptakeLib.synthetic.phantom_uptake import uptake_table
from PRRTUptakeLib.synthetic.segments import write_segments
from PRRTUptakeLib.synthetic.session import Session
from PRRTUptakeLib.synthetic.simulation import CONTRAST_CT_GRID, LOW_DOSE_CT_GRID, MR_GRID, Posture, random_posture
from PRRTUptakeLib.synthetic.truth import enhancement_ratios, lobe_plane, posture_truth, truth

if TYPE_CHECKING:
    from collections.abc import Sequence

THERAPY_MBq = 7400.0
SERIAL_TIMES_h = (4.0, 24.0, 72.0, 168.0)
_CONTRAST_CT_TIME_h = 24.0


def write_synthetic_lutia(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    blur: bool = True,
    noise: bool = True,
    patient: SyntheticPatient | None = None,
) -> Path:
    """Write patient ``index`` of ``seed`` as a LUTIA case: contrast-enhanced CT and SPECT/CT 24 h after IA 177Lu.

    CT and SPECT are of one session: they share the frame of reference. Without ``blur`` the SPECT holds exact voxel
    averages; without ``noise`` neither SPECT nor CT have any. ``patient`` replaces the default one.

    Returns
    -------
    The path of ``case.json``.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    patient = patient or synthetic_patient(seed, index)
    with atomic_directory(folder) as out:
        session = Session(patient, "24h", _CONTRAST_CT_TIME_h, blur=blur, noise=noise)
        session.write_contrast_ct(out / "DICOM")
        session.write_spect(out / "DICOM")
        write_segments(patient, CONTRAST_CT_GRID, out / "segments")
        visit = _visit(session, "DICOM", "segments", session.posture)
        _write_json(out / "case.json", _case(patient, "lutia", [visit], patient.treated_lobe))
        _write_json(out / "truth.json", {"treated_lobe": patient.treated_lobe, **truth([session], "SPECT")})
    return Path(folder) / "case.json"


def write_synthetic_serial(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    times_h: Sequence[float] = SERIAL_TIMES_h,
    moving: bool = True,
    blur: bool = True,
    noise: bool = True,
    patient: SyntheticPatient | None = None,
) -> Path:
    """Write SPECT/CT of one patient at several times after one injection of 177Lu, each with its segments.

    Each visit is a session of its own, in a folder by its name ("24h"). The visit nearest to 24 h has a
    contrast-enhanced CT too, on which its segments are drawn; those of the others are drawn on the CT of the SPECT/CT.
    With ``moving`` the patient lies and breathes a little differently each time. ``patient`` replaces the default one.

    Returns
    -------
    The path of ``case.json``.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    patient = patient or synthetic_patient(seed, index)
    how: dict[str, Any] = {"times_h": times_h, "moving": moving, "blur": blur, "noise": noise}
    return _write_serial(Path(folder), patient, "lutia", by_lobe=True, **how)


def write_synthetic_single_arm(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    times_h: Sequence[float] = SERIAL_TIMES_h,
    moving: bool = True,
    blur: bool = True,
    noise: bool = True,
    patient: SyntheticPatient | None = None,
) -> Path:
    """Write SPECT/CT of a patient after an intravenous injection of 177Lu, without arms or lobes.

    As `write_synthetic_serial`, with lymph nodes besides the liver lesions, and neither treated lobe nor lobe plane.

    Returns
    -------
    The path of ``case.json``.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    if patient is None:
        patient = synthetic_patient(seed, index, lesions=single_arm_lesions)
    given = patient.injection
    patient = patient.after(Injection(given.table, given.activity_MBq, given.time, "intravenous"))
    how: dict[str, Any] = {"times_h": times_h, "moving": moving, "blur": blur, "noise": noise}
    return _write_serial(Path(folder), patient, "single-arm", by_lobe=False, **how)


def _write_serial(
    folder: Path,
    patient: SyntheticPatient,
    protocol: str,
    *,
    by_lobe: bool,
    times_h: Sequence[float],
    moving: bool,
    blur: bool,
    noise: bool,
) -> Path:
    """Serial SPECT/CT; treated lobe and lobe plane are stated only ``by_lobe``."""
    treated = patient.treated_lobe if by_lobe else ""
    with_contrast = min(times_h, key=lambda time_h: abs(time_h - _CONTRAST_CT_TIME_h))
    sessions, visits = [], []
    with atomic_directory(folder) as out:
        for time_h in times_h:
            name = f"{time_h:g}h"
            posture = random_posture(patient.random(f"posture {name}"), 8.0, 3.0, 4.0) if moving else Posture()
            session = Session(patient, name, time_h, posture, blur, noise)
            session.write_spect(out / name / "DICOM")
            grid = LOW_DOSE_CT_GRID
            if time_h == with_contrast:
                session.write_contrast_ct(out / name / "DICOM")
                grid = CONTRAST_CT_GRID
            write_segments(patient, grid, out / name / "segments", posture, lesions_apart=True)
            sessions.append(session)
            visits.append(_visit(session, f"{name}/DICOM", f"{name}/segments", posture if by_lobe else None))
        _write_json(out / "case.json", _case(patient, protocol, visits, treated))
        lobe = {"treated_lobe": treated} if by_lobe else {}
        _write_json(out / "truth.json", {**lobe, **truth(sessions, "SPECT")})
    return folder / "case.json"


def write_synthetic_ia_versus_iv(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    gains: Gains | None = None,
    moving: bool = True,
    blur: bool = True,
    noise: bool = True,
) -> Path:
    """Write a patient with 68Ga-DOTA-peptide PET/CT after IA (day 0) and IV (day 3) injection, and an MRI before.

    ``gains`` of the intra-arterial infusion are drawn by default: lesions 1.5 to 5 times by lobe, liver 1 to 1.4 times,
    elsewhere 0.8 to 0.95 times the intravenous uptake. With ``moving`` each visit has its own posture (up to 15 mm and
    6 degrees about each axis) and breathing (up to 8 mm). Folders: ``MRI``, ``IA``, ``IV``.

    Returns
    -------
    The path of ``case.json``.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    intra_arterial, intravenous = two_injections(seed, index, gains)
    with atomic_directory(folder) as out:

        def session(patient: SyntheticPatient, name: str, time_h: float) -> Session:
            random = patient.random(f"posture {name}")
            posture = random_posture(random, 15.0, 6.0, 8.0) if moving else Posture()
            return Session(patient, name, time_h, posture, blur, noise)

        minutes = intra_arterial.random("uptake times").integers(55, 75, 2)
        mri = session(intra_arterial, "MRI", -168.0)
        pets = [session(intra_arterial, "IA", minutes[0] / 60), session(intravenous, "IV", minutes[1] / 60)]
        mri.write_mr(out / "MRI" / "DICOM")
        write_segments(mri.patient, MR_GRID, out / "MRI" / "segments", mri.posture)
        visits = [_visit(mri, "MRI/DICOM", "MRI/segments", mri.posture)]
        for pet in pets:
            pet.write_pet(out / pet.visit / "DICOM")
            route = {"route": pet.patient.injection.route}
            visits.append({**_visit(pet, f"{pet.visit}/DICOM", "MRI/segments", mri.posture), **route})
        known = truth(pets, "PET")
        known["mri"] = {"posture": posture_truth(mri.posture), "to_visit_ras": _from_mri(mri, pets)}
        known["enhancement_ratio"] = enhancement_ratios(known["regions"], "IA", "IV")
        _write_json(out / "case.json", _case(mri.patient, "ia-versus-iv", visits))
        _write_json(out / "truth.json", known)
    return Path(folder) / "case.json"


def write_synthetic_therapy(
    folder: str | Path,
    *,
    seed: int = 1,
    index: int = 0,
    gains: Gains | None = None,
    times_h: Sequence[float] = SERIAL_TIMES_h,
    blur: bool = True,
    noise: bool = True,
) -> tuple[Path, Path, Path]:
    """Write a patient of the intra-arterial against intravenous trial with both cycles of 177Lu that belong to it.

    Folders: ``iv-cycle`` and ``ia-cycle`` with serial SPECT/CT after 7.4 GBq each, and ``pet`` with the PET/CT of both
    routes, whose case predicts the dose of the intra-arterial cycle from the intravenous one and compares it with what
    was delivered. It reads the tables of both cycles from ``results/iv-cycle`` and ``results/ia-cycle`` beside
    ``folder``, so that these are to be run first. The gains of the infusion are the same for both nuclides.

    Returns
    -------
    The paths of the three case files, in the order in which they are to be run.

    Raises
    ------
    AtomicWriteError
        If ``folder`` cannot be written, or holds files that are not ours.
    """
    folder = Path(folder)
    intra_arterial, _ = two_injections(seed, index, gains)
    table = uptake_table("Lu-177")
    cases = []
    for name, route, weeks in (("iv-cycle", "intravenous", -8), ("ia-cycle", "intra-arterial", 4)):
        time = intra_arterial.injection.time + timedelta(weeks=weeks)
        reached = intra_arterial.injection.gains if route == "intra-arterial" else Gains()
        treated = intra_arterial.after(Injection(table, THERAPY_MBq, time, route, reached))
        cases.append(
            write_synthetic_serial(
                folder / name, seed=seed, index=index, times_h=times_h, blur=blur, noise=noise, patient=treated
            )
        )
    pet = write_synthetic_ia_versus_iv(folder / "pet", seed=seed, index=index, gains=gains, blur=blur, noise=noise)
    content = json.loads(pet.read_text(encoding="utf-8"))
    tables = {name: f"../../results/{name}/measurements.csv" for name in ("iv-cycle", "ia-cycle")}
    content["iv_cycle"] = {"activity_MBq": THERAPY_MBq, "measurements": tables["iv-cycle"], "cycle": 1}
    content["delivered"] = {"measurements": tables["ia-cycle"], "cycle": 1}
    _write_json(pet, content)
    return cases[0], cases[1], pet


def two_injections(seed: int, index: int, gains: Gains | None) -> tuple[SyntheticPatient, SyntheticPatient]:
    """One patient after the intra-arterial injection and, three days later, after the intravenous one."""
    table = uptake_table("Ga-68")
    patient = synthetic_patient(seed, index, table=table, lesions=pet_lesions)
    random = patient.random("two injections")
    left, right = random.uniform(1.5, 5.0, 2)
    liver_left, liver_right = random.uniform(1.0, 1.4, 2)
    drawn = Gains(left, right, liver_left, liver_right, elsewhere=random.uniform(0.8, 0.95))
    first, second = random.uniform(135.0, 165.0, 2)
    day_0 = patient.injection.time
    day_3 = day_0 + timedelta(days=3, minutes=int(random.integers(-60, 60)))
    return (
        patient.after(Injection(table, first, day_0, "intra-arterial", gains or drawn)),
        patient.after(Injection(table, second, day_3, "intravenous")),
    )


def _from_mri(mri: Session, pets: Sequence[Session]) -> dict[str, Any]:
    """Rigid 4x4 from the MRI's RAS to that of each PET: of the body, and of liver and what else breathes."""
    body, liver = np.linalg.inv(mri.posture.phantom_to_ras), np.linalg.inv(mri.posture.liver_to_ras)
    return {
        pet.visit: {
            "body": (pet.posture.phantom_to_ras @ body).tolist(),
            "liver": (pet.posture.liver_to_ras @ liver).tolist(),
        }
        for pet in pets
    }


def _visit(session: Session, dicom: str, segments: str, drawn_in: Posture | None) -> dict[str, Any]:
    """One visit; without ``drawn_in`` it has no plane between the lobes."""
    plane = {"lobe_plane": lobe_plane(drawn_in)} if drawn_in is not None else {}
    return {
        "visit": session.visit,
        "cycle": 1,
        "dicom": dicom,
        "segments": segments,
        **plane,
    }


def _case(
    patient: SyntheticPatient, protocol: str, visits: Sequence[dict[str, Any]], treated_lobe: str = ""
) -> dict[str, Any]:
    lobe = {"treated_lobe": treated_lobe} if treated_lobe else {}
    return {"patient": patient.patient_id, "protocol": protocol, **lobe, "visits": list(visits)}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
