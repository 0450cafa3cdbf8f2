"""What the loader says: the file, the path of the key, what was found and what may be; and what it makes of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from builders import full_files
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTUptakeLib.dicom.operator_overrides import Calibration
from PRRTUptakeLib.statistics.allocation import read_allocation
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.study.case import load_case, require_known_lesions, route_word
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.protocol import load_protocol


def written(folder, change, make=full_files.full_case):
    content = make(folder)
    change(content)
    path = folder / "case.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def visit(number):
    return lambda case: case["visits"][number]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda c: c["visits"][1]["nudges"][0].update(shift_ras_mm=[0, 0]),
            "'visits[1].nudges[0].shift_ras_mm' is [0, 0], but must be a list of three numbers",
        ),
        (lambda c: c["visits"][1]["nudges"][0].update(shift_ras_mm=[0, 90, 0]), "'visits[1].nudges[0]': Lesion L1"),
        (lambda c: c["visits"][0].update(couinaud_moves=False), "'visits[0].couinaud_moves' is false"),
        (lambda c: c["visits"][0].update(cycle=1.5), "'visits[0].cycle' is 1.5, but must be a whole number from 1 to"),
        (lambda c: c["visits"][0].update(visit=""), "'visits[0].visit' is '', but must be text of 1 to 64 letters"),
        (lambda c: c["visits"][0].update(visit="a/b"), "'visits[0].visit' is 'a/b'"),
        (lambda c: c.update(patient="P\u202e01"), "a letter that does not show"),
        (lambda c: c.update(patient=".."), "'patient' is '..'"),
        (lambda c: c.update(treated_lob="left"), "unknown key 'treated_lob' (did you mean 'treated_lobe'?)"),
        (lambda c: c["visits"][2].update(dicom="own.json"), "own.json, which is no folder"),
        (lambda c: c["visits"][2].update(image="SPECT"), "'visits[2].image': 'SPECT' is no Series Instance UID"),
        (lambda c: c["visits"][2].update(couinaud_moves=[{"segment": 5, "lobe": "left", "reason": "x"}]), "I and IV"),
        (lambda c: c["visits"][2].update(vanished=["L3", "L3"]), "'visits[2].vanished[1]' is the second on L3"),
        (lambda c: c["visits"][0].update(vanished=["L3"]), "'visits[0].vanished' compares with an earlier visit"),
        (lambda c: c["dosimetry"].update(teff_h={"": "/etc"}), "'dosimetry.teff_h['']' is '/etc', but must be a num"),
        (lambda c: c["dosimetry"].update(teff_h=-1), "'dosimetry.teff_h' is -1, but must be an object"),
        (lambda c: c["dosimetry"].update(transforms={"1/48h": "register"}), "['1/48h']' names no visit of the case"),
        (
            lambda c: c["recovery_phantom"]["volumes_mL"].__setitem__(2, True),
            "'recovery_phantom.volumes_mL[2]' is true",
        ),
        (lambda c: c["recovery_phantom"]["volumes_mL"].pop(), "'recovery_phantom.recoveries' has 6 numbers, but"),
        (lambda c: c.pop("recovery_phantom"), "add 'recovery_phantom'"),
        (lambda c: c["exclude"][1].update(cycle=3), "'exclude[1].cycle' is 3, but must be the cycle of a visit (1, 2)"),
        (lambda c: c["exclude"][1].update(patient=True), "must name what is left out"),
        (lambda c: c["exclude"][0].update(scope="screening"), "a screen failure is the whole patient"),
        (lambda c: c["exclude"][0].update(scope="some"), "one of per-protocol, all, screening"),
        (lambda c: c["visits"][2]["non_targets"].update(L3="gone"), "one of absent, present, progressing"),
        (lambda c: c["visits"][0].update(new_lesions=["rib"]), "compares with an earlier visit, but this is the first"),
        (lambda c: c["visits"][1].update(non_targets={"L4": "absent"}), "belongs to the visit that the contours were"),
        (lambda c: c["exclude"][0].update(date="1 Feb"), "a date such as 2025-01-31"),
        (lambda c: c["exclude"][2].update(patient=False), "'exclude[2].patient' is false, but must be true"),
        (
            lambda c: c.update(lobes="none"),
            "'lobes' is 'none', but must be one of left, right, from-plane, drawn in",
        ),
        (lambda c: c.update(lobes="drawn"), "'visits[0].lobe_plane' contradicts 'lobes'"),
        (lambda c: c.update(iv_cycle={"activity_MBq": 1, "dose_Gy": {"L1": 1}}), "'iv_cycle' has no effect in the"),
    ],
)
def test_sentences(tmp_path, change, sentence):
    with pytest.raises(InputFileError) as caught:
        load_case(written(tmp_path, change))
    assert str(caught.value).startswith("case.json: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone': The time zone 'Mars/Olympus' is not known"),
        ({"time_zone": None, "calibration_time": "total"}, "time_zone' is null"),
        ({"calibration_time": "frame"}, "calibration_time' is 'frame', but must be one of total, per-view"),
        ({"weight_kg": 0}, "weight_kg' is 0, but must be a number from 1 to 300 (kg)"),
        ({"activity_MBq": 40}, "residual_MBq' is 50.0, but must be below the administered activity (40 MBq)"),
        ({"acquisition_time": "2025-01-30T09:00+01:00"}, "acquisition_time' is 90 min before 'injection_time'"),
        ({"injection_time": "2025-03-30T02:30", "acquisition_time": "2025-03-31T02:30Z"}, "does not exist or occurs"),
        ({"confirmed": ["sex"]}, "confirmed[0]' is 'sex', but must be one of activity_MBq, weight_kg, height_cm"),
        ({"nuclide": "Lu-176"}, "nuclide': The radionuclide 'Lu-176' is not known"),
        ({"reason": " "}, "reason' is ' ', but must be a reason in words"),
    ],
)
def test_impossible_quantification_is_named(tmp_path, change, sentence):
    with pytest.raises(InputFileError) as caught:
        load_case(written(tmp_path, lambda c: c["visits"][0]["quantification"].update(change)))
    assert "'visits[0].quantification" in str(caught.value)
    assert sentence in str(caught.value)


def test_activities_in_another_unit(tmp_path):
    """7.4 (GBq) for 7400 MBq; 5 for a half dose of another protocol stays possible."""

    def change(activity):
        return lambda c: c["visits"][0].update(quantification={"activity_MBq": activity, "reason": "sheet"})

    with pytest.raises(
        InputFileError, match=r"activity_MBq' is 7.4 MBq, but the protocol 'lutia' plans 7400 MBq: give both"
    ):
        load_case(written(tmp_path, change(7.4)))
    confirmed = {"activity_MBq": 7.4, "reason": "test dose", "confirmed": ["activity_MBq"]}
    case = load_case(written(tmp_path, lambda c: c["visits"][0].update(quantification=confirmed)))
    assert case.visits[0].overrides.activity_MBq == 7.4
    assert load_case(written(tmp_path, change(3700))).visits[0].overrides.activity_MBq == 3700.0
    with pytest.raises(InputFileError, match=r"planned_ia_MBq' is 7.4 MBq, but 'iv_cycle.activity_MBq' is 7400 MBq"):
        load_case(written(tmp_path, lambda c: c["iv_cycle"].update(planned_ia_MBq=7.4), full_files.routes_case))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputFileError, match=r"cannot be read as JSON .*No such file"):
        load_case(tmp_path / "case.json")
    with pytest.raises(InputFileError, match="cannot be read as JSON"):
        load_protocol(tmp_path / "own.json")
    with pytest.raises(InputFileError, match="There is no protocol 'lutiaa': use ia-versus-iv, lutia"):
        load_protocol("lutiaa")


def test_a_time_needs_a_zone(tmp_path):
    def change(case):
        del case["visits"][0]["quantification"]["time_zone"]

    with pytest.raises(InputFileError, match=r"'visits\[0\].quantification.\w+_time' has no zone"):
        load_case(written(tmp_path, change))


def test_what_is_stated_of_a_visit_becomes_overrides(tmp_path):
    case = load_case(written(tmp_path, lambda c: None))
    stated, other = case.visits[0], case.visits[1]
    assert stated.overrides.reason == "the camera writes counts only"
    assert stated.overrides.calibration == Calibration(9.4, "total", 1200.0)
    assert stated.overrides.injection_time == datetime(2025, 1, 30, 9, 30, tzinfo=timezone.utc)
    assert stated.overrides.injection_time.utcoffset() == timedelta(hours=1)
    assert stated.overrides.acquisition_time == datetime(2025, 1, 31, 10, 30, tzinfo=timezone.utc)
    assert (stated.overrides.residual_MBq, stated.overrides.nuclide) == (50.0, "Lu-177")
    assert other.overrides is None


def test_what_a_full_case_says(tmp_path):
    case = load_case(written(tmp_path, lambda c: None))
    assert (case.expected_patient_id, case.partial_volume_method, case.lobes) == ("0012345", "recovery", "")
    assert [(one.patient, one.lesion, one.cycle, one.scope) for one in case.exclude] == [
        ("P01", "L2", 1, "per-protocol"),
        ("P01", "", 2, "per-protocol"),
        ("P01", "", None, "all"),
    ]
    assert case.exclude[0].reason == "necrotic"
    assert case.response.organs == {"E1": "node"}
    assert (case.response.confirm, str(case.response.death)) == (True, "2026-01-31")
    last = case.visits[2]
    assert (last.non_targets, last.new_lesions, str(last.date)) == (
        {"L3": "present", "bone": "absent"},
        ("rib",),
        "2025-06-01",
    )
    assert case.visits[1].segments == case.visits[0].segments
    assert case.protocol.imaging.fwhm_u_percent == 10.0
    assert "'metrics' has no effect" in case.protocol.remarks[0]
    routes = load_case(written(tmp_path, lambda c: None, full_files.routes_case))
    assert [route_word(visit) for visit in routes.visits] == ["IA", "IV"]
    assert routes.iv_cycle.dose_Gy == {"L1": 30.0}
    assert routes.delivered.measurements == tmp_path / "ia.csv"
    assert routes.partial_volume_method == "none"


def test_lesions_that_nobody_found_are_named(tmp_path):
    case = load_case(written(tmp_path, lambda c: None))
    require_known_lesions(case, ["L1", "L2", "L3", "E1"])
    with pytest.raises(
        InputFileError, match=r"'visits\[2\].vanished\[0\]' is 'L3', but there is no such lesion; there are L1"
    ):
        require_known_lesions(case, ["L1", "L2"])
    with pytest.raises(InputFileError, match=r"'exclude\[0\].lesion' is 'L2'"):
        require_known_lesions(case, ["L1", "L3"])
    with pytest.raises(InputFileError, match=r"'response.organs.E1' is 'E1'"):
        require_known_lesions(case, ["L1", "L2", "L3"])


def test_half_lives_of_no_region_are_named(tmp_path):
    settings = DoseSettings.from_case({"teff_h": {"": 60, "L1": 70, "spleeen": 80}, "u_teff_h": {"L1": 5}}, tmp_path)
    settings.require_regions(["L1", "spleeen"])
    for teff, u in (({"": 60}, {"L1": 5}), ({"L1": 60}, {"": 5})):
        assert DoseSettings.from_case({"teff_h": teff, "u_teff_h": u}).options().half_life_of("L1") == (60.0, 5.0)
    with pytest.raises(InputFileError, match=r"u_teff_h\['spleen'\]|u_teff_h.spleen"):
        DoseSettings.from_case({"teff_h": {"L1": 60}, "u_teff_h": {"spleen": 5}})
    with pytest.raises(InputFileError, match=r"'dosimetry.teff_h'.*'spleeen'.*no such region; there are L1, spleen"):
        settings.require_regions(["L1", "spleen"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"patient": "P1", "patient": "P2"}', "the key 'patient' is written twice: keep one of them"),
        ('{"visits": [{}, {"cycle": 1, "cycle": 2}]}', "the key 'visits[1].cycle' is written twice"),
        ('{"notes": {"x": NaN}}', "'notes.x' is NaN, but must be a finite number"),
        ('{"notes": [1e999]}', "'notes[0]' is 1e999, but must be a finite number"),
        ('{"notes": {"\\ud800": 1}}', "one half of a surrogate pair"),
        (f'{{"notes": {"9" * 5000}}}', "'notes' is 999999999999... (5000 digits)"),
        ("[" * 100_000, "nested too deeply"),
        ('{"notes": ' + "[" * 60 + "]" * 60 + "}", "nested more than 40 levels deep"),
        ('{"patient": "P1",}', "cannot be read as JSON"),
        ("[1]", "the file is [1], but must be an object with the keys patient, protocol, visits"),
        ("", "cannot be read as JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path, text, sentence):
    path = tmp_path / "case.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputFileError) as caught:
        load_case(path)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 300


def test_encodings(tmp_path):
    """A byte order mark does no harm; another encoding is named."""
    path = written(tmp_path, lambda c: c.update(patient="Müller"))
    text = json.dumps(json.loads(path.read_text()), ensure_ascii=False)
    path.write_bytes(text.encode("utf-8-sig"))
    assert load_case(path).patient == "Müller"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputFileError, match="save it as UTF-8"):
        load_case(path)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("lutia", {"endpoint": {"metric": "suv_peak"}}, "'endpoint.metric' is 'suv_peak', but must be one of tn_ratio"),
        ("lutia", {"endpoint": {"metric": "banana"}}, "'endpoint.metric' is 'banana'"),
        ("ia-versus-iv", {"endpoint": {"metric": "tn_ratio"}}, "one of suv_max, suv_peak, suv_mean in the design ia-"),
        (
            "ia-versus-iv",
            {"endpoint": {"aggregation": "volume-weighted-mean"}},
            "one of geometric-mean, arithmetic-mean",
        ),
        (
            "ia-versus-iv",
            {"reference": {"kind": "same-lobe"}},
            "'reference.kind' is 'same-lobe', but must be one of whole",
        ),
        (
            "ia-versus-iv",
            {"metrics": ["suv_max", "mean"]},
            "'metrics[1]' is 'mean', which the design ia-versus-iv does not",
        ),
        ("lutia", {"endpoint": {"cycle": 5}}, "'endpoint.cycle' is 5, but must be at most the number of cycles, 4"),
        ("lutia", {"partial_volume": "gtm", "imaging": {"fwhm_mm": 0}}, "give 'imaging.fwhm_mm' above 0"),
        ("lutia", {"nuclide": "Lu-176"}, "'nuclide': The radionuclide 'Lu-176' is not known"),
    ],
)
def test_protocols_that_cannot_work(tmp_path, name, change, sentence):
    content = full_files.shipped_protocol(name)
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputFileError) as caught:
        load_protocol(path)
    assert str(caught.value).startswith("own.json: ")
    assert sentence in str(caught.value)


def test_shipped_protocols_have_no_remarks():
    for name in ("lutia", "ia-versus-iv"):
        protocol = load_protocol(name)
        assert protocol.remarks == ()
        assert (protocol.partial_volume, protocol.imaging.fwhm_u_percent) == ("none", 15.0)


def test_allocations_are_read_strictly(tmp_path):
    path = tmp_path / "allocation.json"
    path.write_text('[{"patient": "P1", "treated": "left", "treated": "right"}]', encoding="utf-8")
    with pytest.raises(StatisticsError, match=r"allocation.json: the key '\[0\].treated' is written twice"):
        read_allocation(path)
    path.write_text('[{"patient": "P1", "treated": "left"}, {"patient": "P2", "lobe": "Right"}]', encoding="utf-8")
    assert read_allocation(path).treated == {"P1": "left", "P2": "right"}
